"""One HTML file about a benchmark, which opens without a network."""

from __future__ import annotations

import base64
import io
import os
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scdd._atomic import write_text
from scdd.benchmark._methods import METHODS
from scdd.benchmark._provenance import read_provenance
from scdd.benchmark._report import build_report
from scdd.benchmark._task import TASKS

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["command_of", "page"]

_OPTIONS = ("tasks", "methods", "n", "splits", "seeds", "models")
_FLAGS = {"quality": "--quality", "allow_reserved": "--allow-reserved"}


def page(
    results: pd.DataFrame | str | os.PathLike[str],
    out: str | os.PathLike[str],
    *,
    metric: str = "macro_f1",
    ours: str = "scdd",
    title: str = "Benchmark of scRNA-seq data set distillation",
) -> Path:
    """Write a page with the figure, all tables, and in words where ``ours`` leads and where it loses.

    Parameters
    ----------
    results
        What :func:`scdd.benchmark.run` returned, or the path of its CSV; with a path, the provenance beside it is told too.
    out
        Path of the HTML file, which is replaced.
    metric
        Score of the tables.
    ours
        The method that the others are compared with.
    title
        Title of the page.

    Returns
    -------
    The path of the file.

    Raises
    ------
    scdd.errors.InputError
        If there is no run to show, or no such metric.

    Examples
    --------
    >>> import scdd
    >>> results = scdd.benchmark.run("simulated", ["random", "full"], n=[1], splits=[0], models=["LR"], progress=False)
    >>> scdd.benchmark.page(results, "benchmark.html", ours="random").name
    'benchmark.html'
    """
    import jinja2
    import pandas as pd

    source = files("scdd.benchmark").joinpath("templates", "page.html.jinja").read_text(encoding="utf-8")
    template = jinja2.Environment(autoescape=True, trim_blocks=True).from_string(source)
    text = template.render(
        title=title,
        report=build_report(results, metric=metric, ours=ours),
        figure=_figure(results, metric=metric, ours=ours),
        ours=ours,
        command="" if isinstance(results, pd.DataFrame) else command_of(read_provenance(results)),
    )
    path = Path(out).expanduser()
    write_text(path, text)
    return path


def command_of(provenance: dict[str, Any]) -> str:
    """Return the commands that make such results, one for each kind of call that was made.

    What the package does not know by name is run in Python.
    """
    lines = []
    for call in provenance["calls"]:
        given = call["arguments"]
        if own := [name for name in given["tasks"] if name not in TASKS] + [
            name for name in given["methods"] if name not in METHODS
        ]:
            names = ", ".join(f"{name}={given[name]!r}" for name in ("n", "splits", "seeds", "models"))
            names += "".join(f", {name}=True" for name in _FLAGS if given.get(name))
            lines.append(
                f"scdd.benchmark.run({given['tasks']!r}, {given['methods']!r}, {names})  # in Python, with "
                f"{', '.join(own)} in place of the name{'s' if len(own) > 1 else ''}"
            )
            continue
        options = [f"--{name} {','.join(map(str, given[name]))}" for name in _OPTIONS if given.get(name)]
        options += [flag for name, flag in _FLAGS.items() if given.get(name)]
        lines.append(f"scdd benchmark {' '.join(options)}")
    return "\n".join(dict.fromkeys(lines))


def _figure(results: Any, *, metric: str, ours: str) -> str:
    from scdd.pl import benchmark

    figure = benchmark(results, metric=metric, ours=ours, show=False)
    assert figure is not None
    buffer = io.BytesIO()
    figure.savefig(buffer, format="png", dpi=130)
    return base64.b64encode(buffer.getvalue()).decode("ascii")
