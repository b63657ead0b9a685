"""The page of scdd-base is what its script makes."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]


def test_the_page_is_made_from_the_measured_files(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [str(ROOT / "scripts"), *sys.path])
    spec = importlib.util.spec_from_file_location("base_page", ROOT / "scripts" / "base_page.py")
    assert spec is not None
    assert spec.loader is not None
    script = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(script)
    assert script.PAGE.read_text(encoding="utf-8") == script.page(), "run scripts/base_page.py"


def test_speeds_are_told_once() -> None:
    told = [
        page.name
        for page in (ROOT / "docs" / "user_guide").glob("*.md")
        if re.search(r"^\|.*cells (a|per) second", page.read_text(encoding="utf-8"), re.M)
    ]
    assert told == ["encoders.md"]
