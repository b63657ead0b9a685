"""Time, memory and size of a method's work."""

from __future__ import annotations

import time
from pathlib import Path

import numpy as np
import pytest
import scipy.sparse as sp

from scdd.benchmark import _cost
from scdd.benchmark._cost import Cost, compressed_bytes, measured


def test_time_and_memory_are_seen() -> None:
    with measured() as cost:
        block = np.ones(20_000_000)  # 160 MB, touched
        time.sleep(0.2)
        del block
    assert 0.2 < cost.seconds < 10
    if not Path("/proc/self/statm").exists():
        assert cost.peak_mb is None
    else:
        assert cost.peak_mb > 120
    with measured() as little:
        time.sleep(0.1)
    assert (little.peak_mb or 0) < 60


def test_where_the_system_does_not_tell(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(_cost, "_STATM", tmp_path / "absent")
    with measured() as cost:
        pass
    assert cost.peak_mb is None
    assert cost.then(Cost(1.0, 5.0)).peak_mb == 5.0


def test_one_after_the_other() -> None:
    both = Cost(1.0, 10.0).then(Cost(2.0, 4.0))
    assert (both.seconds, both.peak_mb) == (3.0, 10.0)


def test_bytes_follow_what_is_stored() -> None:
    rng = np.random.default_rng(0)
    few = sp.random(50, 2000, density=0.05, random_state=rng, format="csr", data_rvs=lambda n: rng.integers(1, 9, n))
    more = sp.vstack([few] * 2 + [sp.random(100, 2000, density=0.05, random_state=rng, format="csr")])
    assert 0 < compressed_bytes(few) < few.data.nbytes + few.indices.nbytes
    assert compressed_bytes(more) > compressed_bytes(few)
    # fractions need more room than integers
    assert compressed_bytes(few * 1.37) > compressed_bytes(few)
    assert compressed_bytes(few) == compressed_bytes(few.astype(np.float32))
