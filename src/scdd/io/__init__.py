"""Safe files: models as safetensors and JSON with a manifest of hashes, written atomically; no pickle."""

from __future__ import annotations

from scdd.io._files import FORMAT_VERSION, read_model, write_model
from scdd.io._h5ad import read_h5ad

__all__ = ["FORMAT_VERSION", "read_h5ad", "read_model", "write_model"]
