"""Streamed moments within classes against direct computation and against the truth."""

from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from scdd.data import MemorySource, SubsetSource
from scdd.data import _moments as moments
from scdd.data._moments import pooled_counts, within_class_dispersion
from scdd.datasets import simulate


def make(n_obs: int = 500, n_vars: int = 60, seed: int = 0) -> tuple[MemorySource, np.ndarray]:
    adata = simulate(n_obs=n_obs, n_vars=n_vars, n_classes=3, n_batches=2, seed=seed)
    labels = adata.obs["cell_type"].cat.codes.to_numpy()
    return MemorySource(adata.X, labels, list("abc")), adata.X.toarray().astype(np.float64)


def direct(x: np.ndarray, labels: np.ndarray, library: np.ndarray) -> np.ndarray:
    above, below = 0.0, 0.0
    for c in np.unique(labels):
        depth, own, n = library[labels == c], x[labels == c], (labels == c).sum()
        mu = depth[:, None] * (own.sum(0) / depth.sum())
        squares = ((own - mu) ** 2).sum(0) * n / (n - 1)
        above = above + (mu**2).sum(0) - squares * (depth**2).sum() / depth.sum() ** 2
        below = below + squares - mu.sum(0)
    with np.errstate(divide="ignore", invalid="ignore"):
        theta = above / below
    return np.where(below <= 0, 1000, np.clip(theta, 0.05, 1000))


@pytest.mark.parametrize("block", [4096, 64, 1])
def test_dispersion_agrees_with_a_dense_computation_whatever_the_blocks(block: int, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(moments, "_BLOCK", block)
    source, x = make(300)
    got = within_class_dispersion(source)
    assert got.dtype == np.float32
    np.testing.assert_allclose(got, direct(x, source.labels, source.library), rtol=1e-4)


def simulated(theta: np.ndarray, mean: float, n: int = 20_000, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    library = rng.lognormal(0, 0.3, (n, 1))
    rate = np.array([[1.0], [4.0]])[np.arange(n) % 2]
    mu = mean * rate * library * np.ones(len(theta))
    counts = rng.poisson(
        np.where(np.isfinite(theta), mu * rng.gamma(np.minimum(theta, 1e9), 1 / np.minimum(theta, 1e9), mu.shape), mu)
    )
    return counts, library[:, 0] * 1000


@pytest.mark.parametrize("mean", [1.0, 10.0])
def test_dispersion_recovers_the_truth(mean: float):
    """Differences between classes and between libraries are not taken for dispersion."""
    theta = np.array([0.3, 1.0, 3.0, 10.0])
    counts, library = simulated(theta, mean)
    source = MemorySource(counts, np.arange(len(counts)) % 2, list("ab"), library=library)
    np.testing.assert_allclose(within_class_dispersion(source), theta, rtol=0.2)


@pytest.mark.parametrize("size", [2, 3, 10])
def test_dispersion_of_small_classes_is_that_of_large_ones(size: int):
    """The mean of a few cells follows them, so their squares about it are too small."""
    rng = np.random.default_rng(0)
    counts = rng.poisson(5 * rng.gamma(2.0, 0.5, (600, 200)))
    labels = np.arange(600) // size
    source = MemorySource(counts, labels, [str(c) for c in range(labels.max() + 1)], library=np.full(600, 1000.0))
    assert np.median(within_class_dispersion(source)) == pytest.approx(2.0, rel=0.15)


def test_classes_of_one_cell_tell_nothing_of_dispersion():
    rng = np.random.default_rng(0)
    counts = rng.poisson(5 * rng.gamma(2.0, 0.5, (300, 50)))
    library = np.full(300, 1000.0)
    pairs = np.repeat(np.arange(100), 2)
    some = within_class_dispersion(
        MemorySource(counts[:200], pairs, [str(c) for c in range(100)], library=library[:200])
    )
    labels = np.concatenate([pairs, 100 + np.arange(100)])
    source = MemorySource(counts, labels, [str(c) for c in range(200)], library=library)
    np.testing.assert_allclose(within_class_dispersion(source), some, rtol=1e-5)


@pytest.mark.parametrize("size", [2, 5, 50])
def test_sd_within_classes_does_not_depend_on_their_size(size: int):
    rng = np.random.default_rng(0)
    counts = rng.poisson(20.0, (1000, 100))
    labels = np.arange(1000) // size
    source = MemorySource(counts, labels, [str(c) for c in range(labels.max() + 1)], library=np.full(1000, 1e4))
    sd = moments.within_class_log_sd(source, np.arange(100))
    assert np.median(sd) == pytest.approx(np.log1p(counts).std(), rel=0.03)


def test_poisson_genes_are_nearly_poisson():
    counts, library = simulated(np.full(20, np.inf), 3.0)
    got = within_class_dispersion(MemorySource(counts, np.arange(len(counts)) % 2, list("ab"), library=library))
    assert got.min() > 50
    assert got.max() == 1000


def test_silent_gene_and_bursting_gene_stay_in_range():
    x = np.zeros((200, 3))
    x[:, 0] = 100
    x[3, 2] = 100_000
    got = within_class_dispersion(MemorySource(x, np.zeros(200, int), ["a"], library=np.full(200, 100.0)))
    assert got[1] == 1000
    assert got[2] == pytest.approx(0.05)
    assert np.isfinite(got).all()


def test_single_cells_and_classes_without_cells():
    source, _ = make(100)
    part = SubsetSource(source, np.flatnonzero(source.labels == 1)[:1])
    got = within_class_dispersion(part)
    assert got.shape == (60,)
    assert ((got >= 0.05) & (got <= 1000)).all()


def test_source_is_not_changed():
    source, x = make(100)
    within_class_dispersion(source)
    pooled_counts(source, np.zeros(100, int), 1)
    np.testing.assert_array_equal(source.rows(np.arange(100)).toarray(), x)


@pytest.mark.parametrize("block", [4096, 17])
@pytest.mark.parametrize("genes", [None, np.array([5, 0, 59])], ids=["all", "some"])
def test_pooled_counts_agree_with_a_dense_sum(block: int, genes, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(moments, "_BLOCK", block)
    source, x = make(150)
    groups = np.random.default_rng(0).integers(-1, 6, 150)
    groups[groups == 3] = 2  # an empty group
    got = pooled_counts(source, groups, 7, genes)
    wanted = x if genes is None else x[:, genes]
    expected = np.stack([wanted[groups == g].sum(0) for g in range(7)])
    np.testing.assert_array_equal(got, expected)
    assert not isinstance(got, sp.spmatrix)
    assert (got[3] == 0).all()
