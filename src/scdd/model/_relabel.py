"""Cells for a loaded model, with their classes and batches numbered as the model numbers them."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scdd.data import SubsetSource
from scdd.errors import LabelError
from scdd.pp import CheckedInput, check

if TYPE_CHECKING:
    from collections.abc import Sequence

    from anndata import AnnData

    from scdd.model._metadata import Metadata
    from scdd.pp._labels import Unlabeled


def relabelled_check(
    adata: AnnData,
    meta: Metadata,
    *,
    layer: str | None = None,
    unlabeled: Unlabeled = "error",
    allow_normalized: bool = False,
) -> CheckedInput:
    """Check cells whose genes are those of the model, and give classes and batches the model's codes.

    They go through the door as the cells of the training did; ``layer``, ``unlabeled`` and ``allow_normalized`` change
    that where they are given.

    Raises
    ------
    scdd.errors.LabelError
        If a class or a batch is not known to the model.
    """
    checked = check(
        adata,
        labels_key=meta.labels_key,
        batch_key=meta.batch_key,
        donor_key=meta.donor_key,
        layer=meta.layer if layer is None else layer,
        unlabeled=meta.unlabeled if unlabeled == "error" else unlabeled,
        allow_normalized=meta.allow_normalized or allow_normalized,
        allow_identifiers=True,
    )
    source = SubsetSource(checked.source, np.arange(checked.source.n_obs))
    classes = _positions(source.class_names, meta.class_names, f"classes of {meta.labels_key!r}")
    batches = _positions(source.batch_names, meta.batch_names, f"batches of {meta.batch_key!r}")
    source.labels = classes[source.labels].astype(np.int32)
    source.batches = batches[source.batches].astype(np.int32)
    source.class_names, source.batch_names = tuple(meta.class_names), tuple(meta.batch_names)
    return replace(checked, source=source, class_codes=np.asarray(meta.class_codes))


def _positions(names: Sequence[str], known: Sequence[str], what: str) -> NDArray[np.int64]:
    position = {name: k for k, name in enumerate(known)}
    unknown = [name for name in names if name not in position]
    if unknown:
        msg = (
            f"{len(unknown)} {what} are not known to the model: {', '.join(unknown[:5])}. "
            "Leave these cells out, or train a model on them."
        )
        raise LabelError(msg)
    return np.array([position[name] for name in names], dtype=np.int64)
