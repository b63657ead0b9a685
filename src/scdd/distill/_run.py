"""The whole distillation, on arrays: codes -> one generator step -> rates -> counts, with a referee in between."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray

from scdd.data import Source, SubsetSource
from scdd.distill._codes import Codes
from scdd.distill._config import DistillConfig
from scdd.distill._referee import Referee, inner_split
from scdd.distill._refine import RealBatches, RefineResult, RowFeatures, refine
from scdd.distill._rows import RenderedRows, RowPlan, render_rows
from scdd.distill._start import Start, start_rows
from scdd.module import SCDDModule
from scdd.objectives import build


@dataclass(frozen=True)
class Distilled:
    """Distilled rows, class by class and nested within a class.

    Attributes
    ----------
    counts, mean
        CSR float32 (n, n_vars): integer counts, and expected counts of a real cell.
    plan
        Class, batch, kind and library of each row.
    weight
        Number of original cells that each row stands for (n,); sums to the number of cells.
    depth
        Depth (n,) at which each row was rendered.
    codes
        Codes (n, n_latent) float32.
    status
        ``"complete"``, ``"interrupted"`` or ``"out_of_time"``.
    record
        What was decided and scored, JSON-safe.
    """

    counts: sp.csr_matrix
    mean: sp.csr_matrix
    plan: RowPlan
    weight: NDArray[np.float64]
    depth: NDArray[np.float64]
    codes: NDArray[np.float32]
    status: str
    record: dict[str, Any] = field(default_factory=dict)


def distill(
    module: SCDDModule,
    source: Source,
    latents: NDArray[np.float32],
    sizes: NDArray[np.integer],
    *,
    config: DistillConfig,
    seed: int,
    deadline: float | None = None,
    on_step: Callable[[float], None] | None = None,
) -> Distilled:
    """Distil the cells of a source into ``sizes[c]`` rows of each class c.

    Parameters
    ----------
    module
        Trained module; it is frozen.
    source
        The original cells.
    latents
        Their standardised latents (n_obs, n_latent).
    sizes
        Rows of each class (n_classes,).
    config
        How.
    seed
        Seed of everything random.
    deadline
        Value of ``time.monotonic()`` at which the refinement stops.
    on_step
        Called with the loss after each step of a refinement.

    Notes
    -----
    An interruption (Ctrl-C) during the refinement gives the best rows so far.
    """
    everyone = np.arange(source.n_obs)
    hvg = np.zeros(source.n_vars, dtype=bool)
    hvg[module.hvg.cpu().numpy()] = True
    start = start_rows(module, source, latents, everyone, sizes, config=config, seed=seed)
    record: dict[str, Any] = {"objective": "none", "n_steps": 0, "inner": {}, "losses": []}
    codes, status = start.codes, "complete"
    frozen = [p for p in module.parameters() if p.requires_grad]
    for p in frozen:
        p.requires_grad_(False)
    try:
        if config.objective is not None:
            n_steps, inner = _decide(module, source, latents, sizes, hvg, config, seed, deadline)
            record["inner"] = inner
            if deadline is not None and time.monotonic() > deadline:
                status = "out_of_time"
            if n_steps:
                result = _refine(module, source, start, config, seed, deadline, on_step, n_steps)
                record["losses"] = [float(v) for v in result.losses]
                status = result.status
                if result.checkpoints:
                    record["n_steps"] = max(result.checkpoints)
                    record["objective"] = _name(config.objective)
                    codes = result.checkpoints[record["n_steps"]]
    except KeyboardInterrupt:
        status = "interrupted"
    finally:
        for p in frozen:
            p.requires_grad_(True)
    rows = _render(module, codes, start, seed)
    return Distilled(
        rows.counts, rows.mean, start.plan, start.weight, rows.depth, codes.z.cpu().numpy(), status, record
    )


def _decide(
    module: SCDDModule,
    source: Source,
    latents: NDArray[np.float32],
    sizes: NDArray[np.integer],
    hvg: NDArray[np.bool_],
    config: DistillConfig,
    seed: int,
    deadline: float | None,
) -> tuple[int, dict[str, list[Any]]]:
    """Return after how many steps the refinement is best on held-out donors (0: not at all), and all scores."""
    if not config.referee:
        return config.refine.n_steps, {}
    split = inner_split(source, seed=seed)
    if split is None:
        return 0, {}
    inner = SubsetSource(source, split.train)
    start = start_rows(module, source, latents, split.train, sizes, config=config, seed=seed)
    referee = Referee(source, split, hvg, seed=seed)
    result = _refine(module, inner, start, config, seed, deadline, None, config.refine.n_steps)
    if result.status == "interrupted":
        raise KeyboardInterrupt  # who interrupts the candidates does not want the longer refinement of all cells
    scores = []
    for n_steps, codes in {0: start.codes, **result.checkpoints}.items():
        of_model = referee.scores(_render(module, codes, start, seed).counts, start.plan.labels)
        mean = float(np.mean(list(of_model.values())))
        scores.append({"n_steps": n_steps, "score": mean, "by_donor": split.by_donor, **of_model})
        if deadline is not None and time.monotonic() > deadline:
            break
    best = max(scores, key=lambda s: s["score"])
    chosen = best["n_steps"] if best["score"] >= scores[0]["score"] + config.margin else 0
    # columns, not records: h5ad and zarr hold no list of dicts
    return int(chosen), {name: [s[name] for s in scores] for name in scores[0]}


def _refine(
    module: SCDDModule,
    source: Source,
    start: Start,
    config: DistillConfig,
    seed: int,
    deadline: float | None,
    on_step: Callable[[float], None] | None,
    n_steps: int,
) -> RefineResult:
    assert config.objective is not None
    hvg = module.hvg.cpu().numpy()
    library = torch.from_numpy(start.plan.library.astype(np.float32)).to(module.device)
    offset = None if start.evidence is None else torch.from_numpy(start.evidence.log_offset).to(module.device)
    objective = build(
        config.objective, n_features=len(hvg), n_classes=len(source.class_names), seed=seed, device=module.device
    )
    real = RealBatches(source, hvg, per_class=config.refine.real_per_class, seed=seed, device=module.device)
    return refine(
        start.codes,
        RowFeatures(module, library, offset),
        objective,
        real,
        scale=module.within_sd,
        config=replace(config.refine, n_steps=n_steps),
        deadline=deadline,
        on_step=on_step,
    )


@torch.no_grad()
def _render(module: SCDDModule, codes: Codes, start: Start, seed: int) -> RenderedRows:
    return render_rows(module, codes.latents(module), start.plan, evidence=start.evidence, seed=seed)


def _name(objective: str | Any) -> str:
    return objective if isinstance(objective, str) else "+".join(objective)
