"""The networks of released checkpoints, with the names of their weights; loaded only when one is read."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor, nn


class Perceptron(nn.Module):
    """Blocks of linear layer, batch norm and PReLU, and a last linear layer, in the order that SCimilarity saves."""

    def __init__(self, widths: Sequence[int], *, first_dropout: bool, normalised: bool) -> None:
        super().__init__()
        self.normalised = normalised
        blocks: list[nn.Module] = []
        for i, (n_in, n_out) in enumerate(zip(widths[:-2], widths[1:-1], strict=True)):
            # dropout does nothing in a frozen network, but it counts in the names of the weights
            dropout = [nn.Dropout()] if i or first_dropout else []
            blocks.append(nn.Sequential(*dropout, nn.Linear(n_in, n_out), nn.BatchNorm1d(n_out), nn.PReLU()))
        self.network = nn.ModuleList([*blocks, nn.Linear(widths[-2], widths[-1])])

    def forward(self, x: Tensor) -> Tensor:
        """Return the output (n, widths[-1]), of length 1 if ``normalised``."""
        for layer in self.network:
            x = layer(x)
        return nn.functional.normalize(x, dim=1) if self.normalised else x


class Experts(nn.Module):
    """Experts and a gate that share their input, standardised gene by gene; their hidden units are joined."""

    mean: Tensor
    std: Tensor

    def __init__(self, n_genes: int, width: int, n_experts: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.empty(n_genes))
        self.register_buffer("std", torch.empty(n_genes))
        self.experts = nn.ModuleList(_branch(n_genes, width, 1) for _ in range(n_experts))
        self.gate = _branch(n_genes, width, n_experts)

    def forward(self, x: Tensor) -> Tensor:
        """Return the hidden units (n, width x (n_experts + 1)); the last layer of a branch is for the classifier."""
        x = (x - self.mean) / self.std
        return torch.cat([branch[:3](x) for branch in [*self.experts, self.gate]], dim=1)


def _branch(n_in: int, width: int, n_out: int) -> nn.Sequential:
    return nn.Sequential(nn.Linear(n_in, width), nn.LayerNorm(width), nn.GELU(), nn.Dropout(), nn.Linear(width, n_out))


def experts(n_genes: int, width: int, n_experts: int = 2) -> Experts:
    """Return a network without weights: nothing is drawn from the random stream, nothing is allocated."""
    with torch.device("meta"):
        return Experts(n_genes, width, n_experts)


def perceptron(widths: Sequence[int], *, first_dropout: bool, normalised: bool) -> Perceptron:
    """Return a network without weights: nothing is drawn from the random stream, nothing is allocated."""
    with torch.device("meta"):
        return Perceptron(widths, first_dropout=first_dropout, normalised=normalised)
