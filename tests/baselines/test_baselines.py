from __future__ import annotations

import time
from itertools import combinations

import numpy as np
import pytest
import scipy.sparse as sp
from scipy.spatial.distance import cdist

from scdd.baselines import BASELINES, Rows, coresets, embed, mean_profiles
from scdd.baselines._herding import herd
from scdd.baselines._k_center import farthest_points
from scdd.baselines._k_medoids import medoids
from scdd.baselines._kmeans import cluster, greedy_order
from scdd.errors import InputError
from scdd.metrics import log_normalize, preprocess

REAL = ["random", "herding", "k_center", "k_medoids", "geosketch", "scvalue", "rded"]
MEANS = ["class_mean", "class_mean_log", "kmeans", "kmeans_log"]
SIZES = np.array([5, 5, 5])


@pytest.fixture(scope="module")
def cells() -> tuple[sp.csr_matrix, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.repeat([0, 1, 2], [60, 30, 3]))
    profiles = rng.gamma(0.4, 2.0, (3, 80))
    counts = sp.csr_matrix(rng.poisson(profiles[labels] * rng.uniform(0.5, 2, (93, 1))).astype(np.float32))
    return counts, embed(counts, np.ones(80, bool), n_components=10), labels


def _fit(name: str, cells, sizes: np.ndarray = SIZES, seed: int = 0) -> Rows:
    counts, embedding, labels = cells
    return BASELINES.get(name).fit(counts, embedding, labels, sizes=sizes, seed=seed)


def test_every_method_is_tested() -> None:
    assert sorted(REAL + MEANS) == coresets().names()  # the others: test_learned.py


@pytest.mark.parametrize("name", REAL)
def test_real_cells_are_cells_of_their_class(name: str, cells) -> None:
    counts, _, labels = cells
    rows = _fit(name, cells)
    assert np.bincount(rows.labels).tolist() == [5, 5, 3], "a class gives at most what it has"
    assert len(set(rows.index)) == len(rows.index)
    np.testing.assert_array_equal(labels[rows.index], rows.labels)
    assert (rows.counts != counts[rows.index]).nnz == 0
    assert rows.integer


@pytest.mark.parametrize("name", [n for n in MEANS if n.startswith("kmeans")])
def test_means_of_clusters(name: str, cells) -> None:
    rows = _fit(name, cells)
    assert rows.index is None
    assert np.bincount(rows.labels).tolist() == [5, 5, 3]


@pytest.fixture(scope="module")
def blobs() -> tuple[sp.csr_matrix, np.ndarray, np.ndarray, np.ndarray]:
    """One class of three far states of uneven size, in no order, beside another class; the state of each cell."""
    rng = np.random.default_rng(3)
    states = rng.permutation(np.repeat([0, 1, 2, 3], [50, 30, 20, 40]))
    counts = sp.csr_matrix(rng.poisson(rng.gamma(0.3, 12.0, (4, 80))[states]).astype(np.float32))
    return counts, embed(counts, np.ones(80, bool), n_components=10), (states == 3).astype(int), states


@pytest.mark.parametrize(("name", "mean"), [("kmeans", "class_mean"), ("kmeans_log", "class_mean_log")])
def test_kmeans_has_a_row_for_each_state(name: str, mean: str, blobs) -> None:
    counts, embedding, labels, states = blobs
    rows = _fit(name, (counts, embedding, labels), np.array([3, 1]))
    assert sorted(rows.weight[rows.labels == 0]) == [20, 30, 50]
    for row, weight in zip(rows.counts[rows.labels == 0], rows.weight[rows.labels == 0], strict=True):
        (state,) = [k for k in range(3) if (states == k).sum() == weight]
        members = (counts[states == state], embedding[states == state], np.zeros(int(weight), dtype=int))
        of_state = _fit(mean, members, np.array([1])).counts  # its row is the mean of its cells
        np.testing.assert_allclose(row.toarray(), of_state.toarray(), rtol=0.02, atol=0.02)
    one, expected = (_fit(of, (counts, embedding, labels), np.array([1, 1])).counts.toarray() for of in (name, mean))
    np.testing.assert_allclose(one, expected, rtol=1e-4, atol=1e-4)


def test_the_error_of_herding_falls_like_one_over_n(blobs) -> None:
    """And that of random cells like one over its root."""
    counts, embedding, labels, _ = blobs
    cells = counts[labels == 0], embedding[labels == 0], np.zeros(100, dtype=int)

    def error(name: str, n: int, seed: int = 0) -> float:
        rows = _fit(name, cells, np.array([n]), seed)
        return float(np.linalg.norm(cells[1][rows.index].mean(0) - cells[1].mean(0)))

    assert error("herding", 32) < error("herding", 4) / 5
    by_chance = [np.mean([error("random", n, seed) for seed in range(20)]) for n in (4, 32)]
    assert by_chance[1] > by_chance[0] / 5
    assert error("herding", 32) < by_chance[1] / 3


@pytest.mark.parametrize("name", REAL + MEANS)
def test_contract_of_all(name: str, cells) -> None:
    counts, embedding, labels = cells
    before = counts.copy(), embedding.copy(), labels.copy()
    rows = _fit(name, cells)
    assert rows.counts.dtype == np.float32
    assert isinstance(rows.counts, sp.csr_matrix)
    assert rows.counts.shape == (len(rows.labels), 80)
    assert rows.counts.data.min() >= 0
    assert (np.diff(rows.labels) >= 0).all()
    for code, n in enumerate([60, 30, 3]):
        assert rows.weight[rows.labels == code].sum() == pytest.approx(n)
    if name in REAL:
        assert (rows.weight > 0).all()
    assert rows.integer == bool((rows.counts.data == np.rint(rows.counts.data)).all())
    again = _fit(name, cells)
    assert (rows.counts != again.counts).nnz == 0
    assert (counts != before[0]).nnz == 0
    np.testing.assert_array_equal(embedding, before[1])
    np.testing.assert_array_equal(labels, before[2])


@pytest.mark.parametrize("name", ["random", "herding", "k_center"])
def test_greedy_methods_are_nested(name: str, cells) -> None:
    many, few = _fit(name, cells), _fit(name, cells, np.array([2, 2, 2]))
    for code in range(3):
        np.testing.assert_array_equal(few.index[few.labels == code], many.index[many.labels == code][:2])


def test_seed_moves_random_but_not_herding(cells) -> None:
    assert set(_fit("random", cells).index) != set(_fit("random", cells, seed=1).index)
    np.testing.assert_array_equal(_fit("herding", cells).index, _fit("herding", cells, seed=1).index)


def test_herding_equals_the_definition() -> None:
    points = np.random.default_rng(0).normal(size=(40, 3))
    chosen: list[int] = []
    for _ in range(8):
        left = [i for i in range(40) if i not in chosen]
        miss = [np.linalg.norm(points[[*chosen, i]].mean(axis=0) - points.mean(axis=0)) for i in left]
        chosen.append(left[int(np.argmin(miss))])
    assert herd(points, 8).tolist() == chosen


def test_k_center_is_within_twice_the_optimum() -> None:
    points = np.random.default_rng(1).normal(size=(14, 2))
    distance = cdist(points, points)
    best = min(distance[list(c)].min(axis=0).max() for c in combinations(range(14), 3))
    chosen, nearest = farthest_points(points, 3)
    assert distance[chosen].min(axis=0).max() <= 2 * best + 1e-9
    np.testing.assert_array_equal(nearest, distance[chosen].argmin(axis=0))


@pytest.mark.parametrize("n", [1, 2, 3])
@pytest.mark.parametrize("seed", range(4))
def test_k_medoids_ends_where_no_swap_helps(n: int, seed: int) -> None:
    points = np.random.default_rng(seed).normal(size=(14, 2))
    distance = cdist(points, points)
    best = min(distance[list(c)].min(axis=0).sum() for c in combinations(range(14), n))
    chosen, nearest = medoids(points, n, np.random.default_rng(0))
    found = distance[chosen].min(axis=0).sum()
    for medoid in range(n):
        for candidate in range(14):
            swapped = np.where(np.arange(n) == medoid, candidate, chosen)
            assert distance[swapped].min(axis=0).sum() >= found - 1e-4
    assert found <= (1 + 1e-6 if n == 1 else 1.15) * best
    np.testing.assert_array_equal(nearest, distance[chosen].argmin(axis=0))


def test_a_cluster_is_a_cluster() -> None:
    rng = np.random.default_rng(0)
    truth = np.repeat([0, 1, 2], [50, 20, 5])
    points = np.array([[0.0, 0], [9, 0], [0, 9]])[truth] + rng.normal(0, 0.1, (75, 2))
    centres, member = cluster(points, 3, rng)
    assert len({*zip(truth, member, strict=True)}) == 3
    for k in range(3):
        np.testing.assert_allclose(centres[k], points[member == k].mean(axis=0), atol=1e-6)
    assert member[truth == 0][0] == 0, "the largest cluster comes first"


def test_order_is_by_service() -> None:
    points = np.repeat([[0.0], [10.0], [4.0]], [5, 9, 1], axis=0)
    assert greedy_order(cdist(points, np.array([[4.0], [0.0], [10.0]]))).tolist() == [2, 1, 0]


@pytest.mark.parametrize("name", REAL + MEANS)
def test_twins_and_single_cells(name: str) -> None:
    counts = sp.csr_matrix(np.repeat([[1.0, 2.0], [3.0, 1.0]], [6, 1], axis=0))
    labels = np.array([0] * 6 + [1])
    rows = BASELINES.get(name).fit(counts, counts.toarray().astype(np.float32), labels, sizes=np.array([3, 3]), seed=0)
    assert set(rows.labels) == {0, 1}
    assert rows.weight.sum() == pytest.approx(7)
    if rows.index is not None:
        assert sorted(rows.labels) == [0, 0, 0, 1]
        assert len(set(rows.index)) == 4


def test_metacell_is_the_rounded_sum_at_the_median_library() -> None:
    counts = np.array([[4, 0, 0], [2, 2, 0], [0, 1, 7]], dtype=np.float32)
    rows = BASELINES.get("class_mean").fit(
        sp.csr_matrix(counts), counts, np.zeros(3, int), sizes=np.array([10]), seed=0
    )
    np.testing.assert_array_equal(rows.counts.toarray(), [np.rint(counts.sum(0) / 16 * 4)])
    assert rows.weight.tolist() == [3]


def test_log_mean_comes_back_up_to_one_factor() -> None:
    rng = np.random.default_rng(0)
    counts = sp.csr_matrix(rng.poisson(2.0, (30, 12)).astype(np.float32))
    library = np.asarray(counts.sum(axis=1)).ravel().astype(float)
    profile = mean_profiles([(np.arange(30), counts)], library, np.zeros(30, int), 1, space="log")
    assert profile.sum() == pytest.approx(np.median(library), rel=1e-5)
    mean = np.expm1(np.asarray(log_normalize(counts).mean(axis=0)).ravel())
    np.testing.assert_allclose(np.expm1(preprocess(profile, np.ones(12, bool)))[0], mean / mean.sum() * 1e4, rtol=1e-4)


@pytest.mark.parametrize("name", ["class_mean_log", "kmeans_log"])
def test_log_means_are_exact_on_the_genes_that_models_see(name: str, cells) -> None:
    counts, embedding, labels = cells
    hvg = np.arange(80) < 20
    baseline = BASELINES.get(name)
    sizes = np.array([2, 1, 1])
    rows = baseline.fit(counts, embedding, labels, sizes=sizes, seed=0, hvg=hvg)
    group = baseline.choose(embedding, labels, sizes, 0).group
    logs = preprocess(counts, hvg)
    expected = np.stack([logs[group == g].mean(axis=0) for g in range(len(rows.labels))])
    np.testing.assert_allclose(preprocess(rows.counts, hvg), expected, rtol=1e-4, atol=1e-5)
    everything = baseline.fit(counts, embedding, labels, sizes=sizes, seed=0, hvg=np.ones(80, bool))
    assert np.isfinite(everything.counts.data).all()


@pytest.mark.parametrize("space", ["count", "log"])
def test_blocks_give_the_same_means(space: str, cells) -> None:
    counts, _, labels = cells
    library = np.asarray(counts.sum(axis=1)).ravel().astype(float)
    whole = mean_profiles([(np.arange(93), counts)], library, labels, 3, space=space)
    order = np.random.default_rng(0).permutation(93)
    blocks = [(part, counts[part]) for part in np.array_split(order, 4)]
    np.testing.assert_allclose(
        mean_profiles(blocks, library, labels, 3, space=space).toarray(), whole.toarray(), rtol=1e-5
    )


def test_a_shallow_class_keeps_a_count() -> None:
    counts = sp.csr_matrix(np.eye(9, dtype=np.float32))
    rows = BASELINES.get("class_mean").fit(counts, np.eye(9), np.zeros(9, int), sizes=np.array([1]), seed=0)
    assert rows.counts.sum() == 1


def test_embedding_equals_dense_pca(cells) -> None:
    from sklearn.decomposition import PCA

    counts, _, _ = cells
    hvg = np.arange(80) % 2 == 0
    ours = embed(counts, hvg, n_components=4)
    dense = PCA(4, svd_solver="full").fit_transform(preprocess(counts, hvg).astype(np.float64))
    np.testing.assert_allclose(cdist(ours, ours), cdist(dense, dense), atol=1e-3)
    assert embed(counts[:3], hvg, n_components=50).shape == (3, 2)


@pytest.mark.parametrize("name", REAL + MEANS)
def test_five_thousand_cells_take_less_than_a_few_seconds(name: str) -> None:
    rng = np.random.default_rng(0)
    embedding = rng.normal(size=(5000, 50)).astype(np.float32)
    start = time.perf_counter()
    choice = BASELINES.get(name).choose(embedding, np.zeros(5000, int), np.array([50]), 0)
    seconds = time.perf_counter() - start
    assert len(choice.labels) == (1 if name.startswith("class_mean") else 50)
    assert seconds < (15 if name == "k_medoids" else 5), f"{seconds:.1f} s"  # generous: the machine may be busy


def test_bad_inputs_are_named(cells) -> None:
    counts, embedding, labels = cells
    with pytest.raises(InputError, match="93, 92 and 93 rows"):
        BASELINES.get("random").fit(counts, embedding[1:], labels, sizes=SIZES, seed=0)
    with pytest.raises(InputError, match="asks for 0 rows of class 1"):
        _fit("random", cells, np.array([1, 0, 1]))
    with pytest.raises(InputError, match="hvg"):
        embed(counts, np.ones(3, bool))
    with pytest.raises(InputError, match="k_medoids"):
        BASELINES.get("medoid")
