"""What a set tells of itself in ``uns["scdd"]``, read with care: a file may come from anywhere."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from scdd import _keys
from scdd._compat import obs_frame

if TYPE_CHECKING:
    from anndata import AnnData

__all__ = ["About", "about", "plain"]

_SYNTHETIC = "Synthetic cells: not measured."
_NATURE = {
    "distilled": f"{_SYNTHETIC} Made by distillation to train models.",
    "expanded": f"{_SYNTHETIC} Drawn around the expected counts of distilled rows.",
    "generated": f"{_SYNTHETIC} Drawn by a generator from noise.",
    "profile": f"{_SYNTHETIC} Each row is a mean of real cells.",
    "coreset": "Measured cells: each row is a real cell that was chosen.",
}
_NOT_KNOWN = f"{_SYNTHETIC} The file does not tell how the rows were made, so they are taken for synthetic."
_DEPTH = 8  # deeper nesting is cut: nothing of ours is as deep


@dataclass(frozen=True)
class About:
    """Facts that a set carries; what it does not tell is empty.

    Attributes
    ----------
    kind
        ``"distilled"``, ``"expanded"``, ``"generated"``, ``"profile"``, ``"coreset"``, or empty text.
    told
        ``uns["scdd"]`` as JSON values.
    labels_key
        The label column, where the set names one that it has.
    """

    kind: str
    told: Mapping[str, Any]
    labels_key: str | None

    @property
    def measured(self) -> bool:
        """Whether the rows are real cells."""
        return self.kind == "coreset"

    @property
    def nature(self) -> str:
        """What the rows are, in a sentence."""
        return _NATURE.get(self.kind, _NOT_KNOWN)

    @property
    def method(self) -> str:
        """How the rows were made, in a few words; empty where that is not told."""
        if self.kind in ("coreset", "profile"):
            return f"scdd.tl.coreset, method {self.text('method')}" if self.text("method") else "scdd.tl.coreset"
        if self.kind == "generated":
            return "scdd generator"
        preset = self.text("preset")
        return f"scdd.tl.distill, preset {preset}" if preset else ""

    @property
    def encoder(self) -> Mapping[str, Any]:
        """Name, version, licence and hash of the encoder, as far as told."""
        return self.part("encoder")

    @property
    def rows_per_class(self) -> dict[str, int]:
        """How many rows each class was to have; empty where that is not told."""
        sizes = self.told.get("n_per_class", self.told.get("sizes"))
        factor = self.part("expand").get("n", 1) if self.kind == "expanded" else 1
        return {name: n * _count(factor) for name, n in self._by_class(sizes).items()}

    @property
    def cells_per_class(self) -> dict[str, int]:
        """How many original cells each class had; empty where that is not told."""
        return self._by_class(self.told.get("class_sizes"))

    @property
    def inner(self) -> Mapping[str, Any]:
        """Scores of the inner referee, which are for choosing."""
        found = self.part("record").get("inner")
        return found if isinstance(found, Mapping) else {}

    @property
    def warnings(self) -> list[str]:
        """Warnings of the run that made the set."""
        found = self.told.get("warnings")
        return [str(text) for text in found] if isinstance(found, list) else []

    def text(self, name: str) -> str:
        """Return an entry as text; empty where there is none, or it is no plain value."""
        value = self.told.get(name, "")
        return str(value) if isinstance(value, str | int | float | bool) else ""

    def part(self, name: str) -> Mapping[str, Any]:
        """Return an entry that is a mapping; empty where there is none."""
        value = self.told.get(name)
        return value if isinstance(value, Mapping) else {}

    def _by_class(self, values: Any) -> dict[str, int]:
        names = self.told.get("classes")
        if not isinstance(names, list) or not isinstance(values, list) or len(names) != len(values):
            return {}
        return {str(name): _count(value) for name, value in zip(names, values, strict=True)}


def about(syn: AnnData) -> About:
    """Return what a set tells of itself.

    Examples
    --------
    >>> import scdd
    >>> about(scdd.tl.coreset(scdd.datasets.simulate(), 2)).nature
    'Measured cells: each row is a real cell that was chosen.'
    """
    found = plain(syn.uns.get(_keys.UNS)) if hasattr(syn, "uns") else None
    told: Mapping[str, Any] = found if isinstance(found, Mapping) else {}
    kind = told.get("kind")
    params = told.get("params")
    # distillation tells the column at the top, the coresets among their parameters
    keys = (told.get("labels_key"), params.get("labels_key") if isinstance(params, Mapping) else None)
    return About(
        kind=kind if isinstance(kind, str) and kind in _NATURE else "",
        told=told,
        labels_key=next((key for key in keys if isinstance(key, str) and key in obs_frame(syn).columns), None),
    )


def plain(value: Any, depth: int = _DEPTH) -> Any:
    """Return what h5ad gives back as what JSON takes; what is neither becomes its type's name.

    Examples
    --------
    >>> plain({"n": np.array([1, 2]), 3: np.float32(0.5), "x": object()})
    {'n': [1, 2], '3': 0.5, 'x': '<object>'}
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, float) and not np.isfinite(value):
        return None  # JSON has no NaN
    if value is None or isinstance(value, str | int | float | bool):
        return value
    if depth > 0 and isinstance(value, Mapping):
        return {str(key): plain(item, depth - 1) for key, item in value.items()}
    if depth > 0 and isinstance(value, np.ndarray):
        return [plain(item, depth - 1) for item in value.tolist()] if value.ndim else plain(value.item(), depth - 1)
    if depth > 0 and isinstance(value, Sequence) and not isinstance(value, bytes):
        return [plain(item, depth - 1) for item in value]
    return f"<{type(value).__name__}>"


def _count(value: Any) -> int:
    return int(value) if isinstance(value, int | float) and not isinstance(value, bool) else 0
