"""Training of all parts on simulated cells."""

from __future__ import annotations

import signal
import time

import numpy as np
import pytest
import torch

from scdd.data import MemorySource
from scdd.datasets import simulate
from scdd.encoders import ExpressionFeatures
from scdd.errors import ScddWarning
from scdd.module import AutoencoderConfig, ModuleShape, SCDDModule, SCDGConfig
from scdd.train import StageConfig, TrainConfig, TrainerConfig, TrainResult, encode, train_module
from scdd.train import _stages as stages
from scdd.train._train import anchors

CPU = TrainerConfig(accelerator="cpu", devices=1, progress=False)
SHORT = TrainConfig(
    autoencoder=StageConfig(n_steps=60, batch_size=64),
    generator=StageConfig(n_steps=30, batch_size=8, weight_decay=0.0),
)
N_HVG = 50


def make_source(n_obs: int = 300, seed: int = 0) -> MemorySource:
    adata = simulate(n_obs=n_obs, n_vars=90, n_classes=4, n_batches=2, depth=900, seed=seed)
    labels, donors = (adata.obs[key].cat.codes.to_numpy() for key in ("cell_type", "donor"))
    return MemorySource(adata.X, labels, list("abcd"), batches=donors, batch_names=list("xy"), donors=donors)


SOURCE = make_source()


def module_with_hvgs() -> SCDDModule:
    """50 of 90 genes are highly variable."""
    with torch.random.fork_rng():
        torch.manual_seed(0)
        shape = ModuleShape(
            n_features=N_HVG,
            n_vars=90,
            n_hvg=N_HVG,
            n_classes=4,
            n_batches=2,
            autoencoder=AutoencoderConfig(n_latent=6, n_hidden=32),
            scdg=SCDGConfig(n_hidden=32, n_blocks=1, n_condition=8),
        )
        hvg = np.sort(np.random.default_rng(0).choice(90, N_HVG, replace=False))
        return SCDDModule(shape, torch.from_numpy(hvg)).eval()


def train(
    module: SCDDModule | None = None, *, config: TrainConfig = SHORT, **options
) -> tuple[SCDDModule, TrainResult]:
    module = module or module_with_hvgs()
    options = {"engine": "energy", "seed": 0, **options}
    features = ExpressionFeatures(N_HVG)
    return module, train_module(module, SOURCE, features, config=config, trainer_config=CPU, **options)


@pytest.fixture(scope="module")
def trained() -> tuple[SCDDModule, TrainResult]:
    return train(config=TrainConfig(StageConfig(250, 64), StageConfig(60, 8, weight_decay=0.0)))


def test_latents_are_standardised_and_those_of_encode(trained):
    module, result = trained
    assert result.latents.dtype == np.float32
    np.testing.assert_allclose(result.latents.mean(0), 0, atol=1e-4)
    np.testing.assert_allclose(result.latents.std(0), 1, atol=1e-3)
    again = encode(module, SOURCE, ExpressionFeatures(N_HVG), batch_size=77)
    np.testing.assert_allclose(again, result.latents, atol=1e-5)


def test_every_part_is_fitted(trained):
    module, result = trained
    assert set(result.history) == set(result.status) == set(result.seconds) == {"autoencoder", "generator"}
    assert set(result.status.values()) == {"complete"}
    loss = result.history["autoencoder"]["loss"]
    assert loss.iloc[-3:].mean() < loss.iloc[:3].mean()
    assert result.history["autoencoder"]["classification"].iloc[-1] < 0.6
    assert module.sizes.sum() == SOURCE.n_obs
    assert not torch.equal(module.scdg.output.weight, torch.zeros_like(module.scdg.output.weight))
    assert not module.training
    # what is left around the decoder is never more than what there is within classes, and for some genes less
    within, left = module.autoencoder.theta, module.theta[module.hvg]
    assert bool((left >= within).all())
    assert bool((left > within).any())


def test_decoded_class_means_are_the_true_rates(trained):
    """Of all genes, those of the network and those of the refit."""
    module, result = trained
    counts = SOURCE.rows(np.arange(SOURCE.n_obs)).toarray()
    pooled = np.stack([counts[SOURCE.labels == c].sum(0) / SOURCE.library[SOURCE.labels == c].sum() for c in range(4)])
    with torch.no_grad():
        rates = module.rates(torch.from_numpy(result.latents)).numpy()
    mean = np.stack([rates[SOURCE.labels == c].mean(0) for c in range(4)])
    well_seen = pooled.min(0) * 900 > 1
    for genes in (module.hvg.numpy(), module.rest.numpy()):
        mine = genes[well_seen[genes]]
        error = np.log(mean[:, mine] / pooled[:, mine])
        assert np.median(np.abs(error)) < 0.15
        assert np.corrcoef(np.log(mean[:, mine]).ravel(), np.log(pooled[:, mine]).ravel())[0, 1] > 0.95


def test_same_seed_same_bits_other_seed_other_bits():
    a, b, c = train()[0], train()[0], train(seed=1)[0]
    for name, value in a.state_dict().items():
        assert torch.equal(value, b.state_dict()[name]), name
    assert not torch.equal(a.scdg.output.weight, c.scdg.output.weight)
    assert not torch.equal(a.autoencoder.head[0].weight, c.autoencoder.head[0].weight)


def test_global_state_is_left_alone():
    torch_state, numpy_state = torch.get_rng_state().clone(), np.random.get_state()[1].copy()
    handler = signal.getsignal(signal.SIGINT)
    train()
    assert torch.equal(torch.get_rng_state(), torch_state)
    np.testing.assert_array_equal(np.random.get_state()[1], numpy_state)
    assert signal.getsignal(signal.SIGINT) is handler


def test_without_generator_it_stays_the_identity():
    module, result = train(with_generator=False)
    assert set(result.status) == {"autoencoder"}
    assert torch.equal(module.scdg.output.weight, torch.zeros_like(module.scdg.output.weight))


def test_trained_again_without_generator_the_old_one_goes():
    """What it learnt of other latents would be applied to these."""
    module, _ = train()
    assert module.scdg.started
    train(module, with_generator=False)
    z, level = torch.randn(6, module.scdg.n_latent), torch.full((6,), 0.5)
    labels = torch.zeros(6, dtype=torch.long)
    assert torch.equal(module.scdg(z, level, labels, labels), z)


def interrupt(monkeypatch: pytest.MonkeyPatch, stage: str, step: int) -> None:
    original = stages.fit_stage

    def fit(name, module, *, batches, **options):
        def make(number):
            if name == stage and number == step:
                raise KeyboardInterrupt
            return batches(number)

        return original(name, module, batches=make, **options)

    monkeypatch.setattr(stages, "fit_stage", fit)


def test_interrupted_autoencoder_leaves_a_module_that_works(monkeypatch: pytest.MonkeyPatch):
    interrupt(monkeypatch, "autoencoder", 30)
    with pytest.warns(ScddWarning, match="interrupted.*generator was not trained"):
        module, result = train()
    assert result.status == {"autoencoder": "interrupted"}
    np.testing.assert_allclose(result.latents.std(0), 1, atol=1e-3)
    with torch.no_grad():
        rates = module.rates(torch.from_numpy(result.latents))
    torch.testing.assert_close(rates.sum(1), torch.ones(len(rates)), rtol=0, atol=1e-4)
    assert float(module.rest_decoder(torch.zeros(1, 6)).sum()) > 0
    assert (module.library.quantile(np.array([0]), np.array([0]), np.array([0.5])) > 100).all()


def test_interrupted_generator_keeps_what_it_has_learnt(monkeypatch: pytest.MonkeyPatch):
    interrupt(monkeypatch, "generator", 15)
    module, result = train()
    assert result.status == {"autoencoder": "complete", "generator": "interrupted"}
    assert float(module.scdg.output.weight.detach().abs().sum()) > 0
    assert torch.isfinite(module.scdg.output.weight).all()


def test_deadline_in_the_past():
    with pytest.warns(ScddWarning, match="out_of_time"):
        _, result = train(deadline=time.monotonic() - 1)
    assert result.status == {"autoencoder": "out_of_time"}
    assert np.isfinite(result.latents).all()


def test_early_stopping_holds_out_cells_and_records_their_loss():
    _, result = train(early_stopping=True)
    assert "validation_loss" in result.history["autoencoder"]
    assert np.isfinite(result.history["autoencoder"]["validation_loss"]).all()


def test_generator_training_moves_nothing_else():
    module, result = train(with_generator=False)
    before = {k: v.clone() for k, v in module.state_dict().items()}
    labels, batches = SOURCE.labels, SOURCE.batches
    stages.fit_generator(
        module, result.latents, labels, batches, engine="drifting", config=SHORT.generator, trainer_config=CPU, seed=0
    )
    changed = {k.split(".")[0] for k, v in module.state_dict().items() if not torch.equal(v, before[k])}
    assert changed == {"scdg"}


def test_generator_with_more_classes_than_fit_into_a_step():
    n = 70
    shape = ModuleShape(4, 6, 4, n, 1, AutoencoderConfig(n_latent=3, n_hidden=8), SCDGConfig(8, 1, 4))
    module = SCDDModule(shape, torch.arange(4))
    rng = np.random.default_rng(0)
    labels = np.concatenate([np.arange(n), rng.integers(n, size=100)])
    z = rng.normal(size=(len(labels), 3)).astype(np.float32)
    result = stages.fit_generator(
        module, z, labels, np.zeros(len(labels), int), config=StageConfig(60, 4), trainer_config=CPU, seed=0
    )
    assert result.status == "complete"
    moved = module.scdg.class_embedding.weight.grad
    assert moved is None or torch.isfinite(moved).all()


def test_anchors_hold_cells_of_one_class_and_number_without_gaps():
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 2, 3], [500, 1, 45])
    z = rng.normal(size=(546, 4)).astype(np.float32)
    anchor = anchors(z, labels, rng=rng)
    assert np.array_equal(np.unique(anchor), np.arange(anchor.max() + 1))
    assert all(len(np.unique(labels[anchor == a])) == 1 for a in range(anchor.max() + 1))
    assert 15 <= len(np.unique(anchor[:500])) <= 25
