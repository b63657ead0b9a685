"""tl.distill that ends early: out of time, or interrupted."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import textwrap
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import scdd
from scdd.errors import ScddWarning
from scdd.module import ENGINES, Autoencoder
from scdd.tl import distill

if TYPE_CHECKING:
    from anndata import AnnData

pytestmark = pytest.mark.usefixtures("small_budget")


@pytest.fixture(scope="module")
def small() -> AnnData:
    return scdd.datasets.simulate(n_obs=150, n_vars=100, n_batches=3, seed=2)


def _whole(syn: AnnData, status: str) -> None:
    assert syn.uns["scdd"]["status"] == status
    assert json.dumps(syn.uns["scdd"], allow_nan=False)
    assert syn.n_obs == 8
    assert np.isfinite(syn.X.data).all()
    assert (np.asarray(syn.X.sum(axis=1)) > 0).all()
    assert syn.obs["scdd_weight"].sum() == 150


def _run(small: AnnData, **arguments: Any) -> AnnData:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", ScddWarning)
        return distill(small, 2, batch_key="donor", progress=False, **arguments)


@pytest.mark.parametrize("seconds", [0, 0.3])
@pytest.mark.parametrize("preset", ["fast", "default", "paper"])
def test_out_of_time(small: AnnData, seconds: float, preset: str) -> None:
    _whole(_run(small, max_seconds=seconds, preset=preset), "out_of_time")


@pytest.mark.parametrize("kind", [Autoencoder, ENGINES.get("energy")])
def test_interrupted_training(small: AnnData, monkeypatch: pytest.MonkeyPatch, kind: Any) -> None:
    true, calls = kind.loss, []

    def loss(*args: Any, **kwargs: Any) -> Any:
        calls.append(1)
        if len(calls) == 10:
            raise KeyboardInterrupt
        return true(*args, **kwargs)

    monkeypatch.setattr(kind, "loss", loss)
    handler = signal.getsignal(signal.SIGINT)
    syn = _run(small, preset="fast")
    _whole(syn, "interrupted")
    assert signal.getsignal(signal.SIGINT) is handler
    assert "interrupted" in syn.uns["scdd"]["training"].values()
    assert len(calls) == 10


@pytest.mark.parametrize("preset", ["default", "paper"])
def test_interrupted_refinement(small: AnnData, monkeypatch: pytest.MonkeyPatch, preset: str) -> None:
    from scdd.distill import RowFeatures

    true, calls = RowFeatures.at, []

    def call(self: Any, *args: Any) -> Any:
        calls.append(1)
        if len(calls) == 5:
            raise KeyboardInterrupt
        return true(self, *args)

    monkeypatch.setattr(RowFeatures, "at", call)
    _whole(_run(small, preset=preset), "interrupted")
    assert len(calls) == 5


@pytest.mark.parametrize("place", ["scdd.distill._start.invert", "scdd.distill._start.gather_evidence"])
def test_interrupted_start_keeps_the_model(small: AnnData, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    """Before there are rows, there is nothing to return but the model, which can go on."""
    model = scdd.model.SCDD.from_checked(scdd.pp.check(small), small)
    model.train(progress=False)

    def interrupt(*args: Any, **kwargs: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(place, interrupt)
        with pytest.raises(KeyboardInterrupt):
            model.distill(2, preset="fast", progress=False)
    _whole(model.distill(2, preset="fast", progress=False), "complete")


_SCRIPT = """
import os, signal, sys, threading, warnings
import scdd
from scdd.distill import RowFeatures
from scdd.module import Autoencoder

def at(kind, name, step):
    true, calls = getattr(kind, name), []
    def call(*args, **kwargs):
        calls.append(1)
        if len(calls) == step:
            os.kill(os.getpid(), signal.SIGINT)
        return true(*args, **kwargs)
    setattr(kind, name, call)
    return lambda: setattr(kind, name, true)

if __name__ == "__main__":
    warnings.simplefilter("ignore")
    adata = scdd.datasets.simulate(n_obs=150, n_vars=100, n_batches=3, seed=2)
    signal.signal(signal.SIGINT, signal.default_int_handler)  # jobs in the background inherit that it is ignored
    handler = signal.getsignal(signal.SIGINT)
    undo = at(Autoencoder, "loss", 10)
    print(scdd.tl.distill(adata, 2, progress=False, preset="fast").uns["scdd"]["status"])
    undo()
    model = scdd.model.SCDD.from_checked(scdd.pp.check(adata), adata)
    model.train(1, progress=False, generator=False)
    undo = at(RowFeatures, "at", 10)
    print(model.distill(2, progress=False, preset="paper").uns["scdd"]["status"])
    undo()
    print(signal.getsignal(signal.SIGINT) is handler)
    undo = at(Autoencoder, "loss", 5)
    at(RowFeatures, "at", 1)
    syn = scdd.tl.distill(adata, 2, progress=False, preset="paper")
    print(syn.uns["scdd"]["status"], syn.n_obs)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="SIGINT")
def test_real_signals() -> None:
    """Ctrl-C as the operating system sends it: in training, in a refinement, and in both."""
    env = {**os.environ, "OMP_NUM_THREADS": "1"}
    run = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(_SCRIPT)],
        capture_output=True,
        text=True,
        env=env,
        timeout=120,
        check=False,
    )
    assert run.returncode == 0, run.stderr[-2000:]
    assert run.stdout.split("\n")[:4] == ["interrupted", "interrupted", "True", "interrupted 8"]
