"""The page of a report in the browser: its colours, and what stands beside its figures."""

from __future__ import annotations

import re

import pytest

import scdd


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
