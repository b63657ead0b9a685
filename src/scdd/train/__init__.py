"""Training of the two stages by Lightning."""

from __future__ import annotations

from scdd.train._config import StageConfig, TrainConfig, TrainerConfig
from scdd.train._fit import StageResult, fit_stage
from scdd.train._stages import fit_autoencoder, fit_generator

__all__ = ["StageConfig", "StageResult", "TrainConfig", "TrainerConfig", "fit_autoencoder", "fit_generator", "fit_stage"]
