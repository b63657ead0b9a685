"""What an encoder is: from the counts of cells to an embedding, with its facts as data."""

from __future__ import annotations

import copy
import hashlib
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from scdd.data import Source
from scdd.errors import EncoderError

if TYPE_CHECKING:
    import pandas as pd
    from torch import Tensor

    from scdd._genes import GeneMatch


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
    dim
        Width of the embedding; None where the data, an argument or the checkpoint decides.
    differentiable, stochastic, cell_set_dependent
        Whether gradients reach the input, whether two calls differ, whether a cell's embedding depends on the other
        cells of the call.
    licence, citation
        Of the weights.
    trained_on
        Studies whose cells it was trained on, named as in the tasks of the benchmark (accessions such as
        ``"GSE84133"``); empty where it is fitted to the data at hand, and where its authors name none.
    argument
        What stands behind the colon of ``name:argument``; empty if nothing does.
    extra
        The extra of scdd that it needs; empty if none.
    """

    name: str
    version: str = "1"
    gene_identifier: str = "any"
    species: str = "any"
    n_vocabulary: int | None = None
    normalisation: str = "counts / total x 1e4, log1p"
    dim: int | None = None
    differentiable: bool = False
    stochastic: bool = False
    cell_set_dependent: bool = False
    licence: str = "of the data"
    citation: str = ""
    trained_on: tuple[str, ...] = ()
    argument: str = ""
    extra: str = ""


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
    var
        Table of the genes, whose columns may hold another identifier.
    kept
        Rows of ``adata`` that are cells of the source (n_obs,); None: all.
    """

    source: Source
    genes: NDArray[Any]
    hvg: NDArray[np.int64]
    obsm: Mapping[str, Any] = field(default_factory=dict)
    adata: Any = None
    var: pd.DataFrame | None = None
    kept: NDArray[np.int64] | None = None


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

    info: EncoderInfo
    #: Hash of the first embedding, which stands for weights that are not ours to save
    embedding_digest: str = ""
    #: Whether files are loaded that could run code, which is done on an explicit ``trust=True`` only
    takes_trust: bool = False
    #: Why ``"auto"`` took this encoder; empty where it was asked for by name
    reason: str = ""
    #: Where the genes of the last cells were found in the vocabulary, for encoders that have one
    coverage: GeneMatch | None = None

    @classmethod
    def from_argument(cls, argument: str, *, trust: bool = False) -> Encoder:
        """Return the encoder that ``name:argument`` stands for.

        Parameters
        ----------
        argument
            What follows the colon.
        trust
            Whether files may be loaded that could run code.

        Returns
        -------
        The encoder, not yet adapted to any data.
        """
        return cls(argument, trust=trust) if cls.takes_trust else cls(argument)  # type: ignore[call-arg]

    def fresh(self) -> Encoder:
        """Return a copy to adapt to other cells; what this one has learned of its own stays with it.

        Returns
        -------
        The copy; weights that both only read are shared.
        """
        new = copy.copy(self)
        new.embedding_digest, new.reason, new.coverage = "", "", None
        return new

    def fit(self, cells: Cells, *, seed: int) -> None:  # noqa: B027
        """Adapt to the data before the first call; pretrained encoders check here that they know the genes.

        Parameters
        ----------
        cells
            The cells, their genes and the highly variable ones.
        seed
            Of everything random.
        """

    @abstractmethod
    def encode(self, cells: Cells, *, batch_size: int = 4096, device: str = "cpu") -> NDArray[np.float32]:
        """Embed all cells.

        Parameters
        ----------
        cells
            The cells; ``cells.source.blocks`` gives raw counts block by block.
        batch_size
            Cells that are embedded at once.
        device
            Where a network runs, as torch names it.

        Returns
        -------
        The embedding (n_obs, dim) float32, finite.
        """

    def checked_embedding(
        self, cells: Cells, *, batch_size: int | None = None, device: str = "cpu"
    ) -> NDArray[np.float32]:
        """Return what :meth:`encode` gives, checked; the first one stands for weights that cannot be hashed.

        Parameters
        ----------
        cells
            The cells.
        batch_size
            Cells that are embedded at once. None: what suits the encoder.
        device
            Where a network runs.

        Returns
        -------
        The embedding (n_obs, dim) float32.

        Raises
        ------
        scdd.errors.EncoderError
            If it is of another shape, or not finite.
        """
        options = {} if batch_size is None else {"batch_size": batch_size}
        embedding = np.asarray(self.encode(cells, device=device, **options), dtype=np.float32)
        check_embedding(embedding, cells.source.n_obs, self.info.name)
        self.embedding_digest = self.embedding_digest or hashlib.sha256(embedding.tobytes()).hexdigest()
        return embedding

    def features(self, cells: Cells, *, device: str = "cpu") -> Features:
        """Return the input of the latent head for these cells; by default their embedding, checked.

        Parameters
        ----------
        cells
            The cells.
        device
            Where a network runs.

        Returns
        -------
        A function from the positions of cells to their features (n, dim) float32.
        """
        return EmbeddingFeatures(self.checked_embedding(cells, device=device))

    def space(self, cells: Cells, *, device: str = "cpu") -> Callable[[Tensor], Tensor]:
        """Return the embedding as a differentiable function of the expression of the HVGs, for objectives to match in.

        Parameters
        ----------
        cells
            The cells whose genes and HVGs these are.
        device
            Where a network runs.

        Returns
        -------
        A function from log-normalised expression (n, n_hvg) to embeddings (n, dim).

        Raises
        ------
        EncoderError
            If the encoder has no such function: by default none has.
        """
        msg = (
            f"Encoder {self.info.name!r} gives no gradient of its embedding with respect to the expression of the HVGs, so "
            'nothing can be matched there. Match in space="expression".'
        )
        raise EncoderError(msg)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return what must be saved."""
        return {}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:  # noqa: B027
        """Take back what :meth:`arrays` gave.

        Parameters
        ----------
        arrays
            By name.
        """

    @property
    def spec(self) -> str:
        """The text that :func:`scdd.encoders.get` turns into this encoder again."""
        return self.info.name

    def file_hashes(self) -> dict[str, str]:
        """Return the sha256 of each file that the embedding depends on, the weights first; none if nothing is on disk."""
        return {}

    def content_hash(self) -> str:
        """Return a hash of the name, the version, the files on disk and the arrays; without any, of the first embedding.

        Two encoders with the same hash give the same embedding.
        """
        files = self.file_hashes()
        # files are told by what they hold, not by where they lie
        name = self.info.name if files else self.spec
        digest = hashlib.sha256(f"{name}/{self.info.version}".encode())
        for file, content in sorted(files.items()):
            digest.update(f"{file}/{content}".encode())
        for name, array in sorted(self.arrays().items()):
            digest.update(f"{name}/{array.dtype.str}/{array.shape}".encode())
            digest.update(np.ascontiguousarray(array).tobytes())
        if not self.arrays() and not files:
            digest.update(self.embedding_digest.encode())
        return digest.hexdigest()[:16]


def check_known(known: sp.csr_matrix, index: NDArray[np.int64], name: str) -> None:
    """Raise :class:`~scdd.errors.EncoderError` where a cell (of positions ``index``) has no count of a known gene."""
    empty = index[np.diff(known.indptr) == 0]
    if len(empty):
        msg = (
            f"{len(empty)} cells have no count of any gene that encoder {name!r} knows "
            f"(first: {', '.join(map(str, empty[:5]))}). Remove these cells."
        )
        raise EncoderError(msg)


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
