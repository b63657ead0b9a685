"""The count likelihood against scipy."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch
from scipy import stats

from scdd.module import nb_cross_entropy, nb_log_prob

GRID = np.array(
    list(itertools.product([0, 1, 2, 7, 60, 900], [1e-6, 0.01, 1.0, 13.0, 800.0], [0.05, 0.7, 9.0, 1000.0]))
)
X, MU, THETA = (torch.from_numpy(column.astype(np.float64)) for column in GRID.T)


def test_log_prob_is_that_of_scipy():
    expected = stats.nbinom.logpmf(X.numpy(), n=THETA.numpy(), p=(THETA / (THETA + MU)).numpy())
    np.testing.assert_allclose(nb_log_prob(X, MU, THETA).numpy(), expected, rtol=1e-6, atol=1e-9)


def test_log_prob_sums_to_one_and_has_the_variance_it_promises():
    x = torch.arange(4000, dtype=torch.float64)
    p = nb_log_prob(x, *torch.tensor([20.0, 1.7], dtype=torch.float64)).exp()
    assert float(p.sum()) == pytest.approx(1, abs=1e-6)
    assert float((p * (x - 20) ** 2).sum()) == pytest.approx(20 + 20**2 / 1.7, rel=1e-5)


def test_cross_entropy_differs_by_a_constant_in_the_mean():
    x, theta = torch.tensor([0.0, 3.0, 50.0]).double(), torch.tensor([0.3, 2.0, 40.0]).double()
    log_mu = torch.linspace(-8, 6, 40).double()[:, None].expand(40, 3)
    gap = nb_cross_entropy(x, log_mu, theta) + nb_log_prob(x, log_mu.exp(), theta)
    torch.testing.assert_close(gap, gap[:1].expand_as(gap), rtol=0, atol=1e-9)


def test_cross_entropy_has_the_gradient_of_the_log_prob():
    log_mu = MU.log().requires_grad_()
    (ours,) = torch.autograd.grad(nb_cross_entropy(X, log_mu, THETA).sum(), log_mu)
    (full,) = torch.autograd.grad(-nb_log_prob(X, log_mu.exp(), THETA).sum(), log_mu)
    torch.testing.assert_close(ours, full, rtol=1e-9, atol=1e-9)


def test_cross_entropy_is_least_at_the_count():
    log_mu = torch.linspace(-2, 6, 2001).double()
    best = log_mu[nb_cross_entropy(torch.tensor(17.0), log_mu, torch.tensor(2.0)).argmin()].exp()
    assert float(best) == pytest.approx(17, rel=0.01)


def test_likelihood_of_the_true_parameters_is_best():
    rng = np.random.default_rng(0)
    x = torch.from_numpy(rng.negative_binomial(3.0, 3.0 / (3.0 + 12.0), 20_000).astype(float))
    score = {
        (mu, theta): float(nb_log_prob(x, torch.tensor(mu), torch.tensor(theta)).mean())
        for mu in (9.0, 12.0, 16.0)
        for theta in (1.5, 3.0, 6.0)
    }
    assert max(score, key=score.get) == (12.0, 3.0)
