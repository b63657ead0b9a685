"""Panel c: what each gene shows on average, real against synthetic."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from scdd._scatter import share_seen
from scdd.pl._figure import write_nothing
from scdd.pl._ink import paper, seen
from scdd.pl._markers import class_means
from scdd.pl._pair import Pair
from scdd.pl._palette import SYNTHETIC

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.axes import Axes

_BLOCK = 4096


def prepare_means(pair: Pair) -> pd.DataFrame:
    """Average every gene on both sides: first within each class, then over the classes that both have.

    Means are counts per ten thousand. A synthetic row enters its class by its weight, with its expected counts where it
    has them (a denoised row is no single cell), else with its counts. The share of zeros is the one that cells
    scattered around these expected counts would have, or the observed one; means of cells (profiles) have none. All real cells are
    read once, in blocks; memory grows with classes x genes.

    Returns
    -------
    Table indexed by gene with the columns real_mean, synthetic_mean, real_zeros and synthetic_zeros (NaN where undefined);
    ``attrs["expected"]`` tells whether expected counts were used.
    """
    import pandas as pd

    shared = pair.shared
    real_mean, real_positive = _real_moments(pair)
    n = len(pair.names)
    shown = pair.counts if pair.expected is None else pair.expected
    synthetic_mean = class_means(_per_ten_thousand(shown), pair.labels, n, pair.weight)
    if pair.profile:
        synthetic_zeros = np.full(shown.shape[1], np.nan)
    else:
        positive = class_means(positive_shares(pair), pair.labels, n, pair.weight)
        synthetic_zeros = 1 - positive[shared].mean(axis=0)
    table = pd.DataFrame(
        {
            "real_mean": real_mean[shared].mean(axis=0),
            "synthetic_mean": synthetic_mean[shared].mean(axis=0),
            "real_zeros": 1 - real_positive[shared].mean(axis=0),
            "synthetic_zeros": synthetic_zeros,
        },
        index=pd.Index(pair.genes.astype(str), name="gene"),
    )
    table.attrs["expected"] = pair.expected is not None
    return table


def correlation(table: pd.DataFrame, quantity: str = "mean") -> tuple[float, int]:
    """Return Pearson's r of a quantity, and over how many genes: means as log10, where both sides are positive.

    Examples
    --------
    >>> import pandas as pd
    >>> correlation(pd.DataFrame({"real_mean": [1, 10, 100, 0], "synthetic_mean": [2, 20, 200, 1]}))
    (1.0, 3)
    """
    real = table[f"real_{quantity}"].to_numpy(dtype=np.float64)
    synthetic = table[f"synthetic_{quantity}"].to_numpy(dtype=np.float64)
    if quantity == "mean":
        kept = (real > 0) & (synthetic > 0)
        real, synthetic = np.log10(real[kept]), np.log10(synthetic[kept])
    else:
        kept = np.isfinite(real) & np.isfinite(synthetic)
        real, synthetic = real[kept], synthetic[kept]
    if len(real) < 2 or np.ptp(real) == 0 or np.ptp(synthetic) == 0:
        return float("nan"), len(real)
    return float(np.round(np.corrcoef(real, synthetic)[0, 1], 12)), len(real)


def draw_means(table: pd.DataFrame, ax: Axes) -> None:
    """Draw one dot per gene on log axes; a gene that only one side shows sits at the edge."""
    real = table["real_mean"].to_numpy()
    synthetic = table["synthetic_mean"].to_numpy()
    seen = (real > 0) | (synthetic > 0)
    positive = np.concatenate([real[real > 0], synthetic[synthetic > 0]])
    if not len(positive):
        write_nothing(ax)
        ax.set_box_aspect(1)
        return
    # the rarest genes of either side would stretch the axes for the sake of a handful
    low, high = float(np.quantile(positive, 0.001)), float(positive.max()) * 1.5
    edge = low / 2
    _dots(ax, np.clip(real[seen], edge, None), np.clip(synthetic[seen], edge, None))
    ax.set(xscale="log", yscale="log", xlim=(edge * 0.8, high), ylim=(edge * 0.8, high))
    ax.set_xlabel("real: mean counts per 10k", fontsize=8)
    ax.set_ylabel("synthetic: mean counts per 10k", fontsize=8)
    r, n = correlation(table)
    lines = [f"r = {r:.3f} ({n:,} genes)"]
    alone = int((seen & ((real <= 0) | (synthetic <= 0))).sum())
    if alone:
        lines.append(f"edge: {alone:,} on one side only")
    _note(ax, lines, x=0.03, y=0.97, va="top", ha="left")


def draw_zeros(table: pd.DataFrame, ax: Axes) -> None:
    """Draw the share of cells without a count of each gene."""
    if not np.isfinite(table["synthetic_zeros"].to_numpy()).any():
        write_nothing(ax, "means of cells have\nno share of zeros")
        ax.set_box_aspect(1)
        return
    _dots(ax, table["real_zeros"].to_numpy(), table["synthetic_zeros"].to_numpy())
    ax.set(xlim=(-0.03, 1.03), ylim=(-0.03, 1.03), xticks=[0, 0.5, 1], yticks=[0, 0.5, 1])
    expected = "expected " if table.attrs.get("expected") else ""
    ax.set_xlabel("real: share of zeros", fontsize=8)
    ax.set_ylabel(f"synthetic: {expected}share of zeros", fontsize=8)
    r, _ = correlation(table, "zeros")
    _note(ax, [f"r = {r:.3f}"], x=0.03, y=0.97, va="top", ha="left")


def _real_moments(pair: Pair) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return the mean CP10k and the share of positive counts of each class (n_classes, n_genes); one pass."""
    sizes = pair.real_sizes
    total = np.zeros((len(sizes), pair.counts.shape[1]))
    positive = np.zeros_like(total)
    for index, counts in pair.real.blocks(_BLOCK, pair.columns):
        labels = pair.real.labels[index]
        member = sp.csr_matrix((np.ones(len(index)), (labels, np.arange(len(index)))), shape=(len(sizes), len(index)))
        # products of sparse matrices: only the classes in the block are filled
        for out, values in ((total, _per_ten_thousand(counts)), (positive, _with_data(counts, np.ones(counts.nnz)))):
            part = (member @ values).tocoo()
            np.add.at(out, (part.row, part.col), part.data)
    scale = np.maximum(sizes, 1)[:, None]
    return total / scale, positive / scale


def positive_shares(pair: Pair) -> sp.csr_matrix:
    """Return the probability of a positive count in each row, CSR (n_rows, n_genes)."""
    if pair.expected is None:
        return _with_data(pair.counts, (pair.counts.data > 0).astype(np.float64))
    mu = pair.expected.data.astype(np.float64)
    if pair.dispersion is None:
        return _with_data(pair.expected, -np.expm1(-mu))
    gene = pair.expected.indices
    half = np.zeros_like(mu) if pair.half_capture is None else pair.half_capture[gene]
    return _with_data(pair.expected, share_seen(mu, pair.dispersion[gene], half))


def _per_ten_thousand(counts: sp.csr_matrix) -> sp.csr_matrix:
    library = np.asarray(counts.sum(axis=1, dtype=np.float64)).ravel()
    factor = np.divide(1e4, library, out=np.zeros_like(library), where=library > 0)
    return _with_data(counts, counts.data * np.repeat(factor, np.diff(counts.indptr)))


def _with_data(counts: sp.csr_matrix, data: NDArray[np.floating]) -> sp.csr_matrix:
    return sp.csr_matrix((data, counts.indices, counts.indptr), shape=counts.shape)


def _dots(ax: Axes, x: NDArray[np.floating], y: NDArray[np.floating]) -> None:
    alpha = float(np.clip(900 / max(len(x), 1), 0.12, 0.7))
    ax.scatter(
        x,
        y,
        s=float(np.clip(3000 / max(len(x), 1), 2.5, 12)),
        c=seen("#1f3b57", 9),
        alpha=alpha,
        linewidths=0,
        rasterized=True,
    )
    ax.axline((0.5, 0.5), (1, 1), color=SYNTHETIC, linewidth=0.9, zorder=3)
    ax.set_box_aspect(1)
    ax.tick_params(labelsize=7)
    ax.spines[["top", "right"]].set_visible(False)


def _note(ax: Axes, lines: list[str], *, x: float, y: float, va: str, ha: str) -> None:
    ax.text(
        x, y, "\n".join(lines), transform=ax.transAxes, fontsize=8, va=va, ha=ha, zorder=5,
        bbox={"facecolor": paper(), "edgecolor": "none", "alpha": 0.8, "pad": 1.5},
    )  # fmt: skip
