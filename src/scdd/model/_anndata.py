"""From arrays to the AnnData that users get."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray

from scdd import _keys
from scdd.module import SCDDModule

if TYPE_CHECKING:
    import scipy.sparse as sp
    from anndata import AnnData

    from scdd.distill import Distilled
    from scdd.model._metadata import Metadata


def distilled_anndata(distilled: Distilled, module: SCDDModule, meta: Metadata, uns: dict[str, Any]) -> AnnData:
    """Return distilled rows as AnnData, under the contract of :func:`scdd.tl.distill`."""
    plan = distilled.plan
    adata = _anndata(distilled.counts, plan.labels, plan.batches, module, meta)
    adata.obs[_keys.WEIGHT] = distilled.weight
    adata.obs[_keys.LIBRARY] = distilled.depth
    adata.obs[_keys.KIND] = pd.Categorical(plan.kind)
    adata.layers[_keys.MEAN] = distilled.mean
    adata.obsm[_keys.CODES] = distilled.codes
    adata.uns[_keys.UNS] = json_safe(uns)
    return adata


def generated_anndata(
    counts: sp.csr_matrix,
    labels: NDArray[np.int64],
    batches: NDArray[np.int64],
    latents: NDArray[np.float32],
    module: SCDDModule,
    meta: Metadata,
    uns: dict[str, Any],
) -> AnnData:
    """Return generated cells as AnnData."""
    adata = _anndata(counts, labels, batches, module, meta)
    adata.obsm[_keys.CODES] = latents
    adata.uns[_keys.UNS] = json_safe(uns)
    return adata


def _anndata(
    counts: sp.csr_matrix,
    labels: NDArray[np.int64],
    batches: NDArray[np.int64],
    module: SCDDModule,
    meta: Metadata,
) -> AnnData:
    from anndata import AnnData

    obs = pd.DataFrame(index=pd.Index(row_names(labels, meta.class_names)))
    obs[meta.labels_key] = pd.Categorical.from_codes(
        np.asarray(meta.class_codes)[labels], categories=pd.Index(meta.label_categories), ordered=meta.label_ordered
    )
    if meta.batch_key is not None and meta.batch_categories is not None and meta.batch_codes is not None:
        obs[meta.batch_key] = pd.Categorical.from_codes(
            np.asarray(meta.batch_codes)[batches],
            categories=pd.Index(meta.batch_categories),
            ordered=meta.batch_ordered,
        )
    var = meta.var.copy()
    hvg = np.zeros(len(var), dtype=bool)
    hvg[module.hvg.cpu().numpy()] = True
    var[_keys.DISPERSION] = module.noise.theta.cpu().numpy().astype(np.float32)
    var[_keys.HALF_CAPTURE] = module.noise.half_capture.cpu().numpy().astype(np.float32)
    var[_keys.HVG] = hvg
    adata = AnnData(X=counts, obs=obs, var=var)
    if meta.colors is not None:
        adata.uns[f"{meta.labels_key}_colors"] = list(meta.colors)
    return adata


def row_names(labels: NDArray[np.int64], class_names: Sequence[str]) -> list[str]:
    """Return unique names such as ``scdd_beta_0``; long labels are cut, and the class number keeps them apart."""
    short = [name if len(name) <= 40 else f"{name[:40]}~{k}" for k, name in enumerate(class_names)]
    rank = np.arange(len(labels)) - np.searchsorted(labels, labels)  # labels ascend
    names = [f"scdd_{short[c]}_{r}" for c, r in zip(labels, rank, strict=True)]
    return names if len(set(names)) == len(names) else [f"scdd_{c}_{n}" for c, n in zip(labels, names, strict=True)]


def json_safe(value: Any) -> Any:
    """Return nested dicts, lists, text and numbers that h5ad, zarr and JSON all take; entries that are None are left out."""
    if isinstance(value, dict):
        return {str(k): json_safe(v) for k, v in value.items() if v is not None}
    if isinstance(value, (list, tuple, np.ndarray)):
        return [json_safe(v) for v in value]
    if isinstance(value, np.generic):
        return value.item()
    return value
