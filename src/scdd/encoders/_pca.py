"""Encoder "pca": principal components of the log-normalised HVGs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scdd._rng import stream
from scdd.encoders._base import Cells, Encoder, EncoderInfo
from scdd.encoders._registry import ENCODERS
from scdd.encoders._self import ExpressionFeatures
from scdd.errors import EncoderError, InputError, NotTrainedError

if TYPE_CHECKING:
    from torch import Tensor

_MAX_CELLS = 50_000


@ENCODERS.register("pca")
class PCAEncoder(Encoder):
    """Principal components fitted on the cells (on 50,000 of them where there are more).

    Parameters
    ----------
    n_components
        Number of components; at most the number of cells or genes minus one.
    """

    info = EncoderInfo(name="pca", dim=50, differentiable=True, argument="number of components")

    def __init__(self, n_components: int | str = 50) -> None:
        try:
            self.n_components = int(n_components)
        except ValueError:
            self.n_components = 0
        if self.n_components < 1:
            msg = f"Encoder 'pca' takes a number of components of at least 1, as in \"pca:30\"; got {n_components!r}."
            raise InputError(msg)
        self.components: NDArray[np.float32] | None = None
        self.mean: NDArray[np.float32] | None = None

    @property
    def spec(self) -> str:
        """``"pca:<number of components>"``: those that were fitted, else those asked for."""
        return f"pca:{self.n_components if self.components is None else len(self.components)}"

    def fit(self, cells: Cells, *, seed: int) -> None:
        """Fit the components.

        Parameters
        ----------
        cells
            The cells, their genes and the highly variable ones.
        seed
            Of everything random.
        """
        from sklearn.decomposition import PCA

        source = cells.source
        index = np.arange(source.n_obs)
        if source.n_obs > _MAX_CELLS:
            index = np.sort(stream(seed, "pca").choice(source.n_obs, _MAX_CELLS, replace=False))
        x = source.rows(index, cells.hvg)
        x.data = np.log1p(x.data * np.repeat(1e4 / source.library[index], np.diff(x.indptr)).astype(np.float32))
        n = min(self.n_components, min(x.shape) - 1)
        if n < 1:
            msg = f"Encoder 'pca' needs at least 2 cells and 2 genes, got {x.shape[0]} x {x.shape[1]}."
            raise EncoderError(msg)
        pca = PCA(n, svd_solver="arpack", random_state=int(stream(seed, "pca", "start").integers(2**31)))
        pca.fit(x)
        self.components, self.mean = pca.components_.astype(np.float32), pca.mean_.astype(np.float32)

    def encode(self, cells: Cells, *, batch_size: int = 4096, device: str = "cpu") -> NDArray[np.float32]:
        """Return the scores (n_obs, n_components).

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
        float32 (n_obs, n_components).
        """
        if self.components is None or self.mean is None:
            msg = "Encoder 'pca' has not been fitted yet."
            raise NotTrainedError(msg)
        expression = ExpressionFeatures(len(cells.hvg))
        out = np.empty((cells.source.n_obs, len(self.components)), dtype=np.float32)
        for index, counts in cells.source.blocks(batch_size, cells.hvg):
            x = expression(index, counts, cells.source.library[index])
            out[index] = (x - self.mean) @ self.components.T
        return out

    def space(self, cells: Cells, *, device: str = "cpu") -> Callable[[Tensor], Tensor]:
        """Return the scores as a differentiable function of the expression of the HVGs.

        Parameters
        ----------
        cells, device
            As in :meth:`Encoder.space`.

        Returns
        -------
        A function from log-normalised expression (n, n_hvg) to scores (n, n_components).
        """
        import torch

        if self.components is None or self.mean is None:
            msg = "Encoder 'pca' has not been fitted yet."
            raise NotTrainedError(msg)
        components, mean = (torch.from_numpy(array).to(device) for array in (self.components, self.mean))
        return lambda x: (x - mean) @ components.T

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return components and mean."""
        if self.components is None or self.mean is None:
            return {}
        return {"components": self.components, "mean": self.mean}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take back components and mean.

        Parameters
        ----------
        arrays
            What ``arrays()`` gave, by name.
        """
        self.components, self.mean = arrays["components"], arrays["mean"]
        self.n_components = len(self.components)
