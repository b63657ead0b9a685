"""What is done to the plain rows, decided by the inner referee."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from itertools import product
from typing import Any

import numpy as np

from scdd.data import Source, SubsetSource
from scdd.distill._config import DistillConfig
from scdd.distill._referee import InnerSplit, Referee, inner_splits
from scdd.distill._start import Start
from scdd.distill._task import Finish, Task


@dataclass(frozen=True)
class Choice:
    """What is done to the plain rows.

    Attributes
    ----------
    guidance
        Guidance of the rows.
    n_steps
        Steps of the refinement; 0: none.
    rendering
        Rendering of the rows; None: as configured.
    finish
        Spread, calibration, nuisance and levels.
    scores
        What the referee said of each candidate, as columns (h5ad and zarr hold no list of records).
    """

    guidance: float
    n_steps: int = 0
    rendering: str | None = None
    finish: Finish = field(default_factory=Finish)
    scores: dict[str, list[Any]] = field(default_factory=dict, compare=False)


def decide(task: Task) -> Choice:
    """Choose guidance, rendering, refinement, spread, calibration, nuisance and levels: what makes models best on held-out donors.

    Candidates are made from the inner training cells alone, with the module as it is. First the codes (guidance, rendering,
    refinement) are chosen, then, with these, how they are written. Rows that are not refined and otherwise as configured
    are preferred: another candidate must beat them by the margin, because a difference below it is noise. Where too few
    cells are left to judge, they stay.
    """
    config = task.config
    if not config.referee:
        return Choice(config.guidance, config.refine.n_steps if config.objective is not None else 0)
    plain = Choice(config.guidance)
    folds = [_Fold(task, split) for split in inner_splits(task.source, config.referee_splits, seed=task.seed)]
    if not folds:
        return plain
    seen: dict[Choice, list[dict[str, float]]] = {}
    for fold in folds:
        for candidate, start in fold.codes():
            seen.setdefault(candidate, []).append(fold.judge(candidate, start))
            if task.out_of_time:
                break
    chosen = _best(seen, plain, config.margin)
    for fold in folds:
        for finish in _finishes(task):
            if task.out_of_time:
                break
            candidate = replace(chosen, finish=finish)
            seen.setdefault(candidate, []).append(fold.judge(candidate))
    return replace(_best(seen, chosen, config.margin), scores=_columns(task, seen, by_donor=folds[0].by_donor))


def most_steps(config: DistillConfig, source: Source, *, seed: int) -> int:
    """Return how many steps a distillation takes at most: of refinements, candidates that are judged, and the result.

    Parameters
    ----------
    config
        What :func:`scdd.distill.resolve_config` returned.
    source
        The cells: how many inner splits there are depends on their donors.
    seed
        Seed of the distillation.

    Returns
    -------
    The number, for a progress bar.

    Examples
    --------
    >>> import numpy as np, scdd
    >>> source = scdd.data.MemorySource(np.ones((100, 3)), np.arange(100) % 2, ["a", "b"])
    >>> [most_steps(config, source, seed=0) for config in (DistillConfig(), DistillConfig(referee=False))]
    [130, 61]
    """
    refined = config.refine.n_steps if config.objective is not None else 0
    if not config.referee:
        return refined + 1
    codes = (
        1
        + len(config.guidance_options)
        + len(config.rendering_options)
        + (len({*config.refine.checkpoints, refined}) if refined else 0)
    )
    finishes = (1 + len(config.spread_options)) * (1 if config.calibration is None else 2) - 1
    finishes += len(config.nuisance_options) + len(config.levels_options)
    splits = len(inner_splits(source, config.referee_splits, seed=seed))
    return splits * (codes + finishes + refined) + refined + 1


class _Fold:
    """An inner split: cells that make candidates, and the referee over the others."""

    def __init__(self, task: Task, split: InnerSplit) -> None:
        self.task, self.split, self.by_donor = task, split, split.by_donor
        self.cells = SubsetSource(task.source, split.train)
        self.plain = task.start(split.train)
        self.referee = Referee(task.source, split, task.hvg, models=task.config.referee_models, seed=task.seed)
        self.rows: dict[Choice, Start] = {}

    def codes(self) -> Iterator[tuple[Choice, Start]]:
        """Yield choices of guidance, rendering and refinement, and their rows."""
        config = self.task.config
        for guidance in dict.fromkeys((config.guidance, *config.guidance_options)):  # none is judged twice
            yield Choice(guidance), self.plain.guided(guidance)
        for rendering in config.rendering_options if self.task.sizes.max() > 1 else ():  # one row shows a mean
            start = self.task.start(self.split.train, rendering)
            yield Choice(config.guidance, rendering=rendering), start.guided(config.guidance)
        if config.objective is None:
            return
        result = self.task.refine(self.cells, self.plain, config.refine.n_steps, Finish())
        if result.status == "interrupted":
            raise KeyboardInterrupt  # who interrupts the candidates does not want the longer refinement of all cells
        for n_steps, codes in result.checkpoints.items():
            yield Choice(config.guidance, n_steps), self.plain.moved(codes)

    def judge(self, candidate: Choice, start: Start | None = None) -> dict[str, float]:
        """Return the score of each model; without a start, that of an earlier candidate of the same codes is taken."""
        key = replace(candidate, finish=Finish())
        start = self.rows[key] if start is None else self.rows.setdefault(key, start)
        scores = self.referee.scores(*self.task.seen(self.cells, start, candidate.finish), start.plan.labels)
        self.task.step()
        return scores


def _best(seen: dict[Choice, list[dict[str, float]]], preferred: Choice, margin: float) -> Choice:
    """Return the best candidate, or the preferred one where none is better by the margin.

    Only candidates that were judged as often as the preferred one are compared: time may have run out.
    """
    scores = {choice: _mean(of_fold) for choice, of_fold in seen.items() if len(of_fold) == len(seen[preferred])}
    best = max(scores, key=lambda choice: scores[choice])
    return best if scores[best] >= scores[preferred] + margin else preferred


def _columns(task: Task, seen: dict[Choice, list[dict[str, float]]], *, by_donor: bool) -> dict[str, list[Any]]:
    records = [
        {
            "guidance": choice.guidance,
            "n_steps": choice.n_steps,
            "rendering": choice.rendering or task.config.rendering,
            **choice.finish.told(task.config),
            "score": _mean(scores),
            "by_donor": by_donor,
            **{model: float(np.mean([of_fold[model] for of_fold in scores])) for model in scores[0]},
        }
        for choice, scores in seen.items()
    ]
    return {name: [record[name] for record in records] for name in records[0]}


def _finishes(task: Task) -> Iterator[Finish]:
    """Yield what else may be done to rows before they are written."""
    calibrations = (True, False) if task.config.calibration is not None else (True,)
    # one row of a class is its mean, however far the others go
    spreads = dict.fromkeys((None, *(task.config.spread_options if task.sizes.max() > 1 else ())))
    for spread, calibrated in product(spreads, calibrations):
        if (spread, calibrated) != (None, True):
            yield Finish(spread, calibrated)
    for nuisance in dict.fromkeys(task.config.nuisance_options):
        if nuisance != task.config.nuisance:
            yield Finish(nuisance=nuisance)
    for levels in dict.fromkeys(task.config.levels_options):
        if levels != task.config.levels:
            yield Finish(levels=levels)


def _mean(scores: list[dict[str, float]]) -> float:
    """Return the mean over folds and models."""
    return float(np.mean([value for of_fold in scores for value in of_fold.values()]))
