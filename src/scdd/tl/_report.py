"""``scdd.tl.report``: is a set valid, does it look real, do models trained on it work?"""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import TYPE_CHECKING

from scdd._names import several
from scdd._report import Report, build_report, check_page
from scdd._rng import Seed, canonical_seed
from scdd._settings import FROM_SETTINGS
from scdd.errors import InputError
from scdd.metrics import PANEL, TEST_MODELS
from scdd.pp._check import check_type

if TYPE_CHECKING:
    from anndata import AnnData

__all__ = ["Report", "report"]


def report(
    adata: AnnData,
    syn: AnnData,
    *,
    adata_test: AnnData | None = None,
    path: str | os.PathLike[str] | None = None,
    labels_key: str | None = None,
    layer: str | None = None,
    models: str | Sequence[str] = PANEL,
    max_cells: int = 5000,
    plots: bool = True,
    title: str | None = None,
    overwrite: bool = False,
    seed: Seed = FROM_SETTINGS,
) -> Report:
    """Judge a small set in three numbers with all that is behind them, as tables and as one HTML file.

    *Diagnostic* (should be 100 %): counts are integers, all classes and genes are there in order, as many rows as asked
    for, weights sum to the cells, no row is a training cell. *Quality*: each figure of :data:`scdd.metrics.QUALITY` beside
    what as many real cells reach. *Utility*: models trained on the set and tested on held-out cells, beside models trained
    on real cells; without ``adata_test`` it is not known, and the report says so.

    Parameters
    ----------
    adata
        The real cells that ``syn`` was made from, with raw counts: sparse, dense, a view or backed.
    syn
        What is judged: distilled, expanded, a coreset, or any labelled AnnData with counts in ``X``; not changed. What is
        wrong with it is reported, not raised, as long as it has the label column.
    adata_test
        Real cells that had no part in making ``syn``, best of other donors.
    path
        HTML file to write. It is self-contained, below 5 MB, and opens without a network. None: no file.
    labels_key
        Column of ``obs`` with the classes, in all. None: the one ``syn`` was made with, else ``"cell_type"``.
    layer
        Layer of ``adata`` and ``adata_test`` that holds the counts. None: ``X``.
    models
        Names from :data:`scdd.metrics.TEST_MODELS`, which are trained and tested.
    max_cells
        Real cells that are compared, embedded and trained on; drawn with ``seed``, small classes are kept.
    plots
        Draw figures; without them a report takes a fraction of the time.
    title
        Title of the page.
    overwrite
        Replace a file that is there.
    seed
        Integer, numpy Generator or None; the same seed gives the same report on the same machine and versions. Default:
        ``scdd.settings.seed``.

    Returns
    -------
    The report; print it for the three scores, ``save`` it, or work with its tables.

    Raises
    ------
    scdd.errors.InputError
        If the real or the test cells or an argument cannot be used (see :func:`scdd.pp.check`), the folder of ``path`` does
        not exist, or the file is there and is not to be replaced.
    scdd.errors.LabelError
        If the label column is absent.
    scdd.errors.GeneError
        If ``adata_test`` lacks genes of ``syn``.

    Examples
    --------
    >>> import scdd
    >>> adata = scdd.datasets.simulate(n_obs=300, n_vars=80)
    >>> train, test = scdd.pp.split(adata, donor_key="donor")
    >>> syn = scdd.tl.coreset(adata[train], 3, method="kmeans")
    >>> told = scdd.tl.report(adata[train], syn, adata_test=adata[test], models=["LR", "kNN"], plots=False)
    >>> told.scores["diagnostic"], bool(told.scores["utility"] > 0.8)
    (1.0, True)
    >>> told.save("report.html").name
    'report.html'
    """
    models = several(models)
    for name in models:
        TEST_MODELS.get(name)
    if not models:
        msg = "report needs at least one model."
        raise InputError(msg)
    if isinstance(max_cells, bool) or not isinstance(max_cells, int) or max_cells < 1:
        msg = f"max_cells must be a positive integer, got {max_cells!r}."
        raise InputError(msg)
    check_type(syn)
    target = None if path is None else check_page(path, overwrite=overwrite)
    result = build_report(
        adata, syn, adata_test, labels_key=labels_key, layer=layer, models=tuple(models), max_cells=max_cells,
        plots=plots, title=title, seed=canonical_seed(seed),
    )  # fmt: skip
    if target is not None:
        result.save(target, overwrite=overwrite)
    return result
