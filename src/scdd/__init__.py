"""scdd: distil a labelled scRNA-seq data set into a few synthetic cells per class.

The package is imported lazily: ``import scdd`` loads neither torch nor scvi-tools.
"""

from __future__ import annotations

import importlib
import logging
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from scdd._settings import settings

if TYPE_CHECKING:
    from scdd import baselines, benchmark, data, datasets, encoders, errors, io, metrics, model, objectives, pl, pp, tl

__all__ = [
    "baselines",
    "benchmark",
    "data",
    "datasets",
    "encoders",
    "errors",
    "io",
    "metrics",
    "model",
    "objectives",
    "pl",
    "pp",
    "settings",
    "tl",
]

__version__ = version("scdd")

logging.getLogger("scdd").addHandler(logging.NullHandler())


def __getattr__(name: str) -> Any:
    if name in __all__:
        return importlib.import_module(f"scdd.{name}")
    msg = f"module 'scdd' has no attribute {name!r}"
    raise AttributeError(msg)


def __dir__() -> list[str]:
    return sorted([*__all__, "__version__"])
