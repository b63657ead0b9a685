"""Rates to integer counts: each renderer against what it promises."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from scdd.distill import RENDERERS, ExpectedLog, RenderInput
from scdd.distill._render import DENOISED_DEPTH, poisson_quantile, spread

N_GENES = 400


def make(
    n: int = 4, *, n_hvg: int = 150, library: float | None = None, same: bool = False, seed: int = 0
) -> RenderInput:
    """Rows with rates over five orders of magnitude, some of them zero."""
    rng = np.random.default_rng(seed)
    rates = np.exp(rng.normal(0, 2.0, (1 if same else n, N_GENES))).repeat(n if same else 1, axis=0)
    rates[:, ::11] = 0
    rates /= rates.sum(1, keepdims=True)
    libraries = rng.integers(300, 8000, n).astype(float) if library is None else np.full(n, library)
    rates, hvg = rates.astype(np.float32), np.arange(N_GENES) < n_hvg
    target = ExpectedLog(torch.from_numpy(libraries))(torch.from_numpy(rates[:, hvg].astype(float))).numpy()
    strata = np.random.default_rng(seed + 1).permuted(np.tile(np.arange(n)[:, None], (1, n_hvg)), axis=0)
    return RenderInput(rates=rates, target=target, library=libraries, hvg=hvg, threshold=(strata + 0.5) / n, sink=1)


def render(name: str, rows: RenderInput, seed: int = 0) -> np.ndarray:
    return RENDERERS.get(name)(rows, np.random.default_rng(seed))


@pytest.mark.parametrize("name", RENDERERS.names())
@pytest.mark.parametrize(
    "rows",
    [
        make(),
        make(1),
        make(n_hvg=N_GENES),
        make(n_hvg=0),
        make(library=1.0),
        make(1, n_hvg=N_GENES, library=1.0),
        make(60),
    ],
    ids=["some", "single row", "all genes HVG", "no HVG", "library 1", "tiny", "many"],
)
def test_counts_are_counts(name: str, rows: RenderInput):
    counts = render(name, rows)
    assert counts.dtype == np.float32
    assert counts.shape == rows.rates.shape
    assert np.isfinite(counts).all()
    assert (counts >= 0).all()
    assert (counts == np.rint(counts)).all()
    assert (counts[:, ::11] == 0).all()  # a gene of rate zero
    if name == "denoised":
        np.testing.assert_array_equal(counts.sum(1), DENOISED_DEPTH)
    np.testing.assert_array_equal(render(name, rows), counts)


def test_single_denoised_row_is_the_nearest_integer_in_the_log():
    rows = make(1)
    counts = render("denoised", rows)[0, rows.hvg]
    np.testing.assert_array_equal(counts, np.abs(np.log1p(np.arange(10_000))[None] - rows.target[0][:, None]).argmin(1))


@pytest.mark.parametrize("n", [2, 5, 40])
def test_denoised_rows_share_the_rounding(n: int):
    """Each is one of the two integers around its target; together they are right, where nearest integers are not."""
    rows = make(n, same=True, library=1000.0)
    counts, target = render("denoised", rows)[:, rows.hvg], rows.target
    exact = np.expm1(target)
    assert (np.abs(counts - exact) < 1 + 1e-9).all()
    width = np.log1p(np.ceil(exact)) - np.log1p(np.floor(exact))
    assert (np.abs(np.log1p(counts).mean(0) - target[0]) <= 0.5 * width[0] / n + 1e-9).all()
    weak = (exact[0] < 0.15) & (exact[0] > 1.0 / n)
    if weak.any():
        assert counts[:, weak].any(axis=0).all()  # they would all be 0
    if n == 40:
        assert weak.any()


def test_what_is_equal_stays_equal():
    """Rows of two classes that agree in a gene agree in its count, at any library size."""
    one, other = make(4, library=500.0), make(4, library=90_000.0, seed=5)
    other.target[:, :50] = one.target[:, :50]
    other.threshold[:] = one.threshold
    np.testing.assert_array_equal(render("denoised", one)[:, :50], render("denoised", other)[:, :50])


def test_the_sink_fills_a_row_of_variable_genes():
    rows = make(3, n_hvg=N_GENES)
    counts, target = render("denoised", rows), np.expm1(rows.target)
    others = np.arange(N_GENES) != rows.sink
    assert (np.abs(counts - target)[:, others] < 1 + 1e-9).all()
    np.testing.assert_array_equal(counts.sum(1), DENOISED_DEPTH)


def test_denoised_shows_the_mean_log_expression_of_noisy_cells():
    """The point of it: nearer to the mean log expression of Poisson cells than plain rounding is."""
    rows = make(1, library=3000.0)
    cells = np.random.default_rng(0).poisson(rows.rates * 3000, (20_000, N_GENES))
    truth = np.log1p(1e4 * cells / 3000).mean(0)[rows.hvg]
    error = {
        name: np.abs(np.log1p(1e4 * c[0] / c.sum())[rows.hvg] - truth).mean()
        for name in ("denoised", "plain")
        for c in [render(name, rows)]
    }
    assert error["denoised"] < 0.65 * error["plain"]


def test_denoised_fills_the_other_genes_in_proportion():
    rows = make(50, same=True, library=5000.0)
    rest = render("denoised", rows)[:, ~rows.hvg]
    expected = rows.rates[:, ~rows.hvg] / rows.rates[:, ~rows.hvg].sum(1, keepdims=True) * rest.sum(1, keepdims=True)
    assert (np.abs(rest - expected) < 1 + 1e-4 * expected).all()  # every row, every gene
    np.testing.assert_allclose(rest.mean(0), expected.mean(0), atol=0.3)  # and no gene loses on average


def test_noisy_has_the_marginals_of_poisson():
    rows = make(4000, same=True, library=1500.0)
    counts, mu = render("noisy", rows), rows.rates[0].astype(float) * 1500
    np.testing.assert_allclose((counts == 0).mean(0), np.exp(-mu), atol=0.03)
    np.testing.assert_allclose(counts.var(0)[mu > 0.05], mu[mu > 0.05], rtol=0.25)
    np.testing.assert_allclose(counts[:, ~rows.hvg].mean(0), mu[~rows.hvg], atol=5 * np.sqrt(mu.max() / 4000))


@pytest.mark.parametrize("n", [2, 5, 25])
def test_noisy_block_is_stratified(n: int):
    """The mean of the rows of a block is much nearer to the truth than that of independent draws."""
    rows = make(n, same=True, library=2000.0)
    mu = rows.rates[0, rows.hvg].astype(float) * 2000
    rng = np.random.default_rng(1)
    seen = mu > 0.5
    ours, independent = (
        np.mean([np.square(draw(s)[:, seen].mean(0) - mu[seen]) / mu[seen] for s in range(20)])
        for draw in (lambda s: render("noisy", rows, s)[:, rows.hvg], lambda s: rng.poisson(mu, (n, len(mu))))
    )
    assert ours < {2: 0.6, 5: 0.25, 25: 0.06}[n] * independent


def test_noisy_strata_are_one_per_row_and_differ_between_genes():
    rows = make(8, same=True, library=1e6)
    counts = render("noisy", rows)[:, rows.hvg]
    mu = rows.rates[0, rows.hvg].astype(float) * 1e6
    deep = mu > 3000  # fine enough to read the stratum back
    stratum = np.floor(stats.norm.cdf((counts[:, deep] - mu[deep]) / np.sqrt(mu[deep])) * 8).clip(0, 7)
    assert np.mean(np.sort(stratum, 0) == np.arange(8)[:, None]) > 0.95
    orders = {tuple(np.argsort(column)) for column in counts[:, deep].T}
    assert len(orders) > 0.8 * deep.sum()


def test_noisy_survives_the_ends_of_the_unit_interval():
    """A quantile of exactly 0 or 1 would give -1 or infinitely many counts."""

    class Extreme(np.random.Generator):
        value = 0.0

        def random(self, *args, **kwargs):
            return np.full_like(super().random(*args, **kwargs), self.value)

    for value in (0.0, np.nextafter(1.0, 0.0)):
        rng = Extreme(np.random.PCG64(0))
        rng.value = value
        for n in (1, 7):
            counts = RENDERERS.get("noisy")(make(n), rng)
            assert np.isfinite(counts).all()
            assert (counts >= 0).all()


def test_poisson_quantiles_are_those_of_scipy():
    rng = np.random.default_rng(0)
    mean = np.exp(rng.normal(0, 2.5, (300, 40)))
    mean[0] = 0
    u = rng.random(mean.shape)
    u[1], u[2] = 1e-12, 1 - 1e-12
    assert (mean > 50).any()
    assert (mean < 0.01).any()
    np.testing.assert_array_equal(poisson_quantile(u, mean), np.maximum(stats.poisson.ppf(u, mean), 0))
    assert np.isfinite(poisson_quantile(np.ones(2), np.array([0.1, 40.0]))).all()


def test_plain_rounds():
    rows = make()
    np.testing.assert_array_equal(render("plain", rows), np.rint(rows.rates * rows.library[:, None]))


@pytest.mark.parametrize("seed", range(5))
def test_spread_keeps_sums_and_is_nearest_on_both_sides(seed: int):
    rng = np.random.default_rng(seed)
    expected = rng.gamma(0.3, 2.0, (40, 300))
    expected[:, 5] = 0
    totals = rng.integers(0, 5000, 40)
    expected *= (totals / expected.sum(1))[:, None]
    out = spread(expected, np.random.default_rng(seed))
    np.testing.assert_array_equal(out.sum(1), totals)
    assert (np.abs(out - expected) < 1 + 1e-6).all()
    assert (out[:, 5] == 0).all()
    assert spread(expected[:, :0], rng).shape == (40, 0)


def test_spread_is_unbiased():
    expected = np.tile([0.2, 0.7, 0.1, 2.5, 0.5], (20_000, 1))
    np.testing.assert_allclose(spread(expected, np.random.default_rng(0)).mean(0), expected[0], atol=0.02)
