from __future__ import annotations

import numpy as np
import pytest
import scipy.sparse as sp
from sklearn.metrics import balanced_accuracy_score, f1_score

from scdd.errors import InputError
from scdd.metrics import classification_scores, scored_classes, utility


def _toy(n: int, seed: int, k: int = 3) -> tuple[sp.csr_matrix, np.ndarray]:
    profiles = np.random.default_rng(9).gamma(0.4, 2.0, (k, 40))
    y = np.tile(np.arange(k), n)
    return sp.csr_matrix(np.random.default_rng(seed).poisson(profiles[y]).astype(np.float32)), y


def test_scores_equal_scikit_learn() -> None:
    rng = np.random.default_rng(0)
    truth, predicted = rng.integers(0, 4, 200), rng.integers(0, 5, 200)
    scores = {(m, c): v for m, c, v in classification_scores(truth, predicted, np.arange(4))}
    assert scores["macro_f1", ""] == pytest.approx(f1_score(truth, predicted, labels=range(4), average="macro"))
    assert scores["accuracy", ""] == pytest.approx((truth == predicted).mean())
    keep = np.isin(truth, np.arange(4))
    with pytest.warns(UserWarning, match="y_pred contains"):
        expected = balanced_accuracy_score(truth[keep], predicted[keep])
    assert scores["balanced_accuracy", ""] == pytest.approx(expected)


def test_only_scored_classes_enter_but_their_false_positives_count() -> None:
    truth, predicted = np.array([0, 0, 1, 1, 2]), np.array([0, 0, 1, 1, 0])
    scores = {m: v for m, c, v in classification_scores(truth, predicted, np.array([0, 1])) if not c}
    assert scores["macro_f1"] == pytest.approx((4 / 5 + 1) / 2)
    assert scores["balanced_accuracy"] == 1


def test_table_is_tidy() -> None:
    train, train_y = _toy(5, 1)
    test, test_y = _toy(30, 2)
    table = utility(
        train, train_y, test, test_y, np.ones(40, bool), models=["LR", "kNN"], class_names=["a", "b", "c"], seed=4
    )
    assert list(table.columns) == ["model", "metric", "class", "value", "n", "seed"]
    assert len(table) == 2 * (3 + 3)
    assert set(table["class"]) == {"", "a", "b", "c"}
    assert (table["n"] == 5).all()
    assert (table["seed"] == 4).all()
    assert not table.duplicated(["model", "metric", "class"]).any()
    assert table.query("metric == 'macro_f1'")["value"].min() > 0.9
    assert table.attrs["excluded"] == {}


def test_noise_labels_score_at_chance() -> None:
    train, train_y = _toy(40, 1)
    test, test_y = _toy(40, 2)
    shuffled = np.random.default_rng(0).permutation(train_y)
    table = utility(train, shuffled, test, test_y, np.ones(40, bool), models=["LR", "RF"])
    assert table.query("metric == 'accuracy'")["value"].max() < 0.6


def test_small_classes_are_listed_not_scored() -> None:
    _, scored, excluded = scored_classes(
        np.array([0, 1, 2]),
        np.repeat([0, 1, 2, 3], [10, 10, 4, 10]),
        class_names=["big", "one", "few", "new"],
        train_sizes=np.array([50, 1, 50, 0]),
    )
    assert scored.tolist() == [0]
    assert excluded == {
        "one": "1 training cells, fewer than 2",
        "few": "4 test cells, fewer than 5",
        "new": "no training row",
    }


def test_blocks_do_not_change_the_result(monkeypatch: pytest.MonkeyPatch) -> None:
    train, train_y = _toy(3, 1)
    test, test_y = _toy(20, 2)
    whole = utility(train, train_y, test, test_y, np.ones(40, bool), models=["LR", "SVM"])
    monkeypatch.setattr("scdd.metrics._utility._BLOCK", 7)
    blocks = utility(train, train_y, test, test_y, np.ones(40, bool), models=["LR", "SVM"])
    np.testing.assert_array_equal(whole["value"], blocks["value"])


def test_bad_inputs_are_named() -> None:
    train, train_y = _toy(3, 1)
    test, test_y = _toy(20, 2)
    hvg = np.ones(40, bool)
    with pytest.raises(InputError, match="train_counts has 9 rows"):
        utility(train, train_y[:-1], test, test_y, hvg)
    with pytest.raises(InputError, match="39 genes"):
        utility(train[:, :39], train_y, test, test_y, hvg)
    with pytest.raises(InputError, match="one class"):
        utility(train, train_y * 0, test, test_y, hvg)
    with pytest.raises(InputError, match="No class can be scored"):
        utility(train, train_y, test, test_y + 7, hvg)
