"""Gradient matching (Zhao et al. 2021, arXiv 2006.05929)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from scdd.errors import InputError
from scdd.objectives._base import OBJECTIVES, Objective, Step
from scdd.objectives._classes import padding
from scdd.objectives._kernel import Gram
from scdd.objectives._networks import Network

_TINY = 1e-20  # of squared norms: keeps units that are silent on all rows from dividing by 0
_CANCELLED = 1e-6  # relative to the sum of the rows' squared norms: below it single precision knows no direction


@dataclass(frozen=True)
class GradientConfig:
    """Options of gradient matching.

    Parameters
    ----------
    hidden
        Widths of the hidden layers of the classifiers.
    activation
        ``"relu"``, ``"silu"`` or ``"tanh"``.
    stages
        Training steps on real cells that a classifier has had when it is used; taken in turn, one per step. 0 is a
        fresh random one, as in the paper; slightly trained ones know which genes matter.
    n_networks
        Size of the pool of trained classifiers; random ones are new at every step.
    lr, batch_size
        Adam learning rate and class-balanced batch size of that training.
    max_real_per_class
        Real cells of a class used in one step; bounds memory where a batch is very unbalanced.

    Examples
    --------
    >>> GradientConfig(stages=(0,)).hidden
    (128,)
    """

    hidden: tuple[int, ...] = (128,)
    activation: str = "relu"
    stages: tuple[int, ...] = (0, 10)
    n_networks: int = 4
    lr: float = 1e-3
    batch_size: int = 128
    max_real_per_class: int = 128

    def __post_init__(self) -> None:
        if not self.stages or min(self.stages) < 0 or self.n_networks < 1:
            msg = f"stages must be non-negative and n_networks positive, got {self.stages} and {self.n_networks}."
            raise InputError(msg)


@OBJECTIVES.register("gradient")
class GradientMatching(Objective[GradientConfig]):
    """Classifiers should be pushed the same way by the synthetic rows of a class and by its real cells.

    Per class, the cross-entropy gradients of a classifier on both sets are compared: 1 - cosine, per layer and output
    unit, biases and units silent on the real cells left out; summed over units and layers, averaged over classes. The
    gradient of a layer is ``delta.T @ inputs``, so scalar products between gradients need only the products between
    rows: no gradient is ever formed, and one backward pass gives the second-order derivative.

    Examples
    --------
    >>> x, y = torch.eye(4), torch.tensor([0, 0, 1, 1])
    >>> objective = GradientMatching(n_features=4, n_classes=2, seed=0)
    >>> float(objective.loss(x, y, x, y, step=0)) < 1e-3
    True
    """

    name: ClassVar[str] = "gradient"
    needs_classes: ClassVar[bool] = True
    config_class: ClassVar[type[GradientConfig]] = GradientConfig

    def set_network(self, network: Network) -> None:
        """Use this classifier of standardised features from now on, instead of random and pooled ones.

        Parameters
        ----------
        network
            Takes (n, d) features to (n, n_classes) logits.
        """
        self._given = network

    def network(self, step: int) -> Network:
        """Return the classifier of a step; it takes features centred and scaled as in ``standardised``.

        Parameters
        ----------
        step
            Number of the step; the same seed and step give the same result.

        Returns
        -------
        The classifier, which takes (n, d) features to (n, n_classes) logits.
        """
        self._sync()
        given: Network | None = getattr(self, "_given", None)
        if given is not None:
            return given
        config = self.config
        stage = config.stages[step % len(config.stages)]
        if stage == 0:
            return self._draw("random", step)
        member = step // len(config.stages) % config.n_networks
        return self._trained(member, stage)

    def standardised(self, x: Tensor) -> Tensor:
        """Return x (n, d) minus the mean of the class means, over one common scale.

        Parameters
        ----------
        x
            float (n, d): features.

        Returns
        -------
        float (n, d).
        """
        self._sync()
        return (x - self._center) / self._scale

    def _loss(self, step: Step) -> Tensor:
        with torch.no_grad():
            # no more of the cells than are used
            used = padding(step.real_y, step.classes, self.config.max_real_per_class)
            chosen = used[0][used[1]]
            real_x, real_y = self.standardised(step.real_x[chosen]), step.real_y[chosen]
        syn_x = self.standardised(step.syn_x)
        return self.distance(self.network(step.number), syn_x, step.syn_y, real_x, real_y, step.classes)

    def distance(
        self,
        network: Network,
        syn_x: Tensor,
        syn_y: Tensor,
        real_x: Tensor,
        real_y: Tensor,
        classes: Tensor,
        *,
        real_first: Tensor | None = None,
    ) -> Tensor:
        """Return the loss of standardised rows and cells under a classifier.

        Parameters
        ----------
        network
            The classifier.
        syn_x, syn_y
            (m, d) and int64 (m,): standardised rows and their classes.
        real_x, real_y
            (n, d) and int64 (n,): standardised real cells, all of which are used, and their classes.
        classes
            int64 (C,): classes that have both.
        real_first
            Products (n, out) of the cells and the first weights, where they are known.

        Returns
        -------
        Scalar, differentiable with respect to ``syn_x``.
        """
        syn_rows, syn_filled = padding(syn_y, classes)
        with torch.no_grad():
            real_rows, real_filled = padding(real_y, classes)
            real = network.signals(real_x, real_y, real_first)
        total = syn_x.new_zeros(())
        for (syn_delta, syn_in), (real_delta, real_in) in zip(network.signals(syn_x, syn_y), real, strict=True):
            a, s = _taken(syn_in, syn_rows), _per_class(syn_delta, syn_rows, syn_filled)
            with torch.no_grad():
                b, r = _taken(real_in, real_rows), _per_class(real_delta, real_rows, real_filled)
                real_norm = _squared_norm(r, b)
                alive = (real_norm > 2 * _TINY).to(self.dtype)  # a unit silent on the real cells asks for nothing
            syn_norm = _squared_norm(s, a)
            cosine = _product(s, a, r, b) / (syn_norm * real_norm).sqrt()
            total = total + (alive * (1 - cosine)).sum(1).mean()
        return total

    def _draw(self, *path: str | int) -> Network:
        sizes = (self.n_features, *self.config.hidden, self.n_classes)
        return Network.draw(
            sizes,
            generator=self._stream(*path),
            activation=self.config.activation,
            device=self.device,
            dtype=self.dtype,
        )

    def _trained(self, member: int, stage: int) -> Network:
        if (member, stage) not in self._pool:
            config = self.config
            self._pool[member, stage] = self._draw("pool", member).advanced(
                self.standardised(self.real.sample_x),
                self.real.sample_y,
                steps=stage,
                batch_size=config.batch_size,
                lr=config.lr,
                generator=self._stream("training", member),
            )
        return self._pool[member, stage]

    def _fit(self) -> None:
        self._center, self._scale = self.real.center(), self.real.scale()
        self._pool: dict[tuple[int, int], Network] = {}


def _per_class(delta: Tensor, rows: Tensor, filled: Tensor) -> Tensor:
    # (C, m, out): padding weighs nothing, so that sums over m are means over the rows of the class
    weight = filled.to(delta.dtype) / filled.sum(1, keepdim=True)
    return _taken(delta, rows) * weight[:, :, None]


def _taken(x: Tensor, rows: Tensor) -> Tensor:
    # x[rows], (C, m, d): no copy where rows lie in order, and a faster backward pass where they do not
    if rows.numel() == len(x) and bool((rows.flatten() == torch.arange(len(x), device=x.device)).all()):
        return x.unflatten(0, rows.shape)
    return x.index_select(0, rows.flatten()).unflatten(0, rows.shape)


def _product(s: Tensor, a: Tensor, r: Tensor, b: Tensor) -> Tensor:
    # scalar products, (C, out), of the rows of the gradients s.T @ a and r.T @ b, without forming them
    return (s * ((a @ b.transpose(1, 2)) @ r)).sum(1)


def _squared_norm(s: Tensor, a: Tensor) -> Tensor:
    # squared norms, (C, out), of the rows of the gradient s.T @ a, floored where the rows of the class cancel
    among: Tensor = Gram.apply(a)
    alone = (s.square() * among.diagonal(dim1=1, dim2=2)[:, :, None]).sum(1)
    return (s * (among @ s)).sum(1).clamp_min(0) + _CANCELLED * alone + _TINY
