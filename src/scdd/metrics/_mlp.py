"""A small neural network as test model."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from scdd._rng import torch_stream
from scdd._threads import one_thread
from scdd.metrics._models import Predictor

__all__ = ["fit_mlp"]


def fit_mlp(
    train_x: NDArray[np.float32],
    train_y: NDArray[np.integer],
    seed: int,
    *,
    width: int = 128,
    steps: int = 300,
    batch_size: int = 256,
    learning_rate: float = 1e-3,
) -> Predictor:
    """Train two hidden ReLU layers with Adam and cross-entropy for a fixed number of steps.

    The budget is in steps, not epochs: an epoch of a few rows would be one step. Up to ``batch_size`` rows every step
    sees them all. Weights and batches come from a private generator; the global torch state is neither read nor moved.

    Parameters
    ----------
    train_x, train_y
        float32 (n, d) and int (n,).
    seed
        Fixes the result.
    width, steps, batch_size, learning_rate
        Size of the hidden layers and the budget of the training.

    Returns
    -------
    A function from float32 (m, d) to int (m,).

    Examples
    --------
    >>> import numpy as np
    >>> x = np.eye(2, dtype=np.float32)
    >>> fit_mlp(x, np.array([3, 7]), 0)(x).tolist()
    [3, 7]
    """
    generator = torch_stream(seed, "mlp")
    classes, codes = np.unique(train_y, return_inverse=True)
    x = torch.from_numpy(np.ascontiguousarray(train_x, dtype=np.float32))
    y = torch.from_numpy(codes.astype(np.int64))
    network = _network(x.shape[1], width, len(classes), generator)
    optimizer = torch.optim.Adam(network.parameters(), lr=learning_rate, fused=True)
    with one_thread():
        for _ in range(steps):
            if len(x) > batch_size:
                batch = torch.randint(len(x), (batch_size,), generator=generator)
                loss = nn.functional.cross_entropy(network(x[batch]), y[batch])
            else:
                loss = nn.functional.cross_entropy(network(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    def predict(test_x: NDArray[np.float32]) -> NDArray[np.integer]:
        with torch.no_grad(), one_thread():
            scores = network(torch.from_numpy(np.ascontiguousarray(test_x, dtype=np.float32)))
        return classes[scores.argmax(dim=1).numpy()]

    return predict


def _network(n_in: int, width: int, n_out: int, generator: torch.Generator) -> nn.Sequential:
    """Build the layers with torch's default distributions, drawn from ``generator``."""
    layers: list[nn.Module] = []
    for fan_in, fan_out, last in ((n_in, width, False), (width, width, False), (width, n_out, True)):
        # skip_init: the constructor of Linear would draw from the global generator
        layer = nn.utils.skip_init(nn.Linear, fan_in, fan_out)
        bound = fan_in**-0.5
        with torch.no_grad():
            layer.weight.uniform_(-bound, bound, generator=generator)
            layer.bias.uniform_(-bound, bound, generator=generator)
        layers += [layer] if last else [layer, nn.ReLU()]
    return nn.Sequential(*layers)
