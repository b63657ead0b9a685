"""Everything that is trained, as one torch module: what is saved and loaded."""

from __future__ import annotations

from dataclasses import dataclass, field

import torch
from torch import Tensor, nn

from scdd.module._autoencoder import Autoencoder, AutoencoderConfig
from scdd.module._decoder import RestDecoder
from scdd.module._library import LibraryModel
from scdd.module._noise import CountNoise
from scdd.module._scdg import SCDG, SCDGConfig


@dataclass(frozen=True)
class ModuleShape:
    """What fixes the shapes of all tensors of an :class:`SCDDModule`.

    Attributes
    ----------
    n_features
        Width of the encoder's features.
    n_vars, n_hvg
        Number of all genes and of highly variable genes.
    n_classes, n_batches
        Number of classes and batches.
    """

    n_features: int
    n_vars: int
    n_hvg: int
    n_classes: int
    n_batches: int = 1
    autoencoder: AutoencoderConfig = field(default_factory=AutoencoderConfig)
    scdg: SCDGConfig = field(default_factory=SCDGConfig)


_PRIOR_CELLS = 20  # the pooled covariance weighs as much as this many cells of a class


def _shrunken_covariances(residual: Tensor, labels: Tensor, n_classes: int) -> Tensor:
    """Return the covariances (n_classes, d, d) within the classes, each shrunken to the pooled one."""
    d = residual.shape[1]
    pooled = residual.T @ residual / len(residual) + 1e-4 * torch.eye(d, device=residual.device)
    covariances = []
    for label in range(n_classes):
        own = residual[labels == label]
        covariances.append((own.T @ own + _PRIOR_CELLS * pooled) / (len(own) + _PRIOR_CELLS))
    return torch.stack(covariances)


class SCDDModule(nn.Module):
    """Latent head, generator and decoder to the rates of all genes.

    Parameters
    ----------
    shape
        Sizes and configurations.
    hvg
        Indices (n_hvg,) of the highly variable genes, increasing.

    Notes
    -----
    The way of a code: ``code -> scdg (one call) -> latent -> rates -> counts``. A rate is the expected share of a
    gene in the total counts of a cell, so the rates of a cell sum to 1.
    """

    hvg: Tensor
    rest: Tensor
    theta: Tensor
    class_means: Tensor
    grand_mean: Tensor
    within_sd: Tensor
    class_covariances: Tensor
    sizes: Tensor

    def __init__(self, shape: ModuleShape, hvg: Tensor) -> None:
        super().__init__()
        self.shape = shape
        n_latent = shape.autoencoder.n_latent
        outside = torch.ones(shape.n_vars, dtype=torch.bool)
        outside[hvg] = False
        self.register_buffer("hvg", hvg.long())
        self.register_buffer("rest", outside.nonzero()[:, 0])
        self.register_buffer("theta", torch.ones(shape.n_vars))
        self.register_buffer("class_means", torch.zeros(shape.n_classes, n_latent))
        self.register_buffer("grand_mean", torch.zeros(n_latent))
        self.register_buffer("within_sd", torch.ones(n_latent))
        self.register_buffer("class_covariances", torch.eye(n_latent).repeat(shape.n_classes, 1, 1))
        self.register_buffer("sizes", torch.zeros(shape.n_classes, shape.n_batches, dtype=torch.int64))
        self.autoencoder = Autoencoder(shape.n_features, shape.n_hvg, shape.n_classes, config=shape.autoencoder)
        self.rest_decoder = RestDecoder(n_latent, shape.n_vars - shape.n_hvg)
        self.library = LibraryModel(shape.n_classes, shape.n_batches)
        self.noise = CountNoise(shape.n_vars)
        self.scdg = SCDG(n_latent, shape.n_classes, shape.n_batches, config=shape.scdg)

    @property
    def device(self) -> torch.device:
        """Device of the parameters."""
        return self.hvg.device

    def hvg_share(self, z: Tensor) -> Tensor:
        """Return the share (n, 1) of the counts that the highly variable genes take at latents (n, n_latent)."""
        return 1 - self.rest_decoder(z).sum(1, keepdim=True)

    def hvg_rates(self, z: Tensor, share: Tensor | None = None) -> Tensor:
        """Return the rates (n, n_hvg) of the highly variable genes at latents (n, n_latent).

        ``share`` (n, 1) is that of :meth:`hvg_share` where it is known: it takes most of the time, being a sum over all
        other genes.
        """
        return self.autoencoder.log_proportions(z).exp() * (self.hvg_share(z) if share is None else share)

    def rates(self, z: Tensor) -> Tensor:
        """Return the rates (n, n_vars) of all genes at latents (n, n_latent); every row sums to 1."""
        rest = self.rest_decoder(z)
        out = z.new_empty(len(z), self.shape.n_vars)
        out[:, self.rest] = rest
        out[:, self.hvg] = self.autoencoder.log_proportions(z).exp() * (1 - rest.sum(1, keepdim=True))
        return out

    def gaussian(self, codes: Tensor, labels: Tensor) -> Tensor:
        """Map whitened codes (n, n_latent) to the shrunken Gaussian of their class: the control of the generator."""
        factors = torch.linalg.cholesky(self.class_covariances)[labels].to(codes.dtype)
        return self.class_means[labels].to(codes.dtype) + (factors @ codes[:, :, None])[:, :, 0]

    def shift(self, labels: Tensor) -> Tensor:
        """Return the way (n, n_latent) from the mean of all classes to the mean of each label's class."""
        return self.class_means[labels] - self.grand_mean

    def start_generator(self, z: Tensor) -> None:
        """Let the generator start from the Gaussians of the classes, and of all latents ``z`` (n, n_latent) together."""
        whole = torch.cov(z.T, correction=0) + 1e-4 * torch.eye(z.shape[1], device=z.device)
        self.scdg.start_from(
            torch.cat([self.class_means, z.mean(0, keepdim=True)]), torch.cat([self.class_covariances, whole[None]])
        )

    @torch.no_grad()
    def set_latent_statistics(self, z: Tensor, labels: Tensor, batches: Tensor) -> None:
        """Store what the latents (n, n_latent) of the training cells are like.

        The size of every class and batch, the mean of every class, the grand mean (in which every class counts the same), and the standard
        deviation within classes.
        """
        n_classes = self.shape.n_classes
        sizes = torch.bincount(labels, minlength=n_classes)
        # on the CPU, where the order of the sum is always the same
        sums = torch.zeros(n_classes, z.shape[1]).index_add_(0, labels.cpu(), z.cpu()).to(z.device)
        self.class_means.copy_(sums / sizes.clamp_min(1)[:, None])
        self.grand_mean.copy_(self.class_means.mean(0))
        residual = z - self.class_means[labels]
        self.within_sd.copy_(residual.square().mean(0).sqrt().clamp_min(1e-3))
        self.class_covariances.copy_(_shrunken_covariances(residual, labels, n_classes))
        pairs = labels * self.shape.n_batches + batches
        self.sizes.copy_(torch.bincount(pairs, minlength=self.sizes.numel()).reshape(self.sizes.shape))
