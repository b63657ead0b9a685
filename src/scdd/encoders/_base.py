"""What an encoder is: from the counts of cells to an embedding, with its facts as data."""

from __future__ import annotations

import hashlib
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Protocol

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from scdd._registry import Registry
from scdd.data import Source
from scdd.errors import EncoderError


@dataclass(frozen=True)
class EncoderInfo:
    """Facts about an encoder.

    Attributes
    ----------
    name, version
        What it is.
    gene_identifier
        ``"any"``, ``"symbol"`` or ``"ensembl"``.
    species
        Species whose genes it knows; ``"any"`` if it is fitted to the data.
    n_vocabulary
        Number of genes it knows; None if it takes those of the data.
    normalisation
        What it does with the counts, in words.
    differentiable, stochastic, cell_set_dependent
        Whether gradients reach the input, whether two calls differ, whether a cell's embedding depends on the other
        cells of the call.
    licence, citation
        Of the weights.
    trained_on
        Studies whose cells it was trained on, named as in the tasks of the benchmark (accessions such as
        ``"GSE84133"``); empty where it is fitted to the data at hand.
    """

    name: str
    version: str = "1"
    gene_identifier: str = "any"
    species: str = "any"
    n_vocabulary: int | None = None
    normalisation: str = "counts / total x 1e4, log1p"
    differentiable: bool = False
    stochastic: bool = False
    cell_set_dependent: bool = False
    licence: str = "of the data"
    citation: str = ""
    trained_on: tuple[str, ...] = ()


@dataclass(frozen=True)
class Cells:
    """The cells that an encoder gets to see.

    Attributes
    ----------
    source
        Counts, labels and batches.
    genes
        Names of the genes (n_vars,).
    hvg
        Indices of the highly variable genes.
    obsm
        Embeddings that came with the cells, by key.
    adata
        The AnnData itself, for encoders that wrap a model which needs it.
    """

    source: Source
    genes: NDArray[Any]
    hvg: NDArray[np.int64]
    obsm: Mapping[str, Any] = field(default_factory=dict)
    adata: Any = None


class Features(Protocol):
    """Input of the latent head: the encoder's view of some cells."""

    dim: int

    def __call__(
        self, index: NDArray[np.integer], hvg_counts: sp.csr_matrix, library: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        """Return the features (n, dim) of the cells ``index``, whose counts of the HVGs are at hand."""
        ...


class EmbeddingFeatures:
    """Features that were computed once for all cells: an embedding (n_obs, dim)."""

    def __init__(self, embedding: NDArray[np.float32]) -> None:
        self.embedding = embedding
        self.dim = embedding.shape[1]

    def __call__(
        self, index: NDArray[np.integer], hvg_counts: sp.csr_matrix, library: NDArray[np.float64]
    ) -> NDArray[np.float32]:
        """Return the rows ``index`` of the embedding."""
        return self.embedding[index]


class Encoder(ABC):
    """Base class of encoders.

    A subclass names its facts, fits itself if it has to, and encodes. ``arrays`` are what must be saved to encode new
    cells with the same encoder; foundation encoders whose weights stay on disk return none and are named by path.
    """

    info: ClassVar[EncoderInfo]
    #: Hash of the first embedding, which stands for weights that are not ours to save
    embedding_digest: str = ""

    def fit(self, cells: Cells, *, seed: int) -> None:  # noqa: B027
        """Adapt to the data before the first call; pretrained encoders check here that they know the genes."""

    @abstractmethod
    def encode(self, cells: Cells, *, batch_size: int = 4096, device: str = "cpu") -> NDArray[np.float32]:
        """Return the embedding (n_obs, dim) float32 of all cells."""

    def features(self, cells: Cells, *, device: str = "cpu") -> Features:
        """Return the input of the latent head for these cells; by default their embedding, checked."""
        embedding = np.asarray(self.encode(cells, device=device), dtype=np.float32)
        check_embedding(embedding, cells.source.n_obs, self.info.name)
        self.embedding_digest = self.embedding_digest or hashlib.sha256(embedding.tobytes()).hexdigest()
        return EmbeddingFeatures(embedding)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what must be saved."""
        return {}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:  # noqa: B027
        """Take back what :meth:`arrays` gave."""

    @property
    def spec(self) -> str:
        """The text that :func:`scdd.encoders.get` turns into this encoder again."""
        return self.info.name

    def content_hash(self) -> str:
        """Return a hash of the name, the version, and the arrays (or, where there are none, of the first embedding).

        Two encoders with the same hash give the same embedding.
        """
        digest = hashlib.sha256(f"{self.spec}/{self.info.version}".encode())
        for name, array in sorted(self.arrays().items()):
            digest.update(f"{name}/{array.dtype.str}/{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        if not self.arrays():
            digest.update(self.embedding_digest.encode())
        return digest.hexdigest()[:16]


def check_embedding(embedding: NDArray[np.float32], n_obs: int, name: str) -> None:
    """Raise :class:`~scdd.errors.EncoderError` unless the embedding has a finite row for each cell."""
    if embedding.ndim != 2 or len(embedding) != n_obs:
        msg = f"Encoder {name!r} returned an array of shape {embedding.shape} for {n_obs} cells."
        raise EncoderError(msg)
    bad = np.flatnonzero(~np.isfinite(embedding).all(axis=1))
    if len(bad):
        msg = (
            f"Encoder {name!r} returned NaN or infinite values for {len(bad)} cells "
            f"(first: {', '.join(map(str, bad[:5]))}). Remove these cells or repair the embedding."
        )
        raise EncoderError(msg)


ENCODERS: Registry[type[Encoder]] = Registry("encoder")
