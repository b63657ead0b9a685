"""The panel of models that are trained on a distilled set and tested on real cells."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from scdd._registry import Registry
from scdd._rng import random_state

__all__ = ["TEST_MODELS", "Predictor", "TestModel"]

Predictor = Callable[[NDArray[np.float32]], NDArray[np.integer]]

# Beyond this many rows a precomputed kernel would take more memory than it saves time.
_MAX_KERNEL_ROWS = 12_000
_N_TREES = 200


@dataclass(frozen=True)
class TestModel:
    """A classifier of the panel.

    Attributes
    ----------
    fit
        ``fit(train_x, train_y, seed)`` with float32 (n, d) and int (n,) returns a function from float32 (m, d) to the
        predicted int classes (m,).
    stochastic
        Whether the seed matters.
    sees
        What the model is given of the highly variable genes: ``"log"`` (log1p CP10k, of all genes' total) or
        ``"counts"`` (rounded to integers).

    Examples
    --------
    >>> import numpy as np
    >>> x = np.eye(3, dtype=np.float32)
    >>> TEST_MODELS.get("kNN").fit_predict(x, np.array([0, 1, 2]), x[[2, 1]], seed=0).tolist()
    [2, 1]
    """

    __test__ = False  # not a test class, whatever pytest thinks of the name

    fit: Callable[[NDArray[np.float32], NDArray[np.integer], int], Predictor]
    stochastic: bool
    sees: Literal["log", "counts"] = "log"

    def fit_predict(
        self, train_x: NDArray[np.float32], train_y: NDArray[np.integer], test_x: NDArray[np.float32], *, seed: int
    ) -> NDArray[np.integer]:
        """Train on ``train_x`` and return the predicted classes of ``test_x``."""
        return self.fit(train_x, train_y, seed)(test_x)


TEST_MODELS: Registry[TestModel] = Registry("test model")


def fit_logistic(train_x: NDArray[np.float32], train_y: NDArray[np.integer], seed: int) -> Predictor:
    """Multinomial logistic regression, C = 1.

    With fewer rows than genes the optimum lies in the span of the rows, so the fit is done in coordinates of that span
    and turned back: the same predictions at a fraction of the time.
    """
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression(C=1.0, max_iter=1000)
    n, d = train_x.shape
    if n >= d:
        model.fit(train_x, train_y)
        return lambda x: model.predict(x)
    basis, coordinates = np.linalg.qr(train_x.T.astype(np.float64))
    model.fit(coordinates.T, train_y)
    model.coef_ = model.coef_ @ basis.T
    model.n_features_in_ = d
    return lambda x: model.predict(x)


def fit_knn(train_x: NDArray[np.float32], train_y: NDArray[np.integer], seed: int) -> Predictor:
    """Vote of the k nearest rows; k = 5, or the size of the smallest class where that is below 5."""
    from sklearn.neighbors import KNeighborsClassifier

    k = min(5, int(np.unique(train_y, return_counts=True)[1].min()))
    model = KNeighborsClassifier(n_neighbors=k, algorithm="brute", n_jobs=1).fit(train_x, train_y)
    return lambda x: model.predict(x)


def fit_forest(train_x: NDArray[np.float32], train_y: NDArray[np.integer], seed: int, *, n_jobs: int = 1) -> Predictor:
    """Random forest of 200 trees."""
    from sklearn.ensemble import RandomForestClassifier

    model = RandomForestClassifier(_N_TREES, random_state=random_state(seed), n_jobs=n_jobs).fit(train_x, train_y)
    return lambda x: model.predict(x)


def fit_svm(train_x: NDArray[np.float32], train_y: NDArray[np.integer], seed: int) -> Predictor:
    """Support vector machine with Gaussian kernel, C = 1, ``gamma="scale"``.

    The kernel is computed by matrix products, which is much faster than inside libsvm and gives the same machine.
    """
    from sklearn.svm import SVC

    if len(train_x) > _MAX_KERNEL_ROWS:
        direct = SVC(C=1.0, kernel="rbf", gamma="scale", random_state=0).fit(train_x, train_y)
        return lambda x: direct.predict(x)
    variance = float(train_x.var(dtype=np.float64))
    gamma = 1.0 / (train_x.shape[1] * variance) if variance > 0 else 1.0
    model = SVC(C=1.0, kernel="precomputed", random_state=0).fit(_gaussian_kernel(train_x, train_x, gamma), train_y)
    # The machine needs the kernel to the support vectors alone
    support = np.ascontiguousarray(train_x[model.support_])

    def predict(x: NDArray[np.float32]) -> NDArray[np.integer]:
        kernel = np.zeros((len(x), len(train_x)))
        kernel[:, model.support_] = _gaussian_kernel(x, support, gamma)
        return model.predict(kernel)

    return predict


def _gaussian_kernel(x: NDArray[np.float32], y: NDArray[np.float32], gamma: float) -> NDArray[np.float64]:
    from sklearn.metrics.pairwise import euclidean_distances

    # upcasts float32 blockwise, so near distances do not drown in rounding
    kernel = euclidean_distances(x, y, squared=True).astype(np.float64)
    kernel *= -gamma
    return np.exp(kernel, out=kernel)


def fit_linear_svm(train_x: NDArray[np.float32], train_y: NDArray[np.integer], seed: int) -> Predictor:
    """Linear support vector machine, one class against the others, C = 1, squared hinge loss."""
    from sklearn.svm import LinearSVC

    # the random state only orders the coordinates of a convex problem
    model = LinearSVC(C=1.0, dual="auto", max_iter=5000, random_state=0).fit(train_x, train_y)
    return lambda x: model.predict(x)


def fit_centroid(train_x: NDArray[np.float32], train_y: NDArray[np.integer], seed: int) -> Predictor:
    """Class of the nearest mean."""
    from sklearn.neighbors import NearestCentroid

    with warnings.catch_warnings(), np.errstate(all="ignore"):
        # a gene without variance within classes is common in a few rows, and matters only where centroids are shrunken
        warnings.simplefilter("ignore", UserWarning)
        model = NearestCentroid().fit(train_x, train_y)
    return lambda x: model.predict(x)


def _fit_boosting(train_x: NDArray[np.float32], train_y: NDArray[np.integer], seed: int) -> Predictor:
    from scdd.metrics._boosting import fit_boosting

    return fit_boosting(train_x, train_y, seed)


def _fit_mlp(train_x: NDArray[np.float32], train_y: NDArray[np.integer], seed: int) -> Predictor:
    from scdd.metrics._mlp import fit_mlp  # torch is loaded when it is needed

    return fit_mlp(train_x, train_y, seed)


TEST_MODELS.register("Centroid")(TestModel(fit_centroid, stochastic=False))
TEST_MODELS.register("LightGBM")(TestModel(_fit_boosting, stochastic=True))
TEST_MODELS.register("LinearSVM")(TestModel(fit_linear_svm, stochastic=False))
TEST_MODELS.register("LR")(TestModel(fit_logistic, stochastic=False))
TEST_MODELS.register("MLP")(TestModel(_fit_mlp, stochastic=True))
TEST_MODELS.register("kNN")(TestModel(fit_knn, stochastic=False))
TEST_MODELS.register("RF")(TestModel(fit_forest, stochastic=True))
TEST_MODELS.register("SVM")(TestModel(fit_svm, stochastic=False))
