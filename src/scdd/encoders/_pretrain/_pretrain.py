"""``scdd.encoders.pretrain``: an encoder from many data sets."""

from __future__ import annotations

import logging
import os
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from scdd._rng import Seed, canonical_seed
from scdd._settings import FROM_SETTINGS, settings
from scdd.encoders._place import device_name
from scdd.encoders._pretrain._config import PretrainConfig, Study
from scdd.errors import EncoderError, InputError

if TYPE_CHECKING:
    from anndata import AnnData

    from scdd.encoders._pretrain._corpus import Opened
    from scdd.encoders._pretrain._team import Team
    from scdd.encoders._pretrain._train import Pretraining
    from scdd.encoders._scdd_base import ScddBaseEncoder

_LOG = logging.getLogger("scdd")


def pretrain(
    data: Sequence[AnnData | str | os.PathLike[str] | Study],
    path: str | os.PathLike[str],
    *,
    labels_key: str | None = None,
    batch_key: str | None = None,
    config: PretrainConfig | None = None,
    backed: bool = False,
    seed: Seed = FROM_SETTINGS,
    device: str = "auto",
    compile: bool = False,
    overwrite: bool = False,
    made_by: str = "scdd.encoders.pretrain",
    progress: bool | None = None,
) -> ScddBaseEncoder:
    """Pretrain an encoder on many data sets with different genes, labels, batches and technologies at once.

    Every step sees some cells of each data set, with a part of their genes and of their counts: the embedding has to tell
    the expression of genes that were hidden, and the classes of a data set apart, and not its batches. Genes are matched by
    symbols in capitals, so that human and mouse share them by name, not by orthology.

    A training that was interrupted goes on from its last checkpoint, the folder ``<path>.training``, when it is called
    again with the same data, configuration and seed; on a CPU the result is the same bit for bit.

    Several GPUs, or several machines, train together where ``torchrun`` starts this call or ``scdd pretrain`` once for each
    (``torchrun --nproc-per-node 4 -m scdd pretrain ...``): each process draws cells of its own, so that a step sees as many
    times more, and gradients are averaged. Several machines need a file system that they share, for the data, ``path`` and the
    checkpoint: the first process writes, and all read.

    Parameters
    ----------
    data
        Data sets: AnnData with raw counts, paths of ``.h5ad`` files or ``.zarr`` stores, or
        :class:`~scdd.encoders.Study`, which also names columns, origin and licence.
    path
        Folder to write.
    labels_key, batch_key
        Columns of ``obs`` of those that are no ``Study``. None: no labels, one batch.
    config
        Sizes, budget and weights of the losses. Default: ``PretrainConfig()``.
    backed
        Leave the counts of files on disk.
    seed
        Of the first weights and of all draws. Default: ``scdd.settings.seed``.
    device
        ``"cpu"``, ``"cuda"``, ...; ``"auto"`` takes a GPU if there is one. Each process uses one device. On CUDA, products
        are taken in bfloat16.
    compile
        Let torch compile the perceptron of the network; pays on a GPU.
    overwrite
        Replace an older encoder at this path.
    made_by
        How to make it again, for the card.
    progress
        Show a progress bar. Default: ``scdd.settings.progress``.

    Returns
    -------
    The encoder, as ``scdd.encoders.get("scdd-base:<path>")``. The folder holds weights (safetensors), a card (JSON: data
    sets by hash, studies, licences, configuration, losses) and a manifest of hashes.

    Raises
    ------
    scdd.errors.InputError
        If the folder cannot be written, a file is not there, or the checkpoint is of another training.
    scdd.errors.CountsError
        If a data set does not hold raw counts.
    scdd.errors.LabelError
        If a column is absent.
    scdd.errors.GeneError
        If genes have no symbols, or no gene is expressed.
    scdd.errors.TrainingError
        If the loss is not finite.
    scdd.errors.EncoderError
        If another process cannot go on, or the processes see different checkpoints.

    Examples
    --------
    >>> import scdd
    >>> sets = [scdd.datasets.simulate(n_obs=200, n_vars=150, seed=seed) for seed in (0, 1)]
    >>> config = scdd.encoders.PretrainConfig(n_steps=5, cells_per_study=8, hidden=16, dim=4)
    >>> encoder = scdd.encoders.pretrain(sets, "mine", labels_key="cell_type", config=config, progress=False)
    >>> scdd.tl.embed(sets[0], "scdd-base:mine").shape
    (200, 4)
    """
    from scdd.encoders._pretrain import _card
    from scdd.encoders._pretrain._open import as_studies, open_study
    from scdd.encoders._pretrain._team import joined, own_device
    from scdd.encoders._scdd_base import ScddBaseEncoder
    from scdd.io import write_model
    from scdd.io._files import check_target
    from scdd.io._folder import remove_folder

    config, number, where = config or PretrainConfig(), canonical_seed(seed), own_device(device_name(device))
    studies = as_studies(data, labels_key=labels_key, batch_key=batch_key)
    begun = time.monotonic()
    with joined(where) as team:
        with team.together():
            target = check_target(path, overwrite=overwrite).absolute()
            sets = [open_study(study, backed=backed) for study in studies]
        training = _training(sets, config, seed=number, device=where, compile=compile, team=team)
        same = _card.identity(sets, config, number)
        checkpoint = target.with_name(f"{target.name}.training")
        with team.together():
            begun -= _resume(training, checkpoint, same)
        _require_one_step(training, checkpoint)
        save = partial(_save, checkpoint=checkpoint, same=same, begun=begun)
        training.run(save=save, progress=settings.shows_progress(progress) and team.leads)
        if team.leads:
            written = _card.card(training, same, seconds=time.monotonic() - begun, made_by=made_by)
            write_model(target, _card.weights(training.network.state_dict()), written, overwrite=overwrite)
            remove_folder(checkpoint)
        team.wait()  # the others return what the first one wrote
    return ScddBaseEncoder(target)


def _training(
    sets: Sequence[Opened], config: PretrainConfig, *, seed: int, device: str, compile: bool, team: Team
) -> Pretraining:
    """Return the training at its first step."""
    from scdd.encoders._pretrain._corpus import build_corpus, choose_genes
    from scdd.encoders._pretrain._train import Pretraining

    corpus = build_corpus(sets, choose_genes(sets, n_genes=config.n_genes, min_cells=config.min_cells))
    for member in corpus.members if team.leads else ():
        _LOG.info("pretraining: %r: %s", member.opened.study.title, member.match)
    return Pretraining(corpus, config, seed=seed, device=device, compile=compile, team=team)


def _save(state: Pretraining, *, checkpoint: Path, same: dict[str, Any], begun: float) -> None:
    """Write a checkpoint."""
    from scdd.io import write_model

    seconds = round(time.monotonic() - begun, 1)
    now = {"same": same, "step": state.step, "history": state.history, "sums": state.sums, "seconds": seconds}
    write_model(checkpoint, state.arrays(), now, overwrite=True)


def _resume(training: Pretraining, checkpoint: Path, same: dict[str, Any]) -> float:
    """Go on from a checkpoint, if there is one; return the seconds that were spent before."""
    from scdd.io import read_model
    from scdd.io._folder import set_aside

    if not checkpoint.exists() and not set_aside(checkpoint):
        return 0.0
    arrays, state = read_model(checkpoint)
    other = state["same"]
    differs = [key for key in same if other.get(key) != same[key]]
    if differs:
        msg = (
            f"{checkpoint} is the checkpoint of another training ({', '.join(differs)} differ). "
            "Remove it, or choose another path."
        )
        raise InputError(msg)
    training.restore(arrays, step=state["step"], history=state["history"], sums=state["sums"])
    _LOG.info("pretraining goes on from step %d", training.step)
    return float(state["seconds"])


def _require_one_step(training: Pretraining, checkpoint: Path) -> None:
    """Raise in all processes unless all found the same checkpoint: they would run different numbers of steps."""
    steps = training.team.gather(training.step)
    if len(set(steps)) > 1:
        msg = (
            f"The processes do not see the same {checkpoint}: they would go on from the steps {', '.join(map(str, steps))}. "
            "Several machines need a file system that they share, for this folder and the encoder."
        )
        raise EncoderError(msg)
