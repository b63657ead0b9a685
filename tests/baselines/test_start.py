from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp

from scdd.baselines import embed
from scdd.baselines._start import STARTS
from scdd.metrics import log_normalize


def test_starts() -> None:
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.repeat([0, 1, 2], [60, 30, 3]))
    counts = sp.csr_matrix(rng.poisson(rng.gamma(0.4, 2.0, (3, 80))[labels]).astype(np.float32))
    logs, embedding = log_normalize(counts), embed(counts, np.ones(80, bool), n_components=10)
    dense = logs.toarray()
    real, real_y = STARTS.get("real")(logs, embedding, labels, np.array([5, 5, 5]), 0)
    for row, code in zip(real, real_y, strict=True):
        assert (dense[labels == code] == row).all(axis=1).any()
    many = np.array([60, 30, 3])
    noise, _ = STARTS.get("noise")(logs, embedding, labels, many, 0)
    assert noise.min() == 0
    upper = np.median(noise) + np.array([0, 1]) * dense.std()
    # a normal law cut off at 0 leaves its upper half as it is
    assert np.mean(noise > upper[0]) == pytest.approx(0.5, abs=0.02)
    assert np.mean(noise > upper[1]) == pytest.approx(0.159, abs=0.02)
    assert np.corrcoef(noise.mean(axis=0), dense.mean(axis=0))[0, 1] < 0.5, "noise knows no gene"
    centre, _ = STARTS.get("kmeans")(logs, embedding, labels, np.array([1, 1, 1]), 0)
    np.testing.assert_allclose(centre, [dense[labels == code].mean(axis=0) for code in range(3)], rtol=1e-4, atol=1e-6)
