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

    Candidates are made from the inner training cells alone, with the module as it is. The whole refinement under the
    guidance of the configuration is preferred: another candidate must beat it by the margin, because a difference
    below it is noise. Where too few cells are left to judge, the plain rows stay.
    """
    config = task.config
    n_steps = config.refine.n_steps if config.objective is not None else 0
    if not config.referee:
        return Choice(config.guidance, n_steps)
    split = inner_split(task.source, seed=task.seed)
    if split is None:
        return Choice(config.guidance)
    referee = Referee(task.source, split, task.hvg, seed=task.seed)
    scores: list[dict[str, Any]] = []
    for candidate, rows in _candidates(task, task.start(split.train), SubsetSource(task.source, split.train)):
        of_model = referee.scores(task.render(rows).counts, rows.plan.labels)
        mean = float(np.mean(list(of_model.values())))
        scores.append(
            {
                "guidance": candidate.guidance,
                "n_steps": candidate.n_steps,
                "score": mean,
                "by_donor": split.by_donor,
                **of_model,
            }
        )
        if task.deadline is not None and time.monotonic() > task.deadline:
            break
    best = _best(scores, config.margin)
    return Choice(best["guidance"], best["n_steps"], {name: [s[name] for s in scores] for name in scores[0]})


def _candidates(task: Task, plain: Start, cells: SubsetSource) -> Iterator[tuple[Choice, Start]]:
    """Yield choices and their rows; the preferred one comes last."""
    config = task.config
    for guidance in (*config.guidance_options, config.guidance):
        yield Choice(guidance), plain.guided(guidance)
    if config.objective is None:
        return
    result = task.refine(cells, plain, config.refine.n_steps)
    if result.status == "interrupted":
        raise KeyboardInterrupt  # who interrupts the candidates does not want the longer refinement of all cells
    for n_steps, codes in result.checkpoints.items():
        yield Choice(config.guidance, n_steps), plain.moved(codes)


def _best(scores: list[dict[str, Any]], margin: float) -> dict[str, Any]:
    """Return the best candidate, or the last one where none is better by the margin."""
    best = max(scores, key=lambda s: s["score"])
    return best if best["score"] >= scores[-1]["score"] + margin else scores[-1]
