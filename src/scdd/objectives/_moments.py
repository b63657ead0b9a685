"""Matching of class means and of the covariance within classes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import torch
from torch import Tensor

from scdd.objectives._base import OBJECTIVES, Objective, Step
from scdd.objectives._classes import averaging
from scdd.objectives._projection import whitened_pca


@dataclass(frozen=True)
class MomentsConfig:
    """Options of moment matching.

    Parameters
    ----------
    covariance
        Weight of the covariance term; 0 leaves it out. Classes with one row are left out of it.
    n_components
        Whitened principal components in which covariances are compared.
    sd_floor
        Added in quadrature to the standard deviation of every feature, in units of the root mean square over features:
        near-constant genes do not dominate.
    exact_means
        Compare with the means of all cells given to ``prepare`` instead of those of the batch, which are noisier.

    Examples
    --------
    >>> MomentsConfig().exact_means
    True
    """

    covariance: float = 0.1
    n_components: int = 20
    sd_floor: float = 0.3
    exact_means: bool = True


@OBJECTIVES.register("moments")
class MomentMatching(Objective[MomentsConfig]):
    """Class means, and with a weight the covariances within classes, should agree.

    Mean over classes and features of ((mean of rows - mean of cells) / sd)^2, where sd is the pooled standard deviation
    within classes; plus the weight times the mean squared difference of the covariances in whitened principal
    components.

    Examples
    --------
    >>> x, y = torch.eye(4), torch.tensor([0, 0, 1, 1])
    >>> objective = MomentMatching(n_features=4, n_classes=2, seed=0)
    >>> round(float(objective.loss(x, y, x, y, step=0)), 6)
    0.0
    """

    name: ClassVar[str] = "moments"
    needs_classes: ClassVar[bool] = False
    config_class: ClassVar[type[MomentsConfig]] = MomentsConfig

    def _loss(self, step: Step) -> Tensor:
        syn_mean = averaging(step.syn_y, step.classes, self.dtype) @ step.syn_x
        real_mean = averaging(step.real_y, step.classes, self.dtype) @ step.real_x
        if self.config.exact_means:
            known = self.real.counts[step.classes] > 0
            real_mean = torch.where(known[:, None], self._means[step.classes], real_mean)
        total = ((syn_mean - real_mean) / self._sd).square().mean()
        if self.config.covariance > 0:
            total = total + self.config.covariance * self._covariance_loss(step)
        return total

    def _covariance_loss(self, step: Step) -> Tensor:
        rows = torch.bincount(step.syn_y, minlength=self.n_classes)
        cells = torch.bincount(step.real_y, minlength=self.n_classes)
        classes = step.classes[(rows[step.classes] > 1) & (cells[step.classes] > 1)]
        if not len(classes):
            return step.syn_x.sum() * 0.0
        with torch.no_grad():
            real = self._covariance(step.real_x, step.real_y, classes)
        return (self._covariance(step.syn_x, step.syn_y, classes) - real).square().mean()

    def _covariance(self, x: Tensor, y: Tensor, classes: Tensor) -> Tensor:
        # (C, r * r)
        z = self._projection(x)
        mean = averaging(y, classes, self.dtype)
        first = mean @ z
        second = mean @ (z[:, :, None] * z[:, None, :]).flatten(1)
        return second - (first[:, :, None] * first[:, None, :]).flatten(1)

    def _fit(self) -> None:
        self._means = self.real.class_means()
        sd = self.real.within_sd()
        floor = self.config.sd_floor * sd.square().mean().sqrt()
        sd = (sd.square() + floor.square()).sqrt()
        self._sd = torch.where(sd > 0, sd, torch.ones_like(sd))  # one cell per class: feature units
        if self.config.covariance > 0:
            self._projection = whitened_pca(self.real, self.config.n_components)
