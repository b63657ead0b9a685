"""Objectives from a specification, alone or as a weighted sum."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor

from scdd._compat import warn
from scdd.errors import InputError
from scdd.objectives._base import OBJECTIVES, Objective, Step

Spec = str | Mapping[str, float]


@dataclass(frozen=True)
class CombinationConfig:
    """Options of a weighted sum.

    Parameters
    ----------
    floor
        A term is divided by its first value, but by no less than this part of its value for rows that all equal the
        mean of the real cells: a term that is nearly met at the start is not blown up.

    Examples
    --------
    >>> CombinationConfig().floor
    0.01
    """

    floor: float = 0.01


class Combination(Objective[CombinationConfig]):
    """A weighted sum of objectives, each divided by its value at the first step.

    So weights are comparable, and a single objective starts at its weight too. Terms share the statistics of the real
    cells.

    Parameters
    ----------
    terms
        Objectives by name.
    weights
        Positive weight of each term.
    config
        Frozen dataclass; None: its defaults.

    Attributes
    ----------
    scales
        What each term is divided by; empty until the first ``loss`` or ``calibrate``.

    Examples
    --------
    >>> objective = build("moments+kernel", n_features=4, n_classes=2, seed=0)
    >>> x, y = torch.eye(4), torch.tensor([0, 0, 1, 1])
    >>> float(objective.loss(x.flip(0), y, x, y, step=0))
    2.0
    """

    name: ClassVar[str] = "combination"
    needs_classes: ClassVar[bool] = False
    config_class: ClassVar[type[CombinationConfig]] = CombinationConfig

    def __init__(
        self,
        terms: Mapping[str, Objective[Any]],
        weights: Mapping[str, float],
        *,
        config: CombinationConfig | None = None,
    ) -> None:
        first = next(iter(terms.values()))
        super().__init__(
            n_features=first.n_features,
            n_classes=first.n_classes,
            seed=first.seed,
            device=first.device,
            dtype=first.dtype,
            config=config,
        )
        self.terms = dict(terms)
        self.weights = {name: float(weights[name]) for name in terms}
        self.scales: dict[str, float] = {}
        for term in self.terms.values():
            term.real = self.real

    def calibrate(self, syn_x: Tensor, syn_y: Tensor, real_x: Tensor, real_y: Tensor, step: int = 0) -> None:
        """Set the scales from the value of each term for these rows; ``loss`` does it by itself at its first call.

        Parameters
        ----------
        syn_x
            float (m, d): features of synthetic rows.
        syn_y
            int64 (m,): their classes.
        real_x, real_y
            float (n, d), int64 (n,): a batch of real cells.
        step
            Number of the step.
        """
        self.scales = {}
        with torch.no_grad():
            self.loss(syn_x, syn_y, real_x, real_y, step)

    def values(self, syn_x: Tensor, syn_y: Tensor, real_x: Tensor, real_y: Tensor, step: int) -> dict[str, float]:
        """Return the value of each term as it is, not scaled or weighted: for histories and reports.

        Parameters
        ----------
        syn_x
            float (m, d): features of synthetic rows.
        syn_y
            int64 (m,): their classes.
        real_x, real_y
            float (n, d), int64 (n,): a batch of real cells.
        step
            Number of the step.

        Returns
        -------
        Value by the name of the term.
        """
        with torch.no_grad():
            return {name: float(term.loss(syn_x, syn_y, real_x, real_y, step)) for name, term in self.terms.items()}

    def _loss(self, step: Step) -> Tensor:
        values = {name: term.value(step) for name, term in self.terms.items()}
        if not self.scales:
            self.scales = {name: self._scale(name, value, step) for name, value in values.items()}
        total = step.syn_x.new_zeros(())
        for name, value in values.items():
            total = total + self.weights[name] / self.scales[name] * value
        return total

    def _scale(self, name: str, value: Tensor, step: Step) -> float:
        with torch.no_grad():
            blank = self.real.center().expand_as(step.syn_x).contiguous()
            plain = Step(blank, step.syn_y, step.real_x, step.real_y, step.classes, step.number)
            reference = float(self.terms[name].value(plain))
        scale = max(float(value.detach()), self.config.floor * reference)
        return scale if scale > 0 else 1.0


def parse(spec: Spec) -> dict[str, float]:
    """Turn a specification into weights by name.

    Parameters
    ----------
    spec
        A name (``"gradient"``), names joined by ``+``, each weighing 1, or a mapping from name to positive weight.

    Returns
    -------
    Weight of each term, in the order given.

    Raises
    ------
    InputError
        For unknown or repeated names, and for weights that are not positive.

    Examples
    --------
    >>> parse("moments + kernel")
    {'moments': 1.0, 'kernel': 1.0}
    """
    if isinstance(spec, str):
        names = [part.strip() for part in spec.split("+")]
        if len(set(names)) < len(names):
            msg = f"objective {spec!r} names a term twice; give a mapping from name to weight instead."
            raise InputError(msg)
        weights = dict.fromkeys(names, 1.0)
    else:
        weights = {str(name): float(weight) for name, weight in spec.items()}
    for name, weight in weights.items():
        OBJECTIVES.get(name)
        if not 0 < weight < float("inf"):
            msg = f"The weight of objective {name!r} must be positive and finite, got {weight}."
            raise InputError(msg)
    if not weights:
        msg = f"No objective given. Available: {', '.join(OBJECTIVES.names())}."
        raise InputError(msg)
    return weights


def left_out(weights: Mapping[str, float], n_classes: int) -> dict[str, str]:
    """Return the terms that so many classes leave out, and why.

    Raises
    ------
    InputError
        If nothing is left.
    """
    off = {name: reason for name in weights if (reason := OBJECTIVES.get(name).why_off(n_classes)) is not None}
    if len(off) == len(weights):
        raise InputError(next(iter(off.values())))
    return off


def build(
    spec: Spec,
    *,
    n_features: int,
    n_classes: int,
    seed: int,
    device: torch.device | str = "cpu",
    dtype: torch.dtype = torch.float32,
    configs: Mapping[str, Any] | None = None,
) -> Combination:
    """Build the objective of a specification.

    Parameters
    ----------
    spec
        As in :func:`parse`.
    n_features, n_classes, seed, device, dtype
        As in :class:`Objective`.
    configs
        Frozen config of some of the terms, by name; the others take their defaults.

    Returns
    -------
    Combination, also for a single name, so that every objective starts at the sum of its weights.

    Raises
    ------
    InputError
        If the specification is wrong, or if nothing of it works with a single class.

    Warns
    -----
    ScddWarning
        If terms are left out because there is one class only.

    Examples
    --------
    >>> build({"gradient": 1.0, "moments": 0.5}, n_features=10, n_classes=3, seed=0).weights
    {'gradient': 1.0, 'moments': 0.5}
    """
    weights = parse(spec)
    configs = {} if configs is None else dict(configs)
    unused = sorted(set(configs) - set(weights))
    if unused:
        msg = f"configs are given for {', '.join(unused)}, which objective {spec!r} does not use."
        raise InputError(msg)
    off = left_out(weights, n_classes)
    for reason in off.values():
        warn(reason)
    terms = {
        name: OBJECTIVES.get(name)(
            n_features=n_features,
            n_classes=n_classes,
            seed=seed,
            device=device,
            dtype=dtype,
            config=configs.get(name),
        )
        for name in weights
        if name not in off
    }
    return Combination(terms, weights)
