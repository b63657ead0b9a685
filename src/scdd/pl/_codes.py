"""``scdd.pl.codes``: the latent space, cells as dots and the rows of a distilled set as stars."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scdd import _keys
from scdd._about import about
from scdd._compat import obs_frame
from scdd._rng import Seed, canonical_seed
from scdd._settings import FROM_SETTINGS
from scdd.errors import InputError
from scdd.pl._arguments import check_counts, check_model
from scdd.pl._embedding import draw_embedding, project
from scdd.pl._figure import Box, canvas, size_of
from scdd.pl._layout import draw_key, name_room, shown_classes
from scdd.pl._pair import balanced_cells
from scdd.pl._palette import Palette, class_colors, ellipsis
from scdd.pp._text import first

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from scdd.model import SCDD

_PER_COLUMN = 32  # names of the key below each other
_WIDTH, _HEIGHT = 6.0, 5.2


def codes(
    syn: AnnData,
    model: SCDD,
    *,
    max_cells: int = 4000,
    palette: Palette = None,
    title: str | None = None,
    ax: Axes | None = None,
    show: bool | None = None,
    return_fig: bool = False,
    seed: Seed = FROM_SETTINGS,
) -> Figure | None:
    """Draw the latent space of a model: its cells as dots, and where the generator puts the codes of ``syn`` as stars.

    UMAP (Euclidean) is fitted on the latents of the cells, and the denoised codes are projected into it; below 30 cells
    the first two principal components are drawn.

    Parameters
    ----------
    syn
        A set that the model distilled, with ``obsm["X_scdd"]``, or cells that it generated.
    model
        The trained model, with its cells.
    max_cells
        Cells that are drawn (4,000 at most), evenly from the classes.
    palette
        Name of a colormap, a sequence of colours, or a mapping from class to colour. None: the colours that the cells
        came with, else colours that colour-blind readers can tell apart.
    title
        Title of the axes. None: the numbers of cells and codes.
    ax
        Axes to draw on. None: those of a new figure.
    show
        Show the figure. None: ``scanpy.settings.autoshow``, unless ``return_fig`` or ``ax`` is given.
    return_fig
        Return the figure.
    seed
        Integer, numpy Generator or None. Default: ``scdd.settings.seed``.

    Returns
    -------
    The figure with ``return_fig=True``, or where it is a new one that is not shown, else None.

    Raises
    ------
    scdd.errors.InputError
        If ``syn`` holds no codes of this model, or the model was loaded without cells.
    scdd.errors.InputTypeError
        If ``model`` is no model, or ``syn`` no AnnData.
    scdd.errors.NotTrainedError
        If the model was not trained.

    Examples
    --------
    >>> import scdd
    >>> adata = scdd.datasets.simulate(n_obs=300, n_vars=100)
    >>> model = scdd.model.SCDD.from_checked(scdd.pp.check(adata), n_latent=8)
    >>> model.train(max_epochs=2, progress=False)
    >>> figure = scdd.pl.codes(model.distill(2, preset="fast", progress=False), model, show=False)
    """
    check_counts(max_cells=max_cells)
    check_model(model, syn, call="scdd.pl.codes(syn, model)")
    model._check_trained()
    seed = canonical_seed(seed)
    labels = np.asarray(model._source.labels, dtype=np.int64)
    code_labels = _labels(syn, model)
    names = model._meta.class_names
    table = prepare_codes(
        model.get_latent_representation(), labels, denoised(syn, model, code_labels), code_labels,
        max_cells=min(max_cells, 4000), seed=seed,
    )  # fmt: skip
    colors = class_colors(names, palette, _stored(model))
    shown = shown_classes(np.bincount(labels, minlength=len(names)))
    room = name_room([names[k] for k in shown], 8.0, extra=4) + 0.25
    n_columns = -(-len(shown) // _PER_COLUMN)
    box = Box(_WIDTH, _HEIGHT, left=0.35, right=0.15 + room * n_columns, top=0.5, bottom=0.4)
    at = canvas(ax, box, show=show, return_fig=return_fig)
    draw_embedding(table, at.ax, colors=colors, numbers=len(names) > 1, marker="*", max_size=150.0)
    for k in range(n_columns):
        part = shown[k * _PER_COLUMN : (k + 1) * _PER_COLUMN]
        width = size_of(at.ax)[0]
        key = at.ax.inset_axes((1 + (0.15 + k * room) / width, 0, room / width, 1))
        draw_key(key, names, part, colors=colors, font=8.0, align=False, marker="*")
    n_cells = int((table["set"] == "real").sum())
    text = title or f"Latent space: {n_cells:,} cells and {len(code_labels):,} codes (stars)"
    at.ax.set_title(ellipsis(text, 80), fontsize=10, loc="left", parse_math=False)
    return at.done(return_fig=return_fig)


def prepare_codes(
    latents: NDArray[np.floating],
    labels: NDArray[np.integer],
    points: NDArray[np.floating],
    point_labels: NDArray[np.integer],
    *,
    max_cells: int,
    seed: int,
) -> pd.DataFrame:
    """Fit an embedding on the latents of cells and project denoised codes into it.

    Returns
    -------
    Table with the columns x, y, set (``"real"`` or ``"synthetic"``) and class; ``attrs["method"]`` names the embedding.
    """
    import pandas as pd

    drawn = balanced_cells(labels, max_cells, seed)
    a, b, method = project(latents[drawn], points, seed, metric="euclidean")
    table = pd.DataFrame(
        {
            "x": np.concatenate([a[:, 0], b[:, 0]]).astype(np.float64),
            "y": np.concatenate([a[:, 1], b[:, 1]]).astype(np.float64),
            "set": ["real"] * len(a) + ["synthetic"] * len(b),
            "class": np.concatenate([labels[drawn], point_labels]),
        }
    )
    table.attrs["method"] = method
    return table


def denoised(syn: AnnData, model: SCDD, labels: NDArray[np.int64]) -> NDArray[np.float32]:
    """Return the latents (n, n_latent) of a set: what one generator step makes of its codes, moved by its guidance."""
    import torch

    from scdd.distill._codes import Codes

    z = np.asarray(syn.obsm[_keys.CODES], dtype=np.float32)
    told = about(syn).told
    if str(told.get("kind")) == "generated":
        # generated cells hold their latents: they came from noise
        return z
    params, record = told.get("params", {}), told.get("record", {})
    batches = _positions(syn, model._meta.batch_key, model._meta.batch_names)
    device = model.module.device
    rows = Codes(
        torch.from_numpy(z).to(device),
        torch.from_numpy(labels).to(device),
        torch.from_numpy(batches).to(device),
        level=float(params["code_noise"]),
        guidance=float(record.get("guidance", 0.0)),
        generator=str(params["generator"]),
    )
    with torch.no_grad():
        return rows.latents(model.module).cpu().numpy().astype(np.float32)


def _labels(syn: AnnData, model: SCDD) -> NDArray[np.int64]:
    """Return the class (n,) of each row, after a look at whether the codes can be those of the model."""
    n_latent = model.module.shape.autoencoder.n_latent
    found = syn.obsm[_keys.CODES].shape[1] if _keys.CODES in syn.obsm else 0
    if found != n_latent:
        has = f"has {found} columns" if found else "is not there"
        msg = f"obsm[{_keys.CODES!r}] of syn {has}, but the model has {n_latent} latents. Pass a set that this model made."
        raise InputError(msg)
    return _positions(syn, model._meta.labels_key, model._meta.class_names)


def _positions(syn: AnnData, key: str | None, names: list[str]) -> NDArray[np.int64]:
    """Return where the values of a column of ``obs`` are among the names that the model knows; zeros without a column."""
    import pandas as pd

    if key is None:
        return np.zeros(syn.n_obs, dtype=np.int64)
    obs = obs_frame(syn)
    if key not in obs.columns:
        msg = f"syn has no obs[{key!r}], which the model was trained with. Pass a set that this model made."
        raise InputError(msg)
    found = pd.Index(names).get_indexer(obs[key].astype(str))
    if (found < 0).any():
        unknown = sorted(set(obs[key].astype(str)[found < 0]))
        msg = f"obs[{key!r}] of syn holds {len(unknown)} values that the model does not know: {first(unknown)}."
        raise InputError(msg)
    return np.asarray(found, dtype=np.int64)


def _stored(model: SCDD) -> list[str] | None:
    """Return the colours that the cells of the model came with, one for each class."""
    meta = model._meta
    if meta.colors is None or len(meta.colors) != len(meta.label_categories):
        return None
    return [str(meta.colors[code]) for code in meta.class_codes]
