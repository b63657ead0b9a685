"""Errors and warnings. Every message names the cause, how many, the first offenders, and the fix."""

from __future__ import annotations

__all__ = [
    "BudgetError",
    "CorruptModelError",
    "DownloadError",
    "CountsError",
    "EncoderError",
    "GeneError",
    "InputError",
    "InputTypeError",
    "LabelError",
    "NotTrainedError",
    "ScddError",
    "ScddWarning",
    "TrainingError",
]


class ScddError(Exception):
    """Base class of all errors raised by scdd."""


class InputError(ScddError, ValueError):
    """The input cannot be used as it is."""


class InputTypeError(ScddError, TypeError):
    """The input is of a type that scdd does not take."""


class CountsError(InputError):
    """The expression matrix does not hold raw counts."""


class LabelError(InputError):
    """The label, batch or donor column cannot be used."""


class GeneError(InputError):
    """The gene names cannot be used."""


class BudgetError(InputError):
    """The asked number of synthetic cells makes no sense."""


class EncoderError(ScddError, RuntimeError):
    """An encoder is unknown, does not fit the data, or returned something wrong."""


class NotTrainedError(ScddError, RuntimeError):
    """The model has not been trained yet."""


class TrainingError(ScddError, RuntimeError):
    """Training cannot go on, for example because the loss is not finite."""


class DownloadError(ScddError, OSError):
    """A file could not be downloaded, or is not the one that was expected."""


class CorruptModelError(ScddError, OSError):
    """A saved model is damaged, incomplete, or not a scdd model."""


class ScddWarning(UserWarning):
    """Something the user should know; also recorded in ``uns["scdd"]["warnings"]``."""
