"""Nested blocks and the plan of the rows."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from scdd.distill import blocks, plan_rows, render_rows
from scdd.distill._blocks import block_size
from scdd.distill._evidence import gather_evidence
from scdd.distill._render import DENOISED_DEPTH
from scdd.distill._rows import MEAN_FLOOR, _rounded, row_kinds, seen_rows
from scdd.errors import InputError

from ._toy import world

ENDS = [1, 5, 10, 50, 100, 500, 1000, 5000]


def test_blocks_of_every_size():
    for n in range(1, 1201):
        found = blocks(n)
        assert found[0][0] == 0
        assert found[-1][1] == n
        assert all(stop > start for start, stop in found)
        assert all(a[1] == b[0] for a, b in zip(found[:-1], found[1:], strict=True))
        assert [stop for _, stop in found[:-1]] == [end for end in ENDS if end < n]
        if n in ENDS:  # the blocks of a complete prefix are those of any larger set
            assert found == blocks(5000)[: len(found)]


def plan(n: int, rendering: str = "mix", seed: int = 0):
    sizes = np.array([n, 1, 3 * n, 2])
    batches = [np.zeros(size, np.int64) for size in sizes]
    kinds = [row_kinds(int(size), rendering, 1) for size in sizes]
    return sizes, plan_rows(world().module, sizes, batches, kinds=kinds, seed=seed)


@pytest.mark.parametrize("n", [1, 2, 5, 10, 50, 63])
def test_libraries_of_a_block_are_evenly_spread_quantiles(n: int):
    sizes, rows = plan(n, "noisy")
    assert np.bincount(rows.labels).tolist() == sizes.tolist()
    assert (np.diff(rows.labels) >= 0).all()
    for label in range(4):
        mine = np.flatnonzero(rows.labels == label)
        for number, (start, stop) in enumerate(blocks(int(sizes[label]))):
            assert (rows.block[mine[start:stop]] == number).all()
            u = (np.arange(stop - start) + 0.5) / (stop - start)
            expected = np.rint(world().module.library.quantile(np.full(len(u), label), np.zeros(len(u), int), u))
            np.testing.assert_array_equal(np.sort(rows.library[mine[start:stop]]), expected)


def test_a_denoised_row_has_the_median_library():
    _, rows = plan(10, "mix")
    median = np.rint(world().module.library.quantile(np.arange(4), np.zeros(4, int), np.full(4, 0.5)))
    denoised = rows.kind == "denoised"
    np.testing.assert_array_equal(rows.library[denoised], median[rows.labels[denoised]])
    assert len(np.unique(rows.library[~denoised])) > 4


def test_plan_is_nested_and_follows_its_seed():
    (_, few), (_, many), (_, other) = plan(10), plan(50), plan(50, seed=1)
    for name in ("library", "block", "kind", "batches"):
        np.testing.assert_array_equal(getattr(few, name)[:10], getattr(many, name)[:10])
    assert (other.library[:50] != many.library[:50]).any()


def test_kinds():
    assert row_kinds(5, "mix", 1).tolist() == ["denoised", "noisy", "denoised", "noisy", "denoised"]
    assert row_kinds(4, "half", 10**6).tolist() == ["denoised", "noisy", "denoised", "noisy"]
    assert row_kinds(3, "plain", 100).tolist() == ["plain"] * 3
    with pytest.raises(InputError, match="Unknown rendering 'smooth'"):
        row_kinds(1, "smooth", 100)


@pytest.mark.parametrize("n_cells", [1, 12, 100, 700, 10**6])
def test_the_share_of_noisy_rows_grows_with_the_rows(n_cells: int):
    noisy = np.cumsum(row_kinds(1000, "mix", n_cells) == "noisy")
    m = np.arange(1, 1001)
    np.testing.assert_array_equal(noisy, np.floor(np.minimum(m / 2, m**2 / n_cells)))
    assert row_kinds(1, "mix", n_cells).tolist() == ["denoised"]  # the first stands for the class


@pytest.mark.parametrize(("number", "size"), list(enumerate([1, 4, 5, 40, 50, 400])))
def test_block_size(number: int, size: int):
    start, stop = blocks(5000)[number]
    assert block_size(number) == size == stop - start


@pytest.mark.parametrize("corrected", [True, False])
def test_what_models_see_of_rows_that_are_not_written(corrected: bool):
    """The referee's short way gives the HVGs and the totals of the rows that would be written, for every rendering."""
    w = world()
    hvg, sizes = w.module.hvg.numpy(), np.full(4, 6)
    kinds = [np.array(["denoised", "noisy", "denoised", "plain", "noisy", "denoised"])] * 4
    rows = plan_rows(w.module, sizes, [np.zeros(6, int)] * 4, kinds=kinds, seed=0)
    latents = torch.from_numpy(np.concatenate([w.latents[w.source.labels == k][:6] for k in range(4)]))
    evidence = None
    if corrected:
        members = sp.csr_matrix((np.ones(24), (np.arange(24), np.arange(24))), shape=(24, w.source.n_obs))
        evidence = gather_evidence(w.module, w.source, members, latents, prior_cells=2.0, prior_counts=100.0)
    options = {"evidence": evidence, "shape": lambda target, plan: target * 1.1, "seed": 0}
    written = render_rows(w.module, latents, rows, **options)
    seen, total = seen_rows(w.module, latents, rows, **options)
    np.testing.assert_array_equal(seen, written.counts[:, hvg].toarray())
    np.testing.assert_array_equal(total, written.depth)


def test_rows_keep_their_order_and_their_latent():
    """Rendering goes by class, block and kind: the rows must come back where they were."""
    module = world().module
    _, rows = plan(12)
    latents = torch.randn(len(rows), 8, generator=torch.Generator().manual_seed(0))
    rendered = render_rows(module, latents, rows, seed=0)
    with torch.no_grad():
        expected = module.rates(latents).numpy() * rows.library[:, None]
    mean = rendered.mean.toarray()
    large = expected > 1.04 * MEAN_FLOOR  # whatever the rounding to 5 bits
    np.testing.assert_allclose(mean[large], expected[large], rtol=0.033)
    assert mean[mean > 0].min() == MEAN_FLOOR
    small = expected < 0.96 * MEAN_FLOOR
    assert set(np.unique(mean[small])) == {0, MEAN_FLOOR}
    # what is left out is made up for: rows keep their depth, and so do genes that are low in all rows
    spread = np.sqrt((MEAN_FLOOR * expected * small).sum(1))
    assert (np.abs(((mean - expected) * small).sum(1)) <= 5 * spread).all()
    counts = rendered.counts.toarray()
    for i in range(len(rows)):
        own = np.corrcoef(np.log1p(counts[i]), np.log1p(expected[i]))[0, 1]
        assert own > 0.6
    denoised = rows.kind == "denoised"
    np.testing.assert_array_equal(counts[denoised].sum(1), DENOISED_DEPTH)
    np.testing.assert_array_equal(rendered.depth, counts.sum(1))
    noisy = ~denoised & (rows.library > 100)
    np.testing.assert_allclose(counts[noisy].sum(1) / rows.library[noisy], 1, atol=0.35)


def test_small_expected_counts_are_right_on_average():
    """A shallow row has most genes below what is stored: their sum is its depth, and none is lost everywhere."""
    rng = np.random.default_rng(0)
    expected = rng.gamma(0.3, 0.05, (40, 3000))
    stored = _rounded(expected, np.random.default_rng(1)).toarray()
    np.testing.assert_allclose(stored.sum(1), expected.sum(1), rtol=0.15)
    assert stored.sum() == pytest.approx(expected.sum(), rel=0.01)
    often = expected.mean(0) > 0.01
    assert (stored[:, often].sum(0) > 0).mean() > 0.95
    np.testing.assert_array_equal(stored[:3], _rounded(expected[:3], np.random.default_rng(1)).toarray())
