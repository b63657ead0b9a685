"""Energy-distance engine: the outputs of one call are distributed as the real latents of their class and batch."""

from __future__ import annotations

import torch
from torch import Tensor

from scdd.module._scdg import SCDG
from scdd.module.engines._base import ENGINES, Groups, call, noise_levels, noised

_BATCH_WEIGHT = 0.5  # squared distance between two batches, per latent dimension
_ANCHOR = 0.5  # weight of the pull of a lightly noised latent to where it came from


def energy_distance(
    x: Tensor, y: Tensor, *, offset_xy: Tensor | None = None, offset_xx: Tensor | None = None
) -> Tensor:
    r"""Energy distance of grouped samples, up to the constant :math:`E|y-y'|`.

    .. math:: 2 E|x-y| - E|x-x'|

    Parameters
    ----------
    x, y
        Samples (g, m, d) and (g, k, d).
    offset_xy, offset_xx
        Added to the squared distances: (g, m, k) and (g, m, m).

    Returns
    -------
    (g,): one value per group, without bias (a sample is not compared with itself).
    """
    m = x.shape[1]
    cross = _distance(x, y, offset_xy).mean((1, 2))
    within = _distance(x, x, offset_xx).sum((1, 2)) / (m * (m - 1))
    return 2 * cross - within


def _distance(x: Tensor, y: Tensor, offset: Tensor | None) -> Tensor:
    squared = (x.square().sum(-1)[:, :, None] + y.square().sum(-1)[:, None] - 2 * x @ y.transpose(1, 2)).clamp_min(0)
    if offset is not None:
        squared = squared + offset
    # the square root has no finite slope at zero, where a sample meets itself
    return (squared + 1e-6).sqrt() - 1e-3


@ENGINES.register("energy")
class EnergyEngine:
    """Match the joint distribution of latent and batch within each class, at all noise levels at once.

    The loss is the energy distance of the outputs to real latents of the class, in the space of the latent and of the
    batch indicator (so that conditions on the batch hold), plus ``0.5 (1-t)^2 |G(z_t) - z_0|^2``, which keeps lightly
    noised latents near where they came from.
    """

    def loss(self, generator: SCDG, groups: Groups, *, progress: float, rng: torch.Generator) -> Tensor:
        """Return the loss, a mean over the groups."""
        del progress
        z0 = groups.start
        t = noise_levels(tuple(z0.shape[:2]), rng=rng, device=z0.device)
        out = call(generator, noised(z0, t, rng=rng), t, groups)
        weight = _BATCH_WEIGHT * z0.shape[-1]
        start, target = groups.start_batches, groups.target_batches
        distance = energy_distance(
            out,
            groups.target,
            offset_xy=weight * (start[:, :, None] != target[:, None]),
            offset_xx=weight * (start[:, :, None] != start[:, None]),
        )
        anchor = ((1 - t).square() * (out - z0).square().sum(-1)).mean()
        return distance.mean() + _ANCHOR * anchor / z0.shape[-1] ** 0.5
