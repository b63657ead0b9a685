"""DSA: gradient matching under one differentiable augmentation of both sides (Zhao & Bilen 2021, arXiv 2102.08259)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from scdd.baselines._augment import Augmentation
from scdd.baselines._dc import DCConfig, DCMatching
from scdd.baselines._learned import Learned, tuned
from scdd.baselines._method import BASELINES

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["DSAConfig", "DSAMatching"]


@dataclass(frozen=True)
class DSAConfig(DCConfig):
    """Options of gradient matching with augmentation.

    Parameters
    ----------
    mask, jitter
        See :meth:`Augmentation.draw`.

    Examples
    --------
    >>> DSAConfig().mask
    0.1
    """

    mask: float = 0.1
    jitter: float = 0.2


class DSAMatching(DCMatching):
    """Gradient matching where rows and real cells of a step lose the same genes and change depth by the same factor."""

    def augment(self, x: Tensor, step: int) -> Tensor:
        """Augment x (n, d); the step alone decides how."""
        config = cast("DSAConfig", self.config)
        drawn = Augmentation.draw(x.shape[1], mask=config.mask, jitter=config.jitter, seed=self.problem.seed, step=step)
        return drawn(x)


BASELINES.register("dsa")(Learned("dsa", DSAMatching, DSAConfig(start="real", steps=300, full_rate_rows=1)))
BASELINES.register("dsa-tuned")(Learned("dsa-tuned", DSAMatching, DSAConfig(**tuned(loops=()))))
