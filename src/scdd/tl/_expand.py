"""``scdd.tl.expand``: many count cells from each distilled row."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scdd import _keys
from scdd._rng import Seed, canonical_seed, stream
from scdd._settings import FROM_SETTINGS
from scdd.errors import InputError

if TYPE_CHECKING:
    from anndata import AnnData

_CELLS = 1280  # that are dense at once


def expand(syn: AnnData, n: int = 20, *, noise: str = "poisson", seed: Seed = FROM_SETTINGS) -> AnnData:
    """Decode every distilled row into ``n`` count cells, from what the file itself holds.

    Neither a model nor original data is needed: the cells are drawn around the expected counts in
    ``layers["scdd_mean"]``. Useful for models that need the noise of real cells, such as trees.

    Parameters
    ----------
    syn
        Result of :func:`scdd.tl.distill`; it is not changed.
    n
        Number of cells per row.
    noise
        ``"poisson"``, or ``"nb"`` for the scatter of real cells: the negative binomial with ``var["scdd_dispersion"]``,
        with dropout where ``var["scdd_half_capture"]`` is not 0 (see :class:`scdd.module.CountNoise`).
    seed
        Seed of the draw. Default: ``scdd.settings.seed``.

    Returns
    -------
    AnnData (n_rows x n, n_vars) with integer counts (CSR float32), the rows' labels and batches,
    ``obs["scdd_weight"]`` divided by ``n``, and ``obs["scdd_row"]``, the name of the row that a cell comes from.

    Raises
    ------
    scdd.errors.InputError
        If ``syn`` was not made by :func:`scdd.tl.distill`, or an argument is wrong.

    Examples
    --------
    >>> import scdd
    >>> adata = scdd.datasets.simulate(n_obs=300, n_vars=100)
    >>> syn = scdd.tl.distill(adata, n_per_class=1, preset="fast", progress=False)
    >>> scdd.tl.expand(syn, n=5).shape
    (20, 100)
    """
    import pandas as pd
    import scipy.sparse as sp
    from anndata import AnnData

    from scdd.pp._check import check_type

    check_type(syn)
    if _keys.MEAN not in syn.layers:
        msg = f"syn has no layers[{_keys.MEAN!r}]: pass the result of scdd.tl.distill."
        raise InputError(msg)
    if not syn.obs_names.is_unique:
        msg = "Rows of syn share names, and cells are named by their row. Run syn.obs_names_make_unique()."
        raise InputError(msg)
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1:
        msg = f"n must be an integer of at least 1, got {n!r}."
        raise InputError(msg)
    if noise not in ("poisson", "nb"):
        msg = f"noise must be 'poisson' or 'nb', got {noise!r}."
        raise InputError(msg)
    seed = canonical_seed(seed)
    rng = stream(seed, "expand")
    mean = sp.csr_matrix(syn.layers[_keys.MEAN])
    for column in (_keys.DISPERSION, _keys.HALF_CAPTURE):
        if noise == "nb" and column not in syn.var:
            msg = f"syn has no var[{column!r}], which noise='nb' needs. Use noise='poisson'."
            raise InputError(msg)
    draw = _scatter(syn) if noise == "nb" else lambda mu, rng: rng.poisson(mu).astype(np.float32)
    parts = []
    for rows_at_once, times in _pieces(syn.n_obs, int(n)):
        mu = np.repeat(mean[rows_at_once].toarray().astype(np.float64), times, axis=0)
        parts.append(sp.csr_matrix(draw(mu, rng)))
    keep = [c for c in syn.obs.columns if c not in (_keys.LIBRARY, _keys.KIND, _keys.WEIGHT)]
    obs = syn.obs[keep].iloc[np.repeat(np.arange(syn.n_obs), n)].copy()
    rows = pd.Index(np.repeat(np.asarray(syn.obs_names.astype(str), dtype=object), n))
    obs.index = pd.Index([f"{row}-{k}" for row, k in zip(rows, np.tile(np.arange(n), syn.n_obs), strict=True)])
    obs[_keys.WEIGHT] = np.repeat(np.asarray(syn.obs[_keys.WEIGHT]), n) / n
    obs[_keys.ROW] = pd.Categorical(rows, categories=list(syn.obs_names))
    out = AnnData(X=sp.csr_matrix(sp.vstack(parts, format="csr")), obs=obs, var=syn.var.copy())
    out.uns = {key: value for key, value in syn.uns.items() if key.endswith("_colors")}
    out.uns[_keys.UNS] = {
        **syn.uns.get(_keys.UNS, {}),
        "kind": "expanded",
        "expand": {"n": int(n), "noise": noise, "seed": seed},
    }
    return out


def _pieces(n_rows: int, n: int) -> Iterator[tuple[slice, int]]:
    """Yield rows, and how many cells of each are drawn together: what is dense at once does not grow with ``n``."""
    step = max(1, _CELLS // n)
    for start in range(0, n_rows, step):
        for done in range(0, n, _CELLS):
            yield slice(start, start + step), min(_CELLS, n - done)


def _scatter(syn: AnnData) -> Callable[[NDArray[np.float64], np.random.Generator], NDArray[np.float32]]:
    """Return the draw of counts around expectations that the file describes."""
    from scdd._scatter import draw_counts

    theta = np.asarray(syn.var[_keys.DISPERSION], dtype=np.float64)
    half = np.asarray(syn.var[_keys.HALF_CAPTURE], dtype=np.float64)
    return lambda mu, rng: draw_counts(mu, theta, half, rng)
