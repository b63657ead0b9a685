"""Panel a: real and synthetic cells in one embedding."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from scdd._rng import stream
from scdd.metrics._preprocess import log_normalize
from scdd.pl._figure import size_of
from scdd.pl._ink import ink, paper
from scdd.pl._pair import Pair, Sample, balanced_cells
from scdd.pl._palette import class_marker

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_MIN_CELLS = 30  # fewer cells have no neighbourhoods worth the name: principal components are drawn
_N_COMPONENTS = 50
# umap-learn finds neighbours exactly below 4,096 cells; above, its index alone takes a minute to compile
_MAX_CELLS = 4000


def prepare_embedding(pair: Pair, sample: Sample, *, seed: int) -> pd.DataFrame:
    """Fit an embedding on real cells and project the synthetic rows into it.

    At most 4,000 cells of the sample, again drawn evenly from the classes: UMAP (cosine distance) on 50 principal components of log1p CP10k of the highly variable genes; below 30 cells the first
    two components.

    Returns
    -------
    Table with the columns x, y, set (``"real"`` or ``"synthetic"``) and class (position in ``pair.names``);
    ``attrs["method"]`` is ``"UMAP"`` or ``"PC"``.
    """
    import pandas as pd

    hvg = np.flatnonzero(pair.hvg)
    drawn = balanced_cells(sample.labels, _MAX_CELLS, seed)
    real = sp.csr_matrix(sample.values[drawn][:, hvg])
    synthetic = sp.csr_matrix(log_normalize(pair.counts)[:, hvg])
    a, b, method = _embed(real, synthetic, seed)
    table = pd.DataFrame(
        {
            "x": np.concatenate([a[:, 0], b[:, 0]]).astype(np.float64),
            "y": np.concatenate([a[:, 1], b[:, 1]]).astype(np.float64),
            "set": ["real"] * len(a) + ["synthetic"] * len(b),
            "class": np.concatenate([sample.labels[drawn], pair.labels]),
        }
    )
    table.attrs["method"] = method
    return table


def draw_embedding(
    table: pd.DataFrame,
    ax: Axes,
    *,
    colors: Sequence[str],
    numbers: bool = True,
    max_size: float = 46.0,
    marker: str | None = None,
) -> None:
    """Draw real cells as small dots and synthetic rows as larger shapes with an outline.

    Parameters
    ----------
    table
        From :func:`prepare_embedding`.
    ax
        Where to draw.
    colors
        Colours of the classes.
    numbers
        Write the number of each class at its middle.
    max_size
        Area of a synthetic mark, in points squared; less where there are many.
    marker
        Shape of all synthetic marks; default: that of each class.
    """
    is_real = (table["set"] == "real").to_numpy()
    x, y = table["x"].to_numpy(), table["y"].to_numpy()
    classes = table["class"].to_numpy()
    palette = np.asarray(colors)
    size = float(np.clip(9000 / max(is_real.sum(), 1), 2.5, 14))
    ax.scatter(
        x[is_real], y[is_real], s=size, c=palette[classes[is_real]], alpha=0.45, linewidths=0, rasterized=True, zorder=1
    )
    mark = float(np.clip(max_size * (60 / max((~is_real).sum(), 1)) ** 0.4, 9, max_size))
    shapes = [marker or class_marker(k, colors) for k in range(len(colors))]
    for shape in dict.fromkeys(shapes):
        of_shape = ~is_real & np.array([shapes[k] == shape for k in classes], dtype=bool)
        if of_shape.any():
            ax.scatter(
                x[of_shape], y[of_shape], s=mark, c=palette[classes[of_shape]], marker=shape, edgecolors=ink(),
                linewidths=0.7, zorder=2,
            )  # fmt: skip
    ax.set(xticks=[], yticks=[])
    method = str(table.attrs.get("method", "UMAP"))
    step = "" if method == "UMAP" else " "
    ax.set_xlabel(f"{method}{step}1", loc="left", fontsize=8)
    ax.set_ylabel(f"{method}{step}2", loc="bottom", fontsize=8)
    ax.spines[["top", "right"]].set_visible(False)
    ax.margins(0.04)
    if numbers:
        _write_numbers(table, ax)


def _embed(
    real: sp.csr_matrix, synthetic: sp.csr_matrix, seed: int
) -> tuple[NDArray[np.floating], NDArray[np.floating], str]:
    from sklearn.decomposition import PCA

    n = min(_N_COMPONENTS, min(real.shape) - 1)
    if n < 2:
        # one or two cells or genes: the values themselves
        pad = [np.pad(x[:, :2].toarray(), ((0, 0), (0, max(0, 2 - x.shape[1])))) for x in (real, synthetic)]
        return pad[0], pad[1], "value"
    # arpack takes sparse input and centres it implicitly
    pca = PCA(n, svd_solver="arpack", random_state=int(stream(seed, "pl", "pca").integers(2**31 - 1)))
    a = pca.fit_transform(real).astype(np.float32)
    b = pca.transform(synthetic).astype(np.float32)
    if len(a) < _MIN_CELLS:
        return a[:, :2], b[:, :2], "PC"
    # A row that stands for many cells is nearer to the origin than each of them: the direction tells its place.
    return (*_umap(a, b, seed, metric="cosine"), "UMAP")


def project(
    a: NDArray[np.floating], b: NDArray[np.floating], seed: int, *, metric: str
) -> tuple[NDArray[np.floating], NDArray[np.floating], str]:
    """Fit UMAP on the dense rows ``a`` and project ``b`` into it; below 30 rows their first two components."""
    if len(a) >= _MIN_CELLS:
        return (*_umap(np.asarray(a, np.float32), np.asarray(b, np.float32), seed, metric=metric), "UMAP")
    centre = a.mean(axis=0)
    axes = np.linalg.svd(a - centre, full_matrices=False)[2][:2]
    at = [np.pad((x - centre) @ axes.T, ((0, 0), (0, 2 - len(axes)))) for x in (a, b)]
    return at[0], at[1], "PC"


def _umap(
    a: NDArray[np.floating], b: NDArray[np.floating], seed: int, *, metric: str
) -> tuple[NDArray[np.floating], NDArray[np.floating]]:
    """Return the UMAP of ``a``, and ``b`` projected into it."""
    with warnings.catch_warnings():
        # numba and umap-learn warn of their own affairs
        warnings.simplefilter("ignore")
        import umap

        state = int(stream(seed, "pl", "umap").integers(2**31 - 1))
        model = umap.UMAP(
            n_neighbors=min(10, len(a) - 1),
            min_dist=0.5,
            metric=metric,
            n_epochs=200,
            random_state=state,
            transform_seed=state,
            n_jobs=1,
        )
        return np.asarray(model.fit_transform(a)), np.asarray(model.transform(b))


def _write_numbers(table: pd.DataFrame, ax: Axes) -> None:
    from matplotlib.patheffects import withStroke

    first = table[table["set"] == "real"]
    # a class without real cells has its number at its rows
    source = first if len(first) else table
    alone = table[~table["class"].isin(source["class"])]
    middle = [part.groupby("class")[["x", "y"]].median() for part in (source, alone) if len(part)]
    codes = np.concatenate([m.index.to_numpy() for m in middle])
    at = np.concatenate([m.to_numpy() for m in middle])
    ax.autoscale_view()
    low = np.array([ax.get_xlim()[0], ax.get_ylim()[0]])
    span = np.array([ax.get_xlim()[1], ax.get_ylim()[1]]) - low
    width, height = size_of(ax)
    size = 9.0 if len(codes) <= 20 else 7.0
    inches = np.array([width, height])
    box = np.array([1.35, 1.15]) * size / 72
    spread = _push_apart((at - low) / span * inches, box)
    spread = np.clip(spread, box / 2, inches - box / 2)
    for code, (x, y) in zip(codes, spread / inches * span + low, strict=True):
        text = ax.text(x, y, str(int(code) + 1), fontsize=size, fontweight="bold", ha="center", va="center", zorder=4)
        text.set_path_effects([withStroke(linewidth=2.2, foreground=paper())])


def _push_apart(at: NDArray[np.floating], box: NDArray[np.floating], *, n_steps: int = 200) -> NDArray[np.floating]:
    """Move boxes of one size apart along their axis of least overlap until none overlap (or the steps are used up)."""
    at = at.astype(np.float64, copy=True)
    for _ in range(n_steps):
        gap = at[:, None] - at[None]
        overlap = np.clip(box - np.abs(gap), 0, None)
        both = overlap.prod(axis=2) > 1e-12
        np.fill_diagonal(both, False)
        if not both.any():
            break
        # ties are broken by the order of the classes
        order = np.sign(np.subtract.outer(np.arange(len(at)), np.arange(len(at))))[..., None]
        side = np.where(gap == 0, order, np.sign(gap))
        least = overlap == overlap.min(axis=2, keepdims=True)
        at += 0.3 * (side * overlap * least * both[..., None]).sum(axis=1)
    return at
