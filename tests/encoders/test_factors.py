"""The linear part of scdd-base: a factor model in closed form."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scdd.encoders._pretrain._corpus import build_corpus, choose_genes
from scdd.encoders._pretrain._factors import LEAST_SD, Pooled, factors
from scdd.encoders._pretrain._open import as_studies, open_study

from ._pretraining import laboratory


@pytest.fixture(scope="module")
def corpus():
    labs = [laboratory(1, n=300), laboratory(2, genes=slice(0, 250), types=(2, 3, 4, 5), n=240)]
    sets = [open_study(study, backed=False) for study in as_studies(labs, labels_key="cell_type", batch_key=None)]
    return build_corpus(sets, choose_genes(sets, n_genes=400, min_cells=1))


def dense(pooled: Pooled) -> np.ndarray:
    """The covariance, by the textbook."""
    out = np.zeros((pooled.n_genes, pooled.n_genes))
    for x, mean in pooled._blocks:
        centred = x.toarray().astype(np.float64) - mean
        out += centred.T @ centred
    return out


def test_components_are_those_of_the_pooled_covariance(corpus):
    pooled = Pooled(corpus, 0)
    covariance = dense(pooled)
    assert np.trace(covariance) == pytest.approx(2, rel=1e-4)  # two data sets that count alike
    np.testing.assert_allclose(pooled.variances(), np.diag(covariance), rtol=1e-3, atol=1e-7)
    vectors, values = pooled.components(3)
    exact = np.linalg.eigvalsh(covariance)[::-1]
    assert (values <= exact[:3] * 1.0001).all()
    assert values.sum() > 0.95 * exact[:3].sum()  # subspace iteration, ended early: no direction is missed by much
    np.testing.assert_allclose(vectors.T @ vectors, np.eye(3), atol=1e-6)


def test_loadings_and_noise_add_up_to_the_variance_of_a_gene(corpus):
    loadings, noise = factors(corpus, 8, seed=0)
    left = Pooled(corpus, 0).variances() - (loadings.astype(np.float64) ** 2).sum(1)
    assert loadings.shape == (len(corpus.genes), 8)
    assert (noise > 0).all()
    added = noise - np.maximum(left, 0)
    np.testing.assert_allclose(added, added.mean(), rtol=1e-3)


def test_each_gene_is_taken_in_its_own_units(corpus):
    """A gene of a tenth of the expression of another counts no less."""
    block, _ = Pooled(corpus, 0)._blocks[0]
    present = corpus.members[0].present
    variable = present[corpus.sd[present] > 3 * LEAST_SD]
    sd = np.sqrt(np.diag(dense(Pooled(corpus, 0)))[variable])
    assert np.quantile(sd, 0.9) < 2 * np.quantile(sd, 0.1)
    assert block.dtype == np.float32


def test_fewer_genes_than_factors_and_genes_that_never_vary(corpus):
    loadings, noise = factors(corpus, 500, seed=0)
    assert loadings.shape == (len(corpus.genes), 500)
    assert np.abs(loadings[:, 450:]).max() == 0
    flat = replace(corpus, sd=np.zeros_like(corpus.sd))
    assert all(np.isfinite(part).all() for part in factors(flat, 4, seed=0))
    assert np.isfinite(noise).all()


def test_small_classes_are_drawn_first():
    from scdd.encoders._pretrain import _factors

    labs = [laboratory(1, n=400)]
    labs[0].obs["cell_type"] = np.where(np.arange(400) < 20, "rare", "common")
    sets = [open_study(study, backed=False) for study in as_studies(labs, labels_key="cell_type", batch_key=None)]
    corpus = build_corpus(sets, choose_genes(sets, n_genes=400, min_cells=1))
    old = _factors._CELLS
    try:
        _factors._CELLS = 40
        drawn = _factors._cells(corpus.members[0], np.random.default_rng(0))
    finally:
        _factors._CELLS = old
    names = np.asarray(corpus.members[0].opened.source.class_names)[corpus.members[0].opened.source.labels[drawn]]
    assert len(drawn) == len(set(drawn.tolist())) == 40
    assert (names == "rare").sum() > 10
