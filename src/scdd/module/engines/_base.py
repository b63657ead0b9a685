"""What a training engine of the generator gets and gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol

import torch
from torch import Tensor

from scdd._registry import Registry
from scdd.module._scdg import SCDG


@dataclass(frozen=True)
class Groups:
    """Real latents in groups of one class each (one group may mix all classes: the null class).

    Attributes
    ----------
    labels
        (g,) int64: class condition of the group.
    start, start_batches
        (g, m, n_latent) and (g, m): latents that are noised and denoised, and their batch conditions.
    target, target_batches
        The same, an independent draw: what the outputs are compared with.
    """

    labels: Tensor
    start: Tensor
    start_batches: Tensor
    target: Tensor
    target_batches: Tensor


class Engine(Protocol):
    """A way to train :class:`~scdd.module.SCDG` so that its single call is right at every noise level."""

    def loss(self, generator: SCDG, groups: Groups, *, progress: float, rng: torch.Generator) -> Tensor:
        """Return the scalar to minimise; ``progress`` runs from 0 to 1 over the training."""
        ...


ENGINES: Registry[type[Engine]] = Registry("generator engine")


def noise_levels(shape: tuple[int, ...], *, rng: torch.Generator, device: torch.device) -> Tensor:
    """Draw noise levels in (0, 1]: 1 (pure noise) for 30 %, else ``u**0.7``, which favours high levels a little."""
    pure = torch.rand(shape, generator=rng, device=device) < 0.3
    level = torch.rand(shape, generator=rng, device=device).clamp_min(1e-3) ** 0.7
    return torch.where(pure, torch.ones_like(level), level)


def noised(z: Tensor, t: Tensor, *, rng: torch.Generator) -> Tensor:
    """Return ``(1 - t) z + t e`` with fresh noise e; ``t`` has the shape of ``z`` without its last axis."""
    noise = torch.randn(z.shape, generator=rng, device=z.device, dtype=z.dtype)
    return (1 - t)[..., None] * z + t[..., None] * noise


def call(generator: SCDG, z: Tensor, t: Tensor, groups: Groups) -> Tensor:
    """Call the generator on grouped latents (g, m, n_latent) with the conditions of their groups."""
    g, m, d = z.shape
    labels = groups.labels[:, None].expand(g, m).reshape(-1)
    out = generator(z.reshape(-1, d), t.reshape(-1), labels, groups.start_batches.reshape(-1))
    return out.reshape(g, m, d)
