"""Pretrain scdd-base: the weights that scdd ships, or those without a data set and its relatives, for tests.

    SCDD_DATA=/data python scripts/pretrain_base.py src/scdd/encoders/weights/scdd_base
    SCDD_DATA=/data python scripts/pretrain_base.py loo/zheng --without pbmc_facs_zheng
    SCDD_DATA=/data python scripts/pretrain_base.py start --untrained

The folder of the data is named by SCDD_DATA. A training that was interrupted goes on when the same command is given again.
"""

from __future__ import annotations

import argparse
import dataclasses
import logging
import time
from pathlib import Path

from _base_studies import CONFIG, NAMES, SEED, studies

import scdd


def main() -> None:
    """Train, and print how long it took."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="folder to write")
    parser.add_argument("--without", nargs="*", default=[], choices=NAMES, help="data sets to leave out")
    parser.add_argument("--steps", type=int, help="steps, if other than those of the shipped weights")
    parser.add_argument("--untrained", action="store_true", help="the network as it starts")
    parser.add_argument("--device", default="cpu")
    parser.add_argument("--overwrite", action="store_true")
    args = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    config = CONFIG if args.steps is None else dataclasses.replace(CONFIG, n_steps=args.steps)
    if args.untrained:
        config = dataclasses.replace(config, n_steps=1, lr=1e-12, weight_decay=0.0)
    command = "python scripts/pretrain_base.py" + "".join(f" --without {name}" for name in args.without)
    command += "" if args.steps is None else f" --steps {args.steps}"
    command += " --untrained" if args.untrained else ""
    args.out.parent.mkdir(parents=True, exist_ok=True)
    start = time.perf_counter()
    encoder = scdd.encoders.pretrain(
        studies(tuple(args.without)), args.out, config=config, seed=SEED, device=args.device,
        overwrite=args.overwrite, made_by=command,
    )  # fmt: skip
    size = sum(file.stat().st_size for file in args.out.iterdir()) / 1e6
    print(f"{len(encoder.genes)} genes, {size:.1f} MB, {time.perf_counter() - start:.0f} s, {encoder.card['losses']}")


if __name__ == "__main__":
    main()
