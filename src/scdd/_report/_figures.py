"""The figures of a report: the parts of ``scdd.pl.compare``, each on its own, as PNG in text."""

from __future__ import annotations

import base64
import io
import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scdd.pl._composition import draw_composition, prepare_composition
from scdd.pl._embedding import draw_embedding, prepare_embedding
from scdd.pl._figure import new_figure
from scdd.pl._layout import draw_key, shown_classes
from scdd.pl._markers import draw_markers, prepare_markers
from scdd.pl._means import draw_means, draw_zeros, prepare_means
from scdd.pl._pair import Pair, draw_sample
from scdd.pl._palette import MARKERS, class_colors, class_marker, ellipsis
from scdd.pl._utility import draw_utility

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

__all__ = ["Picture", "draw_pictures"]

_DPI = 110
_WIDTH = 7.4  # inches: text is still to be read on a phone
_KEY = 2.1  # of them for the names of classes


@dataclass(frozen=True)
class Picture:
    """A figure in a page.

    Attributes
    ----------
    title, caption
        What it shows; the caption is also what a screen reader reads.
    png
        The image, base64.
    key
        Number, name, colour and shape (position in ``MARKERS``) of each class, where the figure has numbers only.
    """

    title: str
    caption: str
    png: str
    key: tuple[tuple[int, str, str, int], ...] = ()


def draw_pictures(pair: Pair, utility: pd.DataFrame | None, *, max_cells: int, seed: int) -> list[Picture]:
    """Draw all figures; real cells are thinned to ``max_cells``.

    Parameters
    ----------
    pair
        The two sets.
    utility
        From :func:`scdd.pl._utility.prepare_utility`; None: class sizes are drawn instead.
    max_cells
        Real cells that are embedded and ranked at most.
    seed
        Of the draw and the embedding.
    """
    from matplotlib import style

    classes = shown_classes(pair.real_sizes + pair.synthetic_sizes)
    # the style of the session is not that of the page
    with warnings.catch_warnings(), style.context("default"):
        colors = class_colors(pair.names, None, pair.colors)
        # a class name may hold characters that the font lacks
        warnings.filterwarnings("ignore", message="Glyph .* missing from", category=UserWarning)
        sample = draw_sample(pair, max_cells, seed)
        return [
            _embedding(pair, prepare_embedding(pair, sample, seed=seed), colors, classes),
            _markers(pair, prepare_markers(pair, sample, n_markers=3, classes=classes), colors, classes),
            _means(prepare_means(pair)),
            _composition(pair, colors, classes) if utility is None else _utility(pair, utility, colors, classes),
        ]


def _embedding(pair: Pair, table: pd.DataFrame, colors: Sequence[str], classes: NDArray[np.integer]) -> Picture:
    figure = new_figure(_WIDTH, 5.4, managed=False)
    draw_embedding(table, figure.add_axes((0.06, 0.06, 0.92, 0.92)), colors=colors, numbers=len(pair.names) > 1)
    n = int((table["set"] == "real").sum())
    return Picture(
        "Embedding",
        f"{table.attrs['method']} fitted on {n:,} real cells (dots), with the rows of the set projected into it "
        "(outlined shapes). Numbers mark the middle of each class.",
        _png(figure),
        tuple(
            (int(k) + 1, ellipsis(pair.names[k], 60), colors[k], MARKERS.index(class_marker(int(k), colors)))
            for k in classes
        ),
    )


def _markers(pair: Pair, table: pd.DataFrame, colors: Sequence[str], classes: NDArray[np.integer]) -> Picture:
    rows = max(len(classes) * _pitch(classes), 1.2)
    room = 0.85  # for gene names
    height = 2 * (rows + room) + 0.6
    figure = new_figure(_WIDTH, height, managed=False)
    for k, which in enumerate(("real", "synthetic")):
        bottom = height - 0.3 - (k + 1) * rows - k * (room + 0.3)
        _key(figure, pair, colors, classes, bottom, rows)
        ax = _axes(figure, bottom, rows)
        genes = max(table["gene"].nunique(), 1)
        draw_markers(table, ax, which=which, gene_size=float(np.clip((_WIDTH - _KEY) / genes * 66, 3.5, 8)))
        ax.set_title(which, fontsize=9, loc="left")
    return Picture(
        "Marker genes",
        "Mean of log1p counts per 10k of the genes that mark each class among real cells, in real cells (above) and in the "
        "set (below); colours are relative to the class in which real cells show most of the gene, grey: no rows.",
        _png(figure),
    )


def _means(table: pd.DataFrame) -> Picture:
    figure = new_figure(_WIDTH, 3.7, managed=False)
    draw_means(table, figure.add_axes((0.09, 0.14, 0.38, 0.8)))
    draw_zeros(table, figure.add_axes((0.6, 0.14, 0.38, 0.8)))
    text = "Mean expression (left) and share of zeros (right) of every gene, averaged over the classes."
    if table.attrs["expected"]:
        text += " Values of the set come from its expected counts: denoised rows stand for many cells and are no single cells."
    return Picture("Genes", text, _png(figure))


def _composition(pair: Pair, colors: Sequence[str], classes: NDArray[np.integer]) -> Picture:
    figure, ax = _per_class(pair, colors, classes)
    draw_composition(prepare_composition(pair), ax, classes=classes)
    return Picture("Class sizes", "Real cells and rows of each class, on a log axis.", _png(figure))


def _utility(pair: Pair, table: pd.DataFrame, colors: Sequence[str], classes: NDArray[np.integer]) -> Picture:
    figure, ax = _per_class(pair, colors, classes)
    draw_utility(table, ax, classes=classes)
    return Picture(
        "F1 of each class",
        f"F1 on test cells, mean of the models, for models trained on {table.attrs['n_real']:,} real cells and on the set.",
        _png(figure),
    )


def _per_class(pair: Pair, colors: Sequence[str], classes: NDArray[np.integer]) -> tuple[Figure, Axes]:
    """Return a figure with the names of the classes, and the axes beside them."""
    rows = max(len(classes) * _pitch(classes), 1.2)
    figure = new_figure(_WIDTH, rows + 1.15, managed=False)
    _key(figure, pair, colors, classes, 0.6, rows)
    return figure, _axes(figure, 0.6, rows)


def _pitch(classes: NDArray[np.integer]) -> float:
    return 0.24 if len(classes) <= 30 else 0.17


def _key(
    figure: Figure, pair: Pair, colors: Sequence[str], classes: NDArray[np.integer], bottom: float, rows: float
) -> None:
    height = figure.get_figheight()
    ax = figure.add_axes((0.01, bottom / height, (_KEY - 0.1) / _WIDTH, rows / height))
    draw_key(ax, pair.names, classes, colors=colors, font=8.0 if _pitch(classes) > 0.2 else 7.0, align=True)


def _axes(figure: Figure, bottom: float, rows: float) -> Axes:
    height = figure.get_figheight()
    return figure.add_axes((_KEY / _WIDTH, bottom / height, (_WIDTH - _KEY - 0.15) / _WIDTH, rows / height))


def _png(figure: Figure) -> str:
    buffer = io.BytesIO()
    # no version of matplotlib in the file: the same set gives the same page
    figure.savefig(buffer, format="png", dpi=_DPI, metadata={"Software": None})
    return base64.b64encode(buffer.getvalue()).decode("ascii")
