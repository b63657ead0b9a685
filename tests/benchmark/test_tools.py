"""Models beside the panel, and scVI as a method."""

from __future__ import annotations

import signal
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
import torch

import scdd
from scdd.benchmark import METHODS, run
from scdd.benchmark._cost import Cost
from scdd.benchmark._prepare import Training, prepare_training
from scdd.datasets import simulate
from scdd.metrics import TEST_MODELS, utility

from ._toy import OPTIONS, TOY, load

MORE = ["Centroid", "LinearSVM", "LightGBM", "CellTypist", "scANVI"]


def _cells(n_per_class: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    profiles = np.random.default_rng(7).gamma(0.6, 2.0, (3, 60))
    labels = np.repeat([2, 5, 9], n_per_class)
    return rng.poisson(profiles[np.repeat([0, 1, 2], n_per_class)]).astype(np.float32), labels


def _given(name: str, counts: np.ndarray) -> np.ndarray:
    return counts if TEST_MODELS.get(name).sees == "counts" else np.log1p(counts)


@pytest.mark.parametrize("n", [1, 10])
@pytest.mark.parametrize("name", MORE)
def test_easy_classes_are_told_apart(name: str, n: int) -> None:
    train, y = _cells(n, 0)
    test, truth = _cells(40, 1)
    state, torch_state = repr(np.random.get_state()), torch.get_rng_state().clone()
    predicted = TEST_MODELS.get(name).fit_predict(_given(name, train), y, _given(name, test), seed=0)
    assert predicted.dtype == truth.dtype
    # LightGBM grows trees on three rows: a chance level of 1/3 is what a constant would give
    assert (predicted == truth).mean() > (0.6 if name == "LightGBM" and n == 1 else 0.9)
    assert repr(np.random.get_state()) == state
    assert torch.equal(torch.get_rng_state(), torch_state)


@pytest.mark.parametrize("name", [name for name in MORE if TEST_MODELS.get(name).stochastic])
def test_the_seed_fixes_them(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scdd.benchmark._tools._SCANVI_STEPS", (40, 20))
    train, y = _cells(3, 0)
    test, _ = _cells(40, 1)
    noisy = _given(name, test + np.random.default_rng(0).poisson(3.0, test.shape).astype(np.float32))
    first, again = (TEST_MODELS.get(name).fit_predict(_given(name, train), y, noisy, seed=1) for _ in range(2))
    np.testing.assert_array_equal(first, again)


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    import sys

    monkeypatch.setitem(sys.modules, "lightgbm", None)
    train, y = _cells(2, 0)
    with pytest.raises(ImportError, match=r'pip install "scdd\[benchmark\]"'):
        TEST_MODELS.get("LightGBM").fit_predict(train, y, train, seed=0)


def test_models_of_counts_get_counts_of_the_hvgs() -> None:
    train, test = TOY.cells(0)
    labels = [a.obs["cell_type"].cat.codes.to_numpy() for a in (train, test)]
    hvg = np.zeros(train.n_vars, dtype=bool)
    hvg[:20] = True
    seen = []

    def fit(x, y, seed):
        seen.append(x)
        return lambda z: (seen.append(z), np.full(len(z), y[0]))[1]

    from scdd.metrics import TestModel

    probe = TestModel(fit, stochastic=False, sees="counts")
    TEST_MODELS._items["probe"] = probe
    try:
        utility(train.X, labels[0], test.X, labels[1], hvg, models=["probe"])
    finally:
        del TEST_MODELS._items["probe"]
    np.testing.assert_array_equal(seen[0], train.X[:, :20].toarray())
    np.testing.assert_array_equal(seen[1], test.X[:, :20].toarray())


@pytest.fixture(scope="module")
def training() -> Training:
    adata = simulate(n_obs=240, n_vars=60, n_classes=3, n_batches=4, depth=600, effect=1.5, seed=3)
    return prepare_training(adata, labels_key="cell_type", donor_key="donor")


def test_scvi_draws_counts_of_the_classes(training: Training, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scdd.benchmark._scvi._STEPS", 300)
    monkeypatch.setattr("scdd.benchmark._scvi._MAX_EPOCHS", 300)
    made = METHODS.get("scvi").run(training, 25, 0)
    assert np.array_equal(made.counts.data, np.rint(made.counts.data))
    for code in range(3):
        drawn = made.counts[made.labels == code].toarray().mean(0)
        real = training.counts[training.labels == code].toarray().mean(0)
        others = training.counts[training.labels != code].toarray().mean(0)
        assert np.corrcoef(drawn - others, real - others)[0, 1] > 0.6
    # no row is a cell
    cells = {row.tobytes() for row in training.counts.toarray().astype(np.float32)}
    assert not any(row.tobytes() in cells for row in made.counts.toarray())
    again = METHODS.get("scvi").run(training, 25, 0)
    assert (again.counts != made.counts).nnz == 0
    assert ("scvi", 0) in training.models  # trained once for each seed


def _quick(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("scdd.benchmark._scvi._STEPS", 10)


@pytest.mark.usefixtures("interruptible")
def test_ctrl_c_while_scvi_learns_comes_out_as_such(training: Training, monkeypatch: pytest.MonkeyPatch) -> None:
    # Lightning would make it SystemExit, and leave SIGINT ignored
    _quick(monkeypatch)
    handler = signal.getsignal(signal.SIGINT)
    monkeypatch.setattr("scdd.benchmark._scvi._log_likelihood", lambda *_: signal.raise_signal(signal.SIGINT))
    fresh = replace(training, models={})
    with pytest.raises(KeyboardInterrupt):
        METHODS.get("scvi").run(fresh, 2, 0)
    assert signal.getsignal(signal.SIGINT) is handler
    assert not fresh.models


def test_scvi_learns_hvgs_and_spreads_the_others_by_class(monkeypatch: pytest.MonkeyPatch) -> None:
    _quick(monkeypatch)
    adata = simulate(n_obs=240, n_vars=60, n_classes=3, depth=600, effect=1.5, seed=3)
    training = replace(prepare_training(adata, labels_key="cell_type"), hvg=np.arange(60) % 4 == 0)
    # a gene that one class alone has is drawn in this class alone
    own = training.counts.toarray()
    own[training.labels != 1, 1] = 0
    own[:3, training.hvg] = 0  # and some cells have no count to learn from
    training = replace(training, counts=sp.csr_matrix(own), models={})
    made = METHODS.get("scvi").run(training, 20, 0)
    model = training.models["scvi", 0][0]
    assert model.adata.shape == (240, 15)
    assert all(torch.isfinite(value).all() for value in model.module.parameters())
    assert made.counts.shape == (60, 60)
    assert made.counts.dtype == np.float32
    assert sp.isspmatrix_csr(made.counts)
    assert np.array_equal(made.counts.data, np.rint(made.counts.data))
    drawn = made.counts.toarray()
    assert not drawn[made.labels != 1, 1].any()
    others = np.flatnonzero(~training.hvg)
    for code in range(3):
        cells = own[training.labels == code]
        rows = drawn[made.labels == code]
        # as many counts as cells have: those of the other genes are the totals of cells
        assert rows.sum(1).mean() == pytest.approx(cells.sum(1).mean(), rel=0.25)
        assert np.isin(rows[:, others].sum(1), cells[:, others].sum(1)).all()
        assert np.corrcoef(rows[:, others].mean(0), cells[:, others].mean(0))[0, 1] > 0.98
    again = replace(training, models={})
    METHODS.get("scvi").run(again, 3, 0)  # the order of calls does not matter
    assert (METHODS.get("scvi").run(again, 20, 0).counts != made.counts).nnz == 0


def test_scvi_needs_no_other_genes(training: Training, monkeypatch: pytest.MonkeyPatch) -> None:
    _quick(monkeypatch)
    every = replace(training, hvg=np.ones(60, dtype=bool), models={})
    made = METHODS.get("scvi").run(every, 2, 0)
    assert made.counts.shape == (6, 60)
    assert made.counts.dtype == np.float32
    assert made.counts.sum() > 0


def test_the_fast_likelihood_of_scvi_is_its_own() -> None:
    from scvi.distributions import NegativeBinomial

    from scdd.benchmark._scvi import _log_likelihood

    rng = torch.Generator().manual_seed(0)
    mu = torch.rand((20, 9), generator=rng).requires_grad_()
    theta = (torch.rand(9, generator=rng) + 0.1).requires_grad_()
    x = torch.poisson(mu.detach() * 2, generator=rng)
    x[0] = 0
    plain = NegativeBinomial(mu=mu, theta=theta)
    fast = _log_likelihood(plain.mu, plain.theta, x)
    torch.testing.assert_close(fast, plain.log_prob(x))
    for one, two in zip(*(torch.autograd.grad(z.sum(), (mu, theta)) for z in (fast, plain.log_prob(x))), strict=True):
        torch.testing.assert_close(one, two, rtol=1e-4, atol=1e-5)


def test_donors_share_alike(training: Training) -> None:
    made = METHODS.get("random_donor").run(training, 6, 0)
    donors = training.adata.obs["donor"].astype(str).to_numpy()
    dense = {row.tobytes(): donor for row, donor in zip(training.counts.toarray(), donors, strict=True)}
    for code in range(3):
        of = [dense[row.tobytes()] for row in made.counts[made.labels == code].toarray()]
        numbers = [of.count(donor) for donor in set(donors)]
        assert max(numbers) - min(numbers) <= 1
        assert sum(numbers) == 6


def test_they_run_in_the_benchmark() -> None:
    options = OPTIONS | {"models": ["LinearSVM", "Centroid"], "n": [2]}
    table = run(TOY, ["geosketch", "scvalue", "rded", "random_donor"], **options)
    assert (table["status"] == "ok").all(), table["message"].unique()


@pytest.mark.filterwarnings("ignore:1 classes got only as many rows")
def test_all_methods_make_as_many_rows_of_a_small_class() -> None:
    """A class of four cells gives four rows, whoever makes them: more would be another class size to the models."""
    adata = load()
    few = np.flatnonzero(adata.obs["cell_type"] == "class_0")[4:]
    adata = adata[np.setdiff1d(np.arange(adata.n_obs), few)].copy()
    training = prepare_training(adata, labels_key="cell_type", donor_key=None, seed=0)
    model = scdd.model.SCDD.from_checked(scdd.pp.check(training.adata), encoder="self", seed=0)
    model.train(max_epochs=1, progress=False)
    training.models["scdd", 0] = (model, Cost())
    for name in ("scdd", "random", "dc", "dm-tuned", "kmeans"):
        made = METHODS.get(name).run(training, 6, 0)
        assert np.bincount(made.labels).tolist() == [4, 6, 6], name
