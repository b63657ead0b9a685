"""Write folders that are either whole or not there: temporary folder, fsync, rename, a manifest of hashes."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load as load_tensors
from safetensors.numpy import save as save_tensors

from scdd.errors import CorruptModelError
from scdd.io import _folder

FORMAT_VERSION = 1
_FORMAT = "scdd model"
_WEIGHTS, _CONFIG, _MANIFEST = "model.safetensors", "config.json", "manifest.json"


def check_target(path: str | os.PathLike[str], *, overwrite: bool) -> Path:
    """Return the folder to write, or raise before any work is done that it cannot be written.

    Raises
    ------
    scdd.errors.InputError
        If it exists and is not to be overwritten, or is not a folder of ours alone, or its parent is missing or cannot be
        written to.
    """
    return _folder.check_target(path, overwrite=overwrite, listed=_listed, what="saved scdd model")


def write_model(
    path: str | os.PathLike[str],
    tensors: Mapping[str, NDArray[Any]],
    config: Mapping[str, Any],
    *,
    overwrite: bool = False,
) -> Path:
    """Write arrays and a JSON-safe configuration as a folder, atomically: an old folder stays until the new is whole.

    Parameters
    ----------
    path
        Folder to write.
    tensors
        Arrays by name.
    config
        JSON-safe configuration.
    overwrite
        Replace an older model at this path, unless files were put into its folder.

    Returns
    -------
    The folder.

    Raises
    ------
    scdd.errors.InputError
        If the folder cannot be written, or exists and is not to be overwritten.

    Examples
    --------
    >>> import numpy as np
    >>> path = write_model("tiny", {"weight": np.ones(3)}, {"name": "tiny"})
    >>> sorted(file.name for file in path.iterdir())
    ['config.json', 'manifest.json', 'model.safetensors']
    """
    target = check_target(path, overwrite=overwrite)
    files = {
        _WEIGHTS: save_tensors({name: np.asarray(array, order="C") for name, array in tensors.items()}),
        _CONFIG: json.dumps(dict(config), indent=1, ensure_ascii=False).encode(),
    }
    manifest = {
        "format": _FORMAT,
        "format_version": FORMAT_VERSION,
        "sha256": {name: hashlib.sha256(data).hexdigest() for name, data in files.items()},
    }
    files[_MANIFEST] = json.dumps(manifest, indent=1).encode()

    def fill(folder: Path) -> None:
        for name, data in files.items():
            (folder / name).write_bytes(data)

    return _folder.write_folder(target, fill)


def read_model(path: str | os.PathLike[str]) -> tuple[dict[str, NDArray[Any]], dict[str, Any]]:
    """Read what :func:`write_model` wrote, checking every byte against the manifest; nothing is executed.

    Parameters
    ----------
    path
        Folder to read.

    Returns
    -------
    Arrays by name, and the configuration.

    Raises
    ------
    scdd.errors.CorruptModelError
        If a file is missing, damaged, or of a newer format.

    Examples
    --------
    >>> import numpy as np
    >>> tensors, config = read_model(write_model("tiny", {"weight": np.ones(3)}, {"name": "tiny"}))
    >>> tensors["weight"].sum(), config
    (np.float64(3.0), {'name': 'tiny'})
    """
    folder = Path(path).expanduser()
    if not folder.exists():
        # a process that was killed between the two renames of write_model leaves the older model, whole, beside its place
        folder = next(iter(_folder.set_aside(folder)), folder)
    manifest = _json(_read(folder, _MANIFEST), folder / _MANIFEST)
    if manifest.get("format") != _FORMAT:
        msg = f"{folder} is not a saved scdd model."
        raise CorruptModelError(msg)
    version, hashes = manifest.get("format_version"), manifest.get("sha256")
    if not isinstance(version, int) or not isinstance(hashes, dict):
        msg = f"{folder / _MANIFEST} is damaged. Take a fresh copy of the folder."
        raise CorruptModelError(msg)
    if version > FORMAT_VERSION:
        msg = f"{folder} has format version {version}; this scdd reads up to {FORMAT_VERSION}. Upgrade scdd."
        raise CorruptModelError(msg)
    data = {name: _read(folder, name) for name in (_WEIGHTS, _CONFIG)}
    for name, content in data.items():
        if hashlib.sha256(content).hexdigest() != hashes.get(name):
            msg = (
                f"{folder / name} is damaged: its hash is not the one in {_MANIFEST}. Take a fresh copy of the folder."
            )
            raise CorruptModelError(msg)
    try:
        tensors = load_tensors(data[_WEIGHTS])
    except SafetensorError as error:
        msg = f"{folder / _WEIGHTS} cannot be read: {error}."
        raise CorruptModelError(msg) from error
    return tensors, _json(data[_CONFIG], folder / _CONFIG)


def _listed(folder: Path) -> set[str] | None:
    """Return the names of the files of a saved model; None where it is none."""
    try:
        manifest = _json(_read(folder, _MANIFEST), folder / _MANIFEST)
    except CorruptModelError:
        return None
    hashes = manifest.get("sha256")
    return {_MANIFEST, *hashes} if manifest.get("format") == _FORMAT and isinstance(hashes, dict) else None


def _read(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except OSError as error:
        msg = f"{folder} is not a complete scdd model: {name} cannot be read ({error.strerror})."
        raise CorruptModelError(msg) from error


def _json(data: bytes, path: Path) -> dict[str, Any]:
    try:
        value = json.loads(data)
    except ValueError as error:
        msg = f"{path} is not valid JSON: {error}."
        raise CorruptModelError(msg) from error
    if not isinstance(value, dict):
        msg = f"{path} does not hold a JSON object."
        raise CorruptModelError(msg)
    return value
