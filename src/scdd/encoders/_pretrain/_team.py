"""Several processes, one training: each draws cells of its own, and gradients are averaged over all (data parallel).

The processes are those that ``torchrun`` starts, on one machine or on many; they find each other by the variables of the
environment that it sets. A training that was started otherwise is a team of one.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace

import torch
import torch.distributed as dist
from torch import Tensor

from scdd.errors import EncoderError, ScddError


@dataclass(frozen=True)
class Team:
    """The processes of a training.

    Attributes
    ----------
    rank, size
        Number of this process, from 0, and how many there are.
    device
        Device of this process, from which its messages leave.
    """

    rank: int = 0
    size: int = 1
    device: str = "cpu"

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

    def means(self, values: Mapping[str, Tensor], names: Sequence[str]) -> dict[str, float]:
        """Return the mean of each value over the processes that have it; all must come here with the same names.

        Not all cells are labelled, so a loss may be absent from a process: names that are absent are sent too, for messages
        have to be of one length.
        """
        nothing = torch.zeros_like(next(iter(values.values())))
        present = torch.tensor([float(name in values) for name in names], device=nothing.device)
        sums = torch.stack([values.get(name, nothing).detach().float() for name in names])
        both = torch.stack([sums, present])
        if self.size > 1:
            dist.all_reduce(both)
        return {name: value / n for name, value, n in zip(names, *both.tolist(), strict=True) if n}

    def gather(self, value: int) -> list[int]:
        """Return the number of each process; all processes must come here."""
        if self.size == 1:
            return [value]
        own = torch.tensor([int(value)], device=self.device)
        parts = [torch.empty_like(own) for _ in range(self.size)]
        dist.all_gather(parts, own)
        return [int(part) for part in parts]

    @contextmanager
    def together(self) -> Iterator[None]:
        """Let what fails in one process fail in all, which would wait for it otherwise.

        Raises
        ------
        scdd.errors.EncoderError
            If it failed in another process.
        """
        own: ScddError | None = None
        try:
            yield
        except ScddError as error:
            own = error
        failed = self.gather(own is not None)
        if own is not None:
            raise own
        if any(failed):
            msg = (
                f"Process {failed.index(1)} of {self.size} cannot go on, and tells why itself. All processes must see the "
                "same files: several machines need a file system that they share."
            )
            raise EncoderError(msg)

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
    Team(rank=0, size=1, device='cpu')
    """
    return Team(int(os.environ.get("RANK", "0")), int(os.environ.get("WORLD_SIZE", "1")))


def own_device(device: str) -> str:
    """Return the GPU of this process where ``device`` leaves open which: each process of a machine takes one."""
    return f"cuda:{os.environ.get('LOCAL_RANK', '0')}" if device == "cuda" and started().size > 1 else device


@contextmanager
def joined(device: str) -> Iterator[Team]:
    """Join the team for a while; a group of processes that is there already is used and stays."""
    team = replace(started(), device=device)
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
