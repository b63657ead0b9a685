"""What a model holds between two calls: cells, names, encoder, module, and how its training went."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np
import torch
from numpy.typing import NDArray

from scdd._compat import var_frame
from scdd.encoders import Cells, EmbeddingFeatures, Encoder, Features
from scdd.encoders import get as get_encoder
from scdd.errors import InputError, NotTrainedError
from scdd.model import _persist
from scdd.model._cells import KeptObsm
from scdd.model._describe import as_html, as_text
from scdd.model._metadata import Metadata
from scdd.module import ENGINES, AutoencoderConfig, ModuleShape, SCDDModule, SCDGConfig
from scdd.pp import CheckedInput, highly_variable

if TYPE_CHECKING:
    from anndata import AnnData

    from scdd.data import Source


class ModelState:
    """The state of :class:`~scdd.model.SCDD`, apart from what users call."""

    module: SCDDModule
    is_trained_: bool
    _checked: CheckedInput | None
    _meta: Metadata
    _encoder: Encoder
    _features: Features | None
    _latents: NDArray[np.float32] | None
    _engine: str
    _seed: int
    _device: str
    _status: dict[str, str]
    _seconds: dict[str, float]
    _quality: dict[str, float]
    _told: tuple[str, ...] = ()  # warnings of the training

    def _attach(self, checked: CheckedInput, adata: AnnData | None) -> None:
        self._checked: CheckedInput | None = checked
        self._meta = Metadata.of(checked)
        self._obsm: Mapping[str, Any] = {} if adata is None else adata.obsm
        self._cells_adata = adata
        self._latents: NDArray[np.float32] | None = None

    def _build(
        self,
        encoder: str | Encoder | Any,
        n_latent: int,
        n_hidden: int,
        n_top_genes: int,
        engine: str,
        seed: int,
        device: str,
    ) -> None:
        source = self._source
        # a name that is wrong shall fail at once; what "auto" is the cells decide
        named = None if isinstance(encoder, str) and encoder == "auto" else get_encoder(encoder).fresh()
        ENGINES.get(engine)
        hvg = np.flatnonzero(highly_variable(source, n_top=n_top_genes, seed=seed))
        cells = self._cells(hvg)
        chosen = named or get_encoder("auto", cells=cells)
        self._device = device
        self._encoder, self._engine, self._seed = chosen, engine, seed
        chosen.fit(cells, seed=seed)
        self._features: Features | None = chosen.features(cells, device=device)
        shape = ModuleShape(
            n_features=self._features.dim,
            n_vars=source.n_vars,
            n_hvg=len(hvg),
            n_classes=len(source.class_names),
            n_batches=len(source.batch_names),
            autoencoder=AutoencoderConfig(n_latent=n_latent, n_hidden=n_hidden),
            scdg=SCDGConfig(),
        )
        self.module = _persist.new_module(shape, hvg, seed)
        if isinstance(self._features, EmbeddingFeatures):
            self.module.autoencoder.scale_features(torch.from_numpy(self._features.embedding))
        self._status: dict[str, str] = {}
        self._seconds: dict[str, float] = {}
        self._quality: dict[str, float] = {}
        self._set_summary()

    @property
    def _source(self) -> Source:
        if self._checked is None:
            msg = "This model was loaded without cells. Pass them: SCDD.load(path, adata=adata)."
            raise InputError(msg)
        return self._checked.source

    def _cells(self, hvg: NDArray[np.int64]) -> Cells:
        kept = self._checked.kept if self._checked is not None else slice(None)
        obsm = KeptObsm(self._obsm, kept)
        rows = None if self._checked is None else self._checked.kept
        return Cells(self._source, np.asarray(self._meta.genes), hvg, obsm, self._cells_adata, self._meta.var, rows)

    def _features_of(self, adata: AnnData, source: Source) -> Features:
        """Return the features of cells that are not those of the model, with its genes in its order."""
        genes, hvg = np.asarray(self._meta.genes), self.module.hvg.cpu().numpy()
        cells = Cells(source, genes, hvg, KeptObsm(adata.obsm, slice(None)), adata, var_frame(adata))
        return self._encoder.features(cells, device=self._device)

    def _space(self, name: str) -> Callable[[torch.Tensor], torch.Tensor] | None:
        """Return what an objective matches, as a function of the expression of the HVGs; None: that expression itself."""
        if name == "expression":
            return None
        if self._encoder.info.name == "self":
            return self.module.autoencoder.encode
        return self._encoder.space(self._cells(self.module.hvg.cpu().numpy()), device=str(self.module.device))

    @property
    def status(self) -> dict[str, str]:
        """Why each stage of the training ended: ``"complete"``, ``"interrupted"``, ..."""
        return dict(self._status)

    def _check_trained(self) -> None:
        if not self.is_trained_:
            msg = "The model has not been trained. Call model.train() first."
            raise NotTrainedError(msg)

    def _set_summary(self) -> None:
        # what scvi-tools prints of a model
        self._model_summary_string = as_text(self)

    def __repr__(self) -> str:
        return as_text(self)

    def _repr_html_(self) -> str:
        return as_html(self)
