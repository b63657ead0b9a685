"""Augmentation of cells that is one and the same for real and synthetic ones (Siamese; Zhao & Bilen 2021, 2102.08259)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from scdd._rng import torch_stream

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["Augmentation"]


@dataclass(frozen=True)
class Augmentation:
    """Genes that are masked, and a change of the library size, of all cells of a step.

    What crops and colours are for images: a cell that missed some genes, or was sequenced to another depth before its
    counts were normalised. Differentiable.

    Attributes
    ----------
    keep
        float (d,): 0 where a gene is masked, else 1.
    factor
        By which expression (not its log) is multiplied.

    Examples
    --------
    >>> import torch
    >>> Augmentation(torch.tensor([1.0, 0.0]), 1.0)(torch.tensor([[0.5, 2.0]]))
    tensor([[0.5000, 0.0000]])
    """

    keep: Tensor
    factor: float

    @classmethod
    def draw(cls, n_features: int, *, mask: float, jitter: float, seed: int, step: int) -> Augmentation:
        """Draw what a step does.

        Parameters
        ----------
        n_features
            d.
        mask
            Share of the genes that is masked, in [0, 1).
        jitter
            Standard deviation of the log of the factor.
        seed, step
            The same pair gives the same augmentation.
        """
        import torch

        generator = torch_stream(seed, "augmentation", step)
        keep = (torch.rand(n_features, generator=generator) >= mask).float()
        return cls(keep, float(torch.exp(jitter * torch.randn((), generator=generator))))

    def __call__(self, x: Tensor) -> Tensor:
        """Augment x (n, d), log1p expression."""
        from scdd.baselines._depth import change

        return change(x, self.factor, self.keep)

    def values(self, x: Tensor, genes: Tensor) -> Tensor:
        """Augment the stored values x (k,) of sparse cells, which are of ``genes`` (k,); zeros stay."""
        from scdd.baselines._depth import change

        return change(x, self.factor, self.keep[genes])
