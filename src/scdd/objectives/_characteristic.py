"""Characteristic-function matching with random frequencies (after Wang et al. 2025, arXiv 2502.20653)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from scdd.errors import InputError
from scdd.objectives._base import OBJECTIVES, Objective, Step
from scdd.objectives._classes import averaging
from scdd.objectives._projection import Projection, median_distance, whitened_pca


@dataclass(frozen=True)
class CharacteristicConfig:
    """Options of characteristic-function matching.

    Parameters
    ----------
    n_frequencies
        Random frequencies per step, shared evenly between the bandwidths.
    bandwidths
        Length scales of the frequencies, in units of the median distance between cells of one class: small ones see
        detail, large ones the means.
    amplitude, phase
        Weights of the difference in amplitude (spread of the cells) and in phase (where they are).
    n_components
        Principal components, each in units of its standard deviation within classes.

    Examples
    --------
    >>> CharacteristicConfig().n_frequencies
    1024
    """

    n_frequencies: int = 1024
    bandwidths: tuple[float, ...] = (0.5, 1.0, 2.0, 4.0)
    amplitude: float = 0.5
    phase: float = 0.5
    n_components: int = 50

    def __post_init__(self) -> None:
        if not self.bandwidths or min(self.bandwidths) <= 0 or self.n_frequencies < len(self.bandwidths):
            msg = f"bandwidths must be positive, with one frequency each at least, got {self}."
            raise InputError(msg)


@OBJECTIVES.register("characteristic")
class CharacteristicMatching(Objective[CharacteristicConfig]):
    r"""The characteristic function of each class, :math:`E\,e^{i t \cdot x}`, should agree at random frequencies t.

    Averaged over frequencies and classes:

    .. math:: \sqrt{a\,(|p| - |q|)^2 + 2 b\,(|p||q| - \mathrm{Re}\, p \bar q)}

    where p and q are the functions of the real and the synthetic rows, a and b the weights of amplitude and phase. The
    adversarial choice of frequencies of the paper is left out: its authors' released settings do not use it either.

    Examples
    --------
    >>> x, y = torch.eye(4), torch.tensor([0, 0, 1, 1])
    >>> objective = CharacteristicMatching(n_features=4, n_classes=2, seed=0)
    >>> round(float(objective.loss(x, y, x, y, step=0)), 3)
    0.0
    """

    name: ClassVar[str] = "characteristic"
    needs_classes: ClassVar[bool] = False
    config_class: ClassVar[type[CharacteristicConfig]] = CharacteristicConfig

    _smooth = 1e-3  # the square root is rounded off below this; amplitudes are at most 1

    def set_projection(self, projection: Projection) -> None:
        """Use this projection of the features instead of the whitened principal components.

        Parameters
        ----------
        projection
            Takes (n, d) features to (n, n_components).
        """
        self._given = projection
        self._fitted = 0

    def frequencies(self, step: int) -> Tensor:
        """Return the frequencies of a step: (n_components, n_frequencies).

        Parameters
        ----------
        step
            Number of the step; the same seed and step give the same result.

        Returns
        -------
        float (n_components, n_frequencies), in units of one over the features.
        """
        self._sync()
        n = self.config.n_frequencies
        normal = torch.randn(self._projection.weight.shape[1], n, generator=self._stream(step))
        widths = torch.tensor(self.config.bandwidths) * self._distance
        return (normal / widths[torch.arange(n) % len(widths)]).to(self.device, self.dtype)

    def projection(self) -> Projection:
        """Return the projection of features that the frequencies are for.

        Returns
        -------
        Projection of (n, d) to (n, n_components).
        """
        self._sync()
        return self._projection

    def _loss(self, step: Step) -> Tensor:
        project = self.projection()
        with torch.no_grad():
            real = project(step.real_x)
        return self.distance(project(step.syn_x), step.syn_y, real, step.real_y, step.classes, step.number)

    def distance(
        self, syn: Tensor, syn_y: Tensor, real: Tensor, real_y: Tensor, classes: Tensor, number: int
    ) -> Tensor:
        """Return the loss of projected features.

        Parameters
        ----------
        syn, syn_y
            (m, n_components) and int64 (m,): projected rows and their classes.
        real, real_y
            (n, n_components) and int64 (n,): the same of real cells.
        classes
            int64 (C,): classes that have both.
        number
            Number of the step.

        Returns
        -------
        Scalar, differentiable with respect to ``syn``.
        """
        frequencies = self.frequencies(number)
        with torch.no_grad():
            theirs = self._function(real, real_y, classes, frequencies)
        return self._gap(self._function(syn, syn_y, classes, frequencies), theirs)

    def _gap(self, syn: Tensor, real: Tensor) -> Tensor:
        tiny = self._smooth**2
        amplitude = ((syn.square().sum(0) + tiny).sqrt() - (real.square().sum(0) + tiny).sqrt()).square()
        # 2 (|p||q| - Re p conj(q)) = |p - q|^2 - (|p| - |q|)^2, which does not cancel to below zero near p = q
        phase = ((syn - real).square().sum(0) - amplitude).clamp_min(0)
        squared = self.config.amplitude * amplitude + self.config.phase * phase
        return ((squared + tiny).sqrt() - self._smooth).mean()

    def _function(self, x: Tensor, y: Tensor, classes: Tensor, frequencies: Tensor) -> Tensor:
        # (2, C, F): real and imaginary part
        return _Waves.apply(x @ frequencies, averaging(y, classes, self.dtype))

    def _fit(self) -> None:
        given: Projection | None = getattr(self, "_given", None)
        self._projection = whitened_pca(self.real, self.config.n_components) if given is None else given
        self._distance = median_distance(self._projection(self.real.sample_x), self.real.sample_y)


class _Waves(torch.autograd.Function):
    """Class means, (2, C, F), of cosine and sine of angles (m, F): each is the slope of the other, so both are kept."""

    @staticmethod
    def forward(ctx: Any, angle: Tensor, mean: Tensor) -> Tensor:
        cosine, sine = angle.cos(), angle.sin()
        ctx.save_for_backward(cosine, sine, mean)
        return torch.stack([mean @ cosine, mean @ sine])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, None]:
        cosine, sine, mean = ctx.saved_tensors
        along, across = mean.T @ grad[1], mean.T @ grad[0]
        return along.mul_(cosine).sub_(across.mul_(sine)), None
