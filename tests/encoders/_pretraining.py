"""Small data sets with different genes, and small trainings."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sp
from anndata import AnnData

from scdd.encoders import PretrainConfig, ScddBaseEncoder, Study, pretrain
from scdd.encoders._pretrain._corpus import Corpus, build_corpus, choose_genes
from scdd.encoders._pretrain._open import open_study
from scdd.encoders._pretrain._train import Pretraining

SMALL = PretrainConfig(
    n_steps=12, cells_per_study=16, dim=8, hidden=24, predicted=40, checkpoint_every=5, n_genes=300, lr=1e-3
)
LEARNING = PretrainConfig(n_steps=150, cells_per_study=32, dim=16, hidden=32, predicted=100, lr=5e-3, n_genes=400)


def programmes(n_types: int = 6, n_genes: int = 400) -> np.ndarray:
    """Expected shares of the genes in cell types that all laboratories meet (n_types, n_genes)."""
    rng = np.random.default_rng(7)
    base = rng.gamma(0.5, 1.0, n_genes) + 0.05
    rates = base * np.exp(1.0 * rng.standard_normal((n_types, n_genes)) * (rng.random((n_types, n_genes)) < 0.2))
    return rates / rates.sum(1, keepdims=True)


def laboratory(
    seed: int,
    *,
    genes: slice = slice(None),
    types: tuple[int, ...] = (0, 1, 2, 3),
    n: int = 160,
    mouse: bool = False,
    depth: int = 300,
) -> AnnData:
    """Cells of some types, measured by one laboratory: other genes, another bias of each gene, two donors."""
    rng = np.random.default_rng(seed)
    shares = programmes()[:, genes]
    bias = np.exp(0.5 * rng.standard_normal(shares.shape[1]))
    labels = rng.choice(types, n)
    rates = shares[labels] * bias
    x = rng.poisson(depth * rates / rates.sum(1, keepdims=True)).astype(np.float32)
    x[:, 0] += 1  # no cell is empty
    names = [f"GENE{i}" for i in range(400)][genes]
    adata = AnnData(sp.csr_matrix(x))
    adata.var_names = [name.capitalize() for name in names] if mouse else names
    adata.obs["cell_type"] = [f"type {k}" for k in labels]
    adata.obs["donor"] = rng.choice(["a", "b"], n)
    return adata


def studies(folder: Path) -> list[Any]:
    """Write two data sets and keep one in memory: other genes, other classes, man and mouse, with and without labels."""
    one, two = folder / "one.h5ad", folder / "two.h5ad"
    if not one.exists():
        folder.mkdir(parents=True, exist_ok=True)
        laboratory(1, genes=slice(0, 300)).write_h5ad(one)
        laboratory(2, genes=slice(150, 400), types=(1, 2, 3), mouse=True).write_h5ad(two)
    return [
        Study(one, labels_key="cell_type", batch_key="donor", studies=("S1",), licence="CC0-1.0"),
        Study(two, labels_key="cell_type", studies=("S2", "S1")),
        Study(laboratory(3, genes=slice(100, 200)), "three"),
    ]


def small(folder: Path, **options: Any) -> ScddBaseEncoder:
    """Train for a few steps."""
    options = {"config": SMALL, "progress": False, "device": "cpu"} | options
    return pretrain(studies(folder), folder / "encoder", **options)


def corpus_of(folder: Path) -> Corpus:
    """Open the three data sets, and bring them to one vocabulary."""
    sets = [open_study(study) for study in studies(folder)]
    return build_corpus(sets, choose_genes(sets, n_genes=400, min_cells=3))


def checkpoint(
    data: list[Any], target: Path, config: PretrainConfig, monkeypatch: pytest.MonkeyPatch, *, at: int
) -> Path:
    """Stop a training at a step, and return its checkpoint."""
    run = Pretraining.run
    with monkeypatch.context() as patch:
        patch.setattr(Pretraining, "run", lambda self, save, progress: (save(run(self, save=save, until=at)), 1 / 0))
        with pytest.raises(ZeroDivisionError):
            pretrain(data, target, config=config, device="cpu", progress=False)
    return target.with_name(f"{target.name}.training")
