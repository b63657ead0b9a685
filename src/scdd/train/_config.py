"""How a stage is trained."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from scdd.errors import InputError

if TYPE_CHECKING:
    import torch


@dataclass(frozen=True)
class StageConfig:
    """Budget of one training stage.

    Attributes
    ----------
    n_steps
        Number of optimiser steps (a budget in steps, not in epochs, costs the same for 1,000 and for 1,000,000 cells).
    batch_size
        Cells per step; for the generator, cells per class.
    lr
        Peak learning rate of the one-cycle schedule.
    weight_decay
        Decoupled weight decay of AdamW.
    gradient_clip
        Largest norm of a gradient.
    """

    n_steps: int
    batch_size: int
    lr: float = 2e-3
    weight_decay: float = 1e-4
    gradient_clip: float = 10.0


@dataclass(frozen=True)
class TrainConfig:
    """Budgets of the two stages of training."""

    autoencoder: StageConfig = StageConfig(n_steps=600, batch_size=128)
    generator: StageConfig = StageConfig(n_steps=500, batch_size=32, lr=1e-3, weight_decay=0.0)

    def with_epochs(self, max_epochs: int | None, *, batch_size: int, n_obs: int) -> TrainConfig:
        """Return the budgets with another batch size and, if ``max_epochs`` is given, so many passes over the cells."""
        if batch_size < 1:
            msg = f"batch_size must be at least 1, got {batch_size}."
            raise InputError(msg)
        stage = replace(self.autoencoder, batch_size=batch_size)
        if max_epochs is not None:
            if max_epochs < 1:
                msg = f"max_epochs must be at least 1, got {max_epochs}."
                raise InputError(msg)
            stage = replace(stage, n_steps=max_epochs * -(-n_obs // batch_size))
        return replace(self, autoencoder=stage)


@dataclass(frozen=True)
class TrainerConfig:
    """Where a stage runs, handed to the Lightning trainer.

    Attributes
    ----------
    accelerator, devices
        As in Lightning and scvi-tools: ``"auto"``, ``"cpu"``, ``"gpu"``, ``"mps"``; and which device: ``"auto"`` or 1 for
        the first, ``[k]`` for number k. A stage runs on one device.
    precision
        ``"32-true"`` or, on a GPU, ``"bf16-mixed"``.
    progress
        Show one progress bar per stage.
    """

    accelerator: str = "auto"
    devices: int | list[int] | str = "auto"
    precision: Any = "32-true"
    progress: bool = True

    def place(self) -> tuple[str, torch.device]:
        """Return Lightning's accelerator, and the device of everything outside of a stage.

        ``"auto"`` takes an NVIDIA GPU if there is one, else the CPU (as in scvi-tools, never MPS: ask for it).

        Raises
        ------
        scdd.errors.InputError
            If there is no such device, or more than one is asked for.
        """
        import torch

        number = self.number()
        if self.accelerator in ("gpu", "cuda") and not torch.cuda.is_available():
            msg = "A GPU is asked for, but torch sees none. Use accelerator='cpu' (device='cpu') or 'auto'."
            raise InputError(msg)
        if self.accelerator == "mps" and not torch.backends.mps.is_available():
            msg = "MPS is asked for, but torch sees none. Use accelerator='cpu' (device='cpu') or 'auto'."
            raise InputError(msg)
        if self.accelerator in ("auto", "gpu", "cuda") and torch.cuda.is_available():
            if number >= torch.cuda.device_count():
                msg = f"GPU number {number} is asked for; torch sees {torch.cuda.device_count()}, from 0."
                raise InputError(msg)
            return "gpu", torch.device("cuda", number)
        return ("cpu" if self.accelerator == "auto" else self.accelerator), torch.device("cpu")

    def number(self) -> int:
        """Return the number of the device.

        Raises
        ------
        scdd.errors.InputError
            If more than one is asked for.
        """
        match self.devices:
            case "auto" | 1 | "1":
                return 0
            case [int(number)] if number >= 0:
                return number
        # several processes would each train on the same cells
        msg = f"Training takes one device, got devices={self.devices!r}. Use 'auto', 1, or [k] for number k."
        raise InputError(msg)
