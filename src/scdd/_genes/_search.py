"""One gene after the other is looked up in a vocabulary, in one way after the other."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping

import numpy as np
from numpy.typing import NDArray

from scdd._genes._identify import without_version

_MADE_UNIQUE = re.compile(r"(.+)-\d+")  # what var_names_make_unique() appends


class Search:
    """Genes that are still to be found, and in which way the others were."""

    def __init__(self, names: NDArray[np.object_], known: NDArray[np.object_]) -> None:
        self.names, self.by = names, dict[str, int]()
        self.target = np.full(len(names), -1, dtype=np.int64)
        self._way = np.full(len(names), "", dtype=object)
        self._exact: dict[str, int] = {}
        self._capitals: dict[str, int] = {}
        for rewrite in (str, without_version):  # a name as it is goes before one without its version
            for position, name in enumerate(known):
                self._exact.setdefault(rewrite(name), position)
        for position, name in enumerate(known):
            # two names that differ in case only are told apart by case alone
            upper = name.upper()
            self._capitals[upper] = -1 if self._capitals.get(upper, position) != position else position
        for empty in (self._exact, self._capitals):
            empty.pop("", None)

    def left(self) -> list[int]:
        """Return the genes that are not found yet."""
        return [int(i) for i in np.flatnonzero(self.target < 0)]

    def step(self, way: str, rewrite: Callable[[str], str], names: NDArray[np.object_] | None = None) -> None:
        """Look the genes up that are not found yet, under another name."""
        names = self.names if names is None else names
        self._record(way, {i: self._exact.get(rewrite(names[i]), -1) for i in self.left()})

    def step_by_case(self) -> None:
        """Look names up in capitals; a gene that was found under its own name is not mixed with a namesake."""
        taken = set(self.target[self.target >= 0].tolist())
        found = {i: self._capitals.get(self.names[i].upper(), -1) for i in self.left()}
        self._record("case", {i: position for i, position in found.items() if position not in taken})

    def step_alias(self, aliases: Mapping[str, str]) -> None:
        """Look genes up by another name of theirs, whatever its case and version, and the case of its target."""
        targets = {without_version(name).upper(): target for name, target in aliases.items()}
        others = {i: targets.get(without_version(self.names[i]).upper(), "") for i in self.left()}
        self._record(
            "alias", {i: self._exact.get(name, self._capitals.get(name.upper(), -1)) for i, name in others.items()}
        )

    def step_made_unique(self) -> None:
        """Give ``TBCE-1`` the target of ``TBCE``, where both are in the data and no column tells them apart."""
        position = {name: i for i, name in enumerate(self.names) if self._way[i] != "column"}
        found = {}
        for i in self.left():
            match = _MADE_UNIQUE.fullmatch(self.names[i])
            if match and match.group(1) in position:
                found[i] = int(self.target[position[match.group(1)]])
        self._record("made unique", found)

    def count(self, names: NDArray[np.object_]) -> int:
        """Return how many of the genes that are not found yet would be, under these names."""
        return sum(without_version(names[i]) in self._exact for i in self.left())

    def _record(self, way: str, found: Mapping[int, int]) -> None:
        hits = {i: position for i, position in found.items() if position >= 0}
        self.target[list(hits)] = list(hits.values())
        self._way[list(hits)] = way
        if hits:
            self.by[way] = len(hits)
