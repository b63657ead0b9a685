"""Encoder "scimilarity": SCimilarity's encoder and decoder, read from the released folder."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scdd.encoders._base import EncoderInfo
from scdd.encoders._checkpoint import CheckpointEncoder
from scdd.encoders._place import device_name, place
from scdd.encoders._registry import ENCODERS
from scdd.encoders._weights import fill, read_text, read_weights
from scdd.errors import EncoderError, GeneError

if TYPE_CHECKING:
    import scipy.sparse as sp
    import torch

_BLOCK_KEY = re.compile(r"network\.(\d+)\.(\d+)\.weight")
_LAST_KEY = re.compile(r"network\.(\d+)\.weight")


@ENCODERS.register("scimilarity")
class SCimilarityEncoder(CheckpointEncoder):
    """SCimilarity: a metric-learnt perceptron over 28,231 human genes: ``encoder="scimilarity:/path/to/model"``.

    The folder holds ``encoder.ckpt`` and ``gene_order.tsv``, and ``decoder.ckpt`` for :meth:`decode`. Counts are brought
    to the genes of the model first and scaled to 10,000 afterwards, as its authors do; the embedding has length 1.

    Parameters
    ----------
    path, min_genes, min_share
        As in :class:`~scdd.encoders.CheckpointEncoder`. Like SCimilarity itself, at least 5,000 genes are asked for.

    References
    ----------
    Heimberg et al., A cell atlas foundation model for scalable search of similar human cells, Nature (2024),
    doi 10.1038/s41586-024-08411-y.
    """

    info = EncoderInfo(
        name="scimilarity",
        version="1",
        gene_identifier="symbol",
        species="human",
        n_vocabulary=28231,
        normalisation="align to the vocabulary, counts / total of its genes x 1e4, log1p",
        dim=128,
        differentiable=True,
        licence="CC-BY-SA-4.0",
        citation="10.1038/s41586-024-08411-y",
        argument="folder",
    )
    needs_genes = 5000

    @cached_property
    def genes(self) -> NDArray[np.object_]:
        """Symbols in the order of the network's input, ``gene_order.tsv``."""
        names = [line.strip() for line in read_text(self.path / "gene_order.tsv").splitlines()]
        return np.array([name for name in names if name], dtype=object)

    @property
    def files(self) -> tuple[Path, ...]:
        """``encoder.ckpt`` and ``gene_order.tsv``."""
        return self.path / "encoder.ckpt", self.path / "gene_order.tsv"

    def read_network(self) -> torch.nn.Module:
        """Read ``encoder.ckpt``."""
        from scdd.encoders._networks import perceptron

        path = self.path / "encoder.ckpt"
        state = read_weights(path)
        widths = _widths(state, path)
        if widths[0] != len(self.genes):
            msg = f"{path} takes {widths[0]} genes, {self.path / 'gene_order.tsv'} names {len(self.genes)}: of two models?"
            raise EncoderError(msg)
        network = perceptron(widths, first_dropout=True, normalised=True)
        fill(network, state, path)
        self.info = replace(self.info, n_vocabulary=widths[0], dim=widths[-1])
        return network

    def embed(
        self, network: torch.nn.Module, counts: sp.csr_matrix, library: NDArray[np.float64], index: NDArray[np.int64]
    ) -> torch.Tensor:
        """Return the embedding (n, 128) of length 1: the counts of its own genes are the total that is scaled.

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
        float (n, 128).
        """
        import torch

        x = counts.copy()
        totals = np.asarray(x.sum(axis=1), dtype=np.float64).ravel()
        x.data = np.log1p(x.data * np.repeat(1e4 / totals, np.diff(x.indptr))).astype(np.float32)
        device = next(network.parameters()).device
        return network(torch.from_numpy(x.toarray()).to(device))

    def decode(
        self, embedding: NDArray[np.float32], genes: Sequence[str] | None = None, *, device: str = "cpu"
    ) -> NDArray[np.float32]:
        """Decode embeddings by SCimilarity's own decoder, ``decoder.ckpt``.

        Parameters
        ----------
        embedding
            Embeddings (n, dim), as :meth:`encode` gives them.
        genes
            Genes to return, by names that stand in the vocabulary. Default: all of it.
        device
            As in :meth:`encode`.

        Returns
        -------
        Expression (n, n_genes) float32 on the log1p(counts per 10,000) scale. The last layer is linear: values below 0
        stand for 0.

        Raises
        ------
        scdd.errors.GeneError
            If a gene is not in the vocabulary.
        scdd.errors.EncoderError
            If the embedding has another width, ``decoder.ckpt`` cannot be used, or the device is not there.
        """
        import torch

        network, n_in = self.read_decoder()
        embedding = np.asarray(embedding, dtype=np.float32)
        if embedding.ndim != 2 or embedding.shape[1] != n_in:
            msg = f"{self.path / 'decoder.ckpt'} takes embeddings of shape (n, {n_in}), got {embedding.shape}."
            raise EncoderError(msg)
        columns = self._columns(genes)
        device = device_name(device)
        network = place(network, device, self.info.name)
        with torch.inference_mode():
            out = network(torch.from_numpy(embedding).to(device))[:, torch.from_numpy(columns).to(device)]
        return out.cpu().numpy()

    def read_decoder(self) -> tuple[torch.nn.Module, int]:
        """Return the decoder, frozen, with the weights of ``decoder.ckpt``, and the width of the embedding it takes.

        Its last layer, ``network[-1]``, has one row of weights per gene of :attr:`genes`.
        """
        from scdd.encoders._networks import perceptron

        path = self.path / "decoder.ckpt"
        state = read_weights(path)
        widths = _widths(state, path)
        if widths[-1] != len(self.genes):
            msg = f"{path} gives {widths[-1]} genes, {self.path / 'gene_order.tsv'} names {len(self.genes)}: of two models?"
            raise EncoderError(msg)
        network = perceptron(widths, first_dropout=False, normalised=False)
        fill(network, state, path)
        return network, widths[0]

    def _columns(self, genes: Sequence[str] | None) -> NDArray[np.int64]:
        if genes is None:
            return np.arange(len(self.genes))
        position = {name: i for i, name in enumerate(self.genes)}
        missing = [gene for gene in genes if gene not in position]
        if missing:
            msg = f"{len(missing)} genes are not in the vocabulary of encoder 'scimilarity': {', '.join(missing[:5])}."
            raise GeneError(msg)
        return np.array([position[gene] for gene in genes], dtype=np.int64)


def _widths(state: dict[str, torch.Tensor], path: Path) -> list[int]:
    """Return the width of the input and of each layer, read from the shapes of the weights."""
    layers: dict[int, torch.Tensor] = {}
    for key, tensor in state.items():
        match = _BLOCK_KEY.fullmatch(key) or _LAST_KEY.fullmatch(key)
        if match and tensor.ndim == 2:
            layers[int(match.group(1))] = tensor
    if len(layers) < 2 or sorted(layers) != [*range(len(layers))]:
        msg = (
            f"{path} holds no network of SCimilarity (network.0.1.weight, ...). Name the folder of the released model."
        )
        raise EncoderError(msg)
    return [layers[0].shape[1], *(layers[i].shape[0] for i in sorted(layers))]
