"""Codes move along an objective, on a leash, and nothing is lost on the way."""

from __future__ import annotations

import copy
import math
import time

import numpy as np
import pytest
import torch

from scdd.distill import Codes, RefineConfig, RowFeatures, refine
from scdd.distill._refine import RealBatches, RefineResult, _Share
from scdd.metrics import preprocess
from scdd.module import SCDDModule
from scdd.objectives import OBJECTIVES, build

from ._toy import world

OBJECTIVE_NAMES = [*OBJECTIVES.names(), "moments+kernel"]


def run(objective: str = "moments", *, change=None, n_steps: int = 12, level: float = 0.2, on_step=None, **options):
    """Refine two codes a class that start off the mark."""
    module, source = world().module, world().source
    labels = torch.arange(4).repeat_interleave(2)
    rng = torch.Generator().manual_seed(0)
    z = module.class_means[labels] * 0.3 + torch.randn(8, 8, generator=rng)
    codes = Codes(z, labels, torch.zeros(8, dtype=torch.int64), level)
    matching = build(objective, n_features=70, n_classes=4, seed=0)
    if change is not None:
        change(matching)
    real = RealBatches(source, module.hvg.numpy(), per_class=32, seed=0, device=module.device)
    features = RowFeatures(module, torch.full((8,), 900.0))
    options = {"lr": 0.1, "leash": 0.0, "checkpoints": (5, 10), **options}
    deadline = options.pop("deadline", None)
    config = RefineConfig(n_steps=n_steps, **options)
    result = refine(
        codes, features, matching, real, scale=module.within_sd, config=config, deadline=deadline, on_step=on_step
    )
    return codes, result


def displacement(codes: Codes, result: RefineResult) -> float:
    last = result.checkpoints[max(result.checkpoints)]
    return float((last.z - codes.z).abs().mean())


@pytest.mark.parametrize("objective", OBJECTIVE_NAMES)
def test_loss_falls(objective: str):
    _, result = run(objective, n_steps=30)
    assert len(result.losses) == 30
    assert np.isfinite(result.losses).all()
    assert np.mean(result.losses[-5:]) < 0.95 * np.mean(result.losses[:3])
    assert result.status == "complete"


def test_rows_show_the_mean_expression_of_their_class_afterwards():
    codes, result = run("moments", n_steps=60)
    module, source = world().module, world().source
    x = preprocess(source.rows(np.arange(source.n_obs)), np.isin(np.arange(source.n_vars), module.hvg.numpy()))
    truth = np.stack([x[source.labels == c].mean(0) for c in range(4)])
    features = RowFeatures(module, torch.full((8,), 900.0))
    with torch.no_grad():
        shown = [features(c).numpy().reshape(4, 2, -1).mean(1) for c in (codes, result.checkpoints[60])]
    before, after = (np.square(s - truth).mean() for s in shown)
    assert after < 0.6 * before


def test_long_leash_lets_go_and_short_leash_holds():
    moved = {leash: displacement(*run(leash=leash, n_steps=20)) for leash in (0.0, 1.0, 1e6)}
    assert moved[1e6] < 0.2 * moved[0.0]
    assert moved[1e6] < moved[1.0] < moved[0.0]


def test_checkpoints_are_those_asked_for_and_the_last_step():
    _, result = run()
    assert sorted(result.checkpoints) == [5, 10, 12]
    assert result.checkpoints[5].z.requires_grad is False
    assert (result.checkpoints[5].z != result.checkpoints[10].z).any()
    _, early = run(n_steps=5)
    assert torch.equal(early.checkpoints[5].z, result.checkpoints[5].z)  # a shorter run is the start of a longer one


def test_nothing_but_the_codes_changes():
    module = world().module
    before = {k: v.clone() for k, v in module.state_dict().items()}
    grads = [None if p.grad is None else p.grad.clone() for p in module.parameters()]
    codes, result = run()
    assert all(torch.equal(v, before[k]) for k, v in module.state_dict().items())
    moved = result.checkpoints[12]
    assert torch.equal(moved.labels, codes.labels)
    assert (moved.level, moved.generator, moved.guidance) == (codes.level, codes.generator, codes.guidance)
    for p, grad in zip(module.parameters(), grads, strict=True):
        assert p.grad is None if grad is None else torch.equal(p.grad, grad)


def failing(step_of_failure: int, error: type[BaseException] | None):
    """An objective that is interrupted, or gives a NaN, at a step."""

    def change(matching) -> None:
        original = matching.loss

        def loss(*args):
            value = original(*args)
            if args[-1] == step_of_failure:
                if error is not None:
                    raise error
                value = value * float("nan")
            return value

        matching.loss = loss

    return change


def test_interruption_keeps_the_checkpoints_that_were_reached():
    _, whole = run()
    _, result = run(change=failing(7, KeyboardInterrupt))
    assert result.status == "interrupted"
    assert sorted(result.checkpoints) == [5]
    assert len(result.losses) == 7
    assert torch.equal(result.checkpoints[5].z, whole.checkpoints[5].z)


def test_interruption_before_the_first_checkpoint_keeps_nothing():
    _, result = run(change=failing(0, KeyboardInterrupt))
    assert result == RefineResult({}, [], "interrupted")


def test_interruption_from_outside_in_the_callback():
    def stop(loss: float, seen: list[float] = []) -> None:  # noqa: B006
        seen.append(loss)
        if len(seen) == 6:
            raise KeyboardInterrupt

    _, result = run(on_step=stop)
    assert (result.status, sorted(result.checkpoints)) == ("interrupted", [5])


def test_other_errors_are_not_swallowed():
    with pytest.raises(ZeroDivisionError):
        run(change=failing(3, ZeroDivisionError))


def test_loss_that_is_not_finite_ends_the_refinement_with_finite_codes():
    _, result = run(change=failing(7, None))
    assert result.status == "not_finite"
    assert all(bool(torch.isfinite(c.z).all()) for c in result.checkpoints.values())
    assert sorted(result.checkpoints) == [5]
    assert np.isfinite(result.losses).all()


def test_deadline_ends_the_refinement():
    _, result = run(deadline=time.monotonic() - 1)
    assert result.status == "out_of_time"
    assert len(result.losses) == 1


def test_noise_level_zero_still_moves_the_codes():
    assert displacement(*run(level=0.0)) > 0.01


def test_share_of_the_hvgs_is_followed_between_its_expansions() -> None:
    """To first order: value and slope are those of the module, and near them it is off by the square of the way."""
    module = perturbed_rest(world().module)
    z = torch.randn(6, module.shape.autoencoder.n_latent, generator=torch.Generator().manual_seed(0))
    share = _Share(module, z)
    torch.testing.assert_close(share(z), module.hvg_share(z))
    near = z.clone().requires_grad_()
    (slope,) = torch.autograd.grad(share(near).sum(), near)
    (exact,) = torch.autograd.grad(module.hvg_share(near).sum(), near)
    torch.testing.assert_close(slope, exact)
    assert slope.abs().max() > 1e-4
    far, way = [], torch.randn(z.shape, generator=torch.Generator().manual_seed(1))
    for step in (0.1, 0.05):
        far.append(float((share(z + step * way) - module.hvg_share(z + step * way)).abs().max()))
    assert far[1] < 0.4 * far[0]
    assert (share(z + 1e3 * way) <= 1).all()


def perturbed_rest(module: SCDDModule) -> SCDDModule:
    """The module with other genes whose rates depend on the latent."""
    module = copy.deepcopy(module)
    rest = module.rest_decoder
    with torch.no_grad():
        rest.weight[1:] = 0.3 * torch.randn(rest.weight[1:].shape, generator=torch.Generator().manual_seed(2))
        rest.weight[0] = -math.log(3 * max(rest.n_genes, 1))
        rest.low[:], rest.high[:] = -20.0, 0.0
    return module
