"""Check an installed scdd from outside its checkout: it imports, shows its version, and its bundled data load."""

from __future__ import annotations

import sys
import time
from pathlib import Path

start = time.perf_counter()
import scdd  # noqa: E402

took = time.perf_counter() - start
checkout = Path(__file__).resolve().parents[1] / "src"
assert not Path(scdd.__file__).resolve().is_relative_to(checkout), f"imported from the checkout: {scdd.__file__}"
assert "torch" not in sys.modules, "import scdd loads torch"
print(f"scdd {scdd.__version__}, imported in {took:.2f} s")

for name in scdd.__all__:
    getattr(scdd, name)  # parts are imported when they are asked for

adata = scdd.datasets.pancreas()
assert adata.n_obs > 3_000, adata
assert adata.obs["donor"].nunique() == 4, adata
print(adata)
