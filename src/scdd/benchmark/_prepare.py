"""What all methods of a task and split share, made from training cells only."""

from __future__ import annotations

import hashlib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from scdd.baselines import embed_selected
from scdd.benchmark._cost import Cost
from scdd.errors import GeneError, ScddWarning
from scdd.pp import CheckedInput, check, highly_variable

if TYPE_CHECKING:
    from anndata import AnnData

__all__ = ["Test", "Training", "prepare_test", "prepare_training"]


@dataclass(frozen=True, eq=False)
class Training:
    """All that a method may see.

    Attributes
    ----------
    adata
        The training cells.
    labels_key, donor_key
        Columns of ``adata.obs``; ``donor_key`` may be None.
    class_names
        Names of the classes, by code.
    counts
        CSR float32 (n_cells, n_genes) raw counts.
    labels
        int (n_cells,) codes.
    sizes
        int (n_classes,): cells of each class.
    hvg
        bool (n_genes,): the genes that test models see.
    embedding
        float32 (n_cells, d): principal components of log1p CP10k of those genes.
    models
        Trained models by name and seed, which several methods and budgets share, and what they cost.
    """

    adata: AnnData
    labels_key: str
    donor_key: str | None
    class_names: tuple[str, ...]
    counts: sp.csr_matrix
    labels: NDArray[np.integer]
    sizes: NDArray[np.int64]
    hvg: NDArray[np.bool_]
    embedding: NDArray[np.float32]
    models: dict[tuple[str, int], tuple[Any, Cost]] = field(default_factory=dict)

    def settings(self) -> dict[str, Any]:
        """Return what was chosen, JSON-safe, arrays as their hashes."""
        return {
            "labels_key": self.labels_key,
            "donor_key": self.donor_key,
            "classes": dict(zip(self.class_names, self.sizes.tolist(), strict=True)),
            "shape": list(self.counts.shape),
            "genes": _hash("\n".join(map(str, self.adata.var_names)).encode()),
            "n_hvg": int(self.hvg.sum()),
            "hvg": _hash(self.hvg.tobytes()),
            "embedding_shape": list(self.embedding.shape),
            "embedding": _hash(self.embedding.tobytes()),
        }


@dataclass(frozen=True, eq=False)
class Test:
    """The cells that are predicted.

    Attributes
    ----------
    counts
        CSR float32 (n_cells, n_genes), genes in the order of the training cells.
    labels
        int (n_cells,) codes: those of the training cells, then those of classes that only test cells have.
    class_names
        Names by code.
    donors
        Text (n_cells,): the donor of each cell; None where donors are not known.
    """

    __test__ = False  # not a test class, whatever pytest thinks of the name

    counts: sp.csr_matrix
    labels: NDArray[np.integer]
    class_names: list[str]
    donors: NDArray[Any] | None = None

    def settings(self) -> dict[str, Any]:
        """Return what tells these cells from others, JSON-safe."""
        return {"shape": list(self.counts.shape), "cells": self._digest}

    @cached_property
    def _digest(self) -> str:
        parts = (self.counts.data, self.counts.indices, self.counts.indptr)
        return _hash(b"".join(part.tobytes() for part in (*parts, self.labels.astype(np.int64))))


def prepare_training(adata: AnnData, *, labels_key: str, donor_key: str | None = None, seed: int = 0) -> Training:
    """Choose highly variable genes and embed the training cells.

    Parameters
    ----------
    adata
        Training cells with raw counts.
    labels_key, donor_key
        Columns of ``obs``.
    seed
        Seed of the embedding.
    """
    checked = _check(adata, labels_key, donor_key)
    source = checked.source
    if source.n_obs < adata.n_obs:
        adata = adata[checked.kept].copy()
    counts = source.rows(np.arange(source.n_obs))
    hvg = highly_variable(source)
    selected = sp.csr_matrix(counts[:, np.flatnonzero(hvg)])
    return Training(
        adata=adata,
        labels_key=labels_key,
        donor_key=donor_key,
        class_names=tuple(source.class_names),
        counts=counts,
        labels=source.labels,
        sizes=np.bincount(source.labels, minlength=len(source.class_names)).astype(np.int64),
        hvg=hvg,
        embedding=embed_selected(selected, source.library, seed=seed),
    )


def prepare_test(
    adata: AnnData, *, labels_key: str, class_names: Sequence[str], genes: Sequence[str], donor_key: str | None = None
) -> Test:
    """Bring test cells into the codes of the training cells; nothing is chosen on them.

    Parameters
    ----------
    adata
        Test cells with raw counts.
    labels_key
        Column of ``obs`` with the classes.
    class_names
        Classes of the training cells, by code.
    genes
        Genes of the training cells; the test cells must have the same in the same order.
    donor_key
        Column of ``obs`` with the donors, if there is one: scores are also told for each donor.
    """
    if list(map(str, adata.var_names)) != list(map(str, genes)):
        msg = "Training and test cells of a task must have the same genes in the same order."
        raise GeneError(msg)
    checked = _check(adata, labels_key, None)
    source = checked.source
    donors = None
    if donor_key is not None and donor_key in adata.obs:
        donors = adata.obs[donor_key].astype(str).to_numpy()[checked.kept]
    names = list(class_names)
    names += [name for name in source.class_names if name not in set(class_names)]
    code = {name: i for i, name in enumerate(names)}
    lookup = np.array([code[name] for name in source.class_names], dtype=np.int64)
    return Test(source.rows(np.arange(source.n_obs)), lookup[source.labels], names, donors)


def _check(adata: AnnData, labels_key: str, donor_key: str | None) -> CheckedInput:
    with warnings.catch_warnings():
        # small classes and empty cells are part of the tasks
        warnings.simplefilter("ignore", ScddWarning)
        return check(adata, labels_key=labels_key, donor_key=donor_key, unlabeled="drop")


def _hash(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
