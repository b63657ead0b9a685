"""Encoder "precomputed": an embedding that came with the cells, in ``adata.obsm``."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from scdd._compat import is_in_memory_sparse
from scdd.encoders._base import Cells, Encoder, EncoderInfo
from scdd.encoders._registry import ENCODERS
from scdd.errors import EncoderError


@ENCODERS.register("precomputed")
class PrecomputedEncoder(Encoder):
    """Read the embedding of any model from ``adata.obsm[key]``: ``encoder="precomputed:X_scgpt"``.

    Parameters
    ----------
    key
        Key in ``obsm``.
    """

    info = EncoderInfo(
        name="precomputed",
        normalisation="of the model that made the embedding",
        licence="unknown",
        argument="key of obsm",
    )

    def __init__(self, key: str = "") -> None:
        self.key = key

    @property
    def spec(self) -> str:
        """``"precomputed:<key>"``."""
        return f"precomputed:{self.key}"

    def fit(self, cells: Cells, *, seed: int) -> None:
        """Check that the embedding is there.

        Parameters
        ----------
        cells
            The cells, their genes and the highly variable ones.
        seed
            Of everything random.
        """
        self._embedding(cells)

    def encode(self, cells: Cells, *, batch_size: int = 4096, device: str = "cpu") -> NDArray[np.float32]:
        """Return the embedding of the cells.

        Parameters
        ----------
        cells
            The cells; ``cells.source.blocks`` gives raw counts block by block.
        batch_size
            Cells that are embedded at once.
        device
            Where a network runs, as torch names it.

        Returns
        -------
        float32 (n_obs, dim).
        """
        return np.asarray(self._embedding(cells), dtype=np.float32)

    def _embedding(self, cells: Cells) -> NDArray[np.floating]:
        if self.key not in cells.obsm:
            available = ", ".join(sorted(cells.obsm)) or "none"
            msg = (
                f"Encoder 'precomputed' finds no obsm[{self.key!r}]. Available: {available}. "
                'Name one as encoder="precomputed:<key>".'
            )
            raise EncoderError(msg)
        value = cells.obsm[self.key]
        return np.asarray(value.toarray() if is_in_memory_sparse(value) else value)
