"""Every block of Python in README and documentation runs, and every command, on few cells and with a small budget.

A page is one session: its blocks run one after the other, with the names that its prose takes for granted; other packages it
imports itself, and a page of ``how_to`` takes nothing for granted. A block below a comment ``<!-- not run: why -->``, or
inside a dropdown (recipes for other packages), is compiled only.
"""

from __future__ import annotations

import ast
import re
import shlex
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest

import scdd

if TYPE_CHECKING:
    from anndata import AnnData

ROOT = Path(__file__).resolve().parents[1]
FENCE = re.compile(r"^(?:<!-- not run: (?P<why>.+?) -->\n)?```(?P<kind>python|bash)\n(?P<code>.*?)^```$", re.M | re.S)
DROPDOWN = re.compile(r"^::::\{dropdown\}.*?^::::$", re.M | re.S)
QUICK = ("README.md", "index.md", "report_and_sharing.md", "scdd_base.md", "what_is_distillation.md")
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")), *sorted((ROOT / "docs").glob("[hu]*/*.md"))]

PACKAGES = {"ad", "anndata", "np", "pd", "plt", "sc", "Path"}

pytestmark = pytest.mark.usefixtures("small_budget")


@dataclass(frozen=True)
class Block:
    kind: str
    code: str
    line: int
    runs: bool


def blocks(page: Path) -> list[Block]:
    text = page.read_text(encoding="utf-8")
    aside = [match.span() for match in DROPDOWN.finditer(text)]
    found = []
    for match in FENCE.finditer(text):
        runs = match["why"] is None and not any(a <= match.start() < b for a, b in aside)
        found.append(Block(match["kind"], match["code"], text[: match.start("code")].count("\n"), runs))
    return found


def commands(code: str) -> list[list[str]]:
    """Return the calls of scdd in a block of a shell; what is piped elsewhere is not called."""
    lines = [line.split("#")[0].strip() for line in code.replace("\\\n", " ").splitlines()]
    return [shlex.split(line.split("|")[0])[1:] for line in lines if line.startswith("scdd ")]


@pytest.fixture(scope="module")
def few() -> AnnData:
    """Some cells of each class and donor of the bundled pancreas, and 300 genes."""
    adata = scdd.datasets.pancreas()
    group = adata.obs.groupby(["cell_type", "donor"], observed=True).cumcount().to_numpy()
    adata = adata[group < 12].copy()
    total = np.asarray(adata.X.sum(axis=0)).ravel()
    return adata[:, np.sort(np.argsort(-total)[:300])].copy()


@pytest.fixture(scope="module")
def session(few: AnnData, small_budget: None) -> dict[str, Any]:
    """Return the names that pages take for granted."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        train, test = (few[cells].copy() for cells in scdd.pp.split(few, donor_key="donor"))
        syn = scdd.tl.distill(few, 2, preset="fast", progress=False)
        report = scdd.tl.report(few, syn, models=["kNN"], plots=False)
    info = scdd.io.CardInfo(source="GEO GSE84133", licence="CC0-1.0", creators=("A. Author",))
    encoder, embedding = scdd.encoders.get("scdd-base"), few.X[:, :5].toarray()
    names = {"adata": few, "train": train, "test": test, "adata_test": test, "syn": syn, "report": report, "info": info}
    return names | {"encoder": encoder, "embedding": embedding, "scdd": scdd}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, session: dict[str, Any]) -> Iterator[Path]:
    """A working folder with the files that pages read."""
    few = session["adata"]
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("scdd.datasets.pancreas", few.copy)
    for name in ("cells", "first", "second", "my_cells"):
        few.copy().write_h5ad(tmp_path / f"{name}.h5ad")
    session["test"].copy().write_h5ad(tmp_path / "other_donors.h5ad")
    session["test"].copy().write_h5ad(tmp_path / "test.h5ad")
    few.copy().write_h5ad(tmp_path / "adata.h5ad")
    session["syn"].copy().write_h5ad(tmp_path / "syn.h5ad")
    yield tmp_path
    import matplotlib.pyplot as plt

    plt.close("all")


def copied(value: Any) -> Any:
    return value.copy() if hasattr(value, "obs_names") else value


def cases() -> Iterator[Any]:
    for page in PAGES:
        if any(block.runs for block in blocks(page)):
            marks = () if page.name in QUICK else pytest.mark.slow
            yield pytest.param(page, id=page.relative_to(ROOT).as_posix(), marks=marks)


@pytest.mark.parametrize("page", list(cases()))
def test_the_blocks_of_a_page(page: Path, folder: Path, session: dict[str, Any]) -> None:
    from scdd import cli

    granted = {} if page.parent.name == "how_to" else session
    names = {"__name__": "page"} | {name: copied(value) for name, value in granted.items()}
    for block in blocks(page):
        if block.kind == "python":
            # blank lines in front: a traceback tells the line of the page
            code = compile("\n" * block.line + block.code, str(page), "exec")
            if block.runs:
                with warnings.catch_warnings():
                    warnings.simplefilter("ignore")  # of few cells, and of other packages
                    exec(code, names)
        elif block.runs:
            for arguments in commands(block.code):
                if "-o" in arguments:  # what an earlier block wrote
                    Path(arguments[arguments.index("-o") + 1]).unlink(missing_ok=True)
                assert cli.main(arguments) == 0, f"{page.name}: scdd {' '.join(arguments)}"


def taken_and_given(code: str) -> tuple[set[str], set[str]]:
    """Return the names that a block takes, and those that it imports or assigns."""
    nodes = list(ast.walk(ast.parse(code)))
    given = {
        alias.asname or alias.name
        for node in nodes
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    names = [node for node in nodes if isinstance(node, ast.Name)]
    given |= {node.id for node in names if isinstance(node.ctx, ast.Store)}
    return {node.id for node in names if isinstance(node.ctx, ast.Load)}, given


@pytest.mark.parametrize("page", [pytest.param(page, id=page.relative_to(ROOT).as_posix()) for page in PAGES])
def test_a_page_imports_what_it_takes(page: Path) -> None:
    """What is pasted runs: packages are imported on the page, and a page of ``how_to`` defines its cells too."""
    needed = PACKAGES | ({"adata", "scdd", "syn", "train", "test"} if page.parent.name == "how_to" else set())
    known: set[str] = set()
    for block in blocks(page):
        if block.kind == "python" and block.runs:
            taken, given = taken_and_given(block.code)
            known |= given
            assert not (taken & needed) - known, f"{page.name}, line {block.line + 1}"


def test_limits_quote_what_the_benchmark_says() -> None:
    """The shares of 10 rows a class stand in the README, made from the results, and in words on the page of limits."""
    (line,) = (
        line for line in (ROOT / "README.md").read_text(encoding="utf-8").splitlines() if line.startswith("| 10 |")
    )
    shares = re.findall(r"(\d+)%", line)
    text = " ".join((ROOT / "docs" / "user_guide" / "limits.md").read_text(encoding="utf-8").split())
    told = re.search(r"reached (\d+) % of the score of all cells, and (\d+) % of that of all cells with balanced", text)
    assert told is not None
    assert list(told.groups()) == shares
