"""Make the bundled pancreas from the development copy: ``python scripts/make_pancreas.py <pancreas_human_baron.h5ad>``."""

from __future__ import annotations

import sys
from pathlib import Path

import anndata
import h5py
import numpy as np
import pandas as pd
import scipy.sparse as sp

TARGET = Path(__file__).parent.parent / "src" / "scdd" / "datasets" / "data" / "pancreas_human_baron.h5ad"


def squeeze(path: Path) -> None:
    """Store the three vectors of X with the byte shuffle, in one chunk each; the stored types stay what scipy wants."""
    small = path.with_suffix(".small")
    with h5py.File(path, "r") as old, h5py.File(small, "w") as new:
        new.attrs.update(old.attrs)
        for key in old:
            if key != "X":
                old.copy(key, new)
        group = new.create_group("X")
        group.attrs.update(old["X"].attrs)
        for key in ("data", "indices", "indptr"):
            values = old["X"][key][:]
            group.create_dataset(
                key, data=values, chunks=values.shape, compression="gzip", compression_opts=9, shuffle=True
            )
    small.replace(path)


def main(origin: str) -> None:
    """Keep what is needed, as CSC of the smallest integers, and compress it as hard as gzip can."""
    source = anndata.read_h5ad(origin)
    counts = sp.csc_matrix(source.X)
    counts.sort_indices()
    if not np.array_equal(counts.data, np.rint(counts.data)) or counts.data.max() > np.iinfo(np.uint16).max:
        msg = "The counts are not integers below 65,536."
        raise ValueError(msg)
    obs = pd.DataFrame({key: source.obs[key].astype(str).astype("category") for key in ("cell_type", "donor")})
    adata = anndata.AnnData(
        counts.astype(np.uint16),
        obs=obs,
        var=pd.DataFrame(index=source.var_names),
        uns={"source": source.uns["source"]},
    )
    TARGET.parent.mkdir(parents=True, exist_ok=True)
    adata.write_h5ad(TARGET, compression="gzip", compression_opts=9)
    squeeze(TARGET)
    print(f"{TARGET.name}: {adata.shape[0]} x {adata.shape[1]}, {TARGET.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main(sys.argv[1])
