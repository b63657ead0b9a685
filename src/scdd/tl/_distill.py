"""``scdd.tl.distill``: the whole way from an AnnData to a distilled AnnData."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Literal

from scdd._rng import Seed, canonical_seed
from scdd._settings import FROM_SETTINGS
from scdd.errors import InputError

if TYPE_CHECKING:
    from anndata import AnnData

    from scdd.encoders import Encoder
    from scdd.model import SCDD


def distill(
    adata: AnnData,
    n_per_class: int | Mapping[Any, int] | None = 10,
    *,
    labels_key: str | None = None,
    batch_key: str | None = None,
    layer: str | None = None,
    encoder: str | Encoder | Any = "auto",
    objective: str | Mapping[str, float] | None = "auto",
    donor_key: str | None = None,
    preset: str = "default",
    generator: Literal["scdg", "gaussian", "none"] | None = None,
    fraction: float | None = None,
    small_class: Literal["keep", "cap", "error"] = "keep",
    unlabeled: Literal["error", "drop", "class"] = "error",
    allow_normalized: bool = False,
    model: SCDD | None = None,
    seed: Seed = FROM_SETTINGS,
    device: str = "auto",
    max_seconds: float | None = None,
    progress: bool | None = None,
) -> AnnData:
    """Distil labelled cells into a few synthetic cells per class that train models like the real ones.

    Parameters
    ----------
    adata
        Cells x genes with raw counts, of any format; it is not changed.
    n_per_class
        Number of synthetic cells of each class, or a mapping from class to number.
    labels_key
        Column of ``obs`` with the classes. Default: the one registered by ``SCDD.setup_anndata``, else
        ``"cell_type"``.
    batch_key
        Column of ``obs`` that conditions the generator.
    layer
        Layer with the counts. Default: X.
    encoder
        Foundation encoder, see :func:`scdd.encoders.get`. ``"auto"`` trains on the data
        where cells are many, and takes ``"scdd-base"`` where they are few and their genes known.
    objective
        Matching objective that refines the codes, see :mod:`scdd.objectives`; several may be joined by ``+``.
        ``"auto"``: that of the preset; ``"none"`` or None: no refinement.
    donor_key
        Column of ``obs`` whose groups are held out together when a refinement is judged. Default: ``batch_key``.
    preset
        ``"default"``; ``"fast"``: no refinement and no referee; ``"best"``: more candidates, judged on five inner splits,
        at several times the time; ``"paper"``: the paper as far as it tells.
    generator
        ``"scdg"``, or the ablations ``"gaussian"`` and ``"none"``. Default: that of the preset, ``"scdg"``.
    fraction
        Share of the cells of each class instead of ``n_per_class``, at least one cell.
    small_class
        What a class with fewer cells than asked for gets: as many rows all the same (``"keep"``, with a warning), one
        row per cell (``"cap"``), or an error.
    unlabeled
        Cells without a label: an error, left out (``"drop"``), or a class of their own (``"class"``).
    allow_normalized
        Take log-normalised input all the same: the counts are recovered as far as they can be, with a warning.
    model
        A trained model of these cells; then nothing is trained, and columns, layer and what is done with cells without
        a label are those of its training.
    seed
        Non-negative integer, numpy Generator, or None for a new one each time. Default: ``scdd.settings.seed``.
    device
        ``"auto"``, ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.
    max_seconds
        Time after which training and refinement stop; the result says ``status="out_of_time"``.
    progress
        Show one progress bar per stage. Default: ``scdd.settings.progress``.

    Returns
    -------
    AnnData with all genes of the input:

    - ``X``: CSR float32, integer counts;
    - ``obs[labels_key]`` and ``obs[batch_key]``: class, with the categories of the input, and the batch that the row was
      decoded at;
    - ``obs["scdd_weight"]``: number of original cells that the row stands for; ``obs["scdd_library"]``: its depth;
      ``obs["scdd_kind"]``: ``"denoised"`` (about 10,000 counts) or ``"noisy"``; with ``preset="paper"`` ``"plain"``;
    - ``layers["scdd_mean"]``: CSR float32, expected counts of a real cell; one below 5/64 is raised to that or left out,
      by a chance that keeps its mean;
    - ``var["scdd_dispersion"]`` and ``var["scdd_half_capture"]``: how real cells scatter around the expected counts
      (inverse dispersion, and the level of dropout: :class:`scdd.module.CountNoise`);
    - ``var["scdd_hvg"]``: highly variable genes of the input;
    - ``obsm["X_scdd"]``: codes;
    - ``uns["scdd"]``: parameters, versions, seed, encoder, sizes, inner scores, warnings.

    Rows of a class are nested: the first 1 (5, 10, 50) are themselves a good set.

    Raises
    ------
    scdd.errors.ScddError
        If the input cannot be used; the text names the cause and the fix. See :func:`scdd.pp.check`.

    Notes
    -----
    After Ctrl-C the best result so far is returned, with ``uns["scdd"]["status"] == "interrupted"``.

    Examples
    --------
    >>> import scdd
    >>> adata = scdd.datasets.simulate(n_obs=300, n_vars=100)
    >>> syn = scdd.tl.distill(adata, n_per_class=2, preset="fast", progress=False)
    >>> syn.shape
    (8, 100)

    References
    ----------
    Yu et al., scDD, arXiv 2503.04357.
    """
    return distill_and_model(
        adata,
        n_per_class,
        labels_key=labels_key,
        batch_key=batch_key,
        layer=layer,
        encoder=encoder,
        objective=objective,
        donor_key=donor_key,
        preset=preset,
        generator=generator,
        fraction=fraction,
        small_class=small_class,
        unlabeled=unlabeled,
        allow_normalized=allow_normalized,
        model=model,
        seed=seed,
        device=device,
        max_seconds=max_seconds,
        progress=progress,
    )[0]


def distill_and_model(
    adata: AnnData,
    n_per_class: int | Mapping[Any, int] | None,
    *,
    labels_key: str | None,
    batch_key: str | None,
    layer: str | None,
    encoder: str | Encoder | Any,
    objective: str | Mapping[str, float] | None,
    donor_key: str | None,
    preset: str,
    generator: Literal["scdg", "gaussian", "none"] | None,
    fraction: float | None,
    small_class: Literal["keep", "cap", "error"],
    unlabeled: Literal["error", "drop", "class"],
    allow_normalized: bool,
    seed: Seed,
    device: str,
    max_seconds: float | None,
    model: SCDD | None = None,
    progress: bool | None = None,
) -> tuple[AnnData, SCDD]:
    """Return what :func:`distill` returns, and the model behind it; the parameters are the same."""
    import numpy as np

    from scdd._budget import deadline as deadline_of
    from scdd._budget import resolve_sizes
    from scdd.distill import resolve_config
    from scdd.distill._codes import GENERATORS
    from scdd.objectives import parse
    from scdd.objectives._combine import left_out
    from scdd.pp import check

    deadline = deadline_of(max_seconds)
    seed = canonical_seed(seed)
    if generator is not None:
        GENERATORS.get(generator)
    config = resolve_config(preset, objective=objective, generator=generator)
    accelerator, devices = _place(device)
    options: dict[str, Any] = {
        "objective": objective,
        "preset": preset,
        "generator": generator,
        "fraction": fraction,
        "small_class": small_class,
        "seed": seed,
        "progress": progress,
    }
    if model is not None:
        from scdd.model._persist import with_cells

        if encoder != "auto" or device != "auto":
            msg = "encoder= and device= are of the training, and model= is trained: leave them out."
            raise InputError(msg)
        keys = {"labels_key": labels_key, "batch_key": batch_key, "donor_key": donor_key}
        door = {"layer": layer, "unlabeled": unlabeled, "allow_normalized": allow_normalized}
        model = with_cells(model, adata, keys, **door)
        return model.distill(n_per_class, max_seconds=max_seconds, **options), model
    labels_key, batch_key, donor_key, layer = _registered(adata, labels_key, batch_key, donor_key, layer)
    checked = check(
        adata,
        labels_key=labels_key,
        batch_key=batch_key,
        donor_key=donor_key,
        layer=layer,
        unlabeled=unlabeled,
        allow_normalized=allow_normalized,
    )
    source = checked.source
    # a wrong budget is told before any work; the warnings come from model.distill
    resolve_sizes(n_per_class, fraction, np.bincount(source.labels), source.class_names, small_class=small_class)
    if config.objective is not None and not config.referee:
        left_out(parse(config.objective), len(source.class_names))

    from scdd.model import SCDD  # seconds to import: after everything that can be refused

    model = SCDD.from_checked(checked, adata, encoder=encoder, seed=seed, device=device)
    model.train(
        accelerator=accelerator,
        devices=devices,
        progress=progress,
        max_seconds=_left(deadline),
        generator=config.generator == "scdg",
    )
    return model.distill(n_per_class, max_seconds=_left(deadline), **options), model


def _left(deadline: float | None) -> float | None:
    """Return the seconds until the deadline."""
    return None if deadline is None else max(deadline - time.monotonic(), 0.0)


def _registered(
    adata: AnnData, labels_key: str | None, batch_key: str | None, donor_key: str | None, layer: str | None
) -> tuple[str | None, str | None, str | None, str | None]:
    """Fill in the keys registered by ``SCDD.setup_anndata``, where the user named no label column."""
    if labels_key is not None or "_scvi_uuid" not in getattr(adata, "uns", {}):
        return labels_key, batch_key, donor_key, layer
    from scdd.model import SCDD

    manager = SCDD._setup_adata_manager_store.get(adata.uns["_scvi_uuid"])
    if manager is None:
        return labels_key, batch_key, donor_key, layer
    args = manager.registry["setup_args"]
    return args["labels_key"], batch_key or args["batch_key"], donor_key or args["donor_key"], layer or args["layer"]


def _place(device: Any) -> tuple[str, int | list[int]]:
    """Turn a torch device into Lightning's accelerator and devices."""
    name, colon, number = str(device).partition(":")
    wanted = number.isdigit() and name in ("cuda", "gpu")
    if name not in ("auto", "cpu", "cuda", "gpu", "mps") or (colon and not wanted):
        msg = f"Unknown device {str(device)!r}. Use 'auto', 'cpu', 'cuda', 'cuda:<number>' or 'mps'."
        raise InputError(msg)
    from scdd.train import TrainerConfig

    accelerator = "gpu" if name == "cuda" else name
    devices: int | list[int] = [int(number)] if number else 1
    TrainerConfig(accelerator, devices).place()  # tells where there is no such device
    return accelerator, devices
