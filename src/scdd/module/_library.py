"""Library sizes (total counts per cell) of each class and batch, as quantiles."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

_PROBABILITIES = np.linspace(0.0, 1.0, 41)
_MIN_CELLS = 20  # a (class, batch) pair with fewer cells borrows the quantiles of its class


class LibraryModel(nn.Module):
    """Quantile functions of the log library size, one per class and batch.

    Parameters
    ----------
    n_classes, n_batches
        Number of classes and batches.
    """

    log_quantiles: Tensor

    def __init__(self, n_classes: int, n_batches: int) -> None:
        super().__init__()
        self.register_buffer("log_quantiles", torch.zeros(n_classes, n_batches, len(_PROBABILITIES)))

    def fit(self, library: NDArray[np.float64], labels: NDArray[np.integer], batches: NDArray[np.integer]) -> None:
        """Store the quantiles of the libraries (n_obs,) of the cells of each class and batch."""
        log_library = np.log(np.maximum(library, 1.0))
        n_classes, n_batches, _ = self.log_quantiles.shape
        # sorted once: many classes times many batches are too many masks of all cells
        order = np.lexsort((batches, labels))
        pair = (labels.astype(np.int64) * n_batches + batches)[order]
        bounds = np.searchsorted(pair, np.arange(n_classes * n_batches + 1))
        for c in range(n_classes):
            first, last = bounds[c * n_batches], bounds[(c + 1) * n_batches]
            self.log_quantiles[c] = _quantiles(log_library[order[first:last]])
            for b in range(n_batches):
                first, last = bounds[c * n_batches + b : c * n_batches + b + 2]
                if last - first >= _MIN_CELLS:
                    self.log_quantiles[c, b] = _quantiles(log_library[order[first:last]])

    def quantile(
        self, labels: NDArray[np.integer], batches: NDArray[np.integer], u: NDArray[np.floating]
    ) -> NDArray[np.float64]:
        """Return library sizes (n,) at the probabilities ``u`` (n,) in [0, 1]."""
        grid = self.log_quantiles.cpu().double().numpy()[labels, batches]
        position = np.clip(u, 0, 1) * (len(_PROBABILITIES) - 1)
        left = np.minimum(position.astype(int), len(_PROBABILITIES) - 2)
        row = np.arange(len(grid))
        fraction = position - left
        return np.exp(grid[row, left] * (1 - fraction) + grid[row, left + 1] * fraction)


def _quantiles(values: NDArray[np.float64]) -> Tensor:
    return torch.from_numpy(np.quantile(values, _PROBABILITIES))
