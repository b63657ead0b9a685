"""The checks of the diagnostic: what holds for every set that is right."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from scdd import _keys
from scdd._report._copies import row_bytes
from scdd._report._subject import Subject
from scdd.pp._text import first

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["CHECKS", "Check", "Finding", "diagnose"]


@dataclass(frozen=True)
class Finding:
    """What a check found.

    Attributes
    ----------
    share
        Share that is right, in [0, 1]; NaN where the check does not apply.
    detail
        In words: how many, the first offenders, or why it does not apply.
    """

    share: float
    detail: str


@dataclass(frozen=True)
class Check:
    """A check.

    Attributes
    ----------
    about
        ``"validity"``, ``"structure"`` or ``"novelty"``.
    meaning
        What holds where it passes.
    find
        The function.
    """

    about: str
    meaning: str
    find: Callable[[Subject], Finding]


def diagnose(subject: Subject) -> pd.DataFrame:
    """Run all checks: a table with the columns check, about, share, status (pass, fail, not applicable) and detail."""
    import pandas as pd

    rows = []
    for check in CHECKS:
        finding = check.find(subject)
        status = "not applicable" if np.isnan(finding.share) else "pass" if finding.share == 1 else "fail"
        rows.append((check.meaning, check.about, finding.share, status, finding.detail))
    return pd.DataFrame(rows, columns=["check", "about", "share", "status", "detail"])


def _no(reason: str) -> Finding:
    return Finding(float("nan"), reason)


def _share(right: np.ndarray, what: str) -> Finding:
    """Judge one boolean per thing."""
    wrong = int((~right).sum())
    if not len(right):
        return _no(f"There are no {what}.")
    text = f"All {len(right):,} {what}." if not wrong else f"{wrong:,} of {len(right):,} {what} are wrong."
    return Finding(float(right.mean()), text)


def _named(names: Sequence[str], wrong: Sequence[str], what: str) -> Finding:
    """Judge named things, and name the first that are wrong."""
    if not names:
        return _no(f"There are no {what}.")
    text = (
        f"{len(wrong):,} of {len(names):,} {what} are wrong: {first(wrong)}."
        if wrong
        else f"All {len(names):,} {what}."
    )
    return Finding(1 - len(wrong) / len(names), text)


def _finite(subject: Subject) -> Finding:
    return _share(np.isfinite(subject.stored), "stored values")


def _not_negative(subject: Subject) -> Finding:
    return _share(~(subject.stored < 0), "stored values")  # NaN is the affair of another check


def _integer(subject: Subject) -> Finding:
    if subject.about.kind == "profile" and subject.about.told.get("integer") is False:
        return _no("Means in log space are no integers by design.")
    return _share(np.rint(subject.stored) == subject.stored, "stored values")


def _not_empty(subject: Subject) -> Finding:
    return _share(subject.totals > 0, "rows")


def _labelled(subject: Subject) -> Finding:
    return _share(np.array([label is not None for label in subject.labels]), "rows")


def _unique_names(subject: Subject) -> Finding:
    return _share(~subject.obs.index.duplicated(), "row names")


def _all_classes(subject: Subject) -> Finding:
    names = list(subject.cells_of)
    return _named(names, [name for name in names if name not in subject.rows_of], "classes of the real cells")


def _known_classes(subject: Subject) -> Finding:
    names = list(subject.rows_of)
    return _named(names, [name for name in names if name not in subject.cells_of], "classes of the set")


def _class_order(subject: Subject) -> Finding:
    real = [str(name) for name in subject.real.label_categories]
    known, kept = set(subject.categories), [name for name in subject.categories if name in set(real)]
    right = kept == [name for name in real if name in known]
    return Finding(
        float(right), f"{len(kept):,} categories, {'in' if right else 'not in'} the order of the real cells."
    )


def _all_genes(subject: Subject) -> Finding:
    real, own = list(subject.real.var.index.astype(str)), set(subject.genes.astype(str))
    return _named(real, [gene for gene in real if gene not in own], "genes of the real cells")


def _gene_order(subject: Subject) -> Finding:
    if subject.columns is None:
        own, real = subject.genes.astype(str), set(subject.real.var.index.astype(str))
        return _named(list(own), [gene for gene in own if gene not in real], "genes of the set")
    right = bool((np.diff(subject.columns) > 0).all())
    return Finding(
        float(right), f"{len(subject.genes):,} genes, {'in' if right else 'not in'} the order of the real cells."
    )


def _rows_as_asked(subject: Subject) -> Finding:
    asked = subject.about.rows_per_class
    if not asked:
        return _no('The set does not tell how many rows were asked for: no sizes in uns["scdd"].')
    names = list(dict.fromkeys([*asked, *subject.rows_of]))
    wrong = [name for name in names if asked.get(name, 0) != subject.rows_of.get(name, 0)]
    return _named(names, wrong, "numbers of rows per class")


def _grouped(subject: Subject) -> Finding:
    codes = {name: k for k, name in enumerate(subject.categories)}
    order = np.array([codes[label] for label in subject.labels if label is not None])
    together = len(order) == 0 or bool((np.diff(order) >= 0).all())
    if not together:
        return Finding(0.0, "Rows of a class do not stand together, so the first rows of a class are not to be found.")
    if _keys.KIND not in subject.obs.columns:
        return Finding(1.0, "Rows of a class stand together, the classes in the order of their categories.")
    starts = np.flatnonzero(np.diff(order, prepend=-1) > 0)
    kinds = subject.obs[_keys.KIND].astype(str).to_numpy()[[label is not None for label in subject.labels]]
    any_denoised = {k for k, kind in zip(order.tolist(), kinds, strict=True) if kind == "denoised"}
    right = np.array([kinds[i] == "denoised" or order[i] not in any_denoised for i in starts])
    return _share(right, "classes, whose rows stand together and start with a denoised one")


def _no_negative_weights(subject: Subject) -> Finding:
    """Where a class has fewer cells than rows, some rows stand for none: a weight of 0 is right."""
    weight = subject.numbers(_keys.WEIGHT)
    if weight is None:
        return _no(f"There is no obs[{_keys.WEIGHT!r}].")
    return _share(np.isfinite(weight) & (weight >= 0), "weights")


def _sum_of_weights(subject: Subject) -> Finding:
    weight = subject.numbers(_keys.WEIGHT)
    if weight is None:
        return _no(f"There is no obs[{_keys.WEIGHT!r}].")
    names = [name for name in subject.cells_of if name in subject.rows_of]
    sums = {name: float(weight[subject.labels == name].sum()) for name in names}
    wrong = [name for name in names if not np.isclose(sums[name], subject.cells_of[name], rtol=1e-3, atol=1e-3)]
    if not wrong and names:
        return Finding(1.0, f"They sum to {round(sum(sums.values())):,}, the number of real cells, in each class.")
    return _named(names, wrong, "sums of the weights of a class")


def _depth(subject: Subject) -> Finding:
    told = subject.numbers(_keys.LIBRARY)
    if told is None:
        return _no(f"There is no obs[{_keys.LIBRARY!r}].")
    return _share(np.isclose(told, subject.totals, rtol=1e-3), "depths")


def _no_copies(subject: Subject) -> Finding:
    if subject.columns is None:
        return _no("The genes are not those of the real cells.")
    n, all_rows = int(subject.copied.sum()), len(subject.copied)
    if subject.about.measured:
        return _no(f"Rows of a coreset are real cells by design: {n:,} of {all_rows:,} have the counts of one.")
    text = f"{n:,} of {all_rows:,} rows have the counts of a real cell in every gene."
    return Finding(1 - n / max(all_rows, 1), text)


def _no_repeats(subject: Subject) -> Finding:
    rows = [row_bytes(subject.counts, i) for i in range(subject.counts.shape[0])]
    return _share(np.array([i == first_at for i, first_at in enumerate(_first_places(rows))]), "rows")


def _first_places(rows: Sequence[bytes]) -> list[int]:
    seen: dict[bytes, int] = {}
    return [seen.setdefault(row, i) for i, row in enumerate(rows)]


CHECKS = (
    Check("validity", "No count is missing or infinite", _finite),
    Check("validity", "No count is negative", _not_negative),
    Check("validity", "Counts are integers", _integer),
    Check("validity", "Every row has counts", _not_empty),
    Check("validity", "Every row has a label", _labelled),
    Check("validity", "Row names are unique", _unique_names),
    Check("validity", "No weight is negative", _no_negative_weights),
    Check("structure", "Every class of the real cells has rows", _all_classes),
    Check("structure", "Every class is one of the real cells", _known_classes),
    Check("structure", "Classes are in the order of the real cells", _class_order),
    Check("structure", "All genes of the real cells are there", _all_genes),
    Check("structure", "Genes are in the order of the real cells", _gene_order),
    Check("structure", "Each class has as many rows as were asked for", _rows_as_asked),
    Check("structure", "Weights sum to the real cells of each class", _sum_of_weights),
    Check("structure", "The depth that is told is that of the row", _depth),
    Check("structure", "Rows are in the order in which they are nested", _grouped),
    Check("novelty", "No row is a real cell", _no_copies),
    Check("novelty", "No row is there twice", _no_repeats),
)
