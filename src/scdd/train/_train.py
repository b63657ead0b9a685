"""Train a whole module: dispersions, autoencoder, latents, remaining genes, library sizes, generator."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray

from scdd._compat import warn
from scdd._interrupt import deferred
from scdd._rng import stream
from scdd.data import Source
from scdd.data._moments import pooled_counts, within_class_dispersion
from scdd.encoders import Features
from scdd.module import SCDDModule
from scdd.train._config import TrainConfig, TrainerConfig
from scdd.train._fit import StageResult
from scdd.train._noise import fit_noise
from scdd.train._stages import fit_autoencoder, fit_generator

_CELLS_PER_ANCHOR = 20
_MAX_ANCHORS = 400


@dataclass(frozen=True)
class TrainResult:
    """What training leaves behind, beside the module.

    Attributes
    ----------
    latents
        Standardised latents (n_obs, n_latent) float32 of the cells.
    history
        Losses per epoch of each stage.
    status
        Why each stage ended.
    seconds
        Wall-clock time of each stage.
    warnings
        What was warned of.
    """

    latents: NDArray[np.float32]
    history: dict[str, pd.DataFrame] = field(default_factory=dict)
    status: dict[str, str] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    warnings: tuple[str, ...] = ()


def train_module(
    module: SCDDModule,
    source: Source,
    features: Features,
    *,
    config: TrainConfig,
    trainer_config: TrainerConfig,
    engine: str,
    seed: int,
    early_stopping: bool = False,
    with_generator: bool = True,
    deadline: float | None = None,
) -> TrainResult:
    """Train all parts of a module on the cells of a source.

    Parameters
    ----------
    module
        Trained in place and left in evaluation mode.
    source, features
        The cells and what the encoder makes of them.
    config, trainer_config
        Budgets, and where to run.
    engine
        Name in :data:`scdd.module.ENGINES`.
    seed
        Seed of everything random.
    early_stopping
        Stop the autoencoder when the loss of held-out cells no longer falls.
    with_generator
        Train the generator too. Without it the generator stays the identity.
    deadline
        Value of ``time.monotonic()`` at which to stop.

    Returns
    -------
    Status, seconds and losses of each stage, and the standardised latents (n_obs, n_latent) float32.

    Raises
    ------
    scdd.errors.InputError
        If there is no such engine.

    Notes
    -----
    After an interruption the parts that come later are fitted in closed form only, and the generator, if it was not
    reached, stays the identity: what was computed can be used.

    Examples
    --------
    >>> import scdd
    >>> checked = scdd.pp.check(scdd.datasets.simulate(n_obs=120, n_vars=60))
    >>> module = scdd.model.SCDD.from_checked(checked).module
    >>> features = scdd.encoders.ExpressionFeatures(module.shape.n_hvg)
    >>> short, quiet = scdd.train.StageConfig(n_steps=3, batch_size=8), scdd.train.TrainerConfig(progress=False)
    >>> config = scdd.train.TrainConfig(autoencoder=short, generator=short)
    >>> result = train_module(
    ...     module, checked.source, features, config=config, trainer_config=quiet, engine="energy", seed=0
    ... )
    >>> result.latents.shape
    (120, 32)
    """
    _, device = trainer_config.place()
    module.scdg.reset()
    module.to(device).theta.copy_(torch.from_numpy(within_class_dispersion(source)))
    stages: dict[str, StageResult] = {}
    stages["autoencoder"] = fit_autoencoder(
        module,
        source,
        features,
        config=config.autoencoder,
        trainer_config=trainer_config,
        seed=seed,
        early_stopping=early_stopping,
        deadline=deadline,
    )
    module.to(device)  # Lightning leaves what it trained on the CPU
    with deferred() as interrupt:
        latents = _fit_closed_forms(module, source, features, seed=seed)
    if interrupt.raised:
        stages["autoencoder"] = replace(stages["autoencoder"], status="interrupted")
    if with_generator and stages["autoencoder"].status in ("complete", "early_stopped"):
        stages["generator"] = fit_generator(
            module,
            latents,
            source.labels,
            source.batches,
            engine=engine,
            config=config.generator,
            trainer_config=trainer_config,
            seed=seed,
            deadline=deadline,
        )
        module.to(device)
    warnings: tuple[str, ...] = ()
    if with_generator and "generator" not in stages:
        ended = stages["autoencoder"].status
        warnings = (f"Training ended early ({ended}): the generator was not trained and is the identity.",)
        warn(warnings[0])
    return TrainResult(
        latents,
        {name: stage.history for name, stage in stages.items()},
        {name: stage.status for name, stage in stages.items()},
        {name: stage.seconds for name, stage in stages.items()},
        warnings,
    )


def _fit_closed_forms(module: SCDDModule, source: Source, features: Features, *, seed: int) -> NDArray[np.float32]:
    """Standardise the latents, and fit what has a closed form on them; return them."""
    module.autoencoder.standardise(torch.from_numpy(encode(module, source, features)).to(module.device))
    latents = encode(module, source, features)
    codes = (torch.from_numpy(v.astype(np.int64)).to(module.device) for v in (source.labels, source.batches))
    module.set_latent_statistics(torch.from_numpy(latents).to(module.device), *codes)
    module.library.fit(source.library, source.labels, source.batches)
    fit_rest(module, source, latents, seed=seed)
    fit_noise(module, source, latents, seed=seed)
    return latents


@torch.no_grad()
def encode(module: SCDDModule, source: Source, features: Features, *, batch_size: int = 4096) -> NDArray[np.float32]:
    """Return the standardised latents of all cells of a source, block by block.

    Parameters
    ----------
    module
        Trained, or not yet.
    source, features
        The cells and what the encoder makes of them.
    batch_size
        Cells of a block.

    Returns
    -------
    Latents (n_obs, n_latent) float32.

    Examples
    --------
    >>> import scdd
    >>> checked = scdd.pp.check(scdd.datasets.simulate(n_obs=120, n_vars=60))
    >>> module = scdd.model.SCDD.from_checked(checked).module
    >>> features = scdd.encoders.ExpressionFeatures(module.shape.n_hvg)
    >>> encode(module, checked.source, features).shape
    (120, 32)
    """
    hvg = module.hvg.cpu().numpy()
    out = np.empty((source.n_obs, module.shape.autoencoder.n_latent), dtype=np.float32)
    for index, counts in source.blocks(batch_size, hvg):
        x = torch.from_numpy(features(index, counts, source.library[index])).to(module.device)
        out[index] = module.autoencoder.encode(x).cpu().numpy()
    return out


def fit_rest(module: SCDDModule, source: Source, latents: NDArray[np.float32], *, seed: int) -> None:
    """Fit the genes outside the HVGs on the pooled counts of anchors: neighbourhoods within a class."""
    rest = module.rest.cpu().numpy()
    if not len(rest):
        return
    anchor = anchors(latents, source.labels, rng=stream(seed, "anchors"))
    n = int(anchor.max()) + 1
    sizes = np.bincount(anchor, minlength=n)
    z = np.zeros((n, latents.shape[1]), dtype=np.float64)
    np.add.at(z, anchor, latents)
    z /= sizes[:, None]
    library = np.bincount(anchor, weights=source.library, minlength=n)
    counts = pooled_counts(source, anchor, n, rest)
    device = module.device
    module.rest_decoder.fit(*(torch.from_numpy(a).to(device) for a in (z.astype(np.float32), counts, library)))


def anchors(
    latents: NDArray[np.float32], labels: NDArray[np.integer], *, rng: np.random.Generator
) -> NDArray[np.int64]:
    """Return the anchor (n_obs,) of each cell: the nearest of some random cells of its class."""
    sizes = np.bincount(labels)
    per_anchor = max(_CELLS_PER_ANCHOR, len(labels) / _MAX_ANCHORS)
    out = np.empty(len(labels), dtype=np.int64)
    n = 0
    for label in np.flatnonzero(sizes):
        cells = np.flatnonzero(labels == label)
        centres = latents[rng.choice(cells, max(1, int(len(cells) / per_anchor)), replace=False)]
        to_centre = (centres**2).sum(1)[None] - 2 * latents[cells] @ centres.T
        _, nearest = np.unique(to_centre.argmin(axis=1), return_inverse=True)
        out[cells] = n + nearest
        n += int(nearest.max()) + 1
    return out
