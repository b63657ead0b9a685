"""A small neural network as test model."""

from __future__ import annotations

from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray
from torch import nn

from scdd._rng import torch_stream
from scdd._threads import one_thread
from scdd.metrics._models import Predictor

__all__ = ["fit_mlp"]

_SPARSE = 0.2  # share of entries that are not zero, below which sparse products are faster


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
    x = _rows(np.ascontiguousarray(train_x, dtype=np.float32))
    y = torch.from_numpy(codes.astype(np.int64))
    weight, bias, rest = _network(x.shape[1], width, len(classes), generator)
    optimizer = torch.optim.Adam([weight, bias, *rest.parameters()], lr=learning_rate, fused=True)
    with one_thread():
        for _ in range(steps):
            rows, truth = x, y
            if len(y) > batch_size:
                batch = torch.randint(len(y), (batch_size,), generator=generator)
                rows, truth = x[batch.numpy()], y[batch]
            loss = nn.functional.cross_entropy(rest(_product(rows, weight) + bias), truth)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    def predict(test_x: NDArray[np.float32]) -> NDArray[np.integer]:
        with torch.no_grad(), one_thread():
            scores = rest(torch.from_numpy(np.ascontiguousarray(test_x, dtype=np.float32)) @ weight + bias)
        return classes[scores.argmax(dim=1).numpy()]

    return predict


def _rows(x: NDArray[np.float32]) -> sp.csr_matrix | torch.Tensor:
    """Return the rows sparse where most entries are zero: counts are, means are not."""
    return sp.csr_matrix(x) if np.count_nonzero(x) < _SPARSE * x.size else torch.from_numpy(x)


def _product(rows: sp.csr_matrix | torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    out: torch.Tensor = _SparseProduct.apply(rows, weight) if sp.issparse(rows) else rows @ weight
    return out


class _SparseProduct(torch.autograd.Function):
    """Sparse rows times a matrix: the gradient of torch's own is several times slower."""

    @staticmethod
    def forward(ctx: Any, rows: sp.csr_matrix, weight: torch.Tensor) -> torch.Tensor:
        ctx.rows = rows
        return torch.from_numpy(rows @ weight.numpy())

    @staticmethod
    def backward(ctx: Any, gradient: torch.Tensor) -> tuple[None, torch.Tensor]:
        return None, torch.from_numpy(ctx.rows.T @ gradient.numpy())


def _network(
    n_in: int, width: int, n_out: int, generator: torch.Generator
) -> tuple[torch.Tensor, torch.Tensor, nn.Sequential]:
    """Draw weights with torch's default distributions from ``generator``: (n_in, width), (width,), and later layers."""
    first, second, last = (_layer(n, m, generator) for n, m in ((n_in, width), (width, width), (width, n_out)))
    weight = first.weight.detach().T.contiguous().requires_grad_()
    return weight, first.bias, nn.Sequential(nn.ReLU(), second, nn.ReLU(), last)


def _layer(fan_in: int, fan_out: int, generator: torch.Generator) -> nn.Linear:
    # skip_init: the constructor of Linear would draw from the global generator
    layer: nn.Linear = nn.utils.skip_init(nn.Linear, fan_in, fan_out)
    bound = fan_in**-0.5
    with torch.no_grad():
        layer.weight.uniform_(-bound, bound, generator=generator)
        layer.bias.uniform_(-bound, bound, generator=generator)
    return layer
