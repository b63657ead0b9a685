"""Each learned baseline does what its paper says, on cells, networks and trajectories that it has not seen."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
import torch
from torch import Tensor

from scdd.baselines import BASELINES
from scdd.baselines._augment import Augmentation
from scdd.baselines._problem import Problem, Trainee, optimise
from scdd.baselines._row_training import RowTraining
from scdd.baselines._start import STARTS
from scdd.objectives import OBJECTIVES, CharacteristicConfig, GradientConfig, KernelConfig, Objective
from scdd.objectives._networks import Network

PER_CLASS, GENES, ROWS = 80, 24, 4
MEANS = np.random.default_rng(9).uniform(1, 3, (3, GENES))


def _cells(seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Gaussian classes, all of them positive."""
    labels = np.repeat([0, 1, 2], PER_CLASS)
    noise = np.random.default_rng(seed).normal(0, 0.5, (len(labels), GENES))
    return np.maximum(MEANS[labels] + noise, 0).astype(np.float32), labels


def _learn(name: str, start: str | None = None, **options: object) -> tuple[Problem, Tensor, Tensor]:
    """The problem, and the rows before and after, of the method as registered except for ``options``."""
    x, labels = _cells(0)
    method = BASELINES.get(name)
    config = replace(method.config, **options)
    begin = STARTS.get(start or config.start)(sp.csr_matrix(x), x, labels, np.full(3, ROWS), 0)
    problem = Problem(sp.csr_matrix(x), labels, begin[1], n_classes=3, seed=0)
    rows = optimise(begin[0], method.matching(problem, config), problem, config)
    return problem, torch.from_numpy(begin[0]), torch.from_numpy(rows)


def _unseen(name: str, config: object) -> tuple[Objective, Tensor, Tensor]:
    """An objective of another seed, and other cells."""
    x, labels = map(torch.from_numpy, _cells(1))
    objective = OBJECTIVES.get(name)(n_features=GENES, n_classes=3, seed=99, config=config)
    objective.prepare(x, labels)
    return objective, x, labels


def _mean_loss(objective: Objective, problem: Problem, rows: Tensor, x: Tensor, y: Tensor, n: int = 10) -> float:
    with torch.no_grad():
        return float(np.mean([float(objective.loss(rows, problem.rows_y, x, y, step)) for step in range(n)]))


@pytest.mark.parametrize("name", ["dm", "dm-tuned"])
def test_dm_recovers_class_means(name: str) -> None:
    problem, before, after = _learn(name, "noise", steps=150, leash=0.0, hidden=(64,))
    off = [
        np.abs(rows[problem.rows_y == c].mean(0).numpy() - MEANS[c]).mean()
        for rows in (before, after)
        for c in range(3)
    ]
    assert np.mean(off[3:]) < 0.25 * np.mean(off[:3])


@pytest.mark.parametrize("name", ["dc", "dc-tuned", "dsa", "dsa-tuned"])
def test_dc_lowers_the_gradient_distance_on_unseen_networks(name: str) -> None:
    problem, before, after = _learn(name, "real", steps=60, hidden=(32,))
    objective, x, y = _unseen("gradient", GradientConfig(hidden=(32,), stages=(0,)))
    assert _mean_loss(objective, problem, after, x, y) < 0.95 * _mean_loss(objective, problem, before, x, y)


def test_dc_trains_its_classifier_on_the_rows_as_published(monkeypatch: pytest.MonkeyPatch) -> None:
    config = replace(BASELINES.get("dc").config, hidden=(8,), real_per_class=10, loops=((1, 1, 1), (4, 3, 7)))
    x, labels = _cells(0)
    problem = Problem(sp.csr_matrix(x), labels, np.repeat([0, 1, 2], 4), n_classes=3, seed=0)
    seen: list[Tensor] = []
    step = RowTraining.step

    def spy(self: RowTraining) -> None:
        seen.append(self.x)
        step(self)

    monkeypatch.setattr(RowTraining, "step", spy)
    matching = BASELINES.get("dc").matching(problem, config)
    rows = torch.rand(12, GENES)
    weights = []
    for k in range(6):
        matching(rows, k)
        weights.append(matching.objective.network(0).weights[0])
    assert matching.loop == (3, 7), "the loops for this number of rows"
    assert len(seen) == 4 * 7, "none for the first of three steps"
    torch.testing.assert_close(seen[0], problem.standardised(rows))
    assert not torch.equal(weights[0], weights[1]), "it is trained"
    assert (weights[3] - weights[2]).norm() > 10 * (weights[1] - weights[0]).norm(), "and drawn anew"


def test_mtt_follows_unseen_experts() -> None:
    for name in ("mtt", "mtt-tuned"):
        small = {"hidden": (16,), "steps": 40, "n_experts": 2, "n_epochs": 4, "max_start": 3, "student_steps": 5}
        rate = {} if name.endswith("tuned") else {"lr": 50.0}
        problem, before, after = _learn(name, **small, **rate)
        x, labels = _cells(1)
        other = Problem(sp.csr_matrix(x), labels, problem.rows_y.numpy(), n_classes=3, seed=99)
        unseen = BASELINES.get(name).matching(other, replace(BASELINES.get(name).config, **small))
        losses = [
            np.mean([float(unseen.distance(rows, e[s], e[s + 2]).detach()) for e in unseen.experts for s in range(3)])
            for rows in (before, after)
        ]
        assert losses[1] < 0.97 * losses[0]


def test_mtt_experts_learn_and_students_move_by_sgd() -> None:
    x, labels = _cells(0)
    problem = Problem(sp.csr_matrix(x), labels, labels, n_classes=3, seed=0)
    config = replace(BASELINES.get("mtt").config, hidden=(8,), n_experts=1, student_steps=1)
    matching = BASELINES.get("mtt").matching(problem, config)
    first, last = matching.experts[0][0], matching.experts[0][-1]
    accuracy = [
        (net.outputs(problem.standardised(torch.from_numpy(x))).argmax(1).numpy() == labels).mean()
        for net in (first, last)
    ]
    assert accuracy[1] > max(0.9, accuracy[0])
    taught = Trainee(first, lr=float(matching.student_lr.detach()))
    taught.step(problem.cells(sp.csr_matrix(x)), torch.from_numpy(labels))
    assert float(matching.distance(torch.from_numpy(x), first, taught.network).detach()) < 1e-6
    begin = float(matching.student_lr.detach())
    for step in range(2):
        matching(torch.from_numpy(x).requires_grad_(), step).backward()
    assert float(matching.student_lr.detach()) != begin, "the rate of the students is learned"


@pytest.mark.parametrize("name", ["kip", "kip-tuned"])
def test_kip_lowers_the_error_on_held_out_cells(name: str) -> None:
    problem, before, after = _learn(name, "real", steps=60)
    config = BASELINES.get(name).config
    kernel = KernelConfig(linear=config.linear, rbf=config.rbf, arccos=config.arccos, ridge=config.ridge)
    objective, x, y = _unseen("kernel", kernel)
    assert _mean_loss(objective, problem, after, x, y, 1) < 0.8 * _mean_loss(objective, problem, before, x, y, 1)


@pytest.mark.parametrize("name", ["ncfm", "ncfm-tuned"])
def test_ncfm_lowers_the_distance_at_unseen_frequencies(name: str) -> None:
    problem, before, after = _learn(name, "real", steps=100, n_networks=2 if name == "ncfm" else 0)
    objective, x, y = _unseen("characteristic", CharacteristicConfig(bandwidths=(2.0, 4.0)))
    assert _mean_loss(objective, problem, after, x, y) < 0.9 * _mean_loss(objective, problem, before, x, y)


@pytest.mark.parametrize("name", ["idm", "idm-tuned"])
def test_idm_matches_means_in_an_unseen_trained_network(name: str) -> None:
    problem, before, after = _learn(name, "real", steps=60, hidden=(32, 32))
    x, y = map(torch.from_numpy, _cells(1))
    trainee = Trainee(Network.draw((GENES, 32, 3), generator=torch.Generator().manual_seed(99)), lr=0.05)
    for _ in range(30):
        trainee.step(problem.cells(sp.csr_matrix(x.numpy())), y)

    def off(rows: Tensor) -> float:
        inside = [trainee.network.layers(problem.standardised(v))[0][-1] for v in (rows, x)]
        means = [
            torch.stack([h[k == c].mean(0) for c in range(3)]) for h, k in zip(inside, (problem.rows_y, y), strict=True)
        ]
        return float((means[0] - means[1]).square().sum())

    assert off(after) < 0.7 * off(before)


def test_idm_rolls_and_trains_its_pool() -> None:
    x, labels = _cells(0)
    problem = Problem(sp.csr_matrix(x), labels, labels, n_classes=3, seed=0)
    config = replace(BASELINES.get("idm").config, hidden=(8, 8), first_networks=2, max_networks=3, new_every=2)
    matching = BASELINES.get("idm").matching(problem, config)
    first = matching.pool[0][0]
    for step in range(12):
        matching(torch.from_numpy(x), step)
        assert len(matching.pool) <= 3
    assert all(trainee is not first for trainee, _ in matching.pool)
    assert max(accuracy for _, accuracy in matching.pool) > 0.5


@pytest.mark.parametrize("name", ["dsa", "dm"])
def test_both_sides_see_the_same_augmentation(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    x, labels = _cells(0)
    problem = Problem(sp.csr_matrix(x), labels, labels, n_classes=3, seed=0)
    config = replace(BASELINES.get(name).config, real_per_class=PER_CLASS, mask=0.5, jitter=0.5)
    matching = BASELINES.get(name).matching(problem, config)
    # the rows are the real cells: nothing is left to match, unless the two sides are treated differently
    same = float(matching(torch.from_numpy(x), 0))
    draws = iter(range(100))
    monkeypatch.setattr(Augmentation, "__call__", lambda self, v: v * (1 + next(draws)))
    assert same < 1e-2 * float(matching(torch.from_numpy(x), 0))
