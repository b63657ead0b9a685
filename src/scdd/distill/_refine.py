"""Move codes along a matching objective, through one generator step, on a leash."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scdd.data import ClassSampler, Source
from scdd.distill._codes import Codes
from scdd.distill._expected_log import ExpectedLog
from scdd.encoders import ExpressionFeatures
from scdd.module import SCDDModule
from scdd.objectives import Objective

Space = Callable[[Tensor], Tensor]

_MAX_REAL = 2048  # real cells in one step
_EXPAND = 4  # steps for which the share of the HVGs in the counts is expanded around where the rows were
_PREPARE_STEPS = 4  # batches of real cells that the objective sees before the first step
_PREPARE_OFFSET = 2**31  # their step numbers, apart from those of the steps
_FEW_OFFSET = 2**30  # and those of the batches that are used again and again


@dataclass(frozen=True)
class RefineConfig:
    """Budget of the refinement.

    Attributes
    ----------
    n_steps
        Steps of Adam on the codes.
    lr
        Its rate, in units of the standard deviation within classes.
    leash
        Weight of the mean squared displacement, in the same units: what keeps rows on the data manifold.
    checkpoints
        Steps whose codes are offered to the referee.
    real_per_class
        Real cells per class and step, at most.
    """

    n_steps: int = 60
    lr: float = 0.02
    leash: float = 0.3
    checkpoints: tuple[int, ...] = (20, 60)
    real_per_class: int = 64


@dataclass(frozen=True)
class RefineResult:
    """Codes at the checkpoints, the losses (n_steps,), and why the refinement ended."""

    checkpoints: dict[int, Codes]
    losses: list[float]
    status: str


class RowFeatures:
    """What models see of a row, as a differentiable function of its code: the expected log expression of the HVGs.

    Parameters
    ----------
    module
        Trained module; it is not changed.
    library
        Library sizes (n,) of the rows.
    corrections
        Factors of the rates and offsets of the expected log (n, n_hvg), by which the cells of each row correct the
        decoder; None: they do not.
    drawn
        The row (n,) to which each row is drawn, and how much of the way to its own place is left (n,); None: all of it.
    """

    def __init__(
        self,
        module: SCDDModule,
        library: Tensor,
        corrections: tuple[Tensor, Tensor] | None = None,
        drawn: tuple[Tensor, Tensor] | None = None,
    ) -> None:
        self.module, self.corrections, self.drawn = module, corrections, drawn
        self.expected_log = ExpectedLog(library)

    def __call__(self, codes: Codes) -> Tensor:
        """Return features (n, n_hvg): one generator call, the decoder, the expectation over the count noise."""
        return self.at(codes.latents(self.module))

    def at(self, z: Tensor, share: Tensor | None = None) -> Tensor:
        """Return features (n, n_hvg) at latents (n, n_latent), with the share of the HVGs (n, 1) where it is known."""
        rates = self.module.hvg_rates(z, share)
        if self.corrections is None:
            out = self.expected_log(rates)
        else:
            factor, offset = self.corrections
            out = (self.expected_log(rates * factor) + offset).clamp_min(0)
        if self.drawn is None:
            return out
        towards, left = self.drawn
        return out[towards] + left[:, None] * (out - out[towards])


class _Share:
    """Share of the HVGs in the counts, its logarithm to first order in the latents.

    It is a sum over all other genes and takes most of the time of a step; without its slope, free codes go astray.
    """

    def __init__(self, module: SCDDModule, z: Tensor) -> None:
        self.z = z
        rest, slope = module.rest_decoder.total(z)
        self.log_share = (1 - rest).log()
        self.slope = -slope / (1 - rest)

    def __call__(self, z: Tensor) -> Tensor:
        """Return the share (n, 1) at latents (n, n_latent), below 1."""
        moved = ((z - self.z) * self.slope).sum(1, keepdim=True)
        return (self.log_share + moved).clamp_max(0).exp()


class RealBatches:
    """Class-wise minibatches of real cells as features: float32 (n, n_hvg) and labels (n,).

    Parameters
    ----------
    source
        The cells.
    hvg
        Indices of the highly variable genes.
    per_class
        Cells of each class in a batch; all of them where there are fewer.
    seed
        Seed of the draws.
    device
        Where the batches go.
    """

    def __init__(
        self, source: Source, hvg: NDArray[np.int64], *, per_class: int, seed: int, device: torch.device
    ) -> None:
        self.source, self.hvg, self.device = source, hvg, device
        self.sampler = ClassSampler(source.labels, batch_size=1, seed=seed)
        self.per_class = int(np.clip(_MAX_REAL // len(self.sampler.classes), 4, per_class))
        self.expression = ExpressionFeatures(len(hvg))

    def __call__(self, step: int) -> tuple[Tensor, Tensor]:
        """Return the batch of a step."""
        cells = self.sampler.up_to(step, self.per_class)
        x = self.expression(cells, self.source.rows(cells, self.hvg), self.source.library[cells])
        y = self.source.labels[cells].astype(np.int64)
        return torch.from_numpy(x).to(self.device), torch.from_numpy(y).to(self.device)

    def few(self, n: int) -> list[tuple[Tensor, Tensor]]:
        """Return ``n`` batches, for many cheap steps that take them in turn."""
        return [self(_FEW_OFFSET + step) for step in range(n)]


def refine(
    codes: Codes,
    features: RowFeatures,
    objective: Objective,
    real: RealBatches,
    *,
    scale: Tensor,
    config: RefineConfig,
    space: Space | None = None,
    keep_last: bool = False,
    deadline: float | None = None,
    on_step: Callable[[float], None] | None = None,
) -> RefineResult:
    r"""Move the codes by Adam along ``objective + leash * mean(delta^2)`` with code = start + scale * delta.

    Parameters
    ----------
    codes
        Where to start.
    features
        From codes to what models see.
    objective
        Matching loss in feature space.
    real
        Batches of real cells.
    scale
        Standard deviation of the latents within classes (n_latent,): steps are whitened by it.
    config
        Budget.
    space
        Differentiable function of features in whose values the objective matches; None: the features themselves.
    keep_last
        Keep the codes of the last step too, where the refinement ends early.
    deadline
        Value of ``time.monotonic()`` at which to stop.
    on_step
        Called with the loss after each step.

    Returns
    -------
    The codes at the checkpoints; an interruption keeps those that were reached.

    Examples
    --------
    :func:`scdd.distill.distill` puts its arguments together; with a model at hand:

    >>> import scdd
    >>> adata = scdd.datasets.simulate(n_obs=120, n_vars=60)
    >>> model = scdd.model.SCDD.from_checked(scdd.pp.check(adata), adata)
    >>> model.train(progress=False)
    >>> syn = model.distill(2, preset="fast", objective="moments")
    >>> syn.uns["scdd"]["record"]["n_steps"] > 0
    True
    """

    def seen(batch: tuple[Tensor, Tensor]) -> tuple[Tensor, Tensor]:
        return batch if space is None else (space(batch[0]), batch[1])

    delta = torch.zeros_like(codes.z, requires_grad=True)
    optimizer = torch.optim.Adam([delta], lr=config.lr)
    kept: dict[int, Codes] = {}
    losses: list[float] = []
    status = "complete"
    try:
        for step in range(_PREPARE_STEPS):
            objective.prepare(*seen(real(_PREPARE_OFFSET + step)))
        for step in range(config.n_steps):
            moved = codes.moved(codes.z + scale * delta)
            z = moved.latents(features.module)
            if step % _EXPAND == 0:
                share = _Share(features.module, z.detach())
            rows, labels = seen((features.at(z, share(z)), codes.labels))
            loss = objective.loss(rows, labels, *seen(real(step)), step)
            total = loss + config.leash * delta.square().mean()
            (delta.grad,) = torch.autograd.grad(total, delta)
            if not torch.isfinite(delta.grad).all():
                status = "not_finite"
                break
            optimizer.step()
            losses.append(float(loss.detach()))
            if step + 1 in config.checkpoints or step + 1 == config.n_steps:
                kept[step + 1] = codes.moved((codes.z + scale * delta).detach())
            if on_step is not None:
                on_step(losses[-1])
            if deadline is not None and time.monotonic() > deadline:
                status = "out_of_time"
                break
    except KeyboardInterrupt:
        status = "interrupted"
    if keep_last and losses:
        kept[len(losses)] = codes.moved((codes.z + scale * delta).detach())
    return RefineResult(kept, losses, status)
