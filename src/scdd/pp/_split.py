"""Training and test cells, by donor where donors are known."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scdd._rng import Seed, canonical_seed, stream
from scdd._settings import FROM_SETTINGS
from scdd.data._split import split_indices
from scdd.errors import LabelError
from scdd.pp._check import check_type
from scdd.pp._labels import read_column, resolve_labels_key

if TYPE_CHECKING:
    from anndata import AnnData


def split(
    adata: AnnData,
    *,
    labels_key: str | None = None,
    donor_key: str | None = None,
    test_size: float = 0.4,
    seed: Seed = FROM_SETTINGS,
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Split cells into training and test; with ``donor_key`` whole donors are held out.

    Cells of one donor resemble each other: a model is tested fairly only on donors it has not seen. The number of donors
    held out is ``test_size`` of them, rounded; they are drawn at random among the sets that leave training cells to the
    most classes and whose share of cells is near ``test_size``. Without ``donor_key`` cells are drawn at random within
    each class, and a class with one cell stays in training.

    Parameters
    ----------
    adata
        The data; only ``obs`` is read.
    labels_key
        Column of ``obs`` with the classes. None: ``"cell_type"``. Cells without a label count as one class.
    donor_key
        Column of ``obs`` with the donors. None: split at random.
    test_size
        Share that is held out, in (0, 1).
    seed
        Integer, numpy Generator or None. Default: ``scdd.settings.seed``.

    Returns
    -------
    Indices of the training and of the test cells, sorted, int64.

    Raises
    ------
    scdd.errors.LabelError
        If a column is absent, or there are fewer than two donors.
    scdd.errors.InputError
        If ``test_size`` lies outside of (0, 1).

    Examples
    --------
    >>> import scdd
    >>> adata = scdd.datasets.simulate(n_batches=4)
    >>> train, test = scdd.pp.split(adata, donor_key="donor")
    >>> sorted(set(adata.obs["donor"].iloc[train]) & set(adata.obs["donor"].iloc[test]))
    []
    """
    check_type(adata)
    labels = read_column(adata, resolve_labels_key(adata, labels_key), "labels_key")
    donors = None
    if donor_key is not None:
        column = read_column(adata, donor_key, "donor_key")
        if len(column.used) < 2:
            msg = f"obs[{donor_key!r}] has {len(column.used)} donors; at least 2 are needed. Leave donor_key out to split at random."
            raise LabelError(msg)
        donors = column.codes
    rng = stream(canonical_seed(seed), "split")
    return split_indices(labels.codes, donors, test_size, rng)
