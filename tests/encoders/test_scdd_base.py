"""scdd-base: any genes in any order, man and mouse, safe weights; trained beats untrained."""

from __future__ import annotations

import hashlib
import json
import os
import pickle
import shutil
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from sklearn.neighbors import KNeighborsClassifier

import scdd
from scdd.benchmark import Method
from scdd.data import MemorySource
from scdd.encoders import Cells, ScddBaseEncoder, Study, get, pretrain
from scdd.encoders._base_network import _exact
from scdd.encoders._scdd_base import SHIPPED
from scdd.errors import EncoderError, GeneError, InputError
from scdd.io import read_model, write_model

from ._pretraining import LEARNING, laboratory, small

DATA = Path(os.environ.get("SCDD_DATA", Path(__file__).parents[3] / "shared" / "data"))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return small(tmp_path_factory.mktemp("base")).path


@pytest.fixture
def folder(whole: Path, tmp_path: Path) -> Path:
    """A copy that a test may damage."""
    return Path(shutil.copytree(whole, tmp_path / "copy"))


def _embed(adata, path: Path) -> np.ndarray:
    return scdd.tl.embed(adata, f"scdd-base:{path}", device="cpu").to_numpy()


# -- genes ------------------------------------------------------------------------------------------------------------


def test_order_of_genes_and_cells_does_not_matter(whole: Path):
    adata, rng = laboratory(5), np.random.default_rng(0)
    genes, cells = rng.permutation(adata.n_vars), rng.permutation(adata.n_obs)
    expected = _embed(adata, whole)
    np.testing.assert_allclose(_embed(adata[:, genes].copy(), whole), expected, atol=1e-5)
    np.testing.assert_allclose(_embed(adata[cells].copy(), whole), expected[cells], atol=1e-5)
    np.testing.assert_array_equal(_embed(adata, whole), expected)


def test_rows_are_normalised_and_deeper_cells_are_not_elsewhere(whole: Path):
    adata = laboratory(5)
    found = _embed(adata, whole)
    np.testing.assert_allclose(found.mean(1), 0, atol=1e-5)
    np.testing.assert_allclose(found.std(1), 1, atol=1e-2)
    adata.X = adata.X * 3
    np.testing.assert_allclose(_embed(adata, whole), found, atol=1e-5)


def test_any_subset_of_genes(whole: Path):
    adata = laboratory(5)
    for n in (150, 250, 400):
        genes = np.sort(np.random.default_rng(n).choice(adata.n_vars, n, replace=False))
        part = adata[:, genes].copy()
        part.X = sp.csr_matrix(
            part.X
            + sp.csr_matrix((np.ones(part.n_obs), (np.arange(part.n_obs), np.zeros(part.n_obs, int))), part.shape)
        )
        assert np.isfinite(_embed(part, whole)).all()


def test_genes_that_are_not_known_do_not_matter(whole: Path):
    adata = laboratory(5)
    more = scdd.datasets.simulate(n_obs=adata.n_obs, n_vars=50, depth=50, seed=0)
    more.obs_names, more.var_names = adata.obs_names, [f"OTHER{i}" for i in range(50)]
    import anndata

    both = anndata.concat([adata, more], axis=1)
    np.testing.assert_allclose(_embed(both, whole), _embed(adata, whole), atol=1e-5)


def test_mouse_symbols_are_found_without_a_warning(whole: Path):
    adata = laboratory(5)
    expected = _embed(adata, whole)
    adata.var_names = [name.capitalize() for name in adata.var_names]
    np.testing.assert_allclose(_embed(adata, whole), expected, atol=1e-5)
    table = scdd.tl.embed(adata, f"scdd-base:{whole}", device="cpu")
    assert "by case" in table.attrs["genes"]
    assert "of the counts" in table.attrs["genes"]


def test_too_few_genes_are_refused(whole: Path):
    adata = laboratory(5)
    adata.var_names = [f"OTHER{i}" if i > 20 else name for i, name in enumerate(adata.var_names)]
    with pytest.raises(GeneError, match="encoder 'scdd-base', which needs 100 genes"):
        _embed(adata, whole)


def test_fitted_encoders_can_be_sent_to_other_processes(whole: Path):
    adata = laboratory(4)
    cells = Cells(MemorySource(adata.X, np.zeros(160, int), ["a"]), np.asarray(adata.var_names), np.empty(0, int))
    encoder = get(f"scdd-base:{whole}")
    encoder.fit(cells, seed=0)
    copy = pickle.loads(pickle.dumps(encoder))
    np.testing.assert_array_equal(copy.encode(cells), encoder.encode(cells))


def test_streams_like_in_one_piece(whole: Path):
    adata, encoder = laboratory(5), get(f"scdd-base:{whole}")
    cells = Cells(
        MemorySource(adata.X, np.zeros(adata.n_obs, int), ["a"]), np.asarray(adata.var_names), np.empty(0, int)
    )
    expected = encoder.encode(cells)
    np.testing.assert_allclose(encoder.encode(cells, batch_size=7), expected, atol=1e-5)


# -- the network ------------------------------------------------------------------------------------------------------


def test_sparse_and_dense_way_agree_and_gradients_arrive(whole: Path):
    network = get(f"scdd-base:{whole}").network()
    rng = np.random.default_rng(0)
    present = torch.arange(3, 150, 2)
    x = torch.from_numpy(rng.poisson(0.5, (6, len(present))).astype(np.float32))
    rows, columns = torch.nonzero(x, as_tuple=True)
    starts = torch.cat([torch.zeros(1, dtype=torch.int64), torch.bincount(rows, minlength=6).cumsum(0)[:-1]])
    values = x[rows, columns].clone().requires_grad_()
    centre = torch.rand(len(present))
    known = network.posterior(present)
    sparse = network.of_sparse(present[columns], values, starts, present, centre, known)
    torch.testing.assert_close(sparse, network.of_dense(x, present, centre), atol=1e-4, rtol=1e-4)
    (gradient,) = torch.autograd.grad(sparse[:, 0].sum(), values)
    assert torch.isfinite(gradient).all()
    assert gradient.abs().max() > 0


@pytest.mark.parametrize(("device", "where"), [("mps", "cpu"), ("cuda:1", "cuda:1"), ("cpu", "cpu")])
def test_double_precision_is_looked_for_where_it_is(device: str, where: str):
    assert _exact(torch.device(device)) == torch.device(where)


def test_trained_is_better_than_its_random_twin(tmp_path: Path):
    """On a laboratory that was not seen, with half of the genes: nearest neighbours from another one that was not seen."""
    seen = [
        Study(laboratory(s, types=t, n=240), f"s{s}", labels_key="cell_type")
        for s, t in ((1, (0, 1, 2, 3)), (2, (2, 3, 4, 5)))
    ]
    trained = pretrain(seen, tmp_path / "trained", config=LEARNING, progress=False, device="cpu")
    arrays, config = read_model(trained.path)
    rng = np.random.default_rng(0)
    arrays["table"] = np.clip(np.rint(32 * rng.standard_normal(arrays["table"].shape)), -127, 127).astype(np.int8)
    twin = write_model(tmp_path / "twin", arrays, config)
    one, two = (laboratory(s, types=(0, 1, 2, 3, 4, 5), genes=slice(0, 200), n=240, depth=80) for s in (10, 11))
    scores = {}
    for name, path in (("trained", trained.path), ("twin", twin)):
        model = KNeighborsClassifier(5).fit(_embed(one, path), one.obs["cell_type"])
        scores[name] = model.score(_embed(two, path), two.obs["cell_type"])
    assert scores["trained"] > scores["twin"] + 0.1, scores


def test_factors_are_those_of_the_posterior_given_any_genes(whole: Path):
    """The network without its perceptron, against the textbook: condition a joint Gaussian on the genes that are there."""
    network = get(f"scdd-base:{whole}").network()
    present = torch.arange(5, 90, 3)
    noise, loads = network.noise[present].double(), (network.table * network.noise[:, None])[present].double()
    joint = loads @ loads.T + torch.diag(noise)
    x = torch.randn(4, len(present), dtype=torch.float64, generator=torch.Generator().manual_seed(0))
    expected = x @ torch.linalg.solve(joint, loads)
    got = (x / noise) @ loads @ network.posterior(present).double()
    torch.testing.assert_close(got, expected, rtol=1e-3, atol=1e-4)
    nothing = network.posterior(present[:0])
    torch.testing.assert_close(nothing, torch.eye(len(nothing)))


# -- files ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("share", [0.0, 0.3, 0.999])
def test_weights_that_were_cut_are_refused(folder: Path, share: float):
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[: int(path.stat().st_size * share)])
    with pytest.raises(EncoderError, match=r"model.safetensors is damaged"):
        _embed(laboratory(5), folder)


def test_one_wrong_byte_is_refused(folder: Path):
    path = folder / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[-3] ^= 1
    path.write_bytes(bytes(data))
    with pytest.raises(EncoderError, match="damaged"):
        _embed(laboratory(5), folder)


def test_folder_of_something_else(folder: Path, tmp_path: Path):
    with pytest.raises(EncoderError, match="not there"):
        get(f"scdd-base:{tmp_path / 'nowhere'}")
    (folder / "config.json").write_text(json.dumps({"name": "other"}))
    with pytest.raises(EncoderError, match="holds no scdd-base encoder"):
        get(f"scdd-base:{folder}")


def test_own_training_tells_its_own_facts(whole: Path):
    encoder = get(f"scdd-base:{whole}")
    assert encoder.info.trained_on == ("S1", "S2")
    assert encoder.info.licence == "of the data"
    assert (encoder.info.dim, encoder.info.n_vocabulary) == (8, len(encoder.genes))
    assert encoder.spec == f"scdd-base:{whole}"


def test_benchmark_refuses_studies_that_were_seen(whole: Path, tmp_path: Path):
    from scdd.benchmark import Task, run

    method = Method("mine", lambda training, n, seed: None, encoder=f"scdd-base:{whole}")
    task = Task("seen", lambda: laboratory(5), donor_key="donor", studies=("s2",))
    with pytest.raises(InputError, match="was trained on s2"):
        run([task], [method], out=tmp_path / "out.csv")


# -- the way through a distillation -----------------------------------------------------------------------------------


@pytest.mark.usefixtures("small_budget")
def test_distils_and_comes_back_from_disk(whole: Path, folder: Path, tmp_path: Path):
    adata = laboratory(5)
    scdd.model.SCDD.setup_anndata(adata, labels_key="cell_type")
    model = scdd.model.SCDD(adata, encoder=f"scdd-base:{whole}")
    model.train(progress=False)
    syn = model.distill(n_per_class=2)
    assert syn.uns["scdd"]["encoder"]["name"] == f"scdd-base:{whole}"
    model.save(tmp_path / "model")
    again = scdd.model.SCDD.load(tmp_path / "model", adata, encoder=ScddBaseEncoder(folder))
    np.testing.assert_array_equal(model.distill(n_per_class=2).X.toarray(), again.distill(n_per_class=2).X.toarray())


# -- what is shipped --------------------------------------------------------------------------------------------------

STUDIES = ("GSE148842", "GSE149383", "GSE84133", "OneK1K", "Zheng 2017")
FILES = {
    "drug_gbm_panobinostat_300genes", "drug_pc9_erlotinib", "pancreas_human_baron", "pancreas_mouse_baron",
    "pbmc_facs_zheng", "pbmc_onek1k_1000genes",
}  # fmt: skip


def test_shipped_weights_are_small_and_tell_their_origin():
    encoder = get("scdd-base")
    assert encoder.spec == "scdd-base"
    assert sum(file.stat().st_size for file in SHIPPED.iterdir()) < 12e6
    assert {entry["name"] for entry in encoder.card["data"]} == FILES
    # the facts that scdd.encoders.list() tells without reading files
    assert ScddBaseEncoder.info.trained_on == encoder.info.trained_on == STUDIES
    assert (ScddBaseEncoder.info.dim, ScddBaseEncoder.info.n_vocabulary) == (encoder.info.dim, len(encoder.genes))
    assert all(len(entry["sha256"]) == 64 and entry["licence"] != "unknown" for entry in encoder.card["data"])
    manifest = json.loads((SHIPPED / "manifest.json").read_text())
    assert manifest["sha256"] == encoder.file_hashes()


def test_shipped_weights_were_made_from_these_files():
    for entry in get("scdd-base").card["data"]:
        path = DATA / f"{entry['name']}.h5ad"
        if not path.exists():
            pytest.skip(f"real data {path.name} is not at hand (set SCDD_DATA to its folder)")
        assert hashlib.sha256(path.read_bytes()).hexdigest() == entry["sha256"], entry["name"]


def test_shipped_weights_go_into_the_wheel():
    import tomllib

    project = tomllib.loads((Path(__file__).parents[2] / "pyproject.toml").read_text())
    assert project["tool"]["hatch"]["build"]["targets"]["wheel"]["packages"] == ["src/scdd"]
    assert SHIPPED.is_relative_to(Path(scdd.__file__).parent)
    ignored = (Path(__file__).parents[2] / ".gitignore").read_text().split()
    assert not [line for line in ignored if line.endswith(("safetensors", "weights", "weights/"))]


@pytest.mark.parametrize("name", ["kang", "tabula_muris", "airway_disease", "pbmc_3tech_symphony"])
def test_test_sets_were_never_seen(name: str):
    from scdd.benchmark import TASKS
    from scdd.benchmark._runner import _refuse_seen

    _refuse_seen([TASKS.get(name)], [Method("mine", lambda *_: None, encoder="scdd-base")])


@pytest.mark.parametrize("name", ["baron", "zheng", "pc9_response", "onek1k_age", "gbm_treatment", "pbmc_study"])
def test_benchmark_refuses_what_the_shipped_weights_saw(name: str):
    from scdd.benchmark import TASKS
    from scdd.benchmark._runner import _refuse_seen

    with pytest.raises(InputError, match="'scdd-base' of the method 'mine' was trained on"):
        _refuse_seen([TASKS.get(name)], [Method("mine", lambda *_: None, encoder="scdd-base")])


def test_shipped_weights_tell_cell_types_apart():
    """The bundled pancreas, which they have seen: neighbours from other donors."""
    adata = scdd.datasets.pancreas()
    train, test = scdd.pp.split(adata, donor_key="donor", seed=0)
    rng = np.random.default_rng(0)
    train, test = np.sort(rng.permutation(train)[:400]), np.sort(rng.permutation(test)[:400])
    z = scdd.tl.embed(adata[np.concatenate([train, test])].copy(), "scdd-base", device="cpu").to_numpy()
    labels = adata.obs["cell_type"].to_numpy()
    assert KNeighborsClassifier(5, metric="cosine").fit(z[:400], labels[train]).score(z[400:], labels[test]) > 0.9
