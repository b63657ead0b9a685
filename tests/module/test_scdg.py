"""The generator's form: one call, the identity at level 0, conditions, guidance, gradients."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
import torch

from scdd.data import MemorySource
from scdd.distill import Codes, RowFeatures
from scdd.distill._refine import RealBatches, RefineConfig, refine
from scdd.model._sample import sample_latents
from scdd.module import SCDG, SCDDModule, SCDGConfig
from scdd.objectives import build

from ._toy import N_CLASSES, D, gradient, new_module


def perturbed(module: SCDDModule) -> SCDDModule:
    """The module with a last layer that is not zero, so that its generator does something."""
    with torch.no_grad():
        generator = torch.Generator().manual_seed(3)
        for p in module.scdg.output.parameters():
            p.copy_(0.3 * torch.randn(p.shape, generator=generator))
        for p in (module.scdg.class_embedding.weight, module.scdg.batch_embedding.weight):
            p.copy_(torch.randn(p.shape, generator=generator))
    module.rest_decoder.weight[:1] = -5.0
    module.rest_decoder.low[:], module.rest_decoder.high[:] = -9.0, -1.0
    return module


@pytest.fixture
def module() -> SCDDModule:
    return perturbed(new_module())


@pytest.fixture
def calls(module: SCDDModule) -> list[int]:
    """The number of rows of each call of the generator."""
    seen: list[int] = []
    module.scdg.register_forward_hook(lambda _, args, __: seen.append(len(args[0])))
    return seen


def inputs(n: int = 64, seed: int = 0) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(seed)
    z = torch.randn(n, D, generator=rng)
    return z, torch.arange(n) % N_CLASSES, torch.randint(2, (n,), generator=rng)


def test_identity_at_level_zero(module: SCDDModule):
    z, y, b = inputs()
    for guidance in (1.0, 3.0, 0.0):
        torch.testing.assert_close(module.scdg(z, torch.zeros(64), y, b, guidance), z, rtol=0, atol=1e-6)


def test_not_the_identity_above_level_zero(module: SCDDModule):
    z, y, b = inputs()
    moved = module.scdg(z, torch.full((64,), 0.5), y, b) - z
    assert float(moved.detach().abs().mean()) > 0.05


def test_untrained_is_the_identity_at_every_level():
    z, y, b = inputs()
    torch.testing.assert_close(new_module().scdg(z, torch.rand(64), y, b), z)


def gaussians(seed: int = 0) -> tuple[torch.Tensor, torch.Tensor]:
    """Means and covariances of the classes, and of all together."""
    rng = np.random.default_rng(seed)
    factor = rng.normal(0, 0.6, (N_CLASSES + 1, D, D))
    mean = rng.normal(0, 1, (N_CLASSES + 1, D))
    return torch.from_numpy(mean).float(), torch.from_numpy(factor @ factor.transpose(0, 2, 1)).float()


@pytest.mark.parametrize("level", [0.0, 1e-4, 0.3, 0.7, 1.0])
def test_closed_form_turns_noised_gaussians_into_gaussians(level: float):
    """Before any training: mean and covariance of the class come back, from every noise level."""
    scdg, (mean, covariance) = SCDG(D, N_CLASSES), gaussians()
    scdg.start_from(mean, covariance)
    n, label = 60_000, 2
    rng = torch.Generator().manual_seed(0)
    z0 = mean[label] + torch.randn(n, D, generator=rng) @ torch.linalg.cholesky(covariance[label]).T
    noised = (1 - level) * z0 + level * torch.randn(n, D, generator=rng)
    labels = torch.full((n,), label)
    with torch.no_grad():
        out = scdg(noised, torch.full((n,), level), labels, torch.zeros_like(labels))
    torch.testing.assert_close(out.mean(0), mean[label], rtol=0, atol=0.03)
    torch.testing.assert_close(torch.cov(out.T), covariance[label], rtol=0.05, atol=0.04)
    if level <= 1e-4:
        torch.testing.assert_close(out, noised, rtol=0, atol=2e-3)


def test_closed_form_alone_is_the_identity_at_level_zero():
    scdg, (z, labels, batches) = SCDG(D, N_CLASSES, 2), inputs()
    scdg.start_from(*gaussians())
    torch.testing.assert_close(scdg(z, torch.zeros(len(z)), labels, batches), z, rtol=0, atol=1e-6)


def test_every_input_matters(module: SCDDModule):
    z, y, b = inputs()
    t = torch.full((64,), 0.7)
    out = module.scdg(z, t, y, b)
    for other in (
        module.scdg(z + 0.1, t, y, b) - 0.1,
        module.scdg(z, t, (y + 1) % N_CLASSES, b),
        module.scdg(z, t, y, 1 - b),
        module.scdg(z, t, torch.full_like(y, module.scdg.null_class), b),
        module.scdg(z, t, y, torch.full_like(b, module.scdg.null_batch)),
    ):
        assert float((other - out).detach().abs().max(1).values.min()) > 1e-4  # every row
    # the direction itself depends on the level
    levels = torch.linspace(0.01, 1, 8)
    f = torch.stack([module.scdg.direction(z, torch.full((64,), float(t)), y, b) for t in levels])
    assert float(f.detach().std(0).mean()) > 1e-3


def test_rows_do_not_see_each_other(module: SCDDModule):
    z, y, b = inputs()
    t = torch.linspace(0, 1, 64)
    together = module.scdg(z, t, y, b, 2.0)
    alone = torch.cat([module.scdg(z[i : i + 1], t[i : i + 1], y[i : i + 1], b[i : i + 1], 2.0) for i in range(64)])
    torch.testing.assert_close(together, alone, rtol=1e-4, atol=1e-5)


def test_null_conditions_are_outside_of_the_classes_and_batches():
    generator = SCDG(3, 4, 2, config=SCDGConfig(n_hidden=8, n_blocks=1, n_condition=4))
    assert generator.null_class == 4
    assert generator.null_batch == 2
    assert generator.class_embedding.num_embeddings == 5
    assert generator.batch_embedding.num_embeddings == 3


def test_guidance_is_a_straight_line_through_free_and_conditional(module: SCDDModule):
    z, y, b = inputs()
    t = torch.full((64,), 0.8)
    free = module.scdg(z, t, torch.full_like(y, module.scdg.null_class), b)
    plain = module.scdg(z, t, y, b)
    for w in (0.0, 0.5, 1.0, 1.0 + 1e-9, 4.0):
        torch.testing.assert_close(module.scdg(z, t, y, b, w), free + w * (plain - free), rtol=1e-4, atol=1e-4)
    assert torch.equal(module.scdg(z, t, y, b, 1.0), plain)


def test_one_call_for_all_codes(module: SCDDModule, calls: list[int]):
    z, y, b = inputs(37)
    codes = Codes(z, y, b, 0.3, guidance=0.5)
    codes.denoise(module)
    assert calls == [37]
    codes.latents(module)
    assert calls == [37, 37]


@pytest.mark.parametrize("generator", ["none", "gaussian"])
def test_ablations_do_not_call_the_generator(module: SCDDModule, calls: list[int], generator: str):
    z, y, b = inputs(37)
    Codes(z, y, b, 0.3, generator=generator).latents(module)
    assert calls == []


@pytest.mark.parametrize("guidance", [1.0, 2.5])
def test_one_call_for_all_samples(module: SCDDModule, calls: list[int], guidance: float):
    y = np.arange(50) % N_CLASSES
    sample_latents(module, y, np.zeros(50, np.int64), guidance=guidance, seed=0)
    assert calls == [50]


def test_one_call_for_each_evaluation_of_the_objective(module: SCDDModule, calls: list[int]):
    z, y, b = inputs(8)
    codes = Codes(z, y, b, 0.3)
    rng = np.random.default_rng(0)
    source = MemorySource(rng.poisson(5, (80, 8)), np.arange(80) % 4, list("abcd"))
    objective = build("moments", n_features=5, n_classes=4, seed=0)
    losses: list[int] = []
    original = objective.loss

    def loss(*args) -> torch.Tensor:
        losses.append(len(calls))
        return original(*args)

    objective.loss = loss
    real = RealBatches(source, np.arange(5), per_class=8, seed=0, device=torch.device("cpu"))
    features = RowFeatures(module, torch.full((8,), 40.0))
    refine(codes, features, objective, real, scale=module.within_sd, config=RefineConfig(n_steps=5, checkpoints=(5,)))
    assert losses == [1, 2, 3, 4, 5]  # exactly one call before each evaluation
    assert calls == [8] * 5  # and none elsewhere, one row a code


@pytest.mark.parametrize(
    "objective", ["moments", "characteristic", "distribution", "kernel", "prototypes", "gradient", "moments+kernel"]
)
def test_gradient_of_the_codes_is_right(module: SCDDModule, objective: str):
    """From the objective through log expectation, decoder, guidance and generator, against finite differences."""
    module = module.double()
    rng = np.random.default_rng(0)
    z, y, b = inputs(8)
    z = z.double()
    real_x = torch.from_numpy(np.log1p(rng.gamma(2.0, 200.0, (60, 5))) + 0.5 * (np.arange(60) % 4)[:, None])
    real_y = torch.arange(60) % 4
    features = RowFeatures(module, torch.linspace(50, 400, 8, dtype=torch.float64))
    matching = build(objective, n_features=5, n_classes=4, seed=0, dtype=torch.float64)
    matching.prepare(real_x, real_y)

    def loss(z: torch.Tensor) -> torch.Tensor:
        return matching.loss(features(Codes(z, y, b, 0.4, guidance=0.25)), y, real_x, real_y, 3)

    loss(z)  # a combination is scaled by its first value
    x = z.clone().requires_grad_()
    (grad,) = torch.autograd.grad(loss(x), x)
    assert (grad.abs().amax(1) > 0).all()  # every code is reached
    for seed in range(3):
        way = torch.randn(z.shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        step = 1e-6
        slope = (float(loss(z + step * way).detach()) - float(loss(z - step * way).detach())) / (2 * step)
        # the table of the expected logarithm has corners: a few entries may cross one
        assert slope == pytest.approx(float((grad * way).sum()), rel=2e-3, abs=1e-9 + 1e-4 * float(grad.abs().sum()))


def test_no_gradient_where_the_generator_is_cut_off(module: SCDDModule):
    z, y, b = inputs(8)
    codes = Codes(z.clone().requires_grad_(), y, b, 0.4, guidance=0.25)
    features = RowFeatures(module, torch.full((8,), 100.0))
    assert float(gradient(features(codes).square().sum(), codes.z).abs().sum()) > 0
    whole: Callable[..., torch.Tensor] = module.scdg.forward
    module.scdg.forward = lambda *args: whole(*args).detach()
    cut = features(codes)
    assert not cut.requires_grad or bool((gradient(cut.square().sum(), codes.z) == 0).all())
