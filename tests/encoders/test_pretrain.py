"""Pretraining: resumable bit for bit, from any data, with a card that tells all."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import subprocess
import sys
import warnings
from dataclasses import asdict, replace
from pathlib import Path

import anndata
import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp
import torch

from scdd.data import BackedSource
from scdd.datasets import simulate
from scdd.encoders import PretrainConfig, ScddBaseEncoder, Study, pretrain
from scdd.encoders._place import device_name
from scdd.encoders._pretrain._card import weights
from scdd.encoders._pretrain._corpus import build_corpus, choose_genes
from scdd.encoders._pretrain._losses import between_batches, between_views, shared_classes, total
from scdd.encoders._pretrain._open import as_studies, open_study
from scdd.encoders._pretrain._train import Pretraining
from scdd.encoders._pretrain._views import Views
from scdd.errors import CountsError, GeneError, InputError, InputTypeError, LabelError, TrainingError
from scdd.io import read_model
from scdd.io._folder import _hidden

from ._pretraining import LEARNING, SMALL, laboratory, small, studies

WEIGHTS = "model.safetensors"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pretrain")


@pytest.fixture(scope="module")
def whole(folder: Path):
    return small(folder)


@pytest.fixture(scope="module")
def corpus(folder: Path):
    sets = [open_study(study) for study in studies(folder)]
    return build_corpus(sets, choose_genes(sets, n_genes=400, min_cells=3))


def _hash(path: Path) -> str:
    return hashlib.sha256((path / WEIGHTS).read_bytes()).hexdigest()


# -- the same training ------------------------------------------------------------------------------------------------


def test_same_seed_same_bits(whole, folder: Path, tmp_path: Path):
    again = pretrain(studies(folder), tmp_path / "again", config=SMALL, progress=False, device="cpu")
    assert _hash(again.path) == _hash(whole.path)
    other = pretrain(studies(folder), tmp_path / "other", config=SMALL, progress=False, device="cpu", seed=1)
    assert _hash(other.path) != _hash(whole.path)


@pytest.mark.parametrize("at", [1, 7, 11])
def test_interrupted_training_goes_on_bit_for_bit(whole, folder: Path, tmp_path: Path, monkeypatch, at: int):
    step, calls = Pretraining._one_step, []

    def interrupted(self):
        calls.append(self.step)
        if self.step == at and len(calls) == at + 1:
            raise KeyboardInterrupt
        return step(self)

    monkeypatch.setattr(Pretraining, "_one_step", interrupted)
    target = tmp_path / "encoder"
    with pytest.raises(KeyboardInterrupt):
        pretrain(studies(folder), target, config=SMALL, progress=False, device="cpu")
    assert not target.exists()
    resumed = pretrain(studies(folder), target, config=SMALL, progress=False, device="cpu")
    # from the last checkpoint, not from the start
    assert calls[at + 1] == at // SMALL.checkpoint_every * SMALL.checkpoint_every
    assert _hash(resumed.path) == _hash(whole.path)
    assert resumed.card["losses"] == whole.card["losses"]
    assert [path.name for path in tmp_path.iterdir()] == ["encoder"]


def test_ctrl_c_waits_for_the_step_and_saves_it(folder: Path, tmp_path: Path, monkeypatch):
    import os
    import signal

    step = Pretraining._one_step

    def hit(self):
        if self.step == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return step(self)

    monkeypatch.setattr(Pretraining, "_one_step", hit)
    with pytest.raises(KeyboardInterrupt):
        pretrain(studies(folder), tmp_path / "encoder", config=SMALL, progress=False, device="cpu")
    state = json.loads((tmp_path / "encoder.training" / "config.json").read_text())
    assert state["step"] == 4


def test_checkpoint_that_a_killed_process_moved_aside_is_found(whole, folder: Path, tmp_path: Path, monkeypatch):
    checkpoint = _checkpoint(studies(folder), tmp_path / "encoder", SMALL, monkeypatch, at=5)
    checkpoint.rename(tmp_path / f"{_hidden(checkpoint)}-old-00000000")
    steps, step = [], Pretraining._one_step
    monkeypatch.setattr(Pretraining, "_one_step", lambda self: (steps.append(self.step), step(self))[1])
    resumed = pretrain(studies(folder), tmp_path / "encoder", config=SMALL, progress=False, device="cpu")
    assert steps[0] == 5
    assert _hash(resumed.path) == _hash(whole.path)
    assert [path.name for path in tmp_path.iterdir()] == ["encoder"]


def test_checkpoint_of_another_training_is_refused(folder: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setattr(Pretraining, "run", lambda self, save, progress: (save(self), 1 / 0))
    with pytest.raises(ZeroDivisionError):
        pretrain(studies(folder), tmp_path / "encoder", config=SMALL, progress=False, device="cpu")
    with pytest.raises(
        InputError, match=r"encoder.training is the checkpoint of another training \(config, seed differ"
    ):
        pretrain(
            studies(folder), tmp_path / "encoder", config=replace(SMALL, lr=5e-4), progress=False, device="cpu", seed=3
        )


def test_global_streams_and_threads_stay(folder: Path, tmp_path: Path):
    torch.manual_seed(0)
    before, threads, state = torch.get_rng_state(), torch.get_num_threads(), np.random.get_state()[1].copy()
    pretrain(studies(folder), tmp_path / "e", config=replace(SMALL, n_steps=2), progress=False, device="cpu")
    assert torch.equal(before, torch.get_rng_state())
    assert threads == torch.get_num_threads()
    assert (state == np.random.get_state()[1]).all()


# -- data of any kind -------------------------------------------------------------------------------------------------


def test_files_stay_on_disk_and_stores_are_read(whole, folder: Path, tmp_path: Path):
    backed = pretrain(studies(folder), tmp_path / "backed", config=SMALL, progress=False, device="cpu", backed=True)
    assert _hash(backed.path) == _hash(whole.path)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # anndata 0.12 on the format of the next version
        anndata.read_h5ad(folder / "one.h5ad").write_zarr(tmp_path / "one.zarr")
    study = Study(tmp_path / "one.zarr", labels_key="cell_type")
    store, lazy = open_study(study), open_study(study, backed=True)
    assert isinstance(lazy.source, BackedSource)
    rows = np.array([5, 3])
    assert (lazy.source.rows(rows) != store.source.rows(rows)).nnz == 0
    assert (store.study.title, store.of, len(store.sha256)) == ("one", "the files of the store", 64)


def test_plain_anndata_and_keys():
    found = as_studies([laboratory(1), laboratory(2)], labels_key="cell_type", batch_key="donor")
    assert [study.title for study in found] == ["data_0", "data_1"]
    opened = open_study(found[0])
    assert opened.labelled
    assert len(opened.source.batch_names) == 2
    assert opened.sha256 == open_study(found[0]).sha256 != open_study(found[1]).sha256
    with pytest.raises(InputTypeError, match="takes a list"):
        as_studies("a.h5ad", labels_key=None, batch_key=None)
    with pytest.raises(InputError, match="at least one"):
        as_studies([], labels_key=None, batch_key=None)
    with pytest.raises(InputError, match="the name 'a'"):
        as_studies(["x/a.h5ad", "y/a.h5ad"], labels_key=None, batch_key=None)


def test_ensembl_ids_need_symbols_in_a_column():
    adata = laboratory(1)
    symbols = list(adata.var_names)
    adata.var_names = [f"ENSG{i:011d}" for i in range(adata.n_vars)]
    with pytest.raises(GeneError, match=r"var\['gene_symbols'\]"):
        open_study(Study(adata))
    adata.var["gene_symbols"] = symbols
    assert list(open_study(Study(adata)).symbols) == symbols


@pytest.mark.parametrize("dtype", [object, "category", "string"])
def test_genes_without_a_symbol_are_left_out(dtype: object):
    adata = laboratory(1)
    symbols = [None if i % 2 else name for i, name in enumerate(adata.var_names)]
    adata.var_names = [f"ENSG{i:011d}" for i in range(adata.n_vars)]
    adata.var["gene_symbols"] = pd.Series(symbols, index=adata.var_names).astype(dtype)
    opened = open_study(Study(adata))
    assert opened.symbols.tolist() == [name or "" for name in symbols]
    genes = choose_genes([opened], n_genes=400, min_cells=3)
    assert set(genes) == set(symbols) - {None}
    assert build_corpus([opened], genes).members[0].match.n_matched == 200


def test_batches_are_read_without_labels():
    adata = laboratory(1)
    opened = open_study(Study(adata, batch_key="donor"))
    assert opened.source.batch_names == ("a", "b")
    assert [opened.source.batch_names[k] for k in opened.source.batches] == adata.obs["donor"].tolist()
    assert not opened.labelled
    with pytest.raises(LabelError, match="nothing"):
        open_study(Study(adata, batch_key="nothing"))


def test_one_study_may_be_text():
    assert Study("a.h5ad", studies="GSE84133").studies == ("GSE84133",)
    assert Study("a.h5ad", studies=["GSE84133", "S2"]).studies == ("GSE84133", "S2")
    for wrong in (None, 3, (1,)):
        with pytest.raises(InputError, match="studies must be a tuple of names"):
            Study("a.h5ad", studies=wrong)


def test_what_cannot_be_used_is_named(tmp_path: Path):
    with pytest.raises(InputError, match="There is no"):
        open_study(Study(tmp_path / "nothing.h5ad"))
    (tmp_path / "a.csv").write_text("")
    with pytest.raises(InputError, match=r"neither an .h5ad file nor a .zarr store"):
        open_study(Study(tmp_path / "a.csv"))
    adata = laboratory(1)
    with pytest.raises(LabelError):
        open_study(Study(adata, labels_key="nothing"))
    adata.X = adata.X * 0.37
    with pytest.raises(CountsError):
        open_study(Study(adata))


@pytest.mark.parametrize("change", [{"n_steps": 0}, {"thinned": 1.5}, {"views": -1.0}, {"lr": 0.0}])
def test_numbers_out_of_range(change):
    with pytest.raises(InputError, match=next(iter(change))):
        PretrainConfig(**change)


# -- corpus and views -------------------------------------------------------------------------------------------------


def test_man_and_mouse_share_symbols_and_panels_share_scales(corpus):
    assert all(name.isupper() for name in corpus.genes)
    human, mouse, panel = corpus.members
    assert mouse.match.by == {"name": mouse.match.n_matched}
    assert len(np.intersect1d(human.present, mouse.present)) > 100
    assert corpus.fraction.sum() == pytest.approx(1, abs=1e-5)
    # the shares of a panel of 100 genes are those among all genes
    expected = np.log(programme_of(corpus)[panel.present])
    got = np.log(corpus.fraction[panel.present])
    assert np.corrcoef(expected, got)[0, 1] > 0.9
    assert abs(np.median(expected - got)) < 0.5


def programme_of(corpus) -> np.ndarray:
    from ._pretraining import programmes

    return programmes()[:4].mean(0)[[int(name.removeprefix("GENE")) for name in corpus.genes]]


def test_views_depend_on_seed_and_step_alone(corpus):
    config = replace(SMALL, views=0.5)
    one, two = (list(Views(corpus, config, 0)(4)) for _ in range(2))
    other = list(Views(corpus, config, 0)(5))
    for a, b, c in zip(one, two, other, strict=True):
        assert len(a.views) == 2
        np.testing.assert_array_equal(a.views[1].x, b.views[1].x)
        assert a.views[0].x.shape != c.views[0].x.shape or (a.views[0].x != c.views[0].x).any()
    for batch in other:
        present = set(corpus.members[batch.study].present.tolist())
        assert set(batch.views[0].genes.tolist()) <= present
        assert set(batch.wanted.tolist()) <= present
    sizes = [len(b.views[0].genes) for step in range(30) for b in Views(corpus, config, 0)(step) if b.study == 0]
    assert min(sizes) == 100
    assert max(sizes) == len(corpus.members[0].present)


def test_many_data_sets_take_turns(corpus):
    config = replace(SMALL, studies_per_step=2)
    seen = [tuple(batch.study for batch in Views(corpus, config, 0)(step)) for step in range(20)]
    assert set(seen) == {(0, 1), (0, 2), (1, 2)}


def test_same_names_are_one_class(corpus):
    assert shared_classes(corpus) == [[f"type {k}" for k in range(4)], [f"type {k}" for k in (1, 2, 3)], []]


def test_losses_by_hand():
    z = torch.tensor([[0.0, 0.0], [2.0, 0.0], [5.0, 5.0]])
    same = between_batches(z, torch.tensor([0, 0, 1]), torch.tensor([0, 1, 1]))
    assert float(same) == pytest.approx(0.5)
    assert between_batches(z, torch.tensor([0, 1, 2]), torch.tensor([0, 1, 1])) is None
    unit = torch.eye(3)
    assert float(between_views(unit, unit, 0.1)) < 1e-3 < float(between_views(unit, unit.roll(1, 0), 0.1))


def test_history_tells_the_mean_over_the_steps_that_had_a_loss(corpus):
    """The third data set has no classes: steps that see it alone tell nothing of them."""
    training = Pretraining(corpus, replace(SMALL, studies_per_step=1), seed=0)
    one_step, seen = training._one_step, []
    training._one_step = lambda: seen.append(one_step()) or seen[-1]
    training.run(save=lambda _: None, progress=False)
    told = [losses["classes"] for losses in seen if "classes" in losses]
    assert len(told) < len(seen) == SMALL.n_steps
    assert training.history[-1]["classes"] == pytest.approx(np.mean(told))
    assert training.history[-1]["loss"] == pytest.approx(np.mean([losses["loss"] for losses in seen]))


def test_loss_falls(folder: Path, tmp_path: Path):
    found = pretrain(studies(folder), tmp_path / "e", config=replace(LEARNING, views=0.2), progress=False, device="cpu")
    first, last = found.card["losses"]["first"], found.card["losses"]["last"]
    assert last["step"] == LEARNING.n_steps
    for name, share in (("loss", 0.6), ("prediction", 0.9), ("classes", 0.3), ("views", 0.95)):
        assert last[name] < share * first[name], name


def test_loss_that_is_not_finite_is_told(folder: Path, tmp_path: Path, monkeypatch):
    monkeypatch.setattr("scdd.encoders._pretrain._train.total", lambda *_: {"loss": torch.tensor(float("nan"))})
    with pytest.raises(TrainingError, match="step 0"):
        pretrain(studies(folder), tmp_path / "e", config=SMALL, progress=False, device="cpu")


# -- what is written --------------------------------------------------------------------------------------------------


def test_card_tells_where_the_weights_come_from(whole, folder: Path):
    card = whole.card
    one, _, three = card["data"]
    assert one["sha256"] == hashlib.sha256((folder / "one.h5ad").read_bytes()).hexdigest()
    assert (one["sha256_of"], three["sha256_of"]) == ("the file", "genes, labels and counts")
    assert (one["name"], one["licence"], one["studies"]) == ("one", "CC0-1.0", ["S1"])
    assert (one["n_cells"], one["n_classes"], one["n_batches"], three["n_classes"]) == (160, 4, 2, 0)
    assert one["share_of_counts"] > 0.9
    assert card["trained_on"] == ["S1", "S2"]
    assert card["config"]["n_steps"] == SMALL.n_steps
    assert card["made_by"] == "scdd.encoders.pretrain"
    assert str(folder) not in json.dumps(card)
    manifest = json.loads((whole.path / "manifest.json").read_text())
    assert manifest["sha256"] == whole.file_hashes()


def test_whole_numbers_on_disk_are_near_the_weights(corpus):
    from scdd.encoders._pretrain._card import weights

    network = Pretraining(corpus, SMALL, seed=0).network
    saved = weights(network.state_dict())
    kinds = [str(saved[name].dtype) for name in ("table", "up.weight", "mean")]
    assert kinds == ["int8", "float16", "float32"]
    exact = network.table.detach().numpy() * network.scale.numpy()[:, None]
    near = saved["table"] * saved["scale"][:, None]
    assert np.abs(near - exact).max() <= 0.51 * np.abs(exact).max() / 31
    unit = lambda x: x / np.linalg.norm(x, axis=1, keepdims=True)
    assert (unit(near) * unit(exact)).sum(1).min() > 0.998


def test_vocabulary_takes_common_genes_then_those_that_many_name():
    one, two = laboratory(1, genes=slice(0, 300)), laboratory(2, genes=slice(100, 400))
    one.X = one.X @ sp.diags_array((~np.isin(np.arange(300), (5, 6))).astype(np.float32)).tocsr()
    one.var_names = [{"GENE5": "INS", "GENE6": "RP11-206L10.2"}.get(name, name) for name in one.var_names]
    sets = [open_study(Study(a, f"s{i}")) for i, a in enumerate((one, two))]
    every = choose_genes(sets, n_genes=1000, min_cells=3)
    assert len(every) == 400
    fewer = choose_genes(sets, n_genes=len(every) - 1, min_cells=3)
    assert set(every) - set(fewer) == {"RP11-206L10.2"}


def test_folder_is_not_overwritten_by_chance(whole, folder: Path):
    with pytest.raises(InputError, match="overwrite=True"):
        small(folder)


def test_coverage_is_logged(folder: Path, tmp_path: Path, caplog):
    with caplog.at_level(logging.INFO, "scdd"):
        pretrain(studies(folder), tmp_path / "e", config=replace(SMALL, n_steps=1), progress=False, device="cpu")
    assert "pretraining: 'two': " in caplog.text
    assert "of the counts" in caplog.text


def test_command_line(folder: Path, tmp_path: Path, capsys):
    from scdd.cli import main

    studies(folder)
    listed = [
        {"data": str(folder / "one.h5ad"), "labels_key": "cell_type", "studies": ["S1"]},
        {"data": str(folder / "two.h5ad"), "labels_key": "cell_type"},
    ]
    (tmp_path / "studies.json").write_text(json.dumps(listed))
    (tmp_path / "config.json").write_text(json.dumps({"hidden": 8, "dim": 4, "cells_per_study": 8}))
    options = ["--out", str(tmp_path / "e"), "--config", str(tmp_path / "config.json"), "--steps", "2"]
    assert main(["pretrain", str(tmp_path / "studies.json"), *options, "--device", "cpu"]) == 0
    assert "one: 160 cells" in capsys.readouterr().out
    assert main(["pretrain", str(folder / "one.h5ad"), *options, "--overwrite", "--labels-key", "cell_type"]) == 0
    (tmp_path / "config.json").write_text(json.dumps({"hiden": 8}))
    assert main(["pretrain", str(folder / "one.h5ad"), *options, "--overwrite"]) == 2
    assert "hiden" in capsys.readouterr().err


def test_processes_average_their_gradients(folder: Path, tmp_path: Path):
    """Two processes that torchrun starts take the step of the mean of their gradients, and write one encoder."""
    studies(folder)
    config = replace(SMALL, n_steps=1, cells_per_study=8)
    (tmp_path / "config.json").write_text(json.dumps(asdict(config)))
    (tmp_path / "studies.json").write_text(json.dumps([{"data": str(folder / "one.h5ad"), "labels_key": "cell_type"}]))
    options = [str(tmp_path / "studies.json"), "--out", str(tmp_path / "e"), "--config", str(tmp_path / "config.json")]
    torchrun = ["torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "scdd", "pretrain"]
    done = subprocess.run(
        [sys.executable, "-m", *torchrun, *options, "--device", "cpu"],
        env=os.environ | {"OMP_NUM_THREADS": "1"}, capture_output=True, text=True, timeout=300,
    )  # fmt: skip
    assert done.returncode == 0, done.stderr
    assert done.stdout.count("Wrote") == 1
    found = ScddBaseEncoder(tmp_path / "e")
    assert found.card["processes"] == 2

    opened = open_study(Study(folder / "one.h5ad", labels_key="cell_type"))
    alone = Pretraining(
        build_corpus([opened], choose_genes([opened], n_genes=config.n_genes, min_cells=5)), config, seed=0
    )
    halves = []
    for batch in (0, 1):
        alone.step = batch  # the batches of the two processes in their first step
        total(alone._losses(), config)["loss"].backward()
        alone._fill_gradients()
        halves.append([p.grad.clone() for _, p in alone._parameters()])
        alone.optimizer.zero_grad(set_to_none=True)
    alone.step = 0
    for (_, parameter), one, two in zip(alone._parameters(), *halves, strict=True):
        parameter.grad = (one + two) / 2
    torch.nn.utils.clip_grad_norm_([p for _, p in alone._parameters()], config.gradient_clip)
    alone.optimizer.param_groups[0]["lr"] = config.lr
    alone.optimizer.step()
    written, _ = read_model(tmp_path / "e")
    for name, value in weights(alone.network.state_dict()).items():
        np.testing.assert_allclose(written[name], value, rtol=2e-3, atol=1e-6, err_msg=name)


TWO = """
import os, sys
from pathlib import Path

import torch.distributed as dist

from scdd.datasets import simulate
from scdd.encoders import PretrainConfig, Study, pretrain
from scdd.errors import ScddError

folder, rank = Path(sys.argv[1]), int(os.environ["RANK"])
dist.init_process_group("gloo", init_method=(folder / "meeting").as_uri(), rank=rank, world_size=2)
data = [Study(simulate(n_obs=60, n_vars=80, seed=0), "a", labels_key="cell_type"), Study(simulate(n_obs=60, n_vars=80), "b")]
config = PretrainConfig(n_steps=8, cells_per_study=8, hidden=8, dim=4, studies_per_step=1)
for place in ("shared", f"own{rank}/e", f"taken{rank}"):
    try:
        print(pretrain(data, folder / place, config=config, device="cpu", progress=False).card["losses"]["last"])
    except ScddError as error:
        print(type(error).__name__, error)
"""


def test_processes_with_other_cells_and_other_files(tmp_path: Path, monkeypatch):
    """Some steps show one process labelled cells and the other none; then the two see different folders."""
    for name in ("own0", "own1", "taken0"):
        (tmp_path / name).mkdir()
    data = [
        Study(simulate(n_obs=60, n_vars=80, seed=0), "a", labels_key="cell_type"),
        Study(simulate(n_obs=60, n_vars=80), "b"),
    ]
    config = PretrainConfig(n_steps=8, cells_per_study=8, hidden=8, dim=4, studies_per_step=1)
    _checkpoint(data, tmp_path / "own0" / "e", config, monkeypatch, at=2)
    both = [
        subprocess.Popen(
            [sys.executable, "-c", TWO, str(tmp_path)], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env=os.environ | {"OMP_NUM_THREADS": "1", "RANK": rank, "WORLD_SIZE": "2"},
        )
        for rank in "01"
    ]  # fmt: skip
    try:
        told = [process.communicate(timeout=240) for process in both]
    finally:
        for process in both:
            process.kill()
            process.communicate()
    (first, unlike, taken), (second, unlike_too, not_taken) = (out.splitlines() for out, _ in told)
    assert first == second
    assert "'classes'" in first
    for line in (unlike, unlike_too):
        assert line.startswith("EncoderError The processes do not see the same")
        assert "from the steps 2, 0" in line
    assert taken.startswith("InputError")
    assert "taken0 exists" in taken
    assert not_taken.startswith("EncoderError Process 0 of 2 cannot go on")


def _checkpoint(data, target: Path, config: PretrainConfig, monkeypatch, *, at: int) -> Path:
    """Stop a training at a step, and return its checkpoint."""
    run = Pretraining.run
    with monkeypatch.context() as patch:
        patch.setattr(Pretraining, "run", lambda self, save, progress: (save(run(self, save=save, until=at)), 1 / 0))
        with pytest.raises(ZeroDivisionError):
            pretrain(data, target, config=config, device="cpu", progress=False)
    return target.with_name(f"{target.name}.training")


def test_auto_takes_what_is_there():
    assert device_name("auto") == ("cuda" if torch.cuda.is_available() else "cpu")
    assert device_name("gpu") == "cuda"


@pytest.mark.gpu
def test_gpu_learns_the_same(folder: Path, tmp_path: Path):
    found = pretrain(studies(folder), tmp_path / "e", config=LEARNING, progress=False, device="cuda", compile=True)
    first, last = found.card["losses"]["first"], found.card["losses"]["last"]
    assert last["loss"] < 0.9 * first["loss"]
