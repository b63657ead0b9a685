"""Quality assurance of the generator, as in the paper: class discriminability and data characteristics."""

from __future__ import annotations

import numpy as np
import scipy.sparse as sp
import torch
from numpy.typing import NDArray

from scdd._rng import stream
from scdd.data import Source
from scdd.metrics import TEST_MODELS, preprocess
from scdd.model._sample import sample_counts, sample_latents
from scdd.module import SCDDModule, nb_log_prob

_REAL_PER_CLASS = 50
_MAX_CELLS = 2000


@torch.no_grad()
def quality(module: SCDDModule, source: Source, latents: NDArray[np.float32], *, seed: int) -> dict[str, float]:
    """Compare generated cells with real ones.

    Parameters
    ----------
    module
        Trained module.
    source, latents
        The cells and their latents.
    seed
        Seed of the draws.

    Returns
    -------
    ``class_accuracy``: share of generated cells whose class a logistic regression trained on real cells sees (class
    discriminability). ``nll`` and ``nll_class_mean``: negative log-likelihood per gene of real counts of the HVGs under
    the decoder, and under the mean of their class. ``zero_fraction_gap``: mean absolute difference between the zero
    fractions of generated and of real cells, over genes.
    """
    rng = stream(seed, "quality")
    n_classes = len(source.class_names)
    per_class = max(1, min(_REAL_PER_CLASS, _MAX_CELLS // n_classes))
    cells = _draw(source.labels, per_class, rng)
    hvg = module.hvg.cpu().numpy()
    mask = np.zeros(source.n_vars, dtype=bool)
    mask[hvg] = True
    real, truth = source.rows(cells), source.labels[cells].astype(np.int64)
    batches = source.batches[cells].astype(np.int64)
    z = sample_latents(module, truth, batches, guidance=1.0, seed=seed)
    library = source.library[cells]
    generated = sample_counts(module, z, library, seed=seed)
    out = {"zero_fraction_gap": float(np.abs(_zeros(real) - _zeros(generated)).mean())}
    if n_classes > 1:
        predict = TEST_MODELS.get("LR").fit(preprocess(real, mask), truth, seed)
        out["class_accuracy"] = float((predict(preprocess(generated, mask)) == truth).mean())
    x = torch.from_numpy(real[:, hvg].toarray())
    depth = torch.from_numpy(library.astype(np.float32))[:, None]
    theta = module.theta[module.hvg].cpu()
    own = module.hvg_rates(torch.from_numpy(latents[cells]).to(module.device)).cpu()
    means = module.hvg_rates(module.class_means).cpu()[torch.from_numpy(truth)]
    for name, rates in (("nll", own), ("nll_class_mean", means)):
        out[name] = float(-nb_log_prob(x, (rates * depth).clamp_min(1e-8), theta).mean())
    return out


def _draw(labels: NDArray[np.integer], per_class: int, rng: np.random.Generator) -> NDArray[np.int64]:
    parts = []
    for label in np.unique(labels):
        cells = np.flatnonzero(labels == label)
        parts.append(rng.choice(cells, min(per_class, len(cells)), replace=False))
    return np.sort(np.concatenate(parts))


def _zeros(counts: sp.csr_matrix) -> NDArray[np.float64]:
    return 1 - np.asarray((counts > 0).mean(axis=0)).ravel()
