"""The whole distillation on arrays: nested, weighed, repeatable, interruptible."""

from __future__ import annotations

import json
import time
from dataclasses import replace

import numpy as np
import pytest
import scipy.sparse as sp
import torch

from scdd.distill import PRESETS, CalibrationConfig, DistillConfig, Distilled, RefineConfig, distill, most_steps
from scdd.distill._referee import inner_splits
from scdd.objectives import MomentMatching

from ._toy import world

PLAIN = DistillConfig(objective=None, referee=False)
REFINED = DistillConfig(
    objective="moments", referee=False, refine=RefineConfig(n_steps=12, lr=0.1, checkpoints=(5, 10))
)


def run(sizes=5, config: DistillConfig = PLAIN, seed: int = 0, **options) -> Distilled:
    w = world()
    sizes = np.broadcast_to(np.asarray(sizes), 4)
    return distill(w.module, w.source, w.latents, sizes, config=config, seed=seed, **options)


def rows_of(result: Distilled, label: int, n: int) -> np.ndarray:
    return np.flatnonzero(result.plan.labels == label)[:n]


@pytest.mark.parametrize("init", ["kmeans", "herding", "random_cells", "noise"])
def test_prefixes_are_nested(init: str):
    config = DistillConfig(objective=None, referee=False, init=init)
    few, many = run(10, config), run(50, config)
    for label in range(4):
        for n in (1, 5, 10):
            a, b = rows_of(few, label, n), rows_of(many, label, n)
            np.testing.assert_array_equal(few.plan.batches[a], many.plan.batches[b])
            np.testing.assert_array_equal(few.plan.library[a], many.plan.library[b])
            np.testing.assert_array_equal(few.plan.kind[a], many.plan.kind[b])
            np.testing.assert_allclose(few.codes[a], many.codes[b], atol=2e-3)
            difference = np.abs(few.counts[a].toarray() - many.counts[b].toarray())
            assert (difference > 0).mean() < 2e-3  # inversion ends a rounding error apart
            assert difference.max() <= 2


@pytest.mark.parametrize("config", [PLAIN, REFINED, PRESETS.get("paper")], ids=["plain", "refined", "paper"])
def test_weights_sum_to_the_cells_of_each_class(config: DistillConfig):
    if config.objective == "gradient":
        config = DistillConfig(objective=None, init="noise", code_noise=1.0, rendering="plain", referee=False)
    sizes = np.array([1, 7, 3, 40])
    result = run(sizes, config)
    assert np.bincount(result.plan.labels).tolist() == sizes.tolist()
    total = np.bincount(result.plan.labels, weights=result.weight)
    np.testing.assert_array_equal(total, np.bincount(world().source.labels))


def test_more_rows_than_cells():
    source = world().source
    smallest = int(np.bincount(source.labels).argmin())
    sizes = np.ones(4, int)
    sizes[smallest] = int(np.bincount(source.labels).min()) + 30
    result = run(sizes)
    assert result.counts.shape == (sizes.sum(), source.n_vars)
    assert result.weight.sum() == source.n_obs
    assert np.isfinite(result.codes).all()


def same(a: Distilled, b: Distilled) -> bool:
    arrays = [(r.counts.toarray(), r.mean.toarray(), r.codes, r.weight, r.depth, r.plan.library) for r in (a, b)]
    return all(x.tobytes() == y.tobytes() for x, y in zip(*arrays, strict=True)) and a.record == b.record


@pytest.mark.parametrize("config", [PLAIN, REFINED], ids=["plain", "refined"])
def test_same_seed_same_bytes_other_seed_other_rows(config: DistillConfig):
    first = run(config=config)
    assert same(first, run(config=config))
    other = run(config=config, seed=1)
    assert (first.counts != other.counts).nnz > 0


def test_form_of_the_result():
    result = run(6)
    assert isinstance(result.counts, sp.csr_matrix)
    assert result.counts.dtype == np.float32
    x = result.counts.toarray()
    assert (x == np.rint(x)).all()
    assert (x >= 0).all()
    assert (x.sum(1) > 0).all()
    assert result.mean.data.min() >= 0.02
    assert result.codes.dtype == np.float32
    assert json.loads(json.dumps(result.record)) == result.record


def test_rows_are_classified_as_their_class_and_are_no_copies():
    from sklearn.neighbors import KNeighborsClassifier

    from scdd.metrics import preprocess

    source = world().source
    every = np.ones(source.n_vars, bool)
    real = source.rows(np.arange(source.n_obs))
    judge = KNeighborsClassifier(5).fit(preprocess(real, every), source.labels)
    result = run(10)
    assert judge.score(preprocess(result.counts, every), result.plan.labels) >= 0.9
    copies = {row.tobytes() for row in real.toarray()} & {row.tobytes() for row in result.counts.toarray()}
    assert not copies


def test_codes_decode_to_the_centres_of_their_cells():
    w = world()
    result = run(1)
    z, y, b = (torch.from_numpy(a) for a in (result.codes, result.plan.labels, result.plan.batches))
    with torch.no_grad():
        latent = w.module.scdg(z, torch.full((4,), PLAIN.code_noise), y, b)
    torch.testing.assert_close(latent, w.module.class_means, rtol=0, atol=0.05)


def test_module_and_cells_are_left_as_they_were():
    w = world()
    state = {k: v.clone() for k, v in w.module.state_dict().items()}
    needs = [p.requires_grad for p in w.module.parameters()]
    latents, x = w.latents.copy(), w.source.rows(np.arange(w.source.n_obs)).toarray()
    run(config=REFINED)
    assert all(torch.equal(v, state[k]) for k, v in w.module.state_dict().items())
    assert [p.requires_grad for p in w.module.parameters()] == needs
    np.testing.assert_array_equal(w.latents, latents)
    np.testing.assert_array_equal(w.source.rows(np.arange(w.source.n_obs)).toarray(), x)


def test_global_random_state_is_left_alone():
    torch_state, numpy_state = torch.get_rng_state().clone(), np.random.get_state()[1].copy()
    run(config=REFINED)
    assert torch.equal(torch.get_rng_state(), torch_state)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state)


class Interrupted:
    """Raises once, at the k-th evaluation of the objective."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, at: int) -> None:
        self.n, self.at = 0, at
        original = MomentMatching.value

        def value(objective, step):
            self.n += 1
            if self.n == self.at:
                raise KeyboardInterrupt
            return original(objective, step)

        monkeypatch.setattr(MomentMatching, "value", value)


@pytest.mark.parametrize("checkpoints", [(), (5,)])
def test_interrupted_refinement_gives_the_rows_of_the_last_step(monkeypatch: pytest.MonkeyPatch, checkpoints):
    """Where no referee decides, what was done so far is the best there is: the paper preset has no checkpoints."""
    whole = run(config=DistillConfig(objective="moments", referee=False, refine=RefineConfig(6, 0.1, 0.3, ())))
    Interrupted(monkeypatch, 8)
    config = DistillConfig(objective="moments", referee=False, refine=RefineConfig(10, 0.1, 0.3, checkpoints))
    result = run(config=config)
    assert result.status == "interrupted"
    assert result.record["n_steps"] == 6
    np.testing.assert_array_equal(result.counts.toarray(), whole.counts.toarray())
    assert all(p.requires_grad for p in world().module.parameters())


def test_interruption_before_the_first_checkpoint_gives_the_unrefined_rows(monkeypatch: pytest.MonkeyPatch):
    Interrupted(monkeypatch, 2)
    result = run(config=REFINED)
    assert result.status == "interrupted"
    assert result.record["n_steps"] == 0
    np.testing.assert_array_equal(result.counts.toarray(), run().counts.toarray())


def test_interruption_of_the_inner_refinement_ends_the_distillation(monkeypatch: pytest.MonkeyPatch):
    """Ctrl-C while candidates are made for the referee is no reason to go on with the longest part."""
    watch = Interrupted(monkeypatch, 3)
    result = run(config=DistillConfig(objective="moments", refine=REFINED.refine))
    assert result.status == "interrupted"
    assert watch.n == 3  # nothing was refined afterwards
    np.testing.assert_array_equal(result.counts.toarray(), run().counts.toarray())


@pytest.mark.parametrize("referee", [True, False])
def test_deadline_is_kept_and_said(referee: bool):
    config = DistillConfig(objective="moments", referee=referee, refine=RefineConfig(n_steps=5000))
    result = run(config=config, deadline=time.monotonic() - 1)
    assert result.status == "out_of_time"
    assert result.counts.shape[0] == 20


@pytest.mark.parametrize("generator", ["none", "gaussian", "scdg"])
def test_ablations_of_the_generator(generator: str):
    config = DistillConfig(objective="moments", referee=False, generator=generator, refine=RefineConfig(3))
    result = run(3, config)
    assert len(result.record["losses"]) == 3
    w = world()
    # whatever the generator, the first row of a class starts at the mean of its cells
    plain = run(1, DistillConfig(objective=None, guidance=0.0, generator=generator))
    from scdd.distill import Codes

    z, y, b = (torch.from_numpy(a) for a in (plain.codes, plain.plan.labels, plain.plan.batches))
    codes = Codes(z, y, b, 0.2, 0.0, generator)
    with torch.no_grad():
        torch.testing.assert_close(codes.latents(w.module), w.module.class_means, rtol=0, atol=0.1)


def test_guidance_moves_rows_away_from_the_other_classes():
    w = world()
    near, far = (run(1, DistillConfig(objective=None, guidance=g, referee=False)).mean.toarray() for g in (0.0, 1.0))
    distance = [
        np.mean([np.abs(np.log1p(x[i]) - np.log1p(x[j])).mean() for i in range(4) for j in range(i)])
        for x in (near, far)
    ]
    assert distance[1] > 1.1 * distance[0]
    assert w.module.shift(torch.arange(4)).shape == (4, 8)


@pytest.mark.usefixtures("small_budget_here")
@pytest.mark.parametrize(
    ("n", "config"), [(1, DistillConfig()), (3, DistillConfig(referee=False)), (3, DistillConfig())]
)
def test_steps_are_told_until_the_rows_are_written(n: int, config: DistillConfig) -> None:
    told: list[float | None] = []
    source = world().source
    config = replace(config, objective="moments", refine=RefineConfig(n_steps=4, checkpoints=(2,)))
    config = replace(config, calibration=CalibrationConfig(n_steps=2))
    result = run(n, config, on_step=told.append)
    assert told[-1] is None
    assert len(told) <= most_steps(config, source, seed=0)
    if not config.referee:
        assert len(told) == most_steps(config, source, seed=0) == 5
    elif n > 1 and result.record["n_steps"] == 4:
        assert len(told) == most_steps(config, source, seed=0)
    judged = len(result.record["inner"].get("score", []))
    n_splits = len(inner_splits(source, config.referee_splits, seed=0)) if config.referee else 1
    assert told.count(None) == n_splits * judged + 1
