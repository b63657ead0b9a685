"""A training stage: budget, history, early ends, and what it leaves of the process around it."""

from __future__ import annotations

import signal
import sys
import time
import warnings

import lightning.pytorch as L
import numpy as np
import pytest
import torch
from torch import nn

from scdd._interrupt import deferred, interruptible
from scdd.errors import InputError, TrainingError
from scdd.train import StageConfig, StageResult, TrainerConfig, fit_stage

CPU = TrainerConfig(accelerator="cpu", devices=1, progress=False)
TARGET = torch.tensor([[1.0, -2.0, 0.5]])


def run(
    n_steps: int = 40, *, loss=None, batches=None, steps_per_epoch: int = 10, module: nn.Module | None = None, **options
) -> tuple[nn.Module, StageResult, list[int]]:
    """Fit a linear map to known weights; returns it, the result and the steps of the batches that were made."""
    if module is None:
        module = nn.Linear(3, 1, bias=False)
        nn.init.zeros_(module.weight)
    steps: list[int] = []

    def make(step: int) -> dict[str, torch.Tensor]:
        steps.append(step)
        return {"x": torch.randn(32, 3, generator=torch.Generator().manual_seed(step))}

    def square(batch, step):
        return {"loss": (module(batch["x"]) - batch["x"] @ TARGET.T).square().mean()}

    config = StageConfig(n_steps=n_steps, batch_size=32, lr=0.2, weight_decay=0.0)
    result = fit_stage(
        "toy",
        module,
        loss=loss or square,
        batches=batches or make,
        config=config,
        steps_per_epoch=steps_per_epoch,
        **{"trainer_config": CPU, **options},
    )
    return module, result, steps


class Raise(L.Callback):
    """Raises after a step."""

    def __init__(self, step: int, error: BaseException) -> None:
        self.step, self.error = step, error

    def on_train_batch_end(self, trainer, *args) -> None:
        if trainer.global_step == self.step:
            raise self.error


def test_learns_and_takes_exactly_its_budget():
    module, result, steps = run(143)
    torch.testing.assert_close(module.weight.detach(), TARGET, rtol=0, atol=0.05)
    assert result.status == "complete"
    assert steps[:143] == list(range(143))
    assert len(steps) <= 144
    assert not module.training
    assert 0 < result.seconds < 60


@pytest.mark.parametrize(("n_steps", "per_epoch", "n_epochs"), [(40, 10, 4), (43, 10, 5), (3, 10, 1), (1, 1, 1)])
def test_history_has_an_entry_per_epoch_that_is_a_mean_over_its_steps(n_steps: int, per_epoch: int, n_epochs: int):
    module = nn.Linear(3, 1)

    def constant(batch, step):
        value = 3.0 + 0 * module(batch["x"]).sum()
        return {"loss": value, "other": value * 2}

    _, result, _ = run(n_steps, loss=constant, steps_per_epoch=per_epoch, module=module)
    assert len(result.history) == n_epochs
    assert result.history.index.name == "epoch"
    # the last epoch may be short: it is still a mean
    np.testing.assert_allclose(result.history["loss"], 3.0, rtol=1e-6)
    np.testing.assert_allclose(result.history["other"], 6.0, rtol=1e-6)


def test_steps_are_numbered_from_zero():
    seen: list[int] = []
    module = nn.Linear(3, 1)

    def loss(batch, step):
        seen.append(step)
        return {"loss": module(batch["x"]).square().mean()}

    run(12, loss=loss, steps_per_epoch=5, module=module)
    assert seen == list(range(12))


def test_interruption_is_said_and_keeps_what_was_learnt():
    handler = signal.getsignal(signal.SIGINT)
    module, result, _ = run(40, callbacks=(Raise(15, KeyboardInterrupt()),))
    assert result.status == "interrupted"
    assert float((module.weight.detach() - TARGET).norm()) < float(TARGET.norm())
    assert signal.getsignal(signal.SIGINT) is handler
    assert not module.training
    assert not sys.stdin.closed
    assert len(result.history) >= 1


def test_interruption_from_the_data():
    def make(step):
        if step == 7:
            raise KeyboardInterrupt
        return {"x": torch.randn(8, 3)}

    assert run(40, batches=make)[1].status == "interrupted"


@pytest.mark.usefixtures("interruptible")
def test_interruption_by_a_real_signal():
    handler = signal.getsignal(signal.SIGINT)

    class Signal(L.Callback):
        def on_train_batch_end(self, trainer, *args) -> None:
            if trainer.global_step == 5:
                signal.raise_signal(signal.SIGINT)

    assert run(40, callbacks=(Signal(),))[1].status == "interrupted"
    assert signal.getsignal(signal.SIGINT) is handler


@pytest.mark.parametrize("error", [ZeroDivisionError("x"), SystemExit(3), MemoryError()])
def test_other_errors_come_through(error: BaseException):
    handler = signal.getsignal(signal.SIGINT)
    with pytest.raises(type(error)):
        run(40, callbacks=(Raise(3, error),))
    assert signal.getsignal(signal.SIGINT) is handler


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_loss_that_is_not_finite_names_the_step(value: float):
    module = nn.Linear(3, 1)

    def loss(batch, step):
        out = module(batch["x"]).square().mean()
        return {"loss": out * value if step == 17 else out}

    before = signal.getsignal(signal.SIGINT)
    with pytest.raises(TrainingError, match=r"not finite at step 17\b"):
        run(40, loss=loss, module=module)
    assert signal.getsignal(signal.SIGINT) is before
    assert all(bool(torch.isfinite(p).all()) for p in module.parameters())
    assert not module.training


def test_deadline():
    start = time.monotonic()

    def make(step):
        time.sleep(0.01)
        return {"x": torch.randn(8, 3)}

    _, result, _ = run(100_000, batches=make, deadline=start + 0.5)
    assert result.status == "out_of_time"
    assert time.monotonic() - start < 20
    _, past, steps = run(1000, deadline=time.monotonic() - 1)
    assert past.status == "out_of_time"
    assert len(steps) <= 2


def test_early_stopping_ends_when_the_held_out_loss_no_longer_falls():
    module = nn.Linear(3, 1)
    make = lambda i: {"x": torch.randn(16, 3, generator=torch.Generator().manual_seed(-1 - i))}
    numbers: list[int] = []

    def loss(batch, step):
        if step < 0:
            numbers.append(step)
            return {"loss": torch.tensor(1.0)}  # never better
        return {"loss": module(batch["x"]).square().mean()}

    _, result, steps = run(
        400, loss=loss, module=module, steps_per_epoch=4, patience=3, validation=lambda i: make(0), n_validation=2
    )
    assert result.status == "early_stopped"
    assert 12 <= len(steps) <= 24
    assert set(numbers) == {-1, -2}
    assert (result.history["validation_loss"] == 1.0).all()


def test_early_stopping_does_not_end_what_still_improves():
    value = iter(range(10_000, 0, -1))
    module = nn.Linear(3, 1)

    def loss(batch, step):
        out = module(batch["x"]).square().mean()
        return {"loss": out if step >= 0 else torch.tensor(float(next(value)))}

    _, result, _ = run(
        60,
        loss=loss,
        module=module,
        steps_per_epoch=4,
        patience=2,
        validation=lambda i: {"x": torch.randn(4, 3)},
        n_validation=1,
    )
    assert result.status == "complete"


def test_same_run_gives_the_same_bits_and_leaves_global_random_state_alone():
    torch_state, numpy_state = torch.get_rng_state().clone(), repr(np.random.get_state())
    first, second = (run(20)[0].weight.detach().clone() for _ in range(2))
    assert torch.equal(first, second)
    # the weights of the toy are drawn from the global state: put that aside
    torch.set_rng_state(torch_state)
    module = nn.Linear(3, 1, bias=False)
    state = torch.get_rng_state().clone()
    run(20, module=module)
    assert torch.equal(torch.get_rng_state(), state)
    assert repr(np.random.get_state()) == numpy_state


def test_nothing_is_printed_written_or_left_behind(capfd, tmp_path, monkeypatch, caplog):
    monkeypatch.chdir(tmp_path)
    filters = list(warnings.filters)
    run(12)
    out, err = capfd.readouterr()
    assert out == err == ""
    assert not caplog.records
    assert list(tmp_path.iterdir()) == []
    assert warnings.filters == filters
    assert torch.is_grad_enabled()
    assert not torch.are_deterministic_algorithms_enabled()


def test_in_a_thread():
    from threading import Thread

    results: list[StageResult] = []
    thread = Thread(target=lambda: results.append(run(6)[1]))
    thread.start()
    thread.join()
    assert results[0].status == "complete"


def test_mixed_precision_learns():
    """A fused optimiser unscales gradients itself, and Lightning refuses to clip them then."""
    module, result, _ = run(80, trainer_config=TrainerConfig("cpu", precision="bf16-mixed", progress=False))
    assert result.status == "complete"
    torch.testing.assert_close(module.weight.detach(), TARGET, rtol=0, atol=0.2)


@pytest.mark.parametrize("devices", [2, -1, [0, 1], "0,1"], ids=str)
def test_more_than_one_device_is_refused(devices):
    """Each would train on the same cells, and a script would be started once for each."""
    with pytest.raises(InputError, match="takes one device"):
        run(trainer_config=TrainerConfig("cpu", devices=devices, progress=False))


@pytest.mark.parametrize(("devices", "expected"), [("auto", 0), (1, 0), ([2], 2)], ids=str)
def test_one_gpu_of_several_is_taken(monkeypatch: pytest.MonkeyPatch, devices, expected: int):
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 4)
    config = TrainerConfig(devices=devices)
    assert config.place() == ("gpu", torch.device("cuda", expected))
    with pytest.raises(InputError, match="GPU number 7"):
        TrainerConfig(devices=[7]).place()


def test_progress_shows_the_loss(capfd: pytest.CaptureFixture[str]):
    run(60, trainer_config=TrainerConfig("cpu", progress=True))
    assert "loss=" in capfd.readouterr().err


@pytest.mark.parametrize("block", [deferred, interruptible])
def test_a_handler_from_outside_python_stays(block, monkeypatch: pytest.MonkeyPatch) -> None:
    """In R, SIGINT is not Python's: its handler reads as None, and None cannot be installed."""
    installed: list[object] = []
    monkeypatch.setattr("scdd._interrupt.signal.getsignal", lambda number: None)
    monkeypatch.setattr("scdd._interrupt.signal.signal", lambda number, handler: installed.append(handler))
    with block():
        pass
    assert installed == []
