"""The figure as a whole: its parts, what goes in, and what it leaves behind."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anndata
import matplotlib as mpl
import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.collections import PathCollection
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from matplotlib.text import Text

import scdd
from scdd.errors import GeneError, InputError

if TYPE_CHECKING:
    from anndata import AnnData

Synthetic = Callable[..., "AnnData"]
FEW = {"embedding", "legend", "means", "zeros", "key", "real", "synthetic", "bar", "detail"}


@pytest.fixture(autouse=True)
def _no_window(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(mpl.rcParams, "backend", "agg")


@pytest.fixture
def small(toy: AnnData) -> AnnData:
    """28 cells of all classes: no UMAP, so that the test is quick."""
    codes = toy.obs["cell_type"].cat.codes.to_numpy()
    return toy[np.concatenate([np.flatnonzero(codes == k)[:7] for k in range(4)])].copy()


def _draw(adata: AnnData, syn: AnnData, **options: Any) -> Figure:
    figure = scdd.pl.compare(adata, syn, show=False, **options)
    assert isinstance(figure, Figure)
    return figure


def _pixels(figure: Figure) -> np.ndarray:
    buffer = BytesIO()
    figure.savefig(buffer, format="rgba", dpi=40)
    return np.frombuffer(buffer.getvalue(), dtype=np.uint8)


def _axes(figure: Figure) -> dict[str, Any]:
    return {str(ax.get_label()): ax for ax in figure.axes}


def _texts(figure: Figure) -> list[str]:
    return [text.get_text() for text in figure.findobj(Text) if text.get_text()]


def _assert_nothing_overlaps(figure: Figure) -> None:
    """Panels with all their labels lie inside of the figure and do not touch."""
    figure.set_dpi(100)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    renderer = canvas.get_renderer()
    names = [name for name in _axes(figure) if name != "key"]
    boxes = {name: _axes(figure)[name].get_tightbbox(renderer) for name in names}
    width, height = figure.bbox.size
    for name, box in boxes.items():
        assert box.x0 >= -1, name
        assert box.y0 >= -1, name
        assert box.x1 <= width + 1, name
        assert box.y1 <= height + 1, name
    for i, a in enumerate(names):
        for b in names[i + 1 :]:
            if {a, b} == {"embedding", "legend"}:
                continue
            x = min(boxes[a].x1, boxes[b].x1) - max(boxes[a].x0, boxes[b].x0)
            y = min(boxes[a].y1, boxes[b].y1) - max(boxes[a].y0, boxes[b].y0)
            assert not (x > 1 and y > 1), f"{a} and {b} overlap by {x:.0f} x {y:.0f}"


def test_the_panels_are_there(small: AnnData, synthetic: Synthetic) -> None:
    figure = _draw(small, synthetic(small, 2))
    axes = _axes(figure)
    assert set(axes) == FEW
    assert figure.get_size_inches()[0] == 14
    dots = [c for c in axes["embedding"].collections if isinstance(c, PathCollection)]
    assert [len(c.get_offsets()) for c in dots] == [28, 8]
    assert len(axes["real"].findobj(AxesImage)) == len(axes["synthetic"].findobj(AxesImage)) == 1
    assert len(axes["means"].collections[0].get_offsets()) <= 120
    texts = _texts(figure)
    assert "Class sizes" in texts
    assert any(text.startswith("r = ") for text in texts)
    caption = " ".join(texts)
    assert "scdd_mean" in caption
    assert "28 real cells and 8 synthetic rows" in caption
    for name in ("class_0", "class_3"):
        assert texts.count(name) == 2  # legend and rows
    _assert_nothing_overlaps(figure)


def test_with_umap_and_test_cells(toy: AnnData, synthetic: Synthetic) -> None:
    train, test = scdd.pp.split(toy, donor_key="donor")
    figure = _draw(toy[train], synthetic(toy[train].copy()), adata_test=toy[test], models=["LR"], title="A title")
    texts = " ".join(_texts(figure))
    assert "UMAP1" in texts
    assert "Utility" in texts
    assert "macro-F1" in texts
    assert "A title" in texts
    _assert_nothing_overlaps(figure)


@pytest.mark.parametrize("many", [False, True])
@pytest.mark.filterwarnings("ignore::scdd.errors.ScddWarning")  # test cells without a row, classes of few cells
def test_without_a_class_that_can_be_scored_the_panel_says_why(many: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scdd.pl._embedding._MIN_CELLS", 10_000)
    n = 24 if many else 4
    adata = scdd.datasets.simulate(n_obs=6 * n, n_vars=100, n_classes=n, depth=300)
    adata.obs["cell_type"] = pd.Categorical([f"cells of $kind {i % n} of many" for i in range(adata.n_obs)])
    figure = _draw(adata, scdd.tl.coreset(adata, 2), adata_test=adata[: 4 * n].copy(), models="LR")
    panel = _axes(figure)["detail"]
    words = " ".join(text.get_text() for text in panel.texts).replace("\n", " ")
    assert words.startswith("No class can be scored (cells of $kind")
    _assert_nothing_overlaps(figure)
    # what is wrong with an argument is an error all the same
    for wrong in ({"models": "typo"}, {"layer": "typo"}):
        with pytest.raises(InputError, match="typo"):
            _draw(adata, scdd.tl.coreset(adata, 2), adata_test=adata[: 4 * n].copy(), **wrong)


@pytest.mark.parametrize("method", ["random", "class_mean", "kmeans_log"])
def test_coresets_and_means(small: AnnData, method: str) -> None:
    figure = _draw(small, scdd.tl.coreset(small, 1, method=method))
    texts = " ".join(_texts(figure))
    assert "scdd_mean" not in texts
    assert ("no share of zeros" in texts.replace("\n", " ")) == (method != "random")
    _pixels(figure)


def test_same_seed_same_picture_and_nothing_is_changed(
    small: AnnData, synthetic: Synthetic, fingerprint: Callable[[AnnData], str]
) -> None:
    syn = synthetic(small, 2)
    before = fingerprint(small), fingerprint(syn)
    state = repr(np.random.get_state())
    one, two = (_draw(small, syn, max_cells=20, seed=3) for _ in range(2))
    np.testing.assert_array_equal(_pixels(one), _pixels(two))
    assert (fingerprint(small), fingerprint(syn)) == before
    assert repr(np.random.get_state()) == state


def test_all_kinds_of_matrices_draw_the_same(
    small: AnnData, synthetic: Synthetic, array_type: Callable[[Any], Any]
) -> None:
    syn = synthetic(small, 2)
    expected = _pixels(_draw(small, syn))
    other = small.copy()
    other.X = array_type(small.X)
    np.testing.assert_array_equal(_pixels(_draw(other, syn)), expected)


def test_backed_and_views_draw_the_same(small: AnnData, synthetic: Synthetic, tmp_path: Path) -> None:
    syn = synthetic(small, 2)
    expected = _pixels(_draw(small, syn))
    small.write_h5ad(tmp_path / "real.h5ad")
    backed = anndata.read_h5ad(tmp_path / "real.h5ad", backed="r")
    np.testing.assert_array_equal(_pixels(_draw(backed, syn)), expected)
    backed.file.close()
    view = anndata.concat([small, small], index_unique="-", merge="same")[: small.n_obs]
    np.testing.assert_array_equal(_pixels(_draw(view, syn)), expected)


def test_a_layer_holds_the_counts(small: AnnData, synthetic: Synthetic) -> None:
    syn = synthetic(small, 2)
    expected = _pixels(_draw(small, syn))
    small.layers["counts"] = small.X.copy()
    small.X = np.log1p(small.X)
    np.testing.assert_array_equal(_pixels(_draw(small, syn, layer="counts")), expected)


def test_odd_labels_are_text(small: AnnData) -> None:
    names = ["$x_1$ and $", "_hidden_" + "y" * 10_000, "a\nb\t\\frac{", "<script>"]
    small.obs["cell_type"] = small.obs["cell_type"].cat.rename_categories(names)
    small.var_names = [f"$g_{i}" for i in range(small.n_vars)]
    figure = _draw(small, scdd.tl.coreset(small, 2), title="$a_b")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        _pixels(figure)
    texts = _texts(figure)
    assert texts.count("$x_1$ and $") == 2
    assert texts.count("_hidden_" + "y" * 17 + "…") == 2
    assert max(map(len, texts)) < 2000
    _assert_nothing_overlaps(figure)


@pytest.mark.filterwarnings("ignore::scdd.errors.ScddWarning")  # classes of one cell
@pytest.mark.parametrize("n_classes", [1, 2, 20, 21, 63, 120])
def test_any_number_of_classes_fits(n_classes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    # the layout is what is tested
    monkeypatch.setattr("scdd.pl._embedding._MIN_CELLS", 10_000)
    adata = scdd.datasets.simulate(n_obs=4 * n_classes + 20, n_vars=150, n_classes=n_classes, depth=300)
    adata.obs["cell_type"] = pd.Categorical([f"class_{i % n_classes} of cells" for i in range(adata.n_obs)])
    figure = _draw(adata, scdd.tl.coreset(adata, 1, method="class_mean"))
    assert set(_axes(figure)) == (FEW - ({"legend"} if n_classes > 20 else set())) - (
        {"bar"} if n_classes == 1 else set()
    )
    if n_classes == 120:
        assert "100 largest of 120 classes" in " ".join(_texts(figure)).replace("\n", " ")
    sizes = [float(text.get_fontsize()) for text in figure.findobj(Text) if text.get_text()]
    assert min(sizes) >= 4.5
    _assert_nothing_overlaps(figure)


def test_colors_come_from_the_input(small: AnnData, synthetic: Synthetic) -> None:
    small.uns["cell_type_colors"] = ["#ff0000", "#00ff00", "#0000ff", "#ffff00"]
    figure = _draw(small, synthetic(small, 2))
    faces = _axes(figure)["embedding"].collections[1].get_facecolors()[:, :3]
    np.testing.assert_allclose(faces[::2], [[1, 0, 0], [0, 1, 0], [0, 0, 1], [1, 1, 0]])


def test_show_follows_scanpy(small: AnnData, synthetic: Synthetic, monkeypatch: pytest.MonkeyPatch) -> None:
    import matplotlib.pyplot as plt
    import scanpy as sc

    syn = synthetic(small, 2)
    shown: list[int] = []
    monkeypatch.setattr(plt, "show", lambda: shown.append(len(plt.get_fignums())))
    before = plt.get_fignums()
    assert isinstance(scdd.pl.compare(small, syn, show=False), Figure)
    assert isinstance(scdd.pl.compare(small, syn, return_fig=True), Figure)
    assert shown == []
    autoshow = sc.settings.autoshow
    try:
        sc.settings.autoshow = True
        assert scdd.pl.compare(small, syn) is None
        assert shown == [len(before) + 1]
        sc.settings.autoshow = False
        assert isinstance(scdd.pl.compare(small, syn), Figure)
    finally:
        sc.settings.autoshow = autoshow
    assert isinstance(scdd.pl.compare(small, syn, show=True, return_fig=True), Figure)
    assert len(shown) == 2
    assert plt.get_fignums() == before


@pytest.mark.parametrize(
    "options", [{"n_markers": 0}, {"max_cells": 0}, {"max_cells": 1.5}, {"palette": "nothing"}, {"models": ["nothing"]}]
)
def test_wrong_arguments_are_named(small: AnnData, synthetic: Synthetic, options: dict[str, Any]) -> None:
    extra = {"adata_test": small} if "models" in options else {}
    with pytest.raises((InputError, ValueError, KeyError), match=next(iter(options)).rstrip("s") + "|nothing"):
        _draw(small, synthetic(small, 2), **options, **extra)


def test_missing_genes(small: AnnData, synthetic: Synthetic) -> None:
    syn = synthetic(small, 2)
    with pytest.raises(GeneError, match="adata lacks"):
        _draw(small[:, 10:].copy(), syn)
    with pytest.raises(GeneError, match="adata_test lacks"):
        _draw(small, syn, adata_test=small[:, 10:].copy())
