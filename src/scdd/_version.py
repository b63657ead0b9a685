"""Versions of what a result depends on."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version


def versions() -> dict[str, str]:
    """Return the versions of scdd and of the packages whose numbers it relies on."""
    out = {}
    for name in ("scdd", "anndata", "lightning", "numpy", "scanpy", "scikit-learn", "scvi-tools", "torch"):
        try:
            out[name] = version(name)
        except PackageNotFoundError:
            continue
    return out
