"""scVI as a generator: cells from the posterior of random cells of each class."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from scdd._interrupt import interruptible
from scdd._rng import numpy_state_kept, stream
from scdd._threads import one_thread
from scdd.benchmark._cost import Cost, measured
from scdd.benchmark._methods import Made
from scdd.benchmark._prepare import Training

if TYPE_CHECKING:
    from torch import Tensor

__all__ = ["SCVI_SETTINGS", "make_scvi", "quiet_training"]

_MAX_EPOCHS = 50
_STEPS = 2000
_LIKELIHOOD = "nb"
SCVI_SETTINGS = {
    "steps": _STEPS,
    "max_epochs": _MAX_EPOCHS,
    "batch_key": "donor",
    "gene_likelihood": _LIKELIHOOD,
    "genes": "highly variable; the others by the profile of the class",
}


def make_scvi(training: Training, n: int, seed: int) -> Made:
    """Draw n random cells of each class, and one cell from the posterior predictive of each.

    scVI is trained once for each seed on the highly variable genes of the training cells, which is what scvi-tools
    advises and what the other learned methods are given, for 2,000 steps and at most 50 epochs, with the donor as batch
    where donors are known. The other genes get as many counts as they have in the cell that was drawn, as the highly
    variable genes do in scVI, spread by the profile of the class. The likelihood is negative binomial, without the extra
    zeros that are scVI's default: counts of molecules have none. Its samples are conditional on real cells, which is
    what scvi-tools offers: there is no sampling from a class alone.
    """
    model, cost = _trained(training, seed)
    with measured() as own:
        chosen = []
        for code in range(len(training.sizes)):
            cells = np.flatnonzero(training.labels == code)
            chosen.append(stream(seed, "scvi", n, code).permutation(cells)[:n])
        rows = np.concatenate(chosen)
        with quiet_training(int(stream(seed, "scvi", n).integers(2**31))):
            drawn = model.posterior_predictive_sample(indices=rows, n_samples=1)
        drawn = sp.csr_matrix(drawn.to_scipy_sparse() if hasattr(drawn, "to_scipy_sparse") else drawn)
        counts = _all_genes(drawn, training, rows, stream(seed, "scvi", n, "others"))
    return Made(counts, training.labels[rows], cost.then(own))


def _all_genes(
    drawn: sp.csr_matrix, training: Training, cells: NDArray[np.integer], rng: np.random.Generator
) -> sp.csr_matrix:
    """Add to drawn counts of the highly variable genes counts of the others, one row for each of some cells."""
    others = np.flatnonzero(~training.hvg)
    if len(others) == 0:
        return drawn.astype(np.float32)
    labels = training.labels[cells]
    totals = np.asarray(training.counts[cells][:, others].sum(axis=1, dtype=np.float64)).ravel().astype(np.int64)
    added: list[sp.csr_matrix] = [sp.csr_matrix((0, len(others)))] * len(cells)
    for code in np.unique(labels):
        of_class = training.counts[training.labels == code]
        profile = np.asarray(of_class.sum(axis=0, dtype=np.float64)).ravel()[others]
        profile /= max(profile.sum(), 1.0)  # a class without such counts has totals of 0
        for row in np.flatnonzero(labels == code):
            added[row] = sp.csr_matrix(rng.multinomial(totals[row], profile))
    counts = sp.csc_matrix(sp.hstack([drawn, sp.vstack(added)]))
    order = np.argsort(np.concatenate([np.flatnonzero(training.hvg), others]))
    return sp.csr_matrix(counts[:, order], dtype=np.float32)


def _trained(training: Training, seed: int) -> tuple[Any, Cost]:
    if ("scvi", seed) not in training.models:
        from anndata import AnnData

        with measured() as cost, quiet_training(int(stream(seed, "scvi").integers(2**31))) as options:
            adata = AnnData(sp.csr_matrix(training.counts[:, np.flatnonzero(training.hvg)]))
            batch = None
            if training.donor_key is not None:
                batch = "donor"
                adata.obs[batch] = training.adata.obs[training.donor_key].astype(str).to_numpy()
            kind = _model_class()
            kind.setup_anndata(adata, batch_key=batch)
            model = kind(adata, gene_likelihood=_LIKELIHOOD)
            model.train(max_epochs=_MAX_EPOCHS, max_steps=_STEPS, **options)
        training.models["scvi", seed] = (model, cost)
    return training.models["scvi", seed]


def _model_class() -> Any:
    """Return scVI with the same likelihood in half the time: see :func:`_log_likelihood`."""
    from scvi.model import SCVI
    from scvi.module import VAE

    class Module(VAE):
        # scvi-tools reads the names of the arguments
        def loss(self, tensors: Any, inference_outputs: Any, generative_outputs: Any, kl_weight: float = 1.0) -> Any:
            px = generative_outputs["px"]
            px.log_prob = partial(_log_likelihood, px.mu, px.theta)
            return super().loss(tensors, inference_outputs, generative_outputs, kl_weight=kl_weight)

    return type("SCVI", (SCVI,), {"_module_cls": Module})


def _log_likelihood(mu: Tensor, theta: Tensor, x: Tensor, eps: float = 1e-8) -> Tensor:
    """Return what ``NegativeBinomial.log_prob`` of scvi-tools does, where each gene has one dispersion in all cells.

    The gamma functions, most of its time, cancel where a count is zero, and most counts are.
    """
    import torch

    theta = theta[:1]
    both = torch.log(theta + mu + eps)
    at = torch.nonzero(x, as_tuple=True)
    gene = at[1]
    seen = (
        x[at] * (torch.log(mu[at] + eps) - both[at])
        + torch.lgamma(x[at] + theta[0, gene])
        - torch.lgamma(theta[0])[gene]
        - torch.lgamma(x[at] + 1)
    )
    return (theta * (torch.log(theta + eps) - both)).index_put(at, seen, accumulate=True)


@contextmanager
def quiet_training(seed: int) -> Iterator[dict[str, Any]]:
    """Give the options of a silent training of scvi-tools that depends on the seed alone and leaves no trace."""
    import torch

    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric", "scvi")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with (
            interruptible(),
            warnings.catch_warnings(),
            numpy_state_kept(),
            torch.random.fork_rng(devices=[]),
            one_thread(),
        ):
            warnings.simplefilter("ignore")
            torch.manual_seed(seed)
            yield {
                "train_size": 1.0,
                "accelerator": "cpu",
                "logger": False,
                "enable_progress_bar": False,
                "enable_checkpointing": False,
                # scvi-tools would shuffle with a generator that is not seeded
                "shuffle_set_split": False,
            }
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)
