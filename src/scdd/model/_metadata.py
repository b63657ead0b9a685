"""Names that belong to the numbers of a model: genes, labels, batches, colours."""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd

if TYPE_CHECKING:
    from scdd.pp import CheckedInput
    from scdd.pp._labels import Unlabeled


@dataclass(frozen=True, eq=False)
class Metadata:
    """What a model must know about the AnnData it was trained on, beside numbers.

    Attributes
    ----------
    var
        ``var`` of the input.
    labels_key, label_categories, class_codes, class_names
        Label column, its categories, and the position and text of each class among them.
    batch_key, batch_categories, batch_codes, batch_names
        The same of the batch column; None without one.
    donor_key
        Column of the units of inner splits.
    layer
        Where the counts were.
    colors
        Colours of the label categories.
    warnings
        What the door had to say.
    n_obs
        Number of cells.
    label_ordered, batch_ordered
        Whether the categories are ordered.
    unlabeled, allow_normalized
        How the cells went through the door.
    """

    var: pd.DataFrame
    labels_key: str
    label_categories: list[Any]
    class_codes: list[int]
    class_names: list[str]
    batch_key: str | None
    batch_categories: list[Any] | None
    batch_codes: list[int] | None
    batch_names: list[str]
    donor_key: str | None
    layer: str | None
    colors: list[str] | None
    warnings: list[str]
    n_obs: int
    # models of earlier versions hold none of these
    label_ordered: bool = False
    batch_ordered: bool = False
    unlabeled: Unlabeled = "error"
    allow_normalized: bool = False

    @classmethod
    def of(cls, checked: CheckedInput) -> Metadata:
        """Collect the names of a checked input."""
        return cls(
            var=checked.var,
            labels_key=checked.labels_key,
            label_categories=_plain(checked.label_categories),
            class_codes=[int(c) for c in checked.class_codes],
            class_names=list(checked.source.class_names),
            batch_key=checked.batch_key,
            batch_categories=None if checked.batch_categories is None else _plain(checked.batch_categories),
            batch_codes=None if checked.batch_codes is None else [int(c) for c in checked.batch_codes],
            batch_names=list(checked.source.batch_names),
            donor_key=checked.donor_key,
            layer=checked.layer,
            colors=checked.colors,
            warnings=list(checked.warnings),
            n_obs=checked.source.n_obs,
            label_ordered=checked.label_ordered,
            batch_ordered=checked.batch_ordered,
            unlabeled=checked.unlabeled,
            allow_normalized=checked.allow_normalized,
        )

    @property
    def genes(self) -> list[str]:
        """Names of the genes."""
        return [str(g) for g in self.var.index]

    def to_json(self) -> dict[str, Any]:
        """Return everything but the columns of ``var``; colours stay, warnings go (they belong to a run)."""
        out = {f.name: getattr(self, f.name) for f in fields(self) if f.name not in ("var", "warnings")}
        return {**out, "genes": self.genes}

    @classmethod
    def from_json(cls, data: dict[str, Any]) -> Metadata:
        """Return what :meth:`to_json` gave."""
        data = dict(data)
        var = pd.DataFrame(index=pd.Index(data.pop("genes")))
        return cls(var=var, warnings=[], **data)


def _plain(categories: pd.Index) -> list[Any]:
    return [c.item() if isinstance(c, np.generic) else c for c in categories]
