"""What holds for every encoder on disk: files, hashes, coverage, streaming, devices; shown with SCimilarity's layout."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch

from scdd.data import BackedSource, MemorySource
from scdd.encoders import Cells, get
from scdd.encoders._weights import fill, read_json, read_weights
from scdd.errors import EncoderError, GeneError, ScddWarning

from ._checkpoints import cells, scimilarity, scimilarity_genes


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return scimilarity(tmp_path_factory.mktemp("checkpoint") / "model")


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(whole, tmp_path / "copy"))


@pytest.fixture(scope="module")
def names() -> list[str]:
    return list(scimilarity_genes()[:6000])


# -- files ------------------------------------------------------------------------------------------------------------


class Canary:
    """An object whose unpickling would leave a trace."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return Path.touch, (self.path,)


def test_code_in_a_file_is_refused_and_not_run(folder: Path, tmp_path: Path):
    trace = tmp_path / "trace"
    torch.save({"state_dict": {"network.0.1.weight": torch.ones(2, 2)}, "more": Canary(trace)}, folder / "encoder.ckpt")
    with pytest.raises(EncoderError, match=r"encoder.ckpt holds more than weights.*could run code"):
        get(f"scimilarity:{folder}").network()
    assert not trace.exists()


@pytest.mark.parametrize("share", [0.0, 0.001, 0.3, 0.7, 0.999])
def test_file_that_was_cut(folder: Path, share: float):
    path = folder / "encoder.ckpt"
    data = path.read_bytes()
    path.write_bytes(data[: int(len(data) * share)])
    with pytest.raises(EncoderError, match=r"encoder.ckpt (cannot be read|holds)"):
        get(f"scimilarity:{folder}").network()


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda s: s.pop("network.1.2.running_mean"), r"lacks 1 of 26 weights: network.1.2.running_mean"),
        (lambda s: s.update(extra=torch.ones(1)), "has further 1 of 26 weights: extra"),
        (lambda s: s.update({"network.1.2.bias": torch.ones(7)}), r"network.1.2.bias is \(7,\), not \(12,\)"),
        (lambda s: s["network.2.1.bias"].fill_(float("nan")), "NaN or infinite weights: network.2.1.bias"),
        (lambda s: [s.pop(k) for k in list(s) if k.startswith("network.0")], "holds no network of SCimilarity"),
    ],
)
def test_weights_that_do_not_fit(folder: Path, change, words: str):
    path = folder / "encoder.ckpt"
    state = torch.load(path, weights_only=True)["state_dict"]
    change(state)
    torch.save({"state_dict": state}, path)
    with pytest.raises(EncoderError, match=words) as caught:
        get(f"scimilarity:{folder}").network()
    assert str(path) in str(caught.value)


@pytest.mark.parametrize("content", [[1, 2], {}, torch.ones(3)])
def test_file_without_weights_by_name(tmp_path: Path, content):
    torch.save(content, tmp_path / "a.pt")
    with pytest.raises(EncoderError, match="holds no weights by name"):
        read_weights(tmp_path / "a.pt")


def test_file_that_is_absent_or_a_pointer(folder: Path):
    path = folder / "encoder.ckpt"
    path.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:0\nsize 3\n")
    with pytest.raises(EncoderError, match="pointer of Git LFS"):
        get(f"scimilarity:{folder}").network()
    path.unlink()
    with pytest.raises(EncoderError, match=r"encoder.ckpt is not there"):
        get(f"scimilarity:{folder}").network()
    with pytest.raises(EncoderError, match=r"encoder.ckpt is not there"):
        get(f"scimilarity:{folder}").content_hash()


def test_safetensors_are_read_too(folder: Path, tmp_path: Path):
    from safetensors.torch import save_file

    state = torch.load(folder / "encoder.ckpt", weights_only=True)["state_dict"]
    save_file(state, tmp_path / "a.safetensors")
    got = read_weights(tmp_path / "a.safetensors")
    assert all(torch.equal(got[name], tensor) for name, tensor in state.items())
    (tmp_path / "a.safetensors").write_bytes(b"\xff" * 16)
    with pytest.raises(EncoderError, match=r"a.safetensors cannot be read"):
        read_weights(tmp_path / "a.safetensors")


def test_half_precision_weights_become_those_of_the_module(tmp_path: Path):
    module = torch.nn.Linear(2, 2)
    state = {name: tensor.half() for name, tensor in module.state_dict().items()}
    fill(module, state, tmp_path)
    assert module.weight.dtype == torch.float32


@pytest.mark.parametrize("text", ["{", "[1]", "\xff"])
def test_json_that_is_none(tmp_path: Path, text: str):
    (tmp_path / "a.json").write_bytes(text.encode("latin-1"))
    with pytest.raises(EncoderError, match=r"a.json"):
        read_json(tmp_path / "a.json")


def test_folder_must_be_named_and_there(tmp_path: Path):
    with pytest.raises(EncoderError, match='encoder="scimilarity:/path/to/folder"'):
        get("scimilarity")
    with pytest.raises(EncoderError, match="nowhere is not there"):
        get(f"scimilarity:{tmp_path / 'nowhere'}")


# -- hashes -----------------------------------------------------------------------------------------------------------


def test_hash_tells_the_files_not_the_folder(whole: Path, folder: Path):
    import hashlib

    one, two = get(f"scimilarity:{whole}"), get(f"scimilarity:{folder}")
    assert one.file_hashes()["encoder.ckpt"] == hashlib.sha256((whole / "encoder.ckpt").read_bytes()).hexdigest()
    assert list(one.file_hashes()) == ["encoder.ckpt", "gene_order.tsv"]
    assert one.content_hash() == two.content_hash()
    state = torch.load(folder / "encoder.ckpt", weights_only=True)
    state["state_dict"]["network.3.bias"] += 1
    torch.save(state, folder / "encoder.ckpt")
    assert get(f"scimilarity:{folder}").content_hash() != one.content_hash()


# -- genes ------------------------------------------------------------------------------------------------------------


def test_ensembl_ids_with_symbols_in_a_column(whole: Path, names: list[str]):
    plain, encoder = cells(names), get(f"scimilarity:{whole}")
    ids = [f"ENSG{i:011d}.3" for i in range(len(names))]
    other = cells(ids, var=pd.DataFrame({"feature_name": names}))
    np.testing.assert_array_equal(encoder.encode(plain), encoder.encode(other))
    assert encoder.coverage.column == "feature_name"
    with pytest.raises(GeneError, match="needs symbols"):
        encoder.encode(cells(ids))


def test_gene_aliases_beside_the_weights(folder: Path, names: list[str]):
    plain = cells(names)
    renamed = cells([f"OLD{i}" if i < 3000 else name for i, name in enumerate(names)])
    (folder / "gene_aliases.tsv").write_text("".join(f"OLD{i}\t{name}\n" for i, name in enumerate(names[:3000])))
    encoder = get(f"scimilarity:{folder}")
    np.testing.assert_array_equal(encoder.encode(plain), encoder.encode(renamed))
    assert encoder.coverage.by == {"name": 3000, "alias": 3000}
    assert "gene_aliases.tsv" in encoder.file_hashes()
    (folder / "gene_aliases.tsv").write_text("A\tB\nC\n")
    with pytest.raises(EncoderError, match=r"gene_aliases.tsv needs two columns.*line 2"):
        get(f"scimilarity:{folder}")


def test_small_share_of_the_counts_is_refused(whole: Path, names: list[str]):
    data = cells([*names, *(f"UNKNOWN{i}" for i in range(9000))])
    with pytest.raises(GeneError, match=r"needs 50% of the counts"):
        get(f"scimilarity:{whole}").fit(data, seed=0)


def test_cell_without_a_known_gene_is_named(whole: Path, names: list[str]):
    data = cells([*names, "UNKNOWN"])
    x = sp.lil_matrix(data.source._x)
    x[[3, 17]] = 0
    x[3, len(names)] = x[17, len(names)] = 5
    bad = Cells(MemorySource(sp.csr_matrix(x), data.source.labels, ["a", "b"]), data.genes, data.hvg)
    with pytest.raises(EncoderError, match=r"2 cells have no count.*3, 17"):
        get(f"scimilarity:{whole}").encode(bad)


def test_mouse_genes_are_told(whole: Path, names: list[str]):
    mouse = cells([name.capitalize() for name in names])
    encoder = get(f"scimilarity:{whole}")
    with pytest.warns(ScddWarning, match="knows genes of human.*mouse symbols.*by case"):
        encoder.fit(mouse, seed=0)


# -- streaming and devices --------------------------------------------------------------------------------------------


def test_batches_and_sources_give_the_same(whole: Path, names: list[str]):
    data, encoder = cells(names, n=70), get(f"scimilarity:{whole}")
    expected = encoder.encode(data)
    np.testing.assert_allclose(encoder.encode(data, batch_size=7), expected, atol=1e-6)
    on_disk = BackedSource(data.source._x, data.source.labels, ["a", "b"])
    np.testing.assert_allclose(encoder.encode(Cells(on_disk, data.genes, data.hvg)), expected, atol=1e-6)


def test_cells_by_genes_are_never_dense_at_once(whole: Path, names: list[str], monkeypatch: pytest.MonkeyPatch):
    """No more than a block is read, and no more than a batch is made dense."""
    n = 2500
    data, encoder = cells(names, n=n, rate=0.02), get(f"scimilarity:{whole}")
    rows: list[int] = []
    dense = sp.csr_matrix.toarray
    monkeypatch.setattr(
        sp.csr_matrix, "toarray", lambda self, *a, **k: rows.append(self.shape[0]) or dense(self, *a, **k)
    )
    assert encoder.encode(data, batch_size=100).shape == (n, 8)
    assert max(rows) <= 100
    assert sum(rows) == n


def test_batch_that_does_not_fit_is_halved(whole: Path, names: list[str], monkeypatch: pytest.MonkeyPatch):
    data, encoder = cells(names, n=30), get(f"scimilarity:{whole}")
    expected, embed, seen = encoder.encode(data), type(encoder).embed, []

    def small(self, network, counts, library, index):
        seen.append(len(index))
        if len(index) > limit:
            raise torch.OutOfMemoryError
        return embed(self, network, counts, library, index)

    monkeypatch.setattr(type(encoder), "embed", small)
    limit = 4
    np.testing.assert_allclose(encoder.encode(data), expected, atol=1e-6)
    assert max(seen) == 30
    limit = 0
    with pytest.raises(EncoderError, match="even for one cell"):
        encoder.encode(data)


def test_device_that_is_not_there(whole: Path, names: list[str]):
    encoder = get(f"scimilarity:{whole}")
    np.testing.assert_array_equal(encoder.encode(cells(names), device="auto").shape, (40, 8))
    with pytest.raises(EncoderError, match="cannot run on 'nonsense'"):
        encoder.encode(cells(names), device="nonsense")


@pytest.mark.gpu
def test_gpu_gives_what_the_cpu_gives(whole: Path, names: list[str]):
    encoder = get(f"scimilarity:{whole}")
    on_gpu = encoder.encode(cells(names), device="cuda")
    np.testing.assert_allclose(on_gpu, encoder.encode(cells(names)), atol=1e-3)
