"""A trained generator: what one call gives, against 20 steps, against a Gaussian, and for the condition asked for."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.spatial.distance import cdist
from sklearn.linear_model import LogisticRegression
from sklearn.neighbors import KNeighborsClassifier

import scdd.distill._codes as codes_module
from scdd.distill import Codes, invert
from scdd.metrics import energy_distance
from scdd.module import SCDDModule

from ._toy import N_CLASSES, D, draw, new_module, one_call, trained

HELD_OUT = draw(1600, 1)
ENGINES = ["energy", "drifting", "consistency"]


@pytest.fixture(params=ENGINES)
def module(request: pytest.FixtureRequest) -> SCDDModule:
    return trained(request.param)


@pytest.fixture
def energy_module() -> SCDDModule:
    return trained("energy")


@torch.no_grad()
def ode(module: SCDDModule, labels: np.ndarray, batches: np.ndarray, n_steps: int = 20, seed: int = 0) -> np.ndarray:
    """Euler steps along F from level 1 to 0."""
    z = torch.randn(len(labels), D, generator=torch.Generator().manual_seed(seed))
    levels = torch.linspace(1, 0, n_steps + 1)
    for t, s in zip(levels[:-1], levels[1:], strict=True):
        level = torch.full((len(z),), float(t))
        z = z - (t - s) * module.scdg.direction(z, level, torch.from_numpy(labels), torch.from_numpy(batches))
    return z.numpy()


@torch.no_grad()
def renoising(
    module: SCDDModule, labels: np.ndarray, batches: np.ndarray, n_steps: int = 20, seed: int = 0
) -> np.ndarray:
    """Denoise by one call, noise to the next lower level, and so on."""
    rng = torch.Generator().manual_seed(seed)
    z = torch.randn(len(labels), D, generator=rng)
    y, b = torch.from_numpy(labels), torch.from_numpy(batches)
    levels = torch.linspace(1, 0, n_steps + 1)
    for t, s in zip(levels[:-1], levels[1:], strict=True):
        clean = module.scdg(z, torch.full((len(z),), float(t)), y, b)
        z = (1 - s) * clean + s * torch.randn(z.shape, generator=rng)
    return z.numpy()


def distance(sample: np.ndarray, labels: np.ndarray) -> float:
    """Mean over classes of the energy distance to held-out latents."""
    return float(np.mean([energy_distance(sample[labels == c], HELD_OUT.of(c)) for c in range(N_CLASSES)]))


def test_one_call_is_as_good_as_twenty_and_as_a_gaussian(module: SCDDModule):
    labels, batches = HELD_OUT.labels, HELD_OUT.batches
    one = distance(one_call(module, labels, batches), labels)
    many = min(distance(f(module, labels, batches), labels) for f in (ode, renoising))
    noise = torch.randn(len(labels), D, generator=torch.Generator().manual_seed(5))
    gaussian = distance(module.gaussian(noise, torch.from_numpy(labels)).numpy(), labels)
    untrained = distance(one_call(new_module(), labels, batches), labels)
    floor = 0.01  # below this, distances are noise of the held-out cells
    assert one <= 1.2 * max(many, floor), (one, many, gaussian)
    assert one <= 1.1 * max(gaussian, floor), (one, many, gaussian)
    assert one < 0.2 * untrained, (one, untrained)


def test_one_call_shows_both_lobes_of_each_class(module: SCDDModule):
    """A generator of class means, or of one mode, would fail."""
    sample = one_call(module, HELD_OUT.labels, HELD_OUT.batches)
    for c in range(N_CLASSES):
        real, made = HELD_OUT.of(c), sample[HELD_OUT.labels == c]
        assert made.std(0) == pytest.approx(real.std(0), rel=0.35, abs=0.05)
        # each real cell has a generated one about as near as another real one
        reach = np.median(cdist(real, made).min(1)) / np.median(np.sort(cdist(real, real), 1)[:, 1])
        assert reach < 1.5


def test_swapping_the_label_swaps_the_class(module: SCDDModule):
    train = draw(1600, 0)
    judge = KNeighborsClassifier(5).fit(train.z, train.labels)
    real = judge.score(HELD_OUT.z, HELD_OUT.labels)
    swapped = (HELD_OUT.labels + 1) % N_CLASSES
    for labels in (HELD_OUT.labels, swapped):  # from the same noise
        assert (judge.predict(one_call(module, labels, HELD_OUT.batches)) == labels).mean() >= 0.9 * real


def test_perturbed_latents_come_back_to_real_ones(module: SCDDModule):
    half = len(HELD_OUT.z) // 2
    z, y, b = HELD_OUT.z[:half], HELD_OUT.labels[:half], HELD_OUT.batches[:half]
    rng = torch.Generator().manual_seed(3)
    for t in (0.2, 0.5):
        x = (1 - t) * torch.from_numpy(z) + t * torch.randn(z.shape, generator=rng)
        with torch.no_grad():
            back = module.scdg(x, torch.full((half,), t), torch.from_numpy(y), torch.from_numpy(b)).numpy()
        before, after = (
            np.mean([cdist(v[y == c], HELD_OUT.z[half:][HELD_OUT.labels[half:] == c]).min(1).mean() for c in range(4)])
            for v in (x.numpy(), back)
        )
        assert after < 0.8 * before, (t, before, after)


def test_low_level_stays_near_where_it_came_from(module: SCDDModule):
    """The code of a cell decodes to that cell, not to any cell of its class."""
    z, y, b = (torch.from_numpy(a) for a in (HELD_OUT.z, HELD_OUT.labels, HELD_OUT.batches))
    x = 0.9 * z + 0.1 * torch.randn(z.shape, generator=torch.Generator().manual_seed(3))
    with torch.no_grad():
        back = module.scdg(x, torch.full((len(z),), 0.1), y, b)
    assert float((back - z).square().mean()) < 0.2 * float((z[y.argsort()] - z[y.argsort()].roll(1, 0)).square().mean())


def test_batch_condition_matters(energy_module: SCDDModule):
    labels = np.repeat(np.arange(N_CLASSES), 200)
    for b in range(2):
        sample = one_call(energy_module, labels, np.full(len(labels), b))
        for c in range(N_CLASSES):
            own, other = (energy_distance(sample[labels == c], HELD_OUT.of(c, batch)) for batch in (b, 1 - b))
            assert own < 0.3 * other, (b, c, own, other)


def test_null_batch_gives_the_mixture_of_the_batches(energy_module: SCDDModule):
    labels = np.repeat(np.arange(N_CLASSES), 300)
    sample = one_call(energy_module, labels, np.full(len(labels), energy_module.scdg.null_batch))
    for c in range(N_CLASSES):
        mine = sample[labels == c]
        assert energy_distance(mine, HELD_OUT.of(c)) < min(energy_distance(mine, HELD_OUT.of(c, b)) for b in range(2))


def test_null_class_gives_the_mixture_of_the_classes(energy_module: SCDDModule):
    labels = np.full(800, energy_module.scdg.null_class)
    sample = one_call(energy_module, labels, np.arange(800) % 2)
    train = draw(1600, 0)
    seen = KNeighborsClassifier(5).fit(train.z, train.labels).predict(sample)
    assert np.bincount(seen, minlength=N_CLASSES).min() > 0.4 * 800 / N_CLASSES
    assert energy_distance(sample, HELD_OUT.z) < 0.1


def test_guidance_sharpens_the_class(energy_module: SCDDModule):
    train = draw(1600, 0)
    judge = LogisticRegression(C=0.02, max_iter=500).fit(train.z, train.labels)
    labels, batches = HELD_OUT.labels, HELD_OUT.batches
    sure = []
    for w in (0.0, 0.5, 1.0, 1.5):
        p = judge.predict_proba(one_call(energy_module, labels, batches, guidance=w))
        sure.append(float(p[np.arange(len(labels)), labels].mean()))
    assert sure == sorted(sure), sure
    assert sure[3] > sure[2] + 0.005
    assert sure[0] < 0.5  # without the condition the class is not known


def test_inversion_reaches_its_targets(energy_module: SCDDModule):
    keep = slice(0, 64)
    z, y, b = (torch.from_numpy(a[keep]) for a in (HELD_OUT.z, HELD_OUT.labels, HELD_OUT.batches))
    codes = Codes(z.clone(), y, b, 0.2)
    before = codes.denoise(energy_module)
    found = invert(energy_module, codes, z)
    error = (found.denoise(energy_module) - z).square().mean().detach()
    assert float(error) < 1e-4
    assert float(error) < 1e-2 * float((before - z).square().mean().detach())
    assert torch.equal(codes.z, z)  # the start is left alone


@pytest.mark.parametrize("level", [0.05, 0.2, 0.5, 0.9])
def test_inversion_needs_no_gradient_where_the_generator_moves_codes_little(
    energy_module: SCDDModule, monkeypatch: pytest.MonkeyPatch, level: float
):
    calls = []
    descent = codes_module._nearest
    monkeypatch.setattr(codes_module, "_nearest", lambda *given: calls.append(1) or descent(*given))
    z, y, b = (torch.from_numpy(a[:16]) for a in (HELD_OUT.z, HELD_OUT.labels, HELD_OUT.batches))
    codes = Codes(z, y, b, level)
    moved = [c.denoise(energy_module).detach() for c in (invert(energy_module, codes, z), codes)]
    error, before = ((image - z).square().mean() for image in moved)
    assert float(error) < 0.2 * float(before)
    assert len(calls) == (level > 0.2), level


def test_inversion_of_one_row_does_not_depend_on_the_others(energy_module: SCDDModule):
    z, y, b = (torch.from_numpy(a[:16]) for a in (HELD_OUT.z, HELD_OUT.labels, HELD_OUT.batches))
    many = invert(energy_module, Codes(z, y, b, 0.2), z).z
    few = invert(energy_module, Codes(z[:3], y[:3], b[:3], 0.2), z[:3]).z
    torch.testing.assert_close(many[:3], few, rtol=0, atol=1e-3)


def test_trained_is_still_the_identity_at_level_zero(module: SCDDModule):
    z, y, b = (torch.from_numpy(a) for a in (HELD_OUT.z, HELD_OUT.labels, HELD_OUT.batches))
    torch.testing.assert_close(module.scdg(z, torch.zeros(len(z)), y, b), z, rtol=0, atol=1e-6)
