"""Geneformer V1 and V2: the released layouts, ranks and special words against a slow reference, pooling."""

from __future__ import annotations

import json
import shutil
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from scdd.encoders import get
from scdd.errors import EncoderError, GeneError

from ._checkpoints import cells, counts_of, geneformer, read_json, write_dictionary

transformers = pytest.importorskip("transformers", reason='needs pip install "scdd[geneformer]"')

LABEL = {"V1": "gc30M", "V2": "gc104M"}


@pytest.fixture(scope="module", params=["V1", "V2"])
def model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    version = request.param
    weights = {"V1": "pytorch_model.bin", "V2": "model.safetensors"}[version]
    return version, geneformer(tmp_path_factory.mktemp("geneformer"), version, weights=weights)


def some_ids(version: str, n: int = 1500) -> list[str]:
    known = [name for name in read_json(f"geneformer_dicts/token_dictionary_{LABEL[version]}.json") if name[0] != "<"]
    names = np.random.default_rng(2).choice(known, n, replace=False).tolist()
    return [*names[: n // 2], "ENSG99999999999", *names[n // 2 :]]


def slow_tokens(row: dict[str, float], version: str) -> list[int]:
    """x / n_counts x 1e4 / median, highest first; n_counts is the total over all genes, known or not."""
    tokens = read_json(f"geneformer_dicts/token_dictionary_{LABEL[version]}.json")
    medians = read_json(f"geneformer_dicts/gene_median_dictionary_{LABEL[version]}.json")
    total = sum(row.values())
    scaled = {gene: x / total * 10_000 / medians[gene] for gene, x in row.items() if x > 0 and gene in tokens}
    ranked = sorted(scaled, key=lambda gene: (-scaled[gene], tokens[gene]))
    if version == "V1":
        return [tokens[gene] for gene in ranked[:2048]]
    return [tokens["<cls>"], *(tokens[gene] for gene in ranked[:4094]), tokens["<eos>"]]


def slow_embedding(tokens: list[int], folder: Path, version: str) -> np.ndarray:
    """Mean of the second to last layer of the whole released model, for one cell without padding."""
    model = transformers.BertForMaskedLM(
        transformers.BertConfig.from_dict(json.loads((folder / "config.json").read_text()))
    )
    if version == "V1":
        state = torch.load(folder / "pytorch_model.bin", weights_only=True)
    else:
        from safetensors.torch import load_file

        state = load_file(folder / "model.safetensors")
    model.load_state_dict({n: t for n, t in state.items() if not n.endswith("position_ids")})
    model.eval()
    with torch.no_grad():
        hidden = model(torch.tensor([tokens]), output_hidden_states=True).hidden_states
    assert len(hidden) == 4  # the embedding layer and three layers
    genes = hidden[-2][0, 1:-1] if version == "V2" else hidden[-2][0]
    return genes.mean(0).numpy()


def test_embedding_is_that_of_the_published_steps(model: tuple[str, Path]):
    version, folder = model
    names = some_ids(version)
    data = cells(names, n=5, rate=0.5)
    encoder = get(f"geneformer:{folder}")
    got = encoder.encode(data, batch_size=3)
    assert got.shape == (5, 12)
    for i, row in enumerate(counts_of(data)):
        tokens = slow_tokens(dict(zip(names, row, strict=True)), version)
        np.testing.assert_allclose(got[i], slow_embedding(tokens, folder, version), atol=2e-5)


def test_long_cells_are_cut_after_the_highest_ranks(model: tuple[str, Path]):
    version, folder = model
    names = some_ids(version, 9000)
    data = cells(names, n=3, rate=4.0)
    encoder = get(f"geneformer:{folder}")
    match = encoder.match(data)
    got = encoder.tokenise(match.align(data.source.rows(np.arange(3))), data.source.library)
    assert got.shape[1] == {"V1": 2048, "V2": 4096}[version]
    for i, row in enumerate(counts_of(data)):
        tokens = slow_tokens(dict(zip(names, row, strict=True)), version)
        assert got[i][got[i] != 0].tolist() == tokens


def test_padding_changes_nothing(model: tuple[str, Path]):
    _, folder = model
    data = cells(some_ids(model[0]), n=7, rate=0.5)
    encoder = get(f"geneformer:{folder}")
    np.testing.assert_allclose(encoder.encode(data, batch_size=1), encoder.encode(data), atol=1e-5)


def test_symbols_and_versions_lead_to_the_same_ids(model: tuple[str, Path]):
    version, folder = model
    symbols = {v: k for k, v in read_json(f"geneformer_dicts/gene_name_id_dict_{LABEL[version]}.json").items()}
    ids = [name for name in some_ids(version, 3000) if name in symbols]
    encoder = get(f"geneformer:{folder}")
    expected = encoder.encode(cells(ids, n=4))
    np.testing.assert_array_equal(encoder.encode(cells([f"{name}.7" for name in ids], n=4)), expected)
    np.testing.assert_array_equal(encoder.encode(cells([symbols[name] for name in ids], n=4)), expected)
    # genes without a symbol are named by their id there
    assert encoder.coverage.by["alias"] > 0.9 * len(ids)
    assert sum(encoder.coverage.by.values()) == len(ids)


def test_symbols_without_their_dictionary_are_refused_with_the_fix(tmp_path: Path):
    folder = geneformer(tmp_path, "V2", beside=False, suffix="json")
    for name in ("gene_name_id_dict", "ensembl_mapping_dict"):
        (folder / f"{name}_gc104M.json").unlink()
    with pytest.raises(GeneError, match=r"needs Ensembl ids.*var\['ensembl_id'\]"):
        get(f"geneformer:{folder}").encode(cells([f"GENE{i}" for i in range(2000)]))


def test_dictionaries_of_both_versions_lie_side_by_side(tmp_path: Path):
    one, two = (geneformer(tmp_path, version) for version in ("V1", "V2"))
    assert len(get(f"geneformer:{one}").genes) == 25_424
    assert len(get(f"geneformer:{two}").genes) == 20_271
    hashes = get(f"geneformer:{two}").file_hashes()
    assert next(iter(hashes)) == "model.safetensors"
    assert "token_dictionary_gc104M.pkl" in hashes


def test_root_and_fine_tuned_models_of_the_repository(tmp_path: Path):
    """The root holds a model too, and classifiers have a layer of their own in the place of the one for pretraining."""
    from safetensors.torch import load_file, save_file

    plain = geneformer(tmp_path, "V2")
    tuned = tmp_path / "fine_tuned_models" / "cell_classifier"
    tuned.mkdir(parents=True)
    state = {name: t for name, t in load_file(plain / "model.safetensors").items() if not name.startswith("cls.")}
    save_file(
        state | {"classifier.weight": torch.zeros(3, 12), "classifier.bias": torch.zeros(3)},
        tuned / "model.safetensors",
    )
    shutil.copy(plain / "model.safetensors", tmp_path)
    for folder in (tuned, tmp_path):
        shutil.copy(plain / "config.json", folder)
    data = cells(some_ids("V2"), n=2)
    expected = get(f"geneformer:{plain}").encode(data)
    for folder in (tuned, tmp_path):
        np.testing.assert_array_equal(get(f"geneformer:{folder}").encode(data), expected)


def test_facts(model: tuple[str, Path]):
    version, folder = model
    encoder = get(f"geneformer:{folder}")
    before = torch.random.get_rng_state()
    network = encoder.network()
    assert torch.equal(torch.random.get_rng_state(), before)
    assert encoder.info.n_vocabulary == {"V1": 25_424, "V2": 20_271}[version]
    assert encoder.info.dim == 12
    assert not network.training
    assert not any(p.requires_grad for p in network.parameters())
    assert not encoder.info.differentiable


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return geneformer(tmp_path_factory.mktemp("damaged"), "V2", beside=False, suffix="json")


@pytest.mark.parametrize(
    ("file", "change", "words"),
    [
        ("config.json", lambda c: c.update(model_type="gpt2"), "of the type 'gpt2'"),
        ("config.json", lambda c: c.pop("vocab_size"), "without vocab_size"),
        ("config.json", lambda c: c.update(vocab_size=25426), "asks for a dictionary of 25426 tokens.*has 20275"),
        ("config.json", lambda c: c.update(num_hidden_layers=4), "lacks 16 of"),
        ("config.json", lambda c: c.update(hidden_size=16), "other shapes"),
        ("token_dictionary_gc104M.json", lambda d: d.update({"<pad>": 7}), "does not number its tokens"),
        ("gene_median_dictionary_gc104M.json", lambda d: d.pop("ENSG00000293553"), "no median.*ENSG00000293553"),
    ],
)
def test_files_that_do_not_fit(original: Path, tmp_path: Path, file: str, change, words: str):
    folder = Path(shutil.copytree(original, tmp_path / "copy"))
    content = json.loads((folder / file).read_text())
    change(content)
    (folder / file).write_text(json.dumps(content))
    with pytest.raises(EncoderError, match=words):
        get(f"geneformer:{folder}").encode(cells(some_ids("V2"), n=2))


def test_pickle_with_code_beside_the_model(original: Path, tmp_path: Path):
    folder = Path(shutil.copytree(original, tmp_path / "copy"))
    (folder / "token_dictionary_gc104M.json").unlink()

    class Canary:
        def __reduce__(self):
            return Path.touch, (tmp_path / "trace",)

    write_dictionary(folder / "token_dictionary_gc104M.pkl", {"a": Canary()})
    with pytest.raises(EncoderError, match=r"token_dictionary_gc104M.pkl holds more than names"):
        get(f"geneformer:{folder}").encode(cells(some_ids("V2"), n=2))
    assert not (tmp_path / "trace").exists()


def test_dictionaries_that_are_absent(original: Path, tmp_path: Path):
    folder = Path(shutil.copytree(original, tmp_path / "copy"))
    (folder / "token_dictionary_gc104M.json").unlink()
    with pytest.raises(EncoderError, match="no token_dictionary.* is there"):
        get(f"geneformer:{folder}").file_hashes()


def test_package_that_is_absent_is_named(original: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setitem(sys.modules, "transformers", None)
    with pytest.raises(ImportError, match=r'pip install "scdd\[geneformer\]"'):
        get(f"geneformer:{original}").network()
