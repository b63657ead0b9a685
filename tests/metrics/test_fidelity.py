from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from scdd.errors import InputError
from scdd.metrics import energy_distance, fidelity, real_or_generated_auc


def _cells(seed: int, scale: float = 1.0, n: int = 60) -> tuple[sp.csr_matrix, np.ndarray]:
    profiles = np.random.default_rng(9).gamma(0.4, 3.0, (2, 50))
    y = np.tile([0, 1], n)
    return sp.csr_matrix(np.random.default_rng(seed).poisson(scale * profiles[y]).astype(np.float32)), y


def _overall(table, metric: str) -> float:
    return float(table[(table["metric"] == metric) & (table["class"] == "")]["value"].iloc[0])


def test_two_real_sets_are_alike() -> None:
    table = fidelity(*_cells(0), *_cells(1), np.ones(50, bool), class_names=["a", "b"])
    assert _overall(table, "mean_correlation") > 0.98
    assert _overall(table, "genes_detected_ratio") == pytest.approx(1, abs=0.1)
    assert _overall(table, "zero_fraction_difference") < 0.06
    assert abs(_overall(table, "rf_auc") - 0.5) < 0.15
    assert set(table["class"]) == {"", "a", "b"}


def test_each_fault_is_seen() -> None:
    deeper = fidelity(*_cells(0), *_cells(1, scale=3.0), np.ones(50, bool))
    assert _overall(deeper, "library_ratio") == pytest.approx(3, rel=0.1)
    assert _overall(deeper, "library_ks") == 1
    assert _overall(deeper, "zero_fraction_difference") > 0.1
    assert _overall(deeper, "genes_detected_ratio") > 1.2
    assert _overall(deeper, "rf_auc") > 0.9
    counts, y = _cells(1)
    swapped = fidelity(*_cells(0), counts, 1 - y, np.ones(50, bool))
    assert _overall(swapped, "mean_correlation") < 0.8


def test_auc_balances_classes() -> None:
    """Unequal class sizes must not give the generated set away."""
    counts, y = _cells(0, n=100)
    other, other_y = _cells(1, n=100)
    few = np.flatnonzero((other_y == 0) | (np.arange(200) < 60))
    auc = real_or_generated_auc(counts, y, other[few], other_y[few], np.ones(50, bool), n_trees=50)
    assert abs(auc - 0.5) < 0.15


def test_auc_of_too_few_cells_is_nan_and_absent() -> None:
    counts, y = _cells(0)
    assert np.isnan(real_or_generated_auc(counts[:4], y[:4], counts[4:8], y[4:8], np.ones(50, bool)))
    assert "rf_auc" not in set(fidelity(counts[:4], y[:4], counts[4:8], y[4:8], np.ones(50, bool))["metric"])


def test_unshared_classes_are_listed() -> None:
    counts, y = _cells(0)
    table = fidelity(counts, y, counts, np.where(y == 1, 2, y), np.ones(50, bool), class_names=["a", "b", "c"])
    assert table.attrs["excluded"] == ["b", "c"]
    with pytest.raises(InputError, match="share no class"):
        fidelity(counts, y, counts, y + 5, np.ones(50, bool))


def test_energy_distance_is_unbiased_and_matches_the_definition() -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(7, 3)), rng.normal(1.0, size=(5, 3))
    cross = np.mean([np.linalg.norm(a - b) for a in x for b in y])
    within = [
        np.mean([np.linalg.norm(z[i] - z[j]) for i in range(len(z)) for j in range(len(z)) if i != j]) for z in (x, y)
    ]
    assert energy_distance(x, y) == pytest.approx(2 * cross - sum(within))
    null = [energy_distance(rng.normal(size=(8, 2)), rng.normal(size=(8, 2))) for _ in range(400)]
    assert abs(np.mean(null)) < 4 * np.std(null) / 20
    with pytest.raises(InputError, match="two rows"):
        energy_distance(x[:1], y)


@pytest.mark.parametrize("sizes", [(1, 1), (2, 1), (30, 12)])
def test_library_ks_is_that_of_scipy(sizes: tuple[int, int]) -> None:
    from scipy.stats import ks_2samp

    counts, y = _cells(0)
    real, made = counts[y == 0][: sizes[0]], counts[y == 0][-sizes[1] :]
    # one class, and of it as little as one cell: warnings are errors here
    table = fidelity(real, np.zeros(sizes[0], int), made, np.zeros(sizes[1], int), np.ones(50, bool), max_cells=1)
    libraries = [np.asarray(x.sum(1)).ravel() for x in (real, made)]
    assert _overall(table, "library_ks") == pytest.approx(ks_2samp(*libraries, method="exact").statistic)
