"""The inner referee: refuses what hurts, keeps what helps, and judges by cells that took no part."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from scdd.data import MemorySource, SubsetSource
from scdd.distill import PRESETS, CalibrationConfig, DistillConfig, RefineConfig, distill
from scdd.distill import _start as start_module
from scdd.distill._referee import Referee, inner_split, inner_splits
from scdd.distill._refine import RefineResult
from scdd.distill._task import Finish, Task

from ._toy import make_source, world

CONFIG = DistillConfig(
    objective="moments",
    prior_cells=None,
    guidance_options=(),
    rendering_options=(),
    spread_options=(),
    nuisance_options=(),
    levels_options=(),
    calibration=None,
    refine=RefineConfig(n_steps=2, checkpoints=(1, 2)),
    margin=0.01,
)


MODELS = CONFIG.referee_models


@pytest.fixture
def one_split(monkeypatch: pytest.MonkeyPatch) -> None:
    """One donor judges, so that the calls of the referee can be counted."""
    monkeypatch.setattr("scdd.distill._referee._ONE_DONOR", 1)


def toy(labels, donors=None, n_vars: int = 6, n_classes: int | None = None) -> MemorySource:
    labels = np.asarray(labels)
    counts = np.random.default_rng(0).poisson(3, (len(labels), n_vars)) + 1
    return MemorySource(counts, labels, [f"c{k}" for k in range(n_classes or labels.max() + 1)], donors=donors)


@pytest.mark.parametrize("seed", range(6))
def test_donors_are_never_on_both_sides(seed: int):
    source = make_source(seed=seed)
    split = inner_split(source, seed=seed)
    assert split.by_donor
    assert not set(source.donors[split.train]) & set(source.donors[split.validation])
    assert sorted([*split.train, *split.validation]) == list(range(source.n_obs))
    assert set(source.labels[split.train]) == set(range(4))


def test_class_in_one_donor_keeps_training_cells():
    """The donor that alone holds a class must not be held out."""
    donors = np.repeat([0, 1, 2], 40)
    labels = np.tile([0, 1], 60)
    labels[donors == 2] = 2
    for seed in range(8):
        split = inner_split(toy(labels, donors), seed=seed)
        assert set(labels[split.train]) == {0, 1, 2}
        if split.by_donor:
            assert not set(donors[split.train]) & set(donors[split.validation])


def test_each_donor_with_a_class_of_its_own_falls_back_on_cells():
    donors = np.repeat([0, 1, 2], 40)
    split = inner_split(toy(donors, donors), seed=0)
    assert not split.by_donor
    assert set(donors[split.train]) == set(donors[split.validation]) == {0, 1, 2}


def test_one_donor_or_none_holds_out_cells():
    labels = np.tile([0, 1], 60)
    for donors in (None, np.zeros(120, int)):
        split = inner_split(toy(labels, donors), seed=0)
        assert not split.by_donor
        assert len(split.validation) == pytest.approx(36, abs=2)


def test_too_few_cells_or_one_class_are_not_judged():
    assert inner_split(toy(np.tile([0, 1], 10)), seed=0) is None
    assert inner_split(toy(np.zeros(500, int)), seed=0) is None


def test_many_small_classes_still_get_scores():
    """63 classes of 12 cells leave fewer than 5 cells a class to judge."""
    labels = np.repeat(np.arange(20), 10)
    source = toy(labels)
    split = inner_split(source, seed=0)
    if split is not None:
        rows = source.rows(split.train).toarray()
        referee = Referee(source, split, np.ones(6, bool), models=MODELS, seed=0)
        scores = referee.scores(rows, rows.sum(axis=1), labels[split.train])
        assert np.isfinite(list(scores.values())).all()


def test_large_validation_is_thinned_but_rare_classes_stay():
    labels = np.concatenate([np.zeros(9000, int), np.full(60, 1)])
    split = inner_split(toy(labels), seed=0)
    assert len(split.validation) <= 2000
    assert (labels[split.validation] == 1).sum() == 18
    assert not set(split.train) & set(split.validation)


def test_real_rows_score_high_and_mislabelled_rows_low():
    source = world().source
    split = inner_split(source, seed=0)
    hvg = np.zeros(source.n_vars, bool)
    hvg[world().module.hvg.numpy()] = True
    referee = Referee(source, split, hvg, models=MODELS, seed=0)
    rows, labels = source.rows(split.train), source.labels[split.train].astype(int)
    seen, total = rows[:, hvg].toarray(), np.asarray(rows.sum(axis=1)).ravel()
    good, bad = referee.scores(seen, total, labels), referee.scores(seen, total, (labels + 1) % 4)
    assert set(good) == set(MODELS)
    assert min(good.values()) > 0.8
    assert max(bad.values()) < 0.2


def distilled(monkeypatch: pytest.MonkeyPatch, candidate, *, config: DistillConfig = CONFIG, start=None):
    """Distil with a refinement that is replaced: ``candidate(codes)`` is what every checkpoint holds."""
    seen = []

    def fake(self, source, beginning, *args):
        seen.append(source)
        moved = candidate(beginning.codes)
        return RefineResult({1: moved, 2: moved}, [1.0, 1.0], "complete")

    monkeypatch.setattr(Task, "refine", fake)
    w = world()
    result = distill(w.module, w.source, w.latents, np.full(4, 2), config=config, seed=0)
    return result, seen


def swap(codes):
    """Every row at the place of the next class."""
    means = world().module.class_means
    return codes.moved(codes.z - means[codes.labels] + means[(codes.labels + 1) % 4])


def repair(codes):
    """Undo :func:`swap`."""
    means = world().module.class_means
    return codes.moved(codes.z + means[codes.labels] - means[(codes.labels + 1) % 4])


def test_refinement_that_hurts_is_refused(monkeypatch: pytest.MonkeyPatch):
    result, _ = distilled(monkeypatch, swap)
    assert result.record["n_steps"] == 0
    assert result.record["objective"] == "none"
    scores = result.record["inner"]["score"]
    assert scores[0] > scores[1] + 0.05
    w = world()
    config = replace(CONFIG, objective=None)
    plain = distill(w.module, w.source, w.latents, np.full(4, 2), config=config, seed=0)
    np.testing.assert_array_equal(result.counts.toarray(), plain.counts.toarray())


def test_refinement_that_helps_is_kept(monkeypatch: pytest.MonkeyPatch):
    """The start is spoilt, the refinement repairs it."""
    original = start_module.invert
    monkeypatch.setattr(start_module, "invert", lambda *args: swap(original(*args)))

    result, seen = distilled(monkeypatch, repair)
    assert result.record["n_steps"] in (1, 2)
    assert result.record["objective"] == "moments"
    assert result.record["inner"]["score"][1] > result.record["inner"]["score"][0] + 0.01
    # the candidates were made without the judges, the result from all cells
    *inner, whole = seen
    assert all(isinstance(part, SubsetSource) for part in inner)
    assert whole is world().source
    split = inner_split(world().source, seed=0)
    np.testing.assert_array_equal(inner[0].index, split.train)


def test_difference_within_the_margin_changes_nothing(monkeypatch: pytest.MonkeyPatch):
    """The plain rows are preferred: a refinement must be better by the margin."""
    result, _ = distilled(monkeypatch, lambda codes: codes)
    assert result.record["n_steps"] == 0


@pytest.mark.usefixtures("one_split")
def test_guidance_is_chosen_where_it_helps(monkeypatch: pytest.MonkeyPatch):
    """The start is spoilt; the guidance option alone is scored well."""
    original = Referee.scores
    calls = []

    def scores(self, seen_counts, total, labels):
        calls.append(seen_counts)
        good = original(self, seen_counts, total, labels)
        return {name: value if len(calls) == 2 else value - 0.2 for name, value in good.items()}

    monkeypatch.setattr(Referee, "scores", scores)
    config = replace(CONFIG, guidance=0.0, guidance_options=(0.5,), prior_cells=5.0)
    result, _ = distilled(monkeypatch, lambda codes: codes, config=config)
    assert (result.record["guidance"], result.record["n_steps"]) == (0.5, 0)
    assert result.record["inner"]["guidance"] == [0.0, 0.5, 0.0, 0.0]


def test_without_referee_the_refinement_is_taken(monkeypatch: pytest.MonkeyPatch):
    config = replace(CONFIG, referee=False)
    result, seen = distilled(monkeypatch, swap, config=config)
    assert result.record["n_steps"] == 2
    assert len(seen) == 1


FINISHES = [("auto", True), ("auto", False), ("1.0", True), ("1.0", False)]


@pytest.mark.usefixtures("one_split")
@pytest.mark.parametrize("best", FINISHES, ids=str)
def test_spread_and_calibration_are_chosen_where_they_help(monkeypatch: pytest.MonkeyPatch, best):
    """After the codes: the four ways to write them, of which one is scored well; it is what the result is made by."""
    calls = []

    def scores(self, seen_counts, total, labels):
        calls.append(seen_counts)
        return dict.fromkeys(MODELS, 0.9 if FINISHES[len(calls) - 1] == best else 0.5)

    monkeypatch.setattr(Referee, "scores", scores)
    config = replace(CONFIG, objective=None, spread_options=(1.0,), calibration=CalibrationConfig(n_steps=2))
    w = world()
    made = {}
    for referee in (True, False):
        result = distill(w.module, w.source, w.latents, np.full(4, 3), config=replace(config, referee=referee), seed=0)
        made[referee] = result
    inner = made[True].record["inner"]
    told = (made[True].record["spread"], made[True].record["calibrated"])
    assert list(zip(inner["spread"], inner["calibrated"], strict=True)) == FINISHES
    assert told == best
    assert (made[False].record["spread"], made[False].record["calibrated"]) == ("auto", True)
    same = (made[True].counts != made[False].counts).nnz == 0
    assert same == (best == ("auto", True))


@pytest.mark.usefixtures("one_split")
@pytest.mark.parametrize("better", [True, False])
def test_small_differences_stay_where_they_help(monkeypatch: pytest.MonkeyPatch, better: bool):
    given = iter([0.5, 0.6 if better else 0.4])  # as configured, without levels
    monkeypatch.setattr(Referee, "scores", lambda self, *rows: {"LR": next(given)})
    config = replace(CONFIG, objective=None, levels_options=(0.0,))
    w = world()
    result = distill(w.module, w.source, w.latents, np.full(4, 2), config=config, seed=0)
    assert result.record["inner"]["levels"] == [config.levels, 0.0]
    assert result.record["levels"] == (0.0 if better else config.levels)
    made = {}
    for levels in (0.0, config.levels):
        fast = replace(config, referee=False, levels=levels)
        made[levels] = distill(w.module, w.source, w.latents, np.full(4, 2), config=fast, seed=0).counts
    assert (made[0.0] != made[config.levels]).nnz > 0
    assert (result.counts != made[result.record["levels"]]).nnz == 0


def test_one_row_a_class_has_no_spread(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Referee, "scores", lambda self, *rows: dict.fromkeys(MODELS, 0.5))
    w = world()
    config = replace(CONFIG, objective=None, spread_options=(1.0,), calibration=CalibrationConfig(n_steps=2))
    result = distill(w.module, w.source, w.latents, np.full(4, 1), config=config, seed=0)
    assert result.record["inner"]["spread"] == ["auto", "auto"]


def test_inner_splits_hold_out_different_donors():
    """Three donors leave three ways to hold one out, however many are asked for."""
    source = make_source()
    splits = inner_splits(source, 5, seed=0)
    held_out = [frozenset(source.donors[split.validation]) for split in splits]
    assert 2 <= len(splits) == len(set(held_out)) <= 3
    np.testing.assert_array_equal(splits[0].train, inner_split(source, seed=0).train)
    assert inner_splits(toy(np.tile([0, 1], 10)), 5, seed=0) == []


def test_a_single_donor_does_not_judge_alone():
    """Where a split holds out one donor the others judge too; two donors at once, or cells, are enough."""
    labels = np.tile([0, 1], 60)
    for n_donors, n_splits in ((2, 2), (3, 3), (6, 1)):
        splits = inner_splits(toy(labels, donors=np.arange(120) // 2 % n_donors), 1, seed=0)
        assert len(splits) == n_splits
        assert all(split.by_donor for split in splits)
    assert len(inner_splits(toy(labels), 1, seed=0)) == 1


@pytest.mark.usefixtures("one_split")
def test_scores_are_means_over_the_splits(monkeypatch: pytest.MonkeyPatch):
    """A guidance that is good on the first split alone, and worse on average, is not taken."""
    given = iter([0.5, 0.6, 0.8, 0.6])  # plain and guided rows on one split, then on the other
    monkeypatch.setattr(Referee, "scores", lambda self, *rows: dict.fromkeys(MODELS, next(given)))
    config = replace(CONFIG, objective=None, guidance=0.0, guidance_options=(0.5,), referee_splits=2)
    w = world()
    result = distill(w.module, w.source, w.latents, np.full(4, 1), config=config, seed=0)
    assert result.record["guidance"] == 0.0
    np.testing.assert_allclose(result.record["inner"]["score"], [0.65, 0.6])


@pytest.mark.usefixtures("small_budget_here")
def test_the_best_preset_runs():
    w = world()
    config = PRESETS.get("best")
    config = replace(config, referee_splits=2, refine=replace(config.refine, n_steps=2, checkpoints=(1, 2)))
    result = distill(w.module, w.source, w.latents, np.full(4, 2), config=config, seed=0)
    assert set(result.record["inner"]["spread"]) == {"auto", "0.5", "1.0"}
    assert set(result.record["inner"]["guidance"]) == {0.0625, 0.0, 0.25}


def test_a_donor_of_few_cells_does_not_end_the_search():
    """A split that holds out ten cells cannot judge; those after it can."""
    donors = np.repeat([0, 1, 2], [500, 500, 10])
    source = toy(np.tile([0, 1], 505), donors)
    for seed in range(8):
        splits = inner_splits(source, 1, seed=seed)
        assert len(splits) == 2
        assert {int(donors[split.validation][0]) for split in splits} == {0, 1}


def test_an_option_that_is_the_choice_anyway_is_judged_once(monkeypatch: pytest.MonkeyPatch):
    """Judged twice, it would look better known than every other candidate."""
    original = start_module.invert
    monkeypatch.setattr(start_module, "invert", lambda *args: swap(original(*args)))

    result, _ = distilled(monkeypatch, repair, config=replace(CONFIG, guidance=0.0, guidance_options=(0.0,)))
    assert result.record["n_steps"] in (1, 2)


def test_judges_have_no_part_in_how_rows_are_written():
    """Levels and calibration are in units of the noise of the cells that rows are made of."""
    w = world()
    split = inner_split(w.source, seed=0)
    spoilt = w.source.rows(np.arange(w.source.n_obs)).toarray()
    spoilt[split.validation] = spoilt[split.validation][:, ::-1]
    other = MemorySource(
        spoilt, w.source.labels, w.source.class_names, batches=w.source.batches, batch_names=w.source.batch_names,
        donors=w.source.donors,
    )  # fmt: skip
    config = replace(CONFIG, objective=None, levels=0.75, calibration=CalibrationConfig(n_steps=2), prior_cells=5.0)
    rows = []
    for source in (w.source, other):
        task = Task(w.module, source, w.latents, np.full(4, 2), config, 0, None)
        rendered = task.render(SubsetSource(source, split.train), task.start(split.train), Finish())
        rows.append(rendered.counts.toarray())
    np.testing.assert_array_equal(*rows)


@pytest.mark.usefixtures("one_split")
@pytest.mark.parametrize("better", [True, False])
def test_noisy_rows_are_taken_where_they_help(monkeypatch: pytest.MonkeyPatch, better: bool):
    """The rows of the result are placed and written as those that were judged."""
    seen = []

    def scores(self, seen_counts, total, labels):
        seen.append((self.models, seen_counts))
        return dict.fromkeys(self.models, 0.9 if better and len(seen) == 2 else 0.5)

    monkeypatch.setattr(Referee, "scores", scores)
    models = ("LR", "SVM")
    config = replace(CONFIG, objective=None, rendering_options=("half",), referee_models=models, margin=0.0)
    w = world()
    result = distill(w.module, w.source, w.latents, np.full(4, 4), config=config, seed=0)
    assert [of[0] for of in seen] == [models, models]
    assert result.record["inner"]["rendering"] == ["mix", "half"]
    rendering = "half" if better else "mix"
    assert result.record["rendering"] == rendering
    plain = replace(config, referee=False, rendering=rendering)
    expected = distill(w.module, w.source, w.latents, np.full(4, 4), config=plain, seed=0)
    np.testing.assert_array_equal(result.counts.toarray(), expected.counts.toarray())
    assert (result.plan.kind == "noisy").sum() == (8 if better else 0)


def test_one_row_a_class_has_one_rendering():
    w = world()
    config = replace(CONFIG, objective=None, rendering_options=("half",))
    result = distill(w.module, w.source, w.latents, np.full(4, 1), config=config, seed=0)
    assert set(result.record["inner"]["rendering"]) == {"mix"}
