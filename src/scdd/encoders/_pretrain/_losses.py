"""What the embedding has to do in training, and the parameters that only training needs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from scdd.encoders._pretrain._config import PretrainConfig
from scdd.encoders._pretrain._corpus import Corpus

LOSSES = ("prediction", "classes", "views", "batches")
_FLOOR = 0.1  # variance below which a gene counts no more in the prediction


class Heads(nn.Module):
    """Predict expression from the embedding, and compare it with the proxies of the classes.

    Parameters
    ----------
    corpus
        The data sets.
    dim
        Width of the embedding.
    """

    weight: Tensor

    def __init__(self, corpus: Corpus, dim: int) -> None:
        super().__init__()
        n_genes, names = len(corpus.genes), shared_classes(corpus)
        self.genes = nn.Parameter(torch.zeros(n_genes, dim))
        # technologies differ gene by gene: an offset per data set, so that the embedding need not tell them apart
        self.offsets = nn.Parameter(torch.from_numpy(corpus.mean).repeat(len(corpus.members), 1))
        self.proxies = nn.Parameter(torch.zeros(max(len(set().union(*map(set, names))), 1), dim))
        self.register_buffer("weight", 1 / (torch.from_numpy(corpus.sd).square() + _FLOOR), persistent=False)
        numbers = {name: i for i, name in enumerate(sorted(set().union(*map(set, names))))}
        self.classes = [torch.tensor([numbers[name] for name in own], dtype=torch.int64) for own in names]

    def prediction(self, z: Tensor, study: int, genes: Tensor, target: Tensor) -> Tensor:
        """Return the mean squared error of log expression, genes weighted by the inverse of their variance."""
        predicted = z @ self.genes[genes].T + self.offsets[study, genes]
        return ((predicted - target).square() * self.weight[genes]).mean()

    def contrast(self, z: Tensor, study: int, labels: Tensor, temperature: float) -> Tensor | None:
        """Return the cross-entropy over the classes of one data set, which are the hard ones; None without classes."""
        own = self.classes[study]
        if len(own) < 2:
            return None
        unit = nn.functional.normalize
        proxies = unit(self.proxies[own.to(z.device)], dim=1)
        return nn.functional.cross_entropy(unit(z, dim=1) @ proxies.T / temperature, labels)


def shared_classes(corpus: Corpus) -> list[list[str]]:
    """Return the names of the classes of each data set; the same name in two sets is one class, whatever its case."""
    return [
        [_plain(name) for name in member.opened.source.class_names] if member.opened.labelled else []
        for member in corpus.members
    ]


def _plain(name: str) -> str:
    return " ".join(name.casefold().replace("_", " ").split())


def between_batches(z: Tensor, labels: Tensor, batches: Tensor) -> Tensor | None:
    """Return the mean squared distance of the batches of a class from its centre; None where no class has two batches.

    Examples
    --------
    >>> z = torch.tensor([[0.0], [2.0], [5.0]])
    >>> between_batches(z, torch.tensor([0, 0, 1]), torch.tensor([0, 1, 0]))
    tensor(1.)
    """
    groups, group = torch.unique(torch.stack([labels, batches], 1), dim=0, return_inverse=True)
    centres = _means(z, group, len(groups))
    _, of_class, n_batches = torch.unique(groups[:, 0], return_inverse=True, return_counts=True)
    several = n_batches[of_class] > 1
    if not bool(several.any()):
        return None
    middle = _means(centres, of_class, len(n_batches))[of_class]
    return (centres - middle)[several].square().sum(1).mean() / z.shape[1]


def between_views(one: Tensor, two: Tensor, temperature: float) -> Tensor:
    """Return the cross-entropy of finding a cell again among all cells of the batch, by its other view."""
    unit = nn.functional.normalize
    logits = unit(one, dim=1) @ unit(two, dim=1).T / temperature
    own = torch.arange(len(one), device=one.device)
    return (nn.functional.cross_entropy(logits, own) + nn.functional.cross_entropy(logits.T, own)) / 2


def total(losses: Mapping[str, Sequence[Tensor]], config: PretrainConfig) -> dict[str, Tensor]:
    """Return the mean of each loss over the data sets, and their weighted sum under ``"loss"``."""
    weights = {"prediction": 1.0, "classes": config.classes, "views": config.views, "batches": config.batches}
    means = {name: torch.stack(list(values)).mean() for name, values in losses.items() if values}
    return {"loss": torch.stack([weights[name] * value for name, value in means.items()]).sum(), **means}


def _means(x: Tensor, group: Tensor, n: int) -> Tensor:
    # a matrix product instead of index_add keeps sums deterministic on GPUs
    member = nn.functional.one_hot(group, n).to(x.dtype).T
    return (member @ x) / member.sum(1, keepdim=True)
