"""Find an encoder by name, by ``name:argument``, or take it as it is."""

from __future__ import annotations

import inspect
from typing import Any

from scdd.encoders._auto import choose
from scdd.encoders._base import Cells, Encoder
from scdd.encoders._registry import ENCODERS
from scdd.errors import InputError, InputTypeError


def get(encoder: str | Encoder | Any, *, trust: bool = False, cells: Cells | None = None) -> Encoder:
    """Return an encoder.

    Parameters
    ----------
    encoder
        A registered name (``"self"``, ``"pca"``), a name with an argument (``"pca:30"``, ``"precomputed:X_scgpt"``,
        ``"scimilarity:/path/to/model"``), an :class:`~scdd.encoders.Encoder`, or a trained scvi-tools model. ``"auto"``
        takes ``"scdd-base"`` where the median class has at most 50 cells and 90 % of their counts are of genes that it
        knows, else ``"self"``; the log and ``reason`` of the encoder tell why. Encoders of installed packages are found
        by their entry point (group ``scdd.encoders``).
    trust
        Load files that could run code, as the pickles of scvi-tools (``"scvi:/path"``). No other encoder has any.

    cells
        The cells that it is for; ``"auto"`` wants them.

    Returns
    -------
    A new encoder, or the given one.

    Raises
    ------
    scdd.errors.InputError
        If there is no encoder of this name, or it does not take the argument.
    scdd.errors.InputTypeError
        If the argument is of another type.
    scdd.errors.EncoderError
        If files of the encoder are missing or not trusted.

    Examples
    --------
    >>> import scdd
    >>> scdd.encoders.get("pca:30").n_components
    30
    """
    if isinstance(encoder, Encoder):
        return encoder
    if hasattr(encoder, "get_latent_representation"):
        return ENCODERS.get("scvi")(encoder)  # type: ignore[call-arg]
    if not isinstance(encoder, str):
        msg = f"encoder must be a name, an Encoder or a trained scvi-tools model, got {type(encoder).__name__}."
        raise InputTypeError(msg)
    name, _, argument = encoder.partition(":")
    if encoder == "auto":
        if cells is None:
            msg = 'encoder="auto" depends on the cells: name an encoder, such as "self" or "scdd-base".'
            raise InputError(msg)
        return choose(cells)
    kind = ENCODERS.get(name)
    if argument and not inspect.signature(kind).parameters:
        msg = f"Encoder {name!r} takes no argument, got {encoder!r}."
        raise InputError(msg)
    if trust and not kind.takes_trust:
        msg = f"Encoder {name!r} loads nothing that could run code: leave trust out."
        raise InputError(msg)
    return kind.from_argument(argument, trust=trust) if argument else kind()
