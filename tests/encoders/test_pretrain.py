"""Pretraining: resumable bit for bit, from any data, with a card that tells all."""

from __future__ import annotations

import hashlib
import json
import logging
import os
import warnings
from dataclasses import replace
from pathlib import Path

import anndata
import numpy as np
import pytest
import torch

from scdd.data import BackedSource
from scdd.encoders import Study, pretrain
from scdd.encoders._place import device_name
from scdd.encoders._pretrain._card import weights
from scdd.encoders._pretrain._losses import between_batches, between_views
from scdd.encoders._pretrain._open import open_study
from scdd.encoders._pretrain._train import Pretraining
from scdd.errors import InputError, TrainingError
from scdd.io._folder import _hidden

from ._pretraining import LEARNING, SMALL, checkpoint, corpus_of, small, studies

WEIGHTS = "model.safetensors"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("pretrain")


@pytest.fixture(scope="module")
def whole(folder: Path):
    return small(folder)


@pytest.fixture(scope="module")
def corpus(folder: Path):
    return corpus_of(folder)


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
    kept = checkpoint(studies(folder), tmp_path / "encoder", SMALL, monkeypatch, at=5)
    kept.rename(tmp_path / f"{_hidden(kept)}-old-00000000")
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


# -- losses -------------------------------------------------------------------------------------------------------------


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


# -- what is written ----------------------------------------------------------------------------------------------------


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

    network = Pretraining(corpus, SMALL, seed=0).network
    saved = weights(network.state_dict())
    kinds = [str(saved[name].dtype) for name in ("table", "up.weight", "mean")]
    assert kinds == ["int8", "float16", "float32"]
    exact = network.table.detach().numpy() * network.scale.numpy()[:, None]
    near = saved["table"] * saved["scale"][:, None]
    assert np.abs(near - exact).max() <= 0.51 * np.abs(exact).max() / 31
    unit = lambda x: x / np.linalg.norm(x, axis=1, keepdims=True)
    assert (unit(near) * unit(exact)).sum(1).min() > 0.998


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


def test_auto_takes_what_is_there():
    assert device_name("auto") == ("cuda" if torch.cuda.is_available() else "cpu")
    assert device_name("gpu") == "cuda"


@pytest.mark.gpu
def test_gpu_learns_the_same(folder: Path, tmp_path: Path):
    found = pretrain(studies(folder), tmp_path / "e", config=LEARNING, progress=False, device="cuda", compile=True)
    first, last = found.card["losses"]["first"], found.card["losses"]["last"]
    assert last["loss"] < 0.9 * first["loss"]
