"""``scdd.tl.evaluate``: train models on a small set, test them on real cells."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from scdd import _keys
from scdd._about import about
from scdd._compat import layer_names, obs_frame, warn
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
    models: Sequence[str] = PANEL,
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

    panel = {name: TEST_MODELS.get(name) for name in models}
    all_seeds = [canonical_seed(s) for s in (seeds if seeds is not None else [seed])]
    if not panel or not all_seeds:
        msg = "evaluate needs at least one model and one seed."
        raise InputError(msg)
    labels_key = labels_key or about(syn).labels_key
    train = _read(syn, labels_key, layer if layer in list(layer_names(syn)) else None, about(syn).kind == "profile")
    test = _read(adata_test, labels_key, layer, allow_normalized=False)
    genes = _match_genes(train.var.index, test.var.index)
    hvg = _hvg(train, reference, labels_key, layer)
    names, train_labels, test_labels = _match_labels(train, test)
    sizes = _train_sizes(syn, train, reference, train_sizes)
    dropped = adata_test.n_obs - test.source.n_obs
    if dropped:
        warn(f"{dropped} of {adata_test.n_obs} test cells have no label or no count and are left out.")
    train_counts = train.source.rows(np.arange(train.source.n_obs))
    test_counts = test.source.rows(np.arange(test.source.n_obs), genes)
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


def _read(adata: AnnData, labels_key: str | None, layer: str | None, allow_normalized: bool) -> CheckedInput:
    with warnings.catch_warnings():
        # what the door says of training data (few cells, unused categories) is no news of a small or a test set
        warnings.simplefilter("ignore", ScddWarning)
        return check(adata, labels_key=labels_key, layer=layer, unlabeled="drop", allow_normalized=allow_normalized)


def _match_genes(wanted: pd.Index, present: pd.Index) -> NDArray[np.int64]:
    position = np.asarray(present.get_indexer(wanted), dtype=np.int64)
    missing = wanted[position < 0]
    if len(missing):
        first = ", ".join(repr(str(name)) for name in missing[:5]) + (", ..." if len(missing) > 5 else "")
        msg = (
            f"adata_test lacks {len(missing)} of {len(wanted)} genes of syn: {first}. Genes are matched by var_names: use "
            "the same identifiers (symbols or Ensembl ids) in both, or make syn from the shared genes."
        )
        raise GeneError(msg)
    return position


def _hvg(
    train: CheckedInput, reference: AnnData | None, labels_key: str | None, layer: str | None
) -> NDArray[np.bool_]:
    if _keys.HVG in train.var.columns:
        return train.var[_keys.HVG].to_numpy(dtype=bool)
    if reference is None:
        warn(
            f"syn has no var[{_keys.HVG!r}], so highly variable genes are chosen on its own rows. If these are not the "
            "original training cells, pass those as reference=."
        )
        return highly_variable(train.source)
    original = _read(reference, labels_key, layer, allow_normalized=False)
    chosen = highly_variable(original.source)
    return chosen[_match_genes(train.var.index, original.var.index)]


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
        given = obs_frame(reference)[train.labels_key].astype(str).value_counts().to_dict()
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


def _warn_unknown(test_labels: NDArray[np.int64], names: list[str], n_known: int) -> None:
    unknown = names[n_known:]
    if unknown:
        listed = ", ".join(map(repr, unknown[:5])) + (", ..." if len(unknown) > 5 else "")
        cells = int((test_labels >= n_known).sum())
        warn(f"{cells} test cells of {len(unknown)} classes without a row in syn are left out: {listed}.")
