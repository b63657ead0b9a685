"""The two stages: the autoencoder on features and counts, then the generator on latents."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from scdd._rng import stream, torch_stream
from scdd.data import ClassSampler, Source
from scdd.encoders import Features
from scdd.module import SCDDModule
from scdd.module.engines import ENGINES, Groups
from scdd.train._config import StageConfig, TrainerConfig
from scdd.train._fit import Batch, StageResult, fit_stage

_MAX_GROUPS = 32  # classes in one step of the generator
_VALIDATION_SHARE = 0.1
_MAX_VALIDATION = 2048


def fit_autoencoder(
    module: SCDDModule,
    source: Source,
    features: Features,
    *,
    config: StageConfig,
    trainer_config: TrainerConfig,
    seed: int,
    early_stopping: bool = False,
    deadline: float | None = None,
) -> StageResult:
    """Train head, decoder and class head on minibatches that are half class-balanced, half uniform.

    Parameters
    ----------
    module
        Its autoencoder is trained; ``module.theta`` must hold the dispersions.
    source, features
        The cells and what the head sees of them.
    config, trainer_config
        Budget, and where to run.
    seed
        Seed of the batches, the dropout and the noise.
    early_stopping
        Hold out 10 % of the cells and stop when their loss no longer falls.
    deadline
        Value of ``time.monotonic()`` at which to stop.

    Returns
    -------
    Status, seconds and losses by epoch.

    Examples
    --------
    >>> import scdd
    >>> checked = scdd.pp.check(scdd.datasets.simulate(n_obs=120, n_vars=60))
    >>> module = scdd.model.SCDD.from_checked(checked).module
    >>> features = scdd.encoders.ExpressionFeatures(module.shape.n_hvg)
    >>> config, quiet = scdd.train.StageConfig(n_steps=3, batch_size=16), scdd.train.TrainerConfig(progress=False)
    >>> fit_autoencoder(module, checked.source, features, config=config, trainer_config=quiet, seed=0).status
    'complete'
    """
    autoencoder = module.autoencoder
    hvg = module.hvg.cpu().numpy()
    autoencoder.theta.copy_(module.theta[module.hvg])
    train, held_out = _hold_out(source, seed) if early_stopping else (np.arange(source.n_obs), None)
    sampler = ClassSampler(source.labels[train], batch_size=config.batch_size, seed=seed)

    def make(index: NDArray[np.integer]) -> Batch:
        counts = source.rows(index, hvg)
        return {
            "features": torch.from_numpy(features(index, counts, source.library[index])),
            "counts": torch.from_numpy(counts.toarray()),
            "labels": torch.from_numpy(source.labels[index].astype(np.int64)),
        }

    def loss(batch: Batch, step: int) -> dict[str, Tensor]:
        rng = torch_stream(seed, "autoencoder", step if step >= 0 else -step, device=batch["counts"].device)
        return autoencoder.loss(batch["features"], batch["counts"], batch["labels"], generator=rng)

    validation: Callable[[int], Batch] | None = None
    n_validation = 0
    if held_out is not None:
        n_validation = -(-len(held_out) // config.batch_size)
        chunks = np.array_split(held_out, n_validation)
        validation = lambda i: make(chunks[i])
    return fit_stage(
        "autoencoder",
        autoencoder,
        loss=loss,
        batches=lambda step: make(train[sampler.batch(step)]),
        config=config,
        trainer_config=trainer_config,
        steps_per_epoch=min(-(-len(train) // config.batch_size), 100),
        validation=validation,
        n_validation=n_validation,
        deadline=deadline,
    )


def fit_generator(
    module: SCDDModule,
    latents: NDArray[np.float32],
    labels: NDArray[np.integer],
    batches: NDArray[np.integer],
    *,
    engine: str = "energy",
    config: StageConfig,
    trainer_config: TrainerConfig,
    seed: int,
    deadline: float | None = None,
) -> StageResult:
    """Train the one-step generator on the standardised latents of the cells.

    Every step draws groups of ``config.batch_size`` cells of one class each, and one group of all classes, whose
    condition is the null class. A group loses its batch condition with probability ``drop_batch``.

    Parameters
    ----------
    module
        Its generator is trained; nothing else moves.
    latents, labels, batches
        Standardised latents (n_obs, n_latent) and their conditions (n_obs,).
    engine
        Name in :data:`scdd.module.ENGINES`.
    config, trainer_config, seed, deadline
        As in :func:`fit_autoencoder`.

    Returns
    -------
    Status, seconds and losses by epoch.

    Raises
    ------
    scdd.errors.InputError
        If there is no such engine.

    Examples
    --------
    >>> import scdd
    >>> checked = scdd.pp.check(scdd.datasets.simulate(n_obs=120, n_vars=60))
    >>> module = scdd.model.SCDD.from_checked(checked).module
    >>> latents = np.zeros((checked.source.n_obs, module.shape.autoencoder.n_latent), dtype=np.float32)
    >>> config, quiet = scdd.train.StageConfig(n_steps=3, batch_size=8), scdd.train.TrainerConfig(progress=False)
    >>> source = checked.source
    >>> fit_generator(
    ...     module, latents, source.labels, source.batches, config=config, trainer_config=quiet, seed=0
    ... ).status
    'complete'
    """
    scdg = module.scdg
    method = ENGINES.get(engine)()
    z = torch.from_numpy(np.ascontiguousarray(latents))
    module.start_generator(z.to(module.device))
    batch_codes = torch.from_numpy(batches.astype(np.int64))
    m = config.batch_size
    sampler = ClassSampler(labels, batch_size=m, seed=seed)

    def make(step: int) -> Batch:
        rng = stream(seed, "generator", step)
        cells = sampler.per_class(step, 2 * m)
        names = sampler.classes
        if len(cells) > _MAX_GROUPS:
            chosen = rng.choice(len(cells), _MAX_GROUPS, replace=False)
            cells, names = cells[chosen], names[chosen]
        anyone = rng.integers(len(z), size=(1, 2 * m))
        cells = np.concatenate([cells, anyone])
        dropped = torch.from_numpy(rng.random(len(cells)) < scdg.config.drop_batch)
        of = batch_codes[torch.from_numpy(cells)]
        of[dropped] = scdg.null_batch
        groups = z[torch.from_numpy(cells)]
        return {
            "labels": torch.from_numpy(np.append(names, scdg.null_class).astype(np.int64)),
            "start": groups[:, :m],
            "start_batches": of[:, :m],
            "target": groups[:, m:],
            "target_batches": of[:, m:],
        }

    def loss(batch: Batch, step: int) -> dict[str, Tensor]:
        rng = torch_stream(seed, "generator", "noise", step, device=batch["start"].device)
        return {"loss": method.loss(scdg, Groups(**batch), progress=step / config.n_steps, rng=rng)}

    return fit_stage(
        "generator",
        scdg,
        loss=loss,
        batches=make,
        config=config,
        trainer_config=trainer_config,
        steps_per_epoch=50,
        deadline=deadline,
    )


def _hold_out(source: Source, seed: int) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    rng = stream(seed, "validation")
    order = rng.permutation(source.n_obs)
    n = min(max(1, int(_VALIDATION_SHARE * source.n_obs)), _MAX_VALIDATION)
    return np.sort(order[n:]), np.sort(order[:n])
