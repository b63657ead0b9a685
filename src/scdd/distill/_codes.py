"""Codes: the input of the generator, one per synthetic cell, at a fixed noise level."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import torch
from torch import Tensor

from scdd._registry import Registry
from scdd.module import SCDDModule

# Rounds of the fixed-point iteration: at a level of 0.2 each takes half to three quarters of what is missed. As many for all
# codes, so that those of the first rows are the same however many follow.
_ROUNDS = 50
_CLOSE = 1e-4  # of the largest target


@dataclass(frozen=True)
class Codes:
    """Codes and the conditions under which they are decoded.

    Attributes
    ----------
    z
        Codes (n, n_latent).
    labels, batches
        Conditions (n,) int64.
    level
        Noise level in [0, 1] at which the codes live.
    guidance
        How far a decoded latent is moved along the way from the mean of all classes to the mean of its class.
    generator
        Name in :data:`GENERATORS`. ``"scdg"``: one call of the generator; ``"gaussian"``: codes are whitened
        coordinates in a shrunken Gaussian per class; ``"none"``: codes are latents.
    """

    z: Tensor
    labels: Tensor
    batches: Tensor
    level: float
    guidance: float = 0.0
    generator: str = "scdg"

    def moved(self, z: Tensor) -> Codes:
        """Return these codes at another place."""
        return replace(self, z=z)

    def denoise(self, module: SCDDModule) -> Tensor:
        """Return the latents (n, n_latent) on the data manifold: exactly one generator call for all codes."""
        return GENERATORS.get(self.generator)(module, self)

    def latents(self, module: SCDDModule) -> Tensor:
        """Return the latents that are decoded: denoised, then moved by the guidance."""
        return self.denoise(module) + self.guidance * module.shift(self.labels).to(self.z.dtype)


Generator = Callable[[SCDDModule, Codes], Tensor]
GENERATORS: Registry[Generator] = Registry("generator")


@GENERATORS.register("scdg")
def _scdg(module: SCDDModule, codes: Codes) -> Tensor:
    t = torch.full_like(codes.z[:, 0], codes.level)
    return module.scdg(codes.z, t, codes.labels, codes.batches)


@GENERATORS.register("gaussian")
def _gaussian(module: SCDDModule, codes: Codes) -> Tensor:
    return module.gaussian(codes.z, codes.labels)


@GENERATORS.register("none")
def _none(module: SCDDModule, codes: Codes) -> Tensor:
    return codes.z


def invert(module: SCDDModule, codes: Codes, targets: Tensor, *, n_steps: int = 200, lr: float = 0.05) -> Codes:
    """Move codes until the generator maps them on the targets; the generator is frozen.

    At a low noise level the generator moves its input little, so that moving a code by what its image misses comes nearer
    each time (a fixed-point iteration, no gradient). Where that does not, the squared distance is minimised by Adam.

    Parameters
    ----------
    module
        The trained module.
    codes
        Where to start.
    targets
        Latents (n, n_latent).
    n_steps, lr
        Budget of Adam, whose rate falls to zero.

    Returns
    -------
    The moved codes.

    Examples
    --------
    >>> import scdd
    >>> checked = scdd.pp.check(scdd.datasets.simulate(n_obs=120, n_vars=60))
    >>> module = scdd.model.SCDD.from_checked(checked).module
    >>> zeros = torch.zeros(3, dtype=torch.long)
    >>> start = Codes(torch.zeros(3, module.shape.autoencoder.n_latent), zeros, zeros, level=0.2)
    >>> target = torch.ones_like(start.z)
    >>> found = invert(module, start, target).latents(module)
    >>> bool((found - target).norm() < 0.1 * (start.latents(module) - target).norm())
    True
    """
    found = _fixed_point(module, codes, targets)
    return _nearest(module, codes, targets, n_steps, lr) if found is None else found


def _fixed_point(module: SCDDModule, codes: Codes, targets: Tensor) -> Codes | None:
    """Return the codes of the targets, or None where the iteration does not end there."""
    z, missed = codes.z, torch.zeros_like(targets)
    with torch.no_grad():
        for _ in range(_ROUNDS):
            missed = targets - codes.moved(z).denoise(module)
            z = z + missed
    return codes.moved(z) if bool(missed.abs().max() <= _CLOSE * targets.abs().max()) else None


def _nearest(module: SCDDModule, codes: Codes, targets: Tensor, n_steps: int, lr: float) -> Codes:
    z = codes.z.clone().requires_grad_()
    optimizer = torch.optim.Adam([z], lr=lr)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, n_steps)
    for _ in range(n_steps):
        loss = (codes.moved(z).denoise(module) - targets).square().sum()
        (z.grad,) = torch.autograd.grad(loss, z)
        optimizer.step()
        schedule.step()
    return codes.moved(z.detach())
