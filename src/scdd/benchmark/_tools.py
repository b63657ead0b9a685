"""Annotation tools that people use, as test models: CellTypist and scANVI."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator
from contextlib import contextmanager

import numpy as np
from numpy.typing import NDArray

from scdd._optional import require
from scdd._rng import numpy_state_kept, random_state, stream
from scdd.benchmark._scvi import quiet_training
from scdd.metrics import TEST_MODELS, TestModel
from scdd.metrics._models import Predictor

__all__ = ["fit_celltypist", "fit_scanvi"]

_SCANVI_STEPS = (400, 200)  # of scVI, then of scANVI on top
_NO_LIMIT = 100_000  # epochs: steps are the budget
_MAX_SCALED = 10.0  # CellTypist clips scaled expression there


def fit_celltypist(train_x: NDArray[np.float32], train_y: NDArray[np.integer], seed: int) -> Predictor:
    """CellTypist: logistic regression by stochastic gradient descent on scaled expression.

    Trained with ``use_SGD=True``: the default solver of CellTypist 1.7 does not run with recent scikit-learn.
    """
    with _quiet("celltypist"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # it imports names of scanpy that are deprecated
        celltypist = require("celltypist", extra="benchmark", what="The model 'CellTypist'")
        model = celltypist.train(
            train_x,
            labels=train_y.astype(str),
            genes=[f"g{k}" for k in range(train_x.shape[1])],
            check_expression=False,  # HVGs alone do not sum to 10,000
            use_SGD=True,
            random_state=random_state(seed),
            n_jobs=1,
        )

    kept = np.array([int(gene[1:]) for gene in model.features])  # genes without a count are left out

    def predict(x: NDArray[np.float32]) -> NDArray[np.integer]:
        scaled = np.minimum((x[:, kept] - model.scaler.mean_) / model.scaler.scale_, _MAX_SCALED)
        return model.classifier.predict(scaled).astype(train_y.dtype)

    return predict


def fit_scanvi(train_x: NDArray[np.float32], train_y: NDArray[np.integer], seed: int) -> Predictor:
    """ScANVI on top of scVI, trained on the small set alone for a fixed number of steps; new cells are only mapped."""
    from anndata import AnnData

    with numpy_state_kept():  # scvi-tools draws from the global stream while it is imported
        from scvi.model import SCANVI, SCVI

    def cells(x: NDArray[np.float32], labels: NDArray[np.str_]) -> AnnData:
        out = AnnData(np.asarray(x, dtype=np.float32))
        out.obs["label"] = labels
        return out

    # an empty row has no library size
    filled = np.where(train_x.sum(1, keepdims=True) > 0, train_x, 1)
    adata = cells(filled, train_y.astype(str))
    with quiet_training(int(stream(seed, "scanvi").integers(2**31))) as options:
        SCVI.setup_anndata(adata, labels_key="label")
        base = SCVI(adata, n_latent=10)
        base.train(max_epochs=_NO_LIMIT, max_steps=_SCANVI_STEPS[0], **options)
        model = SCANVI.from_scvi_model(base, unlabeled_category="unknown", labels_key="label")
        model.train(max_epochs=_NO_LIMIT, max_steps=_SCANVI_STEPS[1], **options)

    def predict(x: NDArray[np.float32]) -> NDArray[np.integer]:
        with quiet_training(0):
            found = model.predict(cells(x, np.full(len(x), "unknown")))
        return np.asarray(found).astype(train_y.dtype)

    return predict


@contextmanager
def _quiet(name: str) -> Iterator[None]:
    logger = logging.getLogger(name)
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        yield
    finally:
        logger.setLevel(level)


TEST_MODELS.register("CellTypist")(TestModel(fit_celltypist, stochastic=True))
TEST_MODELS.register("scANVI")(TestModel(fit_scanvi, stochastic=True, sees="counts"))
