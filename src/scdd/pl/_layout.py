"""Where the panels of the figure stand, in inches, so that nothing overlaps whatever the number of classes."""

from __future__ import annotations

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scdd.pl._figure import figure_of, size_of
from scdd.pl._ink import ink
from scdd.pl._palette import class_marker, distinct, ellipsis

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

WIDTH = 14.0
MANY = 20  # beyond this many classes the names stand at the heatmap only, and panel d gets a row of its own
_LABEL_CHARS = 26
_TOP, _ROW_1, _GAP = 0.9, 5.3, 1.2
_SQUARE = 2.25
_GENE_ROOM, _DETAIL = 0.95, 1.7


@dataclass(frozen=True)
class Layout:
    """Boxes as (left, bottom, width, height) in inches.

    Attributes
    ----------
    height
        Height of the figure; its width is 14 inches.
    boxes
        Box of each panel by name: embedding, legend (few classes only), means, zeros, key, real, synthetic, bar, detail.
    font
        Size of the class names in points.
    many
        Whether there are many classes.
    caption_top
        Where the caption starts.
    """

    height: float
    boxes: dict[str, tuple[float, float, float, float]]
    font: float
    many: bool
    caption_top: float

    def add(self, figure: Figure, name: str) -> Axes:
        """Add the axes of a panel; the label of the axes is the name of the panel."""
        left, bottom, width, height = self.boxes[name]
        return figure.add_axes((left / WIDTH, bottom / self.height, width / WIDTH, height / self.height), label=name)


def make_layout(names: Sequence[str], n_rows: int, n_caption: int) -> Layout:
    """Place the panels for the names of the shown classes (``n_rows`` of them) and a caption of so many lines."""
    many = n_rows > MANY
    pitch = 0.23 if not many else float(np.clip(9.0 / n_rows, 0.12, 0.17))
    font = 8.0 if not many else float(np.clip(pitch * 72 * 0.78, 6.5, 8.0))
    rows = max(n_rows * pitch, 1.5)
    detail = _DETAIL + 0.7 if many else 0.0
    caption = 0.12 + 0.15 * n_caption
    height = _TOP + _ROW_1 + _GAP + rows + _GENE_ROOM + detail + caption
    first = height - _TOP - _ROW_1
    second = first - _GAP - rows
    longest = max((len(ellipsis(name, _LABEL_CHARS)) for name in names), default=1)
    label = 0.62 + longest * font * 0.56 / 72
    left, right = 0.25 + label, 13.3 if many else 10.05
    half = (right - left - 0.15) / 2
    boxes = {
        "embedding": (0.4, first, 9.7 if many else 7.3, _ROW_1),
        "means": (11.35, first + _ROW_1 - _SQUARE, _SQUARE, _SQUARE),
        "zeros": (11.35, first, _SQUARE, _SQUARE),
        "key": (0.25, second, label, rows),
        "real": (left, second, half, rows),
        "synthetic": (left + half + 0.15, second, half, rows),
        "bar": (right + 0.1, second + rows - min(rows, 1.8), 0.11, min(rows, 1.8)),
        "detail": (left, second - _GENE_ROOM - detail + 0.4, right - left, _DETAIL)
        if many
        else (10.95, second, 2.9, rows),
    }
    if not many:
        boxes["legend"] = (7.85, first, 2.4, _ROW_1)
    return Layout(height, boxes, font, many, caption)


def draw_key(
    ax: Axes,
    names: Sequence[str],
    classes: NDArray[np.integer],
    *,
    colors: Sequence[str],
    font: float,
    align: bool,
    marker: str | None = None,
) -> None:
    """Write mark, number and name of each class, one line each.

    Parameters
    ----------
    ax
        Where to draw; becomes bare.
    names, colors
        Of all classes.
    classes
        The classes to write, from top to bottom.
    font
        Size in points.
    align
        Spread the lines over the whole height, as the rows of a heatmap; else leave them at the top.
    marker
        Shape of all marks; default: that of each class.
    """
    width, height = size_of(ax)
    n = len(classes)
    pitch = height / n if align else min(height / max(n, 1), 0.24)
    ax.set(xlim=(0, width), ylim=(height, 0))
    ax.axis("off")
    digits = len(str(int(max(classes, default=0)) + 1))
    number_at = 0.2 + digits * font * 0.62 / 72
    y = (np.arange(n) + 0.5) * pitch
    texts = distinct([names[k] for k in classes], _LABEL_CHARS)
    for k, at, text in zip(classes, y, texts, strict=True):
        ax.scatter(
            0.09, at, s=font**2 * (1.3 if marker else 0.62), c=colors[k], marker=marker or class_marker(int(k), colors), edgecolors=ink(), linewidths=0.5,
            clip_on=False,
        )  # fmt: skip
        ax.text(number_at, at, str(int(k) + 1), fontsize=font, ha="right", va="center_baseline", fontweight="bold")
        # labels are text, not mathematics
        ax.text(
            number_at + 0.07,
            at,
            text,
            fontsize=font,
            va="center_baseline",
            parse_math=False,
        )


def name_rows(
    ax: Axes,
    names: Sequence[str],
    classes: NDArray[np.integer],
    *,
    colors: Sequence[str],
    font: float,
    notes: Sequence[str] = (),
) -> None:
    """Write the names of classes beside the rows 0, 1, ... of axes, each with its mark; ``notes`` follow the names."""
    from matplotlib.transforms import ScaledTranslation

    texts = distinct([names[k] for k in classes], _LABEL_CHARS)
    if notes:
        texts = [f"{text} {note}" for text, note in zip(texts, notes, strict=True)]
    # labels are text, not mathematics
    ax.set_yticks(range(len(classes)), labels=texts, fontsize=font, parse_math=False)
    ax.tick_params(axis="y", length=0, pad=font + 5)
    beside = ax.get_yaxis_transform() + ScaledTranslation(-(font / 2 + 3) / 72, 0, figure_of(ax).dpi_scale_trans)
    for place, k in enumerate(classes):
        ax.plot(
            0, place, transform=beside, marker=class_marker(int(k), colors), color=colors[k], markersize=font * 0.72,
            markeredgecolor=ink(), markeredgewidth=0.4, clip_on=False,
        )  # fmt: skip


def name_room(names: Sequence[str], font: float, extra: int = 0) -> float:
    """Return the inches that the names of :func:`name_rows` take, with ``extra`` characters after each."""
    longest = max((len(ellipsis(name, _LABEL_CHARS)) for name in names), default=1)
    return 0.35 + (longest + extra) * font * 0.6 / 72


def row_pitch(n: int) -> tuple[float, float]:
    """Return the height of a row in inches and the size of its text in points, for ``n`` rows."""
    pitch = float(np.clip(9.5 / max(n, 1), 0.125, 0.22))
    return pitch, float(np.clip(pitch * 72 * 0.72, 6.5, 8.5))


def row_font(ax: Axes, n: int) -> float:
    """Return the size of text that fits ``n`` rows of axes."""
    return float(np.clip(size_of(ax)[1] / max(n, 1) * 72 * 0.72, 4.0, 8.5))


def shown_classes(sizes: NDArray[np.integer], most: int = 100) -> NDArray[np.int64]:
    """Return the classes that get a row: all, or the largest ones where there are more than ``most``."""
    if len(sizes) <= most:
        return np.arange(len(sizes))
    return np.sort(np.argsort(-sizes, kind="stable")[:most])


def largest(n_shown: int, n: int) -> str:
    """Return what a title says where not all classes are shown.

    Examples
    --------
    >>> largest(100, 120), largest(5, 5)
    (', the 100 largest of 120 classes', '')
    """
    return f", the {n_shown} largest of {n} classes" if n_shown < n else ""


def wrap(text: str, width: int = 235) -> list[str]:
    """Break the caption into lines."""
    return textwrap.wrap(text, width)
