"""The vectors with one entry per cell that every engine holds."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from scdd.errors import InputError


class CellVectors:
    """Labels, batches, donors and library sizes, checked once; the base of the engines (see ``Source``)."""

    n_vars: int

    def __init__(
        self,
        n_obs: int,
        labels: ArrayLike,
        class_names: Sequence[str],
        *,
        batches: ArrayLike | None,
        batch_names: Sequence[str],
        donors: ArrayLike | None,
        library: ArrayLike,
    ) -> None:
        self.n_obs = n_obs
        self.class_names: tuple[str, ...] = tuple(str(name) for name in class_names)
        self.batch_names: tuple[str, ...] = tuple(str(name) for name in batch_names)
        self.labels = _codes("labels", labels, n_obs, len(self.class_names))
        self.batches = (
            np.zeros(n_obs, np.int32) if batches is None else _codes("batches", batches, n_obs, len(self.batch_names))
        )
        self.donors: NDArray[np.int32] | None = None if donors is None else _codes("donors", donors, n_obs, None)
        # a cell without counts would divide by zero everywhere
        self.library: NDArray[np.float64] = np.maximum(_vector("library", library, n_obs).astype(np.float64), 1.0)

    @property
    def n_classes(self) -> int:
        """Number of classes."""
        return len(self.class_names)

    @property
    def n_batches(self) -> int:
        """Number of batches."""
        return len(self.batch_names)

    def _describe(self) -> str:
        parts = [
            f"{self.n_obs} cells",
            f"{self.n_vars} genes",
            f"{self.n_classes} classes",
            f"{self.n_batches} batches",
        ]
        return ", ".join(parts)


def _vector(name: str, values: ArrayLike, n_obs: int) -> NDArray[Any]:
    out = np.asarray(values)
    if out.shape != (n_obs,):
        msg = f"{name} has shape {out.shape}, but there are {n_obs} cells."
        raise InputError(msg)
    return out


def _codes(name: str, values: ArrayLike, n_obs: int, n_names: int | None) -> NDArray[np.int32]:
    out = _vector(name, values, n_obs)
    if n_obs and (out.dtype.kind not in "iu" or out.min() < 0 or (n_names is not None and out.max() >= n_names)):
        limit = "non-negative" if n_names is None else f"in range({n_names})"
        msg = f"{name} must be integers {limit}, got {out.dtype} from {out.min()} to {out.max()}."
        raise InputError(msg)
    return out.astype(np.int32, copy=False)
