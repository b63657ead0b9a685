"""A process is killed, or its disk fills, while it saves over a model: the old or the new one is there, whole."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

pytestmark = pytest.mark.skipif(not hasattr(os, "fork"), reason="the system has no fork")

# A process of its own forks the ones that die: they start at once, and know nothing of pytest.
DRIVER = """
import json, os, random, resource, signal, sys, time
from pathlib import Path
import numpy as np
from scdd.io import read_model, write_model

path = Path(sys.argv[1])
size = int(sys.argv[2])

def save(generation):
    write_model(path, {"x": np.full(size, generation, np.int32)}, {"generation": generation}, overwrite=True)

def die_in(child, after=None):
    '''Run a function in a fork, kill it after some seconds, and return how it ended.'''
    pid = os.fork()
    if pid == 0:
        try:
            child()
        except BaseException as error:
            os._exit(7 if isinstance(error, OSError) else 8)
        os._exit(0)
    if after is not None:
        time.sleep(after)
        os.kill(pid, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1])

def found():
    '''Read the model, and return its generation; every byte must belong to it.'''
    tensors, config = read_model(path)
    generation = config["generation"]
    assert (tensors["x"] == generation).all() and len(tensors["x"]) == size
    return generation

report = []
"""

STEPS = """
save(0)
def save_until(step):
    seen = 0
    def hook(event, arguments):
        nonlocal seen
        if event in ("open", "os.mkdir", "os.rename", "os.remove", "os.rmdir") and str(path.parent) in str(arguments):
            seen += 1
            if seen == step:
                os.kill(os.getpid(), signal.SIGKILL)
    sys.addaudithook(hook)
    save(step)

for step in range(1, 100):
    before = found()
    code = die_in(lambda: save_until(step))
    after = found()
    report.append([code, before, after, step])
    if code == 0:
        break
    if step % 2:
        save(1000 + step)  # what a killed process left is in nobody's way
        assert found() == 1000 + step
"""

RANDOM = """
rng = random.Random(0)
start = time.perf_counter()
for _ in range(5):
    save(0)
seconds = (time.perf_counter() - start) / 5

def save_on(generation):
    while True:
        generation += 1
        save(generation)

for _ in range(int(sys.argv[3])):
    before = found()
    code = die_in(lambda: save_on(before), rng.uniform(0, 4 * seconds))
    report.append([code, before, found(), None])
save(-1)
assert found() == -1
"""

MODEL = """
import warnings
warnings.simplefilter("ignore")
import torch
import scdd
from scdd.model import SCDD

torch.set_num_threads(1)
adata = scdd.datasets.simulate(n_obs=100, n_vars=50)
SCDD.setup_anndata(adata)
model = SCDD(adata)
model.train(1, progress=False)

def save(generation):
    model._seconds = {"generation": generation}
    for parameter in model.module.parameters():
        parameter.data.fill_(generation)
    model.save(path, overwrite=True)

def found():
    back = SCDD.load(path)
    generation = back._seconds["generation"]
    assert all((parameter == generation).all() for parameter in back.module.parameters())
    return generation
"""

DISK = """
save(0)
def save_on_a_full_disk(limit):
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
    save(1)

for limit in (0, 1, 100, 4 * size // 2, 4 * size + 20):
    code = die_in(lambda: save_on_a_full_disk(limit))
    report.append([code, 0, found(), limit])
    assert [p.name for p in path.parent.iterdir()] == [path.name], list(path.parent.iterdir())
"""


def drive(script: str, *arguments: Any) -> list[list[int]]:
    """Run the driver with one of the scripts: exit code, generation before and after, of each process that died."""
    program = f"{DRIVER}{script}\nprint(json.dumps(report))"
    done = subprocess.run(
        [sys.executable, "-c", program, *map(str, arguments)], capture_output=True, text=True, timeout=600
    )
    assert done.returncode == 0, done.stderr[-3000:]
    report: list[list[int]] = json.loads(done.stdout.splitlines()[-1])
    return report


def test_killed_before_each_step(tmp_path: Path) -> None:
    """Also between the two renames, which chance would hardly hit."""
    report = drive(STEPS, tmp_path / "model", 1000)
    codes = [code for code, *_ in report]
    assert len(codes) > 8
    assert codes == [-9] * (len(codes) - 1) + [0]
    for _, before, after, step in report:
        assert after in (before, step)
    assert [p.name for p in tmp_path.iterdir() if not p.name.startswith(".")] == ["model"]


def test_full_disk(tmp_path: Path) -> None:
    report = drive(DISK, tmp_path / "model", 100_000)
    assert [code for code, *_ in report] == [7] * len(report)
    assert {after for _, _, after, _ in report} == {0}


@pytest.mark.slow
@pytest.mark.parametrize("script", [RANDOM, MODEL + RANDOM], ids=["write_model", "SCDD.save"])
def test_killed_at_random(tmp_path: Path, script: str) -> None:
    report = drive(script, tmp_path / "model", 2_000_000, 40)
    assert len(report) == 40
    assert {code for code, *_ in report} == {-9}
    assert all(after >= before for _, before, after, _ in report)
    assert sum(after > before for _, before, after, _ in report) > 5  # the processes did save
