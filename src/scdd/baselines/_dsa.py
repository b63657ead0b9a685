"""DSA: gradient matching under one differentiable augmentation of both sides (Zhao & Bilen 2021, arXiv 2102.08259)."""

from __future__ import annotations

from dataclasses import dataclass

from scdd.baselines._augment import Augmentation
from scdd.baselines._dc import DCConfig, DCMatching
from scdd.baselines._learned import Learned, tuned
from scdd.baselines._method import BASELINES

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

    config: DSAConfig

    def augmentation(self, step: int) -> Augmentation:
        """Return what both sides go through; the step alone decides."""
        config, problem = self.config, self.problem
        return Augmentation.draw(
            problem.n_features, mask=config.mask, jitter=config.jitter, seed=problem.seed, step=step
        )


BASELINES.register("dsa")(Learned("dsa", DSAMatching, DSAConfig(start="real", steps=300, full_rate_rows=1)))
BASELINES.register("dsa-tuned")(Learned("dsa-tuned", DSAMatching, DSAConfig(**tuned(loops=()))))
