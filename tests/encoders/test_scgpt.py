"""scGPT: the released layout, binning and drawing against a slow reference, the transformer written out."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import numpy as np
import pytest
import torch

from scdd._rng import stream
from scdd.encoders import get
from scdd.encoders._scgpt import rank_bins
from scdd.errors import EncoderError

from ._checkpoints import SCGPT_ARGS, cells, counts_of, read_json, scgpt


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return scgpt(tmp_path_factory.mktemp("scgpt") / "scGPT_human")


def some_genes(n: int) -> list[str]:
    rng = np.random.default_rng(3)
    known = rng.choice(list(read_json("gene_vocabs/default_census_vocab.json")), n, replace=False).tolist()
    return [*known[: n // 2], "NO-SUCH-GENE", *known[n // 2 :]]


# -- the published preprocessing, cell by cell ------------------------------------------------------------------------


def slow_bins(values: list[float], uniforms: np.ndarray) -> list[int]:
    """50 edges; a value at several edges goes to one of their bins, the first where the draw is 1."""
    edges = np.quantile(values, np.linspace(0, 1, 50))
    out = []
    for value, uniform in zip(values, uniforms, strict=True):
        left = sum(edge <= value for edge in edges)  # np.digitize(value, edges)
        right = sum(edge < value for edge in edges)  # np.digitize(value, edges, right=True)
        out.append(int(np.ceil(uniform * (right - left) + left)))
    return out


def slow_tokens(row: dict[str, float], tokens: dict[str, int], rng: np.random.Generator) -> list[tuple[int, float]]:
    """Non-zero genes of the vocabulary, binned, then drawn, behind <cls>."""
    genes = [gene for gene in sorted(row, key=lambda g: list_position(g, tokens)) if row[gene] > 0 and gene in tokens]
    bins = slow_bins([row[gene] for gene in genes], rng.random(len(genes)))
    kept = range(len(genes)) if len(genes) < 1200 else rng.permutation(len(genes))[:1199]
    return [(tokens["<cls>"], -2.0), *((tokens[genes[i]], float(bins[i])) for i in kept)]


_POSITIONS: dict[str, int] = {}


def list_position(gene: str, tokens: dict[str, int]) -> int:
    if not _POSITIONS:
        _POSITIONS.update({name: i for i, name in enumerate(tokens)})
    return _POSITIONS.get(gene, -1)


def layer_norm(x: np.ndarray, weight: np.ndarray, bias: np.ndarray) -> np.ndarray:
    return (x - x.mean(-1, keepdims=True)) / np.sqrt(x.var(-1, keepdims=True) + 1e-5) * weight + bias


def slow_network(pairs: list[tuple[int, float]], s: dict[str, np.ndarray]) -> np.ndarray:
    """One cell without padding through the post-norm transformer, head by head."""
    genes, values = [g for g, _ in pairs], np.array([[v] for _, v in pairs])
    x = layer_norm(s["encoder.embedding.weight"][genes], s["encoder.enc_norm.weight"], s["encoder.enc_norm.bias"])
    hidden = np.maximum(values @ s["value_encoder.linear1.weight"].T + s["value_encoder.linear1.bias"], 0)
    hidden = hidden @ s["value_encoder.linear2.weight"].T + s["value_encoder.linear2.bias"]
    x = x + layer_norm(hidden, s["value_encoder.norm.weight"], s["value_encoder.norm.bias"])
    width, heads = SCGPT_ARGS["embsize"], SCGPT_ARGS["nheads"]
    size = width // heads
    for i in range(SCGPT_ARGS["nlayers"]):
        p = f"transformer_encoder.layers.{i}."
        q, k, v = np.split(x @ s[p + "self_attn.in_proj_weight"].T + s[p + "self_attn.in_proj_bias"], 3, axis=1)
        out = np.empty_like(x)
        for h in range(heads):
            cut = slice(h * size, (h + 1) * size)
            scores = q[:, cut] @ k[:, cut].T / np.sqrt(size)
            weights = np.exp(scores - scores.max(1, keepdims=True))
            out[:, cut] = weights / weights.sum(1, keepdims=True) @ v[:, cut]
        x = x + out @ s[p + "self_attn.out_proj.weight"].T + s[p + "self_attn.out_proj.bias"]
        x = layer_norm(x, s[p + "norm1.weight"], s[p + "norm1.bias"])
        hidden = np.maximum(x @ s[p + "linear1.weight"].T + s[p + "linear1.bias"], 0)
        x = x + hidden @ s[p + "linear2.weight"].T + s[p + "linear2.bias"]
        x = layer_norm(x, s[p + "norm2.weight"], s[p + "norm2.bias"])
    return x[0] / np.linalg.norm(x[0])


# -- tests ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("values", [[1.0], [1, 1, 1, 2], [3, 1, 4, 1, 5, 9, 2, 6], list(range(1, 200)), [2.0] * 60])
def test_bins_are_those_of_the_reference(values: list[float]):
    got = rank_bins(np.array(values, dtype=float), np.random.default_rng(0))
    assert got.tolist() == slow_bins(values, np.random.default_rng(0).random(len(values)))
    assert got.min() >= 1
    assert got.max() <= 50


def test_bins_follow_ranks_alone():
    values = np.random.default_rng(1).permutation(500).astype(float) + 1
    one, two = (rank_bins(v, np.random.default_rng(0)) for v in (values, np.log1p(values) * 7))
    # edges are interpolated between neighbours, so that only values beside an edge may differ
    assert np.mean(one == two) > 0.98


@pytest.mark.parametrize(("n_genes", "rate"), [(1500, 0.4), (3000, 2.0)], ids=["all genes", "genes are drawn"])
def test_embedding_is_that_of_the_published_steps(folder: Path, n_genes: int, rate: float):
    names = some_genes(n_genes)
    data = cells(names, n=6, rate=rate)
    encoder = get(f"scgpt:{folder}")
    encoder.fit(data, seed=11)
    got = encoder.encode(data, batch_size=4)
    state = {n: t.numpy().astype(float) for n, t in torch.load(folder / "best_model.pt", weights_only=True).items()}
    tokens = json.loads((folder / "vocab.json").read_text())
    lengths = []
    for i, row in enumerate(counts_of(data)):
        pairs = slow_tokens(dict(zip(names, row, strict=True)), tokens, stream(11, "scgpt", i))
        lengths.append(len(pairs))
        np.testing.assert_allclose(got[i], slow_network(pairs, state), atol=2e-5)
    assert (max(lengths) == 1200) == (n_genes == 3000)


def test_padding_and_batches_change_nothing(folder: Path):
    data = cells(some_genes(1200), n=9, rate=0.5)
    encoder = get(f"scgpt:{folder}")
    np.testing.assert_allclose(encoder.encode(data, batch_size=1), encoder.encode(data), atol=1e-5)


def test_seed_decides_and_comes_back(folder: Path):
    data = cells(some_genes(2500), n=4, rate=2.0)
    encoder = get(f"scgpt:{folder}")
    encoder.fit(data, seed=1)
    one = encoder.encode(data)
    np.testing.assert_array_equal(encoder.encode(data), one)
    hash_one = encoder.content_hash()
    twin = get(encoder.spec)
    twin.restore(encoder.arrays())
    np.testing.assert_array_equal(twin.encode(data), one)
    assert twin.content_hash() == hash_one
    encoder.fit(data, seed=2**70)
    assert np.abs(encoder.encode(data) - one).max() > 1e-4
    assert encoder.content_hash() != hash_one
    twin.restore(encoder.arrays())
    assert twin.seed == 2**70


def test_flash_attention_and_missing_special_words(folder: Path, tmp_path: Path):
    data = cells(some_genes(1000), n=3)
    expected = get(f"scgpt:{folder}").encode(data)
    other = scgpt(tmp_path / "flash", flash=True, special=False)
    np.testing.assert_allclose(get(f"scgpt:{other}").encode(data), expected, atol=1e-6)


def test_facts(folder: Path):
    encoder = get(f"scgpt:{folder}")
    network = encoder.network()
    assert (encoder.info.n_vocabulary, encoder.info.dim, encoder.info.stochastic) == (60694, 16, True)
    assert not network.training
    assert list(encoder.file_hashes()) == ["best_model.pt", "args.json", "vocab.json"]


@pytest.mark.parametrize(
    ("file", "change", "words"),
    [
        ("args.json", lambda a: a.pop("nheads"), "does not tell the sizes.*nheads"),
        ("args.json", lambda a: a.update(input_emb_style="category"), "style 'category'"),
        ("args.json", lambda a: a.update(nlayers=3), "lacks 12 of .* weights: transformer_encoder.layers.2"),
        ("args.json", lambda a: a.update(nlayers=1), "has further 12 of"),
        ("args.json", lambda a: a.update(d_hid=30), "other shapes"),
        ("vocab.json", lambda v: v.update(ONEMORE=60697), "knows 60697 tokens.*vocab.json names 60698"),
        ("vocab.json", lambda v: v.update(A1BG=5), "does not number its 60697 genes"),
    ],
)
def test_files_that_do_not_fit(folder: Path, tmp_path: Path, file: str, change, words: str):
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    content = json.loads((copy / file).read_text())
    change(content)
    (copy / file).write_text(json.dumps(content))
    with pytest.raises(EncoderError, match=words):
        get(f"scgpt:{copy}").network()


def test_another_vocabulary_is_refused(folder: Path, tmp_path: Path):
    copy = Path(shutil.copytree(folder, tmp_path / "copy"))
    (copy / "vocab.json").write_text(json.dumps(read_json("gene_vocabs/default_gene_vocab.json")))
    with pytest.raises(EncoderError, match="knows 60697 tokens.*names 48295: of two models"):
        get(f"scgpt:{copy}").network()
