"""Fixtures and options that all tests share."""

from __future__ import annotations

import functools
import os
import signal
from collections.abc import Callable
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
import scipy.sparse as sp

if TYPE_CHECKING:
    from collections.abc import Iterator

    from anndata import AnnData

    from scdd.distill import DistillConfig

DATA = Path(os.environ.get("SCDD_DATA", Path(__file__).parent.parent.parent / "shared" / "data"))

ARRAY_TYPES: dict[str, Callable[[Any], Any]] = {
    "csr_matrix": sp.csr_matrix,
    "csc_matrix": sp.csc_matrix,
    "csr_array": sp.csr_array,
    "csc_array": sp.csc_array,
    "dense_c": lambda x: np.ascontiguousarray(x.toarray()),
    "dense_f": lambda x: np.asfortranarray(x.toarray()),
}


def pytest_configure(config: pytest.Config) -> None:
    # anndata 0.13 and scanpy 1.12 ask pandas 3.1 for options that pandas 4 will drop
    config.addinivalue_line("filterwarnings", r"ignore:The '[\w.]+' option is deprecated")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a GPU where there is none; torch is imported only if such a test was asked for."""
    gpu_items = [item for item in items if "gpu" in item.keywords]
    if gpu_items:
        import torch

        if not torch.cuda.is_available():
            for item in gpu_items:
                item.add_marker(pytest.mark.skip(reason="gpu: no CUDA device"))


@functools.cache
def _toy() -> AnnData:
    from scdd.datasets import simulate

    return simulate(n_obs=240, n_vars=120, n_classes=4, n_batches=3, depth=800, seed=1)


@pytest.fixture
def toy() -> AnnData:
    """240 cells x 120 genes, 4 classes of uneven size, 3 donors; a fresh copy for each test."""
    return _toy().copy()


@functools.cache
def _read(name: str) -> AnnData:
    import anndata

    return anndata.read_h5ad(DATA / f"{name}.h5ad")


@pytest.fixture
def shared_data() -> Callable[[str], AnnData]:
    """Read a real data set by name (a fresh copy); skips where the folder is absent."""

    def load(name: str) -> AnnData:
        path = DATA / f"{name}.h5ad"
        if not path.exists():
            pytest.skip(f"real data {path.name} is not at hand (set SCDD_DATA to its folder)")
        return _read(name).copy()

    return load


@pytest.fixture(params=list(ARRAY_TYPES))
def array_type(request: pytest.FixtureRequest) -> Callable[[Any], Any]:
    """A function that turns a CSR matrix into each matrix type that AnnData may hold."""
    return ARRAY_TYPES[request.param]


@pytest.fixture(scope="module")
def small_budget() -> Iterator[None]:
    """Train and distil for a few steps only, and referees grow few trees: enough for contracts, not for good rows."""
    with _small_budget():
        yield


@pytest.fixture
def small_budget_here() -> Iterator[None]:
    """Keep to the small budget in one test of a file."""
    with _small_budget():
        yield


@contextmanager
def _small_budget() -> Iterator[None]:
    from scdd.distill import PRESETS
    from scdd.train import TrainConfig
    from scdd.train._config import StageConfig

    config = TrainConfig(
        autoencoder=StageConfig(n_steps=40, batch_size=64),
        generator=StageConfig(n_steps=40, batch_size=16, weight_decay=0.0),
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("scdd.model._scdd.TrainConfig", lambda: config)
        patch.setattr("scdd.metrics._models._N_TREES", 10)
        for name in PRESETS:
            patch.setitem(PRESETS._items, name, _shortened(PRESETS.get(name)))
        yield


def _shortened(preset: DistillConfig) -> DistillConfig:
    """Return a preset that refines and calibrates for a tenth of its steps."""
    refine, calibration = preset.refine, preset.calibration
    few = replace(refine, n_steps=refine.n_steps // 10, checkpoints=tuple(step // 10 for step in refine.checkpoints))
    if calibration is not None:
        calibration = replace(calibration, n_steps=calibration.n_steps // 10)
    return replace(preset, refine=few, calibration=calibration)


@pytest.fixture
def interruptible() -> Iterator[None]:
    """Ctrl-C as in a terminal: jobs in the background inherit that it is ignored."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)
