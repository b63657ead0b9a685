"""Pretraining of scdd-base: many data sets with different genes, labels, batches and technologies, at once."""

from __future__ import annotations

from scdd.encoders._pretrain._config import PretrainConfig, Study
from scdd.encoders._pretrain._pretrain import pretrain

__all__ = ["PretrainConfig", "Study", "pretrain"]
