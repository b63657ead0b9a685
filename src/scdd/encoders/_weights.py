"""Read the files of a checkpoint: weights without running code, and an error that names file and reason."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scdd.errors import EncoderError

if TYPE_CHECKING:
    import torch

_SHOWN = 4
_BELOW = ("state_dict", "model_state_dict")  # where training scripts put the weights


def read_weights(path: Path, *, allow: Iterable[Any] = ()) -> dict[str, torch.Tensor]:
    """Return the tensors of a file by name: safetensors, or a state dict of torch.

    The state dict may be plain, or below ``"state_dict"`` or ``"model_state_dict"``.

    Nothing in the file is executed: torch takes tensors and plain values only.

    Parameters
    ----------
    path
        The file.
    allow
        Harmless types that torch may meet beside its own, such as those of numpy's numbers.
    """
    import torch
    from safetensors.torch import load_file

    _check_file(path)
    try:
        if path.suffix == ".safetensors":
            return dict(load_file(path))
        with torch.serialization.safe_globals(list(allow)):
            content = torch.load(path, map_location="cpu", weights_only=True)  # noqa: TID251
    # a file that is cut, is of another kind or holds code raises one of many types
    except Exception as error:
        cause = str(error).strip().splitlines()
        if "weights_only" in str(error) or "Unsupported" in str(error):
            msg = (
                f"{path} holds more than weights, and is refused, as loading it could run code. Take the released file."
            )
        else:
            msg = f"{path} cannot be read as weights; it may be damaged or incomplete: {cause[0] if cause else error!r}"
        raise EncoderError(msg) from error
    state = content
    for key in _BELOW:
        state = state.get(key, state) if isinstance(state, Mapping) else state
    if not isinstance(state, Mapping) or not state:
        msg = f"{path} holds no weights by name (a {type(content).__name__}). Take the released file."
        raise EncoderError(msg)
    return {str(name): tensor for name, tensor in state.items() if isinstance(tensor, torch.Tensor)}


def fill(module: torch.nn.Module, state: Mapping[str, torch.Tensor], path: Path, *, more: bool = False) -> None:
    """Give a module its weights, freeze it and put it into evaluation mode.

    Parameters
    ----------
    module
        The module, whose own weights need not hold anything (``meta`` device).
    state
        Weights by name.
    path
        Where they come from, for messages.
    more
        The file may hold weights that the module has no use for.

    Raises
    ------
    scdd.errors.EncoderError
        If a weight is missing, of another shape, not finite, or of no use where that is not allowed.
    """
    import torch

    wanted = module.state_dict()
    missing = sorted(set(wanted) - set(state))
    unknown = [] if more else sorted(set(state) - set(wanted))
    shapes = [
        f"{name} is {tuple(state[name].shape)}, not {tuple(tensor.shape)}"
        for name, tensor in wanted.items()
        if name in state and state[name].shape != tensor.shape
    ]
    for what, names in (("lacks", missing), ("has further", unknown), ("has other shapes of", shapes)):
        if names:
            shown = ", ".join(names[:_SHOWN]) + (", ..." if len(names) > _SHOWN else "")
            msg = f"{path} is of another model: it {what} {len(names)} of {len(wanted)} weights: {shown}."
            raise EncoderError(msg)
    taken = {name: state[name] for name in wanted}
    bad = [name for name, tensor in taken.items() if tensor.is_floating_point() and not torch.isfinite(tensor).all()]
    if bad:
        msg = f"{path} holds NaN or infinite weights: {', '.join(bad[:_SHOWN])}. Take a fresh copy."
        raise EncoderError(msg)
    cast = {name: t.to(wanted[name].dtype) if t.is_floating_point() else t for name, t in taken.items()}
    module.load_state_dict(cast, assign=True)
    module.requires_grad_(False)
    module.eval()


def read_json(path: Path) -> dict[str, Any]:
    """Return the JSON object of a file."""
    try:
        value = json.loads(read_text(path))
    except ValueError as error:
        msg = f"{path} is not valid JSON: {error}."
        raise EncoderError(msg) from error
    if not isinstance(value, dict):
        msg = f"{path} does not hold a JSON object."
        raise EncoderError(msg)
    return value


def read_text(path: Path) -> str:
    """Return the text of a file."""
    _check_file(path)
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        msg = f"{path} cannot be read as text: {error}."
        raise EncoderError(msg) from error


def read_array(path: Path) -> NDArray[Any]:
    """Return the numbers of a ``.npy`` file; objects, which could be code, are refused."""
    _check_file(path)
    try:
        return np.load(path, allow_pickle=False)
    except (ValueError, OSError, EOFError) as error:
        msg = f"{path} cannot be read as an array of numbers: {error}."
        raise EncoderError(msg) from error


def sha256(path: Path) -> str:
    """Return the sha256 of a file, read in pieces."""
    _check_file(path)
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _check_file(path: Path) -> None:
    if not path.is_file():
        msg = f"{path} is not there. Is the folder of the checkpoint complete?"
        raise EncoderError(msg)
    with path.open("rb") as file:
        if file.read(40).startswith(b"version https://git-lfs"):
            msg = f"{path} is a pointer of Git LFS, not the file itself. Fetch it: git lfs pull."
            raise EncoderError(msg)
