"""One random stream: a seed and a path of names give a Generator; global seeds are never touched."""

from __future__ import annotations

import operator
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import numpy as np

from scdd._settings import FROM_SETTINGS, settings
from scdd.errors import InputError

if TYPE_CHECKING:
    import torch

Seed = int | np.random.Generator | None


def canonical_seed(seed: Seed) -> int:
    """Turn what a user gives as seed into the non-negative int that is recorded.

    ``None`` draws fresh entropy; a Generator is advanced by one draw; the default stands for ``scdd.settings.seed``.
    """
    if seed is FROM_SETTINGS:
        seed = settings.seed
    if seed is None:
        return int(np.random.SeedSequence().generate_state(1, np.uint32)[0])
    if isinstance(seed, np.random.Generator):
        return int(seed.integers(2**32))
    if isinstance(seed, bool):
        msg = f"seed must be a non-negative integer, a numpy Generator or None, got {seed!r}."
        raise InputError(msg)
    try:
        value = operator.index(seed)
    except TypeError:
        value = -1
    if not 0 <= value < 2**64:  # more than files hold
        msg = f"seed must be an integer of at least 0 and below 2**64, a numpy Generator or None, got {seed!r}."
        raise InputError(msg)
    return value


def stream(seed: int, *path: str | int) -> np.random.Generator:
    """Return the Generator that belongs to a seed and a path of names.

    Streams of different paths are independent, so adding a consumer does not change the draws of the others.
    """
    return np.random.default_rng(np.random.SeedSequence([seed, *map(_word, path)]))


def torch_stream(seed: int, *path: str | int, device: str | torch.device = "cpu") -> torch.Generator:
    """Return the torch Generator that belongs to a seed and a path of names."""
    import torch

    generator = torch.Generator(device=device)
    generator.manual_seed(int(stream(seed, *path).integers(2**63 - 1)))
    return generator


def random_state(seed: int) -> int:
    """Return the seed for scikit-learn, which takes 32 bits.

    Examples
    --------
    >>> random_state(7), random_state(2**32 + 7)
    (7, 7)
    """
    return seed % 2**32


def _word(part: str | int) -> int:
    # +1 keeps the string "" apart from the integer 0
    return part if isinstance(part, int) else 2**32 + zlib.crc32(part.encode())


@contextmanager
def numpy_state_kept() -> Iterator[None]:
    """Put the global random state of numpy back, which some packages move."""
    state = np.random.get_state()  # noqa: NPY002
    try:
        yield
    finally:
        np.random.set_state(state)  # noqa: NPY002
