"""A linear projection of the features, whitened by what cells of one class differ in."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from scdd.objectives._classes import padding
from scdd.objectives._statistics import RealStatistics

RELATIVE_FLOOR = 0.01  # a component is not blown up beyond 100 times the widest one


@dataclass(frozen=True)
class Projection:
    """``(x - center) @ weight``: x (n, d) to (n, r).

    Attributes
    ----------
    center
        (d,)
    weight
        (d, r)

    Examples
    --------
    >>> Projection(torch.tensor([1.0, 0.0]), torch.tensor([[2.0], [0.0]]))(torch.tensor([[2.0, 5.0]]))
    tensor([[2.]])
    """

    center: Tensor
    weight: Tensor

    def __call__(self, x: Tensor) -> Tensor:
        """Project x (n, d) to (n, r)."""
        # the centre goes through the weights once instead of through all rows
        return x @ self.weight - self.center @ self.weight


def whitened_pca(real: RealStatistics, n_components: int) -> Projection:
    """Principal components of the sampled real cells, each in units of its standard deviation within classes.

    Parameters
    ----------
    real
        Statistics with at least one cell.
    n_components
        At most this many; fewer where there are fewer cells or features.

    Returns
    -------
    Projection to (n, r) with r >= 1.
    """
    with torch.no_grad():
        center = real.center()
        x = (real.sample_x - center).double() if real.device.type != "mps" else real.sample_x - center
        # the smaller of the two Gram matrices; the sample is bounded, so this is quick
        if x.shape[0] < x.shape[1]:
            values, left = torch.linalg.eigh(x @ x.T)
            keep = _largest(values, n_components)
            weight = x.T @ left[:, keep] / values[keep].clamp_min(1e-30).sqrt()
        else:
            values, right = torch.linalg.eigh(x.T @ x)
            keep = _largest(values, n_components)
            weight = right[:, keep]
        # eigenvectors have no sign of their own
        top = weight.abs().argmax(0)
        weight = weight * torch.where(weight[top, torch.arange(weight.shape[1], device=top.device)] < 0, -1.0, 1.0)
        sd = real.sample_within(x @ weight).square().mean(0).sqrt()
        widest = sd.max()
        if not bool(widest > 0):  # one cell per class: nothing is known about the spread within classes
            sd, widest = torch.ones_like(sd), torch.ones_like(widest)
        return Projection(center, (weight / sd.clamp_min(RELATIVE_FLOOR * widest)).to(real.dtype))


def median_distance(z: Tensor, labels: Tensor | None = None, *, limit: int = 1024) -> float:
    """Median Euclidean distance between rows of z (n, r), of the same class if labels are given; 1 if there is none.

    Examples
    --------
    >>> median_distance(torch.tensor([[0.0], [2.0], [9.0]]), torch.tensor([0, 0, 1]))
    2.0
    """
    with torch.no_grad():
        z = z[:limit]
        if labels is not None and bool((torch.bincount(labels[:limit]) > 1).any()):
            index, filled = padding(labels[:limit], labels[:limit].unique())
        else:
            index = torch.arange(len(z), device=z.device)[None]
            filled = torch.ones_like(index, dtype=torch.bool)
        distance = torch.cdist(z[index], z[index])
        found = distance[(filled[:, :, None] & filled[:, None, :]).triu(1)]
        found = found[found > 0]
        return float(found.median()) if found.numel() else 1.0


def _largest(values: Tensor, n: int) -> Tensor:
    real_rank = int((values > values.max() * 1e-10).sum())
    n = max(1, min(n, real_rank))
    return torch.arange(len(values) - 1, len(values) - 1 - n, -1, device=values.device)
