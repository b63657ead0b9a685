"""One distillation as an object: its steps, each a call, over the same module, cells and configuration."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scdd.data import Source
from scdd.data._moments import within_class_log_sd
from scdd.distill._config import DistillConfig
from scdd.distill._levels import Denoising
from scdd.distill._refine import RealBatches, RefineResult, RowFeatures, refine
from scdd.distill._rows import RenderedRows, render_rows
from scdd.distill._start import Start, start_rows
from scdd.module import SCDDModule
from scdd.objectives import build


@dataclass(frozen=True)
class Task:
    """What a distillation works on; see :func:`scdd.distill.distill`.

    Attributes
    ----------
    module, source, latents, sizes, config, seed, deadline
        As there.
    """

    module: SCDDModule
    source: Source
    latents: NDArray[np.float32]
    sizes: NDArray[np.integer]
    config: DistillConfig
    seed: int
    deadline: float | None

    @property
    def hvg(self) -> NDArray[np.bool_]:
        """Mask (n_vars,) of the highly variable genes."""
        mask = np.zeros(self.source.n_vars, dtype=bool)
        mask[self.module.hvg.cpu().numpy()] = True
        return mask

    @cached_property
    def denoising(self) -> Denoising:
        """What is done to denoised rows; one pass over the cells."""
        noise = within_class_log_sd(self.source, self.module.hvg.cpu().numpy())
        return Denoising(self.config.spread, self.config.levels, noise)

    def start(self, cells: NDArray[np.int64]) -> Start:
        """Place the rows among some cells."""
        return start_rows(self.module, self.source, self.latents, cells, self.sizes, config=self.config, seed=self.seed)

    def refine(
        self, source: Source, start: Start, n_steps: int, on_step: Callable[[float], None] | None = None
    ) -> RefineResult:
        """Move the codes along the objective, towards the cells of ``source``."""
        config, device = self.config, self.module.device
        assert config.objective is not None
        hvg = self.module.hvg.cpu().numpy()
        library = torch.from_numpy(start.plan.library.astype(np.float32)).to(device)
        corrections = None
        if start.evidence is not None:
            corrections = start.evidence.corrections(self.module, start.plan.kind == "denoised")
        features = RowFeatures(self.module, library, corrections)
        features.drawn = self._drawn(features, start)
        return refine(
            start.codes,
            features,
            build(
                config.objective, n_features=len(hvg), n_classes=len(source.class_names), seed=self.seed, device=device
            ),
            RealBatches(source, hvg, per_class=config.refine.real_per_class, seed=self.seed, device=device),
            scale=self.module.within_sd,
            config=replace(config.refine, n_steps=n_steps),
            deadline=self.deadline,
            on_step=on_step,
        )

    @torch.no_grad()
    def _drawn(self, features: RowFeatures, start: Start) -> tuple[Tensor, Tensor]:
        towards, left = self.denoising.drawn(features(start.codes).cpu().numpy(), start.plan)
        return torch.from_numpy(towards).to(self.module.device), torch.from_numpy(left).to(self.module.device)

    @torch.no_grad()
    def render(self, start: Start) -> RenderedRows:
        """Write the rows as counts."""
        latents = start.codes.latents(self.module)
        return render_rows(
            self.module, latents, start.plan, evidence=start.evidence, denoising=self.denoising, seed=self.seed
        )


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
