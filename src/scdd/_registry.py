"""A small named registry, used for encoders, objectives, engines, baselines and test models."""

from __future__ import annotations

import difflib
from collections.abc import Callable, Iterator
from typing import Generic, TypeVar

from scdd.errors import InputError

T = TypeVar("T")


class Registry(Generic[T]):
    """Named things of one kind.

    Parameters
    ----------
    kind
        What is registered, for messages: ``"objective"``.

    Examples
    --------
    >>> colours = Registry("colour")
    >>> @colours.register("red")
    ... class Red: ...
    >>> colours.names()
    ['red']
    """

    def __init__(self, kind: str) -> None:
        self.kind = kind
        self._items: dict[str, T] = {}

    def register(self, name: str) -> Callable[[T], T]:
        """Register the decorated object under ``name``; a name is given once."""

        def decorator(item: T) -> T:
            if name in self._items:
                msg = f"{self.kind} {name!r} is registered already."
                raise InputError(msg)
            self._items[name] = item
            return item

        return decorator

    def get(self, name: str) -> T:
        """Return what is registered under ``name``, or raise an error that lists what there is."""
        if name in self._items:
            return self._items[name]
        close = difflib.get_close_matches(str(name), self.names(), n=1)
        hint = f" Did you mean {close[0]!r}?" if close else ""
        msg = f"Unknown {self.kind} {name!r}.{hint} Available: {', '.join(self.names())}."
        raise InputError(msg)

    def names(self) -> list[str]:
        """Return the registered names, sorted."""
        return sorted(self._items)

    def __contains__(self, name: object) -> bool:
        return name in self._items

    def __iter__(self) -> Iterator[str]:
        return iter(self.names())
