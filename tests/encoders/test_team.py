"""Several processes: the mean of their gradients, and agreement where their cells or their files differ."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np
import torch

from scdd.datasets import simulate
from scdd.encoders import PretrainConfig, ScddBaseEncoder, Study
from scdd.encoders._pretrain._card import weights
from scdd.encoders._pretrain._corpus import build_corpus, choose_genes
from scdd.encoders._pretrain._losses import total
from scdd.encoders._pretrain._open import open_study
from scdd.encoders._pretrain._train import Pretraining
from scdd.io import read_model

from ._pretraining import SMALL, checkpoint, studies


def test_processes_average_their_gradients(tmp_path: Path):
    """Two processes that torchrun starts take the step of the mean of their gradients, and write one encoder."""
    folder = tmp_path / "data"
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
    checkpoint(data, tmp_path / "own0" / "e", config, monkeypatch, at=2)
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
