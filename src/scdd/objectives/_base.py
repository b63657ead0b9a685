"""The protocol of matching objectives and their registry."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, ClassVar, Generic, TypeVar

import torch
from torch import Tensor

from scdd._registry import Registry
from scdd._rng import torch_stream
from scdd.errors import InputError
from scdd.objectives._classes import shared
from scdd.objectives._statistics import RealStatistics

C = TypeVar("C")


@dataclass(frozen=True)
class Step:
    """Checked input of one step.

    Attributes
    ----------
    syn_x, syn_y
        (m, d) and int64 (m,): synthetic rows.
    real_x, real_y
        (n, d) and int64 (n,): real cells.
    classes
        int64 (C,): classes that have both, increasing; C >= 1.
    number
        Number of the step: the only thing, with the seed, that the randomness depends on.
    """

    syn_x: Tensor
    syn_y: Tensor
    real_x: Tensor
    real_y: Tensor
    classes: Tensor
    number: int


class Objective(ABC, Generic[C]):
    """Matching loss between synthetic rows and real cells in feature space.

    Features are the log1p-normalised expression of the highly variable genes. A subclass gives ``name``,
    ``needs_classes``, ``config_class`` and ``_loss``.

    Parameters
    ----------
    n_features, n_classes
        d and K: labels are in ``range(K)``.
    seed
        Everything random derives from it and the number of the step; global seeds are never touched.
    device, dtype
        Where and in which precision the loss is computed; inputs are moved there.
    config
        Frozen dataclass of the objective; None: its defaults.

    Raises
    ------
    InputError
        If the objective tells classes apart and there is only one, or if ``config`` is of another objective.
    """

    name: ClassVar[str]
    needs_classes: ClassVar[bool]
    config_class: ClassVar[type[Any]]

    def __init__(
        self,
        *,
        n_features: int,
        n_classes: int,
        seed: int,
        device: torch.device | str = "cpu",
        dtype: torch.dtype = torch.float32,
        config: C | None = None,
    ) -> None:
        reason = self.why_off(n_classes)
        if reason is not None:
            raise InputError(reason)
        if config is None:
            config = self.config_class()
        if not isinstance(config, self.config_class):
            msg = f"Objective {self.name!r} takes a {self.config_class.__name__}, got a {type(config).__name__}."
            raise InputError(msg)
        self.config: C = config
        self.n_features = n_features
        self.n_classes = n_classes
        self.seed = seed
        self.device = torch.device(device)
        self.dtype = dtype
        self.real = RealStatistics(
            n_features=n_features, n_classes=n_classes, seed=seed, device=self.device, dtype=dtype
        )
        self._fitted = 0

    @classmethod
    def why_off(cls, n_classes: int) -> str | None:
        """Say why the objective cannot be used with so many classes; None if it can.

        Parameters
        ----------
        n_classes
            Number of classes.

        Returns
        -------
        The reason, as text, or None.
        """
        if n_classes < 1:
            return f"Objective {cls.name!r} needs at least one class, got n_classes={n_classes}."
        if cls.needs_classes and n_classes < 2:
            usable = ", ".join(name for name in OBJECTIVES.names() if not OBJECTIVES.get(name).needs_classes)
            return (
                f"Objective {cls.name!r} is off: it learns what tells classes apart, and the data have one class only. "
                f"Objectives that work with one class: {usable}."
            )
        return None

    def prepare(self, real_x: Tensor, real_y: Tensor) -> None:
        """Take in real cells beyond the batches of the steps.

        Optional: without it the first batch given to ``loss`` is taken in. May be called for many batches; what is kept
        is bounded (class moments and a small sample), and does not grow with the number of cells.

        Parameters
        ----------
        real_x
            float (n, d): features of real cells.
        real_y
            int64 (n,): their classes.

        Raises
        ------
        InputError
            If shapes or labels are wrong or values are not finite.
        """
        x, y = self._checked(real_x, real_y, "real")
        if not bool(torch.isfinite(x).all()):
            bad = int((~torch.isfinite(x)).any(1).sum())
            msg = f"{bad} of {len(x)} real cells have features that are not finite; remove them first."
            raise InputError(msg)
        if len(y):
            self.real.add(x.detach(), y)

    def loss(self, syn_x: Tensor, syn_y: Tensor, real_x: Tensor, real_y: Tensor, step: int) -> Tensor:
        """Return how far the synthetic rows are from the real cells.

        Classes without a synthetic row or without a real cell in this batch are left out of this step.

        Parameters
        ----------
        syn_x
            float (m, d): features of the synthetic rows; gradients reach them.
        syn_y
            int64 (m,): their classes.
        real_x, real_y
            float (n, d), int64 (n,): a batch of real cells.
        step
            Number of the step; the same seed and step give the same networks, frequencies and so on.

        Returns
        -------
        Scalar, at least 0 up to rounding, differentiable with respect to ``syn_x``; 0 if no class is shared.

        Raises
        ------
        InputError
            If shapes or labels are wrong.
        """
        syn_x, syn_y = self._checked(syn_x, syn_y, "synthetic")
        real_x, real_y = self._checked(real_x, real_y, "real")
        real_x = real_x.detach()
        classes = shared(syn_y, real_y, self.n_classes)
        if not len(classes):
            return syn_x.sum() * 0.0
        if not bool(self.real.counts.any()):
            self.prepare(real_x, real_y)
        return self.value(Step(syn_x, syn_y, real_x, real_y, classes, int(step)))

    def value(self, step: Step) -> Tensor:
        """Return the scalar loss of a checked step.

        Parameters
        ----------
        step
            Rows, cells and the classes that both have, all checked.

        Returns
        -------
        Scalar, differentiable with respect to the synthetic rows.
        """
        self._sync()
        return self._loss(step)

    @abstractmethod
    def _loss(self, step: Step) -> Tensor:
        """Return the scalar loss of a checked step; ``_fit`` has seen all real cells given so far."""

    def _fit(self) -> None:
        """Derive what the loss needs from ``self.real``."""

    def _sync(self) -> None:
        if self._fitted != self.real.version:
            self._fit()
            self._fitted = self.real.version

    def _stream(self, *path: str | int) -> torch.Generator:
        # drawn on the CPU: the same networks on every device
        return torch_stream(self.seed, self.name, *path)

    def _checked(self, x: Tensor, y: Tensor, what: str) -> tuple[Tensor, Tensor]:
        if x.ndim != 2 or x.shape[1] != self.n_features:
            msg = f"{what} features must be of shape (rows, {self.n_features}), got {tuple(x.shape)}."
            raise InputError(msg)
        if y.shape != (x.shape[0],) or y.is_floating_point():
            msg = f"{what} labels must be integers of shape ({x.shape[0]},), got {y.dtype} of shape {tuple(y.shape)}."
            raise InputError(msg)
        y = y.to(self.device, torch.int64)
        if len(y) and not 0 <= int(y.min()) <= int(y.max()) < self.n_classes:
            msg = f"{what} labels must be in range({self.n_classes}), got {int(y.min())} to {int(y.max())}."
            raise InputError(msg)
        return x.to(self.device, self.dtype), y


OBJECTIVES: Registry[type[Objective[Any]]] = Registry("objective")
