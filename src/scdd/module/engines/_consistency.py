"""Consistency engine: calls along one noising path give the same latent."""

from __future__ import annotations

import torch
from torch import Tensor

from scdd.module._scdg import SCDG
from scdd.module.engines._base import ENGINES, Groups, call, noise_levels

_HUBER = 0.03  # per square root of the dimension


@ENGINES.register("consistency")
class ConsistencyEngine:
    """Consistency training: G at level t agrees with G at a lower level of the same path, down to the data at 0.

    The gap between the two levels shrinks from t itself (plain denoising) to t / 16 over the training.

    References
    ----------
    Song et al., Consistency models, arXiv 2303.01469; Geng et al., Consistency models made easy, arXiv 2406.14548.
    """

    def loss(self, generator: SCDG, groups: Groups, *, progress: float, rng: torch.Generator) -> Tensor:
        """Return the pseudo-Huber distance of the two calls."""
        z0 = groups.start
        t = noise_levels(tuple(z0.shape[:2]), rng=rng, device=z0.device)
        ratio = 1 - 2.0 ** -int(5 * min(progress, 0.999))
        r = t * ratio
        noise = torch.randn(z0.shape, generator=rng, device=z0.device, dtype=z0.dtype)
        out = call(generator, _path(z0, noise, t), t, groups)
        with torch.no_grad():
            goal = call(generator, _path(z0, noise, r), r, groups)
        c = _HUBER * z0.shape[-1] ** 0.5
        huber = ((out - goal).square().sum(-1) + c**2).sqrt() - c
        return (huber / (t - r).clamp_min(1e-3)).mean()


def _path(z0: Tensor, noise: Tensor, t: Tensor) -> Tensor:
    return (1 - t)[..., None] * z0 + t[..., None] * noise
