"""Utility: train models on a small set, test them on real cells."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray

from scdd.errors import InputError
from scdd.metrics._models import TEST_MODELS, TestModel
from scdd.metrics._preprocess import preprocess

__all__ = ["PANEL", "classification_scores", "scored_classes", "utility"]

PANEL = ("LR", "MLP", "kNN", "RF", "SVM")
_BLOCK = 4096  # test cells that are dense at once


def utility(
    train_counts: sp.csr_matrix,
    train_labels: NDArray[np.integer],
    test_counts: sp.csr_matrix,
    test_labels: NDArray[np.integer],
    hvg: NDArray[np.bool_],
    *,
    models: Sequence[str] = PANEL,
    class_names: Sequence[str] | None = None,
    train_sizes: NDArray[np.integer] | None = None,
    min_train: int = 2,
    min_test: int = 5,
    groups: NDArray[Any] | None = None,
    seed: int = 0,
) -> pd.DataFrame:
    """Train a panel of models on one set and score them on another.

    Every row is normalised by its own total (:func:`~scdd.metrics.preprocess`). All test cells of known classes are
    predicted; macro-F1 and balanced accuracy average over the classes that are large enough to be scored.

    Parameters
    ----------
    train_counts, train_labels
        CSR (n_rows, n_genes) and int (n_rows,) codes: what the models are trained on.
    test_counts, test_labels
        CSR (n_cells, n_genes) and int (n_cells,) codes: real cells. Cells of classes without a training row are left
        out and listed.
    hvg
        Boolean mask (n_genes,), chosen on the original training cells.
    models
        Names from :data:`TEST_MODELS`.
    class_names
        Text for each code; default: the code itself.
    train_sizes
        int (n_classes,): cells that each class had **before** distillation; classes below ``min_train`` are not scored.
        Without it this rule is not applied.
    min_train, min_test
        Smallest class that is scored.
    groups
        Donor (n_cells,) of each test cell, as text: macro-F1 is told for each donor too, over the scored classes of
        which the donor has at least ``min_test`` cells.
    seed
        Seed of the models.

    Returns
    -------
    Tidy table with the columns model, metric (``macro_f1``, ``balanced_accuracy``, ``accuracy``, ``f1``, and
    ``group_macro_f1``), class (empty text for what is not per class; the donor for the last metric), value, n (median
    rows per class) and seed. All scores are between 0 and 1, and higher is better: ``f1`` is the harmonic mean of precision
    and recall of a class, ``macro_f1`` and ``balanced_accuracy`` the plain means of F1 and of recall over classes, ``accuracy``
    the share of cells that are predicted right. ``attrs["excluded"]`` maps the classes that are not scored to the reason.

    Raises
    ------
    InputError
        If arrays do not fit each other, there is only one training class, or no class can be scored.

    Examples
    --------
    >>> import numpy as np, scipy.sparse as sp
    >>> x = sp.csr_matrix(np.eye(4)[[0, 1, 0, 1, 0, 1, 0, 1, 0, 1]] * 10)
    >>> y = np.array([0, 1] * 5)
    >>> table = utility(x[:2], y[:2], x, y, np.ones(4, dtype=bool), models=["LR"])
    >>> float(table.query("metric == 'macro_f1'")["value"].iloc[0])
    1.0
    """
    train_labels, test_labels = np.asarray(train_labels), np.asarray(test_labels)
    _check(train_counts, train_labels, test_counts, test_labels)
    panel = {name: TEST_MODELS.get(name) for name in models}
    known, scored, excluded = scored_classes(
        train_labels, test_labels, class_names=class_names, train_sizes=train_sizes, min_train=min_train,
        min_test=min_test,
    )  # fmt: skip
    cells = np.flatnonzero(np.isin(test_labels, known))
    predicted = predict_panel(train_counts, train_labels, sp.csr_matrix(test_counts), cells, hvg, panel, seed=seed)
    n = float(np.median(np.unique(train_labels, return_counts=True)[1]))
    records = [
        {"model": name, "metric": metric, "class": label, "value": value, "n": n, "seed": seed}
        for name, prediction in predicted.items()
        for metric, label, value in (
            *classification_scores(test_labels[cells], prediction, scored, class_names=class_names),
            *_group_scores(test_labels[cells], prediction, scored, groups, cells, min_test),
        )
    ]
    table = pd.DataFrame.from_records(records, columns=["model", "metric", "class", "value", "n", "seed"])
    table.attrs["excluded"] = excluded
    return table


def predict_panel(
    train_counts: sp.csr_matrix,
    train_labels: NDArray[np.integer],
    test_counts: sp.csr_matrix,
    cells: NDArray[np.integer],
    hvg: NDArray[np.bool_],
    panel: Mapping[str, TestModel],
    *,
    seed: int,
) -> dict[str, NDArray[np.integer]]:
    """Return the classes (len(cells),) that each model, trained on the first set, sees in some cells of the second."""
    seen = _seen(train_counts, hvg, panel)
    with warnings.catch_warnings():
        # one row a class is what it is about: these are no values of a regression
        warnings.filterwarnings("ignore", message="The number of unique classes is greater", category=UserWarning)
        predictors = {name: model.fit(seen[model.sees], train_labels, seed) for name, model in panel.items()}
    predicted: dict[str, NDArray[np.integer]] = {name: np.empty(len(cells), dtype=train_labels.dtype) for name in panel}
    for start in range(0, len(cells), _BLOCK):
        part = slice(start, start + _BLOCK)
        seen = _seen(sp.csr_matrix(test_counts[cells[part]]), hvg, panel)
        for name, predict in predictors.items():
            predicted[name][part] = predict(seen[panel[name].sees])
    return predicted


def scored_classes(
    train_labels: NDArray[np.integer],
    test_labels: NDArray[np.integer],
    *,
    class_names: Sequence[str] | None = None,
    train_sizes: NDArray[np.integer] | None = None,
    min_train: int = 2,
    min_test: int = 5,
) -> tuple[NDArray[np.integer], NDArray[np.integer], dict[str, str]]:
    """Return the codes with a training row, the codes that are scored, and why the others are not.

    Parameters
    ----------
    train_labels, test_labels
        int (n,) and (m,) codes.
    class_names
        Text for each code; default: the code itself.
    train_sizes
        Original cells (n_classes,) of each class; default: not judged.
    min_train, min_test
        Fewest original and test cells of a class that is scored.

    Returns
    -------
    The codes with a training row and the codes that are scored, ascending; and the reason, by class name, for the rest.

    Raises
    ------
    InputError
        If no class can be scored.

    Examples
    --------
    >>> import numpy as np
    >>> known, scored, excluded = scored_classes(np.array([0, 1]), np.array([0] * 9 + [1] + [2] * 9))
    >>> known.tolist(), scored.tolist(), excluded
    ([0, 1], [0], {'1': '1 test cells, fewer than 5', '2': 'no training row'})
    """
    known = np.unique(train_labels)
    scored, excluded = [], {}
    for code in np.union1d(known, np.unique(test_labels)):
        n_test = int((test_labels == code).sum())
        name = _name(int(code), class_names)
        if code not in known:
            excluded[name] = "no training row"
        elif train_sizes is not None and train_sizes[code] < min_train:
            excluded[name] = f"{train_sizes[code]} training cells, fewer than {min_train}"
        elif n_test < min_test:
            excluded[name] = f"{n_test} test cells, fewer than {min_test}"
        else:
            scored.append(code)
    if not scored:
        reasons = "; ".join(f"{name}: {why}" for name, why in list(excluded.items())[:5])
        msg = (
            f"No class can be scored ({reasons}). Use more test cells, or check that the labels of the two sets are spelt "
            "alike."
        )
        raise InputError(msg)
    return known, np.asarray(scored, dtype=known.dtype), excluded


def classification_scores(
    truth: NDArray[np.integer],
    predicted: NDArray[np.integer],
    scored: NDArray[np.integer],
    *,
    class_names: Sequence[str] | None = None,
) -> list[tuple[str, str, float]]:
    """Return (metric, class, value) of one prediction; F1 and recall are averaged over the ``scored`` classes.

    Parameters
    ----------
    truth, predicted
        int (n,) codes.
    scored
        The codes over which F1 and recall are averaged.
    class_names
        Text for each code; default: the code itself.

    Returns
    -------
    ``macro_f1``, ``balanced_accuracy`` and ``accuracy``, whose class is empty text, then the ``f1`` of each scored class; all
    between 0 and 1, higher is better.

    Examples
    --------
    >>> import numpy as np
    >>> classification_scores(np.array([0, 0, 1]), np.array([0, 0, 0]), np.array([0, 1]))[1]
    ('balanced_accuracy', '', 0.5)
    """
    hit = truth == predicted
    f1, recall = [], []
    for code in scored:
        is_true, is_predicted = truth == code, predicted == code
        true_positive = float((is_true & hit).sum())
        f1.append(2 * true_positive / max(is_true.sum() + is_predicted.sum(), 1))
        recall.append(true_positive / max(is_true.sum(), 1))
    overall = [
        ("macro_f1", "", float(np.mean(f1))),
        ("balanced_accuracy", "", float(np.mean(recall))),
        ("accuracy", "", float(hit.mean())),
    ]
    return overall + [("f1", _name(int(c), class_names), float(v)) for c, v in zip(scored, f1, strict=True)]


def _seen(
    counts: sp.csr_matrix, hvg: NDArray[np.bool_], panel: Mapping[str, TestModel]
) -> dict[str, NDArray[np.float32]]:
    """Return what the models of the panel see of some rows: dense float32 (n, number of HVGs)."""
    out = {}
    wanted = {model.sees for model in panel.values()}
    if "log" in wanted:
        out["log"] = preprocess(counts, hvg)
    if "counts" in wanted:
        out["counts"] = np.rint(sp.csr_matrix(counts)[:, np.flatnonzero(hvg)].toarray()).astype(np.float32)
    return out


def _group_scores(
    truth: NDArray[np.integer],
    predicted: NDArray[np.integer],
    scored: NDArray[np.integer],
    groups: NDArray[Any] | None,
    cells: NDArray[np.integer],
    min_test: int,
) -> list[tuple[str, str, float]]:
    """Return the macro-F1 within each donor, over the classes of which it has enough cells; none: no score."""
    if groups is None:
        return []
    of = np.asarray(groups).astype(str)[cells]
    out = []
    for group in np.unique(of):
        inside = of == group
        classes = np.array([c for c in scored if (truth[inside] == c).sum() >= min_test], dtype=scored.dtype)
        if len(classes):
            score = classification_scores(truth[inside], predicted[inside], classes)[0][2]
            out.append(("group_macro_f1", str(group), score))
    return out


def _name(code: int, class_names: Sequence[str] | None) -> str:
    return str(code) if class_names is None else str(class_names[code])


def _check(
    train_counts: sp.csr_matrix,
    train_labels: NDArray[np.integer],
    test_counts: sp.csr_matrix,
    test_labels: NDArray[np.integer],
) -> None:
    for name, counts, labels in (("train", train_counts, train_labels), ("test", test_counts, test_labels)):
        if counts.shape[0] != len(labels):
            msg = f"{name}_counts has {counts.shape[0]} rows, but {name}_labels has {len(labels)}."
            raise InputError(msg)
    if train_counts.shape[1] != test_counts.shape[1]:
        msg = f"train_counts has {train_counts.shape[1]} genes, but test_counts has {test_counts.shape[1]}."
        raise InputError(msg)
    if len(np.unique(train_labels)) < 2:
        msg = "The training rows hold one class: a classifier needs at least two."
        raise InputError(msg)
