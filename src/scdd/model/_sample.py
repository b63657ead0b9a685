"""New cells: one generator step from noise, then counts with the noise of real ones."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray

from scdd._rng import stream, torch_stream
from scdd.errors import InputError, LabelError
from scdd.module import SCDDModule

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scdd.model._metadata import Metadata

_BLOCK = 512  # cells whose rates of all genes are dense at once
_CALL = 8192  # cells in one call of the generator, which holds a matrix (n_latent, n_latent) for each


def draw_conditions(
    module: SCDDModule, meta: Metadata, n: int, labels: Any, batch: Any, *, seed: int
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Return classes (n,), ascending, and batches (n,) of new cells.

    What the user does not name is drawn in the proportions of the original cells.

    Raises
    ------
    scdd.errors.InputError
        If ``n`` is no positive integer, or there is another number of names than cells.
    scdd.errors.LabelError
        If a name is not known.
    """
    if isinstance(n, bool) or not isinstance(n, (int, np.integer)) or n < 1:
        msg = f"n must be an integer of at least 1, got {n!r}."
        raise InputError(msg)
    rng = stream(seed, "conditions")
    sizes = module.sizes.cpu().numpy()
    classes = codes_of(labels, meta.class_names, n, f"label of {meta.labels_key!r}")
    if classes is None:
        classes = rng.choice(len(sizes), size=n, p=sizes.sum(1) / sizes.sum())
    order = np.argsort(classes, kind="stable")
    batches = codes_of(batch, meta.batch_names, n, f"batch of {meta.batch_key!r}")
    if batches is None:
        share = np.cumsum(sizes / sizes.sum(1, keepdims=True), axis=1)[classes]
        batches = (rng.random((n, 1)) > share).sum(1).clip(max=sizes.shape[1] - 1)
    return classes[order], batches[order]


def codes_of(values: Any, names: Sequence[str], n: int, what: str) -> NDArray[np.int64] | None:
    """Turn one name for all, or one name per cell, into codes (n,); None stays None.

    Raises
    ------
    scdd.errors.InputError
        If there is another number of names than cells.
    scdd.errors.LabelError
        If a name is not known.
    """
    if values is None:
        return None
    single = isinstance(values, (str, bytes)) or not hasattr(values, "__len__")
    texts = [str(values)] * n if single else [str(v) for v in values]
    if len(texts) != n:
        msg = f"{len(texts)} values are given for the {what}, but n is {n}."
        raise InputError(msg)
    position = {name: k for k, name in enumerate(names)}
    unknown = sorted(set(texts) - set(position))
    if unknown:
        msg = f"Unknown {what}: {', '.join(unknown[:5])}. There are: {', '.join(names[:20])}."
        raise LabelError(msg)
    return np.array([position[t] for t in texts], dtype=np.int64)


@torch.no_grad()
def sample_latents(
    module: SCDDModule, labels: NDArray[np.int64], batches: NDArray[np.int64], *, guidance: float, seed: int
) -> torch.Tensor:
    """Return latents (n, n_latent) by exactly one call of the generator for each cell, from pure noise."""
    device = module.device
    noise = torch.randn(len(labels), module.scdg.n_latent, generator=torch_stream(seed, "generate")).to(device)
    classes, batch = (torch.from_numpy(v).to(device) for v in (labels, batches))
    parts = [
        module.scdg(z, torch.ones(len(z), device=device), c, b, guidance)
        for z, c, b in zip(noise.split(_CALL), classes.split(_CALL), batch.split(_CALL), strict=True)
    ]
    return torch.cat(parts)


@torch.no_grad()
def sample_counts(
    module: SCDDModule, latents: torch.Tensor, library: NDArray[np.float64], *, seed: int
) -> sp.csr_matrix:
    r"""Return counts CSR float32 (n, n_vars) that scatter around :math:`L r(z)` like real ones, in blocks of cells."""
    rng = stream(seed, "counts")
    parts = []
    for start in range(0, len(latents), _BLOCK):
        rates = module.rates(latents[start : start + _BLOCK]).cpu().numpy().astype(np.float64)
        parts.append(sp.csr_matrix(module.noise.sample(rates * library[start : start + _BLOCK, None], rng)))
    return sp.csr_matrix(sp.vstack(parts, format="csr"))
