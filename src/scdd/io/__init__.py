"""Safe files: models as safetensors and JSON with a manifest of hashes, written atomically; no pickle."""

from __future__ import annotations

from scdd.io._files import FORMAT_VERSION, read_model, write_model

__all__ = ["FORMAT_VERSION", "read_model", "write_model"]
