"""Panel b: marker genes of the classes, real against synthetic."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from scdd.errors import GeneError
from scdd.metrics._preprocess import log_normalize
from scdd.pl._ink import heat, missing, paper
from scdd.pl._pair import Pair, Sample
from scdd.pl._palette import ellipsis
from scdd.pp._text import first

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes
    from matplotlib.image import AxesImage

_CANDIDATES = 300  # genes per class among which those not yet taken by another class are chosen


def prepare_markers(
    pair: Pair,
    sample: Sample,
    *,
    n_markers: int,
    classes: NDArray[np.integer] | None = None,
    max_genes: int = 100,
    genes: Sequence[str] | None = None,
) -> pd.DataFrame:
    """Choose marker genes on real cells, and average them on both sides.

    Markers are the genes with the highest t statistic of a class against the others (``sc.tl.rank_genes_groups`` with an
    overestimated variance, which is kind to small classes), first those at least twice as high; no gene is shown twice.

    Parameters
    ----------
    pair, sample
        The two sets, and the real cells to look at.
    n_markers
        Markers of each class; fewer where all together would be more than ``max_genes``.
    classes
        Classes to show; default: all that the real cells have.
    max_genes
        Largest number of genes.
    genes
        Names of the genes to show instead, in this order; they mark no class (``marker_of`` is -1).

    Returns
    -------
    Table with one line per class, gene and set: set, class (position in ``pair.names``), gene, marker_of, value (mean of
    log1p counts per ten thousand; NaN where the set lacks the class) and scaled (value over the largest mean of a real
    class). Genes are in the order of the classes that they mark.
    """
    import pandas as pd

    shown = np.flatnonzero(pair.real_sizes > 0) if classes is None else np.asarray(classes)
    per_class = max(1, min(n_markers, max_genes // max(len(shown), 1)))
    marker_of = _rank(sample, pair.hvg, [int(k) for k in shown], per_class) if genes is None else _named(pair, genes)
    columns = np.array([gene for gene, _ in marker_of], dtype=np.int64)
    real = class_means(sample.values[:, columns], sample.labels, len(pair.names))
    values = log_normalize(pair.counts)[:, columns]
    synthetic = class_means(values, pair.labels, len(pair.names), pair.weight)
    top = np.nanmax(real, axis=0, initial=0.0)
    names = pair.genes[columns].astype(str)
    blocks = []
    for which, means in (("real", real[shown]), ("synthetic", synthetic[shown])):
        scaled = np.divide(means, top, out=np.zeros_like(means), where=top > 0)
        blocks.append(
            pd.DataFrame(
                {
                    "set": which,
                    "class": np.repeat(shown, len(columns)),
                    "gene": np.tile(names.to_numpy(), len(shown)),
                    "marker_of": np.tile([k for _, k in marker_of], len(shown)),
                    "value": means.ravel(),
                    "scaled": np.where(np.isnan(means), np.nan, scaled).ravel(),
                }
            )
        )
    table = pd.concat(blocks, ignore_index=True)
    table.attrs["n_per_class"] = per_class
    return table


def draw_markers(table: pd.DataFrame, ax: Axes, *, which: str, gene_size: float = 7.0) -> AxesImage | None:
    """Draw one side as a heatmap, classes x genes; a line separates the markers of one class from the next.

    Parameters
    ----------
    table
        From :func:`prepare_markers`.
    ax
        Where to draw; its rows are the classes in the order of the table.
    which
        ``"real"`` or ``"synthetic"``.
    gene_size
        Font size of the gene names, in points.
    """
    side = table[table["set"] == which]
    classes = list(dict.fromkeys(side["class"]))
    if not classes:
        ax.text(0.5, 0.5, "no marker genes to display", transform=ax.transAxes, ha="center", va="center", fontsize=9)
        ax.set(xticks=[], yticks=[])
        return None
    values = side["scaled"].to_numpy().reshape(len(classes), -1)
    genes = side["gene"].to_numpy()[: values.shape[1]]
    groups = side["marker_of"].to_numpy()[: values.shape[1]]
    ax.set_facecolor(missing())  # a class without rows
    image = ax.imshow(
        np.ma.masked_invalid(values),
        aspect="auto",
        cmap=heat(),
        vmin=0,
        vmax=1,
        interpolation="nearest",
        rasterized=True,
    )
    for edge in np.flatnonzero(groups[1:] != groups[:-1]):
        ax.axvline(edge + 0.5, color=paper(), linewidth=0.8)
    # gene names are text, not mathematics
    ax.set_xticks(
        range(len(genes)), labels=[ellipsis(str(gene), 14) for gene in genes], rotation=90, fontsize=gene_size,
        parse_math=False,
    )  # fmt: skip
    ax.set_yticks([])
    ax.tick_params(length=2, pad=1)
    for spine in ax.spines.values():
        spine.set_linewidth(0.5)
    return image


def class_means(
    values: sp.csr_matrix, labels: NDArray[np.integer], n_classes: int, weight: NDArray[np.floating] | None = None
) -> NDArray[np.float64]:
    """Return the weighted mean of the rows of each class (n_classes, n_genes); NaN for a class without rows."""
    weight = np.ones(len(labels)) if weight is None else weight
    member = sp.csr_matrix((weight, (labels, np.arange(len(labels)))), shape=(n_classes, len(labels)))
    total = np.asarray(member.sum(axis=1)).ravel()
    out = np.asarray((member @ values).toarray(), dtype=np.float64)
    with np.errstate(invalid="ignore", divide="ignore"):
        out /= total[:, None]
    out[total == 0] = np.nan
    return out


def _named(pair: Pair, genes: Sequence[str]) -> list[tuple[int, int]]:
    """Return the positions of genes given by name, each once."""
    names = list(dict.fromkeys(str(gene) for gene in genes))
    position = pair.genes.astype(str).get_indexer(names)
    missing = [name for name, at in zip(names, position, strict=True) if at < 0]
    if missing:
        msg = f"syn lacks {len(missing)} of {len(names)} genes of var_names: {first(missing)}."
        raise GeneError(msg)
    return [(int(at), -1) for at in position]


def _rank(sample: Sample, hvg: NDArray[np.bool_], shown: Sequence[int], per_class: int) -> list[tuple[int, int]]:
    """Return (gene, class) of the markers, class by class."""
    import pandas as pd
    import scanpy as sc
    from anndata import AnnData

    sizes = np.bincount(sample.labels, minlength=max(shown, default=0) + 1)
    # a t test needs two cells, and something to compare with
    tested = [k for k in shown if sizes[k] > 1]
    if len(np.flatnonzero(sizes)) < 2 or not tested:
        return []
    genes = np.flatnonzero(hvg)
    obs = pd.DataFrame({"class": pd.Categorical([str(k) for k in sample.labels])})
    obs.index = obs.index.astype(str)
    cells = AnnData(sp.csr_matrix(sample.values[:, genes]), obs=obs, var=pd.DataFrame(index=genes.astype(str)))
    cells.uns["log1p"] = {"base": None}
    with warnings.catch_warnings():
        # constant genes divide by zero, and wide tables are called fragmented
        warnings.simplefilter("ignore")
        sc.tl.rank_genes_groups(
            cells,
            "class",
            groups=[str(k) for k in tested],
            method="t-test_overestim_var",
            n_genes=min(_CANDIDATES, len(genes)),
        )
    ranked = cells.uns["rank_genes_groups"]
    taken: dict[int, int] = {}
    for k in tested:
        score = np.nan_to_num(ranked["scores"][str(k)])
        change = np.nan_to_num(ranked["logfoldchanges"][str(k)])
        # housekeeping genes that are a little higher come last, whatever their t
        order = np.lexsort((np.arange(len(score)), np.where(change < 1, -change, -np.inf)))
        best = [int(ranked["names"][str(k)][i]) for i in order if score[i] > 0]
        taken |= dict.fromkeys([gene for gene in best if gene not in taken][:per_class], k)
    return list(taken.items())
