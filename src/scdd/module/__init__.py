"""Torch modules: latent head and decoder, the one-step generator, likelihood and library size."""

from __future__ import annotations

from scdd.module._autoencoder import Autoencoder, AutoencoderConfig
from scdd.module._decoder import RestDecoder
from scdd.module._library import LibraryModel
from scdd.module._likelihood import nb_cross_entropy, nb_log_prob
from scdd.module._noise import CountNoise
from scdd.module._scdd import ModuleShape, SCDDModule
from scdd.module._scdg import SCDG, SCDGConfig
from scdd.module.engines import ENGINES

__all__ = [
    "ENGINES",
    "SCDG",
    "Autoencoder",
    "AutoencoderConfig",
    "CountNoise",
    "LibraryModel",
    "ModuleShape",
    "RestDecoder",
    "SCDDModule",
    "SCDGConfig",
    "nb_cross_entropy",
    "nb_log_prob",
]
