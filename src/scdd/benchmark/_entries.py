"""The methods of the package: every baseline, our own method, the references."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from functools import partial
from typing import Any

import numpy as np
import scipy.sparse as sp

from scdd._budget import SmallClass
from scdd._rng import stream
from scdd.baselines import BASELINES, random_by_donor
from scdd.benchmark._cost import Cost, measured
from scdd.benchmark._methods import METHODS, FromFit, Made, Method
from scdd.benchmark._prepare import Training
from scdd.benchmark._scvi import SCVI_SETTINGS, make_scvi

_ONE_ROW = ("class_mean", "class_mean_log")
_SMALL_CLASS: SmallClass = "cap"  # at most as many rows of a class as it has cells, as all other methods make
_WITH_DONORS = "counts, labels and donors of the training cells"


def _random_by_donor(training: Training, n: int, seed: int) -> Made:
    """Draw cells of each class from all donors alike; where donors are not known there is one."""
    donors = np.zeros(len(training.labels), dtype=np.int64)
    if training.donor_key is not None:
        donors = np.unique(training.adata.obs[training.donor_key].astype(str), return_inverse=True)[1]
    rows = random_by_donor(training.labels, donors, np.full(len(training.sizes), n), seed)
    return Made(sp.csr_matrix(training.counts[rows]), training.labels[rows])


@dataclass(frozen=True)
class _Scdd:
    """Our own method; the training is shared by all budgets and presets, and its time is charged to each."""

    preset: str

    def __call__(self, training: Training, n: int, seed: int) -> Made:
        import pandas as pd

        from scdd.tl import distill

        model, cost = trained(training, seed)
        with measured() as own:
            syn = distill(
                training.adata,
                n,
                labels_key=training.labels_key,
                donor_key=training.donor_key,
                preset=self.preset,
                small_class=_SMALL_CLASS,
                model=model,
                seed=seed,
                progress=False,
            )
        labels = pd.Index(training.class_names).get_indexer(syn.obs[training.labels_key].astype(str))
        return Made(sp.csr_matrix(syn.X), labels, cost.then(own))


def trained(training: Training, seed: int) -> tuple[Any, Cost]:
    """Return the model that ``scdd.tl.distill`` would train for this seed, and what it cost."""
    if ("scdd", seed) not in training.models:
        from scdd.model import SCDD
        from scdd.pp import check

        with measured() as cost:
            checked = check(training.adata, labels_key=training.labels_key, donor_key=training.donor_key)
            model = SCDD.from_checked(checked, encoder="self", seed=seed)
            model.train(progress=False)
        training.models["scdd", seed] = (model, cost)
    return training.models["scdd", seed]


def _full(training: Training, n: int, seed: int) -> Made:
    return Made(training.counts, training.labels)


def _full_balanced(training: Training, n: int, seed: int) -> Made:
    """Give every class the mean class size: about as many rows in all, small classes repeated, large ones thinned."""
    size = max(int(round(training.sizes.mean())), 1)
    chosen = []
    for code, cells in enumerate(training.sizes):
        rng = stream(seed, "full-balanced", code)
        index = np.flatnonzero(training.labels == code)
        chosen += [index] * (size // cells) + [rng.permutation(index)[: size % cells]]
    rows = np.sort(np.concatenate(chosen))
    return Made(sp.csr_matrix(training.counts[rows]), training.labels[rows])


def _baseline_settings(name: str) -> dict[str, Any]:
    config = getattr(BASELINES.get(name), "config", None)
    return {} if config is None else asdict(config)


def _preset_settings(preset: str) -> dict[str, Any]:
    from scdd.distill import resolve_config
    from scdd.train import TrainConfig

    return asdict(resolve_config(preset)) | {"small_class": _SMALL_CLASS, "training": asdict(TrainConfig())}


def _register(method: Method) -> None:
    METHODS.register(method.name)(method)


for _name in BASELINES:
    _fit = FromFit(BASELINES.get(_name).fit)
    _register(Method(_name, _fit, "one" if _name in _ONE_ROW else "n", settings=partial(_baseline_settings, _name)))
_register(Method("random_donor", _random_by_donor, sees=_WITH_DONORS))
_register(Method("scvi", make_scvi, sees=_WITH_DONORS, settings=lambda: SCVI_SETTINGS))
for _name, _preset in (("scdd", "default"), ("scdd-paper", "paper")):
    _ours = partial(_preset_settings, _preset)
    _register(Method(_name, _Scdd(_preset), ours=True, encoder="self", sees=_WITH_DONORS, settings=_ours))
for _name, _all in (("full", _full), ("full-balanced", _full_balanced)):
    _register(Method(_name, _all, "all", sees="all training cells"))
