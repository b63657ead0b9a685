"""The model class: encoder, latent codes and one-step generator behind scvi-tools' habits."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from scvi.data import AnnDataManager
from scvi.data.fields import CategoricalObsField
from scvi.model.base import BaseModelClass
from tqdm.auto import tqdm

from scdd._budget import resolve_sizes
from scdd._compat import warn
from scdd._rng import Seed, canonical_seed, stream
from scdd._version import versions
from scdd.distill import PRESETS, DistillConfig, distill
from scdd.encoders import Cells, Encoder, Features
from scdd.encoders import get as get_encoder
from scdd.errors import InputError, LabelError, NotTrainedError
from scdd.model import _persist
from scdd.model._anndata import distilled_anndata, generated_anndata
from scdd.model._cells import align_genes, unlabelled_source
from scdd.model._metadata import Metadata
from scdd.model._quality import quality
from scdd.model._sample import sample_counts, sample_latents
from scdd.module import AutoencoderConfig, ModuleShape, SCDDModule, SCDGConfig
from scdd.pp import CheckedInput, check, highly_variable
from scdd.train import TrainConfig, TrainerConfig, TrainResult, encode, train_module

if TYPE_CHECKING:
    import os

    from anndata import AnnData


class SCDD(BaseModelClass):
    """Single-cell data set distillation: latent codes decoded by a single-step conditional diffusion generator.

    Parameters
    ----------
    adata
        AnnData that was registered by :meth:`setup_anndata`.
    encoder
        Foundation encoder: a name (``"self"``, ``"pca:50"``, ``"precomputed:X_scgpt"``), an
        :class:`~scdd.encoders.Encoder` or a trained scvi-tools model. ``"auto"`` trains on the data (``"self"``).
    n_latent
        Dimension of the latent space.
    n_hidden
        Width of the hidden layers of head and decoder.
    n_top_genes
        Number of highly variable genes in the training; all other genes are decoded by a refit.
    engine
        How the generator is trained: ``"energy"``, ``"drifting"`` or ``"consistency"``.
    seed
        Seed of everything random.

    Examples
    --------
    >>> import scdd
    >>> adata = scdd.datasets.simulate(n_obs=300, n_vars=100)
    >>> scdd.model.SCDD.setup_anndata(adata, labels_key="cell_type", batch_key="donor")
    >>> model = scdd.model.SCDD(adata, n_latent=8)
    >>> model.train(max_epochs=2, progress=False)
    >>> model.distill(n_per_class=2).shape
    (8, 100)

    References
    ----------
    Yu et al., scDD, arXiv 2503.04357.
    """

    def __init__(
        self,
        adata: AnnData,
        *,
        encoder: str | Encoder | Any = "auto",
        n_latent: int = 32,
        n_hidden: int = 256,
        n_top_genes: int = 2000,
        engine: str = "energy",
        seed: Seed = 0,
    ) -> None:
        super().__init__(adata)
        args = self.registry["setup_args"]
        checked = check(
            adata,
            labels_key=args["labels_key"],
            batch_key=args["batch_key"],
            donor_key=args["donor_key"],
            layer=args["layer"],
        )
        self._attach(checked, adata)
        self._build(get_encoder(encoder), n_latent, n_hidden, n_top_genes, engine, canonical_seed(seed))
        self.init_params_ = self._get_init_params(locals())

    @classmethod
    def from_checked(
        cls,
        checked: CheckedInput,
        adata: AnnData | None = None,
        *,
        encoder: str | Encoder | Any = "auto",
        n_latent: int = 32,
        n_hidden: int = 256,
        n_top_genes: int = 2000,
        engine: str = "energy",
        seed: Seed = 0,
    ) -> Self:
        """Return a model of an input that went through :func:`scdd.pp.check`; nothing is written into any AnnData.

        Parameters
        ----------
        checked
            The checked input.
        adata
            The AnnData it came from, for encoders that read ``obsm``.
        encoder, n_latent, n_hidden, n_top_genes, engine, seed
            As in :class:`SCDD`.
        """
        model = cls.__new__(cls)
        setup = {name: getattr(checked, name) for name in ("labels_key", "batch_key", "donor_key", "layer")}
        BaseModelClass.__init__(model, registry=_persist.registry(cls.__name__, setup))
        model._attach(checked, adata)
        model._build(get_encoder(encoder), n_latent, n_hidden, n_top_genes, engine, canonical_seed(seed))
        return model

    @classmethod
    def setup_anndata(
        cls,
        adata: AnnData,
        labels_key: str | None = None,
        batch_key: str | None = None,
        layer: str | None = None,
        donor_key: str | None = None,
    ) -> None:
        """Register the columns to use; scvi-tools' fields are written into ``adata``, nothing else.

        Parameters
        ----------
        adata
            AnnData with raw counts.
        labels_key
            Column of ``obs`` with the classes; default ``"cell_type"``.
        batch_key
            Column of ``obs`` that conditions the generator.
        layer
            Layer with the counts; default X.
        donor_key
            Column of ``obs`` whose groups are held out together by the inner referee; default ``batch_key``.
        """
        checked = check(adata, labels_key=labels_key, batch_key=batch_key, donor_key=donor_key, layer=layer)
        if len(checked.kept) < adata.n_obs:
            msg = (
                f"{adata.n_obs - len(checked.kept)} cells have no counts. Remove them first: "
                "sc.pp.filter_cells(adata, min_counts=1)."
            )
            raise InputError(msg)
        labels_key, donor_key = checked.labels_key, checked.donor_key
        setup_method_args = cls._get_setup_method_args(
            cls=cls, adata=adata, labels_key=labels_key, batch_key=batch_key, layer=layer, donor_key=donor_key
        )
        # the counts are not registered: scdd reads them through its own door, which takes more formats than scvi-tools
        fields = [CategoricalObsField("labels", labels_key), CategoricalObsField("batch", batch_key)]
        manager = AnnDataManager(fields=fields, setup_method_args=setup_method_args)
        manager.register_fields(adata)
        cls.register_manager(manager)

    def _attach(self, checked: CheckedInput, adata: AnnData | None) -> None:
        self._checked: CheckedInput | None = checked
        self._meta = Metadata.of(checked)
        self._obsm: Mapping[str, Any] = {} if adata is None else adata.obsm
        self._cells_adata = adata
        self._latents: NDArray[np.float32] | None = None

    def _build(
        self, encoder: Encoder, n_latent: int, n_hidden: int, n_top_genes: int, engine: str, seed: int
    ) -> None:
        source = self._source
        self._encoder, self._engine, self._seed = encoder, engine, seed
        hvg = np.flatnonzero(highly_variable(source, n_top=n_top_genes, seed=seed))
        cells = self._cells(hvg)
        encoder.fit(cells, seed=seed)
        self._features: Features | None = encoder.features(cells)
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
        self._status: dict[str, str] = {}
        self._seconds: dict[str, float] = {}
        self._quality: dict[str, float] = {}
        self._set_summary()

    @property
    def _source(self) -> Any:
        if self._checked is None:
            msg = "This model was loaded without cells. Pass them: SCDD.load(path, adata=adata)."
            raise InputError(msg)
        return self._checked.source

    def _cells(self, hvg: NDArray[np.int64]) -> Cells:
        kept = self._checked.kept if self._checked is not None else slice(None)
        obsm = {key: np.asarray(self._obsm[key])[kept] for key in self._obsm}
        return Cells(self._source, np.asarray(self._meta.genes), hvg, obsm, self._cells_adata)

    def train(
        self,
        max_epochs: int | None = None,
        *,
        accelerator: str = "auto",
        devices: int | list[int] | str = "auto",
        batch_size: int = 128,
        early_stopping: bool = False,
        precision: str = "32-true",
        progress: bool = True,
        max_seconds: float | None = None,
        generator: bool = True,
    ) -> None:
        """Train latent space, decoder and generator.

        Parameters
        ----------
        max_epochs
            Passes over the cells for the latent space and decoder. Default: a budget of 600 steps, whatever the number
            of cells. The generator always takes 1000 steps on latents.
        accelerator, devices
            Where to run, as in scvi-tools. ``"auto"`` takes a GPU if there is one.
        batch_size
            Cells per step.
        early_stopping
            Hold out 10 % of the cells and stop when their loss no longer falls.
        precision
            ``"bf16-mixed"`` is faster on recent GPUs.
        progress
            Show one progress bar per stage.
        max_seconds
            Stop after this time and keep what was learnt.
        generator
            Train the generator; without it, it stays the identity.

        Notes
        -----
        After Ctrl-C the model keeps what it has learnt and can be used; ``model.status`` says so.
        """
        config = TrainConfig()
        stage = replace(config.autoencoder, batch_size=batch_size)
        if max_epochs is not None:
            if max_epochs < 1:
                msg = f"max_epochs must be at least 1, got {max_epochs}."
                raise InputError(msg)
            stage = replace(stage, n_steps=max_epochs * -(-self._source.n_obs // batch_size))
        assert self._features is not None
        result: TrainResult = train_module(
            self.module,
            self._source,
            self._features,
            config=replace(config, autoencoder=stage),
            trainer_config=TrainerConfig(accelerator, devices, precision, progress),
            engine=self._engine,
            seed=self._seed,
            early_stopping=early_stopping,
            with_generator=generator,
            deadline=None if max_seconds is None else time.monotonic() + max_seconds,
        )
        self._latents, self._status, self._seconds = result.latents, result.status, result.seconds
        self.history_ = {
            f"{stage}_{column}": frame[[column]] for stage, frame in result.history.items() for column in frame
        }
        self.is_trained_ = True
        self._quality = quality(self.module, self._source, result.latents, seed=self._seed)
        self._set_summary()

    @property
    def status(self) -> dict[str, str]:
        """Why each stage of the training ended: ``"complete"``, ``"interrupted"``, ..."""
        return dict(self._status)

    def get_latent_representation(
        self, adata: AnnData | None = None, *, layer: str | None = None, batch_size: int = 4096
    ) -> NDArray[np.float32]:
        """Return the standardised latents (n_obs, n_latent) float32 of cells.

        Parameters
        ----------
        adata
            Cells with the model's genes, in any order; labels are not needed. Default: the cells of the training.
        layer
            Layer with the counts. Default: that of the training.
        batch_size
            Cells at a time.
        """
        self._check_trained()
        if adata is None:
            if self._latents is None:
                assert self._features is not None
                self._latents = encode(self.module, self._source, self._features, batch_size=batch_size)
            return self._latents.copy()
        adata = align_genes(adata, self._meta.genes)
        source = unlabelled_source(adata, layer if layer is not None else self._meta.layer)
        cells = Cells(source, np.asarray(self._meta.genes), self.module.hvg.cpu().numpy(), adata.obsm, adata)
        return encode(self.module, source, self._encoder.features(cells), batch_size=batch_size)

    def generate(
        self,
        n: int = 100,
        labels: Any = None,
        batch: Any = None,
        *,
        guidance: float = 1.0,
        seed: Seed = 0,
    ) -> AnnData:
        """Draw new cells: one generator step from noise, negative-binomial counts of all genes.

        Parameters
        ----------
        n
            Number of cells.
        labels
            One label for all cells, or one per cell. Default: in the proportions of the original cells.
        batch
            One batch for all cells, or one per cell. Default: in the proportions of the batches within each class.
        guidance
            Above 1, cells are more typical of their class.
        seed
            Seed of the draw.

        Returns
        -------
        AnnData (n, n_vars) with integer counts, sorted by class.
        """
        self._check_trained()
        seed = canonical_seed(seed)
        if n < 1:
            msg = f"n must be at least 1, got {n}."
            raise InputError(msg)
        rng = stream(seed, "conditions")
        meta, sizes = self._meta, self.module.sizes.cpu().numpy()
        codes = _codes(labels, meta.class_names, n, f"label of {meta.labels_key!r}")
        if codes is None:
            codes = rng.choice(len(sizes), size=n, p=sizes.sum(1) / sizes.sum())
        codes = np.sort(codes)
        batches = _codes(batch, meta.batch_names, n, f"batch of {meta.batch_key!r}")
        if batches is None:
            share = np.cumsum(sizes / sizes.sum(1, keepdims=True), axis=1)[codes]
            batches = (rng.random((n, 1)) > share).sum(1).clip(max=sizes.shape[1] - 1)
        latents = sample_latents(self.module, codes, batches, guidance=guidance, seed=seed)
        library = self.module.library.quantile(codes, batches, rng.random(n))
        counts = sample_counts(self.module, latents, library, seed=seed)
        uns = {"kind": "generated", "seed": seed, "guidance": guidance, "versions": versions(), **self._provenance()}
        return generated_anndata(counts, codes, batches, latents.cpu().numpy(), self.module, meta, uns)

    def distill(
        self,
        n_per_class: int | Mapping[Any, int] | None = 10,
        *,
        objective: str | Mapping[str, float] | None = "auto",
        preset: str | DistillConfig = "default",
        generator: str | None = None,
        fraction: float | None = None,
        small_class: str = "keep",
        seed: Seed = None,
        max_seconds: float | None = None,
        progress: bool = True,
    ) -> AnnData:
        """Distil the cells of the model; see :func:`scdd.tl.distill` for the parameters and the result.

        Parameters
        ----------
        n_per_class, objective, preset, generator, fraction, small_class, max_seconds, progress
            As in :func:`scdd.tl.distill`.
        seed
            Default: the seed of the model.

        Returns
        -------
        The distilled AnnData.
        """
        self._check_trained()
        source = self._source
        seed = self._seed if seed is None else canonical_seed(seed)
        config = PRESETS.get(preset) if isinstance(preset, str) else preset
        if objective != "auto":
            config = replace(config, objective=None if objective == "none" else objective)
        if generator is not None:
            config = replace(config, generator=generator)
        sizes, found = resolve_sizes(
            n_per_class, fraction, np.bincount(source.labels), source.class_names, small_class=small_class  # type: ignore[arg-type]
        )
        for message in found:
            warn(message)
        start = time.monotonic()
        with tqdm(total=None, desc="distillation", disable=not progress, leave=True) as bar:
            result = distill(
                self.module,
                source,
                self.get_latent_representation(),
                sizes,
                config=config,
                seed=seed,
                deadline=None if max_seconds is None else start + max_seconds,
                on_step=lambda loss: (bar.update(), bar.set_postfix(loss=f"{loss:.3f}")) and None,
            )
        ends = [*self._status.values(), result.status]
        status = next((s for s in ("interrupted", "out_of_time", "not_finite") if s in ends), "complete")
        uns = {
            "kind": "distilled",
            "status": status,
            "seed": seed,
            "preset": preset if isinstance(preset, str) else "custom",
            "params": asdict(config),
            "versions": versions(),
            "n_per_class": sizes,
            "seconds": {**self._seconds, "distillation": time.monotonic() - start},
            "warnings": [*self._meta.warnings, *found],
            "record": result.record,
            **self._provenance(),
        }
        return distilled_anndata(result, self.module, self._meta, uns)

    def _provenance(self) -> dict[str, Any]:
        meta = self._meta
        return {
            "labels_key": meta.labels_key,
            "batch_key": meta.batch_key,
            "donor_key": meta.donor_key,
            "classes": meta.class_names,
            "class_sizes": self.module.sizes.sum(1).cpu().numpy(),
            "n_obs": meta.n_obs,
            "encoder": {
                "name": self._encoder.spec,
                "version": self._encoder.info.version,
                "licence": self._encoder.info.licence,
                "hash": self._encoder.content_hash(),
            },
            "engine": self._engine,
            "training": self._status,
            "quality": self._quality,
        }

    def save(self, dir_path: str | os.PathLike[str], overwrite: bool = False) -> None:  # type: ignore[override]
        """Save the trained model as safetensors and JSON: no pickle, no cells; the folder is written whole or not.

        Parameters
        ----------
        dir_path
            Folder to write.
        overwrite
            Replace a model that is there.
        """
        self._check_trained()
        _persist.save(self, Path(dir_path), overwrite=overwrite)

    @classmethod
    def load(  # type: ignore[override]
        cls, dir_path: str | os.PathLike[str], adata: AnnData | None = None, *, encoder: Any = None
    ) -> Self:
        """Load a saved model; nothing in the folder is executed.

        Parameters
        ----------
        dir_path
            Folder that :meth:`save` wrote.
        adata
            Cells to go on with (:meth:`distill` needs them, :meth:`generate` does not). Genes are matched by name.
        encoder
            The encoder, where it cannot be made from its name (a trained scvi-tools model).
        """
        return _persist.load(cls, Path(dir_path), adata, encoder=encoder)

    def _check_trained(self) -> None:
        if not self.is_trained_:
            msg = "The model has not been trained. Call model.train() first."
            raise NotTrainedError(msg)

    def _set_summary(self) -> None:
        shape = self.module.shape
        self._model_summary_string = (
            f"SCDD model: {self._meta.n_obs} cells, {shape.n_vars} genes ({shape.n_hvg} HVGs), {shape.n_classes} classes, "
            f"{shape.n_batches} batches; encoder {self._encoder.spec!r}, n_latent {shape.autoencoder.n_latent}, "
            f"engine {self._engine!r}, seed {self._seed}; {'trained' if self.is_trained_ else 'not trained'}"
        )

    def __repr__(self) -> str:
        return self._model_summary_string


def _codes(values: Any, names: list[str], n: int, what: str) -> NDArray[np.int64] | None:
    """Turn one name, or one per cell, into codes."""
    if values is None:
        return None
    scalar = isinstance(values, (str, bytes)) or not hasattr(values, "__len__")
    texts = [str(values)] * n if scalar else [str(v) for v in values]
    if len(texts) != n:
        msg = f"{len(texts)} values are given for the {what}, but n is {n}."
        raise InputError(msg)
    position = {name: k for k, name in enumerate(names)}
    unknown = sorted(set(texts) - set(position))
    if unknown:
        msg = f"Unknown {what}: {', '.join(unknown[:5])}. There are: {', '.join(names[:20])}."
        raise LabelError(msg)
    return np.array([position[t] for t in texts], dtype=np.int64)


__all__ = ["SCDD"]
