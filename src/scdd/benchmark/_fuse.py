"""Fusion: centres shrink their cells on their own, and their small sets are put together."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import scipy.sparse as sp

from scdd._rng import stream
from scdd.benchmark._cost import Cost
from scdd.benchmark._methods import Made, Method
from scdd.benchmark._prepare import Training

__all__ = ["run_fused", "split_centres"]


def split_centres(training: Training, fuse_key: str) -> list[Training]:
    """Return the training cells of each centre, with codes of their own.

    The highly variable genes and the embedding are those of all centres: models need one list of genes. Where the donors
    are the centres, there is one donor in each, and methods are not told of donors.
    """
    centres = training.adata.obs[fuse_key].astype(str).to_numpy()
    parts = []
    for centre in np.unique(centres):
        cells = np.flatnonzero(centres == centre)
        codes, labels = np.unique(training.labels[cells], return_inverse=True)
        parts.append(
            replace(
                training,
                adata=training.adata[cells].copy(),
                donor_key=None if training.donor_key == fuse_key else training.donor_key,
                class_names=tuple(training.class_names[code] for code in codes),
                counts=sp.csr_matrix(training.counts[cells]),
                labels=labels.astype(np.int64),
                sizes=np.bincount(labels, minlength=len(codes)).astype(np.int64),
                embedding=training.embedding[cells],
                models={},
            )
        )
    return parts


def run_fused(method: Method, training: Training, centres: list[Training], n: int, seed: int) -> Made:
    """Run a method on each centre, and put the small sets together.

    Parameters
    ----------
    method
        The method; it sees one centre at a time.
    training
        All training cells, whose class codes the result has.
    centres
        What :func:`split_centres` returned.
    n, seed
        Rows per class and centre, and the seed.
    """
    code = {name: k for k, name in enumerate(training.class_names)}
    counts, labels, cost = [], [], Cost()
    for centre in centres:
        if len(centre.class_names) < 2:
            # there is nothing to tell apart: random cells
            cells = stream(seed, "fuse", centre.class_names[0]).permutation(len(centre.labels))[: n or None]
            made = Made(sp.csr_matrix(centre.counts[cells]), centre.labels[cells], Cost())
        else:
            made = method.run(centre, n, seed)
        counts.append(made.counts)
        labels.append(np.array([code[centre.class_names[k]] for k in made.labels], dtype=np.int64))
        cost = cost.then(made.cost or Cost())
    return Made(sp.csr_matrix(sp.vstack(counts)), np.concatenate(labels), cost)
