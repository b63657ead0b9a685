"""A small set to train on and real cells to test on, with the same genes and classes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scdd import _keys
from scdd._about import about
from scdd._compat import layer_names, obs_frame, warn
from scdd.errors import InputError
from scdd.pp import CheckedInput, highly_variable
from scdd.pp._check import check_type
from scdd.pp._labels import Unlabeled, read_column
from scdd.pp._quiet import gene_positions, read_quietly, unlabeled_as_in

if TYPE_CHECKING:
    import scipy.sparse as sp
    from anndata import AnnData

__all__ = ["TrainTest", "read_train_test"]


@dataclass(frozen=True, eq=False)
class TrainTest:
    """What models are trained on and tested on.

    Attributes
    ----------
    labels_key
        The label column.
    names
        Classes: those of the training rows first, then those that only test cells have.
    n_known
        Number of classes with a training row.
    train_counts, train_labels
        CSR (n_rows, n_genes) and int64 (n_rows,).
    test_counts, test_labels
        CSR (n_cells, n_genes), the same genes, and int64 (n_cells,).
    hvg
        Highly variable genes, bool (n_genes,).
    train_sizes
        Original cells (n_classes,) of each training class.
    """

    labels_key: str
    names: list[str]
    n_known: int
    train_counts: sp.csr_matrix
    train_labels: NDArray[np.int64]
    test_counts: sp.csr_matrix
    test_labels: NDArray[np.int64]
    hvg: NDArray[np.bool_]
    train_sizes: NDArray[np.int64]

    def warn_unknown(self) -> None:
        """Tell of test cells whose class has no training row."""
        unknown = self.names[self.n_known :]
        if unknown:
            listed = ", ".join(map(repr, unknown[:5])) + (", ..." if len(unknown) > 5 else "")
            cells = int((self.test_labels >= self.n_known).sum())
            warn(f"{cells} test cells of {len(unknown)} classes without a row in syn are left out: {listed}.")


def read_train_test(
    syn: AnnData,
    adata_test: AnnData,
    *,
    labels_key: str | None,
    layer: str | None,
    reference: AnnData | None = None,
    train_sizes: Mapping[Any, int] | None = None,
) -> TrainTest:
    """Read both sets, and match genes and labels by name; the parameters are those of :func:`scdd.tl.evaluate`."""
    for given in (syn, adata_test) if reference is None else (syn, adata_test, reference):
        check_type(given)
    labels_key = labels_key or about(syn).labels_key
    unlabeled = unlabeled_as_in(syn, labels_key)
    own_layer = layer if layer in list(layer_names(syn)) else None
    train = _read(syn, labels_key, own_layer, unlabeled, profiles=about(syn).kind == "profile")
    test = _read(adata_test, labels_key, layer, unlabeled)
    genes = gene_positions(train.var.index, test.var.index, "adata_test")
    hvg = _hvg(train, reference, labels_key, layer, unlabeled)
    names, train_labels, test_labels = _match_labels(train, test)
    sizes = _train_sizes(syn, train, reference, train_sizes)
    dropped = adata_test.n_obs - test.source.n_obs
    if dropped:
        warn(f"{dropped} of {adata_test.n_obs} test cells have no label or no count and are left out.")
    return TrainTest(
        labels_key=train.labels_key,
        names=names,
        n_known=len(train.source.class_names),
        train_counts=train.source.rows(np.arange(train.source.n_obs)),
        train_labels=train_labels,
        test_counts=test.source.rows(np.arange(test.source.n_obs), genes),
        test_labels=test_labels,
        hvg=hvg,
        train_sizes=sizes,
    )


def _read(
    adata: AnnData, labels_key: str | None, layer: str | None, unlabeled: Unlabeled, *, profiles: bool = False
) -> CheckedInput:
    checked = read_quietly(adata, labels_key, layer, unlabeled=unlabeled, profiles=profiles)
    for message in checked.count_warnings:
        warn(message)
    return checked


def _hvg(
    train: CheckedInput, reference: AnnData | None, labels_key: str | None, layer: str | None, unlabeled: Unlabeled
) -> NDArray[np.bool_]:
    if _keys.HVG in train.var.columns:
        return train.var[_keys.HVG].to_numpy(dtype=bool)
    if reference is None:
        warn(
            f"syn has no var[{_keys.HVG!r}], so highly variable genes are chosen on its own rows. If these are not the "
            "original training cells, pass those as reference=."
        )
        return highly_variable(train.source)
    original = _read(reference, labels_key, layer, unlabeled)
    chosen = highly_variable(original.source)
    columns = gene_positions(train.var.index, original.var.index, "reference")
    return chosen if columns is None else chosen[columns]


def _match_labels(train: CheckedInput, test: CheckedInput) -> tuple[list[str], NDArray[np.int64], NDArray[np.int64]]:
    """Return names and codes for both sets: the classes of ``train`` first, then those that only ``test`` has."""
    names = list(train.source.class_names)
    names += [name for name in test.source.class_names if name not in set(names)]
    code = {name: i for i, name in enumerate(names)}
    lookup = np.array([code[name] for name in test.source.class_names], dtype=np.int64)
    return names, train.source.labels.astype(np.int64), lookup[test.source.labels]


def _train_sizes(
    syn: AnnData, train: CheckedInput, reference: AnnData | None, given: Mapping[Any, int] | None
) -> NDArray[np.int64]:
    names = train.source.class_names
    if given is None and reference is not None:
        column = read_column(reference, train.labels_key, "labels_key")
        given = dict(zip(column.names, np.bincount(column.codes[column.codes >= 0]), strict=True))
    if given is not None:
        counts = {str(name): int(n) for name, n in given.items()}
        missing = [name for name in names if name not in counts]
        if missing:
            msg = f"train_sizes lacks {len(missing)} classes of syn: {', '.join(map(repr, missing[:5]))}."
            raise InputError(msg)
        return np.array([counts[name] for name in names], dtype=np.int64)
    weight = np.ones(train.source.n_obs)
    obs = obs_frame(syn)
    if _keys.WEIGHT in obs.columns:
        weight = obs[_keys.WEIGHT].to_numpy(dtype=np.float64)[train.kept]
    return np.rint(np.bincount(train.source.labels, weight, minlength=len(names))).astype(np.int64)
