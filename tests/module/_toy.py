"""Latents with a known truth: classes of two lobes each, moved apart by the batch."""

from __future__ import annotations

import functools
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from scdd.module import AutoencoderConfig, ModuleShape, SCDDModule, SCDGConfig
from scdd.train import StageConfig, TrainerConfig, fit_generator

N_CLASSES, N_BATCHES, D = 4, 2, 6
CPU = TrainerConfig(accelerator="cpu", devices=1, progress=False)


@dataclass(frozen=True)
class Latents:
    """Latents (n, 6) float32, labels and batches (n,) int64."""

    z: np.ndarray
    labels: np.ndarray
    batches: np.ndarray

    def of(self, label: int, batch: int | None = None) -> np.ndarray:
        """Latents of a class, or of a class in a batch."""
        return self.z[(self.labels == label) & (True if batch is None else self.batches == batch)]


def draw(n: int, seed: int) -> Latents:
    """Two lobes a class (no Gaussian), a strong batch shift, about standardised."""
    truth = np.random.default_rng(7)
    centres = truth.normal(0, 1.0, (N_CLASSES, 1, D)) + truth.normal(0, 1.0, (N_CLASSES, 2, D))
    shift = truth.normal(0, 0.6, (N_BATCHES, D))
    rng = np.random.default_rng(seed)
    labels, batches, lobe = rng.integers(N_CLASSES, size=n), rng.integers(N_BATCHES, size=n), rng.integers(2, size=n)
    z = centres[labels, lobe] + shift[batches] + rng.normal(0, 0.25, (n, D))
    return Latents((z / 1.4).astype(np.float32), labels, batches)


def new_module(seed: int = 0) -> SCDDModule:
    """An untrained module for these latents."""
    torch.manual_seed(seed)
    shape = ModuleShape(
        n_features=5,
        n_vars=8,
        n_hvg=5,
        n_classes=N_CLASSES,
        n_batches=N_BATCHES,
        autoencoder=AutoencoderConfig(n_latent=D, n_hidden=16),
        scdg=SCDGConfig(n_hidden=96, n_blocks=2, n_condition=32),
    )
    return SCDDModule(shape, torch.arange(5)).eval()


@functools.cache
def trained(engine: str, n_steps: int = 1000) -> SCDDModule:
    """A module whose generator was trained on ``draw(1600, 0)`` by an engine; do not change it."""
    module, cells = new_module(), draw(1600, 0)
    module.set_latent_statistics(*(torch.from_numpy(a) for a in (cells.z, cells.labels, cells.batches)))
    config = StageConfig(n_steps=n_steps, batch_size=32, weight_decay=0.0)
    fit_generator(
        module, cells.z, cells.labels, cells.batches, engine=engine, config=config, trainer_config=CPU, seed=0
    )
    return module


@torch.no_grad()
def one_call(
    module: SCDDModule, labels: np.ndarray, batches: np.ndarray, *, guidance: float = 1.0, seed: int = 0
) -> np.ndarray:
    """Samples (n, 6) by one call from pure noise."""
    noise = torch.randn(len(labels), D, generator=torch.Generator().manual_seed(seed))
    y, b = torch.from_numpy(labels), torch.from_numpy(batches)
    return module.scdg(noise, torch.ones(len(labels)), y, b, guidance).numpy()


def gradient(of: Tensor, by: Tensor) -> Tensor:
    """The gradient of a scalar, zero where it does not depend."""
    (grad,) = torch.autograd.grad(of, by, allow_unused=True)
    return torch.zeros_like(by) if grad is None else grad
