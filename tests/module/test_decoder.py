"""Rates of all genes: the log-linear refit, and how it joins the network."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from scdd.module import AutoencoderConfig, ModuleShape, RestDecoder, SCDDModule, SCDGConfig


def log_linear(n: int = 400, d: int = 3, genes: int = 40, *, slope: float = 0.5, share: float = 0.3, seed: int = 0):
    """Anchors with Poisson counts from known log-linear rates."""
    rng = np.random.default_rng(seed)
    z = rng.normal(size=(n, d))
    w = slope * rng.normal(size=(d, genes))
    base = rng.normal(0, 1, genes)
    base += np.log(share) - np.log(np.exp(base + 0.5 * (w**2).sum(0)).sum())
    rates = np.exp(base + z @ w)
    possible = rates.sum(1) < 0.9
    z, rates, n = z[possible], rates[possible], int(possible.sum())
    library = rng.lognormal(11, 0.3, n)
    counts = rng.poisson(library[:, None] * rates).astype(float)
    return (*(torch.from_numpy(a) for a in (z.astype(np.float32), counts, library)), rates)


@pytest.mark.parametrize("slope", [0.1, 0.5, 1.0])
def test_fit_recovers_log_linear_rates(slope: float):
    z, counts, library, rates = log_linear(slope=slope, share=0.05)
    model = RestDecoder(3, 40)
    model.fit(z, counts, library)
    error = np.log(model(z).double().numpy() / rates)
    well_seen = library.numpy()[:, None] * rates > 20
    assert np.median(np.abs(error)) < 0.03
    assert np.abs(error[well_seen]).max() < 0.3


@pytest.mark.parametrize(("far", "more"), [(1.0, 0.0), (3.0, 0.0), (1.0, 4.0)], ids=["near", "held", "capped"])
def test_total_is_the_sum_of_the_rates_and_its_gradient(monkeypatch: pytest.MonkeyPatch, far: float, more: float):
    """In blocks as at once; where genes are held at the ends of their range, and where the sum is at its cap."""
    monkeypatch.setattr("scdd.module._decoder._BLOCK_VALUES", 3 * 40)
    z, counts, library, _ = log_linear(share=0.05)
    model = RestDecoder(3, 40)
    model.fit(z, counts, library)
    model.weight[0] += more
    model.low += more
    model.high += more
    z = (far * z[:10]).requires_grad_()
    expected = model(z).sum(1, keepdim=True)
    (gradient,) = torch.autograd.grad(expected.sum(), z)
    total, slope = model.total(z.detach())
    torch.testing.assert_close(total, expected.detach())
    torch.testing.assert_close(slope, gradient, atol=1e-6, rtol=1e-4)
    assert bool((slope == 0).all()) == bool(more)


def test_rates_stay_in_the_range_of_the_anchors():
    z, counts, library, _ = log_linear(share=0.05)
    model = RestDecoder(3, 40)
    model.fit(z, counts, library)
    seen = model(z)
    far = model(100 * torch.randn(200, 3, generator=torch.Generator().manual_seed(0)))
    assert (far <= seen.amax(0) * 1.0001).all()
    assert (far >= seen.amin(0) * 0.9999).all()


def test_gene_without_counts_has_rate_zero_and_does_not_disturb():
    z, counts, library, _ = log_linear(share=0.05)
    counts[:, [0, 17]] = 0
    model = RestDecoder(3, 40)
    model.fit(z, counts, library)
    rates = model(z)
    assert torch.isfinite(rates).all()
    assert (rates[:, [0, 17]] == 0).all()
    assert (rates[:, 1:17] > 0).all()


def test_sum_stays_below_one_whatever_the_genes_say():
    z, counts, library, _ = log_linear(share=0.05)
    model = RestDecoder(3, 40)
    model.fit(z, counts, library / 100)  # rates that sum to 5
    total = model(z).sum(1)
    assert (total <= 0.98 + 1e-5).all()
    assert float(total.max()) == pytest.approx(0.98, abs=1e-4)


def test_gene_with_a_single_count_keeps_a_nearly_constant_rate():
    z, counts, library, _ = log_linear()
    counts[:, 0] = 0
    counts[5, 0] = 1
    model = RestDecoder(3, 40)
    model.fit(z, counts, library)
    rate = model(z)[:, 0]
    assert float(rate.log().std()) < 0.6
    assert float((rate.double() * library).sum()) == pytest.approx(1, rel=0.05)


def test_one_anchor_and_no_gene():
    one = RestDecoder(3, 4)
    one.fit(torch.zeros(1, 3), torch.tensor([[5.0, 0.0, 1.0, 20.0]]), torch.tensor([1000.0]))
    np.testing.assert_allclose(one(torch.randn(1, 3))[0].numpy(), [0.005, 0, 0.001, 0.02], rtol=1e-3)
    assert RestDecoder(3, 0)(torch.zeros(2, 3)).shape == (2, 0)


def test_gene_blocks_are_fitted_alike():
    z, counts, library, _ = log_linear(n=30, genes=3, share=0.01)
    wide = RestDecoder(3, 1030)
    wide.fit(z, counts[:, torch.arange(1030) % 3], library)
    torch.testing.assert_close(wide.weight[:, :3], wide.weight[:, 1026:1029])


def build(n_vars: int = 30, hvg: tuple[int, ...] = (1, 4, 5, 20, 29), n_latent: int = 3) -> SCDDModule:
    torch.manual_seed(0)
    shape = ModuleShape(
        n_features=len(hvg),
        n_vars=n_vars,
        n_hvg=len(hvg),
        n_classes=2,
        n_batches=2,
        autoencoder=AutoencoderConfig(n_latent=n_latent, n_hidden=16),
        scdg=SCDGConfig(n_hidden=16, n_blocks=1, n_condition=8),
    )
    return SCDDModule(shape, torch.tensor(hvg)).eval()


@pytest.mark.parametrize("hvg", [(1, 4, 5, 20, 29), tuple(range(30))])
def test_rates_of_all_genes_sum_to_one_and_agree_with_those_of_the_hvgs(hvg: tuple[int, ...]):
    module = build(hvg=hvg)
    rest = 30 - len(hvg)
    if rest:
        z, counts, library, _ = log_linear(genes=rest)
        module.rest_decoder.fit(z, counts, library)
    z = 3 * torch.randn(50, 3, generator=torch.Generator().manual_seed(1))
    rates = module.rates(z)
    assert rates.shape == (50, 30)
    assert (rates >= 0).all()
    torch.testing.assert_close(rates.sum(1), torch.ones(50), rtol=0, atol=1e-5)
    torch.testing.assert_close(rates[:, list(hvg)], module.hvg_rates(z))
    outside = [g for g in range(30) if g not in hvg]
    torch.testing.assert_close(rates[:, outside], module.rest_decoder(z))


def test_standardise_moves_latents_but_not_what_they_decode_to():
    module = build()
    features = torch.randn(200, 5, generator=torch.Generator().manual_seed(0))
    before = module.autoencoder.encode(features)
    decoded, logits = module.autoencoder.log_proportions(before), module.autoencoder.class_logits(before)
    for _ in range(2):  # twice: the second time from latents that are standardised
        module.autoencoder.standardise(module.autoencoder.encode(features))
    after = module.autoencoder.encode(features)
    torch.testing.assert_close(after.mean(0), torch.zeros(3), rtol=0, atol=1e-5)
    torch.testing.assert_close(after.std(0, correction=0), torch.ones(3), rtol=0, atol=1e-4)
    torch.testing.assert_close(module.autoencoder.log_proportions(after), decoded, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(module.autoencoder.class_logits(after), logits, rtol=1e-4, atol=1e-5)


def test_latent_statistics():
    module = build()
    rng = np.random.default_rng(0)
    labels = np.repeat([0, 1], [300, 100])
    z = rng.normal(size=(400, 3)) * [1, 2, 3] + labels[:, None] * 5.0
    batches = rng.integers(2, size=400)
    module.set_latent_statistics(*(torch.from_numpy(a) for a in (z.astype(np.float32), labels, batches)))
    means = np.stack([z[labels == c].mean(0) for c in range(2)])
    np.testing.assert_allclose(module.class_means.numpy(), means, atol=1e-4)
    np.testing.assert_allclose(module.grand_mean.numpy(), means.mean(0), atol=1e-4)  # classes count alike
    np.testing.assert_allclose(module.within_sd.numpy(), (z - means[labels]).std(0), rtol=1e-4)
    assert module.sizes.tolist() == [[int(((labels == c) & (batches == b)).sum()) for b in range(2)] for c in range(2)]
    # the Gaussian control has the means and the (shrunken) covariances of the classes
    noise = torch.randn(40_000, 3, generator=torch.Generator().manual_seed(0))
    sample = module.gaussian(noise, torch.zeros(40_000, dtype=torch.int64)).numpy()
    np.testing.assert_allclose(sample.mean(0), means[0], atol=0.08)
    np.testing.assert_allclose(sample.std(0), z[labels == 0].std(0), rtol=0.06)


def test_input_dropout_leaves_the_mean_of_the_inputs():
    """Dropped before it is centred, a feature far from zero would be the loudest of all."""
    autoencoder = build().autoencoder
    features = 1000 + torch.randn(4000, 5, generator=torch.Generator().manual_seed(0))
    autoencoder.scale_features(features)
    seen: list[torch.Tensor] = []
    autoencoder.head[0].register_forward_pre_hook(lambda _, inputs: seen.append(inputs[0]))
    counts, labels = torch.ones(4000, autoencoder.n_genes), torch.zeros(4000, dtype=torch.long)
    autoencoder.loss(features, counts, labels, generator=torch.Generator().manual_seed(1))
    torch.testing.assert_close(seen[0].mean(0), torch.zeros(5), rtol=0, atol=0.1)
    assert seen[0].abs().max() < 10
    assert float((seen[0] == 0).float().mean()) == pytest.approx(0.1, abs=0.02)


def test_a_constant_feature_says_nothing():
    autoencoder = build().autoencoder
    features = torch.randn(300, 5, generator=torch.Generator().manual_seed(0))
    features[:, 2] = 7.3
    autoencoder.scale_features(features)
    assert autoencoder.feature_scale[2] == 1
    other = features.clone()
    other[:, 2] += 1e-5
    torch.testing.assert_close(autoencoder.encode(features), autoencoder.encode(other), rtol=0, atol=1e-3)
