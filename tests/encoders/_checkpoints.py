"""Checkpoints in the layouts of the released ones: real vocabularies and gene counts, small layers, drawn weights."""

from __future__ import annotations

import functools
import json
import os
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
