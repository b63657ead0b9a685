"""The model class: encoder, latent codes and one-step generator behind scvi-tools' habits."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any, Self

import numpy as np
from numpy.typing import NDArray
from scvi.data import AnnDataManager
from scvi.data.fields import CategoricalObsField
from scvi.model.base import BaseModelClass
from tqdm.auto import tqdm

from scdd._budget import SmallClass, deadline, resolve_sizes
from scdd._compat import warn
from scdd._rng import Seed, canonical_seed, stream
from scdd._settings import FROM_SETTINGS, settings
from scdd.distill import DistillConfig, distill, most_steps, resolve_config
from scdd.encoders import Encoder
from scdd.model import _persist
from scdd.model._anndata import distilled_anndata, generated_anndata
from scdd.model._cells import align_genes, class_sizes, require_all_batches, require_all_kept
from scdd.model._provenance import overall_status, provenance, unused_objective
from scdd.model._quality import quality
from scdd.model._sample import draw_conditions, sample_counts, sample_latents
from scdd.model._state import ModelState
from scdd.pp import CheckedInput, check
from scdd.pp._unlabelled import unlabelled_source
from scdd.train import TrainConfig, TrainerConfig, TrainResult, encode, train_module

if TYPE_CHECKING:
    import os

    from anndata import AnnData


class SCDD(ModelState, BaseModelClass):
    """Single-cell data set distillation: latent codes decoded by a single-step conditional diffusion generator.

    Parameters
    ----------
    adata
        AnnData that was registered by :meth:`setup_anndata`.
    encoder
        Foundation encoder: a name (``"self"``, ``"pca:50"``, ``"precomputed:X_scgpt"``), an
        :class:`~scdd.encoders.Encoder` (copied) or a trained scvi-tools model. ``"auto"`` trains on the data (``"self"``)
        where cells are many, and takes ``"scdd-base"`` where they are few and their genes known.
    n_latent
        Dimension of the latent space.
    n_hidden
        Width of the hidden layers of head and decoder.
    n_top_genes
        Number of highly variable genes in the training; all other genes are decoded by a refit.
    engine
        How the generator is trained: ``"energy"``, ``"drifting"`` or ``"consistency"``.
    seed
        Seed of everything random. Default: ``scdd.settings.seed``.
    device
        Where a pretrained encoder runs; ``"auto"`` takes a GPU if there is one.

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
        seed: Seed = FROM_SETTINGS,
        device: str = "auto",
    ) -> None:
        seed = canonical_seed(seed)
        super().__init__(adata)
        self._attach(check(adata, **self.registry["setup_args"]), adata)
        self._build(encoder, n_latent, n_hidden, n_top_genes, engine, seed, device)
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
        seed: Seed = FROM_SETTINGS,
        device: str = "auto",
    ) -> Self:
        """Return a model of an input that went through :func:`scdd.pp.check`; nothing is written into any AnnData.

        Parameters
        ----------
        checked
            The checked input.
        adata
            The AnnData it came from, for encoders that read ``obsm``.
        encoder, n_latent, n_hidden, n_top_genes, engine, seed, device
            As in the class.
        """
        model = cls.__new__(cls)
        setup = {name: getattr(checked, name) for name in ("labels_key", "batch_key", "donor_key", "layer")}
        BaseModelClass.__init__(model, registry=_persist.registry(cls.__name__, setup))
        model._attach(checked, adata)
        model._build(encoder, n_latent, n_hidden, n_top_genes, engine, canonical_seed(seed), device)
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
        require_all_kept(checked, adata)
        require_all_batches(adata, batch_key)
        labels_key, donor_key = checked.labels_key, checked.donor_key
        setup_method_args = cls._get_setup_method_args(
            cls=cls, adata=adata, labels_key=labels_key, batch_key=batch_key, layer=layer, donor_key=donor_key
        )
        # the counts are not registered: scdd reads them through its own door, which takes more formats than scvi-tools
        fields = [CategoricalObsField("labels", labels_key), CategoricalObsField("batch", batch_key)]
        manager = AnnDataManager(fields=fields, setup_method_args=setup_method_args)
        manager.register_fields(adata)
        cls.register_manager(manager)

    def train(
        self,
        max_epochs: int | None = None,
        *,
        accelerator: str = "auto",
        devices: int | list[int] | str = "auto",
        batch_size: int = 128,
        early_stopping: bool = False,
        precision: str = "32-true",
        progress: bool | None = None,
        max_seconds: float | None = None,
        generator: bool = True,
    ) -> None:
        """Train latent space, decoder and generator.

        Parameters
        ----------
        max_epochs
            Passes over the cells for the latent space and decoder. Default: a budget of 600 steps, whatever the number
            of cells. The generator always takes 500 steps on latents.
        accelerator, devices
            Where to run, as in scvi-tools. ``"auto"`` takes a GPU if there is one; ``devices=[k]`` is number k. Training
            takes one device.
        batch_size
            Cells per step.
        early_stopping
            Hold out 10 % of the cells and stop when their loss no longer falls.
        precision
            ``"bf16-mixed"`` is faster on recent GPUs.
        progress
            Show one progress bar per stage. Default: ``scdd.settings.progress``.
        max_seconds
            Stop after this time and keep what was learnt.
        generator
            Train the generator; without it, it stays the identity.

        Notes
        -----
        After Ctrl-C the model keeps what it has learnt and can be used; ``model.status`` says so.
        """
        source = self._source  # a clear error where there are no cells
        assert self._features is not None
        result: TrainResult = train_module(
            self.module,
            source,
            self._features,
            config=TrainConfig().with_epochs(max_epochs, batch_size=batch_size, n_obs=source.n_obs),
            trainer_config=TrainerConfig(accelerator, devices, precision, settings.shows_progress(progress)),
            engine=self._engine,
            seed=self._seed,
            early_stopping=early_stopping,
            with_generator=generator,
            deadline=deadline(max_seconds),
        )
        self._latents, self._status, self._seconds = result.latents, result.status, result.seconds
        self._told = result.warnings
        self.history_ = {
            f"{stage}_{column}": frame[[column]] for stage, frame in result.history.items() for column in frame
        }
        self.is_trained_ = True
        self._quality = quality(self.module, self._source, result.latents, seed=self._seed)
        self._set_summary()

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
                source = self._source  # a clear error where there are no cells
                assert self._features is not None
                self._latents = encode(self.module, source, self._features, batch_size=batch_size)
            return self._latents.copy()
        adata = align_genes(adata, self._meta.genes)
        source = unlabelled_source(adata, layer if layer is not None else self._meta.layer)
        return encode(self.module, source, self._features_of(adata, source), batch_size=batch_size)

    def generate(
        self,
        n: int = 100,
        labels: Any = None,
        batch: Any = None,
        *,
        guidance: float = 1.0,
        seed: Seed = FROM_SETTINGS,
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
            Above 1, cells move further from "any class" towards their own; well above it they leave the data.
        seed
            Seed of the draw. Default: ``scdd.settings.seed``.

        Returns
        -------
        AnnData (n, n_vars) with integer counts, sorted by class.

        Raises
        ------
        scdd.errors.NotTrainedError, scdd.errors.InputError
            If it was not trained, ``n`` is no positive integer, or a label or batch is unknown.
        """
        self._check_trained()
        seed = canonical_seed(seed)
        codes, batches = draw_conditions(self.module, self._meta, n, labels, batch, seed=seed)
        latents = sample_latents(self.module, codes, batches, guidance=guidance, seed=seed)
        library = self.module.library.quantile(codes, batches, stream(seed, "libraries").random(n))
        counts = sample_counts(self.module, latents, library, seed=seed)
        uns = {"kind": "generated", "seed": seed, "guidance": guidance, **provenance(self)}
        return generated_anndata(counts, codes, batches, latents.cpu().numpy(), self.module, self._meta, uns)

    def distill(
        self,
        n_per_class: int | Mapping[Any, int] | None = 10,
        *,
        objective: str | Mapping[str, float] | None = "auto",
        preset: str | DistillConfig = "default",
        generator: str | None = None,
        fraction: float | None = None,
        small_class: SmallClass = "keep",
        seed: Seed = None,
        max_seconds: float | None = None,
        progress: bool | None = None,
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
        config = resolve_config(preset, objective=objective, generator=generator)
        cells, space = class_sizes(source), self._space(config.space)
        sizes, found = resolve_sizes(n_per_class, fraction, cells, source.class_names, small_class=small_class)
        for message in found:
            warn(message)
        start, until, hidden = time.monotonic(), deadline(max_seconds), not settings.shows_progress(progress)
        steps = most_steps(config, source, seed=seed)
        with tqdm(total=steps, desc="distillation", disable=hidden, leave=True) as bar:

            def on_step(loss: float | None) -> None:
                bar.update()
                if loss is not None:
                    bar.set_postfix(loss=f"{loss:.3f}", refresh=False)

            result = distill(
                self.module,
                source,
                self.get_latent_representation(),
                sizes,
                config=config, seed=seed, deadline=until, on_step=on_step, space=space,
            )  # fmt: skip
            bar.total = bar.n  # what the referee left out
        uns = {
            "kind": "distilled",
            "status": overall_status([*self._status.values(), result.status]),
            "seed": seed,
            "preset": preset if isinstance(preset, str) else "custom",
            "params": asdict(config),
            "n_per_class": sizes,
            "seconds": {**self._seconds, "distillation": time.monotonic() - start},
            "warnings": [*self._meta.warnings, *self._told, *found, *unused_objective(objective, config, result)],
            "record": result.record,
            **provenance(self),
            # of the cells that were distilled: they need not be those of the training
            "n_obs": source.n_obs,
            "class_sizes": cells,
        }
        return distilled_anndata(result, self.module, self._meta, uns)

    def save(self, dir_path: str | os.PathLike[str], overwrite: bool = False) -> None:
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
    def load(cls, dir_path: str | os.PathLike[str], adata: AnnData | None = None, *, encoder: Any = None) -> Self:
        """Load a saved model; nothing in the folder is executed.

        Parameters
        ----------
        dir_path
            Folder that :meth:`save` wrote.
        adata
            Cells to go on with (:meth:`distill` needs them, :meth:`generate` does not). Genes are matched by name.
        encoder
            The encoder, where its name is not enough (a trained scvi-tools model), or its checkpoint lies elsewhere now.

        Returns
        -------
        The model, trained as it was saved.

        Raises
        ------
        scdd.errors.CorruptModelError, scdd.errors.EncoderError
            If the folder is damaged, or the checkpoint of its encoder is gone or another one.
        """
        return _persist.load(cls, Path(dir_path), adata, encoder=encoder)
