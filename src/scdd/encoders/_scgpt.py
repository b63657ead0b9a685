"""Encoder "scgpt": scGPT's transformer, read from the released folder."""

from __future__ import annotations

import re
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scdd._rng import stream
from scdd.encoders._base import EncoderInfo
from scdd.encoders._checkpoint import CheckpointEncoder
from scdd.encoders._registry import ENCODERS
from scdd.encoders._weights import fill, read_json, read_weights
from scdd.errors import EncoderError

if TYPE_CHECKING:
    import scipy.sparse as sp
    import torch

_BINS = 51
_LENGTH = 1200
_SPECIAL = ("<pad>", "<cls>", "<eoc>")
_SIZES = ("embsize", "nheads", "d_hid", "nlayers")
_PARTS = ("encoder.", "value_encoder.", "transformer_encoder.")  # the rest are heads for pretraining


@ENCODERS.register("scgpt")
class ScGPTEncoder(CheckpointEncoder):
    """scGPT: a transformer over genes and binned values: ``encoder="scgpt:/path/to/scGPT_human"``.

    The folder holds ``best_model.pt``, ``args.json`` and ``vocab.json``. The genes of a cell that have counts are binned
    by rank (50 quantiles of its own counts, ties at random), up to 1,199 of them are drawn, ``<cls>`` is put in front, and
    its output, of length 1, is the embedding. Weights saved with flash attention are read as well.

    Parameters
    ----------
    path, min_genes, min_share
        As in :class:`~scdd.encoders.CheckpointEncoder`.

    Notes
    -----
    Ties and the draw of genes are random: they follow the seed and the position of the cell, whatever the batch size.

    References
    ----------
    Cui et al., scGPT, Nature Methods (2024), doi 10.1038/s41592-024-02201-0.
    """

    info = EncoderInfo(
        name="scgpt",
        gene_identifier="symbol",
        species="human",
        n_vocabulary=60694,
        normalisation="none: 51 bins of rank within the cell, at most 1,199 genes",
        dim=512,
        stochastic=True,
        licence="MIT (of the repository that links to the weights)",
        citation="10.1038/s41592-024-02201-0",
        argument="folder",
    )
    needs_genes = 500
    cells_per_batch = 64

    @property
    def files(self) -> tuple[Path, ...]:
        """``best_model.pt``, ``args.json`` and ``vocab.json``."""
        return tuple(self.path / name for name in ("best_model.pt", "args.json", "vocab.json"))

    @cached_property
    def _tokens(self) -> dict[str, int]:
        """Tokens of all genes and special words; special words that the file lacks follow its genes."""
        path = self.path / "vocab.json"
        tokens = read_json(path)
        for word in _SPECIAL:
            tokens.setdefault(word, len(tokens))
        if sorted(map(str, tokens.values())) != sorted(map(str, range(len(tokens)))):
            msg = f"{path} does not number its {len(tokens)} genes from 0 on. Take the released file."
            raise EncoderError(msg)
        return tokens

    @cached_property
    def genes(self) -> NDArray[np.object_]:
        """Symbols of ``vocab.json``, without the special words."""
        return np.array([name for name in self._tokens if name not in _SPECIAL], dtype=object)

    @cached_property
    def _token_of_gene(self) -> NDArray[np.int64]:
        return np.array([self._tokens[name] for name in self.genes], dtype=np.int64)

    @cached_property
    def _args(self) -> dict[str, Any]:
        path = self.path / "args.json"
        args = read_json(path)
        missing = [name for name in _SIZES if not isinstance(args.get(name), int)]
        if missing:
            msg = f"{path} does not tell the sizes of a scGPT model: {', '.join(missing)}."
            raise EncoderError(msg)
        style = args.get("input_emb_style", "continuous")
        if style != "continuous":
            msg = f"{path} is of a model with values of the style {style!r}; only 'continuous' is read."
            raise EncoderError(msg)
        return args

    def read_network(self) -> torch.nn.Module:
        """Read ``best_model.pt``."""
        from scdd.encoders._transformer import gene_transformer

        path, args = self.path / "best_model.pt", self._args
        # the names that layers with flash attention have
        state = {re.sub(r"self_attn\.Wqkv\.", "self_attn.in_proj_", name): t for name, t in read_weights(path).items()}
        embedding = state.get("encoder.embedding.weight")
        if embedding is not None and len(embedding) != len(self._tokens):
            msg = (
                f"{path} knows {len(embedding)} tokens, {self.path / 'vocab.json'} names {len(self._tokens)}: "
                "of two models?"
            )
            raise EncoderError(msg)
        network = gene_transformer(len(self._tokens), *(args[name] for name in _SIZES))
        fill(network, {name: t for name, t in state.items() if name.startswith(_PARTS)}, path)
        self.info = replace(self.info, n_vocabulary=len(self.genes), dim=args["embsize"])
        return network

    def embed(
        self, network: torch.nn.Module, counts: sp.csr_matrix, library: NDArray[np.float64], index: NDArray[np.int64]
    ) -> torch.Tensor:
        """Return the output at ``<cls>`` (n, dim), of length 1.

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

        tokens, values = self.tokenise(counts, index)
        device = next(network.parameters()).device
        placed = torch.from_numpy(tokens).to(device)
        out = network(placed, torch.from_numpy(values).to(device), placed == self._tokens["<pad>"])
        return torch.nn.functional.normalize(out[:, 0].float(), dim=1)

    def tokenise(
        self, counts: sp.csr_matrix, index: NDArray[np.int64]
    ) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
        """Return the tokens and the binned values of cells (n, length), padded at the end.

        Parameters
        ----------
        counts
            CSR (n, n_vocabulary): counts of the genes of the vocabulary.
        index
            Positions of the cells in their source (n,), which name their random streams.
        """
        pad_value = float(self._args.get("pad_value", -2))
        cells = [self._one(counts, row, int(position)) for row, position in enumerate(index)]
        length = 1 + max(len(genes) for genes, _ in cells)
        tokens = np.full((len(cells), length), self._tokens["<pad>"], dtype=np.int64)
        values = np.full((len(cells), length), pad_value, dtype=np.float32)
        tokens[:, 0] = self._tokens["<cls>"]
        for row, (genes, bins) in enumerate(cells):
            tokens[row, 1 : 1 + len(genes)] = genes
            values[row, 1 : 1 + len(genes)] = bins
        return tokens, values

    def _one(self, counts: sp.csr_matrix, row: int, position: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
        stretch = slice(counts.indptr[row], counts.indptr[row + 1])
        genes, rng = self._token_of_gene[counts.indices[stretch]], stream(self.seed, "scgpt", position)
        bins = rank_bins(counts.data[stretch].astype(np.float64), rng)
        if len(genes) > _LENGTH - 1:
            drawn = rng.permutation(len(genes))[: _LENGTH - 1]
            genes, bins = genes[drawn], bins[drawn]
        return genes, bins


def rank_bins(values: NDArray[np.float64], rng: np.random.Generator) -> NDArray[np.int64]:
    """Return the bin (n,), 1 to 50, of each positive value among the quantiles of all.

    A value that is the edge of several bins is put into one of them at random: most counts of a cell are 1.
    """
    edges = np.quantile(values, np.linspace(0, 1, _BINS - 1))
    below, above = np.searchsorted(edges, values, "left"), np.searchsorted(edges, values, "right")
    # from the last edge that it reaches down to the first
    return np.ceil(rng.random(len(values)) * (below - above) + above).astype(np.int64)
