"""Where a network runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from scdd.errors import EncoderError

if TYPE_CHECKING:
    import torch

    Network = TypeVar("Network", bound=torch.nn.Module)


def device_name(device: str) -> str:
    """Return a device as torch names it: ``"gpu"`` is ``"cuda"``, and ``"auto"`` a GPU if there is one.

    Examples
    --------
    >>> device_name("gpu:1")
    'cuda:1'
    """
    import torch

    if device == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    return device.replace("gpu", "cuda")


def place(network: Network, device: str, encoder: str) -> Network:
    """Move a network to a device that :func:`device_name` gave, in place.

    Raises
    ------
    scdd.errors.EncoderError
        If the device is not there; ``encoder`` is named.
    """
    try:
        return network.to(device)
    except (RuntimeError, AssertionError) as error:
        msg = f"Encoder {encoder!r} cannot run on {device!r}: {str(error).splitlines()[0]}"
        raise EncoderError(msg) from error
