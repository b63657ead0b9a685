"""The statements of docs/user_guide/theory.md, numerically."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from scdd.distill._expected_log import ExpectedLog
from scdd.metrics import TEST_MODELS


def test_one_row_a_class_makes_one_boundary() -> None:
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(2, 30)).astype(np.float32)
    x = rng.normal(size=(500, 30)).astype(np.float32)
    halfway = ((x - rows.mean(0)) @ (rows[0] - rows[1]) < 0).astype(int)
    for name in ("LR", "SVM", "kNN", "Centroid"):
        found = TEST_MODELS.get(name).fit_predict(rows, np.array([0, 1]), x, seed=0)
        np.testing.assert_array_equal(found, halfway, err_msg=name)


def test_errors_of_means_and_of_the_optimum() -> None:
    rng = np.random.default_rng(1)
    sd = np.where(np.arange(40) < 20, 3.0, 0.5)
    delta = np.full(40, 0.4)
    x = rng.normal(size=(200_000, 40)) * sd + delta / 2
    means, optimum = delta, delta / sd**2
    assert (x @ means < 0).mean() == pytest.approx(
        stats.norm.cdf(-(delta @ delta) / (2 * np.sqrt(delta**2 @ sd**2))), abs=3e-3
    )
    assert (x @ optimum < 0).mean() == pytest.approx(stats.norm.cdf(-0.5 * np.sqrt(delta**2 @ (1 / sd**2))), abs=3e-3)


def test_a_direction_that_classes_should_not_differ_in() -> None:
    a, b, strength = 2.0, 4.0, 100.0
    x = np.random.default_rng(4).normal(size=(400_000, 2)) * [np.sqrt(strength), 1.0] + [a / 2, b / 2]
    rules = {"means": [a, b], "without": [0.0, b], "optimum": [a / strength, b]}
    expected = {
        "means": stats.norm.cdf(-(a**2 + b**2) / (2 * np.sqrt(strength * a**2 + b**2))),
        "without": stats.norm.cdf(-b / 2),
        "optimum": stats.norm.cdf(-0.5 * np.sqrt(a**2 / strength + b**2)),
    }
    for name, weights in rules.items():
        assert (x @ np.array(weights) < 0).mean() == pytest.approx(expected[name], abs=3e-3), name
    assert [round(float(expected[name]), 3) for name in rules] == [0.312, 0.023, 0.023]


@pytest.mark.parametrize("beta", [0.3, 2.0])
def test_rows_hold_any_linear_classifier(beta: float) -> None:
    rng = np.random.default_rng(2)
    n_classes, n_genes = 7, 25
    a, b = rng.normal(size=(n_classes, n_genes)), rng.normal(size=n_classes)
    right = -4 * beta * (b[1:] - b[0]) - (a[1:] ** 2).sum(1) + (a[0] ** 2).sum()
    c = np.linalg.lstsq(2 * (a[1:] - a[0]), right, rcond=None)[0]
    rows = (a + c) / (2 * beta)
    x = rng.normal(size=(2_000, n_genes))
    nearest = ((x[:, None] - rows) ** 2).sum(2).argmin(1)
    np.testing.assert_array_equal(nearest, (x @ a.T + b).argmax(1))


@pytest.mark.parametrize("noise", [0.0, 0.5, 1.0])
def test_noise_of_rows(noise: float) -> None:
    rng = np.random.default_rng(3)
    n, n_genes, sigma = 4_000, 300, 1.0
    delta = np.full(n_genes, np.sqrt(30 / n_genes))
    x = rng.normal(0, sigma, (n, n_genes))  # around the origin, the mean of the first class
    own, other = (rng.normal(0, noise, (n, n_genes)) if noise else np.zeros((n, n_genes)) for _ in range(2))
    t = ((x - delta - other) ** 2).sum(1) - ((x - own) ** 2).sum(1)
    d2 = delta @ delta
    variance = 4 * d2 * (sigma**2 + noise**2) + 8 * n_genes * sigma**2 * noise**2 + 4 * n_genes * noise**4
    assert t.mean() == pytest.approx(d2, abs=4 * np.sqrt(variance / n))
    assert t.var() == pytest.approx(variance, rel=0.1)
    assert (t < 0).mean() == pytest.approx(stats.norm.cdf(-d2 / np.sqrt(variance)), abs=0.02)


def test_the_numbers_of_the_page() -> None:
    def error(s: float) -> float:
        return float(stats.norm.cdf(-60 / np.sqrt(4 * 60 * (1 + s**2) + 8 * 2000 * s**2 + 4 * 2000 * s**4)))

    assert error(0) == pytest.approx(0.0001, abs=5e-5)
    assert error(1) == pytest.approx(0.35, abs=0.005)
    assert 2 * 2000 / 60 == pytest.approx(70, abs=5)


def test_log_of_the_mean_is_too_large_and_most_so_for_rare_genes() -> None:
    import torch

    library, mu = 2_000.0, np.geomspace(1e-3, 50, 60)
    s = 1e4 / library
    expected = ExpectedLog(torch.tensor([library]))(torch.from_numpy(mu / library)[None]).numpy()[0]
    excess = np.log1p(s * mu) - expected
    assert (excess > 0).all()
    assert 0.1 / s < mu[excess.argmax()] < 10 / s
    common = mu > 5
    np.testing.assert_allclose(excess[common], (s**2 * mu / (2 * (1 + s * mu) ** 2))[common], rtol=0.35)
