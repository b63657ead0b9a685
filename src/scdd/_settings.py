"""``scdd.settings``: what holds wherever a call does not say otherwise."""

from __future__ import annotations

import logging
import operator
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from scdd.errors import InputError

__all__ = ["FROM_SETTINGS", "Settings", "settings"]

_LEVELS = (0, 1, 2)


class _FromSettings:
    """The default of ``seed``, for which None already says "a new one each time"."""

    def __repr__(self) -> str:
        return "scdd.settings.seed"


# stands where a seed stands, whatever that may be
FROM_SETTINGS: Any = _FromSettings()


class Settings:
    """Verbosity, seed, progress bars and the data folder; an argument of a call wins over them.

    Use :data:`scdd.settings`, the only one there is. It belongs to the process: what other processes start with are the
    defaults.

    Examples
    --------
    >>> import scdd
    >>> scdd.settings.progress = False
    >>> with scdd.settings.override(seed=7):
    ...     scdd.settings.seed
    7
    >>> scdd.settings.reset()
    >>> scdd.settings
    Settings(verbosity=1, seed=0, progress=True, data_dir=None)
    """

    def __init__(self) -> None:
        self._handler: logging.Handler | None = None
        self.reset()

    def __setattr__(self, name: str, value: Any) -> None:
        if not name.startswith("_") and not hasattr(type(self), name):
            msg = f"Unknown setting {name!r}. Settings: {', '.join(self._values())}."
            raise InputError(msg)
        super().__setattr__(name, value)

    @property
    def verbosity(self) -> int:
        """How much is told. 0 is errors only, 1 adds warnings of scdd and progress bars, 2 a line for each stage."""
        return self._verbosity

    @verbosity.setter
    def verbosity(self, value: int) -> None:
        if isinstance(value, bool) or value not in _LEVELS:
            msg = f"verbosity must be 0, 1 or 2, got {value!r}."
            raise InputError(msg)
        self._verbosity = int(value)
        self._listen(self._verbosity > 1)

    @property
    def seed(self) -> int | None:
        """Seed of calls that name none. A non-negative integer, or None for a new one each time."""
        return self._seed

    @seed.setter
    def seed(self, value: int | None) -> None:
        try:
            number = None if value is None else operator.index(value)
        except TypeError:
            number = -1
        if isinstance(value, bool) or (number is not None and number < 0):
            msg = f"seed must be a non-negative integer or None, got {value!r}."
            raise InputError(msg)
        self._seed = number

    @property
    def progress(self) -> bool:
        """Whether calls that do not say show progress bars; there are none at verbosity 0."""
        return self._progress

    @progress.setter
    def progress(self, value: bool) -> None:
        if not isinstance(value, bool):
            msg = f"progress must be True or False, got {value!r}."
            raise InputError(msg)
        self._progress = value

    @property
    def data_dir(self) -> Path | None:
        """Folder of downloads. None is the one that the variable SCDD_CACHE names, else the cache of the user."""
        return self._data_dir

    @data_dir.setter
    def data_dir(self, value: str | os.PathLike[str] | None) -> None:
        if value is not None and not isinstance(value, str | os.PathLike):
            msg = f"data_dir must be a path or None, got {value!r}."
            raise InputError(msg)
        self._data_dir = None if value is None else Path(value).expanduser()

    def reset(self) -> None:
        """Go back to the defaults."""
        self.verbosity, self.seed, self.progress, self.data_dir = 1, 0, True, None

    @contextmanager
    def override(self, **values: Any) -> Iterator[Settings]:
        """Change settings inside a ``with`` block; afterwards they are what they were.

        Parameters
        ----------
        values
            Settings by name.

        Raises
        ------
        scdd.errors.InputError
            If there is no such setting, or a value cannot be used.
        """
        before = self._values()
        unknown = [name for name in values if name not in before]
        if unknown:
            msg = f"Unknown setting {unknown[0]!r}. Settings: {', '.join(before)}."
            raise InputError(msg)
        try:
            self._set(values)
            yield self
        finally:
            self._set(before)

    def shows_progress(self, progress: bool | None) -> bool:
        """Return whether a call shows a progress bar, given its argument; None: as is set here."""
        return self._progress and self._verbosity > 0 if progress is None else bool(progress)

    def _values(self) -> dict[str, Any]:
        return {name: getattr(self, name) for name in ("verbosity", "seed", "progress", "data_dir")}

    def _set(self, values: dict[str, Any]) -> None:
        for name, value in values.items():
            setattr(self, name, value)

    def _listen(self, on: bool) -> None:
        """Print what the logger of scdd tells, or leave it to those who configure logging themselves."""
        logger = logging.getLogger("scdd")
        if on and self._handler is None:
            self._handler = logging.StreamHandler()
            self._handler.setFormatter(logging.Formatter("scdd: %(message)s"))
            logger.addHandler(self._handler)
            logger.setLevel(logging.INFO)
        elif not on and self._handler is not None:
            logger.removeHandler(self._handler)
            logger.setLevel(logging.NOTSET)
            self._handler = None

    def __repr__(self) -> str:
        return f"Settings({', '.join(f'{name}={value!r}' for name, value in self._values().items())})"


settings = Settings()
