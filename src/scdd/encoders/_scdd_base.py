"""Encoder "scdd-base": the encoder that scdd pretrains itself, and ships."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from scdd._genes import GeneMatch
from scdd.encoders._base import Cells, EncoderInfo
from scdd.encoders._checkpoint import CheckpointEncoder
from scdd.encoders._registry import ENCODERS
from scdd.encoders._weights import fill, read_json, read_weights
from scdd.errors import EncoderError

if TYPE_CHECKING:
    import torch

    from scdd.encoders._base_network import BaseNetwork

SHIPPED = Path(__file__).parent / "weights" / "scdd_base"
_LOOKED_AT = 4096  # cells, for their mean expression
_WEIGHTS, _CONFIG, _MANIFEST = "model.safetensors", "config.json", "manifest.json"


@ENCODERS.register("scdd-base")
class ScddBaseEncoder(CheckpointEncoder):
    """scdd-base: factors of expression given any genes, and a small perceptron; pretrained by :func:`scdd.encoders.pretrain`.

    ``encoder="scdd-base"`` takes the weights that come with scdd, ``"scdd-base:/folder"`` those of your own training. Any
    subset of the genes in any order will do; human and mouse genes are matched by symbols in capitals. Fitted to the training
    cells, it takes off their mean expression, so that technologies matter less; nothing else depends on the data.

    Parameters
    ----------
    path
        Folder that :func:`scdd.encoders.pretrain` wrote; None: the weights that come with scdd.
    min_genes, min_share
        As in :class:`~scdd.encoders.CheckpointEncoder`.

    Notes
    -----
    The shipped weights have seen six small data sets of blood, pancreas, lung cancer and brain tumour. The page "scdd-base"
    of the user guide tells where they help and where they do not.
    """

    info = EncoderInfo(
        name="scdd-base",
        gene_identifier="symbol",
        species="human, mouse",
        n_vocabulary=24000,
        normalisation="align to the vocabulary, counts / total of its genes x 1e4 x their usual share, log1p, less the mean of the data, over sd",
        dim=256,
        differentiable=True,
        licence="BSD-3-Clause",
        citation="The scdd developers",
        trained_on=("GSE148842", "GSE149383", "GSE84133", "OneK1K", "Zheng 2017"),
    )
    needs_genes = 100
    cells_per_batch = 1024

    def __init__(
        self, path: str | os.PathLike[str] | None = None, *, min_genes: int | None = None, min_share: float = 0.5
    ) -> None:
        self._shipped = path is None
        self._centre: NDArray[np.float32] | None = None
        self._known: tuple[NDArray[np.int64], NDArray[np.float32]] | None = None
        super().__init__(SHIPPED if path is None else path, min_genes=min_genes, min_share=min_share)
        trained_on = tuple(self.card.get("trained_on", ()))
        sizes = self._config["shape"]
        licence = self.info.licence if self._shipped else "of the data"
        self.info = replace(
            self.info, n_vocabulary=len(self.genes), dim=sizes["dim"], trained_on=trained_on, licence=licence
        )

    @property
    def card(self) -> dict[str, Any]:
        """Where the weights come from: data sets by hash, studies, licences, configuration, losses."""
        return dict(self._config["card"])

    @property
    def spec(self) -> str:
        """``"scdd-base"``, or ``"scdd-base:<folder>"`` where a folder was named."""
        return self.info.name if self._shipped else super().spec

    @cached_property
    def genes(self) -> NDArray[np.object_]:
        """Symbols in capitals, in the order of the table."""
        return np.array(self._config["genes"], dtype=object)

    @property
    def files(self) -> tuple[Path, ...]:
        """Weights and configuration."""
        return self.path / _WEIGHTS, self.path / _CONFIG

    def fit(self, cells: Cells, *, seed: int) -> None:
        """Check that the genes are known, and take the mean expression of the cells.

        Parameters
        ----------
        cells
            The cells, their genes and the highly variable ones.
        seed
            Of everything random.
        """
        super().fit(cells, seed=seed)
        assert self.coverage is not None
        source, total, n = cells.source, np.zeros(len(self.genes)), 0
        looked_at = np.unique(np.linspace(0, source.n_obs - 1, min(source.n_obs, _LOOKED_AT)).astype(np.int64))
        for start in range(0, len(looked_at), self.cells_per_batch):
            counts = self.coverage.align(source.rows(looked_at[start : start + self.cells_per_batch]))
            total += np.bincount(counts.indices, weights=self._logged(counts), minlength=len(total))
            n += counts.shape[0]
        self._centre = (total / n).astype(np.float32)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the mean expression of the cells that it was fitted to."""
        return {} if self._centre is None else {"centre": self._centre}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take back the mean expression.

        Parameters
        ----------
        arrays
            What ``arrays()`` gave, by name.
        """
        self._centre = arrays.get("centre")

    def match(self, cells: Cells) -> GeneMatch:
        """Find the genes of the cells in the vocabulary; few are asked for where the vocabulary is small.

        Parameters
        ----------
        cells
            The cells, their genes and the highly variable ones.

        Returns
        -------
        Which gene of the cells is which of the vocabulary.
        """
        self.min_genes = min(self.min_genes, len(self.genes))
        return super().match(cells)

    def read_network(self) -> torch.nn.Module:
        """Read the weights, and compare them with the manifest."""
        from scdd.encoders._base_network import BaseShape, base_network

        hashes = read_json(self.path / _MANIFEST).get("sha256", {})
        damaged = [name for name in (_WEIGHTS, _CONFIG) if hashes.get(name) != self.file_hashes()[name]]
        if damaged:
            msg = f"{self.path / damaged[0]} is damaged: its hash is not the one in {_MANIFEST}. Take a fresh copy."
            raise EncoderError(msg)
        network = base_network(BaseShape(**self._config["shape"]))
        state = read_weights(self.path / _WEIGHTS)
        # whole numbers on disk
        state = {name: tensor.float() for name, tensor in state.items()}
        fill(network, state, self.path / _WEIGHTS)
        return network

    def embed(
        self, network: torch.nn.Module, counts: sp.csr_matrix, library: NDArray[np.float64], index: NDArray[np.int64]
    ) -> torch.Tensor:
        """Return the embedding (n, dim), each row of mean 0 and variance 1.

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
        float (n, dim).
        """
        import torch

        base = cast("BaseNetwork", network)
        present, device = self._present(), base.mean.device
        centre = base.mean.cpu().numpy() if self._centre is None else self._centre
        arrays = (
            counts.indices.astype(np.int64),
            self._logged(counts).astype(np.float32),
            counts.indptr[:-1].astype(np.int64),
            present,
            centre[present],
            self._posterior(base, present),
        )
        return base.of_sparse(*(torch.from_numpy(array).to(device) for array in arrays))

    def space(self, cells: Cells, *, device: str = "cpu") -> Callable[[torch.Tensor], torch.Tensor]:
        """Return the embedding as a differentiable function of the expression of the HVGs, as of a panel of these genes.

        Parameters
        ----------
        cells, device
            As in :meth:`Encoder.space`.

        Returns
        -------
        A function from log-normalised expression (n, n_hvg) to embeddings (n, dim).
        """
        import torch

        network = cast("BaseNetwork", self.network(device))
        target = self.match(cells).target[cells.hvg]
        known = np.flatnonzero(target >= 0)
        if len(known) < min(self.needs_genes, len(self.genes)):
            msg = (
                f"Encoder 'scdd-base' knows {len(known)} of the {len(target)} highly variable genes, and needs "
                f'{self.needs_genes}. Choose more (n_top_genes), or match in space="expression".'
            )
            raise EncoderError(msg)
        present, place = np.unique(target[known], return_inverse=True)
        centre = network.mean.cpu().numpy() if self._centre is None else self._centre
        genes, columns, position, mean = (
            torch.from_numpy(array).to(network.mean.device) for array in (present, known, place, centre[present])
        )
        share = 1e4 * network.fraction[genes].sum()

        def embed(x: torch.Tensor) -> torch.Tensor:
            rates = x[:, columns].expm1()
            rates = rates.new_zeros(len(x), len(genes)).index_add(1, position, rates)  # two names of one gene
            scaled = (rates * (share / rates.sum(1, keepdim=True).clamp_min(1e-6))).log1p()
            return network.of_dense(scaled, genes, mean)

        return embed

    def _posterior(self, network: BaseNetwork, present: NDArray[np.int64]) -> NDArray[np.float32]:
        """Return the covariance of the factors given the genes of the data; it is the same for all batches."""
        import torch

        if self._known is None or not np.array_equal(self._known[0], present):
            with torch.no_grad():
                covariance = network.posterior(torch.from_numpy(present).to(network.mean.device)).cpu().numpy()
            self._known = present, covariance
        return self._known[1]

    def _present(self) -> NDArray[np.int64]:
        """Return the genes of the vocabulary that the data has, ascending."""
        assert self.coverage is not None  # fit() and encode() match the genes
        return np.unique(self.coverage.target[self.coverage.target >= 0])

    def _logged(self, counts: sp.csr_matrix) -> NDArray[np.float64]:
        """Return the expression of the entries (n_entries,)."""
        from scdd.encoders._pretrain._corpus import log_scaled

        network = cast("BaseNetwork", self.network(self._loaded[0] if self._loaded else "cpu"))
        fraction = network.fraction.cpu().numpy()
        return log_scaled(counts, float(fraction[self._present()].sum()))

    @cached_property
    def _config(self) -> dict[str, Any]:
        config = read_json(self.path / _CONFIG)
        if config.get("format") != "scdd-base" or not {"shape", "genes", "card"} <= set(config):
            msg = f"{self.path} holds no scdd-base encoder. Name a folder that scdd.encoders.pretrain wrote."
            raise EncoderError(msg)
        return config
