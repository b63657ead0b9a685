"""Objectives from a specification."""

from __future__ import annotations

import pytest
import torch

from scdd.errors import InputError, ScddWarning
from scdd.objectives import Combination, MomentsConfig, build, parse

from ._toy import make, toy

COMMON = {"n_features": 6, "n_classes": 3, "seed": 0, "dtype": torch.float64}


def test_parse() -> None:
    assert parse("gradient") == {"gradient": 1.0}
    assert parse("moments + kernel") == {"moments": 1.0, "kernel": 1.0}
    assert parse({"moments": 2, "kernel": 0.5}) == {"moments": 2.0, "kernel": 0.5}
    with pytest.raises(InputError, match=r"Did you mean 'gradient'.*Available: characteristic"):
        parse("gradients")
    for wrong in ("moments+moments", "", {}, {"moments": 0.0}, {"moments": float("inf")}):
        with pytest.raises(InputError):
            parse(wrong)


def test_weights_are_comparable() -> None:
    x, y = toy()
    syn_x, syn_y = 3 * torch.rand(6, 6, generator=torch.Generator().manual_seed(0)).double(), torch.arange(6) // 2
    objective = build({"moments": 1.0, "kernel": 0.5, "gradient": 2.0}, **COMMON)
    objective.prepare(x, y)
    assert objective.scales == {}
    assert float(objective.loss(syn_x, syn_y, x, y, 0)) == pytest.approx(3.5)
    scales = dict(objective.scales)
    values = objective.values(syn_x + 0.1, syn_y, x, y, 3)
    expected = sum(objective.weights[name] * values[name] / scales[name] for name in scales)
    assert float(objective.loss(syn_x + 0.1, syn_y, x, y, 3)) == pytest.approx(expected)
    assert objective.scales == scales, "scales are set once"
    alone = make("moments")
    alone.prepare(x, y)
    assert values["moments"] == pytest.approx(float(alone.loss(syn_x + 0.1, syn_y, x, y, 3)))
    objective.calibrate(syn_x + 1, syn_y, x, y)
    assert objective.scales != scales


def test_gradient_reaches_rows_through_all_terms() -> None:
    x, y = toy()
    syn_x, syn_y = toy(per_class=2, seed=3)
    syn_x.requires_grad_()
    objective = build("moments+kernel+characteristic+distribution", **COMMON)
    objective.loss(syn_x, syn_y, x, y, 0)
    torch.autograd.gradcheck(lambda z: objective.loss(z, syn_y, x, y, 2), (syn_x,), atol=1e-5, rtol=1e-4)


def test_a_term_met_at_the_start_is_not_blown_up() -> None:
    x, y = toy()
    means = torch.stack([x[y == label].mean(0) for label in range(3)])
    objective = build("moments", **COMMON, configs={"moments": MomentsConfig(covariance=0.0)})
    objective.prepare(x, y)
    assert float(objective.loss(means, torch.arange(3), x, y, 0)) < 1e-6
    blank = objective.real.center().expand(3, 6)
    assert float(objective.loss(blank, torch.arange(3), x, y, 0)) == pytest.approx(100)


def test_one_class() -> None:
    with pytest.warns(ScddWarning, match=r"'kernel' is off.*one class only"):
        objective = build("moments+kernel", n_features=6, n_classes=1, seed=0)
    assert isinstance(objective, Combination)
    assert list(objective.terms) == ["moments"]
    with pytest.raises(InputError, match="one class only"):
        build("gradient+kernel", n_features=6, n_classes=1, seed=0)


def test_configs() -> None:
    objective = build("moments", **COMMON, configs={"moments": MomentsConfig(covariance=0.0)})
    assert objective.terms["moments"].config.covariance == 0
    with pytest.raises(InputError, match="kernel"):
        build("moments", **COMMON, configs={"kernel": None})
