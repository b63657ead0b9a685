"""What a pretrained encoder is saved as: weights, and a card that tells where they come from."""

from __future__ import annotations

import platform
from collections.abc import Sequence
from dataclasses import asdict
from importlib.metadata import version
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from scdd.encoders._pretrain._config import PretrainConfig
from scdd.encoders._pretrain._corpus import Opened

if TYPE_CHECKING:
    import torch

    from scdd.encoders._pretrain._train import Pretraining

FORMAT = "scdd-base"
_LEVELS = 31  # whole numbers on either side of 0: their errors average out over the genes of a cell
_PACKAGES = ("scdd", "numpy", "scipy", "torch")


def identity(sets: Sequence[Opened], config: PretrainConfig, seed: int) -> dict[str, Any]:
    """Return what makes two trainings the same one: data, sizes, budget and seed; JSON-safe."""
    return {
        "data": [
            {
                "name": opened.study.title,
                "sha256": opened.sha256,
                "sha256_of": opened.of,
                "labels_key": opened.study.labels_key,
                "batch_key": opened.study.batch_key,
                "layer": opened.study.layer,
            }
            for opened in sets
        ],
        "config": asdict(config),
        "seed": seed,
    }


def card(training: Pretraining, same: dict[str, Any], *, seconds: float, made_by: str) -> dict[str, Any]:
    """Return the configuration that is saved beside the weights: sizes, genes, and the card; JSON-safe."""
    corpus, data = training.corpus, []
    for member, own in zip(corpus.members, same["data"], strict=True):
        study, source = member.opened.study, member.opened.source
        data.append(
            {
                **own,
                "studies": list(study.studies),
                "licence": study.licence,
                "citation": study.citation,
                "n_cells": source.n_obs,
                "n_genes": source.n_vars,
                "n_genes_of_vocabulary": len(member.present),
                "share_of_counts": None if member.match.share is None else round(member.match.share, 4),
                "n_classes": len(source.class_names) if member.opened.labelled else 0,
                "n_batches": len(source.batch_names),
            }
        )
    return {
        "format": FORMAT,
        "shape": asdict(training.network.shape),
        "card": {
            "data": data,
            "trained_on": sorted({name for member in corpus.members for name in member.opened.study.studies}),
            "config": same["config"],
            "seed": same["seed"],
            "device": training.device.type,
            "processes": training.team.size,
            "seconds": round(seconds, 1),
            "made_by": made_by,
            "versions": {"python": platform.python_version(), **{name: version(name) for name in _PACKAGES}},
            "losses": _ends(training.history),
        },
        "genes": corpus.genes.tolist(),
    }


def weights(state: dict[str, torch.Tensor]) -> dict[str, NDArray[Any]]:
    """Return the weights by name: the vectors of the genes, by far the most, as whole numbers from -31 to 31.

    A wheel packs these into less than six bits. Each gene has a step of its own, which goes into its scale and its noise;
    layers are kept in half precision.
    """
    arrays = {name: tensor.detach().cpu().numpy() for name, tensor in state.items()}
    step = np.maximum(np.abs(arrays["table"]).max(axis=1), 1e-12) / _LEVELS
    arrays["table"] = np.rint(arrays["table"] / step[:, None]).astype(np.int8)
    arrays["scale"] = (arrays["scale"] * step).astype(np.float32)
    arrays["noise"] = (arrays["noise"] * step**2).astype(np.float32)
    return {name: array.astype(np.float16) if _is_layer(name) else array for name, array in arrays.items()}


def _is_layer(name: str) -> bool:
    return name.endswith((".weight", ".bias"))


def _ends(history: list[dict[str, float]]) -> dict[str, dict[str, float]]:
    """Return the first and the last line of the history."""
    names = ("first", "last")
    return {
        name: {key: round(value, 4) for key, value in history[i].items()}
        for name, i in zip(names, (0, -1), strict=True)
        if history
    }
