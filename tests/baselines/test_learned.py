"""What every learned baseline keeps, and the shared pieces: start, steps, way back to counts."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from scipy.spatial.distance import cdist

from scdd.baselines import BASELINES, Baseline, LearnConfig, Learned, Rows, coresets, embed
from scdd.baselines._learned import tuned
from scdd.baselines._problem import Problem, optimise
from scdd.errors import InputError, TrainingError
from scdd.metrics import log_normalize, preprocess

METHODS = ["dc", "dsa", "dm", "mtt", "idm", "kip", "ncfm"]
LEARNED = [*METHODS, *(f"{name}-tuned" for name in METHODS)]
SIZES = np.array([5, 5, 5])
HVG = np.arange(80) < 60


@pytest.fixture(scope="module")
def cells() -> tuple[sp.csr_matrix, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    labels = rng.permutation(np.repeat([0, 1, 2], [60, 30, 3]))
    profiles = rng.gamma(0.4, 2.0, (3, 80))
    counts = sp.csr_matrix(rng.poisson(profiles[labels] * rng.uniform(0.5, 2, (93, 1))).astype(np.float32))
    return counts, embed(counts, HVG, n_components=10), labels


def quick(name: str) -> Learned:
    """The method as registered, with a small budget."""
    method = BASELINES.get(name)
    assert isinstance(method, Learned)
    small = {
        "steps": 6,
        "n_experts": 1,
        "train_steps": 3,
        "n_networks": min(1, getattr(method.config, "n_networks", 0)),
    }
    return replace(
        method, config=replace(method.config, **{k: v for k, v in small.items() if hasattr(method.config, k)})
    )


def _fit(method: Baseline | Learned, cells, seed: int = 0, sizes: np.ndarray = SIZES) -> Rows:
    counts, embedding, labels = cells
    return method.fit(counts, embedding, labels, sizes=sizes, seed=seed, hvg=HVG)


def test_every_method_is_tested_and_says_which_kind_it_is() -> None:
    assert sorted(LEARNED + coresets().names()) == BASELINES.names()
    assert all(isinstance(BASELINES.get(name), Learned) for name in LEARNED)


@pytest.mark.parametrize("name", LEARNED)
def test_contract_of_the_learned(name: str, cells) -> None:
    counts, embedding, labels = cells
    before = counts.copy(), embedding.copy(), labels.copy()
    method = quick(name)
    rows = _fit(method, cells)
    assert isinstance(rows.counts, sp.csr_matrix)
    assert rows.counts.dtype == np.float32
    assert rows.counts.shape == (13, 80)
    assert rows.labels.tolist() == [0] * 5 + [1] * 5 + [2] * 3, "a class gives at most as many rows as it has cells"
    assert np.isfinite(rows.counts.data).all()
    assert rows.counts.data.min() >= 0
    for code, n in enumerate([60, 30, 3]):
        assert rows.weight[rows.labels == code].sum() == pytest.approx(n)
    assert rows.index is None
    assert not rows.integer
    json.dumps(rows.settings)
    assert rows.settings["method"] == name
    assert rows.settings["steps"] == 6
    made, real = preprocess(rows.counts[rows.labels < 2], HVG), preprocess(counts, HVG)
    # (rows that start as all the cells of their class have nothing to learn, and stay)
    assert np.abs(made[:, None] - real[None]).max(axis=2).min() > 1e-3, "no row is a copy of a real cell"
    again, other = _fit(method, cells), _fit(method, cells, seed=1)
    np.testing.assert_array_equal(rows.counts.toarray(), again.counts.toarray())
    assert np.abs(rows.counts - other.counts).max() > 0, "the seed matters"
    assert (counts != before[0]).nnz == 0
    np.testing.assert_array_equal(embedding, before[1])
    np.testing.assert_array_equal(labels, before[2])


@pytest.mark.parametrize("name", LEARNED)
def test_published_and_tuned_start_and_step_as_they_say(name: str) -> None:
    config = BASELINES.get(name).config
    if name.endswith("-tuned"):
        told = (config.start, config.unit, config.optimizer, config.relative)
        assert told == ("kmeans", "within", "adam", True)
        assert config.leash > 0
    else:
        assert config.start == ("noise" if name == "dc" else "real")
        assert (config.leash, config.relative, config.unit) == (0.0, False, "overall")
    # rates of the papers, but for a class of fewer than ten rows, where these diverge, and NCFM, whose budget is 1/40
    published = {"dc": 0.1, "dsa": 0.1, "dm": 1.0, "mtt": 1000.0, "idm": 0.2, "kip": 0.04, "ncfm": 20 * 0.01 * 0.1}
    if name in published:
        assert config.lr == pytest.approx(published[name])
        assert config.full_rate_rows == (1 if name in ("dc", "dsa") else 10)
        assert config.optimizer == {"kip": "adam", "ncfm": "adamw"}.get(name, "sgd")


def _still(**options: object) -> Learned:
    return Learned("still", lambda problem, config: lambda rows, step: 0 * rows.sum(), LearnConfig(**options))


def test_rows_that_do_not_move_are_the_kmeans_baseline(cells) -> None:
    still, known = _fit(_still(**tuned(steps=1, relative=False)), cells), _fit(BASELINES.get("kmeans_log"), cells)
    for code in range(3):
        ours, theirs = (rows.counts[rows.labels == code].toarray() for rows in (still, known))
        distance = cdist(preprocess(sp.csr_matrix(ours), HVG), preprocess(sp.csr_matrix(theirs), HVG))
        assert distance.min(axis=0).max() < 1e-3, "on the genes that models see"
        library = np.asarray(cells[0][cells[2] == code].sum(axis=1))
        np.testing.assert_allclose(ours.sum(axis=1), np.median(library), rtol=1e-4)
        outside = ours[:, ~HVG] / ours[:, ~HVG].sum(axis=1, keepdims=True)
        np.testing.assert_allclose(outside, outside[:1].repeat(len(ours), axis=0), rtol=1e-3)


def test_the_first_rows_of_a_class_have_its_mean(cells) -> None:
    rows = _fit(_still(steps=1), cells, sizes=np.array([20, 20, 3]))
    values = preprocess(rows.counts, HVG)[rows.labels == 0]
    rest = [np.linalg.norm(row - values.mean(axis=0)) for row in values]
    assert rest[0] == pytest.approx(min(rest), rel=1e-4)


def _problem(cells) -> Problem:
    counts, _, labels = cells
    return Problem(log_normalize(counts), labels, np.array([0, 1, 2]), n_classes=3, seed=0)


def test_steps_go_downhill_stay_non_negative_and_on_the_leash(cells) -> None:
    problem = _problem(cells)
    start = np.full((3, 80), 0.5, np.float32)

    def loss(rows: torch.Tensor, step: int) -> torch.Tensor:
        return (rows + 1).square().sum()

    config = LearnConfig(optimizer="adam", lr=0.1, steps=60)
    np.testing.assert_allclose(optimise(start, loss, problem, config), 0.0, atol=1e-6)
    free, held = (
        np.abs(optimise(start, loss, problem, replace(config, steps=10, relative=True, leash=w)) - start).mean()
        for w in (0.0, 100.0)
    )
    assert held < 0.5 * free


def test_sgd_moves_the_mean_of_a_class_as_fast_for_few_rows(cells) -> None:
    counts, _, labels = cells
    moved = []
    for n in (1, 5, 10):
        problem = Problem(log_normalize(counts), labels, np.zeros(n, int), n_classes=3, seed=0)
        start = np.full((n, 80), 5.0, np.float32)
        rows = optimise(start, lambda x, step: x.mean(0).sum(), problem, LearnConfig(lr=0.1, steps=1))
        moved.append(float((5 - rows).mean()))
    np.testing.assert_allclose(moved, moved[0], rtol=1e-3)


def test_rows_move_on_one_thread(cells, monkeypatch: pytest.MonkeyPatch) -> None:
    """With several, sums differ in the last bit, and DC ends elsewhere."""
    seen = []

    def spy(*args, **kwargs):
        seen.append(torch.get_num_threads())
        return optimise(*args, **kwargs)

    monkeypatch.setattr("scdd.baselines._problem.optimise", spy)
    before = torch.get_num_threads()
    try:
        torch.set_num_threads(3)
        _fit(quick("dm"), cells)
        assert torch.get_num_threads() == 3
    finally:
        torch.set_num_threads(before)
    assert seen == [1]


def test_bad_use_is_named(cells) -> None:
    counts, embedding, labels = cells
    one = np.zeros(93, int)
    for name in ["dc", "mtt", "kip"]:
        with pytest.raises(InputError, match="class"):
            quick(name).fit(counts, embedding, one, sizes=np.array([2]), seed=0)
    assert quick("dm").fit(counts, embedding, one, sizes=np.array([2]), seed=0).counts.shape == (2, 80)
    with pytest.raises(InputError, match="93, 92 and 93 rows"):
        quick("dm").fit(counts, embedding[1:], labels, sizes=SIZES, seed=0)
    with pytest.raises(InputError, match="hvg"):
        quick("dm").fit(counts, embedding, labels, sizes=SIZES, seed=0, hvg=np.ones(3, bool))
    with pytest.raises(InputError, match="asks for 0 rows"):
        _fit(quick("kip"), cells, sizes=np.array([1, 0, 1]))
    with pytest.raises(TrainingError, match="step 0"):
        optimise(np.zeros((3, 80)), lambda rows, step: rows.sum() * torch.nan, _problem(cells), LearnConfig())
    with pytest.raises(InputError, match="positive"):
        LearnConfig(steps=0)


def test_baselines_load_without_torch() -> None:
    code = "import sys, scdd.baselines; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"
