"""The registry of encoders: those of scdd, and those that installed packages bring."""

from __future__ import annotations

from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from inspect import isabstract, isclass

from scdd._registry import Registry
from scdd.encoders._base import Encoder
from scdd.errors import EncoderError

GROUP = "scdd.encoders"


class EncoderRegistry(Registry[type[Encoder]]):
    """Encoders by name; a package that names one under the entry point group ``scdd.encoders`` need not be imported first.

    An encoder of another package is loaded when it is asked for. One that has the name of an encoder of scdd is never
    taken: what ``"pca"`` means must not depend on what is installed.

    Examples
    --------
    >>> from scdd.encoders import ENCODERS
    >>> "pca" in ENCODERS.names()
    True
    """

    def get(self, name: str) -> type[Encoder]:
        """Return the class registered under ``name``, here or by an installed package.

        Parameters
        ----------
        name
            Name of the encoder, without argument.

        Returns
        -------
        The class.

        Raises
        ------
        scdd.errors.InputError
            If there is none.
        scdd.errors.EncoderError
            If a package names one that cannot be loaded, or is no encoder, or two packages name one.
        """
        found = {} if name in self._items else self.entry_points()
        if name in found and name not in self._items:
            kind = _load(name, found[name])
            self._items.setdefault(name, kind)  # the module may have registered it itself
        return super().get(name)

    def names(self) -> list[str]:
        """Return the names of all encoders, sorted, loading none."""
        return sorted({*self._items, *self.entry_points()})

    def entry_points(self) -> Mapping[str, list[EntryPoint]]:
        """Return what installed packages name, by name."""
        out: dict[str, list[EntryPoint]] = {}
        for point in entry_points(group=GROUP):
            # a package on two folders of the path is found twice
            same = out.setdefault(point.name, [])
            if point.value not in [other.value for other in same]:
                same.append(point)
        return out

    def __contains__(self, name: object) -> bool:
        return name in self._items or name in self.entry_points()


def _load(name: str, points: list[EntryPoint]) -> type[Encoder]:
    if len(points) > 1:
        msg = f"Encoder {name!r} is named by {len(points)} packages: {', '.join(sorted(map(origin, points)))}. Uninstall all but one."
        raise EncoderError(msg)
    try:
        kind = points[0].load()
    except Exception as error:
        msg = f"Encoder {name!r} of {origin(points[0])} cannot be loaded: {type(error).__name__}: {error}"
        raise EncoderError(msg) from error
    if not isclass(kind) or not issubclass(kind, Encoder) or isabstract(kind):
        msg = f"Encoder {name!r} of {origin(points[0])} is no subclass of scdd.encoders.Encoder with an encode() of its own."
        raise EncoderError(msg)
    if getattr(getattr(kind, "info", None), "name", None) != name:
        msg = f"Encoder {name!r} of {origin(points[0])} needs info = EncoderInfo(name={name!r}, ...)."
        raise EncoderError(msg)
    return kind


def origin(point: EntryPoint) -> str:
    """Return the package and the object that an entry point names."""
    package = point.dist.name if point.dist is not None else "a package"
    return f"{package} ({point.value})"


ENCODERS = EncoderRegistry("encoder")
