"""Encoder "scvi": the latent representation of a trained scvi-tools model."""

from __future__ import annotations

import copy
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scdd._genes import GeneMatch, match_genes
from scdd.encoders._base import Cells, Encoder, EncoderInfo, check_known
from scdd.encoders._place import device_name, place
from scdd.encoders._registry import ENCODERS
from scdd.encoders._scvi_latent import ScviLatent, obs_of
from scdd.encoders._scvi_saved import SavedScviEncoder
from scdd.errors import EncoderError

if TYPE_CHECKING:
    import torch


@ENCODERS.register("scvi")
class ScviEncoder(Encoder):
    """A trained scVI or scANVI model in memory: ``SCDD(adata, encoder=scvi_model)``.

    Cells are brought to the genes of the model by name, and embedded block by block, whatever cells it was trained on. Batches
    and other covariates are read from ``obs`` only where the model's encoder sees them (``encode_covariates=True``); they must
    be known to it. The model itself stays as it is.

    Parameters
    ----------
    model
        A trained model of scvi-tools with the network of scVI: ``SCVI``, ``SCANVI``, ``LinearSCVI``.

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
        from scvi.module import VAE

        if not isinstance(getattr(model, "module", None), VAE):
            msg = (
                f"A {type(model).__name__} has not the network of scVI, which SCVI, SCANVI and LinearSCVI have. Give its "
                'embedding instead: adata.obsm["X_latent"] = model.get_latent_representation(), encoder="precomputed:X_latent".'
            )
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

    def match(self, cells: Cells) -> GeneMatch:
        """Find the genes of the model in the cells; all but a few must be there.

        Parameters
        ----------
        cells
            The cells, their genes and the highly variable ones.

        Returns
        -------
        Which gene of the cells is which of the model.

        Raises
        ------
        scdd.errors.GeneError
            If too few are found, with the cause and the fix.
        """
        latent = ScviLatent(self.model.registry)
        self.coverage = match_genes(cells.genes, latent.genes, var=cells.var)
        self.coverage.require("encoder 'scvi'", min_genes=latent.min_genes)
        return self.coverage

    def fit(self, cells: Cells, *, seed: int) -> None:
        """Check that the genes are known.

        Parameters
        ----------
        cells
            The cells, their genes and the highly variable ones.
        seed
            Of everything random.
        """
        self.match(cells)

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
        import torch

        match, latent, obs = self.match(cells), ScviLatent(self.model.registry), obs_of(cells)
        network = self._network(latent, device_name(device))
        out = np.empty((cells.source.n_obs, int(network.n_latent)), dtype=np.float32)  # type: ignore[arg-type]
        with torch.inference_mode():
            for index, counts in cells.source.blocks(batch_size):
                known, part = match.align(counts), None if obs is None else obs.iloc[index]
                check_known(known, index, self.info.name)
                out[index] = latent.means(network, known, part).cpu().numpy()
        return out

    def _network(self, latent: ScviLatent, device: str) -> torch.nn.Module:
        """Return a copy of the network: the model of the user stays where it is, and can be trained on."""
        return place(latent.freeze(copy.deepcopy(self.model.module)), device, self.info.name)
