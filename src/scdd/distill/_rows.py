"""Rows: the plan of what each synthetic cell is, and its rendering to counts for all genes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray

from scdd._rng import stream
from scdd.distill._blocks import block_size, blocks
from scdd.distill._evidence import Evidence
from scdd.distill._expected_log import ExpectedLog
from scdd.distill._render import RENDERERS, RenderInput
from scdd.module import SCDDModule

DENOISED = "denoised"  # rendering of the rows that show means
_ROWS = 1024  # rows whose rates are in memory at once
MEAN_FLOOR = 5 / 64  # smaller expected counts are stored as this or not at all: they would be most of the file


@dataclass(frozen=True)
class RowPlan:
    """What each row is, before it has an expression; rows of a class stand together, in nested order.

    Attributes
    ----------
    labels, batches
        Class and batch (n,) int64.
    block
        Number of the nested block of the row within its class (n,).
    kind
        Name of the rendering of each row (n,).
    library
        Library size of each row (n,) float64: that of a real cell of its class and batch.
    """

    labels: NDArray[np.int64]
    batches: NDArray[np.int64]
    block: NDArray[np.int64]
    kind: NDArray[np.str_]
    library: NDArray[np.float64]

    def __len__(self) -> int:
        return len(self.labels)


@dataclass(frozen=True)
class RenderedRows:
    """Counts of the rows: ``counts`` and ``mean`` are CSR float32 (n, n_vars), ``depth`` (n,) is what a row sums to."""

    counts: sp.csr_matrix
    mean: sp.csr_matrix
    depth: NDArray[np.float64]


Shape = Callable[[NDArray[np.floating], RowPlan], NDArray[np.floating]]


def row_kinds(n: int, rendering: str, n_cells: int) -> NDArray[np.str_]:
    """Return the rendering of each of ``n`` rows of a class, where a typical class has ``n_cells`` cells.

    ``"mix"``: of the first m rows, a share of m / n_cells is noisy, at most every other one. A few rows cannot show how
    cells vary, and do best to show means; the more rows there are for the cells, the more of them may be as cells are.
    All classes have the same pattern: a class whose rows alone are noisy would be another class to a kernel machine.
    ``"half"``: every other row is noisy, however many cells there are.
    """
    m = np.arange(1, n + 1)
    if rendering == "mix":
        noisy = np.floor(np.minimum(m / 2, m**2 / max(n_cells, 1)))
    elif rendering == "half":
        noisy = m // 2
    else:
        RENDERERS.get(rendering)
        return np.full(n, rendering)
    return np.where(np.diff(noisy, prepend=0) > 0, "noisy", "denoised")


def ranks(labels: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return the number of each row within its class (n,), from 0; the rows of a class stand together.

    Examples
    --------
    >>> ranks(np.array([0, 0, 2])).tolist()
    [0, 1, 0]
    """
    start = np.flatnonzero(np.diff(labels, prepend=-1))
    return np.arange(len(labels)) - np.repeat(start, np.diff(start, append=len(labels)))


def plan_rows(
    module: SCDDModule,
    sizes: NDArray[np.integer],
    batches: list[NDArray[np.int64]],
    *,
    kinds: list[NDArray[np.str_]],
    seed: int,
) -> RowPlan:
    """Lay out ``sizes[c]`` rows of each class c: batch, nested block, rendering and library size.

    The libraries of a block are the quantiles (k + 0.5) / m of the real ones, so that rows differ in depth as cells do;
    a denoised row stands for many cells, and takes their median.

    Parameters
    ----------
    module
        Knows the library sizes of classes and batches.
    sizes
        Rows of each class (n_classes,).
    batches
        Batch of each row, class by class.
    kinds
        Name in :data:`scdd.distill.RENDERERS` of each row, class by class.
    seed
        Of the order of the libraries.

    Returns
    -------
    The plan, one entry a row, sorted by class.

    Examples
    --------
    >>> import scdd
    >>> checked = scdd.pp.check(scdd.datasets.simulate(n_obs=120, n_vars=60))
    >>> module = scdd.model.SCDD.from_checked(checked).module
    >>> kinds = [np.array(["denoised", "noisy"])] * 4
    >>> plan = plan_rows(module, np.full(4, 2), [np.zeros(2, dtype=int)] * 4, kinds=kinds, seed=0)
    >>> plan.library.shape
    (8,)
    """
    parts: list[RowPlan] = []
    for label, n in enumerate(sizes):
        block = np.empty(n, dtype=np.int64)
        u = np.empty(n)
        for number, (start, stop) in enumerate(blocks(int(n))):
            m = stop - start
            block[start:stop] = number
            u[start:stop] = (stream(seed, "library", label, number).permutation(m) + 0.5) / m
        u[kinds[label] == DENOISED] = 0.5
        labels = np.full(n, label)
        library = np.maximum(np.rint(module.library.quantile(labels, batches[label], u)), 1)
        parts.append(RowPlan(labels, batches[label], block, kinds[label], library))
    return RowPlan(*(np.concatenate([getattr(p, name) for p in parts]) for name in RowPlan.__dataclass_fields__))


@torch.no_grad()
def render_rows(
    module: SCDDModule,
    latents: torch.Tensor,
    plan: RowPlan,
    *,
    evidence: Evidence | None = None,
    shape: Shape | None = None,
    seed: int,
) -> RenderedRows:
    """Decode latents to the rates of all genes and write them as counts, block by block.

    Parameters
    ----------
    module
        Trained module.
    latents
        Of the rows (n, n_latent), in the order of the plan.
    plan
        Class, batch, library size and kind of each row.
    evidence
        Counts of the cells that each row stands for; with it, they correct what the decoder says.
    shape
        Changes the expected log expression (n, n_hvg) of all rows before it is written.
    seed
        Of the count noise of noisy rows.

    Returns
    -------
    Integer counts and expected counts (n, n_vars), and the depth of each row.

    Examples
    --------
    >>> import scdd
    >>> checked = scdd.pp.check(scdd.datasets.simulate(n_obs=120, n_vars=60))
    >>> module = scdd.model.SCDD.from_checked(checked).module
    >>> kinds = [np.array(["denoised", "noisy"])] * 4
    >>> plan = plan_rows(module, np.full(4, 2), [np.zeros(2, dtype=int)] * 4, kinds=kinds, seed=0)
    >>> render_rows(module, torch.zeros(8, module.shape.autoencoder.n_latent), plan, seed=0).counts.shape
    (8, 60)
    """
    hvg = _mask(module)
    targets, sink = _shaped(module, latents, plan, evidence, shape)
    order: list[NDArray[np.int64]] = []
    counts: list[sp.csr_matrix] = []
    means: list[sp.csr_matrix] = []
    for rows, threshold, rng in _groups(plan, targets.shape[1], seed):
        rates = _rates(module, latents, evidence, rows)
        library = plan.library[rows]
        given = RenderInput(rates, targets[rows], library, hvg, threshold, int(np.flatnonzero(hvg)[sink]))
        counts.append(sp.csr_matrix(RENDERERS.get(str(plan.kind[rows[0]]))(given, rng), dtype=np.float32))
        where = (int(plan.labels[rows[0]]), int(plan.block[rows[0]]), str(plan.kind[rows[0]]))
        means.append(_rounded(rates * library[:, None], stream(seed, "mean", *where)))
        order.append(rows)
    # the layer is most of a file: 3 % is below what is known of an expected count, and packs much better
    back = np.argsort(np.concatenate(order), kind="stable")
    whole = sp.csr_matrix(sp.vstack(counts, format="csr")[back])
    depth = np.asarray(whole.sum(axis=1, dtype=np.float64)).ravel()
    return RenderedRows(whole, sp.csr_matrix(sp.vstack(means, format="csr")[back]), depth)


@torch.no_grad()
def seen_rows(
    module: SCDDModule,
    latents: torch.Tensor,
    plan: RowPlan,
    *,
    evidence: Evidence | None = None,
    shape: Shape | None = None,
    seed: int,
) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
    """Return what test models see of the counts of :func:`render_rows`, at a fraction of the time.

    Which of the other genes fill a denoised row does not matter to them, so these are neither decoded nor written.

    Parameters
    ----------
    module, latents, plan, evidence, shape, seed
        As there.

    Returns
    -------
    Counts of the HVGs (n, n_hvg) and the total of all genes (n,).

    Examples
    --------
    >>> import scdd
    >>> checked = scdd.pp.check(scdd.datasets.simulate(n_obs=120, n_vars=60))
    >>> module = scdd.model.SCDD.from_checked(checked).module
    >>> kinds = [np.array(["denoised", "noisy"])] * 4
    >>> plan = plan_rows(module, np.full(4, 2), [np.zeros(2, dtype=int)] * 4, kinds=kinds, seed=0)
    >>> latents = torch.zeros(8, module.shape.autoencoder.n_latent)
    >>> seen, total = seen_rows(module, latents, plan, seed=0)
    >>> rows = render_rows(module, latents, plan, seed=0)
    >>> bool((seen == rows.counts[:, module.hvg.numpy()].toarray()).all() and (total == rows.depth).all())
    True
    """
    hvg = _mask(module)
    targets, sink = _shaped(module, latents, plan, evidence, shape)
    seen, total = np.empty(targets.shape, dtype=np.float32), np.empty(len(plan))
    for rows, threshold, rng in _groups(plan, targets.shape[1], seed):
        kind, library = str(plan.kind[rows[0]]), plan.library[rows]
        if kind == DENOISED:  # one gene stands for all others
            one = np.zeros((len(rows), targets.shape[1] + int(not hvg.all())))
            one[:, targets.shape[1] :] = 1
            among = np.arange(one.shape[1]) < targets.shape[1]
            counts = RENDERERS.get(kind)(RenderInput(one, targets[rows], library, among, threshold, sink), rng)
        else:
            rates = _rates(module, latents, evidence, rows)
            given = RenderInput(rates, targets[rows], library, hvg, threshold, int(np.flatnonzero(hvg)[sink]))
            counts, among = RENDERERS.get(kind)(given, rng), hvg
        seen[rows], total[rows] = counts[:, among], counts.sum(axis=1, dtype=np.float64)
    return seen, total


def _mask(module: SCDDModule) -> NDArray[np.bool_]:
    """Return the mask (n_vars,) of the HVGs."""
    hvg = np.zeros(module.shape.n_vars, dtype=bool)
    hvg[module.hvg.cpu().numpy()] = True
    return hvg


def _groups(
    plan: RowPlan, n_hvg: int, seed: int
) -> Iterator[tuple[NDArray[np.int64], NDArray[np.float64], np.random.Generator]]:
    """Yield the rows of one class, block and kind, where they round up (n, n_hvg), and the stream of their noise."""
    for label in np.unique(plan.labels):
        of_class = np.flatnonzero(plan.labels == label)
        for number in np.unique(plan.block[of_class]):
            members = of_class[plan.block[of_class] == number]
            threshold = _thresholds(int(number), len(members), n_hvg, seed)
            for kind in np.unique(plan.kind[members]):
                mine = plan.kind[members] == kind
                yield members[mine], threshold[mine], stream(seed, "render", int(label), int(number), str(kind))


def _rates(
    module: SCDDModule, latents: torch.Tensor, evidence: Evidence | None, rows: NDArray[np.int64]
) -> NDArray[np.floating]:
    """Return the share of every gene (len(rows), n_vars) in some rows."""
    rates: NDArray[np.floating] = module.rates(latents[torch.from_numpy(rows).to(latents.device)]).cpu().numpy()
    return rates if evidence is None else evidence.correct(module, rates, rows)


def _shaped(
    module: SCDDModule, latents: torch.Tensor, plan: RowPlan, evidence: Evidence | None, shape: Shape | None
) -> tuple[NDArray[np.floating], int]:
    """Return the expected log expression (n, n_hvg) that is written, and which of the HVGs fills rows up."""
    targets: NDArray[np.floating] = _targets(module, latents, plan, evidence)
    if shape is not None:
        targets = shape(targets, plan)
    # of all genes the one that is most expressed where it is least: no marker, and the same however many rows there are
    return targets, int(targets[ranks(plan.labels) == 0].min(axis=0).argmax())


def _rounded(mean: NDArray[np.floating], rng: np.random.Generator) -> sp.csr_matrix:
    """Return expected counts with 5 significant binary digits; few of the small ones stand for all of them.

    One below the floor is raised to it, or left out, by a chance that keeps its expectation: rows keep their depth, and no
    gene is lost from all of them.
    """
    fraction, exponent = np.frexp(mean)
    rounded = np.ldexp(np.rint(fraction * 32) / 32, exponent)
    kept = rng.random(mean.shape) * MEAN_FLOOR < rounded
    return sp.csr_matrix(np.where(kept, np.maximum(rounded, MEAN_FLOOR), 0), dtype=np.float32)


def _targets(
    module: SCDDModule, latents: torch.Tensor, plan: RowPlan, evidence: Evidence | None
) -> NDArray[np.float32]:
    """Return the expected log expression (n, n_hvg) of all rows."""
    out = np.empty((len(plan), len(module.hvg)), dtype=np.float32)
    for start in range(0, len(plan), _ROWS):
        rows = slice(start, start + _ROWS)
        rates = module.hvg_rates(latents[rows]).double().cpu()
        out[rows] = ExpectedLog(torch.from_numpy(plan.library[rows]))(rates).numpy()
    return out if evidence is None else out + evidence.log_offset


def _thresholds(block: int, n: int, n_genes: int, seed: int) -> NDArray[np.float64]:
    """Return where the rows of a block round up (n, n_genes): strata of (0, 1) in an order of their own for each gene.

    They are those of a whole block, also where the last one is cut short, so that all classes have the same.
    """
    size = block_size(block)
    strata = stream(seed, "rounding", block).permuted(np.tile(np.arange(size)[:, None], (1, n_genes)), axis=0)
    return (strata[:n] + 0.5) / size
