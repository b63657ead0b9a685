"""The label, batch and donor columns at the door."""

from __future__ import annotations

import difflib
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from numpy.typing import NDArray

from scdd import _keys
from scdd._compat import obs_frame
from scdd.errors import InputError, LabelError
from scdd.pp._text import first, short

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

Unlabeled = Literal["error", "drop", "class"]

UNLABELED = "unlabeled"  # the class of missing labels with unlabeled="class"
_PLACEHOLDERS = frozenset(
    {"", "nan", "na", "n/a", "<na>", "none", "null", "unknown", "unlabeled", "unlabelled", "unassigned", "unannotated"}
)
_RESERVED = frozenset({_keys.WEIGHT, _keys.LIBRARY, _keys.KIND})
_CONTINUOUS = 50  # a float column with more values is no label
_BARCODE = 100  # more classes than this with fewer than two cells each on average are no classes
_MANY = 10_000
_STORABLE = frozenset({"string", "boolean", "integer", "floating", "empty"})  # as categories, in h5ad and in JSON


@dataclass(frozen=True)
class Column:
    """A column of ``obs`` as codes.

    Attributes
    ----------
    key
        Name of the column.
    codes
        int32 (n_obs,): position in ``used`` of the value of each cell, -1 where there is none.
    used
        int64 (n_used,): positions in ``categories`` of the categories that have cells, ascending.
    categories
        All categories, in the input's order; those that no file can hold, such as intervals and dates, as text.
    ordered
        Whether their order means something.
    """

    key: str
    codes: NDArray[np.int32]
    used: NDArray[np.int64]
    categories: pd.Index
    ordered: bool = False

    @cached_property
    def names(self) -> tuple[str, ...]:
        """Names of the used categories, as text."""
        return tuple(str(self.categories[i]) for i in self.used)


def resolve_labels_key(adata: AnnData, labels_key: str | None) -> str:
    """Return the label column to use: the one named, else ``"cell_type"``, else an error that lists the candidates."""
    obs = obs_frame(adata)
    if labels_key is not None:
        return labels_key
    if _keys.DEFAULT_LABELS in obs.columns:
        return _keys.DEFAULT_LABELS
    candidates = list(_candidates(obs))
    listed = (
        f"Columns that could hold labels: {first(candidates, 20)}." if candidates else "No column looks like labels."
    )
    msg = f"There is no column {_keys.DEFAULT_LABELS!r} in obs. Name the label column with labels_key=. {listed}"
    raise LabelError(msg)


def read_column(adata: AnnData, key: str, role: str) -> Column:
    """Read a column of ``obs`` as codes; ``role`` (``"labels_key"``) is for the messages.

    Raises
    ------
    scdd.errors.LabelError
        If the column is absent, double, the index, or two of its values have the same text.
    """
    import pandas as pd

    obs = obs_frame(adata)
    _check_columns(obs, key, role)
    values = obs[key]
    if isinstance(values.dtype, pd.CategoricalDtype):
        as_category = values
    else:
        try:
            as_category = values.astype("category")
        except TypeError as error:
            msg = f"The values of obs[{key!r}] cannot be told apart ({error}). Make the column text (.astype(str))."
            raise LabelError(msg) from error
    categories = _storable(as_category.cat.categories)
    codes = np.asarray(as_category.cat.codes, dtype=np.int64)
    present = codes >= 0
    used = np.unique(codes[present])
    position = np.full(len(categories) + 1, -1, dtype=np.int32)
    position[used] = np.arange(len(used))
    # code -1 reads the last entry, which is -1
    column = Column(key, position[codes], used, categories, bool(as_category.cat.ordered))
    names = column.names
    if len(set(names)) < len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        msg = f"Values of obs[{key!r}] differ in type but not in text: {first(twice)}. Make the column one type (.astype(str))."
        raise LabelError(msg)
    return column


def check_labels(column: Column, unlabeled: Unlabeled, *, allow_identifiers: bool = False) -> tuple[Column, list[str]]:
    """Judge a label column: missing, continuous, barcodes, near duplicates; return it as it is to be used, and warnings.

    With ``unlabeled="drop"`` the codes of unlabelled cells are -1; with ``allow_identifiers`` classes may be as many as
    cells.
    """
    import pandas as pd

    if unlabeled not in ("error", "drop", "class"):
        msg = f'unlabeled must be "error", "drop" or "class", got {unlabeled!r}.'
        raise InputError(msg)
    key, n_obs = column.key, len(column.codes)
    if not len(column.used):
        msg = f"All {n_obs} values of obs[{key!r}] are missing. Give another column with labels_key=."
        raise LabelError(msg)
    if pd.api.types.is_float_dtype(column.categories.dtype) and len(column.used) > _CONTINUOUS:
        msg = (
            f"obs[{key!r}] looks continuous: {len(column.used)} different floating-point values. "
            "Give a column of classes with labels_key=, or cut it into bins (pandas.cut)."
        )
        raise LabelError(msg)
    if not allow_identifiers and len(column.used) > _BARCODE and len(column.used) > n_obs / 2:
        msg = (
            f"obs[{key!r}] looks like a barcode or an identifier: {len(column.used)} different values in {n_obs} cells "
            f"({first(column.names)}). Give a column of classes with labels_key=."
        )
        raise LabelError(msg)
    column, warnings = _unlabeled(column, unlabeled)
    if len(column.used) > _MANY:
        warnings.append(f"obs[{key!r}] has {len(column.used)} classes: is this the right column?")
    unused = len(column.categories) - len(column.used)
    if unused:
        absent = np.setdiff1d(np.arange(len(column.categories)), column.used)
        listed = first(column.categories[i] for i in absent)
        warnings.append(f"{unused} categories of obs[{key!r}] have no cells and are ignored: {listed}.")
    warnings += _near_duplicates(column)
    single = np.flatnonzero(np.bincount(column.codes[column.codes >= 0], minlength=len(column.used)) == 1)
    if len(single):
        listed = first(column.names[k] for k in single)
        warnings.append(f"{len(single)} classes of obs[{key!r}] have one cell only (kept): {listed}.")
    return column, warnings


def is_placeholder(name: str) -> bool:
    """Return whether a label says that there is none.

    Examples
    --------
    >>> is_placeholder(" Unknown"), is_placeholder("beta")
    (True, False)
    """
    return name.strip().casefold() in _PLACEHOLDERS


def check_groups(column: Column, labels: Column) -> tuple[Column, list[str]]:
    """Judge a batch or donor column; missing values become a group of their own, ``"missing"``."""
    warnings = []
    key = column.key
    n_missing = int((column.codes < 0).sum())
    if n_missing:
        warnings.append(f"{n_missing} values of obs[{key!r}] are missing; these cells form a batch of their own.")
        column = _with_class(column, column.codes < 0, _fresh("missing", column.categories))
    if len(column.used) == 1:
        warnings.append(f"obs[{key!r}] has one value only ({short(column.names[0])}) and tells nothing.")
        return column, warnings
    kept = labels.codes >= 0
    pairs = np.unique(np.stack([column.codes[kept], labels.codes[kept]]), axis=1)
    if len(labels.used) > 1 and len(pairs[0]) == len(np.unique(pairs[0])):
        same = pairs.shape[1] == len(np.unique(pairs[1]))
        how = "is the same grouping as" if same else "is nested in"
        warnings.append(
            f"obs[{key!r}] {how} obs[{labels.key!r}] (each batch has cells of one class only): "
            "differences between classes and between batches cannot be told apart."
        )
    return column, warnings


def _check_columns(obs: pd.DataFrame, key: str, role: str) -> None:
    import pandas as pd

    odd = [name for name in obs.columns if not isinstance(name, str)]
    if odd:
        msg = (
            f"{len(odd)} column names of obs are not text: {first(odd)}. "
            "Fix: adata.obs.columns = adata.obs.columns.astype(str)."
        )
        raise LabelError(msg)
    if isinstance(obs.index, pd.MultiIndex):
        msg = "obs has a MultiIndex. Fix: adata.obs = adata.obs.reset_index() and give plain obs_names."
        raise LabelError(msg)
    if not isinstance(key, str):
        msg = f"{role} must be the name of a column of obs, got {key!r} ({type(key).__name__})."
        raise LabelError(msg)
    if key in _RESERVED:
        msg = f"{role}={key!r} is a name that scdd writes itself. Rename the column."
        raise LabelError(msg)
    count = int((obs.columns == key).sum())
    if count > 1:
        msg = f"obs has {count} columns named {key!r}. Rename or drop all but one."
        raise LabelError(msg)
    if count == 0:
        if obs.index.name == key:
            msg = f"{role}={key!r} is the index of obs, which names cells, not classes. Give a column of obs."
            raise LabelError(msg)
        close = difflib.get_close_matches(key, list(obs.columns), n=3, cutoff=0.5)
        lower = [name for name in obs.columns if name.casefold() == key.casefold() and name not in close]
        found = lower + close
        hint = f"Did you mean {first(found)}?" if found else f"Columns: {first(obs.columns, 20) or 'none'}."
        msg = f"There is no column {key!r} in obs ({role}). {hint}"
        raise LabelError(msg)


def _unlabeled(column: Column, unlabeled: Unlabeled) -> tuple[Column, list[str]]:
    key = column.key
    missing = column.codes < 0
    placeholder = [k for k, name in enumerate(column.names) if is_placeholder(name)]
    as_text = np.isin(column.codes, placeholder)
    n = int((missing | as_text).sum())
    if not n:
        return column, []
    kinds = (["missing"] if missing.any() else []) + [short(column.names[k]) for k in placeholder]
    if unlabeled == "error":
        msg = (
            f"{n} of {len(column.codes)} cells have no label in obs[{key!r}] ({first(kinds)}). Use "
            'unlabeled="drop" to leave them out, or unlabeled="class" to keep them as classes of their own.'
        )
        raise LabelError(msg)
    if unlabeled == "class":
        if missing.any():
            column = _with_class(column, missing, UNLABELED)
        return column, [f"{n} cells without a label in obs[{key!r}] are kept as classes of their own ({first(kinds)})."]
    codes = np.where(as_text, -1, column.codes)
    left = np.setdiff1d(np.arange(len(column.used)), placeholder)
    if not len(left):
        msg = f"All {n} cells have no label in obs[{key!r}] ({first(kinds)}). Give another column with labels_key=."
        raise LabelError(msg)
    position = np.full(len(column.used) + 1, -1, dtype=np.int32)
    position[left] = np.arange(len(left))
    dropped = Column(key, position[codes], column.used[left], column.categories, column.ordered)
    return dropped, [f"{n} cells without a label in obs[{key!r}] are left out ({first(kinds)})."]


def _with_class(column: Column, cells: NDArray[np.bool_], name: str) -> Column:
    """Give the named category to some cells, appended where there is none; then all are text, as files need it."""
    import pandas as pd

    categories, ordered = column.categories, column.ordered
    where = [i for i, category in enumerate(categories) if category == name]
    if not where:
        same_type = categories.dtype if categories.inferred_type == "string" else object
        categories = pd.Index([*map(str, categories), name], dtype=same_type)
        where, ordered = [len(categories) - 1], False  # a new one has no place in an order
    codes = np.append(column.used, -1)[column.codes]
    codes[cells] = where[0]
    used, new = np.unique(codes, return_inverse=True)
    return Column(column.key, new.astype(np.int32), used, categories, ordered)


def _storable(categories: pd.Index) -> pd.Index:
    """Return categories that h5ad and JSON can hold: text, numbers or truth values as they are, others and mixed ones as text."""
    import pandas as pd

    kind = pd.api.types.infer_dtype(categories, skipna=False)
    if kind in _STORABLE:
        return categories if kind == "string" else categories.infer_objects()
    return pd.Index([str(category) for category in categories], dtype=object)


def _fresh(name: str, categories: Iterable[Any]) -> str:
    taken = {str(category) for category in categories}
    while name in taken:
        name += "_"
    return name


def _near_duplicates(column: Column) -> list[str]:
    seen: dict[str, str] = {}
    pairs = []
    for name in column.names:
        plain = unicodedata.normalize("NFKC", name).casefold().strip()
        if plain in seen:
            pairs.append(f"{short(seen[plain])} and {short(name)}")
        seen.setdefault(plain, name)
    if not pairs:
        return []
    listed = ", ".join(pairs[:5]) + (", ..." if len(pairs) > 5 else "")
    return [f"Labels of obs[{column.key!r}] that differ only in case, spaces or Unicode form are kept apart: {listed}."]


def _candidates(obs: pd.DataFrame) -> Iterable[str]:
    import pandas as pd

    for i, name in enumerate(obs.columns):
        values = obs.iloc[:, i]
        if not isinstance(name, str) or pd.api.types.is_float_dtype(values.dtype):
            continue
        try:
            n_values = values.nunique()
        except TypeError:  # lists and the like
            continue
        if 2 <= n_values <= 1000:
            yield name
