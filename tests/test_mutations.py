"""The tests of the door are worth something: each of these mistakes, put into a copy of the package, lets them fail."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

import scdd

ROOT = Path(__file__).parent.parent

# file, what stands there (once), the mistake
MUTATIONS = {
    "negative values pass": ("pp/_counts.py", 'kind in "if" and values.min() < 0', 'kind in "i" and values.min() < 0'),
    "sign of the comparison": ("pp/_counts.py", "_note(values < 0,", "_note(values > 0,"),
    "NaN passes": ("pp/_counts.py", "if scan.n_bad:", "if False:"),
    "distance the wrong way": ("pp/_counts.py", "scan.distance > _NEARLY", "scan.distance < _NEARLY"),
    "log-normalised passes": ("pp/_counts.py", "scan.largest < _LOG_MAX and", "scan.largest > _LOG_MAX and"),
    "fixed depth passes": ("pp/_counts.py", "spread < 0.05", "spread < 0.0"),
    "permission the wrong way": ("pp/_counts.py", "if not allow_normalized:", "if allow_normalized:"),
    "nothing is rounded": ("pp/_counts.py", "return Verdict(round_counts,", "return Verdict(None,"),
    "all zero passes": ("pp/_counts.py", "if not library.any():", "if False:"),
    "cell and gene swapped": ("pp/_counts.py", "position // n_columns, position %", "position % n_columns, position //"),
    "row and column swapped": ("pp/_counts.py", "return (first_row + major, minor)", "return (minor, first_row + major)"),
    "empty cells stay": ("pp/_check.py", "~(loaded.library > 0)", "(loaded.library < 0)"),
    "unlabelled cells stay": ("pp/_check.py", "np.flatnonzero(labelled & ~empty)", "np.flatnonzero(~empty)"),
    "lost class passes": ("pp/_check.py", "if len(lost):", "if False:"),
    "the wrong cells are kept": ("pp/_check.py", "counts = counts[kept]", "counts = counts[: len(kept)]"),
    "the layer is forgotten": ("pp/_check.py", "load_counts(adata, layer)", "load_counts(adata, None)"),
    "NaN labels pass": ("pp/_labels.py", "missing = column.codes < 0", "missing = np.zeros(len(column.codes), bool)"),
    "empty labels pass": ("pp/_labels.py", ".strip().casefold() in _PLACEHOLDERS", ".strip().casefold() in ()"),
    "1 and '1' pass": ("pp/_labels.py", "if len(set(names)) < len(names):", "if False:"),
    "continuous passes": ("pp/_labels.py", "_CONTINUOUS = 50", "_CONTINUOUS = 5000"),
    "repeated genes pass": ("pp/_genes.py", "if len(repeated):", "if False:"),
    "genes without name pass": ("pp/_genes.py", "if empty.any():", "if False:"),
    "the input is changed": ("data/_matrix.py", "csr = csr.copy()", "pass"),
    "stored zeros stay": ("data/_matrix.py", "csr.eliminate_zeros()", "pass"),
}  # fmt: skip


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package and of what tests the door, in which the tests pass."""
    folder = tmp_path_factory.mktemp("mutants")
    ignore = shutil.ignore_patterns("__pycache__", "test_check_fuzz.py")
    shutil.copytree(Path(scdd.__file__).parent, folder / "src" / "scdd", ignore=ignore)
    shutil.copytree(ROOT / "tests" / "pp", folder / "tests" / "pp", ignore=ignore)
    for name in ("pyproject.toml", "tests/conftest.py"):
        shutil.copy(ROOT / name, folder / name)
    (folder / "tests" / "pp" / "test_copy.py").write_text(
        f"import scdd\n\ndef test_copy():\n    assert scdd.__file__.startswith({str(folder)!r})\n"
    )
    done = run_tests(folder)
    assert done.returncode == 0, done.stdout[-3000:]
    return folder


def run_tests(folder: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-p", "no:xdist", "tests/pp"],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(folder / "src"), "PYTHONDONTWRITEBYTECODE": "1"},
        capture_output=True,
        text=True,
        timeout=300,
    )


@pytest.mark.slow
@pytest.mark.parametrize("mistake", MUTATIONS)
def test_mistake_is_noticed(copy: Path, mistake: str) -> None:
    name, right, wrong = MUTATIONS[mistake]
    path = copy / "src" / "scdd" / name
    text = path.read_text(encoding="utf-8")
    assert text.count(right) == 1, f"{name} has changed: write this mutation anew"
    try:
        path.write_text(text.replace(right, wrong), encoding="utf-8")
        done = run_tests(copy)
    finally:
        path.write_text(text, encoding="utf-8")
    # 1: tests failed; anything else is a broken run
    assert done.returncode == 1, done.stdout[-3000:]
    assert "FAILED" in done.stdout
    assert "test_copy" not in done.stdout


def test_mutations_are_up_to_date() -> None:
    for name, right, _ in MUTATIONS.values():
        assert (Path(scdd.__file__).parent / name).read_text(encoding="utf-8").count(right) == 1, (name, right)
