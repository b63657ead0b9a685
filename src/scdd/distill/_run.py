"""The whole distillation, on arrays: codes -> one generator step -> rates -> counts, with a referee in between."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from scdd._interrupt import deferred
from scdd._threads import one_thread
from scdd.data import Source
from scdd.distill._config import DistillConfig
from scdd.distill._decide import decide
from scdd.distill._refine import Space
from scdd.distill._rows import DENOISED, RowPlan
from scdd.distill._task import Finish, Task, frozen
from scdd.module import SCDDModule

_LOGGER = logging.getLogger("scdd")


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
        Total counts (n,) of each row.
    codes
        Codes (n, n_latent) float32.
    status
        ``"complete"``, ``"interrupted"``, ``"out_of_time"`` or ``"not_finite"`` (the refinement diverged).
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
    on_step: Callable[[float | None], None] | None = None,
    space: Space | None = None,
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
        Called with the loss after each step of a refinement, and with None after each candidate of the referee and when
        the rows are written; at most :func:`most_steps` times.
    space
        Differentiable function from the expression of the HVGs (n, n_hvg) to what the objective matches (n, d); None: the
        expression itself.

    Returns
    -------
    Codes, counts of all genes, weights and the record of what was decided.

    Raises
    ------
    KeyboardInterrupt
        After Ctrl-C before there is anything to return.

    Notes
    -----
    An interruption (Ctrl-C) during the refinement gives the best rows so far.

    Examples
    --------
    >>> import scdd
    >>> checked = scdd.pp.check(scdd.datasets.simulate(n_obs=120, n_vars=60))
    >>> module = scdd.model.SCDD.from_checked(checked).module
    >>> latents = np.zeros((120, module.shape.autoencoder.n_latent), dtype=np.float32)
    >>> sizes = np.full(module.shape.n_classes, 2)
    >>> rows = distill(module, checked.source, latents, sizes, config=scdd.distill.resolve_config("fast"), seed=0)
    >>> rows.counts.shape, rows.status
    ((8, 60), 'complete')
    """
    task = Task(module, source, latents, sizes, config, seed, deadline, on_step, space)
    record: dict[str, Any] = {"objective": "none", "n_steps": 0, "guidance": config.guidance, "inner": {}, "losses": []}
    record["rendering"] = config.rendering
    record |= Finish().told(config)
    with deferred() as interrupt, one_thread():
        start = task.start(np.arange(source.n_obs))
    status, finish = "complete", Finish()
    with frozen(module), one_thread():
        try:
            if interrupt.raised:
                raise KeyboardInterrupt
            choice = decide(task)
            finish = choice.finish
            record |= {"guidance": choice.guidance, "inner": choice.scores, **finish.told(config)}
            if choice.rendering is not None:
                start = task.start(np.arange(source.n_obs), choice.rendering)
                record["rendering"] = choice.rendering
            start = start.guided(choice.guidance)
            if choice.n_steps:
                result = task.refine(source, start, choice.n_steps, finish)
                record["losses"] = [float(v) for v in result.losses]
                status = result.status
                if result.checkpoints:
                    record |= {"n_steps": max(result.checkpoints), "objective": _name(config.objective)}
                    start = start.moved(result.checkpoints[record["n_steps"]])
            if task.out_of_time:
                status = "out_of_time"
        except KeyboardInterrupt:
            status = "interrupted"
    with deferred() as interrupt, one_thread():
        rows = task.render(source, start, finish)
        if not (start.plan.kind == DENOISED).any():
            record |= {"nuisance": 0, "levels": 0.0}  # other rows keep what they differ in
        elif record["nuisance"]:
            record["nuisance"] = task.nuisance(source, finish).shape[1]  # what was left out, of what was asked for
        task.step()
    if interrupt.raised:
        status = "interrupted"
    _LOGGER.info("distillation: %s, %d rows, %d steps of refinement", status, len(rows.depth), record["n_steps"])
    return Distilled(
        rows.counts, rows.mean, start.plan, start.weight, rows.depth, start.codes.z.cpu().numpy(), status, record
    )


def _name(objective: str | Any) -> str:
    return objective if isinstance(objective, str) else "+".join(objective)
