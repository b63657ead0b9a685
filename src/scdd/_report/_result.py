"""What ``scdd.tl.report`` returns."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scdd._atomic import write_text
from scdd._report._utility import by_model, utility_score
from scdd._report._words import percent

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Report", "check_page"]

_MEANING = {
    "diagnostic": "valid and well-formed",
    "quality": "of what real cells reach",
    "utility": "of training on real cells",
}


def check_page(path: str | os.PathLike[str], *, overwrite: bool) -> Path:
    """Return the path to write to, or raise that it cannot be written; its name may end as it likes."""
    from scdd.io._cells import check_output

    return check_output(path, overwrite=overwrite, suffixes=(Path(path).suffix,), flag="overwrite=True")


@dataclass(frozen=True, eq=False, repr=False)
class Report:
    """Diagnostic, quality and utility of a set, as tables and as one HTML page; see :func:`scdd.tl.report`.

    Attributes
    ----------
    diagnostic
        One row per check: check, about (validity, structure or novelty), share that is right, status (pass, fail or not
        applicable) and detail.
    quality
        One row per figure: metric, about (fidelity or biology), value, floor (what as many real cells reach), better,
        score in [0, 1], meaning and reason, where there is no value.
    quality_classes
        Figures of each class: metric, class, value and floor.
    utility
        Scores on test cells: trained_on (synthetic or real), model, metric (macro_f1 or f1), class and value; empty
        without test cells.
    provenance
        What the set tells of itself, and how the report was made.
    notes
        Why a part is missing, by its name, and ``"warnings"``, one a line.
    html
        The page.
    """

    diagnostic: pd.DataFrame
    quality: pd.DataFrame
    quality_classes: pd.DataFrame
    utility: pd.DataFrame
    provenance: Mapping[str, Any]
    notes: Mapping[str, str] = field(default_factory=dict)
    html: str = ""

    @property
    def scores(self) -> dict[str, float]:
        """The three scores; NaN where a part is missing.

        ``diagnostic``: mean share that is right over the checks that apply. ``quality``: mean score of the figures.
        ``utility``: macro-F1 on test cells of models trained on the set, over that of models trained on real cells (means
        over models); it may be above 1.
        """
        return {
            "diagnostic": float(self.diagnostic["share"].mean()),
            "quality": float(self.quality["score"].mean()),
            "utility": utility_score(self.utility),
        }

    def save(self, path: str | os.PathLike[str], *, overwrite: bool = False) -> Path:
        """Write the page as one HTML file, and return its path.

        Parameters
        ----------
        path
            The file.
        overwrite
            Replace a file that is there.

        Returns
        -------
        The path.

        Raises
        ------
        scdd.errors.InputError
            If the folder does not exist, or the file is there and is not to be replaced.
        """
        target = check_page(path, overwrite=overwrite)
        write_text(target, self.html)
        return target

    def to_json(self) -> dict[str, Any]:
        """Return scores, tables (lists of records) and provenance as JSON values; what is missing is None."""
        tables = {
            name: json.loads(getattr(self, name).to_json(orient="records", double_precision=6))
            for name in ("diagnostic", "quality", "quality_classes", "utility")
        }
        scores = {name: None if math.isnan(score) else round(score, 6) for name, score in self.scores.items()}
        return {"scores": scores, **tables, "notes": dict(self.notes), "provenance": dict(self.provenance)}

    def __repr__(self) -> str:
        return "\n".join(["scdd report", *(f"  {name:<11}{score:>7}  {text}" for name, score, text in self._lines())])

    def _repr_html_(self) -> str:
        from html import escape

        rows = "".join(
            f"<tr><th style='text-align:left'>{name}</th><td>{score}</td><td style='text-align:left'>{escape(text)}</td></tr>"
            for name, score, text in self._lines()
        )
        return f"<table style='color: inherit'><caption>scdd report</caption><tbody>{rows}</tbody></table>"

    def _lines(self) -> list[tuple[str, str, str]]:
        out = []
        for name, score in self.scores.items():
            text = _MEANING[name] if not math.isnan(score) else self.notes.get(name, "no data to display").split(".")[0]
            if name == "diagnostic":
                text += f" ({int((self.diagnostic['status'] == 'fail').sum())} of {len(self.diagnostic)} checks fail)"
            if name == "utility" and len(self.utility):
                mean = by_model(self.utility).iloc[-1]
                text += f" (macro-F1 {mean['synthetic']:.3f} beside {mean['real']:.3f})"
            out.append((name, percent(score), text))
        return out
