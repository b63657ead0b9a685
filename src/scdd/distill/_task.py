"""One distillation as an object: its steps, each a call, over the same module, cells and configuration."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scdd.data import Source
from scdd.data._moments import within_class_log_sd
from scdd.distill._calibrate import calibrate
from scdd.distill._config import DistillConfig
from scdd.distill._denoise import Denoising
from scdd.distill._nuisance import nuisance_directions
from scdd.distill._refine import RealBatches, RefineResult, RowFeatures, Space, refine
from scdd.distill._rows import RenderedRows, RowPlan, Shape, render_rows, seen_rows
from scdd.distill._start import Start, start_rows
from scdd.module import SCDDModule
from scdd.objectives import build

_BATCHES = 8  # of real cells, by which rows are calibrated


@dataclass(frozen=True)
class Finish:
    """What is done to rows between their place and their counts, beyond the configuration.

    Attributes
    ----------
    spread
        How far denoised rows go to their own places, whatever the distance of the classes; None: as configured.
    calibrated
        Whether they are calibrated, where the configuration has a calibration.
    nuisance
        Number of directions in which classes shall not differ; None: as configured.
    levels
        Largest gap by which classes must differ in a gene to differ in a denoised row; None: as configured.
    """

    spread: float | None = None
    calibrated: bool = True
    nuisance: int | None = None
    levels: float | None = None

    def told(self, config: DistillConfig) -> dict[str, Any]:
        """Return it for the record."""
        return {
            "spread": "auto" if self.spread is None else str(self.spread),
            "calibrated": self.calibrated and config.calibration is not None,
            "nuisance": config.nuisance if self.nuisance is None else self.nuisance,
            "levels": config.levels if self.levels is None else self.levels,
        }


@dataclass(frozen=True)
class Task:
    """What a distillation works on; see :func:`scdd.distill.distill`.

    Attributes
    ----------
    module, source, latents, sizes, config, seed, deadline, on_step, space
        As there.
    """

    module: SCDDModule
    source: Source
    latents: NDArray[np.float32]
    sizes: NDArray[np.integer]
    config: DistillConfig
    seed: int
    deadline: float | None
    on_step: Callable[[float | None], None] | None = None
    space: Space | None = None
    _noise: dict[Source, NDArray[np.float64]] = field(default_factory=dict, init=False, repr=False)
    _nuisance: dict[tuple[Source, int], NDArray[np.float64]] = field(default_factory=dict, init=False, repr=False)

    @property
    def hvg(self) -> NDArray[np.bool_]:
        """Mask (n_vars,) of the highly variable genes."""
        mask = np.zeros(self.source.n_vars, dtype=bool)
        mask[self.module.hvg.cpu().numpy()] = True
        return mask

    @property
    def out_of_time(self) -> bool:
        """Whether the deadline has passed."""
        return self.deadline is not None and time.monotonic() > self.deadline

    def step(self) -> None:
        """Tell that something is done that has no loss."""
        if self.on_step is not None:
            self.on_step(None)

    def noise(self, source: Source) -> NDArray[np.float64]:
        """Return the standard deviation of the log expression of each HVG within classes (n_hvg,), of some cells."""
        if source not in self._noise:  # one pass over the cells
            self._noise[source] = within_class_log_sd(source, self.module.hvg.cpu().numpy())
        return self._noise[source]

    def nuisance(self, source: Source, finish: Finish) -> NDArray[np.float64]:
        """Return the directions (n_hvg, n) in which classes shall not differ, from some cells; none if it is not worth it."""
        n = self.config.nuisance if finish.nuisance is None else finish.nuisance
        if n == 0:
            return np.zeros((len(self.module.hvg), 0))
        if (source, n) not in self._nuisance:
            batches = self._real(source).few(_BATCHES)
            self._nuisance[source, n] = nuisance_directions(batches, n, least_gain=self.config.nuisance_gain)
        return self._nuisance[source, n]

    def denoising(self, source: Source, finish: Finish) -> Denoising:
        """Return what is done to denoised rows among some cells."""
        return Denoising(
            self.config.spread if finish.spread is None else finish.spread,
            self.config.levels if finish.levels is None else finish.levels,
            self.noise(source),
            by_distance=finish.spread is None,
            nuisance=self.nuisance(source, finish),
        )

    def start(self, cells: NDArray[np.int64], rendering: str | None = None) -> Start:
        """Place the rows among some cells; None: rendered as configured."""
        config = self.config if rendering is None else replace(self.config, rendering=rendering)
        return start_rows(self.module, self.source, self.latents, cells, self.sizes, config=config, seed=self.seed)

    def refine(self, source: Source, start: Start, n_steps: int, finish: Finish) -> RefineResult:
        """Move the codes along the objective, towards the cells of ``source``."""
        config, device = self.config, self.module.device
        assert config.objective is not None
        hvg = self.module.hvg
        n_features = len(hvg) if self.space is None else self.space(torch.zeros(1, len(hvg), device=device)).shape[1]
        library = torch.from_numpy(start.plan.library.astype(np.float32)).to(device)
        corrections = None
        if start.evidence is not None:
            corrections = start.evidence.corrections(self.module, start.plan.kind == "denoised")
        features = RowFeatures(self.module, library, corrections)
        features.drawn = self._drawn(features, source, start, finish)
        return refine(
            start.codes,
            features,
            build(
                config.objective,
                n_features=n_features,
                n_classes=len(source.class_names),
                seed=self.seed,
                device=device,
            ),
            self._real(source),
            scale=self.module.within_sd,
            config=replace(config.refine, n_steps=n_steps),
            space=self.space,
            keep_last=not config.referee,
            deadline=self.deadline,
            on_step=self.on_step,
        )

    def _real(self, source: Source) -> RealBatches:
        per_class, hvg = self.config.refine.real_per_class, self.module.hvg.cpu().numpy()
        return RealBatches(source, hvg, per_class=per_class, seed=self.seed, device=self.module.device)

    @torch.no_grad()
    def _drawn(self, features: RowFeatures, source: Source, start: Start, finish: Finish) -> tuple[Tensor, Tensor]:
        towards, left = self.denoising(source, finish).drawn(features(start.codes).cpu().numpy(), start.plan)
        return torch.from_numpy(towards).to(self.module.device), torch.from_numpy(left).to(self.module.device)

    @torch.no_grad()
    def render(self, source: Source, start: Start, finish: Finish) -> RenderedRows:
        """Write the rows as counts, calibrated on the cells of ``source``."""
        return render_rows(
            self.module, start.codes.latents(self.module), start.plan,
            evidence=start.evidence, shape=self._shape(source, finish), seed=self.seed,
        )  # fmt: skip

    @torch.no_grad()
    def seen(self, source: Source, start: Start, finish: Finish) -> tuple[NDArray[np.float32], NDArray[np.float64]]:
        """Return what test models see of :meth:`render`: counts of the HVGs (n, n_hvg) and the total of all genes (n,)."""
        return seen_rows(
            self.module, start.codes.latents(self.module), start.plan,
            evidence=start.evidence, shape=self._shape(source, finish), seed=self.seed,
        )  # fmt: skip

    def _shape(self, source: Source, finish: Finish) -> Shape:
        def shape(target: NDArray[np.floating], plan: RowPlan) -> NDArray[np.floating]:
            target = self.denoising(source, finish)(target, plan)
            if self.config.calibration is None or not finish.calibrated:
                return target
            return calibrate(
                target,
                plan,
                self._real(source).few(_BATCHES),
                scale=self.noise(source),
                config=self.config.calibration,
            )

        return shape


@contextmanager
def frozen(module: SCDDModule) -> Iterator[None]:
    """Keep the module as it is while codes move: no gradient is collected for its parameters."""
    parameters = [p for p in module.parameters() if p.requires_grad]
    for p in parameters:
        p.requires_grad_(False)
    try:
        yield
    finally:
        for p in parameters:
            p.requires_grad_(True)
