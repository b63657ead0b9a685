"""Where a result comes from: names, sizes, encoder, versions, quality."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from scdd._compat import warn
from scdd._version import versions

if TYPE_CHECKING:
    from collections.abc import Sequence

    from scdd.distill import DistillConfig, Distilled
    from scdd.model._scdd import SCDD


def provenance(model: SCDD) -> dict[str, Any]:
    """Return what every result of a model records in ``uns["scdd"]``; labels are values, never keys."""
    meta = model._meta
    return {
        "labels_key": meta.labels_key,
        "batch_key": meta.batch_key,
        "donor_key": meta.donor_key,
        "layer": meta.layer,
        "classes": meta.class_names,
        "class_sizes": model.module.sizes.sum(1).cpu().numpy(),
        "n_obs": meta.n_obs,
        "encoder": {
            "name": model._encoder.spec,
            "version": model._encoder.info.version,
            "licence": model._encoder.info.licence,
            "hash": model._encoder.content_hash(),
            "sha256": next(iter(model._encoder.file_hashes().values()), None),
            "reason": model._encoder.reason,
            "trained_on": ", ".join(model._encoder.info.trained_on),
            "genes": None if model._encoder.coverage is None else str(model._encoder.coverage),
        },
        "engine": model._engine,
        "training": model._status,
        "quality": model._quality,
        "versions": versions(),
    }


def overall_status(ends: Sequence[str]) -> str:
    """Return the worst of the ways in which the stages ended."""
    return next((s for s in ("interrupted", "out_of_time", "not_finite") if s in ends), "complete")


def unused_objective(objective: Any, config: DistillConfig, result: Distilled) -> list[str]:
    """Warn of an objective that was asked for and could not be judged, and return the warning."""
    if (
        objective in ("auto", "none", None)
        or not config.referee
        or result.status != "complete"
        or result.record["inner"]
    ):
        return []
    message = (
        "Too few cells to hold some out, or one class only: there is no inner referee, and the objective was not used. "
        "preset='paper' refines without one."
    )
    warn(message)
    return [message]
