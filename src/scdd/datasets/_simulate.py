"""A small data set with a known truth."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp

from scdd._rng import Seed, canonical_seed, stream
from scdd._settings import FROM_SETTINGS
from scdd.errors import InputError

if TYPE_CHECKING:
    from anndata import AnnData


def simulate(
    n_obs: int = 600,
    n_vars: int = 300,
    *,
    n_classes: int = 4,
    n_batches: int = 3,
    depth: float = 2000,
    effect: float = 1.0,
    seed: Seed = FROM_SETTINGS,
) -> AnnData:
    """Simulate raw counts of labelled cells from several donors.

    Each class has markers (a tenth of the genes, raised by ``2 * effect`` on the natural log scale), each donor shifts
    all genes a little (sd 0.2), libraries are log-normal (sd 0.35), and counts are negative binomial around
    library x rate.

    Parameters
    ----------
    n_obs, n_vars
        Number of cells and genes.
    n_classes, n_batches
        Number of classes, of uneven size, and of donors.
    depth
        Median total counts of a cell.
    effect
        Strength of the markers; 0 makes all classes alike.
    seed
        Integer, numpy Generator or None. Default: ``scdd.settings.seed``.

    Returns
    -------
    AnnData with ``X`` (CSR float32 counts), ``obs["cell_type"]``, ``obs["donor"]``, ``obs["true_library"]``, and the truth:
    ``varm["rates"]`` (n_vars, n_classes), the expected share of each gene in a class before donor effects,
    ``varm["log_donor_effect"]`` (n_vars, n_batches), ``varm["markers"]`` (n_vars, n_classes) bool, and
    ``var["dispersion"]``, the inverse dispersion theta (variance = mean + mean ** 2 / theta).

    Raises
    ------
    scdd.errors.InputError
        If a size is below 1, or there are fewer cells than classes.

    Examples
    --------
    >>> import scdd
    >>> adata = scdd.datasets.simulate(n_obs=100, n_vars=50, n_classes=2)
    >>> adata.shape
    (100, 50)
    """
    import pandas as pd
    from anndata import AnnData

    if min(n_obs, n_vars, n_classes, n_batches) < 1 or n_obs < n_classes:
        msg = (
            "n_obs, n_vars, n_classes and n_batches must be at least 1, and n_obs at least n_classes; "
            f"got {n_obs}, {n_vars}, {n_classes}, {n_batches}."
        )
        raise InputError(msg)
    seed = canonical_seed(seed)
    rng = stream(seed, "simulate", "truth")
    base = rng.normal(0.0, 1.2, n_vars)
    n_markers = max(1, n_vars // 10)
    markers = np.zeros((n_vars, n_classes), dtype=bool)
    for k in range(n_classes):
        markers[rng.choice(n_vars, n_markers, replace=False), k] = True
    log_rate = base[:, None] + 2.0 * effect * markers
    donor_effect = rng.normal(0.0, 0.2, (n_vars, n_batches))
    theta = rng.gamma(4.0, 1.0, n_vars) + 0.5

    rng = stream(seed, "simulate", "cells")
    share = 0.75 ** np.arange(n_classes)
    classes = rng.choice(n_classes, n_obs, p=share / share.sum())
    classes[rng.choice(n_obs, n_classes, replace=False)] = np.arange(n_classes)  # no class without a cell
    batches = rng.integers(n_batches, size=n_obs)
    library = depth * np.exp(rng.normal(0.0, 0.35, n_obs))
    parts = []
    step = max(1, 2_000_000 // n_vars)
    for start in range(0, n_obs, step):
        cells = slice(start, min(start + step, n_obs))
        rate = _softmax(log_rate[:, classes[cells]].T + donor_effect[:, batches[cells]].T)
        mean = rng.gamma(theta, library[cells, None] * rate / theta)
        parts.append(sp.csr_matrix(rng.poisson(mean).astype(np.float32)))

    class_names = [f"class_{k}" for k in range(n_classes)]
    donor_names = [f"donor_{k}" for k in range(n_batches)]
    obs = pd.DataFrame(
        {
            "cell_type": pd.Categorical.from_codes(classes, class_names),
            "donor": pd.Categorical.from_codes(batches, donor_names),
            "true_library": library,
        },
        index=[f"cell_{i}" for i in range(n_obs)],
    )
    var = pd.DataFrame({"dispersion": theta}, index=[f"gene_{i}" for i in range(n_vars)])
    adata = AnnData(sp.csr_matrix(sp.vstack(parts, format="csr")), obs=obs, var=var)
    adata.varm["rates"] = _softmax(log_rate.T).T
    adata.varm["log_donor_effect"] = donor_effect
    adata.varm["markers"] = markers
    adata.uns["simulation"] = {"seed": seed, "depth": float(depth), "effect": float(effect)}
    return adata


def _softmax(x: np.ndarray) -> np.ndarray:
    out = np.exp(x - x.max(axis=1, keepdims=True))
    return out / out.sum(axis=1, keepdims=True)
