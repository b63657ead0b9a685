"""The latent of scVI and scANVI models: genes by name, batches and covariates only where the network sees them."""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scdd._compat import obs_frame
from scdd.encoders._base import Cells
from scdd.errors import EncoderError

if TYPE_CHECKING:
    import pandas as pd
    import scipy.sparse as sp
    import torch

_SHARE_OF_GENES = 0.8  # that the data must have: the model takes those that are absent for zeros


class ScviLatent:
    """What a model takes and gives: its genes, and the posterior means of cells.

    Parameters
    ----------
    registry
        Registry of the model, as scvi-tools keeps it.
    place
        Where the model lies, for messages: ``" in /path"``, or nothing.
    """

    def __init__(self, registry: Mapping[str, Any], place: str = "") -> None:
        self._registry, self._place = registry, place

    @cached_property
    def genes(self) -> NDArray[np.object_]:
        """Genes of the model."""
        return np.asarray(self.state("X")["column_names"], dtype=object)

    @property
    def min_genes(self) -> int:
        """Genes of the model that the data must have: all but a few."""
        return math.ceil(_SHARE_OF_GENES * len(self.genes))

    def state(self, field: str) -> dict[str, Any]:
        """Return what the model was set up with for a field of the registry."""
        return self._registry["field_registries"].get(field, {}).get("state_registry", {})

    def key(self, name: str) -> Any:
        """Return an argument that the model was set up with; None where it was not given."""
        return self._registry["setup_args"].get(name)

    def freeze(self, network: torch.nn.Module) -> torch.nn.Module:
        """Return the network of the model, frozen and in evaluation mode.

        Raises
        ------
        scdd.errors.EncoderError
            If its latent is not normal.
        """
        if getattr(network, "latent_distribution", "normal") != "normal":
            msg = f"The model{self._place} has a latent of the type {network.latent_distribution!r}; only 'normal' is read."
            raise EncoderError(msg)
        network.requires_grad_(False)
        return network.eval()

    def means(self, network: torch.nn.Module, counts: sp.csr_matrix, obs: pd.DataFrame | None) -> torch.Tensor:
        """Return the posterior means (n, n_latent) of cells.

        Parameters
        ----------
        network
            What :meth:`freeze` returned, where it shall run.
        counts
            CSR (n, n_genes): counts of the genes of the model.
        obs
            Table of these cells (n rows), for what the network sees beside the counts.

        Raises
        ------
        scdd.errors.EncoderError
            If a column is not there, or has values that the model does not know.
        """
        import torch

        device = next(network.parameters()).device
        batch, continuous, categorical = (
            None if v is None else torch.from_numpy(v).to(device)
            for v in self._covariates(network, obs, counts.shape[0])
        )
        x = torch.from_numpy(counts.toarray()).to(device)
        out = network.inference(x, batch, cont_covs=continuous, cat_covs=categorical)  # type: ignore[operator]
        return out["qz"].loc

    def _covariates(
        self, network: torch.nn.Module, obs: pd.DataFrame | None, n: int
    ) -> tuple[NDArray[np.int64], NDArray[np.float32] | None, NDArray[np.int64] | None]:
        """Return codes of batches (n, 1), continuous (n, k) and categorical (n, k) covariates, where the network sees them."""
        batch = np.zeros((n, 1), dtype=np.int64)
        if not network.encode_covariates:
            return batch, None, None
        if self.key("batch_key") is not None:
            batch = self._codes(self.key("batch_key"), self.state("batch")["categorical_mapping"], obs)[:, None]
        continuous = categorical = None
        if self.key("continuous_covariate_keys"):
            columns = [self._column(key, obs) for key in self.key("continuous_covariate_keys")]
            continuous = np.column_stack(columns).astype(np.float32)
        if self.key("categorical_covariate_keys"):
            mappings = self.state("extra_categorical_covs")["mappings"]
            categorical = np.column_stack([self._codes(key, known, obs) for key, known in mappings.items()])
        return batch, continuous, categorical

    def _column(self, key: str, obs: pd.DataFrame | None) -> pd.Series:
        if obs is None or key not in obs:
            msg = f"The encoder of the model{self._place} sees obs[{key!r}], which the cells do not have."
            raise EncoderError(msg)
        return obs[key]

    def _codes(self, key: str, known: Any, obs: pd.DataFrame | None) -> NDArray[np.int64]:
        import pandas as pd

        values = self._column(key, obs)
        codes = np.asarray(pd.Index(np.asarray(known)).get_indexer(np.asarray(values)), dtype=np.int64)
        if (codes < 0).any():
            unknown = sorted({str(value) for value in values[codes < 0]})
            msg = (
                f"The model{self._place} does not know {len(unknown)} values of obs[{key!r}]: {', '.join(unknown[:5])}. "
                "Map these cells to the model first (scArches), and pass the updated model."
            )
            raise EncoderError(msg)
        return codes


def obs_of(cells: Cells) -> pd.DataFrame | None:
    """Return the table of the cells of the source; None where they came without one."""
    if cells.adata is None:
        return None
    obs = obs_frame(cells.adata)
    return obs if cells.kept is None else obs.iloc[cells.kept]
