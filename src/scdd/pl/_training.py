"""``scdd.pl.training``: the losses of a model, stage by stage."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from scdd._about import about
from scdd.pl._arguments import check_model
from scdd.pl._figure import Box, canvas, grid, write_nothing
from scdd.pl._ink import ink, seen
from scdd.pl._palette import COLORS, ellipsis

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

    from scdd.model import SCDD

_STAGES = ("autoencoder", "generator", "refinement")
_LINES = ("-", "--", "-.", ":")
_GAP = (0.8, 0.6)


def training(
    model: SCDD,
    syn: AnnData | None = None,
    *,
    title: str | None = None,
    ax: Axes | None = None,
    show: bool | None = None,
    return_fig: bool = False,
) -> Figure | None:
    """Draw the losses of a trained model, a panel for each stage, and those of the refinement of a distilled set.

    Parameters
    ----------
    model
        A model after ``train``. One that an early version saved has no history, which its panels say.
    syn
        A set distilled by the model: gives the losses of the refinement, where the referee kept one.
    title
        Title above the panels. None: how each stage ended.
    ax
        Axes that the panels are put into. None: a new figure.
    show
        Show the figure. None: ``scanpy.settings.autoshow``, unless ``return_fig`` or ``ax`` is given.
    return_fig
        Return the figure.

    Returns
    -------
    The figure with ``return_fig=True``, or where it is a new one that is not shown, else None.

    Raises
    ------
    scdd.errors.NotTrainedError
        If the model was not trained.
    scdd.errors.InputTypeError
        If ``model`` is no model, or ``syn`` no AnnData.

    Examples
    --------
    >>> import scdd
    >>> adata = scdd.datasets.simulate(n_obs=300, n_vars=100)
    >>> model = scdd.model.SCDD.from_checked(scdd.pp.check(adata), n_latent=8)
    >>> model.train(max_epochs=3, progress=False)
    >>> figure = scdd.pl.training(model, show=False)
    """
    check_model(model, syn, call="scdd.pl.training(model, syn)")
    model._check_trained()
    told = {} if syn is None else about(syn).told
    table = prepare_training(getattr(model, "history_", None) or {}, told)
    stages = [stage for stage in _STAGES if syn is not None or stage != "refinement"]
    box = Box(len(stages) * 2.5 + (len(stages) - 1) * _GAP[0], 2.1, left=0.7, right=0.25, top=0.65, bottom=0.55)
    at = canvas(ax, box, show=show, return_fig=return_fig)
    for stage, panel in zip(stages, grid(at.ax, len(stages), len(stages), gap=_GAP), strict=True):
        nothing = _why_unrefined(told) if stage == "refinement" else "no history"
        draw_training(table[table["stage"] == stage], panel, stage=stage, nothing=nothing)
    ends = ", ".join(f"{stage} {status}" for stage, status in model.status.items())
    at.ax.set_title(ellipsis(title or ends, 90), fontsize=10, loc="left", pad=18, parse_math=False)
    return at.done(return_fig=return_fig)


def prepare_training(history: Mapping[str, pd.DataFrame], told: Mapping[str, object] | None = None) -> pd.DataFrame:
    """Return a table with the columns stage, loss (its name), step and value.

    Parameters
    ----------
    history
        ``history_`` of a model: frames of one column, by ``<stage>_<loss>``; a step is an epoch.
    told
        ``uns["scdd"]`` of a distilled set, whose record holds the losses of the refinement; a step is one of the
        optimiser.
    """
    import pandas as pd

    blocks = []
    for name, frame in history.items():
        stage, _, loss = name.partition("_")
        value = frame.iloc[:, 0].to_numpy(dtype=np.float64)
        blocks.append(
            pd.DataFrame({"stage": stage, "loss": loss, "step": np.arange(1, len(value) + 1), "value": value})
        )
    record = None if told is None else told.get("record")
    losses = np.asarray(record.get("losses", []) if isinstance(record, Mapping) else [], dtype=np.float64)
    if len(losses):
        step = np.arange(1, len(losses) + 1)
        blocks.append(pd.DataFrame({"stage": "refinement", "loss": "loss", "step": step, "value": losses}))
    if not blocks:
        return pd.DataFrame({"stage": [], "loss": [], "step": [], "value": []})
    return pd.concat(blocks, ignore_index=True)


def _why_unrefined(told: Mapping[str, Any]) -> str:
    """Return why a set has no losses of a refinement: a referee judged some and kept none, or there was none."""
    record = told.get("record")
    inner = record.get("inner") if isinstance(record, Mapping) else None
    steps = np.asarray(inner.get("n_steps", ()) if isinstance(inner, Mapping) else (), dtype=np.float64)
    return "the referee kept none" if (steps > 0).any() else "not refined"


def draw_training(table: pd.DataFrame, ax: Axes, *, stage: str, nothing: str = "no history") -> None:
    """Draw the losses of one stage, each with a line style of its own; the total is thick. Without any, say ``nothing``."""
    ax.set_title(stage, fontsize=9, loc="left", pad=3)
    if not len(table):
        write_nothing(ax, nothing)
        return
    for k, loss in enumerate(sorted(set(table["loss"]), key=lambda name: (name != "loss", name))):
        part, total = table[table["loss"] == loss], loss == "loss"
        ax.plot(
            part["step"], part["value"], color=ink(0.87) if total else seen(COLORS[(k - 1) % len(COLORS)]),
            linestyle=_LINES[k % len(_LINES)], linewidth=1.8 if total else 1.1, label="total" if total else str(loss),
            marker="o" if len(part) == 1 else None, markersize=3,
        )  # fmt: skip
    middle = table.groupby("loss")["value"].median()
    if len(middle) > 1 and (table["value"] > 0).all() and middle.max() > 20 * middle.min():
        # else the small ones would lie on the axis
        ax.set_yscale("log")
    if table["loss"].nunique() > 1:
        ax.legend(fontsize=7, frameon=False, handlelength=2.4, loc="best")
    ax.set_xlabel("step" if stage == "refinement" else "epoch", fontsize=8)
    ax.set_ylabel("loss", fontsize=8)
    ax.tick_params(labelsize=7, length=2)
    ax.grid(axis="y", color=ink(0.07), linewidth=0.6)
    ax.set_axisbelow(True)
    ax.spines[["top", "right"]].set_visible(False)
