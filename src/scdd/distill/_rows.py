"""Rows: the plan of what each synthetic cell is, and its rendering to counts for all genes."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray

from scdd._rng import stream
from scdd.distill._blocks import blocks
from scdd.distill._evidence import Evidence
from scdd.distill._expected_log import ExpectedLog
from scdd.distill._render import RENDERERS, RenderInput
from scdd.module import SCDDModule

MEAN_FLOOR = 0.08  # smaller expected counts are not stored: they would be most of the file


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


def row_kinds(n: int, rendering: str) -> NDArray[np.str_]:
    """Return the rendering of each of ``n`` rows of a class; ``"mix"`` alternates denoised and noisy ones."""
    if rendering != "mix":
        RENDERERS.get(rendering)
        return np.full(n, rendering)
    return np.where(np.arange(n) % 2 == 0, "denoised", "noisy")


def plan_rows(
    module: SCDDModule,
    sizes: NDArray[np.integer],
    batches: list[NDArray[np.int64]],
    *,
    rendering: str,
    seed: int,
) -> RowPlan:
    """Lay out ``sizes[c]`` rows of each class c: batch, nested block, rendering and library size.

    The libraries of a block are the quantiles (k + 0.5) / m of the real ones, so that rows differ in depth as cells do.
    """
    parts: list[RowPlan] = []
    for label, n in enumerate(sizes):
        block = np.empty(n, dtype=np.int64)
        u = np.empty(n)
        for number, (start, stop) in enumerate(blocks(int(n))):
            m = stop - start
            block[start:stop] = number
            u[start:stop] = (stream(seed, "library", label, number).permutation(m) + 0.5) / m
        labels = np.full(n, label)
        library = np.maximum(np.rint(module.library.quantile(labels, batches[label], u)), 1)
        parts.append(RowPlan(labels, batches[label], block, row_kinds(int(n), rendering), library))
    return RowPlan(*(np.concatenate([getattr(p, name) for p in parts]) for name in RowPlan.__dataclass_fields__))


@torch.no_grad()
def render_rows(
    module: SCDDModule, latents: torch.Tensor, plan: RowPlan, *, evidence: Evidence | None = None, seed: int
) -> RenderedRows:
    """Decode latents (n, n_latent) to the rates of all genes and write them as counts, block by block.

    With evidence, the cells of each row correct what the decoder says.
    """
    hvg = np.zeros(module.shape.n_vars, dtype=bool)
    hvg[module.hvg.cpu().numpy()] = True
    order: list[NDArray[np.int64]] = []
    counts: list[sp.csr_matrix] = []
    means: list[sp.csr_matrix] = []
    for label in np.unique(plan.labels):
        of_class = np.flatnonzero(plan.labels == label)
        for number in np.unique(plan.block[of_class]):
            members = of_class[plan.block[of_class] == number]
            rates = module.rates(latents[torch.from_numpy(members).to(latents.device)]).cpu().numpy()
            target = _target(rates[:, hvg], plan.library[members])
            if evidence is not None:
                target = target + evidence.log_offset[members]
                rates = evidence.correct(module, rates, members)
            mean = rates * plan.library[members, None]
            for kind in np.unique(plan.kind[members]):
                mine = plan.kind[members] == kind
                rows = RenderInput(rates[mine], target[mine], plan.library[members[mine]], hvg)
                rng = stream(seed, "render", int(label), int(number), str(kind))
                counts.append(sp.csr_matrix(RENDERERS.get(str(kind))(rows, rng), dtype=np.float32))
                means.append(_rounded(mean[mine]))
                order.append(members[mine])
    # the layer is most of a file: 3 % is below what is known of an expected count, and packs much better
    back = np.argsort(np.concatenate(order), kind="stable")
    rows = sp.csr_matrix(sp.vstack(counts, format="csr")[back])
    depth = np.asarray(rows.sum(axis=1, dtype=np.float64)).ravel()
    return RenderedRows(rows, sp.csr_matrix(sp.vstack(means, format="csr")[back]), depth)


def _rounded(mean: NDArray[np.floating]) -> sp.csr_matrix:
    """Return expected counts without the small ones, with 5 significant binary digits."""
    fraction, exponent = np.frexp(mean)
    rounded = np.ldexp(np.rint(fraction * 32) / 32, exponent)
    return sp.csr_matrix(np.where(rounded < MEAN_FLOOR, 0, rounded), dtype=np.float32)


def _target(rates: NDArray[np.floating], library: NDArray[np.float64]) -> NDArray[np.float64]:
    return ExpectedLog(torch.from_numpy(library))(torch.from_numpy(rates.astype(np.float64))).numpy()
