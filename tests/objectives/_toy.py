"""A toy with separable classes, non-negative like log1p expression."""

from __future__ import annotations

import torch
from torch import Tensor

from scdd.objectives import OBJECTIVES, GradientConfig, KernelConfig, Objective, PrototypesConfig

# small variants for checks in double precision; smooth activations where derivatives are compared
SMALL = {
    "gradient": GradientConfig(hidden=(7,), activation="tanh", stages=(0, 3), batch_size=16),
    "kernel": KernelConfig(linear=0.4, rbf=0.3, arccos=0.3),
    "prototypes": PrototypesConfig(sharpness=(2.0,)),  # sharper ones have nothing left to learn on separable cells
}


def toy(
    *, n_classes: int = 3, per_class: int = 12, n_features: int = 6, seed: int = 0, dtype: torch.dtype = torch.float64
) -> tuple[Tensor, Tensor]:
    """Rows (n, d) and labels (n,); the class means depend on the shape alone, the rows on the seed too."""
    means = 3.0 * torch.rand(n_classes, n_features, generator=torch.Generator().manual_seed(99), dtype=torch.float64)
    y = torch.arange(n_classes).repeat_interleave(per_class)
    noise = torch.randn(len(y), n_features, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return (means[y] + 0.5 * noise).clamp_min(0).to(dtype), y


def make(name: str, *, n_classes: int = 3, n_features: int = 6, seed: int = 0, **options: object) -> Objective:
    """An objective in double precision with the small config, unless told otherwise."""
    options = {"dtype": torch.float64, "config": SMALL.get(name), **options}
    return OBJECTIVES.get(name)(n_features=n_features, n_classes=n_classes, seed=seed, **options)
