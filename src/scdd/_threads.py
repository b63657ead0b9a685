"""One thread where layers are small."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager


@contextmanager
def one_thread() -> Iterator[None]:
    """Let torch use one CPU thread for a while.

    On a busy machine threads that wait for each other make small layers 20 times slower, and numba (which scanpy uses)
    raises torch's number of threads behind the user's back. One thread also makes results independent of the number of
    cores.
    """
    import torch

    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)
