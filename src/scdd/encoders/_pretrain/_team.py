"""Several processes, one training: each draws cells of its own, and gradients are averaged over all (data parallel).

The processes are those that ``torchrun`` starts, on one machine or on many; they find each other by the variables of the
environment that it sets. A training that was started otherwise is a team of one.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
import torch.distributed as dist
from torch import Tensor


@dataclass(frozen=True)
class Team:
    """The processes of a training.

    Attributes
    ----------
    rank, size
        Number of this process, from 0, and how many there are.
    """

    rank: int = 0
    size: int = 1

    @property
    def leads(self) -> bool:
        """Whether this is the process that writes files and talks."""
        return self.rank == 0

    def average(self, tensors: Iterable[Tensor]) -> None:
        """Replace tensors by their means over the processes, in place; all processes must come here."""
        if self.size == 1:
            return
        parts = list(tensors)
        # one message for all: layers are small, and each message costs a round trip
        flat = torch.cat([part.detach().flatten() for part in parts])
        dist.all_reduce(flat)
        flat /= self.size
        for part, mean in zip(parts, flat.split([part.numel() for part in parts]), strict=True):
            part.detach().copy_(mean.view_as(part))

    def share(self, tensors: Iterable[Tensor]) -> None:
        """Replace tensors by those of the first process, in place."""
        if self.size > 1:
            for tensor in tensors:
                dist.broadcast(tensor.detach(), src=0)

    def wait(self) -> None:
        """Return when all processes are here."""
        if self.size > 1:
            dist.barrier()


def started() -> Team:
    """Return the team that the environment tells, without joining it.

    Examples
    --------
    >>> started()
    Team(rank=0, size=1)
    """
    return Team(int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1")))


def own_device(device: str) -> str:
    """Return the GPU of this process where ``device`` leaves open which: each process of a machine takes one."""
    return f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if device == "cuda" and started().size > 1 else device


@contextmanager
def joined(device: str) -> Iterator[Team]:
    """Join the team for a while; a group of processes that is there already is used and stays."""
    team = started()
    if team.size == 1:
        yield team
        return
    ours = not dist.is_initialized()
    if ours:
        if device.startswith("cuda"):
            torch.cuda.set_device(device)
        dist.init_process_group("nccl" if device.startswith("cuda") else "gloo")
    try:
        yield team
    finally:
        if ours:
            dist.destroy_process_group()
