"""``scdd.pl.confusion``: which classes does a model confuse that was trained on the synthetic rows?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scdd._rng import Seed, canonical_seed
from scdd._settings import FROM_SETTINGS
from scdd.errors import InputError
from scdd.pl._figure import Box, canvas, size_of
from scdd.pl._ink import heat, missing, paper, written_on
from scdd.pl._layout import largest, name_room, name_rows, row_font, shown_classes
from scdd.pl._palette import Palette, class_colors, distinct, ellipsis

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from matplotlib.image import AxesImage

    from scdd.tl._train_test import TrainTest

_WRITTEN = 20  # up to so many classes the shares are written into the cells


def confusion(
    syn: AnnData,
    adata_test: AnnData,
    *,
    model: str = "LR",
    labels_key: str | None = None,
    layer: str | None = None,
    reference: AnnData | None = None,
    normalize: bool = True,
    palette: Palette = None,
    title: str | None = None,
    ax: Axes | None = None,
    show: bool | None = None,
    return_fig: bool = False,
    seed: Seed = FROM_SETTINGS,
) -> Figure | None:
    """Train a model on the synthetic rows, and draw what it sees in test cells: true class by predicted class.

    Parameters
    ----------
    syn
        What the model is trained on: a distilled set, a coreset, or real cells.
    adata_test
        Real cells with raw counts that had no part in making ``syn``. Cells of classes that ``syn`` lacks are left out,
        with a warning.
    model
        A name from :data:`scdd.metrics.TEST_MODELS`.
    labels_key
        Column of ``obs`` with the classes, in both. None: the one ``syn`` was made with, else ``"cell_type"``.
    layer
        Layer of ``adata_test`` and ``reference`` that holds the counts. None: ``X``.
    reference
        The original training cells, for the highly variable genes where ``syn`` has no ``var["scdd_hvg"]``.
    normalize
        Show shares of the cells of the true class, which add up to 1 in each row; else numbers of cells.
    palette
        Colours of the classes, as in :func:`scdd.pl.compare`.
    title
        Title of the axes. None: the model, and the share of cells that it gets right.
    ax
        Axes to draw on. None: those of a new figure.
    show
        Show the figure. None: ``scanpy.settings.autoshow``, unless ``return_fig`` or ``ax`` is given.
    return_fig
        Return the figure.
    seed
        Seed of the model. Default: ``scdd.settings.seed``.

    Returns
    -------
    The figure with ``return_fig=True``, or where it is a new one that is not shown, else None. Beyond 100 classes those
    with most test cells are drawn; shares are of all cells.

    Raises
    ------
    scdd.errors.InputError
        If an input cannot be used, or there is no such model.

    Examples
    --------
    >>> import scdd
    >>> adata = scdd.datasets.simulate()
    >>> train, test = scdd.pp.split(adata, donor_key="donor")
    >>> figure = scdd.pl.confusion(scdd.tl.coreset(adata[train], 3), adata[test], show=False)
    """
    from scdd.tl._train_test import read_train_test  # scdd.tl draws reports, and so imports this package

    data = read_train_test(syn, adata_test, labels_key=labels_key, layer=layer, reference=reference)
    data.warn_unknown()
    names = data.names[: data.n_known]
    table = prepare_confusion(data, model=model, seed=canonical_seed(seed))
    colors = class_colors(names, palette, _stored(syn, data))
    classes = shown_classes(table.to_numpy().sum(axis=1))
    shown = [names[k] for k in classes]
    n = len(shown)
    cell = float(np.clip(7.0 / n, 0.135, 0.34))
    font = float(np.clip(cell * 72 * 0.7, 6.5, 8.5))
    side = max(cell * n, 1.2)
    room = name_room(shown, font, extra=8)
    box = Box(side, side, left=room + 0.25, right=max(1.0, 3.8 - side), top=0.5, bottom=name_room(shown, font) + 0.15)
    at = canvas(ax, box, show=show, return_fig=return_fig)
    draw_confusion(table, at.ax, names=names, colors=colors, classes=classes, normalize=normalize)
    right = float(np.trace(table.to_numpy()) / max(table.to_numpy().sum(), 1))
    text = f"{model} trained on {len(data.train_labels):,} rows: {right:.1%} of test cells right"
    at.ax.set_title(
        ellipsis(title or text + largest(n, len(names)), 90 if n < len(names) else 70),
        fontsize=9.5,
        loc="left",
        parse_math=False,
    )
    return at.done(return_fig=return_fig)


def prepare_confusion(data: TrainTest, *, model: str = "LR", seed: int = 0) -> pd.DataFrame:
    """Return the number of test cells of each true class (rows) by predicted class (columns), both by their position."""
    import pandas as pd

    from scdd.metrics import TEST_MODELS
    from scdd.metrics._utility import predict_panel

    if data.n_known < 2:
        msg = "The training rows hold one class: there is nothing that a model could confuse."
        raise InputError(msg)
    cells = np.flatnonzero(data.test_labels < data.n_known)
    predicted = predict_panel(
        data.train_counts,
        data.train_labels,
        data.test_counts,
        cells,
        data.hvg,
        {model: TEST_MODELS.get(model)},
        seed=seed,
    )[model]
    table = np.zeros((data.n_known, data.n_known), dtype=np.int64)
    np.add.at(table, (data.test_labels[cells], predicted), 1)
    position = pd.RangeIndex(data.n_known)
    return pd.DataFrame(table, index=position.rename("true"), columns=position.rename("predicted"))


def draw_confusion(
    table: pd.DataFrame,
    ax: Axes,
    *,
    names: list[str],
    colors: list[str],
    classes: NDArray[np.integer] | None = None,
    normalize: bool = True,
) -> None:
    """Draw the table as a heatmap, or some classes of it: paper is none; a row without test cells is grey."""
    classes = np.arange(len(names)) if classes is None else classes
    # cells that are taken for a class that is not shown count too
    total = table.to_numpy().sum(axis=1, keepdims=True)[classes]
    numbers = table.to_numpy()[np.ix_(classes, classes)]
    share = np.divide(numbers, total, out=np.full(numbers.shape, np.nan), where=total > 0)
    shown = share if normalize else np.where(total > 0, numbers, np.nan).astype(float)
    n = len(classes)
    top = 1.0 if normalize else max(float(numbers.max(initial=0)), 1.0)
    ax.set_facecolor(missing())
    # what nobody was taken for is left blank
    cmap = heat().with_extremes(under=paper())
    image = ax.imshow(
        np.ma.masked_invalid(shown), cmap=cmap, vmin=1e-9, vmax=top, aspect="auto", interpolation="nearest"
    )
    font = row_font(ax, n)
    name_rows(ax, names, classes, colors=colors, font=font, notes=[f"({k:,})" for k in total.ravel()])
    ax.set_xticks(
        range(n), labels=distinct([names[k] for k in classes], 26), rotation=90, fontsize=font, parse_math=False
    )
    ax.tick_params(axis="x", length=0, pad=3)
    ax.set_xlabel("predicted", fontsize=8.5)
    ax.set_ylabel("true (test cells)" if total.all() else "true (test cells; grey: none)", fontsize=8.5)
    for spine in ax.spines.values():
        spine.set_linewidth(0.5)
    if n <= _WRITTEN:
        _write(ax, shown, image, normalize=normalize)
    width, height = size_of(ax)
    bar = ax.inset_axes((1 + 0.12 / width, max(1 - 1.4 / height, 0), 0.12 / width, min(1.4 / height, 1)))
    colorbar = image.figure.colorbar(image, cax=bar)
    colorbar.outline.set_linewidth(0.5)
    bar.tick_params(labelsize=7, length=2)
    colorbar.set_label("share of the true class" if normalize else "test cells", fontsize=7)


def _write(ax: Axes, shown: NDArray[np.floating], image: AxesImage, *, normalize: bool) -> None:
    """Write the values into the cells; what rounds to nothing stays empty."""
    width, _ = size_of(ax)
    size = float(np.clip(width / len(shown) * 72 * (0.34 if normalize else 0.26), 4.0, 8.0))
    for (i, j), value in np.ndenumerate(shown):
        if np.isfinite(value) and value >= (0.005 if normalize else 1):
            text = f"{100 * value:.0f}" if normalize else f"{value:.0f}"
            ax.text(
                j,
                i,
                text,
                fontsize=size,
                ha="center",
                va="center_baseline",
                color=written_on(image.to_rgba(value)),
            )


def _stored(syn: AnnData, data: TrainTest) -> list[str] | None:
    """Return the colours that the set carries for its classes, or None."""
    from scdd._compat import obs_frame
    from scdd.pp._labels import read_column

    stored = syn.uns.get(f"{data.labels_key}_colors")
    categories = read_column(syn, data.labels_key, "labels_key").categories if data.labels_key in obs_frame(syn) else []
    if stored is None or isinstance(stored, str) or len(stored) != len(categories):
        return None
    known = {str(name): str(color) for name, color in zip(categories, stored, strict=True)}
    found = [known.get(name, "") for name in data.names[: data.n_known]]
    return found if all(found) else None
