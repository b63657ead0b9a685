"""Run one training stage with Lightning: a loss, a stream of batches, a budget of steps."""

from __future__ import annotations

import logging
import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any, Literal

import lightning.pytorch as L
import pandas as pd
import torch
from lightning.pytorch.callbacks import EarlyStopping
from torch import Tensor
from torch.utils.data import DataLoader, IterableDataset
from tqdm.auto import tqdm

from scdd._interrupt import interruptible
from scdd._threads import one_thread
from scdd.errors import TrainingError
from scdd.train._config import StageConfig, TrainerConfig

_LOGGER = logging.getLogger("scdd")

Batch = dict[str, Tensor]
Status = Literal["complete", "early_stopped", "interrupted", "out_of_time"]


@dataclass(frozen=True)
class StageResult:
    """What a training stage leaves behind, beside the trained parameters.

    Attributes
    ----------
    history
        Mean losses of each epoch, one column per loss.
    status
        Why it ended. An interrupted stage keeps what it has learnt.
    seconds
        Wall-clock time.
    """

    history: pd.DataFrame
    status: Status
    seconds: float


class _Steps(IterableDataset[Batch]):
    """Batches by step number: no state, so that a resumed run sees the same batches."""

    def __init__(self, make: Callable[[int], Batch], n: int) -> None:
        self.make, self.n, self.next = make, n, 0

    def __iter__(self) -> Iterator[Batch]:
        for _ in range(self.n):
            self.next += 1
            yield self.make(self.next - 1)

    def __len__(self) -> int:
        return self.n


class StagePlan(L.LightningModule):
    """Lightning's view of a stage: which parameters move, and along which loss."""

    def __init__(
        self,
        module: torch.nn.Module,
        loss: Callable[[Batch, int], dict[str, Tensor]],
        config: StageConfig,
        *,
        fused: bool = True,
    ) -> None:
        super().__init__()
        self.module, self.loss, self.config, self.fused = module, loss, config, fused
        self._sums: dict[str, float] = {}
        self._n = 0
        self.records: list[dict[str, float]] = []

    def configure_optimizers(self) -> Any:
        """AdamW under a one-cycle schedule over the whole budget."""
        # fused: one kernel for all parameters, which are many and small; Lightning clips no gradients of mixed precision
        # where the optimiser may unscale them itself
        optimizer = torch.optim.AdamW(
            self.module.parameters(), lr=self.config.lr, weight_decay=self.config.weight_decay, fused=self.fused
        )
        schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, self.config.lr, total_steps=self.config.n_steps + 1)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}

    def training_step(self, batch: Batch, batch_idx: int) -> Tensor:
        """Return the loss of a batch; a loss that is not finite ends the training with an error."""
        losses = self.loss(batch, self.global_step)
        if not torch.isfinite(losses["loss"]):
            msg = (
                f"The loss is not finite at step {self.global_step}. Lower the learning rate, or look for extreme "
                "values in the counts or in the embedding."
            )
            raise TrainingError(msg)
        self._n += 1
        for name, value in losses.items():
            self._sums[name] = self._sums.get(name, 0.0) + float(value.detach())
        return losses["loss"]

    def validation_step(self, batch: Batch, batch_idx: int) -> None:
        """Log the loss on held-out cells, the quantity that early stopping watches."""
        self.log("validation_loss", self.loss(batch, -1 - batch_idx)["loss"], batch_size=1)

    def on_train_epoch_end(self) -> None:
        """Keep the mean losses of the epoch."""
        # the last epoch may be shorter than the others
        record = {name: value / self._n for name, value in self._sums.items()}
        if "validation_loss" in self.trainer.callback_metrics:
            record["validation_loss"] = float(self.trainer.callback_metrics["validation_loss"])
        self.records.append(record)
        self._sums, self._n = {}, 0


class _Watch(L.Callback):
    """Progress bar and time limit."""

    def __init__(self, name: str, n_steps: int, progress: bool, deadline: float | None) -> None:
        self.bar = tqdm(total=n_steps, desc=name, disable=not progress, leave=True, mininterval=0.5)
        self.deadline, self.out_of_time, self.interrupted = deadline, False, False

    def on_train_batch_end(self, trainer: L.Trainer, pl_module: L.LightningModule, outputs: Any, *args: Any) -> None:
        self.bar.update()
        if self.bar.n % 25 == 0:
            self.bar.set_postfix(loss=f"{float(outputs['loss']):.3f}", refresh=False)
        if self.deadline is not None and time.monotonic() > self.deadline:
            self.out_of_time = True
            trainer.should_stop = True

    def on_exception(self, trainer: L.Trainer, pl_module: L.LightningModule, exception: BaseException) -> None:
        self.interrupted = isinstance(exception, KeyboardInterrupt)


@contextmanager
def _quiet() -> Iterator[None]:
    """Keep Lightning's hints about hardware and loggers out of the user's notebook, and only here."""
    loggers = [logging.getLogger(name) for name in ("lightning.pytorch", "lightning.fabric")]
    levels = [logger.level for logger in loggers]
    for logger in loggers:
        logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning")
            warnings.filterwarnings(
                "ignore", message=".*(does not have many workers|lr_scheduler.step|GPU available).*"
            )
            yield
    finally:
        for logger, level in zip(loggers, levels, strict=True):
            logger.setLevel(level)


def fit_stage(
    name: str,
    module: torch.nn.Module,
    *,
    loss: Callable[[Batch, int], dict[str, Tensor]],
    batches: Callable[[int], Batch],
    config: StageConfig,
    trainer_config: TrainerConfig,
    steps_per_epoch: int,
    validation: Callable[[int], Batch] | None = None,
    n_validation: int = 0,
    patience: int = 10,
    deadline: float | None = None,
    callbacks: tuple[L.Callback, ...] = (),
) -> StageResult:
    """Train the parameters of ``module`` along ``loss`` and leave it in evaluation mode.

    An interruption (Ctrl-C) or a deadline ends the stage early and keeps what was learnt; a second interruption
    stops at once.

    Parameters
    ----------
    name
        Shown at the progress bar.
    module
        Its parameters are trained.
    loss
        From a batch and the step number to named losses; ``"loss"`` is minimised. A negative step number says that
        the batch is a validation batch.
    batches
        From a step number to a batch.
    config, trainer_config
        Budget, and where to run.
    steps_per_epoch
        Steps between two entries of the history.
    validation, n_validation
        Validation batches by number, and how many; with them the stage stops early.
    patience
        Epochs without improvement after which it does.
    deadline
        Value of ``time.monotonic()`` at which to stop.
    callbacks
        More Lightning callbacks.

    Returns
    -------
    Status, seconds and losses by epoch.

    Examples
    --------
    >>> import scdd
    >>> line = torch.nn.Linear(1, 1)
    >>> def loss(batch, step):
    ...     return {"loss": (line(batch["x"]) - 2 * batch["x"]).square().mean()}
    >>> config = scdd.train.StageConfig(n_steps=50, batch_size=4, lr=0.1)
    >>> quiet = scdd.train.TrainerConfig(progress=False)
    >>> result = fit_stage(
    ...     "line",
    ...     line,
    ...     loss=loss,
    ...     batches=lambda step: {"x": torch.ones(4, 1)},
    ...     config=config,
    ...     trainer_config=quiet,
    ...     steps_per_epoch=10,
    ... )
    >>> result.status, bool(result.history["loss"].iloc[-1] < result.history["loss"].iloc[0])
    ('complete', True)
    """
    start = time.monotonic()
    steps_per_epoch = max(1, min(steps_per_epoch, config.n_steps))
    plan = StagePlan(module, loss, config, fused=trainer_config.precision == "32-true")
    watch = _Watch(name, config.n_steps, trainer_config.progress, deadline)
    extra: list[L.Callback] = [watch, *callbacks]
    loaders: dict[str, Any] = {"train_dataloaders": _loader(_Steps(batches, steps_per_epoch))}
    early: EarlyStopping | None = None
    if validation is not None:
        early = EarlyStopping("validation_loss", patience=patience, check_on_train_epoch_end=False)
        extra.append(early)
        held_out = [validation(i) for i in range(n_validation)]
        loaders["val_dataloaders"] = _loader(held_out)
    accelerator, _ = trainer_config.place()
    with _quiet(), one_thread():
        trainer = L.Trainer(
            accelerator=accelerator,
            devices=[trainer_config.number()] if accelerator == "gpu" else 1,
            precision=trainer_config.precision,
            max_steps=config.n_steps,
            max_epochs=-1,
            gradient_clip_val=config.gradient_clip,
            callbacks=extra,
            logger=False,
            enable_checkpointing=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
            limit_val_batches=n_validation if validation is not None else 0,
        )
        module.train()
        try:
            _fit(trainer, plan, watch, loaders)
        finally:
            watch.bar.close()
            module.eval()
    if watch.interrupted:
        status: Status = "interrupted"
    elif watch.out_of_time:
        status = "out_of_time"
    elif early is not None and early.stopped_epoch > 0:
        status = "early_stopped"
    else:
        status = "complete"
    history = pd.DataFrame(plan.records)
    history.index.name = "epoch"
    seconds = time.monotonic() - start
    _LOGGER.info("%s: %s after %d steps in %.1f s", name, status, trainer.global_step, seconds)
    return StageResult(history, status, seconds)


def _loader(batches: Any) -> DataLoader[Batch]:
    # a loader without a generator of its own draws from torch's global one, although nothing here is random
    return DataLoader(batches, batch_size=None, generator=torch.Generator())


def _fit(trainer: L.Trainer, plan: StagePlan, watch: _Watch, loaders: dict[str, Any]) -> None:
    """Fit; an interruption is noted by the watch."""
    try:
        with interruptible():
            trainer.fit(plan, **loaders)
    except KeyboardInterrupt:
        if not watch.interrupted:
            raise
