"""Drifting engine: outputs drift towards real latents and away from each other until they are distributed alike."""

from __future__ import annotations

import torch
from torch import Tensor

from scdd.module._scdg import SCDG
from scdd.module.engines._base import ENGINES, Groups, call, noise_levels, noised

_TEMPERATURES = (0.05, 0.2, 0.5)
_FAR = 1e6  # distance that stands for "never neighbours"


@ENGINES.register("drifting")
class DriftingEngine:
    """Regress each output on itself plus a drift: attraction to the real latents minus repulsion among the outputs.

    At equilibrium the drift of a correct generator is zero. Several temperatures are summed, relative to the mean
    distance of the latents. Outputs of different batches do not repel each other and are not attracted across batches.

    References
    ----------
    Generative modeling via drifting, arXiv 2602.04770.
    """

    def loss(self, generator: SCDG, groups: Groups, *, progress: float, rng: torch.Generator) -> Tensor:
        """Return the mean squared drift; its gradient moves the outputs along the drift."""
        del progress
        z0 = groups.start
        t = noise_levels(tuple(z0.shape[:2]), rng=rng, device=z0.device)
        out = call(generator, noised(z0, t, rng=rng), t, groups)
        with torch.no_grad():
            goal = out + drift(out, groups.target, groups.start_batches, groups.target_batches)
        anchor = ((1 - t).square() * (out - z0).square().sum(-1)).mean()
        return (out - goal).square().sum(-1).mean() + 0.5 * anchor / z0.shape[-1] ** 0.5


def drift(x: Tensor, y: Tensor, x_batches: Tensor, y_batches: Tensor) -> Tensor:
    """Return the drift (g, m, d) of outputs ``x`` (g, m, d) among real latents ``y`` (g, k, d)."""
    m = x.shape[1]
    points = torch.cat([x, y], dim=1)
    apart = x_batches[:, :, None] != torch.cat([x_batches, y_batches], dim=1)[:, None]
    distance = torch.cdist(x, points)
    scale = distance.mean().clamp_min(1e-6)
    itself = torch.eye(m, points.shape[1], dtype=torch.bool, device=x.device)
    distance = (distance / scale).masked_fill(apart | itself, _FAR)
    total = torch.zeros_like(x)
    for temperature in _TEMPERATURES:
        kernel = torch.exp(-distance / temperature)
        norm = (kernel.sum(2, keepdim=True) * kernel.sum(1, keepdim=True)).sqrt().clamp_min(1e-12)
        affinity = kernel / norm
        repel, attract = affinity[..., :m], affinity[..., m:]
        to_real = attract @ y * repel.sum(2, keepdim=True)
        from_own = repel @ x * attract.sum(2, keepdim=True)
        step = to_real - from_own
        total = total + step / step.square().mean().sqrt().clamp_min(1e-6)
    return 0.1 * scale * total / len(_TEMPERATURES)
