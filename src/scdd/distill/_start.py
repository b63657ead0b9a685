"""Before any refinement: where rows stand, which codes lead there, and the cells that each row stands for."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray

from scdd._rng import stream
from scdd.data import Source
from scdd.distill._codes import Codes, invert
from scdd.distill._config import DistillConfig
from scdd.distill._evidence import Evidence, gather_evidence
from scdd.distill._place import Places, place
from scdd.distill._rows import RowPlan, plan_rows, row_kinds
from scdd.module import SCDDModule


@dataclass(frozen=True)
class Start:
    """Codes before any refinement.

    Attributes
    ----------
    codes
        The codes and their conditions.
    plan
        What each row is.
    weight
        Number of cells (n,) that each row stands for; sums to the number of cells.
    evidence
        How the cells of each row correct the decoder; None: they do not.
    """

    codes: Codes
    plan: RowPlan
    weight: NDArray[np.float64]
    evidence: Evidence | None

    def guided(self, guidance: float) -> Start:
        """Return the same rows under another guidance."""
        return replace(self, codes=replace(self.codes, guidance=guidance))

    def moved(self, codes: Codes) -> Start:
        """Return these rows with other codes."""
        return replace(self, codes=codes)


def start_rows(
    module: SCDDModule,
    source: Source,
    latents: NDArray[np.float32],
    cells: NDArray[np.int64],
    sizes: NDArray[np.integer],
    *,
    config: DistillConfig,
    seed: int,
) -> Start:
    """Place ``sizes[c]`` rows of each class c among some cells, and find the codes that the generator maps there.

    Parameters
    ----------
    module
        Trained module.
    source, latents
        All cells and their latents (n_obs, n_latent).
    cells
        The cells that take part.
    sizes
        Rows of each class (n_classes,).
    config, seed
        How.
    """
    first = np.concatenate([[0], np.cumsum(sizes)])
    places: list[Places] = []
    batches: list[NDArray[np.int64]] = []
    kinds: list[NDArray[np.str_]] = []
    typical = int(np.median(np.bincount(source.labels[cells], minlength=len(sizes))))
    for label, n in enumerate(sizes):
        of_class = cells[source.labels[cells] == label]
        kinds.append(row_kinds(int(n), config.rendering, typical))
        of = place(latents[of_class], kinds[-1], config.init, stream(seed, "init", label))
        batches.append(_majority(of.pairs, source.batches[of_class], int(n), len(source.batch_names)))
        pairs = np.stack([of.pairs[0] + first[label], of_class[of.pairs[1]]])
        places.append(Places(of.latents, of.nearest, pairs))
    plan = plan_rows(module, sizes, batches, kinds=kinds, seed=seed)
    codes = _codes(module, np.concatenate([p.latents for p in places]), plan, config, seed)
    evidence = None
    if config.prior_cells is not None:
        rows, columns = np.concatenate([p.pairs for p in places], axis=1)
        evidence = gather_evidence(
            module,
            source,
            sp.csr_matrix((np.ones(len(rows)), (rows, columns)), shape=(len(plan), source.n_obs)),
            codes.denoise(module).detach(),
            prior_cells=config.prior_cells,
            prior_counts=config.prior_counts,
        )
    weight = [np.bincount(p.nearest, minlength=n) for p, n in zip(places, sizes, strict=True)]
    return Start(codes, plan, np.concatenate(weight).astype(np.float64), evidence)


def _codes(module: SCDDModule, places: NDArray[np.float32], plan: RowPlan, config: DistillConfig, seed: int) -> Codes:
    """Return codes that the generator maps on the places, or codes drawn from N(0, I)."""
    target = torch.from_numpy(places).to(module.device)
    labels, batches = (torch.from_numpy(v).to(module.device) for v in (plan.labels, plan.batches))
    codes = Codes(target, labels, batches, config.code_noise, config.guidance, config.generator)
    if config.init == "noise":
        # class by class: the first rows are the same however many follow
        sizes, width = np.bincount(plan.labels), places.shape[1]
        noise = [stream(seed, "codes", k).standard_normal((n, width), np.float32) for k, n in enumerate(sizes)]
        return codes.moved(torch.from_numpy(np.concatenate(noise)).to(module.device))
    return invert(module, codes, target)


def _majority(pairs: NDArray[np.int64], batches: NDArray[np.integer], n: int, n_batches: int) -> NDArray[np.int64]:
    """Return the most frequent batch among the cells of each row; of the class, for a row without cells."""
    table = np.zeros((n, n_batches), dtype=np.int64)
    np.add.at(table, (pairs[0], batches[pairs[1]]), 1)
    table[table.sum(axis=1) == 0] = np.bincount(batches, minlength=n_batches)
    return table.argmax(axis=1).astype(np.int64)
