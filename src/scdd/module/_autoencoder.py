"""Latent space: a supervised head on the encoder's features, and a decoder with a count likelihood."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from scdd.module._likelihood import nb_cross_entropy


@dataclass(frozen=True)
class AutoencoderConfig:
    """Shape and loss of the :class:`Autoencoder`.

    Attributes
    ----------
    n_latent
        Dimension of the latent space.
    n_hidden
        Width of the hidden layer, in the head and in the decoder.
    input_dropout
        Share of input features that are dropped in a training step.
    latent_noise
        Standard deviation of the noise on the latent in a training step: what makes the decoder smooth.
    reconstruction_weight, class_weight, latent_weight
        Weights of the mean count loss, of the cross-entropy of the class and of the mean squared latent.
    """

    n_latent: int = 32
    n_hidden: int = 256
    input_dropout: float = 0.1
    latent_noise: float = 0.1
    reconstruction_weight: float = 10.0
    class_weight: float = 1.0
    latent_weight: float = 1e-3


class Autoencoder(nn.Module):
    """Features of a cell -> latent -> expression of the highly variable genes, with a class head.

    The features are the log-normalised HVGs (encoder "self": head and decoder are then an autoencoder trained on the
    data) or the frozen embedding of a foundation encoder. Public latents are standardised: mean 0 and standard
    deviation 1 in every dimension over the training cells, once :meth:`standardise` has been called.

    Parameters
    ----------
    n_features
        Width of the encoder's features.
    n_genes
        Number of highly variable genes that are decoded.
    n_classes
        Number of classes.
    config
        Shape and loss.
    """

    loc: Tensor
    scale: Tensor
    theta: Tensor
    feature_loc: Tensor
    feature_scale: Tensor

    def __init__(
        self, n_features: int, n_genes: int, n_classes: int, *, config: AutoencoderConfig | None = None
    ) -> None:
        super().__init__()
        self.config = config = config or AutoencoderConfig()
        self.n_features, self.n_genes, self.n_classes = n_features, n_genes, n_classes
        self.head = nn.Sequential(
            nn.Linear(n_features, config.n_hidden),
            nn.LayerNorm(config.n_hidden),
            nn.SiLU(),
            nn.Linear(config.n_hidden, config.n_latent),
        )
        self.decoder = nn.Sequential(
            nn.Linear(config.n_latent, config.n_hidden), nn.SiLU(), nn.Linear(config.n_hidden, n_genes)
        )
        self.classifier = nn.Linear(config.n_latent, n_classes)
        self.register_buffer("loc", torch.zeros(config.n_latent))
        self.register_buffer("scale", torch.ones(config.n_latent))
        self.register_buffer("feature_loc", torch.zeros(n_features))
        self.register_buffer("feature_scale", torch.ones(n_features))
        self.register_buffer("theta", torch.ones(n_genes))

    def encode(self, features: Tensor) -> Tensor:
        """Return standardised latents (n, n_latent) of features (n, n_features)."""
        return self._latents(self._inputs(features))

    def log_proportions(self, z: Tensor) -> Tensor:
        """Return the log of each gene's share of the counts of the HVGs (n, n_genes), at standardised latents."""
        return F.log_softmax(self.decoder(z * self.scale + self.loc), dim=-1)

    def class_logits(self, z: Tensor) -> Tensor:
        """Return the logits of the classes (n, n_classes), at standardised latents."""
        return self.classifier(z * self.scale + self.loc)

    def loss(
        self, features: Tensor, counts: Tensor, labels: Tensor, *, generator: torch.Generator
    ) -> dict[str, Tensor]:
        """Return the training losses of a batch; the entry ``"loss"`` is the one to minimise.

        Parameters
        ----------
        features
            (n, n_features) float32.
        counts
            (n, n_genes) float32: raw counts of the HVGs.
        labels
            (n,) int64.
        generator
            Source of the input dropout and of the latent noise.
        """
        config = self.config
        inputs = self._inputs(features)
        if config.input_dropout:  # of centred inputs, whose mean is then what it is without
            keep = torch.rand(features.shape, generator=generator, device=features.device) >= config.input_dropout
            inputs = inputs * keep / (1 - config.input_dropout)
        z = self._latents(inputs)
        noisy = z + config.latent_noise * torch.randn(z.shape, generator=generator, device=z.device)
        log_mu = self.log_proportions(noisy) + counts.sum(1, keepdim=True).clamp_min(1).log()
        reconstruction = nb_cross_entropy(counts, log_mu, self.theta).mean()
        cross_entropy = F.cross_entropy(self.class_logits(noisy), labels)
        total = (
            config.reconstruction_weight * reconstruction
            + config.class_weight * cross_entropy
            + config.latent_weight * z.square().mean()
        )
        return {"loss": total, "reconstruction": reconstruction, "classification": cross_entropy}

    @torch.no_grad()
    def scale_features(self, features: Tensor) -> None:
        """Bring the features (n, n_features) of an encoder to mean 0 and standard deviation 1: embeddings differ in scale."""
        mean, sd = features.mean(0), features.std(0, correction=0)
        self.feature_loc.copy_(mean)
        # a constant differs from its mean by rounding alone
        self.feature_scale.copy_(torch.where(sd > 1e-6 * (1 + mean.abs()), sd, torch.ones_like(sd)))

    @torch.no_grad()
    def standardise(self, z: Tensor) -> None:
        """Make the latents of the training cells have mean 0 and standard deviation 1; the decoder is unchanged.

        Parameters
        ----------
        z
            Latents (n, n_latent) of the training cells, as :meth:`encode` gives them now.
        """
        raw = z * self.scale + self.loc
        self.loc.copy_(raw.mean(0))
        self.scale.copy_(raw.std(0, correction=0).clamp_min(1e-3))

    def _inputs(self, features: Tensor) -> Tensor:
        return (features - self.feature_loc) / self.feature_scale

    def _latents(self, inputs: Tensor) -> Tensor:
        return (self.head(inputs) - self.loc) / self.scale
