"""What is pretrained on, and how."""

from __future__ import annotations

import os
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from scdd.errors import InputError

if TYPE_CHECKING:
    from anndata import AnnData


@dataclass(frozen=True, eq=False)
class Study:
    """A data set that an encoder is pretrained on.

    Attributes
    ----------
    data
        AnnData with raw counts (in memory, backed or lazy), or the path of an ``.h5ad`` file or a ``.zarr`` store.
    name
        Its name in the card. Default: that of the file.
    labels_key
        Column of ``obs`` with the classes; cells of one class shall be near each other. None: no labels.
    batch_key
        Column of ``obs`` with donors or batches, which shall not matter within a class; without labels all cells are one.
        None: one batch.
    layer
        Layer with the counts. None: ``X``.
    studies
        Where the cells come from (accessions such as ``"GSE84133"``; one alone may be text): the benchmark refuses the encoder
        on them.
    licence, citation
        Of the data, for the card.

    Raises
    ------
    scdd.errors.InputError
        If ``studies`` holds anything but text.

    Examples
    --------
    >>> Study("pancreas.h5ad", labels_key="cell_type", studies=("GSE84133",)).title
    'pancreas'
    """

    data: AnnData | str | os.PathLike[str]
    name: str = ""
    labels_key: str | None = None
    batch_key: str | None = None
    layer: str | None = None
    studies: tuple[str, ...] = ()
    licence: str = "unknown"
    citation: str = ""

    def __post_init__(self) -> None:
        # letters of a text would hide which study it is
        studies = (self.studies,) if isinstance(self.studies, str) else self.studies
        if not isinstance(studies, tuple | list) or not all(isinstance(name, str) for name in studies):
            msg = f"studies must be a tuple of names, got {self.studies!r}."
            raise InputError(msg)
        object.__setattr__(self, "studies", tuple(studies))

    @property
    def title(self) -> str:
        """The name, or that of the file."""
        if self.name or not isinstance(self.data, str | os.PathLike):
            return self.name or "unnamed"
        return os.path.basename(os.fspath(self.data).rstrip("/")).partition(".")[0]  # noqa: PTH119


@dataclass(frozen=True)
class PretrainConfig:
    """Size of the network, budget and weights of the losses.

    Attributes
    ----------
    n_steps, cells_per_study, studies_per_step
        Steps of the optimiser; cells of each data set in a step; data sets of a step (all, where there are fewer).
    lr, weight_decay, gradient_clip, warmup
        Of AdamW: largest rate of a cosine schedule, decoupled decay, largest norm of a gradient, share of the steps in
        which the rate rises.
    n_genes
        Genes of the vocabulary, at most: first those that are common in some data set, then those that most data sets name.
    min_cells
        Cells of a data set that express a common gene, at least.
    dim, hidden
        Factors, which is the width of the embedding; hidden units of the perceptron.
    whole_panel, smallest_panel
        Share of the steps in which a data set keeps all its genes; in the others it keeps a share of them, drawn
        log-uniformly down to ``smallest_panel``.
    thinned, least_depth
        Share of the cells whose counts are thinned binomially, and the smallest depth that is left to them.
    predicted
        Genes whose expression is predicted in a step, of each data set.
    classes, temperature
        Weight of the contrast between the classes of a data set, and the temperature of its cosines.
    views
        Weight of the contrast between two views of a cell and those of the other cells of its data set.
    batches
        Weight of the distances between the batches of a class.
    own_centre
        Share of the steps in which the cells of a data set are centred by their own mean, and not by that of the data set.
    balance
        Share of the cells that is drawn evenly over the classes.
    checkpoint_every
        Steps between two checkpoints.

    Raises
    ------
    scdd.errors.InputError
        If a number is out of its range.
    """

    n_steps: int = 300
    cells_per_study: int = 48
    studies_per_step: int = 8
    lr: float = 1e-4
    weight_decay: float = 1e-2
    gradient_clip: float = 5.0
    warmup: float = 0.1
    n_genes: int = 24000
    min_cells: int = 5
    dim: int = 256
    hidden: int = 512
    whole_panel: float = 0.3
    smallest_panel: float = 0.05
    thinned: float = 0.5
    least_depth: float = 0.1
    predicted: int = 512
    classes: float = 1.0
    temperature: float = 0.1
    views: float = 0.0
    batches: float = 0.1
    own_centre: float = 0.5
    balance: float = 0.75
    checkpoint_every: int = 100

    def __post_init__(self) -> None:
        shares = (
            "warmup",
            "whole_panel",
            "smallest_panel",
            "thinned",
            "least_depth",
            "balance",
            "own_centre",
        )
        weights = ("classes", "views", "batches", "weight_decay")
        for field in fields(self):
            value = getattr(self, field.name)
            if field.name in shares:
                good = 0 <= value <= 1
            else:
                good = value >= 0 if field.name in weights else value > 0
            if not good:
                wanted = "in [0, 1]" if field.name in shares else "at least 0" if field.name in weights else "above 0"
                msg = f"{field.name} must be {wanted}, got {value!r}."
                raise InputError(msg)
