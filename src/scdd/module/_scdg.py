"""The single-step conditional diffusion generator (SCDG)."""

from __future__ import annotations

import math
from dataclasses import dataclass

import torch
from torch import Tensor, nn


@dataclass(frozen=True)
class SCDGConfig:
    """Shape of the :class:`SCDG`.

    Attributes
    ----------
    n_hidden
        Width of the residual blocks.
    n_blocks
        Number of residual blocks.
    n_condition
        Width of the embedding of class, batch and noise level.
    drop_batch
        Probability that a training group loses its batch condition.
    """

    n_hidden: int = 192
    n_blocks: int = 3
    n_condition: int = 64
    drop_batch: float = 0.2


class SCDG(nn.Module):
    r"""One-call denoiser of latents, conditioned on class, batch and noise level.

    With :math:`z_t = (1-t) z_0 + t\,\epsilon`, :math:`\epsilon \sim N(0, I)` and :math:`t \in [0, 1]`,

    .. math:: G(z_t, t, y, b) = z_t - t\, F(z_t, t, y, b)

    is one network call: the identity at :math:`t=0`, a sample of the class from pure noise at :math:`t=1`, and in
    between the return of a lightly noised latent to the data manifold. How F is trained is the matter of an engine
    (:mod:`scdd.module.engines`).

    F is a network on top of a closed form. Were the latents of a class Gaussian, :math:`N(\mu_y, \Sigma_y)`, the map

    .. math:: G_0(z_t, t, y) = \mu_y + \Sigma_y^{1/2} \left((1-t)^2 \Sigma_y + t^2 I\right)^{-1/2} (z_t - (1-t) \mu_y)

    would already turn noised latents into latents of the class, in one step and at every level. :meth:`start_from` gives
    it the means and covariances; the network, whose last layer starts at zero, learns what differs from it. So a
    generator starts as good as a Gaussian of each class. Before that it is the identity.

    Parameters
    ----------
    n_latent
        Dimension of the (standardised) latents.
    n_classes, n_batches
        Number of conditions; one more of each is learnt, the null condition.
    config
        Shape of the network.

    References
    ----------
    Yu et al., scDD: Latent Codes Based scRNA-seq Dataset Distillation with Foundation Model Knowledge,
    arXiv 2503.04357.
    """

    started: Tensor
    mean: Tensor
    basis: Tensor
    sd: Tensor

    def __init__(self, n_latent: int, n_classes: int, n_batches: int = 1, *, config: SCDGConfig | None = None) -> None:
        super().__init__()
        self.config = config = config or SCDGConfig()
        self.n_latent, self.n_classes, self.n_batches = n_latent, n_classes, n_batches
        self.class_embedding = nn.Embedding(n_classes + 1, config.n_condition)
        self.batch_embedding = nn.Embedding(n_batches + 1, config.n_condition)
        self.level_embedding = nn.Sequential(
            nn.Linear(_N_FOURIER, config.n_condition), nn.SiLU(), nn.Linear(config.n_condition, config.n_condition)
        )
        self.input = nn.Linear(n_latent, config.n_hidden)
        self.blocks = nn.ModuleList(_FiLMBlock(config.n_hidden, config.n_condition) for _ in range(config.n_blocks))
        self.output = nn.Linear(config.n_hidden, n_latent)
        nn.init.zeros_(self.output.weight)
        nn.init.zeros_(self.output.bias)
        self.register_buffer("started", torch.zeros((), dtype=torch.bool))
        self.register_buffer("mean", torch.zeros(n_classes + 1, n_latent))
        self.register_buffer("basis", torch.eye(n_latent).repeat(n_classes + 1, 1, 1))
        self.register_buffer("sd", torch.ones(n_classes + 1, n_latent))

    @property
    def null_class(self) -> int:
        """Index of the class condition that stands for "any class"."""
        return self.n_classes

    @property
    def null_batch(self) -> int:
        """Index of the batch condition that stands for "any batch"."""
        return self.n_batches

    @torch.no_grad()
    def start_from(self, mean: Tensor, covariance: Tensor) -> None:
        """Take the Gaussians of the classes for the closed form that the network corrects.

        Parameters
        ----------
        mean, covariance
            (n_classes + 1, n_latent) and (n_classes + 1, n_latent, n_latent); the last is that of all classes together.
        """
        variance, basis = torch.linalg.eigh(covariance)
        self.mean.copy_(mean)
        self.basis.copy_(basis)
        self.sd.copy_(variance.clamp_min(1e-6).sqrt())
        self.started.fill_(True)

    @torch.no_grad()
    def reset(self) -> None:
        """Become the identity again: what was learnt of other latents is no direction of these."""
        self.output.weight.zero_()
        self.output.bias.zero_()
        self.started.fill_(False)

    def gaussian_direction(self, z: Tensor, t: Tensor, labels: Tensor) -> Tensor:
        """Return the direction (n, n_latent) of the closed form: that of a Gaussian of each class."""
        t = t[:, None]
        mean, basis, sd = (v[labels].to(z.dtype) for v in (self.mean, self.basis, self.sd))
        along = ((z - (1 - t) * mean)[:, None] @ basis)[:, 0]
        shrink = 1 - sd / ((1 - t).square() * sd.square() + t.square()).sqrt()
        return (basis @ (along * shrink / t.clamp_min(1e-6))[:, :, None])[:, :, 0] - mean

    def direction(self, z: Tensor, t: Tensor, labels: Tensor, batches: Tensor) -> Tensor:
        """Return F(z, t, y, b): (n, n_latent); the straight way from the data to ``z``, per unit of noise level."""
        condition = (
            self.class_embedding(labels) + self.batch_embedding(batches) + self.level_embedding(_fourier(t).to(z.dtype))
        )
        h = self.input(z)
        for block in self.blocks:
            h = block(h, condition)
        learnt = self.output(h)
        return learnt + self.gaussian_direction(z, t, labels) if self.started else learnt

    def forward(self, z: Tensor, t: Tensor, labels: Tensor, batches: Tensor, guidance: float = 1.0) -> Tensor:
        """Denoise latents in one call.

        Parameters
        ----------
        z
            Noised latents or codes (n, n_latent).
        t
            Noise level of each, in [0, 1]: (n,).
        labels, batches
            Conditions (n,) int64; :attr:`null_class` and :attr:`null_batch` stand for none.
        guidance
            1 is the plain conditional call; w > 1 goes further from "any class" by the factor w (classifier-free
            guidance inside the one call: both directions are computed as one batch).

        Returns
        -------
        Latents on the data manifold (n, n_latent).
        """
        if guidance == 1.0:
            return z - t[:, None] * self.direction(z, t, labels, batches)
        both = self.direction(
            z.repeat(2, 1),
            t.repeat(2),
            torch.cat([labels, torch.full_like(labels, self.null_class)]),
            batches.repeat(2),
        )
        conditional, free = both.chunk(2)
        return z - t[:, None] * (free + guidance * (conditional - free))


class _FiLMBlock(nn.Module):
    """Residual block whose hidden features are scaled and shifted by the condition."""

    def __init__(self, n_hidden: int, n_condition: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(n_hidden)
        self.inner = nn.Linear(n_hidden, n_hidden)
        self.film = nn.Linear(n_condition, 2 * n_hidden)
        self.outer = nn.Linear(n_hidden, n_hidden)

    def forward(self, h: Tensor, condition: Tensor) -> Tensor:
        scale, shift = self.film(condition).chunk(2, dim=-1)
        inner = nn.functional.silu(self.inner(self.norm(h)) * (1 + scale) + shift)
        return h + self.outer(inner)


_N_FOURIER = 16


def _fourier(t: Tensor) -> Tensor:
    """Cosine features of the noise level: (n,) -> (n, 16)."""
    return torch.cos(math.pi * t[:, None] * torch.arange(_N_FOURIER, device=t.device, dtype=t.dtype))
