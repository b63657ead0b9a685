"""The expected logarithm against a sum over scipy's Poisson."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from scdd.distill import ExpectedLog

LIBRARIES = [1.0, 30.0, 700.0, 5_000.0, 60_000.0, 2e6]


def brute_force(mu: float, library: float) -> float:
    width = 12 * np.sqrt(mu) + 40
    x = np.arange(max(0, int(mu - width)), int(mu + width))
    return float(stats.poisson.pmf(x, mu) @ np.log1p(1e4 * x / library))


@pytest.mark.parametrize("library", LIBRARIES)
@pytest.mark.parametrize("dtype", [torch.float64, torch.float32])
def test_agrees_with_brute_force(library: float, dtype: torch.dtype):
    mu = np.concatenate([np.logspace(-6, 4, 161), np.exp([-9.0, 4.95, 5.0])])
    expected = np.array([brute_force(m, library) for m in mu])
    table = ExpectedLog(torch.tensor([library], dtype=dtype))
    got = table(torch.from_numpy(mu / library)[None].to(dtype))[0].double().numpy()
    np.testing.assert_allclose(got, expected, rtol=1e-3)


@pytest.mark.parametrize("library", LIBRARIES)
def test_rises_and_is_continuous(library: float):
    """No step at the seams of the three pieces: a fine grid rises a little everywhere."""
    log_mu = np.concatenate([np.linspace(-12, 7, 3001), *(np.linspace(s - 1e-3, s + 1e-3, 41) for s in (-9, 4.95, 5))])
    log_mu.sort()
    table = ExpectedLog(torch.tensor([library], dtype=torch.float64))
    value = table(torch.from_numpy(np.exp(log_mu) / library)[None])[0].numpy()
    slope = np.diff(value) / np.maximum(np.diff(log_mu), 1e-12)
    moved = np.diff(log_mu) > 1e-9
    # the jump at the upper seam is allowed the accuracy of the table
    assert (np.diff(value) > -2e-5).all()
    assert (np.diff(value) <= 1.2 * np.diff(log_mu) * np.maximum(value[1:], 1.0) + 1e-4 * value[1:] + 1e-12).all()
    assert (slope[moved] > 0).mean() > 0.99


def test_zero_rate_is_zero_with_a_finite_slope():
    rates = torch.zeros(1, 3, dtype=torch.float64, requires_grad=True)
    out = ExpectedLog(torch.tensor([1000.0], dtype=torch.float64))(rates)
    out.sum().backward()
    assert (out == 0).all()
    # one count in 1,000 has the value log1p(10), and comes with probability 1000 r
    np.testing.assert_allclose(rates.grad.numpy(), 1000 * np.log1p(10.0), rtol=1e-3)


@pytest.mark.parametrize("library", LIBRARIES)
def test_derivative_is_that_of_finite_differences_and_of_the_truth(library: float):
    mu = np.logspace(-5, 3.5, 60) * 1.00731
    table = ExpectedLog(torch.tensor([library], dtype=torch.float64))
    rates = torch.from_numpy(mu / library)[None].requires_grad_()
    (grad,) = torch.autograd.grad(table(rates).sum(), rates)
    with torch.no_grad():
        step = 1e-6 * rates
        finite = (table(rates + step) - table(rates - step)) / (2 * step)
    torch.testing.assert_close(grad, finite, rtol=1e-4, atol=0)
    # dT / dmu = E log1p(s (x + 1)) - E log1p(s x)
    x = np.arange(8000)
    jump = np.log1p(1e4 * (x + 1) / library) - np.log1p(1e4 * x / library)
    truth = np.array([stats.poisson.pmf(x, m) @ jump for m in mu]) * library
    np.testing.assert_allclose(grad[0].numpy(), truth, rtol=0.05)


def test_each_row_has_its_own_library_and_target():
    rates = torch.full((3, 2), 1e-3, dtype=torch.float64)
    library = torch.tensor([100.0, 1000.0, 30_000.0], dtype=torch.float64)
    got = ExpectedLog(library)(rates)[:, 0].numpy()
    np.testing.assert_allclose(got, [brute_force(0.1, 100), brute_force(1, 1000), brute_force(30, 30_000)], rtol=1e-3)
    other = ExpectedLog(library[:1], target_sum=100.0)(rates[:1])[0, 0]
    assert float(other) == pytest.approx(stats.poisson.pmf(np.arange(9), 0.1) @ np.log1p(np.arange(9)), rel=1e-3)


def test_lies_below_the_log_of_the_mean():
    """Jensen: the reason why this function exists."""
    mu = torch.logspace(-2, 2, 50, dtype=torch.float64)
    gap = torch.log1p(1e4 * mu / 3000) - ExpectedLog(torch.tensor([3000.0], dtype=torch.float64))(mu[None] / 3000)[0]
    assert (gap > 0).all()
    assert float(gap.max()) > 0.3
