"""The settings are honoured where a call does not say otherwise, and only there."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import pytest

import scdd
from scdd._compat import warn
from scdd._rng import canonical_seed
from scdd._settings import FROM_SETTINGS
from scdd.errors import InputError, ScddWarning

if TYPE_CHECKING:
    from anndata import AnnData


@pytest.fixture(autouse=True)
def _defaults() -> Iterator[None]:
    scdd.settings.reset()
    yield
    scdd.settings.reset()


def _counts(adata: AnnData) -> np.ndarray:
    return adata.X.toarray()


def test_the_seed_is_that_of_the_settings_unless_one_is_given() -> None:
    assert canonical_seed(FROM_SETTINGS) == 0
    with scdd.settings.override(seed=7):
        assert canonical_seed(FROM_SETTINGS) == 7
        assert canonical_seed(3) == 3
        seven = scdd.datasets.simulate(30, 20)
        three = scdd.datasets.simulate(30, 20, seed=3)
    np.testing.assert_array_equal(_counts(seven), _counts(scdd.datasets.simulate(30, 20, seed=7)))
    np.testing.assert_array_equal(_counts(three), _counts(scdd.datasets.simulate(30, 20, seed=3)))
    with scdd.settings.override(seed=None):
        assert canonical_seed(FROM_SETTINGS) != canonical_seed(FROM_SETTINGS)


def test_tools_record_the_seed(toy: AnnData) -> None:
    with scdd.settings.override(seed=5):
        assert scdd.tl.coreset(toy, 2, "random").uns["scdd"]["seed"] == 5
        assert scdd.tl.coreset(toy, 2, "random", seed=1).uns["scdd"]["seed"] == 1
        model = scdd.model.SCDD.from_checked(scdd.pp.check(toy))
    assert model._seed == 5


@pytest.mark.usefixtures("small_budget")
def test_progress(toy: AnnData, capsys: pytest.CaptureFixture[str]) -> None:
    def bars(**options: bool) -> bool:
        scdd.tl.distill(toy, 1, preset="fast", **options)
        return "distillation" in capsys.readouterr().err

    assert bars()
    with scdd.settings.override(progress=False):
        assert not bars()
        assert bars(progress=True)
    with scdd.settings.override(verbosity=0):
        assert not bars()
    assert not bars(progress=False)


def test_verbosity_0_keeps_warnings_back() -> None:
    with pytest.warns(ScddWarning, match="something"):
        warn("something")
    with scdd.settings.override(verbosity=0), warnings.catch_warnings():
        warnings.simplefilter("error")
        warn("something")


@pytest.mark.usefixtures("small_budget")
def test_verbosity_2_tells_of_each_stage(toy: AnnData, capsys: pytest.CaptureFixture[str]) -> None:
    logger = logging.getLogger("scdd")
    before = list(logger.handlers)
    with scdd.settings.override(verbosity=2, progress=False):
        scdd.settings.verbosity = 2  # twice is once
        scdd.tl.distill(toy, 1, preset="fast")
    text = capsys.readouterr().err
    for stage in (
        "scdd: autoencoder: complete after 40 steps",
        "scdd: generator: complete",
        "scdd: distillation: complete",
    ):
        assert text.count(stage) == 1
    assert logger.handlers == before
    assert logger.level == logging.NOTSET


def test_downloads_go_to_the_data_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pooch = pytest.importorskip("pooch")
    asked: list[Path] = []

    def retrieve(url: str, *, fname: str, path: Path, **options: object) -> str:
        asked.append(path)
        return str(path / fname)

    monkeypatch.setattr(pooch, "retrieve", retrieve)
    monkeypatch.setenv("SCDD_CACHE", str(tmp_path / "variable"))
    address = "https://example.org/a.h5ad"
    scdd.datasets.fetch(address, sha256="0" * 64)
    with scdd.settings.override(data_dir=tmp_path / "settings"):
        scdd.datasets.fetch(address, sha256="0" * 64)
        scdd.datasets.fetch(address, sha256="0" * 64, folder=tmp_path / "argument")
    assert [path.name for path in asked] == ["variable", "settings", "argument"]


def test_a_setting_that_there_is_not_is_refused() -> None:
    with pytest.raises(InputError, match=r"Unknown setting 'sead'. Settings: verbosity, seed"):
        scdd.settings.sead = 3


def test_override_puts_everything_back() -> None:
    before = repr(scdd.settings)
    with scdd.settings.override(seed=1, verbosity=0, progress=False, data_dir="x"):
        assert repr(scdd.settings) == f"Settings(verbosity=0, seed=1, progress=False, data_dir={Path('x')!r})"
    assert repr(scdd.settings) == before
    with pytest.raises(InputError, match="seed"), scdd.settings.override(progress=False, seed=-1):
        pass
    assert repr(scdd.settings) == before
    with pytest.raises(InputError, match="Unknown setting 'sed'"), scdd.settings.override(sed=1):
        pass


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("verbosity", 3),
        ("verbosity", True),
        ("seed", -1),
        ("seed", 1.5),
        ("seed", True),
        ("progress", "yes"),
        ("data_dir", 3),
    ],
)
def test_wrong_values_are_refused(name: str, value: object) -> None:
    with pytest.raises(InputError, match=name):
        setattr(scdd.settings, name, value)


def test_the_default_of_a_seed_reads_well() -> None:
    import inspect

    assert repr(inspect.signature(scdd.tl.distill).parameters["seed"].default) == "scdd.settings.seed"


def test_seeds_that_no_file_holds_are_refused() -> None:
    assert canonical_seed(2**64 - 1) == 2**64 - 1
    with pytest.raises(InputError, match="below 2\\*\\*64"):
        canonical_seed(2**64)


def test_bars_of_the_benchmark_are_those_of_the_settings(capsys: pytest.CaptureFixture[str]) -> None:
    for progress in (False, True):
        with scdd.settings.override(progress=progress):
            scdd.benchmark.run("simulated", ["random"], n=[1], splits=[0], seeds=[0], models=["kNN"])
        assert ("benchmark:" in capsys.readouterr().err) == progress
