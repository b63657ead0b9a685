from __future__ import annotations

import numpy as np
import pytest
import torch
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier
from sklearn.svm import SVC

from scdd.errors import InputError
from scdd.metrics import PANEL, TEST_MODELS


def _data(n_per_class: int, d: int = 300, seed: int = 0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return overlapping classes, so that the models disagree on the test cells."""
    rng = np.random.default_rng(seed)
    centres = rng.gamma(0.5, 0.25, (4, d))
    y = np.repeat(np.arange(4), n_per_class)
    train = rng.poisson(centres[y]).astype(np.float32)
    test = rng.poisson(centres[np.repeat(np.arange(4), 100)]).astype(np.float32)
    return np.log1p(train), y, np.log1p(test)


@pytest.mark.parametrize("n_per_class", [1, 3, 10])
@pytest.mark.parametrize(
    ("name", "plain"),
    [
        ("LR", lambda n: LogisticRegression(C=1.0, max_iter=1000)),
        ("SVM", lambda n: SVC(C=1.0, gamma="scale")),
        ("kNN", lambda n: KNeighborsClassifier(min(5, n))),
    ],
)
def test_shortcuts_predict_as_the_plain_models(name: str, plain, n_per_class: int) -> None:
    train, y, test = _data(n_per_class)
    fast = TEST_MODELS.get(name).fit_predict(train, y, test, seed=0)
    slow = plain(n_per_class).fit(train.astype(np.float64), y).predict(test.astype(np.float64))
    np.testing.assert_array_equal(fast, slow)


def test_large_sets_use_the_plain_svm(monkeypatch: pytest.MonkeyPatch) -> None:
    train, y, test = _data(5)
    kernel = TEST_MODELS.get("SVM").fit_predict(train, y, test, seed=0)
    monkeypatch.setattr("scdd.metrics._models._MAX_KERNEL_ROWS", 3)
    np.testing.assert_array_equal(TEST_MODELS.get("SVM").fit_predict(train, y, test, seed=0), kernel)


@pytest.mark.parametrize("name", PANEL)
def test_every_model_learns_and_repeats_itself(name: str) -> None:
    train, y, test = _data(20)
    truth = np.repeat(np.arange(4), 100)
    model = TEST_MODELS.get(name)
    first = model.fit_predict(train, y * 10, test, seed=3)
    assert set(np.unique(first)) <= {0, 10, 20, 30}
    assert (first == truth * 10).mean() > 0.8
    np.testing.assert_array_equal(first, model.fit_predict(train, y * 10, test, seed=3))


@pytest.mark.parametrize("name", PANEL)
def test_one_row_per_class_is_enough(name: str) -> None:
    train, y, _ = _data(1)
    np.testing.assert_array_equal(TEST_MODELS.get(name).fit_predict(train, y, train, seed=0), y)


def test_global_random_states_are_not_moved() -> None:
    train, y, test = _data(2)
    torch_state, numpy_state = torch.get_rng_state(), repr(np.random.get_state())
    for name in (*PANEL, "LinearSVM", "Centroid"):
        TEST_MODELS.get(name).fit_predict(train, y, test, seed=1)
        assert torch.equal(torch_state, torch.get_rng_state()), name
        assert repr(np.random.get_state()) == numpy_state, name  # with the place in the stream: one draw moves it alone


def test_the_seed_moves_the_network() -> None:
    from scdd.metrics._mlp import fit_mlp

    train, y, test = _data(300, d=20)
    one, two = (fit_mlp(train, y, seed, steps=5)(test) for seed in (0, 1))
    assert (one != two).any()


@pytest.mark.parametrize("n_per_class", [3, 100])
def test_the_network_learns_the_same_from_sparse_products(monkeypatch: pytest.MonkeyPatch, n_per_class: int) -> None:
    train, y, test = _data(n_per_class)
    train[:, 40:] = 0
    predicted = []
    for share in (0.2, 0.0):
        monkeypatch.setattr("scdd.metrics._mlp._SPARSE", share)
        predicted.append(TEST_MODELS.get("MLP").fit_predict(train, y, test, seed=0))
    assert 0 < (train != 0).mean() < 0.2
    assert (predicted[0] == predicted[1]).mean() > 0.99


def test_unknown_model_is_named_with_a_hint() -> None:
    with pytest.raises(InputError, match="Did you mean 'SVM'"):
        TEST_MODELS.get("SVN")
