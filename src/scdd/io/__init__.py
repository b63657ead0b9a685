"""Safe files: models (safetensors, JSON, no pickle), cards, folders to share, the hub; all written whole or not at all."""

from __future__ import annotations

from scdd.io._card import write_card
from scdd.io._export import export
from scdd.io._files import FORMAT_VERSION, read_model, write_model
from scdd.io._h5ad import read_h5ad, write_h5ad
from scdd.io._hub import pull_from_hub, push_to_hub
from scdd.io._info import CardInfo

__all__ = [
    "FORMAT_VERSION",
    "CardInfo",
    "export",
    "pull_from_hub",
    "push_to_hub",
    "read_h5ad",
    "read_model",
    "write_card",
    "write_h5ad",
    "write_model",
]
