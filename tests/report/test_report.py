"""``scdd.tl.report``: what it says of sets that are right, wrong, empty, hostile."""

from __future__ import annotations

import base64
import json
import re
import warnings
from collections.abc import Callable
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
from anndata import AnnData

import scdd
from scdd.errors import GeneError, InputError, InputTypeError, LabelError, ScddWarning
from scdd.tl import Report

QUICK: dict[str, Any] = {"models": ["LR", "kNN"], "plots": False}
EVIL = '<script>alert("x")</script>'


class Tags(HTMLParser):
    """Collects the tags and the attributes of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.attributes: list[tuple[str, str | None]] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += attrs


@pytest.fixture(scope="module")
def cells() -> tuple[AnnData, AnnData]:
    adata = scdd.datasets.simulate(n_obs=500, n_vars=120, n_classes=4, n_batches=3, depth=800, seed=1)
    train, test = scdd.pp.split(adata, donor_key="donor")
    return adata[train].copy(), adata[test].copy()


@pytest.fixture(scope="module")
def made(cells: tuple[AnnData, AnnData]) -> AnnData:
    return scdd.tl.coreset(cells[0], 3, method="kmeans")


@pytest.fixture(scope="module")
def told(cells: tuple[AnnData, AnnData], made: AnnData) -> Report:
    return scdd.tl.report(cells[0], made, adata_test=cells[1], **QUICK)


def test_a_good_set(told: Report, cells: tuple[AnnData, AnnData], made: AnnData) -> None:
    scores = told.scores
    assert scores["diagnostic"] == 1
    assert (told.diagnostic["status"] != "fail").all()
    assert 0.5 < scores["quality"] <= 1
    assert scores["utility"] > 0.8
    assert set(told.quality["metric"]) == set(scdd.metrics.QUALITY)
    assert told.quality["score"].dropna().between(0, 1).all()
    assert set(told.quality_classes["class"]) == set(made.obs["cell_type"])
    # the numbers are those of the tools
    scored = scdd.tl.evaluate(made, cells[1], models=QUICK["models"])
    expected = scored.query("metric == 'macro_f1'").set_index("model")["value"]
    found = told.utility.query("metric == 'macro_f1' and trained_on == 'synthetic'").set_index("model")["value"]
    pd.testing.assert_series_equal(found, expected, check_names=False)
    full = scdd.tl.evaluate(cells[0], cells[1], models=QUICK["models"], reference=cells[0])
    beside = told.utility.query("metric == 'macro_f1' and trained_on == 'real'")["value"].mean()
    assert beside == pytest.approx(full.query("metric == 'macro_f1'")["value"].mean(), abs=0.05)


def test_inputs_are_not_changed(cells: tuple[AnnData, AnnData], made: AnnData) -> None:
    before = [(x.X.sum(), list(x.obs.columns), list(x.var.columns), sorted(map(str, x.uns))) for x in (*cells, made)]
    scdd.tl.report(cells[0], made, adata_test=cells[1], **QUICK)
    assert before == [
        (x.X.sum(), list(x.obs.columns), list(x.var.columns), sorted(map(str, x.uns))) for x in (*cells, made)
    ]


def test_the_page_is_whole_and_needs_no_network(cells: tuple[AnnData, AnnData], made: AnnData, tmp_path: Path) -> None:
    path = tmp_path / "report.html"
    told = scdd.tl.report(cells[0], made, adata_test=cells[1], models=["LR"], path=path, title="<b>mine</b>")
    text = path.read_text(encoding="utf-8")
    assert text == told.html
    assert path.stat().st_size < 5e6
    assert not list(path.parent.glob(".*"))
    page = Tags(text)
    assert not {"script", "link", "iframe", "object"} & set(page.tags)
    assert "&lt;b&gt;mine&lt;/b&gt;" in text
    outside = [
        value for key, value in page.attributes if key in ("src", "href") and not re.match(r"#|data:image/png", value)
    ]
    assert not outside
    figures = re.findall(r"data:image/png;base64,([A-Za-z0-9+/=]+)", text)
    assert len(figures) == 4
    assert all(base64.b64decode(figure).startswith(b"\x89PNG") for figure in figures)
    for part in ("not measured", "held-out cells", "Privacy", "What it is not for", "scikit-learn", "no differential"):
        assert part.lower() in text.lower(), part


def test_same_seed_same_page(cells: tuple[AnnData, AnnData], made: AnnData, told: Report) -> None:
    again = scdd.tl.report(cells[0], made, adata_test=cells[1], **QUICK)
    assert again.html == told.html
    with scdd.settings.override(seed=1):
        assert scdd.tl.report(cells[0], made, **QUICK).provenance["report: seed"] == 1
    alone = scdd.tl.report(cells[0], made, adata_test=cells[1], models="LR", plots=False)
    assert set(alone.utility["model"]) == {"LR"}


def test_without_test_cells_utility_is_not_known(cells: tuple[AnnData, AnnData], made: AnnData) -> None:
    syn = made.copy()
    syn.uns["scdd"] = {**syn.uns["scdd"], "record": {"inner": {"codes": 0.912}}}
    told = scdd.tl.report(cells[0], syn, **QUICK)
    assert np.isnan(told.scores["utility"])
    assert not len(told.utility)
    assert "No held-out cells were given" in told.html
    assert "for choosing" in told.html
    assert "0.912" in told.html
    assert "no data to display" in told.html
    assert told.to_json()["scores"]["utility"] is None


def test_repr_tells_the_three_scores(told: Report) -> None:
    text = repr(told)
    assert text.splitlines()[0] == "scdd report"
    assert [line.split()[0] for line in text.splitlines()[1:]] == ["diagnostic", "quality", "utility"]
    assert "0 of 18 checks fail" in text
    assert text.isascii()
    assert "<script" not in told._repr_html_()
    assert "utility" in told._repr_html_()


def test_json_is_json(told: Report) -> None:
    text = json.dumps(told.to_json(), allow_nan=False)
    assert json.loads(text)["scores"]["diagnostic"] == 1


# -- what is no set of ours -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("keep", ["uns", "nothing"])
def test_a_coreset(cells: tuple[AnnData, AnnData], keep: str) -> None:
    syn = scdd.tl.coreset(cells[0], 4)
    if keep == "nothing":
        syn.uns = {}
        del syn.obs["scdd_weight"], syn.obs["scdd_library"], syn.var["scdd_hvg"]
    told = scdd.tl.report(cells[0], syn, adata_test=cells[1], **QUICK)
    copied = told.diagnostic.set_index("check").loc["No row is a real cell"]
    if keep == "uns":
        assert copied["status"] == "not applicable"
        assert "16 of 16" in copied["detail"]
        assert "Measured cells" in told.html
        assert told.scores["diagnostic"] == 1
    else:
        assert copied["status"] == "fail"
        assert copied["share"] == 0
        assert "carries no provenance" in told.html
        assert told.provenance["method"] == "not known"


def test_lists_and_files_on_disk(cells: tuple[AnnData, AnnData], made: AnnData, told: Report, tmp_path: Path) -> None:
    """What h5ad makes of the provenance, and cells that stay on disk, give the same report."""
    for name, adata in (("train", cells[0]), ("test", cells[1]), ("syn", made)):
        adata.write_h5ad(tmp_path / f"{name}.h5ad")
    train, test, syn = (anndata.read_h5ad(tmp_path / f"{name}.h5ad", backed="r") for name in ("train", "test", "syn"))
    again = scdd.tl.report(train, syn, adata_test=test, **QUICK)
    for name in ("diagnostic", "quality", "utility"):
        pd.testing.assert_frame_equal(getattr(again, name), getattr(told, name))


def test_a_label_column_of_another_name(cells: tuple[AnnData, AnnData]) -> None:
    train = cells[0].copy()
    train.obs = train.obs.rename(columns={"cell_type": "state"})
    syn = scdd.tl.coreset(train, 3, labels_key="state", method="kmeans")
    assert scdd.tl.report(train, syn, **QUICK).provenance["label column"] == "state"


def test_a_set_in_log_space(cells: tuple[AnnData, AnnData]) -> None:
    told = scdd.tl.report(cells[0], scdd.tl.coreset(cells[0], 3, method="kmeans_log"), **QUICK)
    assert told.diagnostic.set_index("check").loc["Counts are integers", "status"] == "not applicable"


# -- what is wrong ----------------------------------------------------------------------------------------------------


def _negative(syn: AnnData) -> None:
    syn.X.data[0] = -1


def _nan(syn: AnnData) -> None:
    syn.X.data[0] = np.nan


def _half(syn: AnnData) -> None:
    syn.X.data[:3] += 0.5


def _empty_row(syn: AnnData) -> None:
    syn.X = sp.csr_matrix(syn.X.multiply((np.arange(syn.n_obs) != 2)[:, None]))


def _no_label(syn: AnnData) -> None:
    syn.obs.loc[syn.obs_names[0], "cell_type"] = np.nan


def _weight(syn: AnnData) -> None:
    syn.obs["scdd_weight"] = syn.obs["scdd_weight"].to_numpy() * np.r_[-1.0, np.ones(syn.n_obs - 1)]


def _sum(syn: AnnData) -> None:
    syn.obs["scdd_weight"] = 1.0


def _depth(syn: AnnData) -> None:
    syn.obs["scdd_library"] = 1.0


def _repeat(syn: AnnData) -> None:
    syn.X = sp.csr_matrix(syn.X[[0, 0, *range(2, syn.n_obs)]])


def _unknown_class(syn: AnnData) -> None:
    syn.obs["cell_type"] = syn.obs["cell_type"].astype(str).replace("class_3", "other").astype("category")


def _order(syn: AnnData) -> None:
    syn.obs["cell_type"] = syn.obs["cell_type"].cat.reorder_categories([f"class_{k}" for k in (1, 0, 2, 3)])


WRONG: dict[str, tuple[Callable[[AnnData], None], str]] = {
    "negative": (_negative, "No count is negative"),
    "nan": (_nan, "No count is missing or infinite"),
    "half": (_half, "Counts are integers"),
    "empty row": (_empty_row, "Every row has counts"),
    "no label": (_no_label, "Every row has a label"),
    "weight": (_weight, "No weight is negative"),
    "sum of weights": (_sum, "Weights sum to the real cells of each class"),
    "depth": (_depth, "The depth that is told is that of the row"),
    "repeat": (_repeat, "No row is there twice"),
    "unknown class": (_unknown_class, "Every class is one of the real cells"),
    "lost class": (_unknown_class, "Every class of the real cells has rows"),
    "order": (_order, "Classes are in the order of the real cells"),
    "grouped": (_order, "Rows are in the order in which they are nested"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_fails_its_check(cells: tuple[AnnData, AnnData], made: AnnData, case: str) -> None:
    syn = made.copy()
    syn.X = syn.X.copy()
    change, check = WRONG[case]
    change(syn)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ScddWarning)
        told = scdd.tl.report(cells[0], syn, adata_test=cells[1], **QUICK)
    row = told.diagnostic.set_index("check").loc[check]
    assert row["status"] == "fail"
    assert 0 <= row["share"] < 1
    assert told.scores["diagnostic"] < 1
    assert check.lower() in told.html.lower()


@pytest.mark.parametrize("pick", ["fewer rows", "fewer genes", "genes in another order"])
def test_parts_of_a_set(cells: tuple[AnnData, AnnData], made: AnnData, pick: str) -> None:
    syn = {
        "fewer rows": made[1:],
        "fewer genes": made[:, :100],
        "genes in another order": made[:, ::-1],
    }[pick].copy()
    told = scdd.tl.report(cells[0], syn, **QUICK)
    failed = set(told.diagnostic.query("status == 'fail'")["check"])
    expected = {
        "fewer rows": "Each class has as many rows as were asked for",
        "fewer genes": "All genes of the real cells are there",
        "genes in another order": "Genes are in the order of the real cells",
    }[pick]
    assert expected in failed


def test_counts_that_cannot_be_read_leave_a_diagnostic(cells: tuple[AnnData, AnnData], made: AnnData) -> None:
    syn = made.copy()
    syn.X = syn.X * -1.0
    told = scdd.tl.report(cells[0], syn, adata_test=cells[1], models=["LR"])
    assert told.scores["diagnostic"] < 1
    assert np.isnan(told.scores["quality"])
    assert np.isnan(told.scores["utility"])
    assert told.html.count("no data to display") >= 3
    assert "no data to display" in repr(told) or "cannot be read" in repr(told)


def test_a_single_class(cells: tuple[AnnData, AnnData]) -> None:
    train = cells[0][cells[0].obs["cell_type"] == "class_0"].copy()
    told = scdd.tl.report(train, scdd.tl.coreset(train, 3), adata_test=cells[1], models=["LR"])
    assert np.isnan(told.scores["utility"])
    assert "at least two" in told.notes["utility"]
    assert told.html.count('alt="') == 4


def test_test_cells_of_other_classes(cells: tuple[AnnData, AnnData], made: AnnData) -> None:
    test = cells[1].copy()
    test.obs["cell_type"] = pd.Categorical(["elsewhere"] * test.n_obs)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ScddWarning)
        told = scdd.tl.report(cells[0], made, adata_test=test, **QUICK)
    assert np.isnan(told.scores["utility"])
    assert "No class can be scored" in told.html


def test_arguments_are_checked(cells: tuple[AnnData, AnnData], made: AnnData) -> None:
    train, test = cells
    with pytest.raises(InputError, match="Unknown test model"):
        scdd.tl.report(train, made, models=["lr"])
    with pytest.raises(InputError, match="at least one model"):
        scdd.tl.report(train, made, models=[])
    with pytest.raises(InputError, match="max_cells"):
        scdd.tl.report(train, made, max_cells=0)
    with pytest.raises(InputTypeError):
        scdd.tl.report(train, made.obs)
    with pytest.raises(LabelError):
        scdd.tl.report(train, made, labels_key="nope")
    with pytest.raises(GeneError):
        scdd.tl.report(train, made, adata_test=test[:, :50].copy(), **QUICK)


def test_few_real_cells_are_looked_at(cells: tuple[AnnData, AnnData], made: AnnData) -> None:
    told = scdd.tl.report(cells[0], made, adata_test=cells[1], max_cells=30, **QUICK)
    assert told.scores["diagnostic"] == 1  # which reads all cells, in blocks
    assert told.provenance["report: real cells looked at, at most"] == 30


# -- what is hostile --------------------------------------------------------------------------------------------------


def test_labels_genes_and_provenance_are_text(cells: tuple[AnnData, AnnData], tmp_path: Path) -> None:
    train = cells[0].copy()
    train.obs["cell_type"] = train.obs["cell_type"].cat.rename_categories(
        {"class_0": EVIL, "class_1": "a" * 10_000, "class_2": '"><img src=x onerror=alert(1)>'}
    )
    train.var_names = [f"{EVIL}{i}" if i % 2 else f"$x_{i}$" for i in range(train.n_vars)]
    syn = scdd.tl.coreset(train, 3, method="kmeans")
    syn.uns["scdd"] = {
        **syn.uns["scdd"],
        "preset": EVIL,
        "warnings": [EVIL],
        "encoder": {"name": EVIL, "licence": EVIL},
        "versions": {EVIL: EVIL},
        EVIL: EVIL,
        "record": {"inner": {EVIL: 1}},
    }
    told = scdd.tl.report(train, syn, models=["LR"], title=EVIL, path=tmp_path / "r.html")
    page = Tags(told.html)
    assert "script" not in page.tags
    assert page.tags.count("img") == 4
    assert not [key for key, _ in page.attributes if key.startswith("on")]
    assert "&lt;script&gt;" in told.html
    assert (tmp_path / "r.html").stat().st_size < 5e6
    assert EVIL not in told._repr_html_()


@pytest.mark.parametrize("uns", ["text", 3, [1, 2], {"kind": ["x"], "classes": 3, "n_per_class": "many", "params": 1}])
def test_strange_provenance_is_no_error(cells: tuple[AnnData, AnnData], made: AnnData, uns: Any) -> None:
    syn = made.copy()
    syn.uns["scdd"] = uns
    told = scdd.tl.report(cells[0], syn, **QUICK)
    assert told.scores["diagnostic"] > 0.9
    assert told.provenance["kind"] == "not known"


def test_distilled_cells(toy: AnnData, small_budget: None) -> None:
    syn = scdd.tl.distill(toy, 3, preset="fast", progress=False)
    told = scdd.tl.report(toy, syn, models=["LR"])
    assert told.scores["diagnostic"] == 1, told.diagnostic.query("status == 'fail'").to_string()
    assert told.provenance["encoder"].startswith("self")
    expanded = scdd.tl.report(toy, scdd.tl.expand(syn, 2), **QUICK)
    assert expanded.scores["diagnostic"] == 1, expanded.diagnostic.query("status == 'fail'").to_string()


def test_more_rows_than_cells_is_no_fault(toy: AnnData) -> None:
    """A row that stands for no cell of its own has a weight of 0."""
    rare = toy.obs["cell_type"].cat.categories[0]
    adata = toy[np.delete(np.arange(toy.n_obs), np.flatnonzero(toy.obs["cell_type"] == rare)[3:])].copy()
    with pytest.warns(scdd.errors.ScddWarning):
        syn = scdd.tl.distill(adata, n_per_class=5, preset="fast", progress=False)
    assert (syn.obs["scdd_weight"] == 0).any()
    assert scdd.tl.report(adata, syn, models=["kNN"], plots=False).scores["diagnostic"] == 1.0


@pytest.mark.filterwarnings("ignore::scdd.errors.ScddWarning")
def test_a_class_of_unlabelled_cells_is_right(cells: tuple[AnnData, AnnData]) -> None:
    train = cells[0].copy()
    train.obs["cell_type"] = train.obs["cell_type"].cat.rename_categories({"class_3": "Unknown"})
    syn = scdd.tl.coreset(train, 3, method="kmeans", unlabeled="class")
    assert (scdd.tl.report(train, syn, **QUICK).diagnostic["status"] != "fail").all()
