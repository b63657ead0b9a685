"""The demonstration."""

from __future__ import annotations

import warnings
from pathlib import Path

import anndata as ad
import pytest

from scdd import demo


def test_help(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as stop:
        demo.main(["--help"])
    assert stop.value.code == 0
    assert "--out" in capsys.readouterr().out


@pytest.mark.slow
def test_demo(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        demo.main(["--out", str(tmp_path)])
    text = capsys.readouterr().out
    for name in ("full data", "distilled, 1 cell a class", "distilled, 10 cells a class", "random", "class means"):
        assert name in text
    syn = ad.read_h5ad(tmp_path / "pancreas_distilled.h5ad")
    assert syn.obs["cell_type"].value_counts().max() == 10
    assert not {"human3", "human4"} & {str(v) for v in syn.obs.to_numpy().ravel()}
    assert (tmp_path / "compare.png").stat().st_size > 20_000
