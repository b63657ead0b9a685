"""Another sequencing depth of log1p expression, with its slope in closed form."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

__all__ = ["change"]


def change(x: Tensor, factor: float, keep: Tensor) -> Tensor:
    """Return ``log1p(expm1(x) * factor) * keep``, differentiable in x.

    Examples
    --------
    >>> change(torch.tensor([0.5, 2.0]), 1.0, torch.tensor([1.0, 0.0]))
    tensor([0.5000, 0.0000])
    """
    return x * keep if factor == 1.0 else _Change.apply(x, factor, keep)


class _Change(torch.autograd.Function):
    """With z = factor * exp(x) + 1 - factor it is log(z), and its slope is 1 - (1 - factor) / z."""

    @staticmethod
    def forward(ctx: Any, x: Tensor, factor: float, keep: Tensor) -> Tensor:
        z = torch.exp(x).mul_(factor).add_(1.0 - factor)
        changed = torch.log(z).mul_(keep)
        ctx.save_for_backward(z.reciprocal_().mul_(factor - 1.0).add_(1.0).mul_(keep) if x.requires_grad else None)
        return changed

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None, None]:
        (slope,) = ctx.saved_tensors
        return grad * slope, None, None
