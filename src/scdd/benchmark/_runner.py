"""The grid of methods, tasks, budgets, splits and seeds: resumed where it stopped, failures recorded."""

from __future__ import annotations

import json
import os
import secrets
import threading
import time
import warnings
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from scdd._compat import warn
from scdd._settings import settings
from scdd.benchmark._execute import Job, Outcome, Run, execute
from scdd.benchmark._held_out import copies
from scdd.benchmark._methods import METHODS, Method, resolve_methods
from scdd.benchmark._provenance import Provenance
from scdd.benchmark._store import Store
from scdd.benchmark._task import TASKS, Task
from scdd.errors import InputError
from scdd.metrics import PANEL, TEST_MODELS

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["run"]


def run(
    tasks: str | Task | Sequence[str | Task],
    methods: Sequence[str | Method | Callable[..., Any]] | None = None,
    *,
    n: Sequence[int] = (1, 10),
    splits: Sequence[int] = (0, 1),
    seeds: Sequence[int] = (0, 1),
    models: Sequence[str] = PANEL,
    out: str | os.PathLike[str] | None = None,
    quality: bool = False,
    n_jobs: int = 1,
    retry_failed: bool = False,
    allow_reserved: bool = False,
    progress: bool | None = None,
) -> pd.DataFrame:
    """Compare methods under one protocol: small sets of training cells, models trained on them, real held-out cells.

    Highly variable genes, the embedding and everything else are chosen on the training cells; methods see nothing else.
    Whole donors are held out wherever donors are known. Models are those of :func:`scdd.metrics.utility`.

    Parameters
    ----------
    tasks
        Names of :data:`scdd.benchmark.TASKS`, or tasks of your own.
    methods
        Names of :data:`scdd.benchmark.METHODS`, or your own functions
        ``fit(counts, embedding, labels, *, sizes, seed, hvg)``, which return counts and labels (or
        :class:`scdd.baselines.Rows`) and enter by their name. None: all in :data:`scdd.benchmark.METHODS`.
    n
        Rows per class. Class means are one row whatever n, and run once; ``full`` and ``full-balanced`` are n = 0.
    splits
        Seeds of the splits. A task whose test cells are fixed (a transfer) has one, 0, whatever is asked. Where donors
        are few, two seeds can hold out the same ones; a warning says so.
    seeds
        Seeds of methods and models.
    models
        Names of :data:`scdd.metrics.TEST_MODELS`.
    out
        File to which every run is appended, a name that ends with ``.csv``; what it holds is not run again, and it is
        sorted at the end. A JSON file beside it tells versions, arguments, tasks and methods. None: no file.
    quality
        Also judge how much the rows look like the cells they stand for: fidelity and biology, each beside its floor
        (:func:`scdd.metrics.quality`; :func:`scdd.benchmark.nested` opens the figures). Runs that lack them are made again.
    n_jobs
        Number of processes; -1: one per core.
    retry_failed
        Run again what is recorded as failed.
    allow_reserved
        Run our own method on reserved tasks too.
    progress
        Show a progress bar. Default: ``scdd.settings.progress``.

    Returns
    -------
    Tidy table, one line per task, method, n, split, seed and model: the scores, ``n_classes`` that are scored, ``rows``
    and ``bytes`` (compressed) of the small set, ``status`` (``"ok"`` or ``"failed"``, with a ``message``), the F1 of
    each class and the macro-F1 within each donor as JSON (:func:`scdd.benchmark.nested` opens them), and what the
    method took: ``seconds``, and ``peak_mb`` of memory above what was in use before.
    All that ``out`` holds, if it is given.

    Raises
    ------
    scdd.errors.InputError
        If a name is unknown, a data set is not there, our own method meets a reserved task, a pretrained encoder meets a
        study that it was trained on, ``out`` is another file, or it holds scores of a method with other settings.

    Examples
    --------
    A function of your own against two baselines, on a task of your own:

    >>> import numpy as np, scdd
    >>> def first_cells(counts, embedding, labels, *, sizes, seed, hvg):
    ...     rows = np.concatenate([np.flatnonzero(labels == k)[:size] for k, size in enumerate(sizes)])
    ...     return counts[rows], labels[rows]
    >>> task = scdd.benchmark.Task("mine", scdd.datasets.simulate, donor_key="donor")
    >>> table = scdd.benchmark.run(
    ...     task, ["random", "class_mean", first_cells], n=[2], splits=[0], models=["LR", "kNN"], progress=False
    ... )
    >>> sorted(set(table["method"])), set(table["status"])
    (['class_mean', 'first_cells', 'random'], {'ok'})
    """
    chosen_tasks = _resolve_tasks(tasks)
    chosen = resolve_methods(METHODS.names() if methods is None else methods)
    test_models = {name: TEST_MODELS.get(name) for name in models}
    if not models or not seeds or not splits or not n or min(n) < 1:
        msg = "benchmark needs at least one model, seed and split, and budgets n of at least 1."
        raise InputError(msg)
    if n_jobs == 0:
        msg = "n_jobs is a number of processes, or -1 for one per core, got 0."
        raise InputError(msg)
    _refuse_reserved(chosen_tasks, chosen, allow_reserved=allow_reserved)
    _refuse_seen(chosen_tasks, chosen)
    for task in chosen_tasks:
        task.check()
    store = Store(out)
    arguments = {
        "tasks": [t.name for t in chosen_tasks], "methods": [m.name for m in chosen], "n": list(n),
        "splits": list(splits), "seeds": list(seeds), "models": list(models), "quality": quality,
        "allow_reserved": allow_reserved,
    }  # fmt: skip

    told = Provenance(out, arguments)
    told.refuse_changed(chosen, store.scored())
    token = secrets.token_hex(8)  # workers live on between calls, and must not take a task for another of its name
    jobs = []
    for task in chosen_tasks:
        # always the same number: another one would look like another test
        for split in [0] if task.split_by == "fixed" else dict.fromkeys(splits):
            # the long ones first
            for method in sorted(chosen, key=lambda m: (not m.ours, m.sized != "all")):
                runs = [
                    Run(budget, seed, tuple(missing), quality)
                    for seed in dict.fromkeys(seeds)
                    for budget in method.budgets(n)
                    if (
                        missing := store.missing(
                            (task.name, method.name, budget, split, seed),
                            models,
                            retry_failed=retry_failed,
                            quality=quality,
                        )
                    )
                ]
                # our own method trains once per seed, and seeds may go to different processes
                groups = (
                    [[r for r in runs if r.seed == seed] for seed in dict.fromkeys(seeds)] if method.ours else [runs]
                )
                jobs += [Job(token, task, split, method, tuple(group), test_models) for group in groups if group]
    told.add(chosen_tasks, chosen)
    if jobs or not told.exists():
        # where all is there already, nothing is told of today's versions; a run that is stopped has told what it was
        told.write()
    start = time.monotonic()
    try:
        _work(jobs, store, told, n_jobs=n_jobs, progress=settings.shows_progress(progress))
    finally:
        if jobs:
            told.took(time.monotonic() - start, n_jobs=n_jobs)
    store.finish()
    table = store.frame()
    _warn_of_copies(table, {task.name for task in chosen_tasks}, set(splits))
    return table


def _warn_of_copies(table: pd.DataFrame, tasks: set[str], splits: set[int]) -> None:
    """Say which of the splits that were asked for are no new test."""
    asked = table[table["task"].isin(tasks) & table["split"].isin(splits)]
    found = [f"{split} of {task} (as {first})" for (task, split), first in copies(asked).items()]
    if found:
        warn(
            f"Splits that test on the same donors or cells as an earlier one: {', '.join(found)}. They are no new test: choose "
            "other numbers."
        )


def _work(jobs: Sequence[Job], store: Store, told: Provenance, *, n_jobs: int, progress: bool) -> None:
    from tqdm.auto import tqdm

    with tqdm(total=sum(len(job.runs) for job in jobs), desc="benchmark", disable=not progress) as bar:

        def write(outcome: Outcome) -> None:
            store.append(outcome.records)
            first = outcome.records[0]
            if outcome.cells is not None:
                told.add_cells(first["task"], first["split"], outcome.cells)
            bar.update()
            bar.set_postfix_str(f"{first['task']}, {first['method']}", refresh=False)

        if n_jobs == 1 or len(jobs) < 2:
            cache: dict[Any, Any] = {}
            for job in jobs:
                for outcome in execute(job, cache):
                    write(outcome)
        else:
            _in_workers(_chains(jobs), n_jobs, write)


def _in_workers(chains: Sequence[Sequence[Job]], n_jobs: int, write: Callable[[Outcome], None]) -> None:
    """Run the chains in processes; what is done is written, also where one of them, or the user, ends it early."""
    from joblib import Parallel, delayed, parallel_config

    with TemporaryDirectory(prefix="scdd-benchmark-") as folder:
        spool = _Spool(folder)
        try:
            with parallel_config("loky", n_jobs=n_jobs, inner_max_num_threads=1):
                ended: Iterable[None] = Parallel(return_as="generator_unordered")(
                    delayed(_in_worker)(chain, spool) for chain in chains
                )
                with _repeated(lambda: spool.take(write)) as taking:
                    for _ in ended:
                        if taking.done():  # it raised, as on a full disk: no use in going on
                            break
        finally:
            spool.take(write)


@contextmanager
def _repeated(act: Callable[[], None], pause: float = 1.0) -> Iterator[Future[None]]:
    """Call ``act`` every ``pause`` seconds, in a thread, while the block runs, and raise what it raises when the block ends."""
    ended = threading.Event()

    def repeat() -> None:
        while not ended.wait(pause):
            act()

    with ThreadPoolExecutor(max_workers=1) as pool:
        repeating = pool.submit(repeat)
        try:
            yield repeating
        finally:
            ended.set()
        repeating.result()


@dataclass
class _Worker:
    """What a worker process keeps between its jobs."""

    cache: dict[Any, Any]


_WORKER = _Worker({})


def _chains(jobs: Sequence[Job]) -> list[list[Job]]:
    """Group what one process should do: our own methods share a training for each task, split and seed."""
    chains: dict[Any, list[Job]] = {}
    for number, job in enumerate(jobs):
        key = (job.task.name, job.split, job.runs[0].seed) if job.method.ours else number
        chains.setdefault(key, []).append(job)
    return list(chains.values())


def _in_worker(jobs: Sequence[Job], spool: _Spool) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # a worker has no one to warn
        for job in jobs:
            for outcome in execute(job, _WORKER.cache):
                spool.put(outcome)


@dataclass(frozen=True)
class _Spool:
    """Outcomes on the way from workers, as files: a chain of runs takes long, and what it has done must outlive it."""

    folder: str

    def put(self, outcome: Outcome) -> None:
        path = Path(self.folder, f"{time.time_ns()}-{os.getpid()}")
        path.write_text(json.dumps([outcome.records, outcome.cells]), encoding="utf-8")
        path.rename(path.with_suffix(".json"))  # a file of this name is whole

    def take(self, write: Callable[[Outcome], None]) -> None:
        for path in sorted(Path(self.folder).glob("*.json")):
            records, cells = json.loads(path.read_text(encoding="utf-8"))
            path.unlink()
            write(Outcome(records, cells))


def _resolve_tasks(tasks: str | Task | Sequence[str | Task]) -> list[Task]:
    items = [tasks] if isinstance(tasks, str | Task) else list(tasks)
    found = [task if isinstance(task, Task) else TASKS.get(task) for task in items]
    names = [task.name for task in found]
    if not names or len(set(names)) < len(names):
        msg = (
            "benchmark needs at least one task." if not names else f"Two tasks have the same name: {', '.join(names)}."
        )
        raise InputError(msg)
    return found


def _refuse_reserved(tasks: Sequence[Task], methods: Sequence[Method], *, allow_reserved: bool) -> None:
    reserved = [task.name for task in tasks if task.reserved]
    ours = [method.name for method in methods if method.ours]
    if reserved and ours and not allow_reserved:
        msg = (
            f"The tasks {', '.join(map(repr, reserved))} are reserved: {', '.join(map(repr, ours))} is not run on them "
            "before the algorithm is final. Leave one of the two out, or pass allow_reserved=True."
        )
        raise InputError(msg)


def _refuse_seen(tasks: Sequence[Task], methods: Sequence[Method]) -> None:
    """Refuse a pretrained encoder on cells that it was trained on, before any work."""
    from scdd.encoders import get as get_encoder

    for method in methods:
        if method.encoder is None:
            continue
        info = get_encoder(method.encoder).info
        if info.n_vocabulary is not None and not info.trained_on:
            warn(
                f"The encoder {info.name!r} of the method {method.name!r} is pretrained, and its facts name no study: whether "
                "it has seen cells of a task cannot be told, and its score may be no test."
            )
        known = _studies(info.trained_on)
        for task in tasks:
            seen = sorted(name for study, name in _studies(task.studies).items() if study in known)
            if seen:
                msg = (
                    f"The encoder {info.name!r} of the method {method.name!r} was trained on {', '.join(seen)}, which is in "
                    f"the task {task.name!r}: its score would be no test. Leave one of the two out."
                )
                raise InputError(msg)


def _studies(names: str | Sequence[str]) -> dict[str, str]:
    """Return names of studies by what they are compared by: a single one may stand alone, and case does not count."""
    return {name.strip().casefold(): name for name in ([names] if isinstance(names, str) else names)}
