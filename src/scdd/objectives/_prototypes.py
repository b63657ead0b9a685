"""Soft nearest prototypes: rows that should tell real cells apart (Seo, Bode & Obermayer 2003, IEEE TNN 14, 390)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from scdd.errors import InputError
from scdd.objectives._base import OBJECTIVES, Objective, Step
from scdd.objectives._classes import averaging

_TINY = 1e-30
_NEVER = -1e30  # logarithm of nothing; the gradient of a sum of nothing but infinite ones is not a number


@dataclass(frozen=True)
class PrototypesConfig:
    """Options of the prototype loss.

    Parameters
    ----------
    sharpness
        Inverse temperatures to choose from, in units of one over the median squared distance between cells and rows. The
        one is taken with which the rows of the first step predict best, and kept.

    Examples
    --------
    >>> PrototypesConfig().sharpness[0]
    2.0
    """

    sharpness: tuple[float, ...] = (2.0, 4.0, 6.0, 8.0, 12.0, 16.0, 24.0, 32.0, 48.0, 64.0)

    def __post_init__(self) -> None:
        if not self.sharpness or min(self.sharpness) <= 0:
            msg = f"sharpness must hold positive numbers, got {self.sharpness}."
            raise InputError(msg)


@OBJECTIVES.register("prototypes")
class Prototypes(Objective[PrototypesConfig]):
    r"""Real cells should be nearest to the rows of their own class.

    The cross-entropy of soft nearest-prototype classification, averaged over the cells of a class and then over classes:

    .. math::
        p(k \mid x) = \frac{\sum_{i:\, y_i = k} e^{-\beta \|x - r_i\|^2}}{\sum_i e^{-\beta \|x - r_i\|^2}}.

    With one row per class this is a multinomial logistic regression whose weights are the rows: :math:`\|x\|^2` cancels,
    and log-odds are linear in x.

    Examples
    --------
    >>> x, y = torch.eye(4), torch.tensor([0, 0, 1, 1])
    >>> objective = Prototypes(n_features=4, n_classes=2, seed=0)
    >>> float(objective.loss(x, y, x, y, step=0)) < 1e-3
    True

    References
    ----------
    Seo et al., Soft nearest prototype classification, IEEE Transactions on Neural Networks 14:390 (2003).
    """

    name: ClassVar[str] = "prototypes"
    needs_classes: ClassVar[bool] = True
    config_class: ClassVar[type[PrototypesConfig]] = PrototypesConfig
    _beta: Tensor | None = None

    def _loss(self, step: Step) -> Tensor:
        weight = averaging(step.real_y, step.classes, self.dtype).mean(0)
        cells = weight.nonzero().flatten()  # those of classes without rows have no prototype to be near to
        weight, y = weight[cells], step.real_y[cells]
        distance = squared_distance(step.real_x[cells], step.syn_x)
        same = y[:, None] == step.syn_y[None, :]
        if self._beta is None:
            self._beta = sharpest(distance.detach(), same, weight, self.config.sharpness)
        own, every = log_nearness(distance, same, self._beta)
        return (every - own) @ weight


def squared_distance(x: Tensor, rows: Tensor) -> Tensor:
    """Return (n, m) squared distances; around the mean of the rows, so that single precision is enough."""
    center = rows.detach().mean(0)
    x, rows = x - center, rows - center
    return (x.square().sum(1)[:, None] + rows.square().sum(1)[None, :] - 2 * x @ rows.T).clamp_min(0)


def log_nearness(distance: Tensor, same: Tensor, beta: Tensor) -> tuple[Tensor, Tensor]:
    """Return the logarithms (n,) of numerator and denominator of p for the true class of each cell.

    Where there is no such row the logarithm is a large negative number.

    Parameters
    ----------
    distance
        Squared distances (n, m) of cells to rows.
    same
        Whether a row is of the class of the cell (n, m).
    beta
        Inverse temperature.
    """
    score = -beta * distance
    if not distance.shape[1]:
        nothing = distance.new_full((len(distance),), _NEVER)
        return nothing, nothing
    return torch.logsumexp(score.masked_fill(~same, _NEVER), 1), torch.logsumexp(score, 1)


def sharpest(distance: Tensor, same: Tensor, weight: Tensor, sharpness: tuple[float, ...]) -> Tensor:
    """Return the inverse temperature with which rows predict best.

    Parameters
    ----------
    distance, same
        As in :func:`log_nearness`.
    weight
        Weight of each cell (n,).
    sharpness
        What to choose from, in units of one over the median distance.
    """
    scale = 1 / distance.median().clamp_min(_TINY)

    def error(beta: Tensor) -> float:
        own, every = log_nearness(distance, same, beta)
        return float((every - own) @ weight)

    return min((scale * value for value in sharpness), key=error)
