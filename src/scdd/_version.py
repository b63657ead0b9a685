"""Versions of what a result depends on."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

_CORE = ("scdd", "anndata", "lightning", "numpy", "scanpy", "scikit-learn", "scvi-tools", "torch")


def versions(*more: str) -> dict[str, str]:
    """Return the versions of scdd and of the packages whose numbers it relies on, and of ``more`` that are installed."""
    out = {}
    for name in (*_CORE, *more):
        try:
            out[name] = version(name)
        except PackageNotFoundError:
            continue
    return out
