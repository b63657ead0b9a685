"""How the cells of a row correct the decoder."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from scdd.distill._evidence import Evidence, gather_evidence
from scdd.distill._expected_log import ExpectedLog

from ._toy import World, world

CELLS = ([3], [10, 11, 12], list(range(200)))  # of each row


def gathered(prior_counts: float = 10.0) -> tuple[World, Evidence]:
    w = world()
    members = sp.lil_matrix((len(CELLS), w.source.n_obs))
    for row, cells in enumerate(CELLS):
        members[row, cells] = 1
    latents = torch.from_numpy(np.stack([w.latents[c].mean(0) for c in CELLS]))
    return w, gather_evidence(w.module, w.source, members.tocsr(), latents, prior_cells=5.0, prior_counts=prior_counts)


@torch.no_grad()
def decoded(w: World, evidence: Evidence) -> np.ndarray:
    return w.module.rates(evidence.expected).numpy().astype(float)


def test_rates_are_the_posterior_of_the_negative_binomial():
    w, evidence = gathered(prior_counts=1e9)
    rates, theta = decoded(w, evidence)[0], w.module.theta.numpy().astype(float)
    x = w.source.rows(np.array(CELLS[0])).toarray()[0]
    library = w.source.library[CELLS[0][0]]
    posterior = (theta + x) / (theta / rates + library)  # Gamma(theta, theta / r) and Poisson(L r)
    ours = evidence.correct(w.module, rates[None], np.array([0]))[0]
    np.testing.assert_allclose(ours, posterior / posterior.sum(), rtol=1e-5)
    assert ours.sum() == pytest.approx(1)


def test_many_cells_overrule_the_decoder_and_one_cell_does_not():
    w, evidence = gathered()
    rates = decoded(w, evidence)
    corrected = evidence.correct(w.module, rates, np.arange(3))
    for row, cells in enumerate(CELLS):
        counts = w.source.rows(np.array(cells)).toarray().sum(0)
        observed = counts / counts.sum()
        share = np.abs(corrected[row] - observed).sum() / np.abs(rates[row] - observed).sum()
        assert (share < 0.05) == (len(cells) == 200), (row, share)
        assert share < 1


def test_a_latent_moves_the_corrected_rates_along():
    """The correction is a factor: what the latent changes is kept."""
    w, evidence = gathered()
    rates = decoded(w, evidence)
    other = rates[[0]] * np.random.default_rng(0).uniform(0.5, 2, rates.shape[1])
    base, moved = (evidence.correct(w.module, r, np.array([0])) for r in (rates[[0]], other))
    ratio = moved / base / (other / rates[[0]])
    np.testing.assert_allclose(ratio, ratio[0, 0], rtol=1e-6)


def test_log_offset_is_the_shrunken_error_of_the_decoder():
    w, evidence = gathered()
    hvg = w.module.hvg.numpy()
    for row, cells in enumerate(CELLS):
        library = w.source.library[cells]
        x = w.source.rows(np.array(cells)).toarray()[:, hvg]
        mean_log = np.log1p(1e4 * x / library[:, None]).mean(0)
        typical = torch.tensor([np.exp(np.log(library).mean())])
        table = ExpectedLog(typical)
        with torch.no_grad():
            expected = table(w.module.hvg_rates(evidence.expected[[row]]).double()).numpy()[0]
        n = len(cells)
        np.testing.assert_allclose(evidence.log_offset[row], n / (n + 5) * (mean_log - expected), atol=2e-4)


def test_each_row_is_corrected_in_one_way():
    w, evidence = gathered()
    in_log = np.array([False, True, False])
    factor, offset = (a.numpy() for a in evidence.corrections(w.module, in_log))
    hvg = w.module.hvg.numpy()
    np.testing.assert_array_equal(factor[in_log], 1)
    np.testing.assert_array_equal(offset[~in_log], 0)
    np.testing.assert_allclose(factor[~in_log], evidence.ratio(w.module, np.array([0, 2]))[:, hvg], rtol=1e-6)
    np.testing.assert_array_equal(offset[in_log], evidence.log_offset[in_log])


def test_a_row_without_cells_stays_as_decoded():
    w = world()
    members = sp.csr_matrix((1, w.source.n_obs))
    latents = torch.from_numpy(w.latents[:1])
    evidence = gather_evidence(w.module, w.source, members, latents, prior_cells=5.0, prior_counts=10.0)
    rates = decoded(w, evidence)
    np.testing.assert_allclose(evidence.correct(w.module, rates, np.array([0])), rates, rtol=1e-6)
    assert not evidence.log_offset.any()
