"""Checkpoints in the layouts of the released ones: real vocabularies and gene counts, small layers, drawn weights."""

from __future__ import annotations

import functools
import json
import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from torch import nn

from scdd.data import MemorySource
from scdd.encoders import Cells

_DATA = Path(os.environ.get("SCDD_DATA", Path(__file__).parents[3] / "shared" / "data"))
VOCAB = _DATA.parent / "vocab"


def vocabulary(name: str) -> Path:
    """A released vocabulary; skips where the folder is absent."""
    path = VOCAB / name
    if not path.exists():
        pytest.skip(f"the released vocabulary {name} is not at hand (it lies beside the folder SCDD_DATA)")
    return path


def read_json(name: str) -> dict[str, Any]:
    return json.loads(vocabulary(name).read_text())


@functools.cache
def scimilarity_genes() -> tuple[str, ...]:
    return tuple(vocabulary("gene_vocabs/scimilarity_gene_order.tsv").read_text().split())


def cells(names: Any, n: int = 40, *, seed: int = 0, rate: float = 0.2, **more: Any) -> Cells:
    """Cells of two classes with sparse counts of the named genes."""
    rng = np.random.default_rng(seed)
    rates = rng.gamma(0.3, rate / 0.3, (2, len(names)))
    labels = np.arange(n) % 2
    counts = sp.csr_matrix(rng.poisson(rates[labels]).astype(np.float32))
    return Cells(MemorySource(counts, labels, ["a", "b"]), np.array(names), np.arange(10), **more)


def counts_of(cells: Cells) -> np.ndarray:
    return cells.source.rows(np.arange(cells.source.n_obs)).toarray().astype(np.float64)


def randomise(module: nn.Module, seed: int = 0) -> dict[str, torch.Tensor]:
    """Draw weights of the size that trained ones have, and running statistics that are not trivial."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for name, tensor in module.state_dict().items():
        if not tensor.is_floating_point():
            state[name] = torch.ones_like(tensor)
        elif "running_var" in name or ("norm" in name.lower() and name.endswith("weight")):
            state[name] = torch.rand(tensor.shape, generator=generator) + 0.5
        else:
            state[name] = (
                torch.randn(tensor.shape, generator=generator) / max(1, tensor.shape[-1] if tensor.ndim else 1) ** 0.5
            )
    return state


def scimilarity(folder: Path, *, hidden: tuple[int, ...] = (16, 12, 12), dim: int = 8) -> Path:
    """The folder of SCimilarity v1.1."""
    genes = scimilarity_genes()
    widths = [len(genes), *hidden]
    encoder, decoder = nn.Module(), nn.Module()
    encoder.network = nn.ModuleList(
        nn.Sequential(nn.Dropout(0.4 if i == 0 else 0.5), nn.Linear(a, b), nn.BatchNorm1d(b), nn.PReLU())
        for i, (a, b) in enumerate(zip(widths[:-1], widths[1:], strict=True))
    )
    encoder.network.append(nn.Linear(hidden[-1], dim))
    back = [dim, *hidden[::-1]]
    decoder.network = nn.ModuleList(
        nn.Sequential(*([nn.Dropout(0.5)] if i else []), nn.Linear(a, b), nn.BatchNorm1d(b), nn.PReLU())
        for i, (a, b) in enumerate(zip(back[:-1], back[1:], strict=True))
    )
    decoder.network.append(nn.Linear(hidden[0], len(genes)))
    folder.mkdir()
    torch.save({"state_dict": randomise(encoder)}, folder / "encoder.ckpt")
    torch.save({"state_dict": randomise(decoder, 1)}, folder / "decoder.ckpt")
    (folder / "gene_order.tsv").write_text("\n".join(genes) + "\n")
    sizes = {name: list(t.shape) for name, t in encoder.state_dict().items()}
    (folder / "layer_sizes.json").write_text(json.dumps(sizes))
    return folder


class _Part(nn.Module):
    """A module that holds parts under given names."""

    def __init__(self, **parts: nn.Module) -> None:
        super().__init__()
        for name, part in parts.items():
            setattr(self, name, part)


SCGPT_ARGS: dict[str, Any] = {
    "embsize": 16, "nheads": 2, "d_hid": 24, "nlayers": 2, "n_layers_cls": 3, "dropout": 0.2, "pad_token": "<pad>",
    "pad_value": -2, "n_bins": 51, "max_seq_len": 1200, "input_emb_style": "continuous", "mask_ratio": 0.4,
}  # fmt: skip


def scgpt(folder: Path, *, flash: bool = False, special: bool = True, **sizes: int) -> Path:
    """The folder of scGPT_human: with its heads for pretraining, as a plain state dict; ``sizes`` replace arguments."""
    args = SCGPT_ARGS | sizes
    tokens = read_json("gene_vocabs/default_census_vocab.json")
    n = len(tokens)
    if special:
        tokens |= {"<pad>": n, "<cls>": n + 1, "<eoc>": n + 2}
    width = args["embsize"]
    layer = nn.TransformerEncoderLayer(width, args["nheads"], args["d_hid"], batch_first=True)
    model = _Part(
        encoder=_Part(embedding=nn.Embedding(n + 3, width, padding_idx=n), enc_norm=nn.LayerNorm(width)),
        flag_encoder=nn.Embedding(2, width),
        value_encoder=_Part(linear1=nn.Linear(1, width), linear2=nn.Linear(width, width), norm=nn.LayerNorm(width)),
        transformer_encoder=nn.TransformerEncoder(layer, args["nlayers"], enable_nested_tensor=False),
        decoder=_Part(fc=nn.Sequential(nn.Linear(width, width), nn.LeakyReLU(), nn.Linear(width, 1))),
        mvc_decoder=_Part(gene2query=nn.Linear(width, width), W=nn.Linear(width, width, bias=False)),
    )
    state = randomise(model)
    if flash:
        state = {name.replace("self_attn.in_proj_", "self_attn.Wqkv."): t for name, t in state.items()}
    folder.mkdir()
    torch.save(state, folder / "best_model.pt")
    (folder / "args.json").write_text(json.dumps(args))
    (folder / "vocab.json").write_text(json.dumps(tokens))
    return folder


class NumpyScalars(dict):
    """Marks a dictionary whose numbers are written as numpy's, as in Geneformer V1."""


def write_dictionary(path: Path, content: dict[str, Any], protocol: int = 4) -> None:
    if path.suffix == ".json":
        path.write_text(json.dumps(content))
    elif isinstance(content, NumpyScalars):
        path.write_bytes(pickle.dumps({k: np.int16(v) for k, v in content.items()}, protocol=protocol))
    else:
        path.write_bytes(pickle.dumps(content, protocol=protocol))


def geneformer(
    root: Path,
    version: str,
    *,
    suffix: str = "pkl",
    weights: str = "model.safetensors",
    beside: bool = True,
    sizes: tuple[int, int, int, int] = (3, 12, 2, 20),
) -> Path:
    """The folder of a model within the released repository, with its dictionaries beside it or in it.

    ``sizes`` are its layers, their width, heads and the width of their perceptron.
    """
    from safetensors.torch import save_file
    from transformers import BertConfig, BertForMaskedLM

    label = {"V1": "gc30M", "V2": "gc104M"}[version]
    tokens = read_json(f"geneformer_dicts/token_dictionary_{label}.json")
    config = BertConfig(
        vocab_size=len(tokens), num_hidden_layers=sizes[0], hidden_size=sizes[1], num_attention_heads=sizes[2],
        intermediate_size=sizes[3],
        hidden_act="relu", max_position_embeddings={"V1": 2048, "V2": 4096}[version], pad_token_id=0,
        type_vocab_size=2, layer_norm_eps=1e-12,
    )  # fmt: skip
    model = BertForMaskedLM(config)
    state = randomise(model)
    state["cls.predictions.decoder.weight"] = state["bert.embeddings.word_embeddings.weight"].clone()
    folder = root / f"Geneformer-{version}"
    folder.mkdir(parents=True)
    if weights == "model.safetensors":
        save_file(state, folder / weights, metadata={"format": "pt"})
    else:
        state["bert.embeddings.position_ids"] = torch.arange(config.max_position_embeddings)[None]
        torch.save(state, folder / weights)
    (folder / "config.json").write_text(json.dumps(config.to_dict()))
    dictionaries = folder if not beside else root / "geneformer" / ("gene_dictionaries_30m" if version == "V1" else ".")
    dictionaries.mkdir(parents=True, exist_ok=True)
    for name in ("token_dictionary", "gene_median_dictionary", "gene_name_id_dict", "ensembl_mapping_dict"):
        content = read_json(f"geneformer_dicts/{name}_{label}.json")
        if name == "token_dictionary" and version == "V1":
            content = NumpyScalars(content)
        write_dictionary(dictionaries / f"{name}_{label}.{suffix}", content)
    return folder
