"""Execute the tutorials anew, and compare what they print with what is stored; with --store, store it instead.

    python scripts/tutorials.py                       all; exit code 1 where one fails, takes too long or prints something else
    python scripts/tutorials.py 02 05 --store         these, and store their outputs

Text must be the same but for numbers, which may differ as far as another machine makes them; figures must be there. A cell that is
tagged ``varies`` (seconds, orders that hang on the last digit) must show something, whatever it is.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import nbformat
from nbclient import NotebookClient

FOLDER = Path(__file__).resolve().parents[1] / "tutorials"
SECONDS = 300  # what a tutorial may take on two cores
SHARE, SCORE, COUNT = 0.05, 0.03, 2  # tolerances: relative, of a number with a point, of one without
NUMBER = re.compile(r"(?<![\w.])-?\d+(?:,\d{3})*(?:\.\d+)?(?:e[+-]?\d+)?")
METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def execute(path: Path) -> Any:
    """Return the notebook with fresh outputs; it runs in an empty folder, and must leave none of its files there."""
    notebook = nbformat.read(path, as_version=4)
    with tempfile.TemporaryDirectory() as folder:
        resources = {"metadata": {"path": folder}}
        # a backend that the environment names would keep figures out of the notebook
        inline = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
        client = NotebookClient(notebook, timeout=4 * SECONDS, record_timing=False, resources=resources)
        client.execute(env=inline)
        left = sorted(file.name for file in Path(folder).iterdir())
    if left:
        msg = f"{path.name} leaves files behind: {', '.join(left)}."
        raise RuntimeError(msg)
    for k, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{k:02d}"
        if cell.cell_type == "code":
            cell.outputs = joined(cell.outputs)
    notebook.metadata = METADATA
    return notebook


def joined(outputs: list[Any]) -> list[Any]:
    """Return outputs as they are stored: what is printed in one piece, and nothing of the standard error.

    Pieces come as time has it; what libraries write to the standard error depends on the machine, and the pages leave it out.
    """
    out: list[Any] = []
    for output in outputs:
        if output.get("name") == "stderr":
            continue
        if out and output.get("name") == out[-1].get("name") == "stdout":
            out[-1]["text"] += output["text"]
        else:
            out.append(output)
    return out


def shown(cell: Any) -> list[str]:
    """Return the texts that a cell shows, and a word for each figure."""
    out = []
    for output in joined(cell.get("outputs", [])):
        data = output.get("data", {})
        if output.get("name") == "stdout":
            out.append(output["text"])
        elif "image/png" in data:
            out.append("<figure>")
        elif "text/plain" in data:
            out.append(data["text/plain"])
    return out


def differs(stored: str, fresh: str) -> str:
    """Return in words how two texts differ, or nothing.

    Examples
    --------
    >>> differs("macro-F1 0.943, 127 rows", "macro-F1  0.951, 128 rows")
    ''
    >>> differs("macro-F1 0.943", "macro-F1 0.71")
    '0.943 became 0.71'
    """
    words = [" ".join(NUMBER.sub("#", text).replace("-", " ").split()) for text in (stored, fresh)]
    if words[0] != words[1]:
        return f"{stored.strip()[:200]!r} became {fresh.strip()[:200]!r}"
    for a, b in zip(*(NUMBER.findall(text) for text in (stored, fresh)), strict=True):
        old, new = (float(x.replace(",", "")) for x in (a, b))
        allowed = SHARE * abs(old) + (SCORE if "." in a + b else COUNT)
        if abs(old - new) > allowed:
            return f"{a} became {b}"
    return ""


def drift(stored: Any, fresh: Any) -> list[str]:
    """Return a line for each code cell that shows something else."""
    out = []
    for k, (old, new) in enumerate(zip(stored.cells, fresh.cells, strict=True)):
        varies = "varies" in old.metadata.get("tags", ())
        texts = [shown(old), shown(new)]
        if len(texts[0]) != len(texts[1]):
            out.append(f"cell {k}: {len(texts[0])} outputs became {len(texts[1])}")
            continue
        found = [] if varies else [differs(a, b) for a, b in zip(*texts, strict=True)]
        out += [f"cell {k}: {text}" for text in found if text]
    return out


def main(arguments: list[str] | None = None) -> int:
    """Run the chosen tutorials, one after the other."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", help="beginnings of file names; none: all")
    parser.add_argument("--store", action="store_true", help="store the outputs instead of comparing them")
    options = parser.parse_args(arguments)
    bad = False
    for path in sorted(FOLDER.glob("*.ipynb")):
        if options.names and not path.name.startswith(tuple(options.names)):
            continue
        start = time.monotonic()
        fresh = execute(path)
        seconds = time.monotonic() - start
        changed = [] if options.store else drift(nbformat.read(path, as_version=4), fresh)
        slow = [f"took longer than {SECONDS} s"] if seconds > SECONDS else []
        problems = changed + slow
        words = ["drift"] * bool(changed) + ["slow"] * bool(slow)
        print(f"{path.name}: {seconds:.0f} s, {' and '.join(words) or 'as stored'}")
        print("".join(f"  {line}\n" for line in problems), end="", flush=True)
        if options.store:
            nbformat.write(fresh, path)
        bad = bad or bool(problems)
    return int(bad)


if __name__ == "__main__":
    sys.exit(main())
