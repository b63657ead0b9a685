"""Highly variable genes, as scanpy finds them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scdd._rng import stream
from scdd.data._source import Source


def highly_variable(source: Source, *, n_top: int = 2000, max_cells: int = 100_000, seed: int = 0) -> NDArray[np.bool_]:
    """Choose highly variable genes: scanpy's ``flavor="seurat"`` on log1p of counts normalised to 10,000 per cell.

    Parameters
    ----------
    source
        Raw counts of the training cells.
    n_top
        Number of genes to choose; all of them where there are no more.
    max_cells
        Larger data are represented by this many random cells.
    seed
        Seed of that choice.

    Returns
    -------
    bool array (n_vars,).

    Examples
    --------
    >>> import scdd
    >>> checked = scdd.pp.check(scdd.datasets.simulate(n_vars=300))
    >>> int(scdd.pp.highly_variable(checked.source, n_top=50).sum())
    50
    """
    if source.n_vars <= n_top:
        return np.ones(source.n_vars, dtype=bool)
    import scanpy as sc
    import scipy.sparse as sp
    from anndata import AnnData

    if source.n_obs > max_cells:
        rng = stream(seed, "highly_variable")
        cells = np.sort(rng.choice(source.n_obs, max_cells, replace=False))
        counts = source.rows(cells)
    else:
        counts = sp.csr_matrix(sp.vstack([block for _, block in source.blocks()], format="csr"))
    adata = AnnData(counts)
    sc.pp.normalize_total(adata, target_sum=1e4)
    sc.pp.log1p(adata)
    table = sc.pp.highly_variable_genes(adata, n_top_genes=n_top, flavor="seurat", inplace=False)
    return table["highly_variable"].to_numpy(dtype=bool)
