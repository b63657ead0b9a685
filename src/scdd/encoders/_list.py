"""The facts of all encoders as a table."""

from __future__ import annotations

from dataclasses import asdict, fields
from typing import TYPE_CHECKING

from scdd._compat import warn
from scdd.encoders._base import EncoderInfo
from scdd.encoders._registry import ENCODERS, origin
from scdd.errors import EncoderError

if TYPE_CHECKING:
    import pandas as pd

_WHOLE = ("n_vocabulary", "dim")  # numbers that may be missing


def list() -> pd.DataFrame:
    """Return the facts of all encoders: those of scdd, and those of installed packages.

    Returns
    -------
    Table with one row per encoder, indexed and sorted by name, and the further fields of :class:`~scdd.encoders.EncoderInfo` as columns;
    ``trained_on`` is text joined by commas, and ``package`` tells who brings the encoder. An encoder of another package
    that cannot be loaded, or has the name of one of scdd, is left out with a warning.

    Examples
    --------
    >>> import scdd
    >>> table = scdd.encoders.list()
    >>> table.loc["scimilarity", ["gene_identifier", "n_vocabulary", "dim", "differentiable"]].to_dict()
    {'gene_identifier': 'symbol', 'n_vocabulary': 28231, 'dim': 128, 'differentiable': True}
    """
    import pandas as pd

    brought = ENCODERS.entry_points()
    rows = []
    for name in ENCODERS.names():
        try:
            kind = ENCODERS.get(name)
        except EncoderError as error:
            warn(str(error))
            continue
        package = kind.__module__.partition(".")[0]
        foreign = [point for point in brought.get(name, ()) if point.module != kind.__module__]
        if foreign and package == "scdd":
            warn(f"Encoder {name!r} of {origin(foreign[0])} is left out: scdd has an encoder of this name.")
        rows.append({**asdict(kind.info), "trained_on": ", ".join(kind.info.trained_on), "package": package})
    table = pd.DataFrame(rows, columns=[*(f.name for f in fields(EncoderInfo)), "package"])
    return table.set_index("name").astype(dict.fromkeys(_WHOLE, "Int64"))
