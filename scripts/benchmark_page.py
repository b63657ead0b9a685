"""Make ``docs/benchmark.md`` and its figure from the committed results.

    python scripts/benchmark_page.py

The page holds no number that is not in ``docs/_static/benchmark/benchmark.csv``; a test compares the two.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import pandas as pd

ROOT = Path(__file__).resolve().parents[1]
RESULTS = ROOT / "docs" / "_static" / "benchmark" / "benchmark.csv"
PAGE = ROOT / "docs" / "benchmark.md"

HEAD = """# Benchmark results

<!-- made by scripts/benchmark_page.py: do not edit -->

{lead}

All runs are in {{download}}`benchmark.csv <_static/benchmark/benchmark.csv>`, what was run and with which versions in
{{download}}`benchmark.json <_static/benchmark/benchmark.json>`. How to run it, also on your own data and with your own
method: [Benchmark](user_guide/benchmark.md). This command makes such a file; it goes on where it stopped:

```bash
{command}
```

![Scores of all methods on all tasks, mean ranks, and scores against the number of rows](_static/benchmark/benchmark.png)
"""


def text() -> str:
    """Return the page."""
    from scdd.benchmark._page import command_of
    from scdd.benchmark._provenance import read_provenance
    from scdd.benchmark._report import build_report

    report = build_report(RESULTS)
    parts = [HEAD.format(lead="\n\n".join(report.lead), command=command_of(read_provenance(RESULTS)))]
    for section in report.sections:
        parts.append(f"## {section.title}\n")
        parts += [f"{paragraph}\n" for paragraph in section.text.splitlines()]
        if section.table is not None:
            parts.append(_markdown(section.table))
    return "\n".join(parts)


def _markdown(table: pd.DataFrame) -> str:
    """Return a table in Markdown; our own method is set bold."""
    lines = [list(map(str, table.columns)), ["---"] * len(table.columns)]
    for row in table.astype(str).itertuples(index=False):
        cells = [cell.replace("|", r"\|") for cell in row]
        lines.append([f"**{cell}**" if cell and "scdd" in row[:3] else cell for cell in cells])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines) + "\n"


def main() -> None:
    """Write the page and the figure."""
    import scdd

    figure = scdd.pl.benchmark(RESULTS, show=False)
    assert figure is not None
    figure.savefig(RESULTS.with_suffix(".png"), dpi=130)
    PAGE.write_text(text(), encoding="utf-8")
    print(f"Wrote {PAGE} and {RESULTS.with_suffix('.png')}.")


if __name__ == "__main__":
    main()
