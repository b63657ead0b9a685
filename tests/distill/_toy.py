"""A small trained module and its cells, made once per process."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import torch

from scdd.data import MemorySource
from scdd.datasets import simulate
from scdd.encoders import ExpressionFeatures
from scdd.module import AutoencoderConfig, ModuleShape, SCDDModule, SCDGConfig
from scdd.train import StageConfig, TrainConfig, TrainerConfig, train_module

CPU = TrainerConfig(accelerator="cpu", devices=1, progress=False)
SHORT = TrainConfig(
    autoencoder=StageConfig(n_steps=150, batch_size=64),
    generator=StageConfig(n_steps=150, batch_size=16, weight_decay=0.0),
)


@dataclass(frozen=True)
class World:
    """A trained module, the cells and their latents; do not change them."""

    module: SCDDModule
    source: MemorySource
    latents: np.ndarray


def make_source(n_obs: int = 400, *, effect: float = 1.0, seed: int = 0) -> MemorySource:
    """Simulated cells: 120 genes, 4 classes, 3 donors."""
    adata = simulate(n_obs=n_obs, n_vars=120, n_classes=4, n_batches=3, depth=900, effect=effect, seed=seed)
    labels, donors = (adata.obs[key].cat.codes.to_numpy() for key in ("cell_type", "donor"))
    names = [list(adata.obs[key].cat.categories) for key in ("cell_type", "donor")]
    return MemorySource(adata.X, labels, names[0], batches=donors, batch_names=names[1], donors=donors)


def new_module(source: MemorySource, n_hvg: int = 70, seed: int = 0) -> SCDDModule:
    """An untrained module; every second gene or so is highly variable."""
    with torch.random.fork_rng():
        torch.manual_seed(seed)
        shape = ModuleShape(
            n_features=n_hvg,
            n_vars=source.n_vars,
            n_hvg=n_hvg,
            n_classes=source.n_classes,
            n_batches=source.n_batches,
            autoencoder=AutoencoderConfig(n_latent=8, n_hidden=48),
            scdg=SCDGConfig(n_hidden=48, n_blocks=2, n_condition=16),
        )
        hvg = np.sort(np.random.default_rng(0).choice(source.n_vars, n_hvg, replace=False))
        return SCDDModule(shape, torch.from_numpy(hvg)).eval()


@functools.cache
def world() -> World:
    """Trained on 400 simulated cells."""
    source = make_source()
    module = new_module(source)
    features = ExpressionFeatures(module.shape.n_hvg)
    result = train_module(module, source, features, config=SHORT, trainer_config=CPU, engine="energy", seed=0)
    return World(module, source, result.latents)
