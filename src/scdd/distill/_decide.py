"""What is done to the plain rows, decided by the inner referee."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from scdd.data import SubsetSource
from scdd.distill._referee import Referee, inner_split
from scdd.distill._start import Start
from scdd.distill._task import Task


@dataclass(frozen=True)
class Choice:
    """What is done to the plain rows.

    Attributes
    ----------
    guidance
        Guidance of the rows.
    n_steps
        Steps of the refinement; 0: none.
    scores
        What the referee said of each candidate, as columns (h5ad and zarr hold no list of records).
    """

    guidance: float
    n_steps: int = 0
    scores: dict[str, list[Any]] = field(default_factory=dict)


def decide(task: Task) -> Choice:
    """Choose guidance and refinement: what makes models trained on the rows best on held-out donors.

    Candidates are made from the inner training cells alone, with the module as it is. The plain rows stay unless a
    candidate is better by the margin. Where too few cells are left to judge, they stay too.
    """
    config = task.config
    if not config.referee:
        return Choice(config.guidance, config.refine.n_steps if config.objective is not None else 0)
    split = inner_split(task.source, seed=task.seed)
    if split is None:
        return Choice(config.guidance)
    referee = Referee(task.source, split, task.hvg, seed=task.seed)
    plain = task.start(split.train)
    scores: list[dict[str, Any]] = []
    for guidance, n_steps, rows in _candidates(task, plain, SubsetSource(task.source, split.train), scores):
        of_model = referee.scores(task.render(rows).counts, rows.plan.labels)
        score = float(np.mean(list(of_model.values())))
        scores.append(
            {"guidance": guidance, "n_steps": n_steps, "score": score, "by_donor": split.by_donor, **of_model}
        )
        if task.deadline is not None and time.monotonic() > task.deadline:
            break
    best = _best(scores, config.margin)
    return Choice(best["guidance"], best["n_steps"], {name: [s[name] for s in scores] for name in scores[0]})


def _candidates(
    task: Task, plain: Start, cells: SubsetSource, scores: list[dict[str, Any]]
) -> Iterator[tuple[float, int, Start]]:
    """Yield guidance, steps and rows: first the plain rows, then other guidances, then refinements of the best so far."""
    config = task.config
    for guidance in (config.guidance, *config.guidance_options):
        yield guidance, 0, plain.guided(guidance)
    if config.objective is None:
        return
    guidance = _best(scores, config.margin)["guidance"]
    start = plain.guided(guidance)
    result = task.refine(cells, start, config.refine.n_steps)
    if result.status == "interrupted":
        raise KeyboardInterrupt  # who interrupts the candidates does not want the longer refinement of all cells
    for n_steps, codes in result.checkpoints.items():
        yield guidance, n_steps, start.moved(codes)


def _best(scores: list[dict[str, Any]], margin: float) -> dict[str, Any]:
    """Return the best candidate, or the first one where none is better by the margin."""
    best = max(scores, key=lambda s: s["score"])
    return best if best["score"] >= scores[0]["score"] + margin else scores[0]
