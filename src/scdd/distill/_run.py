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
from torch import Tensor

from scdd._rng import stream, torch_stream
from scdd.data import Source, SubsetSource
from scdd.distill._codes import Codes, invert
from scdd.distill._config import DistillConfig
from scdd.distill._init import INITIALISERS, squared_distance
from scdd.distill._referee import InnerSplit, Referee, inner_split
from scdd.distill._refine import RealBatches, RefineResult, RowFeatures, refine
from scdd.distill._rows import RenderedRows, RowPlan, plan_rows, render_rows
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


@dataclass(frozen=True)
class _Start:
    """Codes before any refinement, their plan and the cells that each row stands for."""

    codes: Codes
    plan: RowPlan
    weight: NDArray[np.float64]


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
    start = _start(module, source, latents, everyone, sizes, config, seed)
    record: dict[str, Any] = {"objective": "none", "n_steps": 0, "inner": {}, "losses": []}
    codes, status = start.codes, "complete"
    frozen = [p for p in module.parameters() if p.requires_grad]
    for p in frozen:
        p.requires_grad_(False)
    try:
        if config.objective is not None:
            n_steps, inner = _decide(module, source, latents, sizes, hvg, config, seed, deadline)
            record["inner"] = inner
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
    rows = _render(module, codes, start.plan, seed)
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
    start = _start(module, source, latents, split.train, sizes, config, seed)
    referee = Referee(source, split, hvg, seed=seed)
    result = _refine(module, inner, start, config, seed, deadline, None, config.refine.n_steps)
    scores = []
    for n_steps, codes in {0: start.codes, **result.checkpoints}.items():
        of_model = referee.scores(_render(module, codes, start.plan, seed).counts, start.plan.labels)
        mean = float(np.mean(list(of_model.values())))
        scores.append({"n_steps": n_steps, "score": mean, "by_donor": split.by_donor, **of_model})
        if deadline is not None and time.monotonic() > deadline:
            break
    best = max(scores, key=lambda s: s["score"])
    chosen = best["n_steps"] if best["score"] >= scores[0]["score"] + config.margin else 0
    # columns, not records: h5ad and zarr hold no list of dicts
    return int(chosen), {name: [s[name] for s in scores] for name in scores[0]}


def _start(
    module: SCDDModule,
    source: Source,
    latents: NDArray[np.float32],
    cells: NDArray[np.int64],
    sizes: NDArray[np.integer],
    config: DistillConfig,
    seed: int,
) -> _Start:
    """Place the rows in the latent space and find the codes that the generator maps there."""
    n_latent = latents.shape[1]
    targets: list[NDArray[np.float32]] = []
    weights: list[NDArray[np.float64]] = []
    batches: list[NDArray[np.int64]] = []
    for label, n in enumerate(sizes):
        of_class = cells[source.labels[cells] == label]
        z = latents[of_class]
        if config.init == "noise":
            place = np.broadcast_to(z.mean(axis=0), (n, n_latent)).astype(np.float32)
            nearest = stream(seed, "noise batches", label).integers(n, size=len(z))
        else:
            place = INITIALISERS.get(config.init)(z, int(n), stream(seed, "init", label))
            nearest = squared_distance(z, place).argmin(axis=1)
        targets.append(place)
        weights.append(np.bincount(nearest, minlength=n).astype(np.float64))
        batches.append(_majority(nearest, source.batches[of_class], int(n), len(source.batch_names)))
    plan = plan_rows(module, sizes, batches, rendering=config.rendering, seed=seed)
    device = module.device
    target = torch.from_numpy(np.concatenate(targets)).to(device)
    labels, batch = (torch.from_numpy(v).to(device) for v in (plan.labels, plan.batches))
    codes = Codes(target, labels, batch, config.code_noise, config.guidance, config.generator)
    if config.init == "noise":
        noise = torch.randn(target.shape, generator=torch_stream(seed, "codes")).to(device)
        codes = codes.moved(noise)
    else:
        codes = invert(module, codes, target)
    return _Start(codes, plan, np.concatenate(weights))


def _majority(
    nearest: NDArray[np.integer], batches: NDArray[np.integer], n: int, n_batches: int
) -> NDArray[np.int64]:
    """Return the most frequent batch among the cells of each row; of the class, for a row without cells."""
    table = np.zeros((n, n_batches), dtype=np.int64)
    np.add.at(table, (nearest, batches), 1)
    table[table.sum(axis=1) == 0] = table.sum(axis=0)
    return table.argmax(axis=1).astype(np.int64)


def _refine(
    module: SCDDModule,
    source: Source,
    start: _Start,
    config: DistillConfig,
    seed: int,
    deadline: float | None,
    on_step: Callable[[float], None] | None,
    n_steps: int,
) -> RefineResult:
    assert config.objective is not None
    hvg = module.hvg.cpu().numpy()
    library = torch.from_numpy(start.plan.library.astype(np.float32)).to(module.device)
    objective = build(
        config.objective, n_features=len(hvg), n_classes=len(source.class_names), seed=seed, device=module.device
    )
    real = RealBatches(source, hvg, per_class=config.refine.real_per_class, seed=seed, device=module.device)
    return refine(
        start.codes,
        RowFeatures(module, library),
        objective,
        real,
        scale=module.within_sd,
        config=replace(config.refine, n_steps=n_steps),
        deadline=deadline,
        on_step=on_step,
    )


@torch.no_grad()
def _render(module: SCDDModule, codes: Codes, plan: RowPlan, seed: int) -> RenderedRows:
    return render_rows(module, codes.latents(module), plan, seed=seed)


def _name(objective: str | Any) -> str:
    return objective if isinstance(objective, str) else "+".join(objective)
