"""Distribution matching (Zhao & Bilen 2023, arXiv 2110.04181)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from scdd.objectives._base import OBJECTIVES, Objective, Step
from scdd.objectives._classes import averaging
from scdd.objectives._networks import ACTIVATIONS, Network


@dataclass(frozen=True)
class DistributionConfig:
    """Options of distribution matching.

    Parameters
    ----------
    hidden
        Widths of the layers of the random network; the last one is the embedding.
    activation
        ``"relu"``, ``"silu"`` or ``"tanh"``; also after the last layer.

    Examples
    --------
    >>> DistributionConfig().activation
    'relu'
    """

    hidden: tuple[int, ...] = (128, 128)
    activation: str = "relu"


@OBJECTIVES.register("distribution")
class DistributionMatching(Objective[DistributionConfig]):
    """Class means should agree in the embedding of a network that is drawn anew at every step and never trained.

    Squared distance of the class means of the embeddings, per dimension of the embedding, averaged over classes.

    Examples
    --------
    >>> x, y = torch.eye(4), torch.tensor([0, 0, 1, 1])
    >>> objective = DistributionMatching(n_features=4, n_classes=2, seed=0)
    >>> float(objective.loss(x, y, x, y, step=0))
    0.0
    """

    name: ClassVar[str] = "distribution"
    needs_classes: ClassVar[bool] = False
    config_class: ClassVar[type[DistributionConfig]] = DistributionConfig

    def set_network(self, network: Network) -> None:
        """Embed by this network of standardised features from now on, instead of by random ones.

        Parameters
        ----------
        network
            Takes (n, d) features.
        """
        self._given = network

    def network(self, step: int) -> Network:
        """Return the network of a step; it takes features centred and scaled over all classes.

        Parameters
        ----------
        step
            Number of the step; the same seed and step give the same result.

        Returns
        -------
        The network, which takes (n, d) features.
        """
        given: Network | None = getattr(self, "_given", None)
        if given is not None:
            return given
        return Network.draw(
            (self.n_features, *self.config.hidden),
            generator=self._stream(step),
            activation=self.config.activation,
            device=self.device,
            dtype=self.dtype,
        )

    def distance(self, syn: Tensor, syn_y: Tensor, real: Tensor, real_y: Tensor, classes: Tensor) -> Tensor:
        """Return the loss of what the network of a step gives.

        Parameters
        ----------
        syn, syn_y
            (m, h) and int64 (m,): outputs for the rows, before the last activation, and classes.
        real, real_y
            (n, h) and int64 (n,): the same of real cells.
        classes
            int64 (C,): classes that have both.

        Returns
        -------
        Scalar, differentiable with respect to ``syn``.
        """
        function = ACTIVATIONS.get(self.config.activation)[0]
        ours, theirs = (averaging(y, classes, self.dtype) @ function(h) for h, y in ((syn, syn_y), (real, real_y)))
        return (ours - theirs).square().mean()

    def _loss(self, step: Step) -> Tensor:
        network = self.network(step.number).unstandardised(self.real.center(), self.real.scale())
        with torch.no_grad():
            real = network.outputs(step.real_x)
        return self.distance(network.outputs(step.syn_x), step.syn_y, real, step.real_y, step.classes)
