"""The network of scdd-base: a sum of gene vectors, a residual perceptron, a normalised embedding."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor, nn

TARGET = 1e4  # counts to which a cell with all genes of the vocabulary is scaled


@dataclass(frozen=True)
class BaseShape:
    """Sizes of the network.

    Attributes
    ----------
    n_genes
        Genes of the vocabulary.
    width
        Width of the gene vectors.
    hidden
        Hidden units of the perceptron.
    dim
        Width of the embedding.
    """

    n_genes: int
    width: int = 256
    hidden: int = 512
    dim: int = 128


class BaseNetwork(nn.Module):
    r"""From log-normalised expression of any genes to an embedding: :math:`h = \sum_g (x_g - \mu_g) E_g`, then a perceptron.

    The sum runs over the genes that the data has, absent ones take no part; what follows normalises h, so that its length,
    which grows with their number, does not matter. x is scaled by the share of the counts that these genes have in general
    (``fraction``), so that a panel of 300 genes has values like those of a whole transcriptome.
    """

    mean: Tensor
    fraction: Tensor

    def __init__(self, shape: BaseShape) -> None:
        super().__init__()
        self.shape = shape
        self.table = nn.Parameter(torch.empty(shape.n_genes, shape.width))
        self.register_buffer("mean", torch.empty(shape.n_genes))
        self.register_buffer("fraction", torch.empty(shape.n_genes))
        self.first = nn.LayerNorm(shape.width)
        self.up = nn.Linear(shape.width, shape.hidden)
        self.down = nn.Linear(shape.hidden, shape.width)
        self.second = nn.LayerNorm(shape.width)
        self.last = nn.Linear(shape.width, shape.dim)

    def of_dense(self, x: Tensor, genes: Tensor) -> Tensor:
        """Return the embedding (n, dim) of expression (n, n_present) of the genes ``genes`` (n_present,)."""
        return self.head((x - self.mean[genes]) @ self.table[genes])

    def of_sparse(self, genes: Tensor, values: Tensor, starts: Tensor, present: Tensor) -> Tensor:
        """Return the embedding (n, dim) of the entries that are not zero.

        Parameters
        ----------
        genes, values
            int64 and float (n_entries,): gene and expression, cell by cell. Gradients reach the values.
        starts
            int64 (n,): first entry of each cell.
        present
            int64 (n_present,): genes that the data has.
        """
        centre = self.mean[present] @ self.table[present]
        summed = nn.functional.embedding_bag(genes, self.table, starts, mode="sum", per_sample_weights=values)
        return self.head(summed - centre)

    def head(self, h: Tensor) -> Tensor:
        """Return the embedding (n, dim) of sums of gene vectors (n, width), each row of mean 0 and variance 1."""
        h = self.first(h)
        h = self.second(h + self.down(nn.functional.gelu(self.up(h))))
        return nn.functional.layer_norm(self.last(h), (self.shape.dim,))


def base_network(shape: BaseShape) -> BaseNetwork:
    """Return a network without weights: nothing is drawn from the random stream, nothing is allocated."""
    with torch.device("meta"):
        return BaseNetwork(shape)
