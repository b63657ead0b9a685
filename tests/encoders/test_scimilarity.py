"""SCimilarity: the released layout, the published preprocessing, the decoder, and files that are not what they should be."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch

from scdd.encoders import SCimilarityEncoder, get
from scdd.errors import EncoderError, GeneError

from ._checkpoints import cells, counts_of, scimilarity, scimilarity_genes


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return scimilarity(tmp_path_factory.mktemp("scimilarity") / "model_v1.1")


def slow_layers(x: np.ndarray, state: dict[str, torch.Tensor], first_linear: int) -> np.ndarray:
    """The perceptron, written out: linear, batch norm with running statistics, PReLU."""
    state = {name: t.numpy().astype(np.float64) for name, t in state.items()}
    n = max(int(name.split(".")[1]) for name in state)
    for i in range(n):
        k = first_linear if i == 0 else 1
        x = x @ state[f"network.{i}.{k}.weight"].T + state[f"network.{i}.{k}.bias"]
        mean, var = state[f"network.{i}.{k + 1}.running_mean"], state[f"network.{i}.{k + 1}.running_var"]
        x = (x - mean) / np.sqrt(var + 1e-5) * state[f"network.{i}.{k + 1}.weight"] + state[f"network.{i}.{k + 1}.bias"]
        x = np.where(x > 0, x, state[f"network.{i}.{k + 2}.weight"][0] * x)
    return x @ state[f"network.{n}.weight"].T + state[f"network.{n}.bias"]


def slow_embedding(counts: np.ndarray, names: list[str], folder: Path) -> np.ndarray:
    """Align cell by cell and gene by gene, then normalise, then log, then the network, then length 1."""
    order = scimilarity_genes()
    aligned = np.zeros((len(counts), len(order)))
    position = {gene: i for i, gene in enumerate(order)}
    for j, name in enumerate(names):
        if name in position:
            aligned[:, position[name]] += counts[:, j]
    x = np.log1p(aligned / aligned.sum(1, keepdims=True) * 1e4)
    state = torch.load(folder / "encoder.ckpt", weights_only=True)["state_dict"]
    z = slow_layers(x, state, 1)
    return z / np.linalg.norm(z, axis=1, keepdims=True)


def some_genes(n: int = 6000) -> list[str]:
    rng = np.random.default_rng(5)
    known = rng.choice(scimilarity_genes(), n, replace=False).tolist()
    return [*known[: n // 2], *(f"UNKNOWN{i}" for i in range(500)), *known[n // 2 :]]


def test_embedding_is_that_of_the_published_steps(folder: Path):
    names = some_genes()
    data = cells(names)
    got = get(f"scimilarity:{folder}").encode(data)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, slow_embedding(counts_of(data), names, folder), atol=2e-5)
    np.testing.assert_allclose(np.linalg.norm(got, axis=1), 1, atol=1e-5)


def test_genes_outside_the_vocabulary_do_not_change_the_normalisation(folder: Path):
    """Align then normalise: had the total of all genes been scaled, their counts would show."""
    names = some_genes()
    data = cells(names)
    encoder = get(f"scimilarity:{folder}")
    known = np.array([not name.startswith("UNKNOWN") for name in names])
    without = cells([n for n, k in zip(names, known, strict=True) if k])
    without.source._x = data.source._x[:, known]
    np.testing.assert_allclose(encoder.encode(data), encoder.encode(without), atol=1e-6)


def test_facts_are_those_of_the_checkpoint(folder: Path):
    encoder = get(f"scimilarity:{folder}")
    assert (encoder.info.n_vocabulary, encoder.info.dim) == (28231, 128)
    network = encoder.network()
    assert encoder.info.dim == 8
    assert not network.training
    assert not any(p.requires_grad for p in network.parameters())
    assert encoder.spec == f"scimilarity:{folder}"


def test_gradient_reaches_the_input(folder: Path):
    network = get(f"scimilarity:{folder}").network()
    x = torch.rand(3, len(scimilarity_genes()), requires_grad=True)
    network(x)[:, 0].sum().backward()
    assert (x.grad != 0).any(1).all()


def test_reading_does_not_touch_the_random_stream(folder: Path):
    before = torch.random.get_rng_state()
    get(f"scimilarity:{folder}").network()
    assert torch.equal(torch.random.get_rng_state(), before)


def test_decoder_is_that_of_the_file(folder: Path):
    encoder = SCimilarityEncoder(folder)
    z = np.random.default_rng(0).normal(size=(5, 8)).astype(np.float32)
    state = torch.load(folder / "decoder.ckpt", weights_only=True)["state_dict"]
    expected = slow_layers(z.astype(np.float64), state, 0)
    np.testing.assert_allclose(encoder.decode(z), expected, atol=1e-4)
    names = [scimilarity_genes()[i] for i in (700, 3)]
    np.testing.assert_allclose(encoder.decode(z, names), expected[:, [700, 3]], atol=1e-4)
    with pytest.raises(GeneError, match="1 genes are not in the vocabulary.*NOPE"):
        encoder.decode(z, ["NOPE"])
    with pytest.raises(EncoderError, match=r"shape \(n, 8\), got \(5, 7\)"):
        encoder.decode(z[:, :7])
    np.testing.assert_allclose(encoder.decode(z, device="auto"), expected, atol=1e-4)
    for device in ("cuda:99", "bogus"):
        with pytest.raises(EncoderError, match=f"'scimilarity' cannot run on '{device}'"):
            encoder.decode(z, device=device)


def test_few_genes_are_refused_as_by_its_authors(folder: Path):
    data = cells(some_genes(4000))
    with pytest.raises(GeneError, match="needs 5000 genes: 4000 of 28231"):
        get(f"scimilarity:{folder}").encode(data)
    assert SCimilarityEncoder(folder, min_genes=3000).encode(data).shape == (40, 8)


def test_gene_list_of_another_model(folder: Path, tmp_path: Path):
    for name in ("encoder.ckpt", "decoder.ckpt"):
        (tmp_path / name).write_bytes((folder / name).read_bytes())
    (tmp_path / "gene_order.tsv").write_text("\n".join(scimilarity_genes()[:-1]))
    encoder = SCimilarityEncoder(tmp_path)
    with pytest.raises(EncoderError, match=r"takes 28231 genes.*gene_order.tsv names 28230"):
        encoder.network()
    with pytest.raises(EncoderError, match="gives 28231 genes"):
        encoder.decode(np.ones((1, 8)))
