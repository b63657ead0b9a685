"""Training on the same few rows for many steps, at the cost of products between rows."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn import functional as F

from scdd.objectives._kernel import Gram
from scdd.objectives._networks import Network

__all__ = ["RowTraining"]


class RowTraining:
    r"""SGD of cross-entropy on all of x (m, d) at every step; differentiable in x, in the rate and in the network.

    A gradient of the first layer is a combination of the rows, :math:`\delta^\top x / m`, so it stays
    :math:`W - \eta A^\top x` with coefficients A (m, h), and its outputs need products between rows alone. These are made
    once: a step then costs :math:`m^2 h` instead of :math:`m d h`, and no gradient over genes is formed.

    Parameters
    ----------
    network
        Where to start.
    x, y
        Standardised rows (m, d) and their classes (m,).
    lr, momentum
        Of SGD, as in :class:`torch.optim.SGD`.
    velocity
        That of an earlier training, one tensor per weight and bias (:attr:`velocity`); None: at rest.

    Examples
    --------
    >>> import torch
    >>> from scdd.objectives._networks import Network
    >>> net = Network.draw((5, 4, 2), generator=torch.Generator().manual_seed(0))
    >>> training = RowTraining(net, torch.eye(5), torch.tensor([0, 0, 1, 1, 1]), lr=0.1)
    >>> training.step()
    >>> training.network.weights[0].shape
    torch.Size([4, 5])
    """

    def __init__(
        self,
        network: Network,
        x: Tensor,
        y: Tensor,
        *,
        lr: float | Tensor,
        momentum: float = 0.0,
        velocity: Sequence[Tensor] | None = None,
    ) -> None:
        self.start, self.x, self.momentum = network, x, momentum
        self.lr = torch.as_tensor(lr, dtype=x.dtype)
        self._targets = F.one_hot(y, len(network.biases[-1])).to(x.dtype)
        self._products: Tensor = Gram.apply(x)
        self._outputs = x @ network.weights[0].T
        self._pull = self._speed = torch.zeros_like(self._outputs)  # A, and its velocity
        # of all parameters but the first weights
        self._others = [*network.weights[1:], *network.biases]
        self._carried: Tensor | None = None
        self._speeds = [torch.zeros_like(p) for p in self._others]
        if velocity is not None:
            self._carried, *self._speeds = velocity
            self._carried_outputs = x @ self._carried.T
        self._left, self._coasted = 1.0, 0.0  # of the first weights' earlier velocity: what is left, and its sum

    def step(self) -> None:
        """Take one step."""
        moved = self._products @ self._pull
        if self._carried is not None:
            moved = torch.add(moved, self._carried_outputs, alpha=self._coasted)
        network = self._network(self.start.weights[0])
        inputs, pre = network.continued(self._less(self._outputs, moved))
        deltas = network.sent_back((torch.softmax(pre[-1], 1) - self._targets) / len(self.x), pre)
        gradients = [d.T @ i for d, i in zip(deltas[1:], inputs, strict=True)] + [d.sum(0) for d in deltas]
        self._speed = torch.add(deltas[0], self._speed, alpha=self.momentum)
        self._speeds = [torch.add(g, v, alpha=self.momentum) for g, v in zip(gradients, self._speeds, strict=True)]
        self._left *= self.momentum
        self._pull, self._coasted = self._pull + self._speed, self._coasted + self._left
        self._others = [self._less(p, v) for p, v in zip(self._others, self._speeds, strict=True)]

    @property
    def network(self) -> Network:
        """The network as it is now."""
        moved = self._pull.T @ self.x
        if self._carried is not None:
            moved.add_(self._carried, alpha=self._coasted)
        return self._network(self._less(self.start.weights[0], moved))

    @property
    def velocity(self) -> tuple[Tensor, ...]:
        """What a training that goes on from here starts with."""
        first = self._speed.T @ self.x
        if self._carried is not None:
            first.add_(self._carried, alpha=self._left)
        return (first, *self._speeds)

    def squared_distance(self, other: Network) -> Tensor:
        """Return the squared distance of all parameters from those of another network, for a training from rest."""
        gap = self.start.weights[0] - other.weights[0]
        along = (self._pull * (self.x @ gap.T)).sum()
        moved = (self._pull * (self._products @ self._pull)).sum()
        total = gap.square().sum() - 2 * self.lr * along + self.lr**2 * moved
        rest = [*other.weights[1:], *other.biases]
        return total + sum((p - o).square().sum() for p, o in zip(self._others, rest, strict=True))

    def _less(self, parameter: Tensor, velocity: Tensor) -> Tensor:
        return torch.addcmul(parameter, velocity, self.lr, value=-1)

    def _network(self, first: Tensor) -> Network:
        cut = len(self.start.weights) - 1
        return Network((first, *self._others[:cut]), tuple(self._others[cut:]), self.start.activation)
