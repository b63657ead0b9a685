"""Encoder "aeacus": hidden units of the mixture of experts of the package aeacus, with its own trained weights."""

from __future__ import annotations

import importlib.util
import os
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scdd.encoders._base import EncoderInfo
from scdd.encoders._checkpoint import CheckpointEncoder
from scdd.encoders._registry import ENCODERS
from scdd.encoders._weights import fill, read_array, read_text, read_weights
from scdd.errors import EncoderError

if TYPE_CHECKING:
    import scipy.sparse as sp
    import torch

_SMALLEST = 1e-6  # standard deviations below are taken for 1, as in the package


@ENCODERS.register("aeacus")
class AeacusEncoder(CheckpointEncoder):
    """aeacus: a classifier of malignant cells of 3,778 human genes, whose weights any machine can install.

    ``encoder="aeacus"`` reads them from the installed package (``pip install "scdd[aeacus]"``), which is not imported;
    ``"aeacus:/folder"`` names another folder with its files. Cells are scaled to counts per million of all their genes,
    log1p, absent genes are zero, and each gene is standardised by the mean and standard deviation of the training. The
    embedding joins the hidden units of both experts and of the gate.

    Parameters
    ----------
    path
        Folder with ``moe.pt``, ``geneorder.tsv``, ``train_mean.npy`` and ``train_std.npy``; None: that of the package.
    min_genes, min_share
        As in :class:`~scdd.encoders.CheckpointEncoder`. The share of the counts is not asked for by default: the genes of
        the model are a choice.

    Notes
    -----
    It was trained to tell malignant from other cells, and no better than principal components of the data themselves in
    a small comparison of cell types: take it to try things out and for tests, not as a foundation model.

    References
    ----------
    https://github.com/pandey-ps/aeacus
    """

    info = EncoderInfo(
        name="aeacus",
        version="0.6",
        gene_identifier="symbol",
        species="human",
        n_vocabulary=3778,
        normalisation="counts / total x 1e6, log1p, align to the vocabulary, z-score",
        dim=384,
        differentiable=True,
        licence="BSD-3-Clause",
        citation="https://github.com/pandey-ps/aeacus",
        extra="aeacus",
    )
    needs_genes = 1500

    def __init__(
        self,
        path: str | os.PathLike[str] | None = None,
        *,
        min_genes: int | None = None,
        min_share: float = 0.0,
    ) -> None:
        self._installed = path is None
        super().__init__(_installed() if path is None else path, min_genes=min_genes, min_share=min_share)

    @property
    def spec(self) -> str:
        """``"aeacus"``, or ``"aeacus:<folder>"`` where a folder was named."""
        return self.info.name if self._installed else super().spec

    @cached_property
    def genes(self) -> NDArray[np.object_]:
        """Symbols in the order of the network's input, ``geneorder.tsv``."""
        lines = [line.partition("\t")[0].strip() for line in read_text(self.path / "geneorder.tsv").splitlines()]
        return np.array([name for name in lines if name], dtype=object)

    @property
    def files(self) -> tuple[Path, ...]:
        """Weights, genes, means and standard deviations."""
        return tuple(self.path / name for name in ("moe.pt", "geneorder.tsv", "train_mean.npy", "train_std.npy"))

    def read_network(self) -> torch.nn.Module:
        """Read ``moe.pt`` and the means and standard deviations beside it."""
        import torch

        from scdd.encoders._networks import experts

        path, n_genes = self.path / "moe.pt", len(self.genes)
        # its training statistics are numbers and arrays of numpy
        state = read_weights(path, allow=_harmless())
        for name in ("mean", "std"):
            values = read_array(self.path / f"train_{name}.npy").astype(np.float32)
            state[name] = torch.from_numpy(values if name == "mean" else np.where(values < _SMALLEST, 1, values))
        first = state.get("gate.0.weight")
        if first is None or first.ndim != 2:
            msg = f"{path} holds no network of aeacus (gate.0.weight, ...). Take the file of the package."
            raise EncoderError(msg)
        network = experts(n_genes, first.shape[0])
        fill(network, state, path)
        return network

    def embed(
        self, network: torch.nn.Module, counts: sp.csr_matrix, library: NDArray[np.float64], index: NDArray[np.int64]
    ) -> torch.Tensor:
        """Return the hidden units (n, 384): the total that is scaled is that of all genes of the data.

        Parameters
        ----------
        network
            The network, where it shall run.
        counts
            CSR (n, n_vocabulary): counts of the genes of the vocabulary.
        library
            float64 (n,): total counts over all genes of the data.
        index
            int64 (n,): positions of the cells in their source, which name their random streams.

        Returns
        -------
        float (n, 384).
        """
        import torch

        x = counts.copy()
        x.data = np.log1p(x.data * np.repeat(1e6 / library, np.diff(x.indptr))).astype(np.float32)
        return network(torch.from_numpy(x.toarray()).to(next(network.parameters()).device))


def _installed() -> Path:
    """Return the folder of the weights in the installed package, without importing it."""
    found = importlib.util.find_spec("aeacus")
    if found is None or not found.submodule_search_locations:
        msg = "Encoder 'aeacus' needs the package 'aeacus', which holds its weights: pip install \"scdd[aeacus]\""
        raise ImportError(msg)
    return Path(next(iter(found.submodule_search_locations))) / "model"


def _harmless() -> list[object]:
    from numpy._core import multiarray

    kinds = [type(np.dtype(name)) for name in ("f4", "f8", "i8")]
    return [multiarray.scalar, multiarray._reconstruct, np.ndarray, np.dtype, *kinds]
