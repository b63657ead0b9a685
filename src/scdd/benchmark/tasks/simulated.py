"""Simulated cells: no file is needed."""

from __future__ import annotations

from typing import TYPE_CHECKING

from scdd.benchmark._task import TASKS, Task

if TYPE_CHECKING:
    from anndata import AnnData


def load() -> AnnData:
    """Return simulated cells of 5 donors."""
    from scdd.datasets import simulate

    return simulate(n_obs=600, n_vars=200, n_classes=5, n_batches=5, depth=600, effect=0.4, seed=0)


TASKS.register("simulated")(
    Task("simulated", load, donor_key="donor", note="Simulated: for tests and examples, not for claims.")
)
