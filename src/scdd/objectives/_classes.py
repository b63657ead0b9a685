"""Rows grouped by class: means, shared classes and padding, without loops over classes."""

from __future__ import annotations

import torch
from torch import Tensor


def averaging(y: Tensor, classes: Tensor, dtype: torch.dtype) -> Tensor:
    """Return the matrix that turns rows into class means.

    A matrix product instead of ``index_add`` keeps sums deterministic on GPUs and differentiable twice.

    Parameters
    ----------
    y
        int64 (n,): class of each row.
    classes
        int64 (C,): the classes wanted; each has at least one row.
    dtype
        Type of the result.

    Returns
    -------
    (C, n): 1 / rows of the class where the row is of the class, else 0.

    Examples
    --------
    >>> averaging(torch.tensor([0, 0, 2]), torch.tensor([0, 2]), torch.float32)
    tensor([[0.5000, 0.5000, 0.0000],
            [0.0000, 0.0000, 1.0000]])
    """
    member = (y[None, :] == classes[:, None]).to(dtype)
    return member / member.sum(1, keepdim=True).clamp_min(1.0)


def shared(syn_y: Tensor, real_y: Tensor, n_classes: int) -> Tensor:
    """Return the classes, int64 (C,), that have a synthetic row and a real cell.

    Examples
    --------
    >>> shared(torch.tensor([0, 1, 2]), torch.tensor([2, 0, 0]), 4)
    tensor([0, 2])
    """
    both = (torch.bincount(syn_y, minlength=n_classes) > 0) & (torch.bincount(real_y, minlength=n_classes) > 0)
    return both.nonzero().flatten()


def padding(y: Tensor, classes: Tensor, limit: int | None = None) -> tuple[Tensor, Tensor]:
    """Return where the rows of each class lie, padded to the same number of rows.

    Parameters
    ----------
    y
        int64 (n,): class of each row.
    classes
        int64 (C,): the classes wanted, increasing; each has at least one row.
    limit
        Only the first ``limit`` rows of a class are taken.

    Returns
    -------
    index
        int64 (C, m): rows of each class; padding repeats a row.
    filled
        bool (C, m): False where there is padding.

    Examples
    --------
    >>> padding(torch.tensor([1, 0, 1]), torch.tensor([0, 1]))
    (tensor([[1, 1],
            [0, 2]]), tensor([[ True, False],
            [ True,  True]]))
    """
    order = torch.argsort(y, stable=True)
    counts = torch.bincount(y, minlength=int(classes[-1]) + 1)
    starts = (counts.cumsum(0) - counts)[classes]
    counts = counts[classes]
    widest = int(counts.max())
    place = torch.arange(widest if limit is None else min(widest, limit), device=y.device)
    filled = place[None, :] < counts[:, None]
    index = order[starts[:, None] + place[None, :] * filled]
    return index, filled
