"""Fidelity: whether generated cells look like real ones."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas as pd
import scipy.sparse as sp
from numpy.typing import NDArray

from scdd._rng import random_state, stream
from scdd.errors import InputError
from scdd.metrics._preprocess import log_normalize, preprocess

__all__ = ["fidelity", "real_or_generated_auc"]


def fidelity(
    real_counts: sp.csr_matrix,
    real_labels: NDArray[np.integer],
    generated_counts: sp.csr_matrix,
    generated_labels: NDArray[np.integer],
    hvg: NDArray[np.bool_],
    *,
    class_names: Sequence[str] | None = None,
    max_cells: int = 2000,
    seed: int = 0,
) -> pd.DataFrame:
    """Compare generated with real cells, class by class.

    The arguments are symmetric in form, so the floor of every number is one more call with a second real set
    (other donors) in the place of the generated one.

    Parameters
    ----------
    real_counts, real_labels
        CSR (n, n_genes) counts and int (n,) codes.
    generated_counts, generated_labels
        The same for the other set.
    hvg
        Boolean mask (n_genes,): the genes on which a forest tells the sets apart.
    class_names
        Text for each code; default: the code itself.
    max_cells
        Cells of each set that the forest sees at most.
    seed
        Seed of the forest, its folds and its choice of cells.

    Returns
    -------
    Tidy table with the columns metric, class (empty text: over classes) and value. Per class, and as the mean over
    classes: ``mean_correlation`` (Pearson correlation over genes of the mean log1p CP10k; -1 to 1, higher is better),
    ``zero_fraction_difference`` (mean over genes of the absolute difference of the share of zeros; 0 to 1, lower is better),
    ``genes_detected_real``, ``genes_detected_generated`` and ``genes_detected_ratio`` (medians per cell, and generated over
    real; above 0, best at 1), ``library_real``, ``library_generated``, ``library_ratio`` (the same for total counts),
    ``library_ks`` (Kolmogorov-Smirnov distance of total counts; 0 to 1, lower is better). Over all classes: ``rf_auc`` (see
    :func:`real_or_generated_auc`; 0 to 1, best at 0.5; absent where there are too few cells). Classes that one side lacks are left out and
    listed in ``attrs["excluded"]``.

    Raises
    ------
    InputError
        If the sets share no class or have different genes.

    Examples
    --------
    >>> import numpy as np, scipy.sparse as sp
    >>> x = sp.csr_matrix(np.random.default_rng(0).poisson(2.0, (60, 8)).astype(np.float32))
    >>> table = fidelity(x[:30], np.zeros(30, int), x[30:], np.zeros(30, int), np.ones(8, dtype=bool))
    >>> bool(abs(table.query("metric == 'genes_detected_ratio'")["value"].iloc[0] - 1) < 0.3)
    True
    """
    real_counts, generated_counts = sp.csr_matrix(real_counts), sp.csr_matrix(generated_counts)
    real_labels, generated_labels = np.asarray(real_labels), np.asarray(generated_labels)
    if real_counts.shape[1] != generated_counts.shape[1]:
        msg = f"The real set has {real_counts.shape[1]} genes, the generated one {generated_counts.shape[1]}."
        raise InputError(msg)
    shared = np.intersect1d(real_labels, generated_labels)
    if not len(shared):
        msg = "The real and the generated set share no class: check that their labels are spelt alike."
        raise InputError(msg)

    def name(code: int) -> str:
        return str(code) if class_names is None else str(class_names[code])

    records: list[tuple[str, str, float]] = []
    for code in shared:
        real = sp.csr_matrix(real_counts[np.flatnonzero(real_labels == code)])
        generated = sp.csr_matrix(generated_counts[np.flatnonzero(generated_labels == code)])
        records += [(metric, name(int(code)), value) for metric, value in _compare_class(real, generated).items()]
    table = pd.DataFrame.from_records(records, columns=["metric", "class", "value"])
    overall = table.groupby("metric", sort=False)["value"].mean().reset_index().assign(**{"class": ""})
    auc = real_or_generated_auc(
        real_counts, real_labels, generated_counts, generated_labels, hvg, max_cells=max_cells, seed=seed
    )
    if not np.isnan(auc):
        overall.loc[len(overall)] = {"metric": "rf_auc", "class": "", "value": auc}
    table = pd.concat([overall[table.columns], table], ignore_index=True)
    table.attrs["excluded"] = [name(int(c)) for c in np.setxor1d(real_labels, generated_labels)]
    return table


def real_or_generated_auc(
    real_counts: sp.csr_matrix,
    real_labels: NDArray[np.integer],
    generated_counts: sp.csr_matrix,
    generated_labels: NDArray[np.integer],
    hvg: NDArray[np.bool_],
    *,
    max_cells: int = 2000,
    n_trees: int = 200,
    seed: int = 0,
) -> float:
    """Return how well a random forest tells generated from real cells: AUC of 5-fold cross-validation, 0.5 is perfect.

    Every class enters with equally many cells of both sets, so the class gives nothing away. There is no batch
    correction: it would remove what is being measured. With fewer than 10 cells a side the result is NaN.

    Parameters
    ----------
    real_counts, real_labels, generated_counts, generated_labels, hvg
        As in :func:`fidelity`.
    max_cells
        Cells of each set at most.
    n_trees
        Size of the forest.
    seed
        Seed of the forest, the folds and the choice of cells.

    Returns
    -------
    The AUC; NaN where there are too few cells.

    Examples
    --------
    >>> import numpy as np, scipy.sparse as sp
    >>> x = sp.csr_matrix(np.repeat([[1.0, 9.0], [9.0, 1.0]], 20, axis=0))
    >>> y = np.zeros(20, dtype=int)
    >>> float(real_or_generated_auc(x[:20], y, x[20:], y, np.ones(2, dtype=bool), n_trees=10))
    1.0
    """
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.metrics import roc_auc_score
    from sklearn.model_selection import StratifiedKFold, cross_val_predict

    rng = stream(seed, "real-or-generated")
    chosen: tuple[list[NDArray[np.int64]], list[NDArray[np.int64]]] = ([], [])
    shared = np.intersect1d(real_labels, generated_labels)
    pairs = [(np.flatnonzero(real_labels == c), np.flatnonzero(generated_labels == c)) for c in shared]
    total = sum(min(len(a), len(b)) for a, b in pairs)
    for members in pairs:
        size = min(len(members[0]), len(members[1]))
        size = max(1, round(size * min(1.0, max_cells / max(total, 1))))
        for side in (0, 1):
            chosen[side].append(rng.permutation(members[side])[:size])
    real, generated = (np.concatenate(side) if side else np.empty(0, np.int64) for side in chosen)
    if len(real) < 10:
        return float("nan")
    x = np.vstack(
        [preprocess(sp.csr_matrix(real_counts)[real], hvg), preprocess(sp.csr_matrix(generated_counts)[generated], hvg)]
    )
    y = np.repeat([0, 1], len(real))
    forest = RandomForestClassifier(n_estimators=n_trees, random_state=random_state(seed), n_jobs=1)
    folds = StratifiedKFold(5, shuffle=True, random_state=random_state(seed))
    probability = cross_val_predict(forest, x, y, cv=folds, method="predict_proba")[:, 1]
    return float(roc_auc_score(y, probability))


def _compare_class(real: sp.csr_matrix, generated: sp.csr_matrix) -> dict[str, float]:
    values: dict[str, float] = {}
    means = [np.asarray(log_normalize(x).mean(axis=0)).ravel() for x in (real, generated)]
    # a correlation with a constant profile is undefined
    defined = all(np.ptp(m) > 0 for m in means)
    values["mean_correlation"] = float(np.corrcoef(np.stack(means))[0, 1]) if defined else float("nan")
    zeros = [1 - np.asarray((x > 0).mean(axis=0)).ravel() for x in (real, generated)]
    values["zero_fraction_difference"] = float(np.abs(zeros[0] - zeros[1]).mean())
    detected = [np.asarray((x > 0).sum(axis=1)).ravel() for x in (real, generated)]
    library = [np.asarray(x.sum(axis=1, dtype=np.float64)).ravel() for x in (real, generated)]
    for metric, (a, b) in (("genes_detected", detected), ("library", library)):
        values[f"{metric}_real"], values[f"{metric}_generated"] = float(np.median(a)), float(np.median(b))
        values[f"{metric}_ratio"] = float(np.median(b) / max(np.median(a), 1e-12))
    values["library_ks"] = _kolmogorov_smirnov(*library)
    return values


def _kolmogorov_smirnov(a: NDArray[np.floating], b: NDArray[np.floating]) -> float:
    """Return the largest difference of two cumulative distributions.

    The function of scipy computes a p value too, which is not wanted, and divides by zero for one cell beside one.

    Examples
    --------
    >>> _kolmogorov_smirnov(np.array([1.0, 2.0]), np.array([2.0, 3.0]))
    0.5
    """
    steps = np.concatenate([a, b])
    below = [np.searchsorted(np.sort(x), steps, side="right") / len(x) for x in (a, b)]
    return float(np.abs(below[0] - below[1]).max())
