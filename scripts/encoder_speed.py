"""Measure how many cells a second encoders embed, and in how much memory.

    python scripts/encoder_speed.py pca:50 aeacus scimilarity:/models/scimilarity_v1.1
    python scripts/encoder_speed.py scgpt:/models/scGPT_human --device cuda --batch-size 256
    SCDD_DATA=/data python scripts/encoder_speed.py pca:50 scdd-base aeacus --untrained

The cells are those of the bundled pancreas data, drawn with replacement where more are asked for; of slow encoders, as many as
take about a minute. The first call reads the weights and is not counted. ``--untrained`` adds SCimilarity, scGPT and Geneformer in
their released sizes with drawn weights, made with what the tests use for their small ones, and scVI after one epoch: a
cell takes the same time whatever the weights are. On a machine that does other work too, seconds of CPU tell more than
seconds.
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

import scdd
from scdd._atomic import write_text

ROOT = Path(__file__).resolve().parents[1]
MINUTE = 60.0


def untrained(folder: Path) -> list[Any]:
    """Write checkpoints of the released sizes with drawn weights; return their encoders, and that of scVI."""
    sys.path.insert(0, str(ROOT))
    from tests.encoders import _checkpoints as made

    found = {
        "scimilarity": made.scimilarity(folder / "scimilarity", hidden=(1024, 1024, 1024), dim=128),
        "scgpt": made.scgpt(folder / "scgpt", embsize=512, nheads=8, d_hid=512, nlayers=12),
    }
    for version, sizes in (("V1", (6, 256, 4, 512)), ("V2", (12, 768, 12, 3072))):
        found[f"geneformer {version}"] = made.geneformer(folder / version, version, sizes=sizes)
    return [_scvi(), *(scdd.encoders.get(f"{name.split()[0]}:{path}") for name, path in found.items())]


def _scvi() -> Any:
    from scvi.model import SCVI

    adata = scdd.datasets.pancreas()
    SCVI.setup_anndata(adata)
    model = SCVI(adata)
    model.train(max_epochs=1, logger=False, enable_progress_bar=False)
    return scdd.encoders.get(model)


def measure(found: Any, most: int, *, device: str, batch_size: int | None) -> dict[str, object]:
    """Embed cells, after a first call on a few: more and more, until it takes half a minute or ``most`` are done."""
    adata = scdd.datasets.pancreas()
    _seconds(adata[:2].copy(), found, device=device)
    n = 2
    while True:
        rows = np.random.default_rng(0).choice(adata.n_obs, n, replace=n > adata.n_obs)
        cells = adata[rows].copy()
        cells.obs_names_make_unique()
        seconds, cpu = _seconds(cells, found, device=device, batch_size=batch_size)
        if n >= most or seconds > MINUTE / 2:
            break
        n = min(most, max(2 * n, round(n * MINUTE / seconds)))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "encoder": f"{found.info.name} {found.path.name}" if found.info.name == "geneformer" else found.info.name,
        "dim": found.info.dim,
        "cells": n,
        "device": device,
        "cells per second": round(n / seconds, 1),
        "cells per second of CPU": round(n / cpu, 1),
        "peak memory of the process (MB)": round(peak),
    }


def _seconds(cells: Any, found: Any, **options: Any) -> tuple[float, float]:
    """Return the seconds that an embedding takes, by the clock and of CPU."""
    start, start_cpu = time.perf_counter(), time.process_time()
    scdd.tl.embed(cells, found, **options)
    return time.perf_counter() - start, time.process_time() - start_cpu


def main() -> None:
    """Print one row per encoder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("encoders", nargs="*", help="as scdd.encoders.get takes them")
    parser.add_argument(
        "--untrained", action="store_true", help="add scVI, SCimilarity, scGPT and Geneformer, with drawn weights"
    )
    parser.add_argument("--cells", type=int, default=10000, help="at most")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--out", type=Path, help="also write the table (csv)")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        encoders = [scdd.encoders.get(name) for name in args.encoders]
        encoders += untrained(Path(folder)) if args.untrained else []
        rows = [measure(found, args.cells, device=args.device, batch_size=args.batch_size) for found in encoders]
    table = pd.DataFrame(rows)
    print(table.to_string(index=False))
    if args.out is not None:
        write_text(args.out, table.to_csv(index=False))


if __name__ == "__main__":
    main()
