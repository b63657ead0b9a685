"""Encoder "scvi:/path": a model that scvi-tools saved to disk."""

from __future__ import annotations

import os
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scdd._genes import GeneMatch
from scdd.encoders._base import Cells, EncoderInfo
from scdd.encoders._checkpoint import CheckpointEncoder
from scdd.encoders._scvi_latent import ScviLatent, obs_of
from scdd.errors import EncoderError

if TYPE_CHECKING:
    import pandas as pd
    import scipy.sparse as sp
    import torch

_CLASSES = ("SCVI", "SCANVI")
_MADE_UP = 4  # cells: below 3 of a batch scvi-tools warns


class SavedScviEncoder(CheckpointEncoder):
    """A scVI or scANVI model in a folder that ``model.save()`` of scvi-tools wrote: ``get("scvi:/path", trust=True)``.

    Cells are brought to the genes of the model by name, and embedded block by block. Batches and other covariates are
    read from ``obs`` only where the model's encoder sees them (``encode_covariates=True``); they must be known to it.

    Parameters
    ----------
    path
        The folder, with ``model.pt``.
    trust
        ``model.pt`` is a pickle: loading it can run any code that its author put there. Only with True is it loaded.
    min_genes
        Genes of the model that the data must have; None: 80 % of them.

    References
    ----------
    Lopez et al. (2018), doi 10.1038/s41592-018-0229-2; Xu et al. (2021), doi 10.15252/msb.20209620.
    """

    info = EncoderInfo(
        name="scvi",
        normalisation="none: raw counts",
        licence="of the model",
        citation="10.1038/s41592-018-0229-2",
        argument="folder",
        differentiable=True,
    )
    cells_per_batch = 1024
    takes_trust = True

    def __init__(self, path: str | os.PathLike[str] = "", *, trust: bool = False, min_genes: int | None = None) -> None:
        # the genes of such a model are mostly the highly variable ones: any share of the counts is fine
        super().__init__(path, min_genes=min_genes, min_share=0.0)
        self._asked_for = min_genes
        if not trust:
            msg = (
                f"{self.path / 'model.pt'} is a pickle, which can run code when it is loaded. If you trust its author, "
                f'pass encoder=scdd.encoders.get("{self.spec}", trust=True).'
            )
            raise EncoderError(msg)
        self._obs: pd.DataFrame | None = None

    @property
    def files(self) -> tuple[Path, ...]:
        """``model.pt``."""
        return (self.path / "model.pt",)

    @cached_property
    def _registry(self) -> dict[str, Any]:
        path = self.path / "model.pt"
        if not path.is_file():
            msg = f"{path} is not there. Name the folder that model.save() of scvi-tools wrote."
            raise EncoderError(msg)
        from scvi.model.base import BaseModelClass

        try:
            registry = BaseModelClass.load_registry(str(self.path))
            name = registry["model_name"]
        # a file that is cut or of another kind raises one of many types
        except Exception as error:
            msg = f"{path} cannot be read as a model of scvi-tools: {type(error).__name__}: {error}"
            raise EncoderError(msg) from error
        if name not in _CLASSES:
            msg = (
                f"{path} holds a {name}; of saved models, {' and '.join(_CLASSES)} are read. Put the latent of others into "
                'obsm: encoder="precomputed:<key>".'
            )
            raise EncoderError(msg)
        return registry

    @cached_property
    def _latent(self) -> ScviLatent:
        return ScviLatent(self._registry, f" in {self.path}")

    @property
    def genes(self) -> NDArray[np.object_]:
        """Genes of the model."""
        return self._latent.genes

    def match(self, cells: Cells) -> GeneMatch:
        """Find the genes of the model in the cells; all but a few must be there."""
        if self._asked_for is None:
            self.min_genes = self._latent.min_genes
        return super().match(cells)

    def read_network(self) -> torch.nn.Module:
        """Load the model by scvi-tools, on a few made-up cells, and return its frozen module."""
        import scvi

        path = self.path / "model.pt"
        try:
            model = getattr(scvi.model, self._registry["model_name"]).load(
                str(self.path), adata=self._made_up(), accelerator="cpu"
            )
        # scvi-tools raises whatever its parts do
        except Exception as error:
            msg = f"{path} cannot be loaded by scvi-tools {scvi.__version__}: {type(error).__name__}: {error}"
            raise EncoderError(msg) from error
        module = self._latent.freeze(model.module)
        self.info = replace(self.info, n_vocabulary=len(self.genes), dim=int(module.n_latent))  # type: ignore[arg-type]
        return module

    def encode(self, cells: Cells, *, batch_size: int | None = None, device: str = "cpu") -> NDArray[np.float32]:
        """Return the posterior means (n_obs, n_latent) float32 of all cells.

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
        self._obs = obs_of(cells)
        try:
            return super().encode(cells, batch_size=batch_size, device=device)
        finally:
            self._obs = None

    def embed(
        self, network: torch.nn.Module, counts: sp.csr_matrix, library: NDArray[np.float64], index: NDArray[np.int64]
    ) -> torch.Tensor:
        """Return the posterior means (n, n_latent)."""
        return self._latent.means(network, counts, None if self._obs is None else self._obs.iloc[index])

    def _made_up(self) -> Any:
        """Return cells with everything that the model was set up with, for scvi-tools asks for some."""
        import pandas as pd
        from anndata import AnnData

        key, state = self._latent.key, self._latent.state
        x = np.ones((_MADE_UP, len(self.genes)), dtype=np.float32)
        obs = pd.DataFrame(index=[f"cell{i}" for i in range(_MADE_UP)])
        for name, field in (("batch_key", "batch"), ("labels_key", "labels")):
            if key(name) is not None:
                obs[key(name)] = [state(field)["categorical_mapping"][0]] * _MADE_UP
        if key("unlabeled_category") is not None:
            # scANVI counts its classes by the labels of the cells that it is loaded with
            obs[key("labels_key")] = [key("unlabeled_category")] * _MADE_UP
        for name, known in state("extra_categorical_covs").get("mappings", {}).items():
            obs[name] = [known[0]] * _MADE_UP
        for name in key("continuous_covariate_keys") or ():
            obs[name] = np.arange(_MADE_UP, dtype=float)
        if key("size_factor_key") is not None:
            obs[key("size_factor_key")] = [1.0] * _MADE_UP
        adata = AnnData(x, obs=obs, var=pd.DataFrame(index=pd.Index(self.genes.astype(str))))
        if key("layer") is not None:
            adata.layers[key("layer")] = x.copy()
        return adata
