"""The runs of one method on one split of one task."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from scdd.benchmark._cost import compressed_bytes
from scdd.benchmark._fuse import run_fused, split_centres
from scdd.benchmark._methods import Made, Method
from scdd.benchmark._prepare import Test, Training, prepare_test, prepare_training
from scdd.benchmark._store import NOT_JUDGED, SCORES
from scdd.benchmark._task import Task
from scdd.errors import ScddWarning
from scdd.metrics import TEST_MODELS, TestModel, quality, utility

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Job", "Outcome", "Run", "execute"]

Record = dict[str, Any]


@dataclass(frozen=True)
class Run:
    """A budget and a seed, the models that are to be scored, and whether the rows are judged too."""

    n: int
    seed: int
    models: tuple[str, ...]
    quality: bool = False


@dataclass(frozen=True)
class Job:
    """Runs that are done one after the other, by one process.

    Attributes
    ----------
    token
        Tells the calls of :func:`scdd.benchmark.run` apart.
    task, split, method, runs
        What is to be done.
    test_models
        The models of the runs by name: one that was registered in a notebook is not known to another process.
    """

    token: str
    task: Task
    split: int
    method: Method
    runs: tuple[Run, ...]
    test_models: Mapping[str, TestModel] = field(default_factory=dict)


@dataclass(frozen=True)
class Outcome:
    """What a run leaves.

    Attributes
    ----------
    records
        A line of the results for each model.
    cells
        What was chosen on the ``training`` cells, and what tells the ``test`` cells from others; None where they could not
        be prepared.
    """

    records: list[Record]
    cells: dict[str, dict[str, Any]] | None = None


def execute(job: Job, cache: dict[Any, Any]) -> Iterator[Outcome]:
    """Yield the outcome of one run after the other; a failure is recorded too.

    ``cache`` keeps the cells of the last task and split for the next job.
    """
    scored: dict[tuple[str, str], Record] = {}
    for name, model in job.test_models.items():
        if name not in TEST_MODELS:
            TEST_MODELS.register(name)(model)
    for run in job.runs:
        head = {"task": job.task.name, "method": job.method.name, "n": run.n, "split": job.split, "seed": run.seed}
        with warnings.catch_warnings():
            # small classes are part of the tasks
            warnings.simplefilter("ignore", ScddWarning)
            try:
                training, centres, test = _prepared(job, cache)
                if centres:
                    made = run_fused(job.method, training, centres, run.n, run.seed)
                else:
                    made = job.method.run(training, run.n, run.seed)
            except Exception as error:  # noqa: BLE001 - whatever a method does, the others go on
                yield Outcome([{**head, "model": model, **_failed(error)} for model in run.models])
                continue
            assert made.cost is not None  # Method.run measures it
            more = {
                "rows": made.counts.shape[0],
                "bytes": compressed_bytes(made.counts),
                "seconds": made.cost.seconds,
                "peak_mb": made.cost.peak_mb,
            }
            if run.quality:
                more |= _judge(made, training, test, job.split)
            scores = _score(made, training, test, run, scored)
        cells = {"training": training.settings(), "test": test.settings()}
        yield Outcome([{**head, **more, **record} for record in scores], cells)


def _prepared(job: Job, cache: dict[Any, Any]) -> tuple[Training, list[Training], Test]:
    """Return the training cells, those of each centre (empty where nothing is fused), and the test cells."""
    key = (job.token, job.task.name, job.split)
    if key not in cache:
        cache.clear()
        train, test = job.task.cells(job.split)
        training = prepare_training(train, labels_key=job.task.labels_key, donor_key=job.task.donor_key, seed=job.split)
        cache[key] = (
            training,
            [] if job.task.fuse_key is None else split_centres(training, job.task.fuse_key),
            prepare_test(
                test,
                labels_key=job.task.labels_key,
                class_names=training.class_names,
                genes=list(training.adata.var_names),
                donor_key=job.task.donor_key,
            ),
        )
    found: tuple[Training, list[Training], Test] = cache[key]
    return found


def _judge(made: Made, training: Training, test: Test, split: int) -> Record:
    """Return value and floor of each figure, or a message why there is none; the scores are not lost with them."""
    try:
        table = quality(
            (training.counts, training.labels),
            (made.counts, made.labels),
            (test.counts, test.labels),
            training.hvg,
            seed=split,
        )
    except Exception as error:  # noqa: BLE001
        return {"message": f"{NOT_JUDGED}{type(error).__name__}: {error}"}
    return {"quality": {row.metric: (float(row.value), float(row.floor)) for row in table.itertuples()}}


def _score(made: Made, training: Training, test: Test, run: Run, scored: dict[tuple[str, str], Record]) -> list[Record]:
    """Score all models at once, or one by one where that fails; what knows no chance is not done again."""
    digest = hashlib.sha256(made.counts.data.tobytes() + made.counts.indices.tobytes() + made.counts.indptr.tobytes())
    digest.update(made.labels.tobytes())
    rows = digest.hexdigest()
    fixed = {model for model in run.models if not TEST_MODELS.get(model).stochastic}
    again = [model for model in run.models if model not in fixed or (rows, model) not in scored]
    records = {model: scored[rows, model] for model in run.models if model not in again}
    if again:
        try:
            records |= _utility(made, training, test, again, run.seed)
        except Exception:  # noqa: BLE001 - one of the models failed: which one?
            for model in again:
                try:
                    records |= _utility(made, training, test, [model], run.seed)
                except Exception as error:  # noqa: BLE001
                    records[model] = {"model": model, **_failed(error)}
    scored |= {(rows, model): record for model, record in records.items() if model in fixed}
    return [records[model] for model in run.models]


def _utility(made: Made, training: Training, test: Test, models: Sequence[str], seed: int) -> dict[str, Record]:
    table = utility(
        made.counts, made.labels, test.counts, test.labels, training.hvg, models=models,
        class_names=test.class_names, train_sizes=training.sizes, groups=test.donors, seed=seed,
    )  # fmt: skip
    return {str(model): _record(part) for model, part in table.groupby("model", sort=False)}


def _record(scores: pd.DataFrame) -> Record:
    """Return the record of one model."""
    overall = scores[scores["class"] == ""].set_index("metric")["value"]
    nested = {
        metric: dict(zip(part["class"], part["value"].astype(float), strict=True))
        for metric, part in scores[scores["class"] != ""].groupby("metric", sort=False)
    }
    return {
        "model": scores["model"].iloc[0],
        **{s: float(overall[s]) for s in SCORES},
        "n_classes": len(nested["f1"]),
        "f1": nested["f1"],
        "donors": nested.get("group_macro_f1", {}),
        "status": "ok",
    }


def _failed(error: Exception) -> Record:
    return {"status": "failed", "message": f"{type(error).__name__}: {error}"}
