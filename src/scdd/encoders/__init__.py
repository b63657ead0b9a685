"""Encoders: from counts to an embedding. ``scdd.encoders.get("pca")`` finds one, ``scdd.encoders.list()`` tells of all."""

from __future__ import annotations

from scdd.encoders._aeacus import AeacusEncoder
from scdd.encoders._base import Cells, EmbeddingFeatures, Encoder, EncoderInfo, Features
from scdd.encoders._checkpoint import CheckpointEncoder
from scdd.encoders._geneformer import GeneformerEncoder
from scdd.encoders._get import get
from scdd.encoders._list import list
from scdd.encoders._pca import PCAEncoder
from scdd.encoders._precomputed import PrecomputedEncoder
from scdd.encoders._pretrain import PretrainConfig, Study, pretrain
from scdd.encoders._registry import ENCODERS, EncoderRegistry
from scdd.encoders._scdd_base import ScddBaseEncoder
from scdd.encoders._scgpt import ScGPTEncoder
from scdd.encoders._scimilarity import SCimilarityEncoder
from scdd.encoders._scvi import ScviEncoder
from scdd.encoders._scvi_saved import SavedScviEncoder
from scdd.encoders._self import ExpressionFeatures, SelfEncoder

__all__ = [
    "ENCODERS",
    "AeacusEncoder",
    "Cells",
    "CheckpointEncoder",
    "EmbeddingFeatures",
    "Encoder",
    "EncoderInfo",
    "EncoderRegistry",
    "ExpressionFeatures",
    "Features",
    "GeneformerEncoder",
    "PCAEncoder",
    "PrecomputedEncoder",
    "PretrainConfig",
    "SCimilarityEncoder",
    "SavedScviEncoder",
    "ScGPTEncoder",
    "ScddBaseEncoder",
    "ScviEncoder",
    "SelfEncoder",
    "Study",
    "get",
    "list",
    "pretrain",
]
