"""What a task is: a data set, its labels, and how it is split into training and test cells."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np

from scdd._registry import Registry
from scdd.errors import InputError

if TYPE_CHECKING:
    from anndata import AnnData

__all__ = ["TASKS", "Task"]

_ATTEMPTS = 50  # draws of donors, until the held-out ones have two classes
_MIN_TEST = 5  # test cells of a class that is scored


@dataclass(frozen=True)
class Task:
    """A data set, what is to be predicted, and which cells are held out.

    Attributes
    ----------
    name
        Name in the results.
    load
        ``load()`` returns an AnnData with raw counts.
    labels_key
        Column of ``obs`` with the classes.
    donor_key
        Column of ``obs`` with the donors, which are held out whole. None: cells are held out at random. With
        ``load_test`` nothing is held out, and donors only serve methods that split within the training cells.
    load_test
        For a transfer: returns the test cells, and ``load`` all training cells. Both are reduced to the shared genes.
    kind
        What the labels are, for tables.
    classes, test_classes
        Names that classes get, in the training and in the test cells; cells of other classes are left out. None: as
        they are.
    gene_name
        Applied to the gene names of both sets before they are matched, for a transfer; names that are no longer unique
        are left out.
    fuse_key
        For a fusion: column of ``obs`` with the centres (or batches). The method is given the training cells of one centre
        after the other, and its small sets are put together: at most n rows for each class and centre.
    test_size
        Share of the donors or cells that is held out.
    reserved
        Whether our own method is not run on it while it is developed.
    note
        What a reader of the numbers must know.
    studies
        Where the cells come from (accessions such as ``"GSE84133"``): a method whose encoder was trained on one of them
        is refused.

    Examples
    --------
    >>> import scdd
    >>> def load():
    ...     return scdd.datasets.simulate(n_obs=200, n_vars=80, n_batches=4)
    >>> task = scdd.benchmark.Task("mine", load, donor_key="donor")
    >>> train, test = task.cells(split=0)
    >>> train.n_obs + test.n_obs, set(train.obs["donor"]) & set(test.obs["donor"])
    (200, set())
    """

    name: str
    load: Callable[[], AnnData]
    labels_key: str = "cell_type"
    donor_key: str | None = None
    load_test: Callable[[], AnnData] | None = None
    kind: str = "cell type"
    classes: Mapping[str, str] | None = None
    test_classes: Mapping[str, str] | None = None
    gene_name: Callable[[str], str] | None = None
    fuse_key: str | None = None
    test_size: float = 0.4
    reserved: bool = False
    note: str = ""
    studies: tuple[str, ...] = ()

    @property
    def split_by(self) -> Literal["donors", "cells", "fixed"]:
        """How cells are held out."""
        if self.load_test is not None:
            return "fixed"
        return "cells" if self.donor_key is None else "donors"

    def check(self) -> None:
        """Raise where a file that is needed is not there."""
        for loader in (self.load, self.load_test):
            if (check := getattr(loader, "check", None)) is not None:
                check()

    def cells(self, split: int) -> tuple[AnnData, AnnData]:
        """Return the training and the test cells of a split; a fixed one is the same whatever the number."""
        train = _relabel(self.load(), self.labels_key, self.classes)
        if self.load_test is None:
            return self._held_out(train, split)
        test = _relabel(self.load_test(), self.labels_key, self.test_classes)
        return _shared_genes(train, test, self.gene_name)

    def _held_out(self, adata: AnnData, split: int) -> tuple[AnnData, AnnData]:
        from scdd.pp import split as split_cells

        labels = adata.obs[self.labels_key].astype(str)
        for attempt in range(_ATTEMPTS):
            # where a label is constant within a donor, all donors that are held out may have the same
            seed = split if attempt == 0 else split + 1000 * attempt
            train, test = split_cells(
                adata, labels_key=self.labels_key, donor_key=self.donor_key, test_size=self.test_size, seed=seed
            )
            if (labels.iloc[test].value_counts() >= _MIN_TEST).sum() >= 2:
                return adata[train].copy(), adata[test].copy()
        msg = f"Task {self.name!r}: no split leaves {_MIN_TEST} test cells to two classes of obs[{self.labels_key!r}]."
        raise InputError(msg)


def _relabel(adata: AnnData, labels_key: str, classes: Mapping[str, str] | None) -> AnnData:
    """Rename classes and leave the others out."""
    if classes is None:
        return adata
    import pandas as pd

    labels = adata.obs[labels_key].astype(str)
    missing = sorted(set(classes) - set(labels))
    if missing:
        msg = f"obs[{labels_key!r}] has no cells of the classes {', '.join(map(repr, missing[:5]))}."
        raise InputError(msg)
    kept = labels.isin(list(classes)).to_numpy()
    out = adata[kept].copy()
    out.obs[labels_key] = pd.Categorical(labels[kept].map(dict(classes)))
    return out


def _shared_genes(train: AnnData, test: AnnData, gene_name: Callable[[str], str] | None) -> tuple[AnnData, AnnData]:
    """Reduce both sets to the genes that they share, in the order of the training cells."""
    import pandas as pd

    names = [
        pd.Index([str(name) if gene_name is None else gene_name(str(name)) for name in adata.var_names])
        for adata in (train, test)
    ]
    unique = [index[~index.duplicated(keep=False)] for index in names]
    shared = unique[0][unique[0].isin(unique[1])]
    if not len(shared):
        msg = "Training and test cells share no gene name: use the same identifiers in both, or gene_name."
        raise InputError(msg)
    out = []
    for adata, index in zip((train, test), names, strict=True):
        part = adata[:, np.asarray(index.get_indexer_for(shared))].copy()
        part.var_names = shared
        out.append(part)
    return out[0], out[1]


TASKS: Registry[Task] = Registry("task")
