"""Quality: every figure where its answer is known, and the mistakes of other evaluations, each with a test."""

from __future__ import annotations

import sys

import numpy as np
import pytest
import scipy.sparse as sp
from scipy import stats

from scdd.errors import InputError
from scdd.metrics import QUALITY, cluster_agreement, mmd, quality, wasserstein
from scdd.metrics._biology import fold_changes, marker_precision
from scdd.metrics._quality import _keys, sides_of
from scdd.metrics._quality_metrics import Pair, Side

G, K = 120, 3
PROFILES = np.random.default_rng(5).gamma(0.5, 2.0, (K, G)) * 2
HVG = np.arange(G) < 80


def cells(
    n: int, seed: int, *, profiles: np.ndarray = PROFILES, noise: bool = True
) -> tuple[sp.csr_matrix, np.ndarray]:
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(K), n)
    mu = profiles[labels]
    x = rng.poisson(mu * rng.gamma(2.0, 0.5, mu.shape)) if noise else np.rint(mu)
    return sp.csr_matrix(x.astype(np.float32)), labels


REAL, NEW = cells(150, 0), cells(60, 1)


def table(made: tuple[sp.csr_matrix, np.ndarray]):
    return quality(REAL, made, NEW, HVG, seed=0).set_index("metric")


@pytest.fixture(autouse=True)
def mixing(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Without the package for LISI, which takes long to load, but where a test is about it."""
    if "lisi" not in request.node.name:
        monkeypatch.setitem(sys.modules, "scib_metrics", None)


WITHOUT_LISI = [name for name in QUALITY if name != "ilisi"]


def test_real_cells_reach_the_floor() -> None:
    found = table(cells(50, 2)).drop(index="ilisi")
    assert (found["reason"] == "").all()
    for name in found.index:
        spread = {"mmd": 0.02, "rf_auc": 0.15}.get(name, 0.08)
        scale = 1.0 if name != "wasserstein" else found.loc[name, "floor"]
        assert abs(found.loc[name, "value"] - found.loc[name, "floor"]) < spread * scale, name


@pytest.mark.parametrize("name", WITHOUT_LISI)
def test_every_metric_sees_what_is_wrong(name: str) -> None:
    """Genes in another order: nothing of a cell is left but its library."""
    wrong = cells(50, 2, profiles=PROFILES[:, np.random.default_rng(0).permutation(G)])
    found, metric = table(wrong).loc[name], QUALITY.get(name)
    worse = {
        "higher": found["value"] < found["floor"] - 0.1,
        "lower": found["value"] > found["floor"] * 1.05 + 0.005,
    }.get(metric.better)
    if worse is None:
        worse = abs(found["value"] - float(metric.better)) > abs(found["floor"] - float(metric.better)) + 0.05
    assert worse, (name, found["value"], found["floor"])


def test_values_are_in_their_range_and_what_is_not_defined_is_told() -> None:
    for n in (1, 2, 10):
        found = table(cells(n, 3)).drop(index="ilisi")
        for name, row in found.iterrows():
            low, high = QUALITY.get(name).range
            if row["reason"]:
                assert np.isnan(row["value"])
                assert f"there are {n}" in row["reason"]
            else:
                assert low - 1e-9 <= row["value"] <= high + 1e-9, name
    assert table(cells(1, 3))["reason"].ne("").sum() == sum(QUALITY.get(m).least_rows > 1 for m in QUALITY)
    assert 'pip install "scdd[lisi]"' in table(cells(10, 3)).loc["ilisi", "reason"]


@pytest.mark.slow
def test_lisi_is_high_where_rows_mix() -> None:
    """With the package itself, in the nightly environment."""
    like, unlike = (table(of).loc["ilisi"] for of in (cells(50, 2), cells(50, 2, noise=False)))
    assert like["reason"] == ""
    assert like["value"] == pytest.approx(like["floor"], abs=0.1)
    assert unlike["value"] < 0.3 < like["value"]


def test_means_have_no_variance_and_too_few_zeros() -> None:
    found = table(cells(10, 0, noise=False))
    assert found.loc["mean_correlation", "value"] > 0.9
    assert found.loc["zero_fraction_difference", "value"] > 2 * found.loc["zero_fraction_difference", "floor"]
    assert found.loc["rf_auc", "value"] > 0.95
    assert found.loc["marker_precision_10", "value"] > 0.7


def test_the_seed_fixes_it_and_inputs_are_checked() -> None:
    made = cells(10, 4)
    assert table(made).equals(table(made))
    with pytest.raises(InputError, match="different numbers of genes"):
        quality(REAL, (made[0][:, :5], made[1]), NEW, HVG)
    with pytest.raises(InputError, match="no class"):
        quality(REAL, (made[0], made[1] + 10), NEW, HVG)


def test_attenuated_fold_changes_have_a_slope_below_one() -> None:
    flat = PROFILES.mean(0) + 0.5 * (PROFILES - PROFILES.mean(0))
    assert table(cells(50, 2, profiles=flat)).loc["lfc_slope", "value"] < 0.7


def test_fold_changes_by_hand() -> None:
    x = np.array([[7.0, 1.0], [7.0, 1.0], [1.0, 1.0], [1.0, 3.0]])
    changes = fold_changes(x, np.array([0, 0, 1, 2]), np.array([0, 1, 2]))
    assert changes[0, 0] == pytest.approx(np.log2(8) - np.log2(2))
    assert changes[2, 1] == pytest.approx(np.log2(4) - np.log2(2))
    assert marker_precision(changes, changes, 1) == 1.0


def test_no_cell_is_compared_with_itself() -> None:
    """Cells that a coreset holds are not among those it is compared with; a set of all cells gives up one half."""
    made = cells(50, 2)
    half = sides_of(Side(*REAL, HVG), Side(*made, HVG), 0)[0]  # the half when the set holds none of its cells
    drawn = half.take(np.concatenate([half.of(k)[:20] for k in range(K)]))
    for side in (drawn, Side(*REAL, HVG)):
        reference, judged, floor = sides_of(Side(*REAL, HVG), side, 0)
        assert not set(_keys(reference)) & set(_keys(judged))
        assert not set(_keys(reference)) & set(_keys(floor))
        assert np.array_equal(np.bincount(judged.labels), np.bincount(floor.labels))
    assert np.bincount(drawn.labels).tolist() == [20] * K
    assert np.bincount(judged.labels).tolist() == [75] * K
    found = table(REAL).drop(index="ilisi")  # what is left of all cells is the floor
    np.testing.assert_allclose(found["value"], found["floor"], atol=0.05)


def test_a_class_whose_only_cell_both_sides_have_is_left_out() -> None:
    counts, labels = REAL[0].copy(), REAL[1].copy()
    labels[0] = K
    found = quality((counts, labels), (counts[::3], labels[::3]), NEW, HVG).set_index("metric")
    assert np.isfinite(found.loc["mean_correlation", "value"])
    with pytest.raises(InputError, match="whose only cell"):
        quality((counts[:1], labels[:1]), (counts[:1], labels[:1]), NEW, HVG)


# --- mistakes found in the evaluation code of others ---


def test_fidelity_of_hvgs_is_that_of_hvgs() -> None:
    """A mask whose index is taken selects all genes."""
    side = Side(*cells(5, 0), HVG)
    assert side.hvg_logs.shape == (15, 80)
    made = cells(30, 2)
    spoilt = made[0].toarray()
    rest = np.flatnonzero(~HVG)
    # swapping cells within a class changes nothing but what lies between genes; HVGs are left as they are
    for k in range(K):
        spoilt[np.ix_(k * 30 + np.arange(30), rest)] = spoilt[np.ix_(k * 30 + np.arange(30)[::-1], rest)]
    names = ["lfc_correlation", "gene_correlation"]
    one = Pair(Side(*REAL, HVG), Side(*made, HVG), Side(*NEW, HVG), 0)
    two = Pair(one.real, Side(sp.csr_matrix(spoilt), made[1], HVG), one.cells, 0)
    for name in names:
        assert QUALITY.get(name).compute(one) == pytest.approx(QUALITY.get(name).compute(two), abs=0.03)


def test_the_kernel_does_not_vanish() -> None:
    """One narrow bandwidth on raw counts gives 0 for anything."""
    raw_real, raw_made = REAL[0].toarray() * 50, cells(50, 2, profiles=PROFILES[:, ::-1])[0].toarray() * 50
    assert np.exp(-((raw_real[0] - raw_made[0]) ** 2).sum()) == 0  # the kernel with gamma = 1
    assert mmd(raw_real, raw_made) > 0.01
    assert mmd(raw_real[::2], raw_real[1::2]) < mmd(raw_real, raw_made) / 3


def test_new_cells_are_clustered_and_not_rows_of_the_same_number() -> None:
    """The i-th synthetic and the i-th real cell are unrelated: shuffling one side must change nothing."""
    rng = np.random.default_rng(0)
    made = rng.normal(0, 0.1, (30, 2)) + np.repeat([[0, 0], [3, 0], [0, 3]], 10, axis=0)
    new = rng.normal(0, 0.1, (60, 2)) + np.repeat([[0, 0], [3, 0], [0, 3]], 20, axis=0)
    labels = np.repeat([0, 1, 2], 20)
    assert cluster_agreement(made, new, labels, 3) == pytest.approx((1.0, 1.0))
    order = rng.permutation(30)
    assert cluster_agreement(made[order], new, labels, 3) == pytest.approx((1.0, 1.0))


def test_no_batch_correction_before_telling_real_from_synthetic() -> None:
    """A shift of all synthetic cells is what the forest must find; ComBat would take it away."""
    counts, labels = cells(40, 2)
    shifted = sp.csr_matrix(counts.toarray() + np.where(np.arange(G) < 20, 4, 0))
    assert table((shifted.astype(np.float32), labels)).loc["rf_auc", "value"] > 0.95


def test_negative_binomial_has_the_mean_it_is_given() -> None:
    """scipy's p is n / (n + mean); with the other one the mean becomes n^2 / mean."""
    from scdd._scatter import draw_counts

    mu, theta = np.full((20_000, 1), 0.05), np.array([1.0])
    drawn = draw_counts(mu, theta, np.zeros(1), np.random.default_rng(0))
    assert drawn.mean() == pytest.approx(0.05, rel=0.15)
    right = stats.nbinom(1.0, 1.0 / (1.0 + 0.05))
    assert right.mean() == pytest.approx(0.05)
    assert (drawn == 0).mean() == pytest.approx(right.pmf(0), abs=0.005)


def test_nothing_is_scaled_on_each_side_by_itself() -> None:
    """A scaler for each side would hide a factor between them."""
    pair = Pair(*(Side(*of, HVG) for of in (REAL, cells(50, 2), NEW)), 0)
    spread = Pair(pair.real, Side(pair.made.counts.copy(), pair.made.labels, HVG), pair.cells, 0)
    spread.made.__dict__["hvg_logs"] = 3 * pair.made.hvg_logs  # the same cells in other units
    compute = QUALITY.get("wasserstein").compute
    assert compute(spread) > 1.5 * compute(pair)
    assert mmd(spread.points[0], spread.points[1]) > mmd(pair.points[0], pair.points[1]) + 0.1


def test_the_order_of_rows_does_not_matter() -> None:
    """Cutting both sides to the shorter one compares the first classes only."""
    rng = np.random.default_rng(0)
    x = np.repeat([[0.0, 0.0], [9.0, 9.0]], 50, axis=0) + rng.normal(0, 0.1, (100, 2))
    y = np.repeat([[0.0, 0.0], [9.0, 9.0]], 10, axis=0) + rng.normal(0, 0.1, (20, 2))
    assert abs(mmd(x, y)) < 0.05
    assert mmd(x[::-1], y) == pytest.approx(mmd(x, y))
    # half of the points of each class: nothing has to move from one class to the other, but by chance of the thinning
    assert wasserstein(x, y) < 6
    assert wasserstein(x[:50], y) > 6


def test_distances_do_not_underflow() -> None:
    """exp(-d^2), as in GAN-leaks, is 0 beyond d = 11 in float32 and ties all cells; distances themselves do not.

    There is no such attack here: what is tested is that no figure is made of a kernel of raw distances.
    """
    near, far = np.zeros((5, 3), dtype=np.float32), np.full((5, 3), 300.0, dtype=np.float32)
    farther = far * 2
    assert np.exp(-(far[0] ** 2).sum()) == 0
    assert wasserstein(near, far) < wasserstein(near, farther)


def test_a_constant_gene_has_no_correlation() -> None:
    """Rounding gives its float32 deviation a value above 0; it is left out all the same."""
    made, labels = cells(4, 2)
    dense = made.toarray()
    dense[:, 5] = 0
    dense[:, 5] = dense.sum(axis=1)  # half of every cell: constant after the normalisation
    found = table((sp.csr_matrix(dense), labels))
    assert np.isfinite(found.loc["gene_correlation", "value"])
