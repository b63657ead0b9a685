r"""Calibration: the levels of denoised rows are moved until real cells are nearest to the rows of their own class.

A mean is not the best prototype. Nearest to class means is the class with the smallest Euclidean distance, in which a
gene that tells much and one that is noise count alike; a trained linear model weighs them. Moving a row r by d changes its
squared distance to a cell x by :math:`-2\,x \cdot d` and a constant, that is, it changes the weights that every model by
distance or by scalar products gives to the genes, and rows can be placed where these weights are those of a model that
was trained on all cells (:class:`scdd.objectives.Prototypes`).

What is equal stays equal: rows that share a level (:mod:`scdd.distill._levels`) move together, so that no split of a tree
appears that real cells do not show. Blocks are calibrated one after the other, each with the earlier ones as they are: the
first rows of a class do not depend on how many follow, and what a cell sees of earlier rows is two numbers, computed once.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scdd.distill._cells_around import CellsAround
from scdd.distill._rows import DENOISED, RowPlan, ranks
from scdd.objectives import PrototypesConfig
from scdd.objectives._prototypes import log_nearness, sharpest


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
    prototypes
        Options of the loss.
    """

    n_steps: int = 40
    lr: float = 0.02
    leash: float = 3.0
    prototypes: PrototypesConfig = field(default_factory=PrototypesConfig)


def calibrate(
    target: NDArray[np.floating],
    plan: RowPlan,
    real: Sequence[tuple[Tensor, Tensor]],
    *,
    scale: NDArray[np.floating],
    config: CalibrationConfig,
) -> NDArray[np.float32]:
    """Move the denoised rows, block by block.

    Parameters
    ----------
    target
        Expected log expression (n, n_hvg) of all rows, levelled.
    plan
        What each row is.
    real
        Batches of real cells, features (m, n_hvg) and labels (m,), which the steps take in turn.
    scale
        Standard deviation of each gene within classes (n_hvg,).
    config
        Budget.

    Returns
    -------
    (n, n_hvg): at least 0 for denoised rows; other rows as they were.
    """
    out = np.array(target, dtype=np.float32)
    denoised = np.flatnonzero(plan.kind == DENOISED)
    if len(np.unique(plan.labels[denoised])) < 2:
        return out  # one class has nothing to be told from
    device = real[0][0].device
    unit = torch.from_numpy(np.maximum(scale, 1e-3).astype(np.float32)).to(device)
    rank = ranks(plan.labels[denoised])
    classes = torch.from_numpy(np.unique(plan.labels[denoised])).to(device)
    first = out[denoised[plan.block[denoised] == plan.block[denoised].min()]]
    center = torch.from_numpy(first.mean(axis=0)).to(device)  # the same however many rows follow
    cells = [CellsAround(*batch, center, classes) for batch in real]
    for number in np.unique(plan.block[denoised]):
        earlier, moving = (denoised[of] for of in (plan.block[denoised] < number, plan.block[denoised] == number))
        views = _views(_rows(out, plan, earlier, device), _rows(out, plan, moving, device), cells, config.prototypes)
        tied, n_levels = ties(out[moving], rank[plan.block[denoised] == number])
        start, labels = _rows(out, plan, moving, device)
        out[moving] = _moved(start, labels, torch.from_numpy(tied).to(device), n_levels, views, unit, config)
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


@dataclass(frozen=True)
class _View:
    """A batch of real cells, and what they see of the rows that stay where they are.

    Attributes
    ----------
    cells
        The cells.
    own, every
        Logarithms (n,) of how near the staying rows are: those of the cell's class, and all of them.
    beta
        Inverse temperature.
    """

    cells: CellsAround
    own: Tensor
    every: Tensor
    beta: Tensor

    def loss(self, rows: Tensor, labels: Tensor) -> Tensor:
        """Return the cross-entropy of the nearest prototypes, these rows (m, n_hvg) among them."""
        own, every = log_nearness(self.cells.distance(rows), self.cells.y[:, None] == labels[None, :], self.beta)
        return (torch.logaddexp(every, self.every) - torch.logaddexp(own, self.own)) @ self.cells.weight


def _rows(
    values: NDArray[np.float32], plan: RowPlan, rows: NDArray[np.int64], device: torch.device
) -> tuple[Tensor, Tensor]:
    """Return some rows and their labels as tensors."""
    return torch.from_numpy(values[rows]).to(device), torch.from_numpy(plan.labels[rows]).to(device)


def _views(
    earlier: tuple[Tensor, Tensor],
    moving: tuple[Tensor, Tensor],
    batches: Sequence[CellsAround],
    config: PrototypesConfig,
) -> list[_View]:
    """Return the batches with what they see of the ``earlier`` rows; the first one tells the temperature."""
    rows, labels = (torch.cat(pair) for pair in zip(earlier, moving, strict=True))
    first = batches[0]
    beta = sharpest(first.distance(rows), first.y[:, None] == labels[None, :], first.weight, config.sharpness)
    views: list[_View] = []
    for cells in batches:
        own, every = log_nearness(cells.distance(earlier[0]), cells.y[:, None] == earlier[1][None, :], beta)
        views.append(_View(cells, own, every, beta))
    return views


def _moved(
    start: Tensor,
    labels: Tensor,
    tied: Tensor,
    n_levels: int,
    views: Sequence[_View],
    unit: Tensor,
    config: CalibrationConfig,
) -> NDArray[np.float32]:
    """Return the rows ``start`` (n, n_hvg) after the calibration; ``tied`` numbers their levels."""
    delta = torch.zeros(n_levels, device=start.device, requires_grad=True)
    optimizer = torch.optim.Adam([delta], lr=config.lr)

    flat = tied.flatten()

    def displaced() -> Tensor:
        # the gradient of a selection is one sum over the index, on a GPU in any order; that of delta[tied] sorts first
        return delta[tied] if delta.is_cuda else delta.index_select(0, flat).view_as(start)

    with torch.enable_grad():
        for step in range(config.n_steps):
            moved = displaced()
            rows = (start + moved * unit).clamp_min(0)
            loss = views[step % len(views)].loss(rows, labels) + config.leash * moved.square().mean()
            (delta.grad,) = torch.autograd.grad(loss, delta)
            optimizer.step()
        return (start + displaced() * unit).clamp_min(0).detach().cpu().numpy()
