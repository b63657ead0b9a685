"""The single plots are drawn: few and many classes, long labels, colours, given axes; and look as they did."""

from __future__ import annotations

import os
import warnings
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib import style
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.text import Text

import scdd
from scdd.errors import InputError, InputTypeError
from scdd.pl._composition import draw_composition
from scdd.pl._confusion import draw_confusion
from scdd.pl._dotplot import draw_dots
from scdd.pl._embedding import draw_embedding
from scdd.pl._figure import figure_of, grid, size_of
from scdd.pl._ink import _luminance
from scdd.pl._layout import name_rows
from scdd.pl._palette import COLORS
from scdd.pl._scores import draw_scores
from scdd.pl._scores_table import prepare_scores
from scdd.pl._training import draw_training, prepare_training

if TYPE_CHECKING:
    from anndata import AnnData

BASELINES = Path(__file__).parent / "baseline"
TOLERANCE = 10.0  # root mean square, of 255: other versions of matplotlib and its fonts move text a little
pytestmark = pytest.mark.filterwarnings("ignore::scdd.errors.ScddWarning")  # classes of few cells


@pytest.fixture(autouse=True)
def _no_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(mpl.rcParams, "backend", "agg")


def _cells(n_classes: int, name: str = "class {}") -> tuple[AnnData, AnnData]:
    adata = scdd.datasets.simulate(n_obs=6 * n_classes + 10, n_vars=150, n_classes=n_classes, depth=400)
    labels = [name.format(i % n_classes) for i in range(adata.n_obs)]
    adata.obs["cell_type"] = pd.Categorical(labels)
    return adata, scdd.tl.coreset(adata, 2, "random")


def _pair_plots() -> dict[str, Callable[..., Any]]:
    return {
        "composition": scdd.pl.composition,
        "markers": scdd.pl.markers,
        "confusion": lambda adata, syn, **options: scdd.pl.confusion(syn, adata, **options),
    }


def _drawn(figure: Figure | None) -> Figure:
    assert isinstance(figure, Figure)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        figure.savefig(BytesIO(), format="png", dpi=50)
    return figure


def _texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def _assert_inside(figure: Figure) -> None:
    """Nothing that is drawn leaves the figure."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    box = figure.get_tightbbox(canvas.get_renderer())  # inches
    width, height = figure.get_size_inches()
    assert box.x0 >= -0.02
    assert box.y0 >= -0.02
    assert box.x1 <= width + 0.02
    assert box.y1 <= height + 0.02


@pytest.mark.parametrize("n_classes", [2, 3, 63, 120])
@pytest.mark.parametrize("plot", ["composition", "markers", "confusion"])
def test_any_number_of_classes(plot: str, n_classes: int) -> None:
    figure = _drawn(_pair_plots()[plot](*_cells(n_classes, "cells of class {}"), show=False))
    _assert_inside(figure)
    named = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert len(named) == min(n_classes, 100)
    assert any("the 100 largest" in text for text in _texts(figure)) == (n_classes > 100)
    assert named[0].startswith("cells of class")
    assert min(text.get_fontsize() for text in figure.findobj(Text) if text.get_text()) >= 4


@pytest.mark.parametrize("plot", ["compare", "composition", "markers", "confusion"])
def test_a_dark_style_is_read_too(plot: str) -> None:
    plots = _pair_plots() | {"compare": scdd.pl.compare}
    with style.context("dark_background"):
        figure = _drawn(plots[plot](*_cells(24), show=False))
        for text in figure.findobj(Text):
            inside = text.axes is not None and text.axes.images and text in text.axes.texts  # on a cell of a heat map
            if text.get_text() and text.get_visible() and not inside:
                ground = to_hex(text.get_bbox_patch().get_facecolor()) if text.get_bbox_patch() else "#000000"
                assert _luminance(to_hex(text.get_color())) + 0.05 > 4.5 * (_luminance(ground) + 0.05), text
            for effect in text.get_path_effects():
                assert effect._gc["foreground"] == "#000000"


def test_one_class() -> None:
    adata, syn = _cells(1)
    for plot in (scdd.pl.composition, scdd.pl.markers):
        _assert_inside(_drawn(plot(adata, syn, show=False)))
    assert "no marker genes to display" in _texts(scdd.pl.markers(adata, syn, show=False))
    _drawn(scdd.pl.markers(adata, syn, var_names=["gene_1"], show=False))


@pytest.mark.parametrize("plot", ["composition", "markers", "confusion"])
def test_odd_labels_are_text_and_are_cut(plot: str) -> None:
    adata, _ = _cells(4)
    names = ["$x_1$ and $", "y" * 10_000, "a\nb\t\\frac{", "<script>"]
    adata.obs["cell_type"] = adata.obs["cell_type"].cat.rename_categories(names)
    figure = _drawn(_pair_plots()[plot](adata, scdd.tl.coreset(adata, 2), title="$t_1", show=False))
    texts = _texts(figure)
    assert any(text.startswith("$x_1$ and $") for text in texts)
    assert max(map(len, texts)) < 80
    assert "$t_1" in texts
    _assert_inside(figure)


def _marks(figure: Figure) -> list[str]:
    """Colours of the marks beside the names."""
    return [to_hex(line.get_markerfacecolor()) for line in figure.axes[0].lines if line.get_markeredgewidth() == 0.4]


@pytest.mark.parametrize("plot", ["composition", "markers", "confusion"])
def test_colors(plot: str) -> None:
    adata, _ = _cells(3)
    draw = _pair_plots()[plot]
    assert _marks(draw(adata, scdd.tl.coreset(adata, 2), show=False)) == list(COLORS[:3])
    adata.uns["cell_type_colors"] = ["#ff0000", "#00ff00", "#0000ff"]
    syn = scdd.tl.coreset(adata, 2)
    assert _marks(draw(adata, syn, show=False)) == ["#ff0000", "#00ff00", "#0000ff"]
    assert _marks(draw(adata, syn, palette=["k", "r", "b"], show=False))[0] == "#000000"
    for data in (adata, syn):
        data.uns["cell_type_colors"] = ["#ff0000"]  # one is missing
    assert _marks(draw(adata, syn, show=False)) == list(COLORS[:3])
    with pytest.raises(InputError, match="palette"):
        draw(adata, syn, palette="nothing", show=False)


def test_given_axes_are_used_and_not_shown(monkeypatch: pytest.MonkeyPatch) -> None:
    import matplotlib.pyplot as plt

    shown: list[int] = []
    monkeypatch.setattr(plt, "show", lambda: shown.append(1))
    adata, syn = _cells(3)
    host, axes = plt.subplots(1, 3, figsize=(12, 4))
    for ax, draw in zip(axes, _pair_plots().values(), strict=True):
        # as the value of a cell of a notebook, the figure would be drawn twice
        assert draw(adata, syn, ax=ax) is None
        assert draw(adata, syn, ax=ax, show=False) is None
        assert draw(adata, syn, ax=ax, return_fig=True) is host
        assert len(ax.get_yticklabels()) == 3
    assert scdd.pl.composition(adata, syn, ax=axes[0], show=True) is None
    assert shown == [1]
    _drawn(host)
    plt.close("all")
    with pytest.raises(InputTypeError, match="ax must be"):
        scdd.pl.composition(adata, syn, ax="left")
    assert scdd.pl.composition(adata, syn, return_fig=True) is not None
    assert len(shown) == 1


def test_axes_of_a_subfigure(monkeypatch: pytest.MonkeyPatch) -> None:
    import matplotlib.pyplot as plt

    monkeypatch.setattr(plt, "show", lambda: None)
    adata, syn = _cells(3)
    plots = _pair_plots()
    host = plt.figure(figsize=(18, 8))
    upper, lower = host.subfigures(2, 1)
    left, right = lower.subfigures(1, 2)
    for part, name in ((upper, "composition"), (left, "markers"), (right, "confusion")):
        ax = part.add_axes((0.3, 0.3, 0.4, 0.4))
        assert plots[name](adata, syn, ax=ax, return_fig=True) is host
        assert figure_of(ax) is host
        assert size_of(ax) == pytest.approx((7.2 if part is upper else 3.6, 1.6))
    _drawn(host)
    open_ = len(plt.get_fignums())
    assert plots["composition"](adata, syn, ax=upper.axes[0], show=True) is None
    assert len(plt.get_fignums()) == open_ - 1


def test_a_confusion_of_some_classes_has_the_shares_of_all() -> None:
    figure = Figure(figsize=(4, 3))
    ax = figure.add_axes((0.4, 0.35, 0.4, 0.55))
    table = pd.DataFrame([[6, 2, 0], [1, 1, 0], [0, 4, 4]])
    draw_confusion(table, ax, names=NAMES, colors=list(COLORS[:3]), classes=np.array([0, 2]))
    np.testing.assert_allclose(ax.images[0].get_array(), [[0.75, 0.0], [0.0, 0.5]])
    assert [label.get_text()[:9] for label in ax.get_yticklabels()] == ["alpha (8)", "a label t"]
    assert [label.get_text()[:5] for label in ax.get_xticklabels()] == ["alpha", "a lab"]


def test_codes_training_and_utility(small_budget: None) -> None:
    adata = scdd.datasets.simulate(n_obs=28, n_vars=80, n_classes=3, depth=500)
    adata.uns["cell_type_colors"] = ["#ff0000", "#00ff00", "#0000ff"]
    model = scdd.model.SCDD.from_checked(scdd.pp.check(adata), n_latent=6)
    model.train(progress=False)
    syn = model.distill(2, preset="fast", progress=False)
    figure = _drawn(scdd.pl.codes(syn, model, show=False))
    _assert_inside(figure)
    stars = figure.axes[0].collections[1]
    assert len(stars.get_offsets()) == 6
    assert to_hex(stars.get_facecolors()[0]) == "#ff0000"
    figure = _drawn(scdd.pl.training(model, syn, show=False))
    _assert_inside(figure)
    assert {"autoencoder", "generator", "refinement", "not refined"} <= set(_texts(figure))
    for wrong in (lambda: scdd.pl.codes(model, syn), lambda: scdd.pl.training(syn, model)):
        with pytest.raises(InputTypeError, match=r"got AnnData. The order is scdd.pl.(codes\(syn, |training\()model"):
            wrong()
    with pytest.raises(InputTypeError, match="An AnnData is needed"):
        scdd.pl.training(model, model)
    many = {f"method {k}": _scores(0.4 + 0.02 * k) for k in range(20)} | {"full": _scores(0.95)}
    figure = _drawn(scdd.pl.utility(many, ours="method 3", title="$T_1", show=False))
    _assert_inside(figure)
    texts = _texts(figure)
    assert {"method 3", "13 more methods", "full", "mean of models", "$T_1"} <= set(texts)
    assert "method 0" not in texts


def test_utility_says_what_is_wrong_and_leaves_no_figure() -> None:
    import matplotlib.pyplot as plt

    before = plt.get_fignums()
    with pytest.raises(InputError, match=r"references only \('full'\)"):
        scdd.pl.utility({"full": _scores(0.9)}, show=True)
    with pytest.raises(InputError, match="no method 'typo'"):
        scdd.pl.utility({"a": _scores(0.9)}, ours="typo", show=True)
    assert plt.get_fignums() == before


def test_names_are_text_and_one_may_stand_alone() -> None:
    scores = {"$x_1$ of $": _scores(0.8), "other": _scores(0.7)}
    scores = {name: table.replace({"model": {"RF": "$f_1$ and $"}}) for name, table in scores.items()}
    figure = _drawn(scdd.pl.utility(scores, models="$f_1$ and $", show=False))
    assert "$f_1$ and $" in _texts(figure)
    assert not any(text.get_parse_math() for text in figure.findobj(Text) if "$" in text.get_text())
    assert "other" not in _texts(scdd.pl.utility(scores, methods="$x_1$ of $", show=False))
    adata, syn = _cells(3)
    figure = scdd.pl.markers(adata, syn, var_names="gene_12", show=False)
    assert [label.get_text() for label in figure.axes[0].get_xticklabels()] == ["gene_12"] * 2


def test_a_palette_of_few_colors_repeats_with_other_marks() -> None:
    adata, syn = _cells(12)
    figure = scdd.pl.composition(adata, syn, palette="tab10", show=False)
    marks = [
        (to_hex(line.get_markerfacecolor()), line.get_marker())
        for line in figure.axes[0].lines
        if line.get_markeredgewidth() == 0.4
    ]
    assert marks[0][0] == marks[10][0]
    assert len(set(marks)) == 12


def _scores(value: float) -> pd.DataFrame:
    rows = [
        {"model": m, "metric": "macro_f1", "class": "", "value": value + 0.02 * n / 10 + 0.01 * s, "n": n, "seed": s}
        for m in ("LR", "kNN", "RF")
        for n in (1, 10)
        for s in (0, 1)
    ]
    return pd.DataFrame(rows)


# -- pictures that are compared with stored ones ----------------------------------------------------------------------

NAMES = ["alpha", "beta", "a label that is long enough to be cut"]


def _picture_composition(figure: Figure) -> None:
    ax = figure.add_axes((0.4, 0.2, 0.55, 0.5))
    table = pd.DataFrame(
        {"class": [0, 1, 2] * 2, "set": ["real"] * 3 + ["synthetic"] * 3, "n": [500, 40, 3, 10, 10, 10]}
    )
    draw_composition(table, ax, classes=np.arange(3))
    name_rows(ax, NAMES, np.arange(3), colors=COLORS[:3], font=7)


def _picture_markers(figure: Figure) -> None:
    ax = figure.add_axes((0.1, 0.3, 0.65, 0.5))
    blocks = [
        pd.DataFrame(
            {
                "set": which, "class": np.repeat([0, 1, 2], 3), "gene": ["g1", "g2", "g3"] * 3, "marker_of": [0, 1, 2] * 3,
                "value": 1.0, "scaled": np.eye(3).ravel() * 0.8 + 0.1, "share": (np.eye(3) * 0.5 + shift).ravel(),
            }
        )
        for which, shift in (("real", 0.3), ("synthetic", 0.1))
    ]  # fmt: skip
    draw_dots(pd.concat(blocks), ax)


def _picture_confusion(figure: Figure) -> None:
    ax = figure.add_axes((0.4, 0.35, 0.4, 0.55))
    table = pd.DataFrame([[8, 2, 0], [1, 9, 0], [0, 0, 0]])
    draw_confusion(table, ax, names=NAMES, colors=list(COLORS[:3]))


def _picture_codes(figure: Figure) -> None:
    ax = figure.add_axes((0.1, 0.1, 0.85, 0.85))
    angle = np.linspace(0, 6, 60)
    cells = pd.DataFrame({"x": np.cos(angle), "y": np.sin(angle), "set": "real", "class": np.arange(60) // 20})
    stars = pd.DataFrame({"x": [1.0, -0.5, 0.2], "y": [0.5, 0.8, -1.0], "set": "synthetic", "class": [0, 1, 2]})
    draw_embedding(pd.concat([cells, stars], ignore_index=True), ax, colors=COLORS[:3], marker="*", max_size=150)


def _picture_training(figure: Figure) -> None:
    history = {
        f"autoencoder_{name}": pd.DataFrame({name: np.arange(9.0, 1, -1) * f}) for name, f in (("loss", 30), ("kl", 1))
    }
    draw_training(prepare_training(history), figure.add_axes((0.2, 0.2, 0.75, 0.65)), stage="autoencoder")


def _picture_utility(figure: Figure) -> None:
    table = prepare_scores({"scdd": _scores(0.8), "random": _scores(0.6), "full": _scores(0.93)}, models=["LR", "kNN"])
    host = figure.add_axes((0.15, 0.2, 0.6, 0.65))
    draw_scores(table, grid(host, 3, 3, gap=(0.2, 0.2)), host, ours="scdd")


PICTURES = {
    name.removeprefix("_picture_"): draw for name, draw in list(globals().items()) if name.startswith("_picture_")
}


@pytest.mark.parametrize("name", PICTURES)
def test_it_looks_as_it_did(name: str, tmp_path: Path) -> None:
    from PIL import Image

    figure = Figure(figsize=(4, 2.4))
    with mpl.rc_context(mpl.rcParamsDefault):
        PICTURES[name](figure)
        figure.savefig(tmp_path / "now.png", dpi=60)
    stored = BASELINES / f"{name}.png"
    if os.environ.get("SCDD_WRITE_BASELINES"):
        Image.open(tmp_path / "now.png").convert("L").save(stored, optimize=True)
    now, then = (np.asarray(Image.open(p).convert("L"), dtype=np.float64) for p in (tmp_path / "now.png", stored))
    assert now.shape == then.shape
    assert stored.stat().st_size < 30_000
    error = float(np.sqrt(np.mean((now - then) ** 2)))
    assert error < TOLERANCE, f"{name} differs from {stored} by {error:.1f}; if it should, set SCDD_WRITE_BASELINES=1"
    assert float(np.sqrt(np.mean((255 - then) ** 2))) > 2 * TOLERANCE, "an empty picture would pass too"
