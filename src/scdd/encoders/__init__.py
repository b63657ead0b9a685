"""Encoders: from counts to an embedding. ``scdd.encoders.get("pca")`` finds one, ``ENCODERS`` holds them all."""

from __future__ import annotations

from scdd.encoders._base import ENCODERS, Cells, EmbeddingFeatures, Encoder, EncoderInfo, Features
from scdd.encoders._get import get
from scdd.encoders._pca import PCAEncoder
from scdd.encoders._precomputed import PrecomputedEncoder
from scdd.encoders._scvi import ScviEncoder
from scdd.encoders._self import ExpressionFeatures, SelfEncoder

__all__ = [
    "ENCODERS",
    "Cells",
    "EmbeddingFeatures",
    "Encoder",
    "EncoderInfo",
    "ExpressionFeatures",
    "Features",
    "PCAEncoder",
    "PrecomputedEncoder",
    "ScviEncoder",
    "SelfEncoder",
    "get",
]
