"""Encoders: the registry, the checks at their door, PCA against scikit-learn, hashes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from sklearn.decomposition import PCA

from scdd.data import MemorySource
from scdd.encoders import (
    ENCODERS,
    Cells,
    EmbeddingFeatures,
    Encoder,
    EncoderInfo,
    ExpressionFeatures,
    PCAEncoder,
    get,
)
from scdd.errors import EncoderError, InputError, InputTypeError, NotTrainedError

HVG = np.arange(0, 40, 2)


def make(n: int = 120, obsm: dict[str, Any] | None = None, seed: int = 0) -> Cells:
    rng = np.random.default_rng(seed)
    rates = rng.gamma(1.0, 3.0, (3, 40))
    labels = np.arange(n) % 3
    counts = rng.poisson(rates[labels] * rng.lognormal(0, 0.4, (n, 1)))
    source = MemorySource(counts, labels, list("abc"))
    return Cells(source, np.array([f"g{i}" for i in range(40)]), HVG, obsm or {})


def expression(cells: Cells) -> np.ndarray:
    x = cells.source.rows(np.arange(cells.source.n_obs)).toarray()
    return np.log1p(1e4 * x / cells.source.library[:, None])[:, HVG]


class Fixed(Encoder):
    """Returns what it was given."""

    info = EncoderInfo(name="fixed")

    def __init__(self, value: np.ndarray) -> None:
        self.value = value

    def encode(self, cells: Cells, *, batch_size: int = 4096, device: str = "cpu") -> np.ndarray:
        return self.value


def test_registry_and_names():
    assert {"pca", "precomputed", "scvi", "self"} <= set(ENCODERS.names())
    assert get("self").reason == ""
    assert get("pca:30").n_components == 30
    assert get("precomputed:X_scgpt").key == "X_scgpt"
    assert get("precomputed:a:b").key == "a:b"
    encoder = PCAEncoder(3)
    assert get(encoder) is encoder
    assert get("pca") is not get("pca")
    for name in ENCODERS.names():
        assert ENCODERS.get(name).info.name == name
        assert ENCODERS.get(name).info.licence


def test_what_is_no_encoder():
    with pytest.raises(InputError, match="Did you mean 'pca'"):
        get("pcaa")
    for wrong in (3, None, ["pca"]):
        with pytest.raises(InputTypeError, match="must be a name"):
            get(wrong)


@pytest.mark.parametrize("name", ["pca:many", "pca:0", "pca:-3", "pca:2.5", "self:thing"])
def test_argument_that_makes_no_sense_is_an_error_of_ours(name: str):
    with pytest.raises((InputError, EncoderError), match=name.partition(":")[0]):
        get(name)


def test_spec_brings_the_encoder_back():
    assert get(get("precomputed:X_a").spec).key == "X_a"
    for name in ("self", "pca"):
        assert type(get(get(name).spec)) is type(get(name))


def test_expression_features_are_log_normalised_and_leave_the_counts_alone():
    cells = make()
    features = get("self").features(cells)
    index = np.array([5, 3, 3, 77])
    counts = cells.source.rows(index, HVG)
    before = counts.toarray()
    got = features(index, counts, cells.source.library[index])
    assert got.dtype == np.float32
    assert got.shape == (4, features.dim) == (4, 20)
    np.testing.assert_allclose(got, expression(cells)[index], rtol=1e-5)
    np.testing.assert_array_equal(counts.toarray(), before)


def test_self_has_no_embedding_of_its_own():
    with pytest.raises(EncoderError, match="get_latent_representation"):
        get("self").encode(make())


def test_pca_is_that_of_scikit_learn():
    cells = make()
    encoder = PCAEncoder(5)
    encoder.fit(cells, seed=0)
    got = encoder.encode(cells, batch_size=33)
    expected = PCA(5, svd_solver="full").fit_transform(expression(cells))
    signs = np.sign((got * expected).sum(0))
    np.testing.assert_allclose(got * signs, expected, atol=1e-2)
    np.testing.assert_allclose(encoder.encode(cells), got, atol=1e-5)


def test_pca_follows_its_seed_and_fits_into_small_data():
    cells = make(6)
    encoders = [PCAEncoder(50) for _ in range(2)]
    for encoder in encoders:
        encoder.fit(cells, seed=3)
    np.testing.assert_array_equal(*(e.encode(cells) for e in encoders))
    assert encoders[0].encode(cells).shape == (6, 5)
    with pytest.raises(EncoderError, match="at least 2 cells"):
        PCAEncoder().fit(_one_cell(), seed=0)


def _one_cell() -> Cells:
    source = MemorySource(np.ones((1, 40)), [0], ["a"])
    return Cells(source, np.arange(40).astype(str), HVG)


def test_pca_is_restored_from_its_arrays():
    cells, others = make(), make(30, seed=1)
    encoder = PCAEncoder(4)
    encoder.fit(cells, seed=0)
    twin = get(encoder.spec)
    twin.restore({name: array.copy() for name, array in encoder.arrays().items()})
    np.testing.assert_array_equal(twin.encode(others), encoder.encode(others))
    assert twin.content_hash() == encoder.content_hash()
    assert twin.n_components == 4


def test_pca_before_the_fit():
    assert PCAEncoder().arrays() == {}
    with pytest.raises(NotTrainedError):
        PCAEncoder().encode(make())


def test_precomputed_reads_its_key():
    embedding = np.random.default_rng(0).normal(size=(120, 7)).astype(np.float64)
    cells = make(obsm={"X_model": embedding})
    encoder = get("precomputed:X_model")
    encoder.fit(cells, seed=0)
    features = encoder.features(cells)
    assert features.dim == 7
    index = np.array([9, 2])
    np.testing.assert_allclose(features(index, None, None), embedding[index], rtol=1e-6)


@pytest.mark.parametrize("name", ["precomputed:X_modle", "precomputed"])
def test_precomputed_lists_the_keys_that_are_there(name: str):
    cells = make(obsm={"X_model": np.ones((120, 2)), "X_pca": np.ones((120, 2))})
    with pytest.raises(EncoderError, match="X_model, X_pca"):
        get(name).fit(cells, seed=0)
    with pytest.raises(EncoderError, match="none"):
        get(name).fit(make(), seed=0)


def test_embedding_that_is_not_finite_is_refused_with_the_cells():
    value = np.ones((120, 3), np.float32)
    value[[4, 50], [0, 2]] = np.nan, np.inf
    with pytest.raises(EncoderError, match=r"2 cells.*4, 50"):
        Fixed(value).features(make())


@pytest.mark.parametrize("shape", [(119, 3), (121, 3), (120,), (120, 3, 1)])
def test_embedding_of_the_wrong_shape_is_refused(shape: tuple[int, ...]):
    with pytest.raises(EncoderError, match="120 cells"):
        Fixed(np.ones(shape, np.float32)).features(make())


def test_features_of_an_embedding_are_its_rows():
    value = np.arange(12, dtype=np.float32).reshape(4, 3)
    np.testing.assert_array_equal(EmbeddingFeatures(value)(np.array([3, 0]), None, None), value[[3, 0]])
    assert ExpressionFeatures(5).dim == 5


def test_hash_changes_with_the_content():
    first, second = PCAEncoder(4), PCAEncoder(4)
    first.fit(make(), seed=0)
    second.fit(make(seed=1), seed=0)
    assert first.content_hash() != second.content_hash()
    again = PCAEncoder(4)
    again.fit(make(), seed=0)
    assert first.content_hash() == again.content_hash()
    assert get("precomputed:X_a").content_hash() != get("precomputed:X_b").content_hash()
    assert get("self").content_hash() != get("pca").content_hash()
    # the same numbers in another form are another encoder
    other = PCAEncoder(4)
    arrays = first.arrays()
    other.restore({"components": arrays["components"].reshape(2, -1), "mean": arrays["mean"]})
    assert other.content_hash() != first.content_hash()


def test_scvi_takes_trained_models_only():
    with pytest.raises(EncoderError, match="pass the model itself"):
        get("scvi")

    class Model:
        is_trained_ = False

        def get_latent_representation(self, adata, batch_size):
            return np.ones((adata.n_obs, 2))

    with pytest.raises(EncoderError, match="not been trained"):
        get(Model())
    model = Model()
    model.is_trained_ = True
    with pytest.raises(EncoderError, match="A Model has not the network of scVI.*precomputed:X_latent"):
        get(model)
