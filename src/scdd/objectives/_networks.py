"""Small random multilayer perceptrons as plain tensors, with their gradients in closed form."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise

import torch
from torch import Tensor
from torch.nn import functional as F

from scdd._registry import Registry

Activation = tuple[Callable[[Tensor], Tensor], Callable[[Tensor], Tensor]]

ACTIVATIONS: Registry[Activation] = Registry("activation")
"""Function and derivative; both are differentiable by autograd."""


def _silu_slope(a: Tensor) -> Tensor:
    gate = torch.sigmoid(a)
    return gate * (1 + a * (1 - gate))


ACTIVATIONS.register("relu")((F.relu, lambda a: (a > 0).to(a.dtype)))
ACTIVATIONS.register("silu")((F.silu, _silu_slope))
ACTIVATIONS.register("tanh")((torch.tanh, lambda a: 1 - torch.tanh(a).square()))


@dataclass(frozen=True)
class Network:
    """Weights (out, in) and biases (out,) of each layer, and the activation between layers.

    Examples
    --------
    >>> net = Network.draw((3, 4, 2), generator=torch.Generator().manual_seed(0))
    >>> net.outputs(torch.ones(5, 3)).shape
    torch.Size([5, 2])
    """

    weights: tuple[Tensor, ...]
    biases: tuple[Tensor, ...]
    activation: str = "relu"

    @classmethod
    def draw(
        cls,
        sizes: tuple[int, ...],
        *,
        generator: torch.Generator,
        activation: str = "relu",
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
    ) -> Network:
        """Draw He-initialised weights for layers of the given sizes; biases are 0.

        Draws are in single precision whatever ``dtype`` is, so that a check in double precision sees the same network.
        """
        weights = []
        for i, (fan_in, fan_out) in enumerate(pairwise(sizes)):
            gain = 1.0 if i == len(sizes) - 2 else 2.0
            weights.append(torch.randn(fan_out, fan_in, generator=generator) * (gain / fan_in) ** 0.5)
        biases = [torch.zeros(n) for n in sizes[1:]]
        return cls(tuple(w.to(device, dtype) for w in weights), tuple(b.to(device, dtype) for b in biases), activation)

    def layers(self, x: Tensor, first: Tensor | None = None) -> tuple[list[Tensor], list[Tensor]]:
        """Return the input (n, in) and the pre-activation (n, out) of every layer for x (n, d).

        ``first`` (n, out): products of x and the first weights, where they are known.
        """
        inputs, pre = self.continued(x @ self.weights[0].T if first is None else first)
        return [x, *inputs], pre

    def continued(self, first: Tensor) -> tuple[list[Tensor], list[Tensor]]:
        """Return what :meth:`layers` does, without the input of the first layer, from its products (n, out)."""
        function = ACTIVATIONS.get(self.activation)[0]
        inputs, pre = [], [first + self.biases[0]]
        for weight, bias in zip(self.weights[1:], self.biases[1:], strict=True):
            inputs.append(function(pre[-1]))
            pre.append(F.linear(inputs[-1], weight, bias))
        return inputs, pre

    def unstandardised(self, center: Tensor, scale: Tensor) -> Network:
        """Return the network that takes x where this one takes ``(x - center) / scale``.

        A pass over the weights is cheaper than passes over all rows, forward and backward.

        Examples
        --------
        >>> net = Network.draw((3, 2), generator=torch.Generator().manual_seed(0))
        >>> center, scale = torch.ones(3), torch.tensor(2.0)
        >>> net.unstandardised(center, scale).outputs(torch.ones(1, 3))
        tensor([[0., 0.]])
        """
        first = self.weights[0] / scale
        weights, biases = (first, *self.weights[1:]), (self.biases[0] - first @ center, *self.biases[1:])
        return Network(weights, biases, self.activation)

    def outputs(self, x: Tensor) -> Tensor:
        """Return the last pre-activation (n, out): logits."""
        return self.layers(x)[1][-1]

    def squared_distance(self, other: Network) -> Tensor:
        """Return the squared distance of all parameters from those of another network, a scalar."""
        ours, theirs = (*self.weights, *self.biases), (*other.weights, *other.biases)
        return torch.stack([(p - q).square().sum() for p, q in zip(ours, theirs, strict=True)]).sum()

    def signals(self, x: Tensor, y: Tensor, first: Tensor | None = None) -> list[tuple[Tensor, Tensor]]:
        """Return, per layer, what the cross-entropy gradient of each row is made of.

        The gradient of row i's loss for the layer's weights is the outer product of ``delta[i]`` and ``inputs[i]``.

        Parameters
        ----------
        x, y
            (n, d) and int64 (n,).
        first
            Products (n, out) of x and the first weights, where they are known.

        Returns
        -------
        Pairs ``delta`` (n, out), ``inputs`` (n, in), differentiable with respect to x.
        """
        inputs, pre = self.layers(x, first)
        deltas = self.sent_back(torch.softmax(pre[-1], 1) - F.one_hot(y, pre[-1].shape[1]).to(x.dtype), pre)
        return list(zip(deltas, inputs, strict=True))

    def sent_back(self, delta: Tensor, pre: list[Tensor]) -> list[Tensor]:
        """Return the derivatives for all pre-activations, given those of the last one, delta (n, out)."""
        slope = ACTIVATIONS.get(self.activation)[1]
        deltas = [delta]
        for i in range(len(self.weights) - 1, 0, -1):
            deltas.append((deltas[-1] @ self.weights[i]) * slope(pre[i - 1]))
        return deltas[::-1]

    def advanced(
        self, x: Tensor, y: Tensor, *, steps: int, batch_size: int, lr: float, generator: torch.Generator
    ) -> Network:
        """Return the network after some Adam steps of cross-entropy on class-balanced batches of x (n, d), y (n,)."""
        parameters = [p.clone().requires_grad_() for p in (*self.weights, *self.biases)]
        cut = len(self.weights)
        net = Network(tuple(parameters[:cut]), tuple(parameters[cut:]), self.activation)
        chance = (1.0 / torch.bincount(y.cpu()).clamp_min(1).double())[y.cpu()]
        optimizer = torch.optim.Adam(parameters, lr=lr)
        with torch.enable_grad():
            for _ in range(steps):
                batch = torch.multinomial(chance, batch_size, replacement=True, generator=generator).to(x.device)
                grads = torch.autograd.grad(F.cross_entropy(net.outputs(x[batch]), y[batch]), parameters)
                for parameter, grad in zip(parameters, grads, strict=True):
                    parameter.grad = grad
                optimizer.step()
        return Network(
            tuple(p.detach() for p in parameters[:cut]), tuple(p.detach() for p in parameters[cut:]), self.activation
        )
