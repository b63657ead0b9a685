"""Encoder "self": no foundation model; head and decoder are a supervised autoencoder trained on the data."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from scdd.encoders._base import Cells, Encoder, EncoderInfo, Features
from scdd.encoders._registry import ENCODERS
from scdd.errors import EncoderError


class ExpressionFeatures:
    """Log-normalised expression of the HVGs, ``log1p(1e4 x / L)``, made from the counts of each batch."""

    def __init__(self, dim: int) -> None:
        self.dim = dim

    def __call__(
        self, index: NDArray[np.integer], hvg_counts: sp.csr_matrix, library: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        """Return the features (n, n_hvg)."""
        x = hvg_counts.copy()
        x.data = np.log1p(x.data * np.repeat(1e4 / library, np.diff(x.indptr)).astype(np.float32))
        return x.toarray().astype(np.float32, copy=False)


@ENCODERS.register("self")
class SelfEncoder(Encoder):
    """Trained on the data: the latent head reads the log-normalised HVGs directly."""

    info = EncoderInfo(name="self", differentiable=True)

    def features(self, cells: Cells, *, device: str = "cpu") -> Features:
        """Return the log-normalised HVGs."""
        return ExpressionFeatures(len(cells.hvg))

    def encode(self, cells: Cells, *, batch_size: int = 4096, device: str = "cpu") -> NDArray[np.float32]:
        """Has no embedding of its own: use ``model.get_latent_representation()``."""
        msg = "Encoder 'self' is trained together with the model. Use model.get_latent_representation() instead."
        raise EncoderError(msg)
