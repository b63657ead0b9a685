"""Base of the encoders whose weights stay in a folder on disk."""

from __future__ import annotations

import logging
import os
import weakref
from abc import abstractmethod
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from scdd._compat import warn
from scdd._genes import GeneMatch, match_genes
from scdd.encoders._base import Cells, Encoder, check_known
from scdd.encoders._place import device_name, place
from scdd.encoders._weights import read_text, sha256
from scdd.errors import EncoderError

if TYPE_CHECKING:
    import scipy.sparse as sp
    import torch

_LOG = logging.getLogger("scdd")
_BLOCK = 1024  # cells that are read together: few cells at a time are slow to read from disk
_LOOKED_AT = 4096  # cells, for the share of the counts
_ALIASES = "gene_aliases.tsv"


class CheckpointEncoder(Encoder):
    """A frozen network with a vocabulary of genes, read from a folder: ``encoder="name:/path/to/folder"``.

    A subclass names its files and genes, reads its network, and embeds a batch of cells that were brought to its genes.
    Matching, coverage, streaming, hashes and seeds are dealt with here.

    Parameters
    ----------
    path
        Folder of the released files. A file ``gene_aliases.tsv`` in it (two columns without header: a name of a gene in
        the data, its name in the vocabulary) is used where genes have other names.
    min_genes
        Genes of the vocabulary that the data must have; None: what the encoder asks for.
    min_share
        Share of the counts that must belong to them.

    Raises
    ------
    scdd.errors.EncoderError
        If a file is missing, damaged, or of another model.
    """

    #: Genes of the vocabulary that the data must have, by default
    needs_genes: ClassVar[int] = 1000
    #: Cells that pass the network together, by default
    cells_per_batch: ClassVar[int] = 512

    def __init__(
        self, path: str | os.PathLike[str] = "", *, min_genes: int | None = None, min_share: float = 0.5
    ) -> None:
        name = self.info.name
        if not os.fspath(path):
            msg = f'Encoder {name!r} needs the folder of its checkpoint: encoder="{name}:/path/to/folder".'
            raise EncoderError(msg)
        self.path = Path(path).expanduser().absolute()
        if not self.path.is_dir():
            msg = (
                f"Encoder {name!r}: the folder {self.path} is not there. Name the folder that holds the released files."
            )
            raise EncoderError(msg)
        self.min_genes = self.needs_genes if min_genes is None else min_genes
        self.min_share = min_share
        self.seed = 0
        self._loaded: tuple[str, torch.nn.Module] | None = None
        self._hashes: dict[str, str] | None = None
        self._matched: weakref.ref[Cells] | None = None  # those that the coverage is of
        self._aliases = self._read_aliases()

    @property
    @abstractmethod
    def genes(self) -> NDArray[np.object_]:
        """Names of the genes of the vocabulary (n_vocabulary,)."""

    @property
    @abstractmethod
    def files(self) -> tuple[Path, ...]:
        """The files that the embedding depends on, the weights first."""

    @abstractmethod
    def read_network(self) -> torch.nn.Module:
        """Read the network: frozen, in evaluation mode, on the CPU."""

    @abstractmethod
    def embed(
        self, network: torch.nn.Module, counts: sp.csr_matrix, library: NDArray[np.float64], index: NDArray[np.int64]
    ) -> torch.Tensor:
        """Return the embedding (n, dim) of a batch.

        Parameters
        ----------
        network
            The network, where it shall run.
        counts
            CSR (n, n_vocabulary): counts of the genes of the vocabulary.
        library
            Total counts over all genes of the data (n,).
        index
            Positions of the cells in their source (n,), which name their random streams.
        """

    def aliases(self) -> Mapping[str, str]:
        """Return other names of genes, and the name in the vocabulary that each stands for."""
        return self._aliases

    def match(self, cells: Cells) -> GeneMatch:
        """Find the genes of the cells in the vocabulary.

        Parameters
        ----------
        cells
            The cells, their genes and the highly variable ones.

        Returns
        -------
        Which gene of the cells is which of the vocabulary.

        Raises
        ------
        scdd.errors.GeneError
            If too few are found, with the cause and the fix.
        """
        if self.coverage is not None and self._matched is not None and self._matched() is cells:
            return self.coverage  # fit() and encode() see the same cells
        n = cells.source.n_obs
        looked_at = np.unique(np.linspace(0, n - 1, min(n, _LOOKED_AT)).astype(np.int64))
        totals = np.asarray(cells.source.rows(looked_at).sum(axis=0), dtype=np.float64).ravel()
        match = match_genes(cells.genes, self.genes, var=cells.var, aliases=self.aliases(), totals=totals)
        match.require(f"encoder {self.info.name!r}", min_genes=self.min_genes, min_share=self.min_share)
        self.coverage, self._matched = match, weakref.ref(cells)
        _LOG.info("encoder %r: %s", self.info.name, match)
        return match

    def __getstate__(self) -> dict[str, Any]:
        """Return what copies and other processes get: all but the reference to the cells."""
        return self.__dict__ | {"_matched": None}

    def fit(self, cells: Cells, *, seed: int) -> None:
        """Check that the genes are known, and take the seed.

        Parameters
        ----------
        cells
            The cells, their genes and the highly variable ones.
        seed
            Of everything random.
        """
        match = self.match(cells)
        self.seed = seed
        known = {"unknown", match.vocabulary_ids.species, *self.info.species.split(", ")}
        if match.ids.species not in known:
            warn(f"Encoder {self.info.name!r} knows genes of {self.info.species}: {match}.")

    def encode(self, cells: Cells, *, batch_size: int | None = None, device: str = "cpu") -> NDArray[np.float32]:
        """Return the embedding (n_obs, dim) float32 of all cells, batch by batch.

        Parameters
        ----------
        cells
            The cells; no more than a block of them is in memory at a time.
        batch_size
            Cells that pass the network together. Default: a number that suits the network.
        device
            ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``; ``"auto"`` takes a GPU if there is one.

        Raises
        ------
        scdd.errors.GeneError
            If the genes do not fit the vocabulary.
        scdd.errors.EncoderError
            If a cell has no count of any gene of the vocabulary, or the device is not there.
        """
        import torch

        match, network = self.match(cells), self.network(device)
        step = self.cells_per_batch if batch_size is None else max(1, batch_size)
        assert self.info.dim is not None
        out = np.empty((cells.source.n_obs, self.info.dim), dtype=np.float32)
        with torch.inference_mode():
            for block, counts in cells.source.blocks(max(step, _BLOCK)):
                known = match.align(counts)
                check_known(known, block, self.info.name)
                for start in range(0, len(block), step):
                    index = block[start : start + step]
                    part = known[start : start + step]
                    out[index] = self._embed_or_halve(network, part, cells.source.library[index], index)
        return out

    def network(self, device: str = "cpu") -> torch.nn.Module:
        """Return the frozen network on a device; it is read once.

        Parameters
        ----------
        device
            Where it runs, as torch names it.

        Returns
        -------
        The network, frozen.
        """
        device = device_name(device)
        if self._loaded is None or self._loaded[0] != device:
            network = self.read_network() if self._loaded is None else self._loaded[1]
            self._loaded = device, place(network, device, self.info.name)
        return self._loaded[1]

    def file_hashes(self) -> dict[str, str]:
        """Return the sha256 of each file, the weights first; files are read once."""
        if self._hashes is None:
            own = [self.path / _ALIASES] if (self.path / _ALIASES).is_file() else []
            self._hashes = {file.name: sha256(file) for file in [*self.files, *own]}
        return dict(self._hashes)

    def arrays(self) -> dict[str, NDArray[Any]]:
        """Return the seed, where the embedding depends on it; the weights stay on disk."""
        # as text: a seed may be larger than any integer of numpy
        return {"seed": np.frombuffer(str(self.seed).encode(), np.uint8)} if self.info.stochastic else {}

    def restore(self, arrays: Mapping[str, NDArray[Any]]) -> None:
        """Take back the seed.

        Parameters
        ----------
        arrays
            What ``arrays()`` gave, by name.
        """
        self.seed = int(arrays["seed"].tobytes().decode())

    @property
    def spec(self) -> str:
        """``"<name>:<folder>"``."""
        return f"{self.info.name}:{self.path}"

    def _embed_or_halve(
        self, network: torch.nn.Module, counts: sp.csr_matrix, library: NDArray[np.float64], index: NDArray[np.int64]
    ) -> NDArray[np.float32]:
        """Embed a batch; where it does not fit into the memory of the device, in halves."""
        import torch

        try:
            return self.embed(network, counts, library, index).float().cpu().numpy()
        except torch.OutOfMemoryError as error:
            if len(index) == 1:
                msg = (
                    f"Encoder {self.info.name!r} does not fit into the memory of the device, even for one cell: {error}"
                )
                raise EncoderError(msg) from error
        half = len(index) // 2
        _LOG.info("encoder %r: %d cells do not fit into memory; halved", self.info.name, len(index))
        return np.concatenate(
            [self._embed_or_halve(network, counts[s], library[s], index[s]) for s in (slice(half), slice(half, None))]
        )

    def _read_aliases(self) -> dict[str, str]:
        path = self.path / _ALIASES
        if not path.is_file():
            return {}
        rows = [line.split("\t") for line in read_text(path).splitlines() if line.strip()]
        bad = [i + 1 for i, row in enumerate(rows) if len(row) != 2]
        if bad:
            msg = f"{path} needs two columns, separated by a tab; line {bad[0]} has another number."
            raise EncoderError(msg)
        return {name.strip(): target.strip() for name, target in rows}
