"""Nothing is chosen on test cells, and nothing of them reaches a method."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from scdd.baselines import BASELINES
from scdd.baselines._learned import Learned
from scdd.benchmark import METHODS, Method, run
from scdd.benchmark._methods import FromFit
from scdd.benchmark._prepare import Training, prepare_test, prepare_training
from scdd.benchmark._provenance import read_provenance

from ._toy import OPTIONS, TOY, first_cells, load

N_TOP = 40


@pytest.fixture
def few_hvgs(monkeypatch: pytest.MonkeyPatch) -> None:
    """Choose fewer highly variable genes than there are: else there would be no choice to leak."""
    from scdd.pp import highly_variable

    monkeypatch.setattr("scdd.benchmark._prepare.highly_variable", lambda source: highly_variable(source, n_top=N_TOP))


def _quick(name: str) -> Method:
    """Return the method; one that learns does so for a few steps, which see all that many would see."""
    method, learned = METHODS.get(name), BASELINES.get(name) if name in BASELINES else None
    if not isinstance(learned, Learned):
        return method
    return replace(method, make=FromFit(replace(learned, config=replace(learned.config, steps=5)).fit))


def _bytes(training: Training, method: str) -> bytes:
    made = _quick(method).run(training, 3, 0)
    parts = [training.hvg, training.embedding, training.labels, made.labels, made.counts.data, made.counts.indices]
    return b"".join(np.ascontiguousarray(part).tobytes() for part in parts)


@pytest.mark.usefixtures("few_hvgs", "small_budget")
def test_test_cells_change_nothing() -> None:
    methods = [name for name in METHODS if name != "scdd-paper"]  # that one differs from scdd in its settings only
    found = []
    for overwrite in (False, True):
        adata = load()
        train, test = TOY.cells(0)
        if overwrite:
            # the same cells are held out, with other counts and labels
            held_out = adata.obs_names.isin(test.obs_names)
            counts = adata.X.toarray()
            counts[held_out] = np.random.default_rng(0).poisson(50, (held_out.sum(), adata.n_vars))
            adata.X = sp.csr_matrix(counts.astype(np.float32))
            labels = adata.obs["cell_type"].astype(str).to_numpy().copy()
            labels[held_out] = "class_0"
            adata.obs["cell_type"] = labels
            train, test = adata[~held_out].copy(), adata[held_out].copy()
        training = prepare_training(train, labels_key="cell_type", donor_key="donor")
        rows = {name: _bytes(training, name) for name in methods}
        scored = prepare_test(
            test, labels_key="cell_type", class_names=training.class_names, genes=list(train.var_names)
        )
        assert training.hvg.sum() == N_TOP
        # after the test cells were prepared, too
        found.append((rows, json.dumps(training.settings()), scored.counts.sum()))
    (rows, settings, total), (rows_again, settings_again, other_total) = found
    assert total != other_total
    assert settings == settings_again
    for name in methods:
        assert rows[name] == rows_again[name], name


def test_the_runner_hands_no_test_cell_on(tmp_path: Path) -> None:
    """Through the whole way: what methods get, and what is told of the training cells, is the same to the byte."""
    train, test = TOY.cells(0)
    other = test.copy()
    other.X = sp.csr_matrix(np.random.default_rng(0).poisson(50, test.shape).astype(np.float32))
    other.obs["cell_type"] = test.obs["cell_type"].to_numpy()[::-1]
    found: list[list[bytes]] = []

    def watching(counts: Any, embedding: Any, labels: Any, *, sizes: Any, seed: int, hvg: Any) -> Any:
        found[-1].append(
            b"".join(part.tobytes() for part in (counts.data, counts.indices, embedding, labels, sizes, hvg))
        )
        return first_cells(counts, embedding, labels, sizes=sizes, seed=seed, hvg=hvg)

    told, scores = [], []
    for name, held_out in (("a", test), ("b", other)):
        found.append([])
        task = replace(TOY, load=train.copy, load_test=held_out.copy)
        table = run(task, [watching, "kmeans"], **OPTIONS, out=tmp_path / f"{name}.csv")
        told.append(read_provenance(tmp_path / f"{name}.csv")["tasks"]["toy"])
        scores.append(table["macro_f1"].tolist())
    assert found[0] == found[1]
    assert len(found[0]) == 4
    assert told[0]["training"] == told[1]["training"]
    assert told[0]["test"] != told[1]["test"]
    assert scores[0] != scores[1]


def test_training_cells_do_change_it() -> None:
    # the twin of the test above: it would pass on a stub that ignores its input
    train, _ = TOY.cells(0)
    other = train.copy()
    other.X = other.X[::-1].copy()
    first, second = (prepare_training(a, labels_key="cell_type", donor_key="donor") for a in (train, other))
    assert first.settings()["embedding"] != second.settings()["embedding"]


def test_codes_of_test_cells_follow_the_training_cells() -> None:
    _, test = TOY.cells(0)
    prepared = prepare_test(test, labels_key="cell_type", class_names=["class_2", "class_0"], genes=test.var_names)
    assert prepared.class_names == ["class_2", "class_0", "class_1"]
    names = np.array(prepared.class_names)[prepared.labels]
    assert names.tolist() == test.obs["cell_type"].tolist()
