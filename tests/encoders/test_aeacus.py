"""aeacus: trained weights that any machine can install, on real cells; and its own package as the reference."""

from __future__ import annotations

import importlib.util
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

import scdd
from scdd.data import MemorySource
from scdd.encoders import Cells, Encoder, get
from scdd.errors import EncoderError, GeneError

from ._checkpoints import cells, randomise

if importlib.util.find_spec("aeacus") is None:
    pytest.skip('needs pip install "scdd[aeacus]"', allow_module_level=True)

FOLDER = Path(next(iter(importlib.util.find_spec("aeacus").submodule_search_locations))) / "model"


@pytest.fixture(scope="module")
def pancreas() -> Cells:
    """600 real cells of the bundled data."""
    adata = scdd.datasets.pancreas()
    adata = adata[np.random.default_rng(0).choice(adata.n_obs, 600, replace=False)].copy()
    labels = adata.obs["cell_type"].cat.remove_unused_categories()
    source = MemorySource(adata.X, labels.cat.codes.to_numpy(), list(labels.cat.categories.astype(str)))
    return Cells(source, np.asarray(adata.var_names), np.arange(10), var=adata.var)


def slow_input(pancreas: Cells) -> np.ndarray:
    """Counts per million of all genes, log1p, then gene by gene into the order of the model, then z-scores."""
    counts = pancreas.source.rows(np.arange(pancreas.source.n_obs)).toarray().astype(np.float64)
    x = np.log1p(counts / counts.sum(1, keepdims=True) * 1e6)
    # C10orf10 is C10ORF10 in the list of the model
    position = {gene.upper(): i for i, gene in enumerate(pancreas.genes)}
    order = (FOLDER / "geneorder.tsv").read_text().split()
    aligned = np.zeros((len(x), len(order)))
    for j, gene in enumerate(order):
        if gene.upper() in position:
            aligned[:, j] = x[:, position[gene.upper()]]
    return (aligned - np.load(FOLDER / "train_mean.npy")) / np.load(FOLDER / "train_std.npy")


def test_embedding_is_that_of_the_package(pancreas: Cells):
    """Hidden units are compared by what the package makes of them: the logits of its experts and of its gate."""
    from aeacus.network import MoE

    encoder = get("aeacus")
    got = encoder.encode(pancreas)
    assert got.shape == (600, 384)
    state = {n: t for n, t in encoder.read_network().state_dict().items() if n not in ("mean", "std")}
    model = MoE(3778)
    model.load_state_dict(state)
    model.eval()
    with torch.no_grad():
        _, gate, experts = model(torch.from_numpy(slow_input(pancreas).astype(np.float32)))
        hidden = torch.from_numpy(got).split(128, dim=1)
        logits = torch.cat([model.experts[i][4](hidden[i]) for i in range(2)], dim=1)
        weights = torch.softmax(model.gate[4](hidden[2]), dim=1)
    np.testing.assert_allclose(logits, experts, atol=1e-3)
    np.testing.assert_allclose(weights, gate, atol=1e-3)


def test_it_knows_cell_types_better_than_random_weights(pancreas: Cells):
    from sklearn.linear_model import LogisticRegression
    from sklearn.model_selection import cross_val_score
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    labels = pancreas.source.labels
    kept = np.isin(labels, np.flatnonzero(np.bincount(labels) >= 10))
    model = make_pipeline(StandardScaler(), LogisticRegression(C=0.1, max_iter=2000))

    def score(encoder: Encoder) -> float:
        x = encoder.encode(pancreas)[kept]
        return cross_val_score(model, x, labels[kept], cv=3, scoring="balanced_accuracy").mean()

    trained, scores = get("aeacus"), []
    for seed in range(3):
        drawn = get("aeacus")
        network = drawn.network()
        buffers = dict(network.named_buffers())
        network.load_state_dict(randomise(network, seed) | buffers)
        scores.append(score(drawn))
    assert score(trained) > max(scores)


def test_facts_and_hash():
    encoder = get("aeacus")
    assert encoder.spec == "aeacus"
    assert (len(encoder.genes), encoder.info.dim, encoder.info.licence) == (3778, 384, "BSD-3-Clause")
    assert list(encoder.file_hashes()) == ["moe.pt", "geneorder.tsv", "train_mean.npy", "train_std.npy"]
    network = encoder.network()
    assert not network.training
    x = torch.rand(2, 3778, requires_grad=True)
    network(x).sum().backward()
    assert (x.grad != 0).any()


def test_folder_may_be_named_and_files_must_fit(tmp_path: Path):
    folder = Path(shutil.copytree(FOLDER, tmp_path / "model"))
    encoder = get(f"aeacus:{folder}")
    assert encoder.spec == f"aeacus:{folder}"
    assert encoder.content_hash() == get("aeacus").content_hash()
    np.save(folder / "train_mean.npy", np.ones(5, np.float32))
    with pytest.raises(EncoderError, match=r"mean is \(5,\), not \(3778,\)"):
        get(f"aeacus:{folder}").network()
    np.save(folder / "train_mean.npy", np.array([{"a": 1}]), allow_pickle=True)
    with pytest.raises(EncoderError, match=r"train_mean.npy cannot be read as an array of numbers"):
        get(f"aeacus:{folder}").network()
    torch.save({"state_dict": {"a": torch.ones(2)}}, folder / "moe.pt")
    np.save(folder / "train_mean.npy", np.ones(3778, np.float32))
    with pytest.raises(EncoderError, match="holds no network of aeacus"):
        get(f"aeacus:{folder}").network()


def test_genes_that_are_absent_are_refused():
    with pytest.raises(GeneError, match="needs 1500 genes"):
        get("aeacus").encode(cells([f"GENE{i}" for i in range(3000)]))


def test_whole_way_with_real_weights(small_budget):
    adata = scdd.datasets.pancreas()
    common = adata.obs["cell_type"].isin(["alpha", "beta", "ductal"])
    adata = adata[np.flatnonzero(common)[:300]].copy()
    syn = scdd.tl.distill(adata, n_per_class=2, encoder="aeacus", preset="fast", progress=False, small_class="keep")
    assert syn.uns["scdd"]["encoder"]["name"] == "aeacus"
    assert len(syn.uns["scdd"]["encoder"]["sha256"]) == 64


def test_package_that_is_absent_is_named(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r'pip install "scdd\[aeacus\]"'):
        get("aeacus")
