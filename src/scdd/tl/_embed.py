"""Embed cells by any encoder."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scdd._rng import Seed, canonical_seed
from scdd._settings import FROM_SETTINGS

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData

    from scdd.encoders import Encoder


def embed(
    adata: AnnData,
    encoder: str | Encoder | Any,
    *,
    layer: str | None = None,
    batch_size: int | None = None,
    device: str = "auto",
    seed: Seed = FROM_SETTINGS,
) -> pd.DataFrame:
    """Embed cells by an encoder, to look at them or to reuse the embedding (``encoder="precomputed:X_..."``).

    Parameters
    ----------
    adata
        Cells with raw counts, in memory or backed; labels are not needed. It is not changed.
    encoder
        As :func:`scdd.encoders.get` takes it: ``"scimilarity:/path/to/model"``, ``"pca:50"``, ...
    layer
        Layer with the counts. Default: ``X``.
    batch_size
        Cells that pass the network together. Default: what suits the encoder.
    device
        ``"cpu"``, ``"cuda"``, ...; ``"auto"`` takes a GPU if there is one.
    seed
        Seed of encoders that are fitted to the data or draw at random. Default: ``scdd.settings.seed``.

    Returns
    -------
    Table (n_obs, dim) float32, indexed by the names of the cells: ``adata.obsm["X_pca"] = scdd.tl.embed(adata, "pca")``.
    ``attrs`` tells name, hash and licence of the encoder and which genes it found.

    Raises
    ------
    scdd.errors.EncoderError
        If the encoder has no embedding of its own, or its files or its output cannot be used.
    scdd.errors.GeneError
        If the genes do not fit the encoder.
    scdd.errors.CountsError
        If the matrix does not hold raw counts.

    Examples
    --------
    >>> import scdd
    >>> adata = scdd.datasets.simulate(n_obs=300, n_vars=100)
    >>> scdd.tl.embed(adata, "pca:5").shape
    (300, 5)
    """
    import numpy as np
    import pandas as pd

    from scdd._compat import var_frame
    from scdd.encoders import Cells, CheckpointEncoder
    from scdd.encoders import get as get_encoder
    from scdd.pp import highly_variable
    from scdd.pp._check import check_type
    from scdd.pp._genes import check_genes
    from scdd.pp._unlabelled import unlabelled_source

    check_type(adata)
    check_genes(adata)
    found, number = get_encoder(encoder).fresh(), canonical_seed(seed)
    source = unlabelled_source(adata, layer)
    hvg = np.empty(0, dtype=np.int64)
    if not isinstance(found, CheckpointEncoder):  # those have genes of their own
        hvg = np.flatnonzero(highly_variable(source, n_top=2000, seed=number))
    cells = Cells(source, np.asarray(adata.var_names), hvg, adata.obsm, adata, var_frame(adata))
    found.fit(cells, seed=number)
    embedding = found.checked_embedding(cells, batch_size=batch_size, device=device)
    table = pd.DataFrame(
        embedding, index=adata.obs_names, columns=[f"{found.info.name}_{i}" for i in range(embedding.shape[1])]
    )
    table.attrs = {
        "encoder": found.spec,
        "hash": found.content_hash(),
        "licence": found.info.licence,
        "genes": "" if found.coverage is None else str(found.coverage),
    }
    return table
