"""The direction in which cells vary most within classes: it is found, and classes are made not to differ along it."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from scdd.distill import DistillConfig, distill, resolve_config
from scdd.distill._nuisance import apart_from, nuisance_directions
from scdd.distill._referee import Referee
from scdd.distill._task import Finish, Task

from ._toy import world


def batch(sizes: tuple[int, ...], *, n: int = 12, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Cells whose first class varies along the first feature, the second along the second, and so on."""
    rng = np.random.default_rng(seed)
    parts = [rng.normal(5 * k, 0.3, (size, n)) for k, size in enumerate(sizes)]
    for k, part in enumerate(parts):
        part[:, k] += rng.normal(0, 4 - k, len(part))
    return torch.from_numpy(np.concatenate(parts)), torch.from_numpy(np.repeat(np.arange(len(sizes)), sizes))


def test_directions_are_those_of_the_covariance_within_classes() -> None:
    batches = [batch((40, 30, 50), seed=seed) for seed in range(3)]
    covariance = sum(np.cov(x[y == k].numpy().T) for x, y in batches for k in range(3))
    values, vectors = np.linalg.eigh(covariance)
    found = nuisance_directions(batches, 3)
    assert found.shape == (12, 3)
    np.testing.assert_allclose(np.abs(np.diag(found.T @ vectors[:, ::-1][:, :3])), 1, atol=1e-5)


def test_all_classes_count_the_same() -> None:
    """A thousand cells of the second class do not outvote fifty of the first, which vary more."""
    x, y = batch((50, 1000))
    assert np.abs(nuisance_directions([(x, y)], 1)[:, 0]).argmax() == 0


def test_what_does_not_vary_has_no_direction() -> None:
    x, y = torch.ones(6, 4), torch.tensor([0, 0, 0, 1, 1, 2])
    assert nuisance_directions([(x, y)], 1).shape == (4, 0)
    assert nuisance_directions([(x[:3], torch.arange(3))], 1).shape == (4, 0)  # one cell of each class


def gain(x: np.ndarray, y: np.ndarray) -> list[float]:
    """For each class, how much farther the nearest one is without the leading direction, in units of the scatter."""
    means = np.stack([x[y == k].mean(0) for k in np.unique(y)])
    covariance = np.mean([np.cov(x[y == k].T) for k in np.unique(y)], axis=0)
    direction = np.linalg.eigh(covariance)[1][:, -1]
    out = []
    for k, mean in enumerate(means):
        way = min((mean - other for j, other in enumerate(means) if j != k), key=np.linalg.norm)
        rest = way - (way @ direction) * direction
        before = way @ way / np.sqrt(way @ covariance @ way)
        left = way @ covariance @ way - (way @ direction) ** 2 * (direction @ covariance @ direction)
        out.append(rest @ rest / np.sqrt(left) / before)
    return out


@pytest.mark.parametrize("n_classes", [2, 5])
def test_directions_are_left_where_classes_get_apart_by_enough(n_classes: int) -> None:
    rng = np.random.default_rng(1)
    y = np.repeat(np.arange(n_classes), 60)
    x = rng.normal(0, 1, (len(y), 12)) + rng.normal(0, 1.5, (n_classes, 12))[y]
    x[:, 0] += rng.normal(0, 6, len(y))
    exact = float(np.median(gain(x, y)))
    batches = [(torch.from_numpy(x), torch.from_numpy(y))]
    assert exact > 1.05
    assert nuisance_directions(batches, 1, least_gain=exact * 0.999).shape == (12, 1)
    assert nuisance_directions(batches, 1, least_gain=exact * 1.001).shape == (12, 0)


def test_one_class_has_nothing_to_be_told_from() -> None:
    assert nuisance_directions([batch((50,))], 1, least_gain=1.1).shape == (12, 0)
    x = batch((50,))[0]
    same = (torch.cat([x, x]), torch.arange(2).repeat_interleave(50))  # two classes that are the same
    assert nuisance_directions([same], 1, least_gain=1.1).shape == (12, 0)


def test_where_it_is_not_worth_it_rows_stay_and_the_record_says_so() -> None:
    w = world()
    made = {
        least: distill(
            w.module,
            w.source,
            w.latents,
            np.full(4, 2),
            config=replace(resolve_config("fast"), nuisance_gain=least),
            seed=0,
        )
        for least in (0.0, 1e9)
    }
    without = distill(
        w.module, w.source, w.latents, np.full(4, 2), config=replace(resolve_config("fast"), nuisance=0), seed=0
    )
    noisy = replace(resolve_config("fast"), rendering="noisy", nuisance_gain=0.0)
    other = distill(w.module, w.source, w.latents, np.full(4, 2), config=noisy, seed=0)
    assert [made[least].record["nuisance"] for least in made] == [1, 0]
    assert without.record["nuisance"] == other.record["nuisance"] == 0
    assert (made[1e9].counts != without.counts).nnz == 0
    assert (made[0.0].counts != without.counts).nnz > 0


def test_rows_no_longer_differ_along_the_directions_and_nothing_else_changes() -> None:
    rng = np.random.default_rng(0)
    rows, directions = rng.normal(size=(4, 12)), np.linalg.qr(rng.normal(size=(12, 2)))[0]
    moved = rows + apart_from(directions, rows)
    assert np.ptp(moved @ directions, axis=0).max() < 1e-12
    np.testing.assert_allclose(moved.mean(0), rows.mean(0))
    rest = np.eye(12) - directions @ directions.T
    np.testing.assert_allclose(moved @ rest - (moved @ rest).mean(0), rows @ rest - (rows @ rest).mean(0), atol=1e-12)


def task(config: DistillConfig, n: int = 3) -> Task:
    w = world()
    return Task(w.module, w.source, w.latents, np.full(4, n), config, 0, None)


def test_denoised_rows_of_classes_differ_less_along_the_nuisance() -> None:
    """In the counts that are written, too."""
    plain = replace(resolve_config("fast"), levels=0.0, calibration=None, guidance=0.0, nuisance_gain=0.0)
    spans = {}
    for n in (0, 1):
        job = task(replace(plain, nuisance=n), 1)
        direction = job.nuisance(job.source, Finish(nuisance=1))
        counts = job.render(job.source, job.start(np.arange(job.source.n_obs)), Finish()).counts
        rows = np.log1p(counts[:, np.flatnonzero(job.hvg)].toarray())
        spans[n] = float(np.ptp(rows @ direction))
    assert spans[1] < 0.35 * spans[0]


def test_noisy_rows_stay() -> None:
    configs = [replace(resolve_config("fast"), rendering="half", nuisance=n, nuisance_gain=0.0) for n in (0, 1)]
    jobs = [task(config) for config in configs]
    start = jobs[0].start(np.arange(jobs[0].source.n_obs))
    without, made = (job.render(job.source, start, Finish()).counts.toarray() for job in jobs)
    noisy = start.plan.kind == "noisy"
    assert noisy.any()
    np.testing.assert_array_equal(made[noisy], without[noisy])
    assert (made[~noisy] != without[~noisy]).any()


@pytest.mark.parametrize("better", [True, False])
def test_the_referee_may_leave_the_means_where_they_are(monkeypatch: pytest.MonkeyPatch, better: bool) -> None:
    monkeypatch.setattr("scdd.distill._referee._ONE_DONOR", 1)
    given = iter([0.5, 0.5, 0.6 if better else 0.4])  # as configured, not calibrated, without a nuisance
    monkeypatch.setattr(Referee, "scores", lambda self, *rows: {"LR": next(given)})
    config = DistillConfig(
        objective=None, guidance_options=(), rendering_options=(), spread_options=(), nuisance_options=(0,),
        levels_options=(), nuisance_gain=0.0,
    )  # fmt: skip
    w = world()
    result = distill(w.module, w.source, w.latents, np.full(4, 1), config=config, seed=0)
    assert result.record["inner"]["nuisance"] == [1, 1, 0]
    assert result.record["nuisance"] == (0 if better else 1)
    fast = replace(config, referee=False, nuisance=result.record["nuisance"])
    other = distill(w.module, w.source, w.latents, np.full(4, 1), config=fast, seed=0)
    assert (result.counts != other.counts).nnz == 0
