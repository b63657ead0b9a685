"""``scdd.tl.head``: cut a nested set to its first rows."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scdd import _keys
from scdd._about import About, about
from scdd._budget import resolve_sizes
from scdd.errors import InputError

if TYPE_CHECKING:
    from anndata import AnnData


def head(syn: AnnData, n_per_class: int | Mapping[Any, int] = 1) -> AnnData:
    """Keep the first rows of each class: of a nested set they are a good set themselves.

    Parameters
    ----------
    syn
        Result of :func:`scdd.tl.distill` or :func:`scdd.tl.coreset`; it is not changed.
    n_per_class
        Rows of each class, or a mapping from each class to its number. A class with fewer rows keeps all of them.

    Returns
    -------
    AnnData with these rows, a copy. ``obs["scdd_weight"]`` of those that stay is scaled, so that it still sums to the cells
    of each class, and ``uns["scdd"]`` tells the new numbers of rows.

    Raises
    ------
    scdd.errors.InputError, scdd.errors.InputTypeError
        If ``syn`` is no such set, or has lost its weights.
    scdd.errors.BudgetError
        If a number is not an integer of at least 1, or the classes named are not those of the set.

    Examples
    --------
    >>> import scdd
    >>> syn = scdd.tl.distill(scdd.datasets.simulate(n_obs=300, n_vars=100), 5, preset="fast", progress=False)
    >>> small = scdd.tl.head(syn, 2)
    >>> small.n_obs, float(small.obs["scdd_weight"].sum())
    (8, 300.0)
    """
    from scdd.pp._check import check_type

    check_type(syn)
    told = about(syn)
    _need_nested(syn, told)
    labels = syn.obs[told.labels_key].astype(str)
    present = labels.drop_duplicates().tolist()
    rows = np.asarray(labels.value_counts()[present], dtype=np.int64)
    sizes = dict(
        zip(present, resolve_sizes(n_per_class, None, rows, present, small_class="cap")[0].tolist(), strict=True)
    )
    kept = labels.groupby(labels).cumcount().to_numpy() < labels.map(sizes).to_numpy()
    out = syn[kept].copy()
    out.obs[_keys.WEIGHT] = _scaled(np.asarray(syn.obs[_keys.WEIGHT], dtype=np.float64), labels.to_numpy(), kept)
    key = "n_per_class" if "n_per_class" in told.told else "sizes"
    names = [str(name) for name in told.told.get("classes", present)]
    out.uns[_keys.UNS] = {**syn.uns[_keys.UNS], key: [sizes.get(name, 0) for name in names]}
    return out


def _need_nested(syn: AnnData, told: About) -> None:
    if told.kind not in ("distilled", "coreset", "profile") or told.labels_key is None:
        kind = f"of kind {told.kind!r}" if told.kind else "not made by scdd"
        msg = f"head cuts what scdd.tl.distill and scdd.tl.coreset return, with its label column; this set is {kind}."
        raise InputError(msg)
    if _keys.WEIGHT not in syn.obs:
        msg = f"syn has no obs[{_keys.WEIGHT!r}]: pass the set as scdd.tl.distill or scdd.tl.coreset returned it."
        raise InputError(msg)


def _scaled(weight: NDArray[np.float64], labels: NDArray[Any], kept: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Return the weights of the rows that are kept, scaled so that each class keeps its sum."""
    codes = np.unique(labels, return_inverse=True)[1]
    before, after = np.bincount(codes, weight), np.bincount(codes[kept], weight[kept])
    return weight[kept] * (before / after)[codes[kept]]
