"""Losses that train the generator: at rest where outputs are distributed as the targets."""

from __future__ import annotations

import pytest
import torch

from scdd.errors import InputError
from scdd.module import ENGINES
from scdd.module.engines import Groups
from scdd.module.engines._base import noise_levels, noised
from scdd.module.engines._drifting import drift
from scdd.module.engines._energy import energy_distance

from ._toy import N_CLASSES, D, new_module


def normal(*shape: int, seed: int) -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed))


def mean_energy(change) -> float:
    """Mean over many draws of the energy distance of changed normal samples to normal samples."""
    return float(energy_distance(change(normal(300, 24, 3, seed=0)), normal(300, 24, 3, seed=1)).mean())


@pytest.mark.parametrize(
    "change",
    [lambda x: x + 0.3, lambda x: 0.7 * x, lambda x: 1.4 * x, lambda x: x.sign() * 0.8, torch.zeros_like],
    ids=["moved", "shrunk", "spread", "two points", "collapsed"],
)
def test_energy_is_least_at_the_distribution_of_the_targets(change):
    assert mean_energy(change) > mean_energy(lambda x: x) + 0.02


def test_energy_is_unbiased_and_agrees_with_the_metric():
    from scdd.metrics import energy_distance as metric

    x, y = normal(1, 40, 3, seed=0), normal(1, 50, 3, seed=1) + 0.5
    within = torch.cdist(y, y).sum() / (50 * 49)
    ours = float(energy_distance(x, y)[0] - within)
    assert ours == pytest.approx(metric(x[0].numpy(), y[0].numpy()), abs=2e-3)
    # E|y - y'| is what is left out: at the targets the rest is zero on average
    z = normal(400, 24, 3, seed=2)
    own = torch.cdist(z, z).sum((1, 2)).mean() / (24 * 23)
    assert mean_energy(lambda x: x) - float(own) == pytest.approx(0, abs=0.04)


def test_energy_has_a_finite_gradient_where_samples_coincide():
    x = torch.zeros(1, 5, 3, requires_grad=True)
    energy_distance(x, torch.zeros(1, 5, 3)).sum().backward()
    assert torch.isfinite(x.grad).all()


def test_groups_do_not_mix_in_the_energy():
    x, y = normal(3, 10, 2, seed=0), normal(3, 10, 2, seed=1)
    together = energy_distance(x, y)
    torch.testing.assert_close(together, torch.cat([energy_distance(x[i : i + 1], y[i : i + 1]) for i in range(3)]))


def systematic_drift(offset: float, spread: float = 1.0) -> tuple[float, float]:
    """Mean drift along the offset, and how much the drift spreads the outputs, over many draws."""
    along, outwards = [], []
    for seed in range(40):
        x = spread * normal(4, 32, 3, seed=2 * seed) + offset
        step = drift(x, normal(4, 32, 3, seed=2 * seed + 1), *torch.zeros(2, 4, 32, dtype=torch.int64))
        along.append(float(step.mean()))
        outwards.append(float((step * (x - offset)).mean()))
    return sum(along) / 40, sum(outwards) / 40


def test_drift_rests_at_the_targets_and_leads_there_from_elsewhere():
    rest, breath = systematic_drift(0.0)
    back, _ = systematic_drift(1.0)
    forth, _ = systematic_drift(-1.0)
    assert back < -0.05 < 0.05 < forth
    assert abs(rest) < 0.1 * forth
    narrow = systematic_drift(0.0, spread=0.4)[1]
    wide = systematic_drift(0.0, spread=2.0)[1]
    assert narrow > 0 > wide
    assert abs(breath) < 0.35 * min(narrow, -wide)


def test_drift_does_not_cross_batches_nor_classes():
    x, y = normal(2, 8, 3, seed=0), normal(2, 10, 3, seed=1)
    batches = torch.arange(8).repeat(2, 1) % 2, torch.arange(10).repeat(2, 1) % 2
    reference = drift(x, y, *batches)
    moved = y.clone()
    moved[:, 1::2] += 0.01 * normal(2, 5, 3, seed=2)  # the other batch
    changed = drift(x, moved, *batches)
    # the scale is common, the direction is not
    ways = torch.nn.functional.cosine_similarity(changed[:, ::2], reference[:, ::2], dim=-1)
    assert float(ways.min()) > 0.999
    torch.testing.assert_close(drift(x, y, batches[0], batches[1] + 5), torch.zeros_like(x))  # no own batch to go to


@pytest.mark.parametrize("name", ENGINES.names())
def test_engine_gives_a_finite_loss_whose_gradient_stays_with_its_class(name: str):
    """A step on groups of one class moves that class's condition and no other."""
    module = new_module()
    generator = module.scdg
    with torch.no_grad():
        generator.output.weight.copy_(0.1 * normal(*generator.output.weight.shape, seed=0))
    start, target = normal(2, 12, D, seed=1), normal(2, 12, D, seed=2)
    zeros = torch.zeros(2, 12, dtype=torch.int64)
    groups = Groups(torch.tensor([1, 3]), start, zeros, target, zeros)
    loss = ENGINES.get(name)().loss(generator, groups, progress=0.5, rng=torch.Generator().manual_seed(0))
    loss.backward()
    assert torch.isfinite(loss)
    assert loss.ndim == 0
    touched = generator.class_embedding.weight.grad.abs().sum(1) > 0
    assert touched.tolist() == [False, True, False, True, False][: N_CLASSES + 1]
    assert float(generator.output.weight.grad.abs().sum()) > 0


@pytest.mark.parametrize("name", ENGINES.names())
def test_engine_depends_on_nothing_but_its_stream(name: str):
    generator = new_module().scdg
    zeros = torch.zeros(2, 12, dtype=torch.int64)
    groups = Groups(torch.tensor([0, 1]), normal(2, 12, D, seed=1), zeros, normal(2, 12, D, seed=2), zeros)
    engine = ENGINES.get(name)()
    losses = [
        float(engine.loss(generator, groups, progress=0.7, rng=torch.Generator().manual_seed(s)).detach())
        for s in (0, 0, 1)
    ]
    assert losses[0] == losses[1] != losses[2]


def test_unknown_engine_is_named_with_what_there_is():
    with pytest.raises(InputError, match="Did you mean 'energy'"):
        ENGINES.get("enrgy")


def test_noise_levels_hold_what_they_promise():
    t = noise_levels((200, 500), rng=torch.Generator().manual_seed(0), device=torch.device("cpu"))
    assert float((t == 1).float().mean()) == pytest.approx(0.3, abs=0.01)
    assert 0 < float(t.min()) < 0.05
    assert float(t.max()) == 1
    z = torch.full((200, 500, 1), 3.0)
    x = noised(z, t, rng=torch.Generator().manual_seed(1))
    low = (t > 0.45) & (t < 0.55)
    assert float(x[low].mean()) == pytest.approx(1.5, abs=0.05)
    assert float(x[low].std()) == pytest.approx(0.5, abs=0.05)
    assert float(x[t == 1].mean()) == pytest.approx(0, abs=0.02)
