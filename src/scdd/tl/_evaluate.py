"""``scdd.tl.evaluate``: train models on a small set, test them on real cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from scdd._names import several
from scdd._rng import Seed, canonical_seed
from scdd._settings import FROM_SETTINGS
from scdd.errors import InputError
from scdd.metrics import PANEL, TEST_MODELS, utility
from scdd.tl._train_test import read_train_test

if TYPE_CHECKING:
    import pandas as pd
    from anndata import AnnData


def evaluate(
    syn: AnnData,
    adata_test: AnnData,
    *,
    labels_key: str | None = None,
    models: str | Sequence[str] = PANEL,
    layer: str | None = None,
    reference: AnnData | None = None,
    train_sizes: Mapping[Any, int] | None = None,
    seed: Seed = FROM_SETTINGS,
    seeds: Sequence[int] | None = None,
) -> pd.DataFrame:
    """Train a panel of models on a small set and score them on real cells of other donors.

    Each row is normalised to 10,000 by its own total, log1p is taken, and the highly variable genes of the original
    training cells are kept. Genes and labels are matched by name.

    Parameters
    ----------
    syn
        What is scored: a distilled set, a coreset, or any labelled AnnData with counts in ``X`` (or in ``layer``, where it
        has one of that name) - the full training data too.
    adata_test
        Real cells with raw counts that had no part in making ``syn``; it must have every gene of ``syn``. Cells of
        classes that ``syn`` lacks, and cells without a label, are left out, with a warning.
    labels_key
        Column of ``obs`` with the classes, in both. None: the one ``syn`` was made with, else ``"cell_type"``.
    models
        Names from :data:`scdd.metrics.TEST_MODELS`.
    layer
        Layer of ``adata_test`` and ``reference`` that holds the counts. None: ``X``.
    reference
        The original training cells: gives the highly variable genes where ``syn`` has no ``var["scdd_hvg"]``, and
        ``train_sizes``.
    train_sizes
        Cells that each class had before distillation; a class with fewer than 2 is not scored. None: from ``reference``,
        else from ``obs["scdd_weight"]``, else the rows are taken to be the original cells.
    seed
        Seed of the models. Default: ``scdd.settings.seed``.
    seeds
        Several seeds instead; the table has one block for each.

    Returns
    -------
    Tidy table with the columns model, metric (``macro_f1``, ``balanced_accuracy``, ``accuracy``, and ``f1`` of each class),
    class (empty text for what is not per class), value, n (median rows per class) and seed.
    ``attrs["excluded"]`` tells which classes are not scored, and why: less than 2 original training or 5 test cells.

    Raises
    ------
    scdd.errors.GeneError
        If ``adata_test`` lacks genes of ``syn``.
    scdd.errors.InputError
        If an input cannot be used, or no class can be scored.

    Examples
    --------
    >>> import scdd
    >>> adata = scdd.datasets.simulate()
    >>> train, test = scdd.pp.split(adata, donor_key="donor")
    >>> small = scdd.tl.coreset(adata[train], 3)
    >>> table = scdd.tl.evaluate(small, adata[test], models=["LR", "kNN"])
    >>> bool(table.query("metric == 'macro_f1'")["value"].min() > 0.8)
    True
    """
    import pandas as pd

    panel = {name: TEST_MODELS.get(name) for name in several(models)}
    all_seeds = [canonical_seed(s) for s in (seeds if seeds is not None else [seed])]
    if not panel or not all_seeds:
        msg = "evaluate needs at least one model and one seed."
        raise InputError(msg)
    data = read_train_test(
        syn, adata_test, labels_key=labels_key, layer=layer, reference=reference, train_sizes=train_sizes
    )
    blocks: list[pd.DataFrame] = []
    for s in all_seeds:
        # a model without chance gives the same result again
        again = [name for name, model in panel.items() if not blocks or model.stochastic]
        parts = []
        if again:
            parts.append(
                utility(
                    data.train_counts,
                    data.train_labels,
                    data.test_counts,
                    data.test_labels,
                    data.hvg,
                    models=again,
                    class_names=data.names,
                    train_sizes=data.train_sizes,
                    seed=s,
                )
            )
        if blocks:
            parts.append(blocks[0][~blocks[0]["model"].isin(again)].assign(seed=s))
        block = pd.concat(parts, ignore_index=True)
        order = block["model"].map({name: i for i, name in enumerate(panel)})
        blocks.append(block.iloc[np.argsort(order.to_numpy(), kind="stable")])
        if len(blocks) == 1:
            excluded = parts[0].attrs["excluded"]
    table = pd.concat(blocks, ignore_index=True)
    table.attrs["excluded"] = excluded
    data.warn_unknown()
    return table
