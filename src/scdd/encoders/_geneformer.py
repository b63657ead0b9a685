"""Encoder "geneformer": Geneformer V1 and V2, read from the released folder, run by transformers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scdd._optional import require
from scdd.encoders._base import EncoderInfo
from scdd.encoders._checkpoint import CheckpointEncoder
from scdd.encoders._numbers import read_mapping
from scdd.encoders._registry import ENCODERS
from scdd.encoders._weights import fill, read_json, read_weights
from scdd.errors import EncoderError

if TYPE_CHECKING:
    import scipy.sparse as sp
    import torch

_TOKENS, _MEDIANS = "token_dictionary", "gene_median_dictionary"
_OTHER_NAMES = ("gene_name_id_dict", "ensembl_mapping_dict")
# in the released repository the dictionaries lie in ./geneformer; a model is its root, a folder, or in fine_tuned_models/
_FOLDERS = (".", *(f"{up}geneformer{of}" for up in ("", "../", "../../") for of in ("", "/gene_dictionaries_30m")))
_UNUSED = ("cls.", "classifier.", "bert.pooler.", "bert.embeddings.position_ids")


@ENCODERS.register("geneformer")
class GeneformerEncoder(CheckpointEncoder):
    """Geneformer V1 and V2: a transformer over ranked genes: ``encoder="geneformer:/path/to/Geneformer-V2-104M"``.

    The folder holds ``config.json`` and ``model.safetensors`` (or ``pytorch_model.bin``): a folder of the released repository,
    its root, or one below ``fine_tuned_models``, whose classifiers are embedded with alike. The dictionaries of tokens and
    medians are looked for there and where that repository keeps them (``geneformer`` and
    ``geneformer/gene_dictionaries_30m`` in it, beside it, or beside the one above it), as ``.pkl`` (read without unpickling) or
    ``.json``; those with the model's number of tokens are taken. Genes are ranked by their counts per 10,000 over the median of the gene, the first 2,048 (V1) or 4,094 (V2, between
    ``<cls>`` and ``<eos>``) are taken, and the embedding is the mean of the second to last layer over genes.

    Parameters
    ----------
    path, min_genes, min_share
        As in :class:`~scdd.encoders.CheckpointEncoder`.

    Notes
    -----
    Needs ``pip install "scdd[geneformer]"``. Symbols and withdrawn Ensembl ids are taken to ids by the dictionaries
    ``gene_name_id_dict`` and ``ensembl_mapping_dict`` of Geneformer, where they lie beside the tokens.

    References
    ----------
    Theodoris et al., Transfer learning enables predictions in network biology, Nature (2023),
    doi 10.1038/s41586-023-06139-9.
    """

    info = EncoderInfo(
        name="geneformer",
        gene_identifier="ensembl",
        species="human",
        n_vocabulary=20271,
        normalisation="counts / total x 1e4 / median of the gene, ranks",
        dim=768,
        licence="Apache-2.0",
        citation="10.1038/s41586-023-06139-9",
        argument="folder",
        extra="geneformer",
    )
    cells_per_batch = 16

    @cached_property
    def _config(self) -> dict[str, Any]:
        path = self.path / "config.json"
        config = read_json(path)
        needed = ("hidden_size", "num_hidden_layers", "num_attention_heads", "vocab_size", "max_position_embeddings")
        missing = [name for name in needed if not isinstance(config.get(name), int)]
        if config.get("model_type", "bert") != "bert" or missing:
            what = f"without {', '.join(missing)}" if missing else f"of the type {config['model_type']!r}"
            msg = f"{path} is {what}; Geneformer is of the type 'bert'. Name the folder of the released model."
            raise EncoderError(msg)
        return config

    @cached_property
    def _weights(self) -> Path:
        found = [self.path / name for name in ("model.safetensors", "pytorch_model.bin")]
        return next((path for path in found if path.is_file()), found[0])

    @cached_property
    def _dictionaries(self) -> dict[str, Path]:
        """The files of tokens, medians and other names: those with as many tokens as the model has."""
        wanted, seen = self._config["vocab_size"], []
        for folder in (self.path / name for name in _FOLDERS):
            for path in sorted([*folder.glob(f"{_TOKENS}*.json"), *folder.glob(f"{_TOKENS}*.pkl")]):
                n = len(read_mapping(path))
                seen.append(f"{path.name} has {n}")
                if n == wanted:
                    version = path.name.removeprefix(_TOKENS)
                    names = (_TOKENS, _MEDIANS, *_OTHER_NAMES)
                    return {name: path.with_name(name + version) for name in names}
        what = f"{'; '.join(seen)}" if seen else f"no {_TOKENS}*.pkl or .json is there"
        msg = (
            f"{self.path / 'config.json'} asks for a dictionary of {wanted} tokens: {what}. Copy the dictionaries of this "
            f"version ({_TOKENS}, {_MEDIANS}) into the folder."
        )
        raise EncoderError(msg)

    @property
    def files(self) -> tuple[Path, ...]:
        """Weights, configuration and the dictionaries that are there."""
        dictionaries = self._dictionaries
        others = [dictionaries[name] for name in _OTHER_NAMES if dictionaries[name].is_file()]
        return self._weights, self.path / "config.json", dictionaries[_TOKENS], dictionaries[_MEDIANS], *others

    @cached_property
    def _tokens(self) -> dict[str, int]:
        path = self._dictionaries[_TOKENS]
        tokens = {name: int(token) for name, token in read_mapping(path).items()}
        if sorted(tokens.values()) != [*range(len(tokens))] or "<pad>" not in tokens:
            msg = f"{path} does not number its tokens from 0 on, with one for <pad>. Take the released file."
            raise EncoderError(msg)
        return tokens

    @cached_property
    def genes(self) -> NDArray[np.object_]:
        """Ensembl ids of the tokens, without the special words."""
        return np.array([name for name in self._tokens if not name.startswith("<")], dtype=object)

    @cached_property
    def _token_of_gene(self) -> NDArray[np.int64]:
        return np.array([self._tokens[name] for name in self.genes], dtype=np.int64)

    @cached_property
    def _medians(self) -> NDArray[np.float64]:
        path = self._dictionaries[_MEDIANS]
        medians = read_mapping(path)
        out = np.array([float(medians.get(name, np.nan)) for name in self.genes])
        bad = np.flatnonzero(~(out > 0))
        if len(bad):
            msg = f"{path} has no median above 0 for {len(bad)} genes of {_TOKENS} (first: {self.genes[bad[0]]})."
            raise EncoderError(msg)
        return out

    @cached_property
    def _names(self) -> dict[str, str]:
        names: dict[str, str] = {}
        for name in _OTHER_NAMES:
            path = self._dictionaries[name]
            names |= read_mapping(path) if path.is_file() else {}
        return names

    def aliases(self) -> Mapping[str, str]:
        """Return the Ensembl ids of symbols and of withdrawn ids, from Geneformer's own dictionaries."""
        return {**self._names, **super().aliases()}

    def read_network(self) -> torch.nn.Module:
        """Read the weights into a BERT of transformers, without its last layer, which the embedding has no use for."""
        import torch

        transformers = require("transformers", extra="geneformer", what="Encoder 'geneformer'")
        config = transformers.BertConfig.from_dict(self._config)
        with torch.random.fork_rng(devices=[]):  # its layers draw weights, which are replaced
            network = transformers.BertModel(config, add_pooling_layer=False)
        state = {
            name.removeprefix("bert."): tensor
            for name, tensor in read_weights(self._weights).items()
            if not name.startswith(_UNUSED)
        }
        fill(network, state, self._weights)
        network.encoder.layer = network.encoder.layer[:-1]
        network.config.num_hidden_layers -= 1
        self.info = replace(self.info, n_vocabulary=len(self.genes), dim=config.hidden_size)
        return network

    def embed(
        self, network: torch.nn.Module, counts: sp.csr_matrix, library: NDArray[np.float64], index: NDArray[np.int64]
    ) -> torch.Tensor:
        """Return the mean of the second to last layer over genes (n, dim).

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

        device = next(network.parameters()).device
        tokens = torch.from_numpy(self.tokenise(counts, library)).to(device)
        attended = tokens != self._tokens["<pad>"]
        hidden = network(input_ids=tokens, attention_mask=attended.long()).last_hidden_state
        genes = attended.clone()
        for word in ("<cls>", "<eos>"):
            if word in self._tokens:
                genes &= tokens != self._tokens[word]
        return (hidden * genes.unsqueeze(-1)).sum(1) / genes.sum(1, keepdim=True)

    def tokenise(self, counts: sp.csr_matrix, library: NDArray[np.float64]) -> NDArray[np.int64]:
        """Return the tokens of cells (n, length), padded at the end; equal ranks in the order of the vocabulary.

        Parameters
        ----------
        counts
            CSR (n, n_vocabulary): counts of the genes of the vocabulary.
        library
            Total counts over all genes of the data (n,).
        """
        first = [self._tokens[w] for w in ("<cls>",) if w in self._tokens]
        last = [self._tokens[w] for w in ("<eos>",) if w in self._tokens]
        longest = self._config["max_position_embeddings"] - len(first) - len(last)
        rows = []
        for row, total in enumerate(library):
            stretch = slice(counts.indptr[row], counts.indptr[row + 1])
            genes = counts.indices[stretch]
            scaled = counts.data[stretch] / total * 1e4 / self._medians[genes]
            ranked = genes[np.argsort(-scaled, kind="stable")][:longest]
            rows.append([*first, *self._token_of_gene[ranked], *last])
        out = np.full((len(rows), max(map(len, rows))), self._tokens["<pad>"], dtype=np.int64)
        for row, tokens in enumerate(rows):
            out[row, : len(tokens)] = tokens
        return out
