"""Preparation: the one door that checks the input, donor-aware splits, highly variable genes."""

from __future__ import annotations

from scdd.pp._check import CheckedInput, check
from scdd.pp._hvg import highly_variable
from scdd.pp._split import split

__all__ = ["CheckedInput", "check", "highly_variable", "split"]
