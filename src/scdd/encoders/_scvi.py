"""Encoder "scvi": the latent representation of a trained scvi-tools model."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from scdd.encoders._base import Cells, Encoder, EncoderInfo
from scdd.encoders._registry import ENCODERS
from scdd.encoders._scvi_saved import SavedScviEncoder
from scdd.errors import EncoderError


@ENCODERS.register("scvi")
class ScviEncoder(Encoder):
    """A trained scvi-tools model (scVI, scANVI, ...) in memory: ``SCDD(adata, encoder=scvi_model)``.

    Parameters
    ----------
    model
        A trained model with ``get_latent_representation``; it must know the cells' batches.

    Notes
    -----
    ``"scvi:/path"`` names a model that scvi-tools saved: :class:`~scdd.encoders.SavedScviEncoder`.
    """

    info = EncoderInfo(
        name="scvi",
        normalisation="none: raw counts",
        differentiable=True,
        citation="10.1038/s41592-018-0229-2",
        licence="of the model",
        argument="folder",
    )
    takes_trust = True

    def __init__(self, model: Any = None) -> None:
        if not hasattr(model, "get_latent_representation"):
            msg = (
                "Encoder 'scvi' wraps a trained scvi-tools model: pass the model itself, SCDD(adata, encoder=scvi_model), "
                'or the folder it was saved to, scdd.encoders.get("scvi:/path", trust=True).'
            )
            raise EncoderError(msg)
        if not getattr(model, "is_trained_", True):
            msg = "The scvi-tools model has not been trained: call model.train() first."
            raise EncoderError(msg)
        self.model = model

    @classmethod
    def from_argument(cls, argument: str, *, trust: bool = False) -> Encoder:
        """Return the encoder of a saved model.

        Parameters
        ----------
        argument
            Folder of the saved model.
        trust
            Whether files may be loaded that could run code.

        Returns
        -------
        The encoder.
        """
        return SavedScviEncoder(argument, trust=trust)

    def encode(self, cells: Cells, *, batch_size: int = 4096, device: str = "cpu") -> NDArray[np.float32]:
        """Return the posterior means of the cells.

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
        float32 (n_obs, n_latent).
        """
        if cells.adata is None:
            msg = "Encoder 'scvi' needs the AnnData of the cells."
            raise EncoderError(msg)
        own = getattr(self.model, "adata", None)
        same = own is not None and own.n_obs == cells.adata.n_obs and own.obs_names.equals(cells.adata.obs_names)
        # on the cells it was trained on, the model reads its own AnnData: scvi-tools writes into any other one
        adata = own if same else cells.adata.copy()
        latent = np.asarray(self.model.get_latent_representation(adata, batch_size=batch_size), dtype=np.float32)
        return latent if cells.kept is None else latent[cells.kept]
