"""What a command says while it works, and what it says of its result."""

from __future__ import annotations

import json
import sys
import time
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scdd._about import about
from scdd._settings import settings
from scdd.errors import ScddWarning

if TYPE_CHECKING:
    from anndata import AnnData

__all__ = ["Clock", "tell", "told_of", "working"]


class Clock:
    """Seconds since it was made."""

    def __init__(self) -> None:
        self._start = time.monotonic()

    @property
    def seconds(self) -> float:
        """Seconds so far, to a tenth."""
        return round(time.monotonic() - self._start, 1)


@contextmanager
def working(*, quiet: bool) -> Iterator[Clock]:
    """Show progress bars on a terminal and warnings of scdd as a line each; nothing of either where it is quiet."""
    with warnings.catch_warnings():
        # what other packages warn of is not for those who call a command
        warnings.simplefilter("ignore")
        warnings.simplefilter("always", ScddWarning)
        warnings.showwarning = _one_line
        with settings.override(verbosity=0 if quiet else 1, progress=_is_terminal()):
            yield Clock()


def told_of(adata: AnnData, path: Path, clock: Clock) -> dict[str, Any]:
    """Return what is to say of a file that was written, JSON-safe."""
    told = about(adata).told
    key = about(adata).labels_key
    sizes = adata.obs[key].value_counts() if key is not None else {}
    size = sum(f.stat().st_size for f in path.rglob("*") if f.is_file()) if path.is_dir() else path.stat().st_size
    return {
        "out": str(path),
        "kind": str(told.get("kind", "")),
        "n_obs": int(adata.n_obs),
        "n_vars": int(adata.n_vars),
        "labels_key": key,
        "rows": {str(name): int(n) for name, n in sizes.items() if n},
        "status": str(told.get("status", "complete")),
        "seed": int(told["seed"]) if "seed" in told else None,
        "bytes": int(size),
        "seconds": clock.seconds,
    }


def tell(told: dict[str, Any], *, as_json: bool, quiet: bool) -> None:
    """Print what was written: JSON, or a line, or nothing."""
    if as_json:
        print(json.dumps(told, indent=1))
    elif not quiet:
        classes = f" of {len(told['rows'])} classes" if told["rows"] else ""
        end = "" if told["status"] == "complete" else f" Status: {told['status']}."
        print(
            f"Wrote {told['out']}: {told['n_obs']:,} rows{classes} x {told['n_vars']:,} genes, {told['bytes'] / 1e6:.1f} MB, "
            f"in {told['seconds']:.0f} s.{end}"
        )


def _one_line(message: Warning | str, category: type[Warning], *args: Any, **more: Any) -> None:
    del category, args, more
    print(f"scdd: warning: {message}", file=sys.stderr)


def _is_terminal() -> bool:
    """Tell whether someone looks at the standard error, which may be closed."""
    try:
        return sys.stderr.isatty()
    except (AttributeError, ValueError):
        return False
