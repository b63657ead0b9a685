"""The page of a report: where it is written, its colours in the browser, and what stands beside its figures."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import scdd
from scdd._report._words import percent
from scdd.errors import InputError


@pytest.mark.filterwarnings("ignore::scdd.errors.ScddWarning")  # classes of few cells
def test_the_page_has_a_dark_scheme_and_figures_of_its_own_style() -> None:
    from matplotlib import style

    adata = scdd.datasets.simulate(n_obs=150, n_vars=80, n_classes=24)
    syn = scdd.tl.coreset(adata, 1)
    html = scdd.tl.report(adata, syn).html
    assert "prefers-color-scheme: dark" in html
    assert len(re.findall('class="dot m0"', html)) == 21
    assert len(re.findall('class="dot m1"', html)) == 3  # the shapes of the figure, where its colours start again
    with style.context("dark_background"):
        assert scdd.tl.report(adata, syn).html == html


def test_nothing_is_replaced_or_made_unasked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    adata = scdd.datasets.simulate(n_obs=100, n_vars=60)
    syn = scdd.tl.coreset(adata, 2)
    told = scdd.tl.report(adata, syn, models=["LR"], plots=False)
    path = told.save(tmp_path / "report.html")
    path.write_text("mine")
    # before any work is done
    monkeypatch.setattr("scdd.tl._report.build_report", lambda *args, **options: told)
    for write in (told.save, lambda at, **more: scdd.tl.report(adata, syn, path=at, **more)):
        with pytest.raises(InputError, match="overwrite=True"):
            write(path)
        assert path.read_text() == "mine"
        with pytest.raises(InputError, match="does not exist"):
            write(tmp_path / "new" / "report.html")
        write(path, overwrite=True)
        assert path.read_text(encoding="utf-8") == told.html
        path.write_text("mine")
    assert [file.name for file in tmp_path.iterdir()] == ["report.html"]


def test_percentages_do_not_flatter() -> None:
    assert [percent(x) for x in (1.0, 0.99996, 0.0, 1.00001, float("nan"))] == [
        "100 %",
        "99.9 %",
        "0.0 %",
        "100.1 %",
        "-",
    ]
