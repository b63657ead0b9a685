"""Training of the two stages by Lightning."""

from __future__ import annotations

from scdd.train._config import StageConfig, TrainConfig, TrainerConfig
from scdd.train._fit import StageResult, fit_stage
from scdd.train._stages import fit_autoencoder, fit_generator
from scdd.train._train import TrainResult, encode, train_module

__all__ = [
    "StageConfig",
    "StageResult",
    "TrainConfig",
    "TrainResult",
    "TrainerConfig",
    "encode",
    "fit_autoencoder",
    "fit_generator",
    "fit_stage",
    "train_module",
]
