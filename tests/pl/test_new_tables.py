"""The tables behind the single plots, against plain numpy and pandas."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pandas as pd
import pytest
from sklearn.linear_model import LogisticRegression

import scdd
from scdd.errors import GeneError, InputError, LabelError
from scdd.metrics import preprocess
from scdd.pl._codes import denoised, prepare_codes
from scdd.pl._confusion import prepare_confusion
from scdd.pl._dotplot import prepare_dots
from scdd.pl._pair import draw_sample, make_pair
from scdd.pl._scores_table import MEAN, ours_of, prepare_scores
from scdd.pl._training import _why_unrefined, prepare_training
from scdd.tl._train_test import read_train_test

if TYPE_CHECKING:
    from anndata import AnnData

Synthetic = Callable[..., "AnnData"]


def evaluation(values: dict[str, list[float]], n: float) -> pd.DataFrame:
    """A table of ``scdd.tl.evaluate``: for each model its macro-F1 by seed."""
    rows = [
        {"model": model, "metric": metric, "class": label, "value": value, "n": n, "seed": seed}
        for model, scores in values.items()
        for seed, score in enumerate(scores)
        for metric, label, value in (("macro_f1", "", score), ("accuracy", "", 0.5), ("f1", "a", 0.1))
    ]
    return pd.DataFrame(rows)


# -- markers ----------------------------------------------------------------------------------------------------------


def test_shares_are_those_of_the_cells(toy: AnnData) -> None:
    syn = scdd.tl.coreset(toy, 5, "random")
    pair = make_pair(toy, syn, labels_key=None, layer=None)
    table = prepare_dots(pair, draw_sample(pair, 5000, 0), n_markers=2)
    for which, data in (("real", toy), ("synthetic", syn)):
        side = table[table["set"] == which]
        for row in side.itertuples():
            cells = data[(data.obs["cell_type"] == pair.names[row[2]]).to_numpy(), row.gene].X.toarray()
            assert row.share == pytest.approx((cells > 0).mean())
    assert list(dict.fromkeys(table["marker_of"])) == [0, 1, 2, 3]


def test_rows_that_are_no_cells(toy: AnnData, synthetic: Synthetic) -> None:
    pair = make_pair(toy, synthetic(toy), labels_key=None, layer=None)
    table = prepare_dots(pair, draw_sample(pair, 5000, 0), n_markers=1, genes=["gene_7", "gene_3", "gene_7"])
    side = table[table["set"] == "synthetic"]
    assert list(dict.fromkeys(side["gene"])) == ["gene_7", "gene_3"]
    assert set(side["marker_of"]) == {-1}
    # negative binomial with theta 2: P(0) = (1 + mu / 2) ** -2, weighted by the cells of each row
    for row in side.itertuples():
        rows = np.flatnonzero(pair.labels == row[2])
        mu = pair.expected[rows][:, pair.genes.get_loc(row.gene)].toarray().ravel()
        assert row.share == pytest.approx(np.average(1 - (1 + mu / 2) ** -2, weights=pair.weight[rows]), rel=1e-5)
    means = make_pair(toy, scdd.tl.coreset(toy, 1, "class_mean"), labels_key=None, layer=None)
    table = prepare_dots(means, draw_sample(means, 5000, 0), n_markers=1)
    assert table.loc[table["set"] == "synthetic", "share"].isna().all()
    with pytest.raises(GeneError, match=r"lacks 1 of 2 genes of var_names: .*no such"):
        prepare_dots(means, draw_sample(means, 50, 0), n_markers=1, genes=["gene_1", "no such"])


# -- utility ----------------------------------------------------------------------------------------------------------


def test_scores_of_evaluations() -> None:
    tables = {
        "mine": pd.concat(
            [evaluation({"LR": [0.5, 0.7], "kNN": [0.3, 0.3]}, 1), evaluation({"LR": [0.9], "kNN": [0.5]}, 10)]
        ),
        "full": evaluation({"LR": [1.0], "kNN": [0.8]}, 500),
    }
    table = prepare_scores(tables)
    assert table.attrs == {"metric": "macro_f1", "task": ""}
    at = table.set_index(["method", "model", "n"])
    assert at.loc[("mine", "LR", 1)][["mean", "sd", "runs"]].tolist() == pytest.approx(
        [0.6, np.std([0.5, 0.7], ddof=1), 2]
    )
    assert at.loc[("mine", MEAN, 1)][["mean", "sd"]].tolist() == pytest.approx([0.45, np.std([0.4, 0.5], ddof=1)])
    assert np.isnan(at.loc[("mine", "LR", 10), "sd"])
    assert at["reference"].groupby("method").first().to_dict() == {"full": True, "mine": False}
    assert list(dict.fromkeys(table["model"])) == ["LR", "kNN", MEAN]
    assert ours_of(table, None) == "mine"
    one = prepare_scores(tables["mine"], metric="accuracy", models=["kNN"])
    assert set(one["model"]) == {"kNN"}
    assert one["mean"].tolist() == [0.5, 0.5]
    assert set(one["method"]) == {"synthetic"}


def test_scores_of_several_splits_are_runs_of_their_own() -> None:
    joined = pd.concat([evaluation({"LR": [0.2], "kNN": [0.4]}, 1), evaluation({"LR": [0.6], "kNN": [0.8]}, 1)])
    table = prepare_scores(joined).set_index("model")
    assert table["runs"].tolist() == [2, 2, 2]
    assert table.loc[MEAN, "mean"] == pytest.approx(0.5)


def test_a_model_that_failed_takes_no_part_in_the_mean() -> None:
    table = evaluation({"LR": [0.5, 0.7], "kNN": [0.3]}, 1)
    at = prepare_scores(table).set_index("model")
    assert at.loc[MEAN, ["mean", "runs"]].tolist() == [0.4, 1]


def test_scores_of_a_benchmark(tmp_path: Path) -> None:
    results = scdd.benchmark.run(
        "simulated", ["random", "class_mean", "full"], n=[1, 3], splits=[0], models=["LR", "kNN"], progress=False,
        out=tmp_path / "b.csv",
    )  # fmt: skip
    table = prepare_scores(tmp_path / "b.csv", methods=["random", "full"])
    assert table.attrs["task"] == "simulated"
    plain = results[(results["method"] == "random") & (results["n"] == 3) & (results["model"] == "LR")]["macro_f1"]
    at = table.set_index(["method", "model", "n"])
    assert at.loc[("random", "LR", 3), "mean"] == pytest.approx(plain.mean())
    assert len(table[(table["method"] == "full") & (table["model"] == "LR")]) == 1
    both = pd.concat([results, results.assign(task="other")])
    with pytest.raises(InputError, match="hold 2 tasks"):
        prepare_scores(both)
    pd.testing.assert_frame_equal(prepare_scores(both, task="other", methods=["random", "full"]), table)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"metric": "f2"}, "Unknown metric"),
        ({"models": ["RF"]}, "no model 'RF'"),
        ({"methods": ["x"]}, "no method 'x'"),
    ],
)
def test_wrong_names_of_scores(options: dict[str, object], text: str) -> None:
    with pytest.raises(InputError, match=text):
        prepare_scores(evaluation({"LR": [0.5]}, 1), **options)
    with pytest.raises(InputError, match="empty"):
        prepare_scores({})
    with pytest.raises(InputError, match="no method 'y'"):
        scdd.pl.utility(evaluation({"LR": [0.5]}, 1), ours="y", show=False)


# -- training ---------------------------------------------------------------------------------------------------------


def test_losses() -> None:
    history = {"autoencoder_loss": pd.DataFrame({"loss": [3.0, 2.0]}), "generator_loss": pd.DataFrame({"loss": [1.0]})}
    table = prepare_training(history, {"record": {"losses": np.array([0.5, 0.25])}})
    assert table["stage"].tolist() == ["autoencoder"] * 2 + ["generator"] + ["refinement"] * 2
    assert table["step"].tolist() == [1, 2, 1, 1, 2]
    assert table["value"].tolist() == [3.0, 2.0, 1.0, 0.5, 0.25]
    assert len(prepare_training({}, {"record": {}})) == len(prepare_training({})) == 0


def test_why_there_is_no_refinement() -> None:
    # columns of what the referee judged: lists, and arrays after a file was read
    assert _why_unrefined({"record": {"inner": {"n_steps": np.array([0, 0, 60])}}}) == "the referee kept none"
    unjudged: list[dict[str, object]] = [{}, {"record": {"inner": {}}}, {"record": {"inner": {"n_steps": [0]}}}]
    for told in unjudged:
        assert _why_unrefined(told) == "not refined"


# -- confusion --------------------------------------------------------------------------------------------------------


def test_confusion_is_that_of_sklearn(toy: AnnData) -> None:
    from sklearn.metrics import confusion_matrix

    train, test = (toy[index].copy() for index in scdd.pp.split(toy, donor_key="donor"))
    data = read_train_test(train, test, labels_key=None, layer=None, reference=train)
    table = prepare_confusion(data, model="LR")
    x, z = (preprocess(a.X, data.hvg) for a in (train, test))
    y = train.obs["cell_type"].cat.codes.to_numpy()
    predicted = LogisticRegression(C=1.0, max_iter=1000).fit(x, y).predict(z)
    np.testing.assert_array_equal(table, confusion_matrix(test.obs["cell_type"].cat.codes, predicted))


def test_confusion_leaves_unknown_classes_out(toy: AnnData) -> None:
    few = scdd.tl.coreset(toy[(toy.obs["cell_type"] != "class_3").to_numpy()].copy(), 3)
    data = read_train_test(few, toy, labels_key=None, layer=None)
    table = prepare_confusion(data)
    assert table.shape == (3, 3)
    assert table.to_numpy().sum() == (toy.obs["cell_type"] != "class_3").sum()
    with pytest.warns(scdd.errors.ScddWarning, match="'class_3'"):
        scdd.pl.confusion(few, toy, show=False)
    one = toy[(toy.obs["cell_type"] == "class_0").to_numpy()].copy()
    with pytest.raises(InputError, match="one class"):
        scdd.pl.confusion(scdd.tl.coreset(one, 3), one, show=False)


# -- codes ------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def trained(small_budget: None) -> tuple[scdd.model.SCDD, AnnData]:
    adata = scdd.datasets.simulate(n_obs=120, n_vars=80, n_classes=3, depth=500)
    model = scdd.model.SCDD.from_checked(scdd.pp.check(adata, batch_key="donor"), n_latent=6)
    model.train(progress=False)
    return model, model.distill(2, preset="fast", progress=False)


def test_codes_are_put_where_the_generator_puts_them(trained: tuple[scdd.model.SCDD, AnnData]) -> None:
    import torch

    model, syn = trained
    labels = np.array([0, 0, 1, 1, 2, 2])
    found = denoised(syn, model, labels)
    params = syn.uns["scdd"]["params"]
    z = torch.from_numpy(syn.obsm["X_scdd"])
    batch = torch.from_numpy(syn.obs["donor"].cat.codes.to_numpy().astype(np.int64))
    with torch.no_grad():
        on = model.module.scdg(z, torch.full((6,), params["code_noise"]), torch.from_numpy(labels), batch)
        moved = on + syn.uns["scdd"]["record"]["guidance"] * model.module.shift(torch.from_numpy(labels))
    np.testing.assert_allclose(found, moved.numpy(), atol=1e-6)
    cells = model.generate(4, labels="class_0")
    np.testing.assert_array_equal(denoised(cells, model, np.zeros(4, dtype=np.int64)), cells.obsm["X_scdd"])


def test_codes_in_two_dimensions() -> None:
    rng = np.random.default_rng(0)
    cells, points = rng.normal(size=(20, 5)).astype(np.float32), rng.normal(size=(3, 5)).astype(np.float32)
    labels = np.arange(20) % 2
    table = prepare_codes(cells, labels, points, np.array([0, 1, 1]), max_cells=100, seed=0)
    assert table.attrs["method"] == "PC"  # too few for neighbourhoods
    from sklearn.decomposition import PCA

    pca = PCA(2).fit(cells)
    expected = np.abs(np.concatenate([pca.transform(cells), pca.transform(points)]))
    np.testing.assert_allclose(np.abs(table[["x", "y"]]), expected, atol=1e-4)
    assert table["class"].tolist() == [*labels, 0, 1, 1]
    assert table["set"].tolist() == ["real"] * 20 + ["synthetic"] * 3


def test_codes_of_another_model_are_refused(trained: tuple[scdd.model.SCDD, AnnData], tmp_path: Path) -> None:
    model, syn = trained
    other = syn.copy()
    other.obsm["X_scdd"] = other.obsm["X_scdd"][:, :3]
    with pytest.raises(InputError, match="has 3 columns, but the model has 6"):
        scdd.pl.codes(other, model, show=False)
    del other.obsm["X_scdd"]
    with pytest.raises(InputError, match="is not there"):
        scdd.pl.codes(other, model, show=False)
    other = syn.copy()
    other.obs["cell_type"] = other.obs["cell_type"].cat.rename_categories(["x", "y", "z"])
    with pytest.raises(InputError, match="does not know"):
        scdd.pl.codes(other, model, show=False)
    model.save(tmp_path / "model")
    loaded = scdd.model.SCDD.load(tmp_path / "model")
    with pytest.raises(InputError, match="without cells"):
        scdd.pl.codes(syn, loaded, show=False)
    assert scdd.pl.training(loaded, show=False) is not None


# -- composition ------------------------------------------------------------------------------------------------------


def test_composition_reads_the_label_column_of_the_set(toy: AnnData) -> None:
    toy.obs["state"] = toy.obs["cell_type"]
    del toy.obs["cell_type"]
    syn = scdd.tl.coreset(toy, 2, labels_key="state")
    assert scdd.pl.composition(toy, syn, show=False) is not None
    with pytest.raises(LabelError):
        scdd.pl.composition(toy, syn, labels_key="nothing", show=False)
