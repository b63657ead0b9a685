"""Measure how many cells a second encoders embed, and in how much memory.

    python scripts/encoder_speed.py pca:50 aeacus scimilarity:/models/scimilarity_v1.1 --cells 1000
    python scripts/encoder_speed.py scgpt:/models/scGPT_human --device cuda --batch-size 256

The cells are those of the bundled pancreas data, drawn with replacement where more are asked for. The first call reads the
weights and is not counted. On a machine that does other work too, seconds of CPU tell more than seconds.
"""

from __future__ import annotations

import argparse
import resource
import time
from pathlib import Path

import numpy as np
import pandas as pd

import scdd
from scdd._atomic import write_text


def measure(encoder: str, n: int, *, device: str, batch_size: int | None) -> dict[str, object]:
    """Embed n cells once, after a first call on a few."""
    adata = scdd.datasets.pancreas()
    rows = np.random.default_rng(0).choice(adata.n_obs, n, replace=n > adata.n_obs)
    found = scdd.encoders.get(encoder)
    scdd.tl.embed(adata[np.sort(rows[:64])].copy(), found, device=device)
    cells = adata[rows].copy()
    cells.obs_names_make_unique()
    start, start_cpu = time.perf_counter(), time.process_time()
    table = scdd.tl.embed(cells, found, device=device, batch_size=batch_size)
    seconds, cpu = time.perf_counter() - start, time.process_time() - start_cpu
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {
        "encoder": found.info.name,
        "dim": table.shape[1],
        "cells": n,
        "device": device,
        "cells per second": round(n / seconds, 1),
        "cells per second of CPU": round(n / cpu, 1),
        "peak memory of the process (MB)": round(peak),
    }


def main() -> None:
    """Print one row per encoder."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("encoders", nargs="+", help="as scdd.encoders.get takes them")
    parser.add_argument("--cells", type=int, default=1000)
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--batch-size", type=int)
    parser.add_argument("--out", type=Path, help="also write the table (csv)")
    args = parser.parse_args()
    rows = [measure(name, args.cells, device=args.device, batch_size=args.batch_size) for name in args.encoders]
    table = pd.DataFrame(rows)
    print(table.to_string(index=False))
    if args.out is not None:
        write_text(args.out, table.to_csv(index=False))


if __name__ == "__main__":
    main()
