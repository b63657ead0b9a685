"""The scatter of counts around the decoder: mean, variance and zeros."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from scipy import stats

from scdd.module import CountNoise, _noise

N = 4000
RNG = np.random.default_rng(0)
MEAN = np.array([0.2, 1.0, 8.0, 40.0])  # of genes
MU = (MEAN * RNG.gamma(4.0, 0.25, (N, 1))).astype(np.float32)  # cells of different library size
THETA, HALF = np.array([2.0, 0.7, 3.0, 1.5]), np.array([1.5, 4.0, 10.0, 150.0])


def draw(half: np.ndarray, seed: int = 1) -> np.ndarray:
    rng = np.random.default_rng(seed)
    level = MU + half
    captured = rng.random(MU.shape) < MU / level
    return captured * rng.negative_binomial(THETA, THETA / (THETA + level), MU.shape)


def fitted(counts: np.ndarray, mu: np.ndarray = MU, least: float = 0.01) -> CountNoise:
    noise = CountNoise(mu.shape[1])
    mu64 = mu.astype(np.float64)
    noise.fit(
        sp.csr_matrix(counts.astype(np.float32)),
        mu,
        first=mu64.mean(0),
        second=(mu64**2).mean(0),
        excess=((counts - mu64) ** 2 - mu64).mean(0),
        least=np.full(mu.shape[1], least),
    )
    return noise


@pytest.fixture(scope="module")
def dropout() -> CountNoise:
    return fitted(draw(HALF))


def test_dropout_is_found(dropout: CountNoise):
    np.testing.assert_allclose(dropout.half_capture.numpy(), HALF, rtol=0.3)
    # the dispersion of what is captured is told where there are enough counts
    np.testing.assert_allclose(dropout.theta.numpy()[1:3], THETA[1:3], rtol=0.2)


def test_molecules_need_none():
    noise = fitted(draw(np.zeros(4)))
    np.testing.assert_array_equal(noise.half_capture.numpy(), 0)
    np.testing.assert_allclose(noise.theta.numpy(), THETA, rtol=0.25)


@pytest.mark.parametrize("half", [HALF, np.zeros(4)], ids=["dropout", "none"])
def test_drawn_counts_are_like_those_of_the_fit(half: np.ndarray):
    counts = draw(half)
    again = fitted(counts).sample(MU.astype(np.float64), np.random.default_rng(5))
    assert again.dtype == np.float32
    np.testing.assert_array_equal(again, np.round(again))
    np.testing.assert_allclose(again.mean(0), counts.mean(0), rtol=0.15)
    np.testing.assert_allclose((again == 0).mean(0), (counts == 0).mean(0), atol=0.02)
    np.testing.assert_allclose(again.var(0), counts.var(0), rtol=0.35)


def test_a_negative_binomial_of_the_same_variance_has_too_few_zeros():
    """What dropout is for: without it the third gene would be seen in twice as many cells."""
    counts = draw(HALF)[:, 2]
    mu = MU[:, 2].astype(np.float64)
    theta = (mu**2).sum() / ((counts - mu) ** 2 - mu).sum()
    seen = 1 - stats.nbinom.pmf(0, theta, theta / (theta + mu)).mean()
    assert seen > 1.5 * (counts > 0).mean()


def test_without_dropout_the_draw_is_negative_binomial():
    noise = CountNoise(1)
    noise.theta.fill_(1.7)
    x = noise.sample(np.full((50_000, 1), 6.0), np.random.default_rng(0)).ravel()
    expected = stats.nbinom.pmf(np.arange(12), 1.7, 1.7 / 7.7)
    np.testing.assert_allclose([(x == k).mean() for k in range(12)], expected, atol=0.006)


def test_genes_are_fitted_on_their_own(monkeypatch: pytest.MonkeyPatch, dropout: CountNoise):
    monkeypatch.setattr(_noise, "_GENES", 3)
    again = fitted(draw(HALF))
    np.testing.assert_array_equal(again.half_capture.numpy(), dropout.half_capture.numpy())
    np.testing.assert_array_equal(again.theta.numpy(), dropout.theta.numpy())


def test_limits():
    counts = draw(HALF)
    counts[:, 1] = 0  # a gene that these cells lack
    noise = fitted(counts, least=2.5)
    assert bool((noise.theta >= 2.5).all())
    assert float(noise.half_capture[1]) == 0
    silent = fitted(np.zeros((10, 2), dtype=int), np.zeros((10, 2), dtype=np.float32))
    assert np.isfinite(silent.theta.numpy()).all()
    assert silent.sample(np.zeros((3, 2)), np.random.default_rng(0)).sum() == 0
