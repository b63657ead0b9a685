"""Save and load a model: tensors as safetensors, everything else as JSON."""

from __future__ import annotations

import copy
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pandas as pd
import torch
from numpy.typing import NDArray
from scvi.model.base import BaseModelClass

from scdd._rng import stream
from scdd._version import versions
from scdd.encoders import Encoder
from scdd.encoders import get as get_encoder
from scdd.errors import CorruptModelError, EncoderError, InputError, ScddError
from scdd.io import read_model, write_model
from scdd.model._cells import align_genes
from scdd.model._metadata import Metadata
from scdd.model._relabel import relabelled_check
from scdd.module import AutoencoderConfig, ModuleShape, SCDDModule, SCDGConfig

if TYPE_CHECKING:
    from anndata import AnnData

    from scdd.model._scdd import SCDD

_MODULE, _ENCODER = "module.", "encoder."


def new_module(shape: ModuleShape, hvg: NDArray[np.int64], seed: int) -> SCDDModule:
    """Return an untrained module whose weights depend on the seed alone; the global random state is put back."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(int(stream(seed, "weights").integers(2**63 - 1)))
        return SCDDModule(shape, torch.from_numpy(np.asarray(hvg))).eval()


def registry(model_name: str, setup_args: dict[str, Any]) -> dict[str, Any]:
    """Return the part of scvi-tools' registry that a model without a registered AnnData needs."""
    return {
        "scvi_version": versions().get("scvi-tools", ""),
        "model_name": model_name,
        "setup_args": setup_args,
        "setup_method_name": "setup_anndata",
        "field_registries": {},
    }


def save(model: SCDD, path: Path, *, overwrite: bool) -> None:
    """Write a trained model."""
    tensors = {_MODULE + name: t.detach().cpu().numpy() for name, t in model.module.state_dict().items()}
    tensors |= {_ENCODER + name: array for name, array in model._encoder.arrays().items()}
    config = {
        "class": "SCDD",
        "shape": asdict(model.module.shape),
        "metadata": model._meta.to_json(),
        "setup_args": model.registry["setup_args"],
        "encoder": model._encoder.spec,
        "encoder_reason": model._encoder.reason,
        "encoder_files": model._encoder.file_hashes(),
        "engine": model._engine,
        "seed": model._seed,
        "status": model._status,
        "seconds": model._seconds,
        "quality": model._quality,
        "history": {name: _numbers(frame.iloc[:, 0]) for name, frame in model.history_.items()},
        "versions": versions(),
    }
    write_model(path, tensors, config, overwrite=overwrite)


def _numbers(values: pd.Series) -> list[float | None]:
    """Return the losses of the epochs; JSON knows no NaN."""
    return [float(value) if np.isfinite(value) else None for value in values]


def _frame(name: str, values: list[float | None]) -> pd.DataFrame:
    index = pd.RangeIndex(len(values), name="epoch")
    return pd.DataFrame({name.partition("_")[2]: np.array(values, dtype=np.float64)}, index=index)


def load(cls: type[SCDD], path: Path, adata: AnnData | None, *, encoder: Any) -> SCDD:
    """Read a model; with cells it can distil, without it can generate."""
    tensors, config = read_model(path)
    try:
        model = _restore(cls, tensors, config, encoder)
    except ScddError:
        raise
    except (KeyError, TypeError, RuntimeError) as error:
        msg = f"{path} does not hold a model that this version of scdd can read: {error}."
        raise CorruptModelError(msg) from error
    if adata is not None:
        attach_cells(model, adata)
    return model


def _restore(cls: type[SCDD], tensors: dict[str, NDArray[Any]], config: dict[str, Any], encoder: Any) -> SCDD:
    model = cls.__new__(cls)
    BaseModelClass.__init__(model, registry=registry(cls.__name__, config["setup_args"]))
    shape = dict(config["shape"])
    shape["autoencoder"] = AutoencoderConfig(**shape["autoencoder"])
    shape["scdg"] = SCDGConfig(**shape["scdg"])
    state = {name.removeprefix(_MODULE): t for name, t in tensors.items() if name.startswith(_MODULE)}
    model.module = new_module(ModuleShape(**shape), state["hvg"], int(config["seed"]))
    model.module.load_state_dict({name: torch.from_numpy(t.copy()) for name, t in state.items()})
    model._encoder = _encoder(config["encoder"] if encoder is None else encoder, config.get("encoder_files", {}))
    model._encoder.reason = config.get("encoder_reason", "") if encoder is None else ""
    model._device = "auto"
    arrays = {name.removeprefix(_ENCODER): t for name, t in tensors.items() if name.startswith(_ENCODER)}
    if arrays:
        model._encoder.restore(arrays)
    model._meta = Metadata.from_json(config["metadata"])
    model._engine, model._seed = config["engine"], int(config["seed"])
    model._status, model._seconds, model._quality = config["status"], config["seconds"], config["quality"]
    # models of earlier versions hold none
    model.history_ = {name: _frame(name, values) for name, values in config.get("history", {}).items()}
    model._checked, model._latents, model._features = None, None, None
    model._obsm, model._cells_adata = {}, None
    model.is_trained_ = True
    model._set_summary()
    return model


def _encoder(encoder: Any, files: dict[str, str]) -> Encoder:
    """Return the encoder of a saved model, if the files that it was saved with are still the same."""
    found = get_encoder(encoder).fresh()
    present = found.file_hashes() if files else {}
    changed = [name for name, digest in files.items() if present.get(name) != digest]
    if changed:
        msg = (
            f"The model was trained with other files of the encoder than those of {found.spec!r}: {', '.join(changed)} "
            f"changed (sha256 {files[changed[0]][:12]}... expected). Bring the old files back, or name the folder that "
            "holds them: SCDD.load(path, encoder=...)."
        )
        raise EncoderError(msg)
    return found


def attach_cells(model: SCDD, adata: AnnData, **door: Any) -> None:
    """Give a model cells to distil: the same genes, and only classes and batches that it knows.

    ``door``: see :func:`~scdd.model._relabel.relabelled_check`.
    """
    meta = model._meta
    aligned = align_genes(adata, meta.genes)
    model._checked = relabelled_check(aligned, meta, **door)
    # a saved model holds the names of the genes only; and what the door says belongs to the cells
    model._meta = replace(meta, var=model._checked.var, warnings=list(model._checked.warnings))
    model._obsm, model._cells_adata = aligned.obsm, aligned
    model._features = model._encoder.features(model._cells(model.module.hvg.cpu().numpy()), device=model._device)
    model._latents = None


def with_cells(model: SCDD, adata: AnnData, keys: Mapping[str, str | None], **door: Any) -> SCDD:
    """Return the model with these cells; the given one keeps its own.

    Parameters
    ----------
    model
        A trained model.
    adata
        The cells.
    keys
        Columns that the caller named: ``labels_key``, ``batch_key``, ``donor_key``; None: those of the model.
    door
        See :func:`~scdd.model._relabel.relabelled_check`.

    Raises
    ------
    scdd.errors.InputError
        If another column is named than that of the model.
    """
    model._check_trained()
    for name, given in keys.items():
        known = getattr(model._meta, name)
        if given not in (None, known):
            msg = f"The model was trained with {name}={known!r}, not {given!r}. Train a model with that."
            raise InputError(msg)
    twin = copy.copy(model)
    attach_cells(twin, adata, **door)
    return twin
