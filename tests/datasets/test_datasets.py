"""The bundled pancreas and the simulated toy."""

from __future__ import annotations

from importlib.resources import files
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp

from scdd.datasets import pancreas, simulate
from scdd.errors import InputError


def test_pancreas_facts() -> None:
    adata = pancreas()
    assert adata.shape == (3607, 20125)
    assert isinstance(adata.X, sp.csr_matrix)
    assert adata.X.dtype == np.float32
    assert adata.X.has_canonical_format
    assert adata.obs["cell_type"].nunique() == 14
    assert adata.obs["donor"].value_counts().to_dict() == {"human1": 1937, "human2": 450, "human3": 914, "human4": 306}
    assert {"INS", "GCG", "PPY"} <= set(adata.var_names)
    assert "GSE84133" in adata.uns["source"]["licence"]
    ins = np.asarray(adata[adata.obs["cell_type"] == "beta", "INS"].X.mean())
    assert ins > 20 * np.asarray(adata[adata.obs["cell_type"] == "ductal", "INS"].X.mean())
    path = files("scdd.datasets") / "data" / "pancreas_human_baron.h5ad"
    assert path.stat().st_size <= 8_000_000


def test_pancreas_equals_its_origin(shared_data: Any) -> None:
    ours, origin = pancreas(), shared_data("pancreas_human_baron")
    assert (ours.X != origin.X).nnz == 0
    assert list(ours.obs_names) == list(origin.obs_names)
    assert list(ours.var_names) == list(origin.var_names)
    assert (ours.obs["cell_type"].astype(str) == origin.obs["cell_type"].astype(str)).all()


def test_simulated_moments_are_negative_binomial() -> None:
    adata = simulate(n_obs=6000, n_vars=60, n_classes=2, n_batches=1, depth=3000, seed=5)
    cells = (adata.obs["cell_type"] == "class_0").to_numpy()
    rate = adata.varm["rates"][:, 0] * np.exp(adata.varm["log_donor_effect"][:, 0])
    rate = rate / rate.sum()
    library = adata.obs["true_library"].to_numpy()[cells]
    x = adata.X[cells].toarray().astype(np.float64)
    mean = library[:, None] * rate
    theta = adata.var["dispersion"].to_numpy()
    variance = mean + mean**2 / theta
    z = (x.mean(axis=0) - mean.mean(axis=0)) / np.sqrt(variance.mean(axis=0) / len(x))
    assert np.abs(z).max() < 4.5
    # Pearson residuals have variance 1 where the mean-variance law is the negative binomial one
    np.testing.assert_allclose(((x - mean) ** 2 / variance).mean(axis=0), 1.0, atol=0.25)
    np.testing.assert_allclose(adata.varm["rates"].sum(axis=0), 1.0)
    assert abs(np.median(adata.obs["true_library"]) / 3000 - 1) < 0.05


def test_simulated_markers_and_seeds() -> None:
    adata = simulate(seed=3)
    again, other = simulate(seed=3), simulate(seed=4)
    assert (adata.X != again.X).nnz == 0
    assert (adata.X != other.X).nnz > 0
    assert adata.obs["cell_type"].nunique() == 4
    assert adata.obs["donor"].nunique() == 3
    rates, markers = adata.varm["rates"], adata.varm["markers"]
    for k in range(4):
        others = np.delete(np.arange(4), k)
        own = markers[:, k] & ~markers[:, others].any(axis=1)
        assert (rates[own, k] > 2 * rates[own][:, others].max(axis=1)).all()
    flat = simulate(effect=0.0).varm["rates"]
    np.testing.assert_allclose(flat, flat[:, :1] @ np.ones((1, 4)))


def test_simulate_refuses_nothing() -> None:
    with pytest.raises(InputError, match="at least 1"):
        simulate(n_obs=0)
    with pytest.raises(InputError, match="n_obs at least n_classes"):
        simulate(n_obs=3, n_classes=4)
