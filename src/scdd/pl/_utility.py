"""Panel d with test cells: are models that are trained on the synthetic rows as good as those trained on real cells?"""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from scdd import _keys
from scdd._names import several
from scdd._rng import stream
from scdd.errors import InputError, ScddWarning
from scdd.pl._composition import draw_pairs, value_axis
from scdd.pl._ink import ink, paper
from scdd.pl._pair import Pair
from scdd.pp._quiet import gene_positions, read_quietly

if TYPE_CHECKING:
    import pandas as pd
    import scipy.sparse as sp
    from anndata import AnnData
    from matplotlib.axes import Axes

MODELS = ("LR", "kNN", "RF")  # quick ones of different kinds
_MIN_PER_CLASS = 50


def prepare_utility(
    pair: Pair,
    adata_test: AnnData,
    *,
    models: str | Sequence[str] | None = None,
    layer: str | None = None,
    max_cells: int = 5000,
    seed: int = 0,
) -> pd.DataFrame:
    """Train models on the synthetic rows and on real cells, and score both on test cells (:func:`scdd.tl.evaluate`).

    Both see the same genes, and classes are scored by the same rule. More real cells than ``max_cells`` are represented
    by a random choice that leaves 50 of each class.

    Returns
    -------
    Table with the columns set (what the models were trained on, ``"real"`` or ``"synthetic"``), model, class (position in
    ``pair.names``; -1 for the macro-F1), value (F1); ``attrs["n_real"]`` is the number of real cells, ``attrs["excluded"]`` tells
    why classes are not scored.
    """
    import pandas as pd

    from scdd.tl import evaluate

    index = _training_cells(pair.real.labels, max_cells, seed)
    sizes = dict(zip(pair.names, pair.real_sizes.tolist(), strict=True))
    # classes that real cells lack are judged by nobody
    rows = np.flatnonzero(np.isin(pair.labels, pair.shared))
    cells = np.flatnonzero(np.isin(pair.real.labels[index], pair.shared))
    sides = {
        "synthetic": _training_set(pair, pair.counts[rows], pair.labels[rows], profile=pair.profile),
        "real": _training_set(pair, pair.rows(index[cells]), pair.real.labels[index[cells]], profile=False),
    }
    code = {name: i for i, name in enumerate(pair.names)}
    blocks: list[pd.DataFrame] = []
    for which, train in sides.items():
        with warnings.catch_warnings():
            if blocks:
                # the test cells are the same, and so is what there is to say of them
                warnings.simplefilter("ignore", ScddWarning)
            scores = evaluate(
                train, adata_test, labels_key=pair.labels_key, models=models or MODELS, layer=layer,
                train_sizes=sizes, seed=seed,
            )  # fmt: skip
        excluded = scores.attrs["excluded"]
        scores = scores[scores["metric"].isin(["macro_f1", "f1"])]
        blocks.append(
            pd.DataFrame(
                {
                    "set": which,
                    "model": scores["model"].to_numpy(),
                    "class": [code.get(str(name), -1) for name in scores["class"]],
                    "value": scores["value"].to_numpy(),
                }
            )
        )
    table = pd.concat(blocks, ignore_index=True)
    table.attrs["n_real"] = len(cells)
    table.attrs["excluded"] = excluded
    return table


def utility_or_reason(
    pair: Pair,
    adata_test: AnnData,
    *,
    models: str | Sequence[str] | None = None,
    layer: str | None = None,
    max_cells: int = 5000,
    seed: int = 0,
) -> pd.DataFrame:
    """Return what :func:`prepare_utility` does, or an empty table whose ``attrs["reason"]`` tells why no class is scored.

    Raises
    ------
    scdd.errors.InputError
        If an argument cannot be used.
    """
    import pandas as pd

    from scdd.metrics import TEST_MODELS

    for name in several(models or MODELS):
        TEST_MODELS.get(name)
    gene_positions(pair.genes, read_quietly(adata_test, pair.labels_key, layer).var.index, "adata_test")
    try:
        return prepare_utility(pair, adata_test, models=models, layer=layer, max_cells=max_cells, seed=seed)
    except InputError as error:
        # the arguments are sound: there is a single class, or none with enough test cells
        table = pd.DataFrame({"set": [], "model": [], "class": [], "value": []})
        table.attrs["reason"] = str(error)
        return table


def macro_f1(table: pd.DataFrame) -> pd.DataFrame:
    """Return the macro-F1 of each model (rows) for both training sets (columns)."""
    overall = table[table["class"] < 0]
    return overall.pivot(index="model", columns="set", values="value").loc[list(dict.fromkeys(overall["model"]))]


def draw_utility(table: pd.DataFrame, ax: Axes, *, classes: NDArray[np.integer], vertical: bool = False) -> None:
    """Draw the F1 of each class, mean over the models, one place per class of ``classes``, the first on top (or left)."""
    per_class = table[table["class"] >= 0].groupby(["class", "set"])["value"].mean().unstack("set")
    wide = per_class.reindex(list(classes))
    overall = macro_f1(table).mean()
    real, synthetic = wide["real"].to_numpy(dtype=float), wide["synthetic"].to_numpy(dtype=float)
    draw_pairs(
        ax,
        # a score of zero is a score, and is drawn
        np.maximum(real, 1e-9),
        np.maximum(synthetic, 1e-9),
        labels=(
            f"trained on real cells (macro-F1 {overall['real']:.2f})",
            f"trained on synthetic rows (macro-F1 {overall['synthetic']:.2f})",
        ),
        vertical=vertical,
    )
    for place in np.flatnonzero(np.isnan(real) & np.isnan(synthetic)):
        x, y = (float(place), 0.02) if vertical else (0.02, float(place))
        ax.text(
            x, y, "not scored" if vertical else "not scored: too few cells", fontsize=6, color=ink(0.58), rotation=90 * vertical,
            # the line of the class would strike it through
            bbox={"facecolor": paper(), "edgecolor": "none", "pad": 1},
            va="bottom" if vertical else "center", ha="center" if vertical else "left",
        )  # fmt: skip
    models = ", ".join(dict.fromkeys(table["model"]))
    value_axis(ax, f"F1 on test cells\n(mean of {models})", limits=(-0.02, 1.02), vertical=vertical)


def _training_cells(labels: NDArray[np.integer], max_cells: int, seed: int) -> NDArray[np.int64]:
    """Return a random choice in proportion to the class sizes, but 50 cells (or all) of each class."""
    n = len(labels)
    if n <= max_cells:
        return np.arange(n)
    rng = stream(seed, "pl", "training")
    sizes = np.bincount(labels)
    share = np.maximum(np.rint(sizes * max_cells / n), _MIN_PER_CLASS).astype(np.int64)
    parts = [
        rng.choice(np.flatnonzero(labels == k), min(share[k], sizes[k]), replace=False) for k in np.flatnonzero(sizes)
    ]
    return np.sort(np.concatenate(parts))


def _training_set(pair: Pair, counts: sp.csr_matrix, labels: NDArray[np.integer], *, profile: bool) -> AnnData:
    import pandas as pd
    from anndata import AnnData

    names = [f"row_{i}" for i in range(counts.shape[0])]
    obs = pd.DataFrame({pair.labels_key: pd.Categorical([pair.names[k] for k in labels])}, index=names)
    var = pd.DataFrame({_keys.HVG: pair.hvg}, index=pair.genes)
    # a set of scdd, whose class of unlabelled cells, if it has one, is meant
    uns = {_keys.UNS: {"kind": "profile" if profile else "coreset"}}
    return AnnData(counts, obs=obs, var=var, uns=uns)
