r"""Calibration: the levels of denoised rows are moved until real cells are nearest to the rows of their own class.

A mean is not the best prototype. Nearest to class means is the class with the smallest Euclidean distance, in which a
gene that tells much and one that is noise count alike; a trained linear model weighs them. Moving a row r by d changes its
squared distance to a cell x by :math:`-2\,x \cdot d` and a constant, that is, it changes the weights that every model by
distance or by scalar products gives to the genes, and rows can be placed where these weights are those of a model that
was trained on all cells (:class:`scdd.objectives.Prototypes`).

What is equal stays equal: rows that share a level (:mod:`scdd.distill._levels`) move together, so that no split of a tree
appears that real cells do not show. Blocks are calibrated one after the other, each with the earlier ones as they are: the
first rows of a class do not depend on how many follow.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scdd.distill._levels import DENOISED, ranks
from scdd.distill._rows import RowPlan
from scdd.objectives import Prototypes


@dataclass(frozen=True)
class CalibrationConfig:
    """Budget of the calibration.

    Attributes
    ----------
    n_steps
        Steps of Adam for each block.
    lr
        Its rate, in standard deviations of a gene within classes.
    leash
        Weight of the mean squared displacement, in the same units.
    """

    n_steps: int = 40
    lr: float = 0.02
    leash: float = 3.0


def calibrate(
    target: NDArray[np.floating],
    plan: RowPlan,
    real: Callable[[int], tuple[Tensor, Tensor]],
    *,
    scale: NDArray[np.floating],
    n_classes: int,
    config: CalibrationConfig,
    seed: int,
) -> NDArray[np.float32]:
    """Move the denoised rows, block by block.

    Parameters
    ----------
    target
        Expected log expression (n, n_hvg) of all rows, levelled.
    plan
        What each row is.
    real
        Gives the real cells of a step: features (m, n_hvg) and labels (m,).
    scale
        Standard deviation of each gene within classes (n_hvg,).
    n_classes
        Number of classes.
    config
        Budget.
    seed
        Seed of the objective.

    Returns
    -------
    (n, n_hvg): at least 0 for denoised rows; other rows as they were.
    """
    out = np.array(target, dtype=np.float32)
    denoised = np.flatnonzero(plan.kind == DENOISED)
    if len(np.unique(plan.labels[denoised])) < 2:
        return out  # one class has nothing to be told from
    device = real(0)[0].device
    unit = torch.from_numpy(np.maximum(scale, 1e-3).astype(np.float32)).to(device)
    rank = ranks(plan.labels[denoised])
    for number in np.unique(plan.block[denoised]):
        rows = denoised[plan.block[denoised] <= number]
        moving = plan.block[rows] == number
        tied, n_levels = ties(out[rows[moving]], rank[plan.block[denoised] == number])
        out[rows[moving]] = _moved(
            torch.from_numpy(out[rows]).to(device),
            torch.from_numpy(plan.labels[rows]).to(device),
            torch.from_numpy(np.flatnonzero(moving)).to(device),
            torch.from_numpy(tied).to(device),
            n_levels,
            real,
            unit,
            Prototypes(n_features=out.shape[1], n_classes=n_classes, seed=seed, device=device),
            config,
        )
    return out


def ties(values: NDArray[np.floating], rank: NDArray[np.integer]) -> tuple[NDArray[np.int64], int]:
    """Number the levels: equal values of a gene, in rows of one rank, have the same number.

    Parameters
    ----------
    values
        (n, n_genes).
    rank
        (n,): rows of different rank are never tied.

    Returns
    -------
    The numbers (n, n_genes), from 0, and how many there are.

    Examples
    --------
    >>> ties(np.array([[0.5, 1.0], [0.5, 2.0], [0.5, 2.0]]), np.array([0, 0, 1]))[0].tolist()
    [[0, 1], [0, 2], [3, 4]]
    """
    out = np.empty(values.shape, dtype=np.int64)
    total = 0
    for number in np.unique(rank):
        rows = np.flatnonzero(rank == number)
        order = np.argsort(values[rows], axis=0, kind="stable")
        ranked = np.take_along_axis(values[rows], order, axis=0)
        new = np.ones(ranked.shape, dtype=bool)
        new[1:] = ranked[1:] != ranked[:-1]
        level = np.cumsum(new.T).reshape(new.T.shape).T - 1 + total
        of_rows = np.empty_like(level)
        np.put_along_axis(of_rows, order, level, axis=0)
        out[rows] = of_rows
        total += int(new.sum())
    return out, total


def _moved(
    start: Tensor,
    labels: Tensor,
    moving: Tensor,
    tied: Tensor,
    n_levels: int,
    real: Callable[[int], tuple[Tensor, Tensor]],
    unit: Tensor,
    objective: Prototypes,
    config: CalibrationConfig,
) -> NDArray[np.float32]:
    """Return the rows ``moving`` of ``start`` (n, n_hvg) after the calibration."""
    delta = torch.zeros(n_levels, device=start.device, requires_grad=True)
    optimizer = torch.optim.Adam([delta], lr=config.lr)

    def rows() -> Tensor:
        return (start[moving] + delta[tied] * unit).clamp_min(0)

    with torch.enable_grad():
        for step in range(config.n_steps):
            x = start.index_copy(0, moving, rows())
            loss = objective.loss(x, labels, *real(step), step) + config.leash * delta[tied].square().mean()
            (delta.grad,) = torch.autograd.grad(loss, delta)
            optimizer.step()
    return rows().detach().cpu().numpy()
