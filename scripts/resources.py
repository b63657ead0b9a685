"""Measure time and memory of ``scdd.tl.distill`` on a data set, imports apart.

python scripts/resources.py --file pbmc_ifnb_kang_full --donor donor -n 10
"""

from __future__ import annotations

import argparse
import hashlib
import os
import resource
import time
from pathlib import Path

DATA = Path(os.environ.get("SCDD_DATA", Path(__file__).parents[2] / "shared" / "data"))


def main() -> None:
    """Run once (twice with ``--repeat``, to see that the result is the same) and print."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--file", default="pbmc_ifnb_kang_full")
    parser.add_argument("--donor", default="donor")
    parser.add_argument("-n", type=int, default=10)
    parser.add_argument("--preset", default="default")
    parser.add_argument("--repeat", action="store_true")
    args = parser.parse_args()

    start = time.perf_counter()
    import anndata as ad
    import lightning.pytorch
    import scanpy
    import scvi
    import torch

    import scdd

    loaded = [m.__name__ for m in (lightning.pytorch, scanpy, scvi, torch)]
    print(f"imports of {', '.join(loaded)}: {time.perf_counter() - start:.1f} s, {peak():.2f} GB")
    adata = ad.read_h5ad(DATA / f"{args.file}.h5ad")
    for _ in range(1 + args.repeat):
        start = time.perf_counter()
        syn = scdd.tl.distill(adata, args.n, donor_key=args.donor or None, preset=args.preset, encoder="self", seed=0)
        digest = hashlib.sha256(syn.X.data.tobytes() + syn.X.indices.tobytes()).hexdigest()[:12]
        print(
            f"{adata.n_obs} cells x {adata.n_vars} genes, n = {args.n}, preset {args.preset}: "
            f"{time.perf_counter() - start:.1f} s, peak {peak():.2f} GB, {syn.n_obs} rows, hash {digest}"
        )
        print("seconds by stage:", {k: round(v, 1) for k, v in syn.uns["scdd"]["seconds"].items()})


def peak() -> float:
    """Return the peak memory of this process in GB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1e6


if __name__ == "__main__":
    main()
