"""``scdd.tl.coreset``: shrink a data set without learning, for comparison."""

from __future__ import annotations

import platform
from collections.abc import Mapping
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scdd import _keys
from scdd._budget import SmallClass, resolve_sizes
from scdd._compat import warn
from scdd._rng import Seed, canonical_seed
from scdd._settings import FROM_SETTINGS
from scdd.baselines import BASELINES, Choice, Rows, coresets, embed_selected
from scdd.errors import InputError
from scdd.pp import CheckedInput, check, highly_variable
from scdd.pp._labels import Unlabeled

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

_PACKAGES = ("scdd", "anndata", "numpy", "scikit-learn", "scipy")


def coreset(
    adata: AnnData,
    n_per_class: int | Mapping[Any, int] = 10,
    method: str = "herding",
    *,
    labels_key: str | None = None,
    batch_key: str | None = None,
    layer: str | None = None,
    fraction: float | None = None,
    small_class: SmallClass = "keep",
    unlabeled: Unlabeled = "error",
    seed: Seed = FROM_SETTINGS,
) -> AnnData:
    """Choose or average cells of each class: what distillation has to beat.

    Cells are compared by 50 principal components of log1p CP10k of 2,000 highly variable genes.

    Parameters
    ----------
    adata
        Cells x genes with raw counts; not changed.
    n_per_class
        Rows of each class, or a mapping from each class to its number. A class with fewer cells gives what it has.
    method
        Real cells: ``"random"``, ``"herding"`` (their running mean follows the mean of the class), ``"k_center"`` (no cell
        is far from a chosen one), ``"k_medoids"`` (smallest summed distance), ``"geosketch"`` (even cover, whatever the
        density; needs ``pip install "scdd[benchmark]"``), ``"scvalue"`` (helpful to a random forest), ``"rded"`` (a
        classifier is sure of them). Means: ``"class_mean"`` (one row per class,
        whatever ``n_per_class``) and ``"kmeans"`` in count space, rounded to integers; ``"class_mean_log"`` and
        ``"kmeans_log"`` in log space, not integers: after normalisation the highly variable genes are at the mean of
        log1p CP10k, and the other genes are raised to fill the row up.
    labels_key
        Column of ``obs`` with the classes. None: ``"cell_type"``.
    batch_key
        Column of ``obs`` with the batches, carried over; a mean has the most frequent batch of its cells.
    layer
        Layer that holds the counts. None: ``X``.
    fraction
        Share of the cells of each class instead of ``n_per_class``, in (0, 1]; at least one row per class.
    small_class
        A class with fewer cells than rows asked for gives what it has (``"keep"``, ``"cap"``), with a warning, or is an
        ``"error"``.
    unlabeled
        Cells without a label: ``"error"``, ``"drop"`` them, or keep them as a ``"class"``.
    seed
        Integer, numpy Generator or None. Default: ``scdd.settings.seed``.

    Returns
    -------
    AnnData with the rows of each class together, best first (the first rows of a class are a good set themselves):

    - ``X``: CSR float32 counts of all genes;
    - ``obs[labels_key]``, categorical with the input's categories, ``obs[batch_key]``, ``obs["scdd_weight"]`` (cells that
      the row stands for; sums to the cells used), ``obs["scdd_library"]`` (total counts); real cells keep their names;
    - ``var``, with ``var["scdd_hvg"]``, and the colours of the labels;
    - ``uns["scdd"]``: kind (``"coreset"`` or, for means, ``"profile"``), method, parameters, seed, versions.

    Raises
    ------
    scdd.errors.InputError
        If the input, the method or the budget cannot be used; see :func:`scdd.pp.check`.

    Examples
    --------
    >>> import scdd
    >>> small = scdd.tl.coreset(scdd.datasets.simulate(), n_per_class=2, method="herding")
    >>> small.shape, int(small.obs["scdd_weight"].sum())
    ((8, 300), 600)

    References
    ----------
    Herding: Welling, Herding dynamical weights to learn, ICML 2009. k-center: Sener & Savarese, Active learning for
    convolutional neural networks: a core-set approach, ICLR 2018, arXiv 1708.00489. The references of geosketch, scValue and
    RDED stand in their files, :mod:`scdd.baselines`.
    """
    available = coresets()
    if method in BASELINES and method not in available:
        msg = (
            f"{method!r} learns its rows, so it is no coreset: call scdd.baselines.BASELINES.get({method!r}).fit on arrays. "
            f"Coresets: {', '.join(available.names())}."
        )
        raise InputError(msg)
    baseline = available.get(method)
    checked = check(adata, labels_key=labels_key, batch_key=batch_key, layer=layer, unlabeled=unlabeled)
    source = checked.source
    warnings = list(checked.warnings)
    cells_per_class = np.bincount(source.labels, minlength=len(source.class_names))
    # a coreset cannot have more rows than cells, so "keep" and "cap" are one
    rule: SmallClass = "cap" if small_class == "keep" else small_class
    sizes, found = resolve_sizes(n_per_class, fraction, cells_per_class, source.class_names, rule)
    if not baseline.uses_embedding and baseline.space is not None and sizes.max() > 1:
        found = [f"{method!r} gives one row per class, whatever n_per_class; 'kmeans' gives more."]
    for message in found:
        warn(message)
    warnings += found
    seed = canonical_seed(seed)
    hvg = highly_variable(source)
    if baseline.uses_embedding:
        counts = source.rows(np.arange(source.n_obs), np.flatnonzero(hvg))
        embedding = embed_selected(counts, source.library, seed=seed)
        del counts
    else:
        embedding = np.zeros((source.n_obs, 1), dtype=np.float32)
    choice = baseline.choose(embedding, source.labels, sizes, seed)
    if choice.index is None:
        rows = baseline.render(choice, blocks=source.blocks(), library=source.library, hvg=hvg)
    else:
        rows = baseline.render(choice, chosen=source.rows(choice.index))
    kind = "profile" if rows.index is None else "coreset"
    provenance = {
        "kind": kind,
        "method": method,
        "params": {
            "labels_key": checked.labels_key,
            "batch_key": batch_key or "",
            "layer": layer or "",
            "fraction": fraction if fraction is not None else "",
            "small_class": small_class,
            "unlabeled": unlabeled,
        },
        "classes": list(source.class_names),
        "sizes": [int(n) for n in np.bincount(rows.labels, minlength=len(sizes))],
        "n_obs": int(source.n_obs),
        "integer": rows.integer,
        "seed": seed,
        "versions": {name: version(name) for name in _PACKAGES} | {"python": platform.python_version()},
        "warnings": warnings,
    }
    return _to_anndata(adata, checked, choice, rows, hvg, provenance)


def _to_anndata(
    adata: AnnData,
    checked: CheckedInput,
    choice: Choice,
    rows: Rows,
    hvg: NDArray[np.bool_],
    provenance: dict[str, Any],
) -> AnnData:
    import pandas as pd
    from anndata import AnnData

    obs = pd.DataFrame(index=_names(adata, checked, rows, str(provenance["method"])))
    obs[checked.labels_key] = _categorical(
        checked.class_codes[rows.labels], checked.label_categories, checked.label_ordered
    )
    if checked.batch_codes is not None and checked.batch_categories is not None:
        batches = checked.source.batches
        of_row = batches[rows.index] if rows.index is not None else _most_frequent(choice.group, batches)
        obs[checked.batch_key] = _categorical(
            checked.batch_codes[of_row], checked.batch_categories, checked.batch_ordered
        )
    obs[_keys.WEIGHT] = rows.weight
    obs[_keys.LIBRARY] = np.asarray(rows.counts.sum(axis=1, dtype=np.float64)).ravel()
    var = checked.var.copy()
    var[_keys.HVG] = hvg
    result = AnnData(rows.counts, obs=obs, var=var)
    result.uns[_keys.UNS] = provenance
    if checked.colors is not None:
        result.uns[f"{checked.labels_key}_colors"] = list(checked.colors)
    return result


def _categorical(codes: NDArray[np.integer], categories: pd.Index, ordered: bool) -> pd.Categorical:
    import pandas as pd

    return pd.Categorical.from_codes(np.asarray(codes, dtype=np.int64), categories=categories, ordered=ordered)


def _names(adata: AnnData, checked: CheckedInput, rows: Rows, method: str) -> list[str]:
    if rows.index is not None:
        names = adata.obs_names[checked.kept[rows.index]].astype(str).tolist()
        if len(set(names)) == len(names):
            return names
    first = np.searchsorted(rows.labels, rows.labels)
    return [
        f"{method}_{checked.source.class_names[label]}_{i}"
        for i, label in zip(np.arange(len(rows.labels)) - first, rows.labels, strict=True)
    ]


def _most_frequent(group: NDArray[np.integer], batches: NDArray[np.integer]) -> NDArray[np.int64]:
    """Return for each group its most frequent batch."""
    table = np.zeros((int(group.max()) + 1, int(batches.max()) + 1), dtype=np.int64)
    np.add.at(table, (group, batches), 1)
    return table.argmax(axis=1)
