"""The network of scdd-base: the factors of a cell given any genes, a residual perceptron, a normalised embedding."""

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
    dim
        Width of the gene vectors and of the embedding.
    hidden
        Hidden units of the perceptron.
    """

    n_genes: int
    dim: int = 256
    hidden: int = 512


class BaseNetwork(nn.Module):
    r"""From log-normalised expression of any genes to an embedding: the mean of the posterior of the factors, a perceptron.

    .. math:: z = (I + \sum_g \nu_g E_g E_g^\top)^{-1} \sum_g (x_g - c_g) s_g E_g

    Both sums run over the genes that the data has, so what a gene tells does not depend on which others are there but for
    what they tell too. x is scaled by the share of the counts that these genes have in general (``fraction``), so that a panel
    of 300 genes has values like those of a whole transcriptome. c is the mean expression of the data at hand, which takes
    the technology out; where it is not known, that of the training (``mean``). s turns it into units of how much a gene varies
    (``scale``), E are loadings over noise (``table``), :math:`\nu` is the noise (``noise``), in units of the table.
    """

    table: Tensor
    mean: Tensor
    fraction: Tensor
    scale: Tensor
    noise: Tensor

    def __init__(self, shape: BaseShape) -> None:
        super().__init__()
        self.shape = shape
        self.register_buffer("table", torch.empty(shape.n_genes, shape.dim))  # in closed form, and not trained
        for name in ("mean", "fraction", "scale", "noise"):
            self.register_buffer(name, torch.empty(shape.n_genes))
        self.norm = nn.LayerNorm(shape.dim)
        self.up = nn.Linear(shape.dim, shape.hidden)
        self.down = nn.Linear(shape.hidden, shape.dim)

    def posterior(self, genes: Tensor) -> Tensor:
        """Return the covariance of the factors (dim, dim) where the genes ``genes`` (n_present,) are known."""
        where = _exact(self.table.device)
        known = self.table[genes].to(where).double()
        precision = (known * self.noise[genes, None].to(where)).T @ known
        covariance = torch.linalg.inv(precision + torch.eye(self.shape.dim, device=where))
        return covariance.float().to(self.table.device)

    def of_dense(self, x: Tensor, genes: Tensor, centre: Tensor) -> Tensor:
        """Return the embedding (n, dim) of expression (n, n_present) of the genes ``genes`` (n_present,), less ``centre``."""
        return self.head(((x - centre) * self.scale[genes]) @ self.table[genes] @ self.posterior(genes))

    def of_sparse(
        self, genes: Tensor, values: Tensor, starts: Tensor, present: Tensor, centre: Tensor, posterior: Tensor
    ) -> Tensor:
        """Return the embedding (n, dim) of the entries that are not zero.

        Parameters
        ----------
        genes, values
            int64 and float (n_entries,): gene and expression, cell by cell. Gradients reach the values.
        starts
            int64 (n,): first entry of each cell.
        present
            int64 (n_present,): genes that the data has.
        centre
            Mean expression of these genes (n_present,).
        posterior
            What :meth:`posterior` gives for these genes.
        """
        middle = (centre * self.scale[present]) @ self.table[present]
        weights = values * self.scale[genes]
        summed = nn.functional.embedding_bag(genes, self.table, starts, mode="sum", per_sample_weights=weights)
        return self.head((summed - middle) @ posterior)

    def head(self, h: Tensor) -> Tensor:
        """Return the embedding (n, dim) of factors (n, dim), each row of mean 0 and variance 1.

        The perceptron adds to what is linear in the expression: what it has not learnt, it does not lose.
        """
        h = self.norm(h)
        h = h + self.down(nn.functional.gelu(self.up(h)))
        return nn.functional.layer_norm(h, (self.shape.dim,))


def _exact(device: torch.device) -> torch.device:
    """Return where double precision is at hand: the GPUs of Apple have none."""
    return torch.device("cpu") if device.type == "mps" else device


def base_network(shape: BaseShape) -> BaseNetwork:
    """Return a network without weights: nothing is drawn from the random stream, nothing is allocated."""
    with torch.device("meta"):
        return BaseNetwork(shape)
