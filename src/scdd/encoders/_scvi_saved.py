"""Encoder "scvi:/path": a model that scvi-tools saved to disk."""

from __future__ import annotations

import math
import os
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scdd._compat import obs_frame
from scdd._genes import GeneMatch
from scdd.encoders._base import Cells, EncoderInfo
from scdd.encoders._checkpoint import CheckpointEncoder
from scdd.errors import EncoderError

if TYPE_CHECKING:
    import pandas as pd
    import scipy.sparse as sp
    import torch

_CLASSES = ("SCVI", "SCANVI")
_SHARE_OF_GENES = 0.8  # that the data must have: the model takes those that are absent for zeros

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
            msg = f"{path} holds a {name}; of saved models, {' and '.join(_CLASSES)} are read. Pass others as loaded models."
            raise EncoderError(msg)
        return registry

    def _state(self, field: str) -> dict[str, Any]:
        return self._registry["field_registries"].get(field, {}).get("state_registry", {})

    @cached_property
    def genes(self) -> NDArray[np.object_]:
        """Genes of the model."""
        return np.asarray(self._state("X")["column_names"], dtype=object)

    def match(self, cells: Cells) -> GeneMatch:
        """Find the genes of the model in the cells; all but a few must be there."""
        if self._asked_for is None:
            self.min_genes = math.ceil(_SHARE_OF_GENES * len(self.genes))
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
        module = model.module
        if getattr(module, "latent_distribution", "normal") != "normal":
            msg = f"{path} has a latent of the type {module.latent_distribution!r}; only 'normal' is read."
            raise EncoderError(msg)
        module.requires_grad_(False)
        module.eval()
        self.info = replace(self.info, n_vocabulary=len(self.genes), dim=int(module.n_latent))
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
        if cells.adata is not None:
            obs = obs_frame(cells.adata)
            self._obs = obs if cells.kept is None else obs.iloc[cells.kept]
        try:
            return super().encode(cells, batch_size=batch_size, device=device)
        finally:
            self._obs = None

    def embed(
        self, network: torch.nn.Module, counts: sp.csr_matrix, library: NDArray[np.float64], index: NDArray[np.int64]
    ) -> torch.Tensor:
        """Return the posterior means (n, n_latent)."""
        import torch

        device = next(network.parameters()).device
        batch, continuous, categorical = (
            None if v is None else torch.from_numpy(v).to(device) for v in self._covariates(network, index)
        )
        x = torch.from_numpy(counts.toarray()).to(device)
        out = network.inference(x, batch, cont_covs=continuous, cat_covs=categorical)  # type: ignore[operator]
        return out["qz"].loc

    def _covariates(
        self, network: torch.nn.Module, index: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32] | None, NDArray[np.int64] | None]:
        """Return codes of batches (n, 1), continuous (n, k) and categorical (n, k) covariates, where the encoder sees them."""
        if not network.encode_covariates:
            return np.zeros((len(index), 1), dtype=np.int64), None, None
        batch = np.zeros((len(index), 1), dtype=np.int64)
        if self._key("batch_key") is not None:
            batch = self._codes(self._key("batch_key"), self._state("batch")["categorical_mapping"], index)[:, None]
        continuous = categorical = None
        if self._key("continuous_covariate_keys"):
            columns = [self._column(key, index) for key in self._key("continuous_covariate_keys")]
            continuous = np.column_stack(columns).astype(np.float32)
        if self._key("categorical_covariate_keys"):
            mappings = self._state("extra_categorical_covs")["mappings"]
            categorical = np.column_stack([self._codes(key, known, index) for key, known in mappings.items()])
        return batch, continuous, categorical

    def _key(self, name: str) -> Any:
        return self._registry["setup_args"].get(name)

    def _column(self, key: str, index: NDArray[np.int64]) -> pd.Series:
        if self._obs is None or key not in self._obs:
            msg = f"The encoder of the model in {self.path} sees obs[{key!r}], which the cells do not have."
            raise EncoderError(msg)
        return self._obs[key].iloc[index]

    def _codes(self, key: str, known: Any, index: NDArray[np.int64]) -> NDArray[np.int64]:
        import pandas as pd

        values = self._column(key, index)
        codes = np.asarray(pd.Index(np.asarray(known)).get_indexer(np.asarray(values)), dtype=np.int64)
        if (codes < 0).any():
            unknown = sorted({str(value) for value in values[codes < 0]})
            msg = (
                f"The model in {self.path} does not know {len(unknown)} values of obs[{key!r}]: {', '.join(unknown[:5])}. "
                "Map these cells to the model first (scArches), and pass the updated model."
            )
            raise EncoderError(msg)
        return codes

    def _made_up(self) -> Any:
        """Return cells with everything that the model was set up with, for scvi-tools asks for some."""
        import pandas as pd
        from anndata import AnnData

        x = np.ones((_MADE_UP, len(self.genes)), dtype=np.float32)
        obs = pd.DataFrame(index=[f"cell{i}" for i in range(_MADE_UP)])
        for key, field in (("batch_key", "batch"), ("labels_key", "labels")):
            if self._key(key) is not None:
                obs[self._key(key)] = [self._state(field)["categorical_mapping"][0]] * _MADE_UP
        if self._key("unlabeled_category") is not None:
            # scANVI counts its classes by the labels of the cells that it is loaded with
            obs[self._key("labels_key")] = [self._key("unlabeled_category")] * _MADE_UP
        for key, known in self._state("extra_categorical_covs").get("mappings", {}).items():
            obs[key] = [known[0]] * _MADE_UP
        for key in self._key("continuous_covariate_keys") or ():
            obs[key] = np.arange(_MADE_UP, dtype=float)
        if self._key("size_factor_key") is not None:
            obs[self._key("size_factor_key")] = [1.0] * _MADE_UP
        adata = AnnData(x, obs=obs, var=pd.DataFrame(index=pd.Index(self.genes.astype(str))))
        if self._key("layer") is not None:
            adata.layers[self._key("layer")] = x.copy()
        return adata
