"""scVI as a generator: cells from the posterior of random cells of each class."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import scipy.sparse as sp

from scdd._rng import numpy_state_kept, stream
from scdd._threads import one_thread
from scdd.benchmark._cost import Cost, measured
from scdd.benchmark._methods import Made
from scdd.benchmark._prepare import Training

__all__ = ["SCVI_SETTINGS", "make_scvi", "quiet_training"]

_MAX_EPOCHS = 50
_STEPS = 2000
_LIKELIHOOD = "nb"
SCVI_SETTINGS = {"steps": _STEPS, "max_epochs": _MAX_EPOCHS, "batch_key": "donor", "gene_likelihood": _LIKELIHOOD}


def make_scvi(training: Training, n: int, seed: int) -> Made:
    """Draw n random cells of each class, and one cell from the posterior predictive of each.

    scVI is trained once for each seed on all genes of the training cells, for 2,000 steps and at most 50 epochs, with
    the donor as batch where donors are known. Its likelihood is negative binomial, without the extra zeros that are its
    default: counts of molecules have none, and a step takes about a third less time. Its samples are conditional on real
    cells, which is what scvi-tools offers: there is no sampling from a class alone.
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
        counts = sp.csr_matrix(drawn.to_scipy_sparse() if hasattr(drawn, "to_scipy_sparse") else drawn)
    return Made(counts.astype(np.float32), training.labels[rows], cost.then(own))


def _trained(training: Training, seed: int) -> tuple[Any, Cost]:
    if ("scvi", seed) not in training.models:
        from anndata import AnnData
        from scvi.model import SCVI

        with measured() as cost, quiet_training(int(stream(seed, "scvi").integers(2**31))) as options:
            adata = AnnData(training.counts.copy())
            batch = None
            if training.donor_key is not None:
                batch = "donor"
                adata.obs[batch] = training.adata.obs[training.donor_key].astype(str).to_numpy()
            SCVI.setup_anndata(adata, batch_key=batch)
            model = SCVI(adata, gene_likelihood=_LIKELIHOOD)
            model.train(max_epochs=_MAX_EPOCHS, max_steps=_STEPS, **options)
        training.models["scvi", seed] = (model, cost)
    return training.models["scvi", seed]


@contextmanager
def quiet_training(seed: int) -> Iterator[dict[str, Any]]:
    """Give the options of a silent training of scvi-tools that depends on the seed alone and leaves no trace."""
    import torch

    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric", "scvi")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings(), numpy_state_kept(), torch.random.fork_rng(devices=[]), one_thread():
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
