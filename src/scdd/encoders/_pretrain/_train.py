"""The training itself: network and heads along the losses, from checkpoint to checkpoint."""

from __future__ import annotations

import logging
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn
from tqdm.auto import tqdm

from scdd._interrupt import deferred
from scdd._rng import torch_stream
from scdd._threads import one_thread
from scdd.encoders._base_network import BaseNetwork, BaseShape
from scdd.encoders._pretrain._config import PretrainConfig
from scdd.encoders._pretrain._corpus import Corpus
from scdd.encoders._pretrain._factors import LEAST_SD, factors
from scdd.encoders._pretrain._losses import LOSSES, Heads, between_batches, between_views, total
from scdd.encoders._pretrain._team import Team
from scdd.encoders._pretrain._views import StudyBatch, Views
from scdd.errors import TrainingError

_LOG = logging.getLogger("scdd")
_MOMENTS = ("exp_avg", "exp_avg_sq")
_RECORD = 50  # steps whose mean losses are one line of the history

Arrays = dict[str, NDArray[Any]]
Sums = dict[str, tuple[float, int]]


class Pretraining:
    """Network, heads, optimiser and step: all that a checkpoint holds.

    Everything random derives from the seed and the number of the step, so a training that goes on from a checkpoint is, on
    a CPU, bit for bit the one that was not interrupted.

    Parameters
    ----------
    corpus
        The data sets.
    config
        Sizes, budget and weights.
    seed
        Of the first weights and of all draws.
    device
        Where to train; one device. On CUDA, products are taken in bfloat16.
    compile
        Let torch compile the perceptron of the network.
    team
        The processes that train together, each on cells of its own.
    """

    def __init__(
        self,
        corpus: Corpus,
        config: PretrainConfig,
        *,
        seed: int,
        device: str = "cpu",
        compile: bool = False,
        team: Team = Team(),
    ) -> None:
        self.corpus, self.config, self.device, self.team = corpus, config, torch.device(device), team
        self.views = Views(corpus, config, seed)
        shape = BaseShape(len(corpus.genes), config.dim, config.hidden)
        with torch.random.fork_rng(devices=[]):
            # layers of torch draw from the global stream, which is put back
            torch.manual_seed(int(torch_stream(seed, "layers").initial_seed()))
            self.network, self.heads = BaseNetwork(shape), Heads(corpus, config.dim)
        start(self.network, self.heads, corpus, seed=seed)
        self.network.to(self.device)
        self.heads.to(self.device)
        # machines of different kinds may not agree on the last digits
        team.share([*self.network.state_dict().values(), *self.heads.state_dict().values()])
        if compile:
            self.network.head = torch.compile(self.network.head)  # type: ignore[method-assign]
        self.optimizer = torch.optim.AdamW(
            [p for _, p in self._parameters()], lr=config.lr, weight_decay=config.weight_decay, fused=True
        )
        self.step = 0
        self.history: list[dict[str, float]] = []
        self._sums: Sums = {}

    def run(
        self, *, save: Callable[[Pretraining], None], progress: bool = True, until: int | None = None
    ) -> Pretraining:
        """Train to the end of the budget, or to a step.

        Parameters
        ----------
        save
            Called with this object every ``checkpoint_every`` steps, and when the user interrupts; in the process that
            leads.
        progress
            Show a bar.
        until
            Step to stop at.

        Raises
        ------
        scdd.errors.TrainingError
            If the loss is not finite.
        """
        last = self.config.n_steps if until is None else min(until, self.config.n_steps)
        # one thread: on few cores as fast, and the result does not depend on their number
        with one_thread(), tqdm(total=last, initial=self.step, desc="pretrain", disable=not progress) as bar:
            while self.step < last:
                with deferred() as interrupt:
                    losses = self._one_step()
                    self._record(losses)
                    self.step += 1
                    # all stop after the same step, or the others would wait for the one that was asked to
                    stop = any(self.team.gather(interrupt.raised))
                    if self.team.leads and (stop or self.step % self.config.checkpoint_every == 0):
                        save(self)
                if stop:
                    raise KeyboardInterrupt
                bar.update()
        return self

    def arrays(self) -> Arrays:
        """Return parameters and moments by name, float32, on the CPU."""
        out: Arrays = {}
        for name, parameter in self._parameters():
            out[f"parameter.{name}"] = parameter.detach().cpu().numpy()
            state = self.optimizer.state.get(parameter, {})
            out |= {f"{moment}.{name}": state[moment].cpu().numpy() for moment in _MOMENTS if moment in state}
        return out

    def restore(
        self,
        arrays: Mapping[str, NDArray[Any]],
        *,
        step: int,
        history: list[dict[str, float]],
        sums: Mapping[str, tuple[float, int]],
    ) -> None:
        """Take back what :meth:`arrays`, ``step``, ``history`` and ``sums`` were at a checkpoint."""
        for name, parameter in self._parameters():
            with torch.no_grad():
                parameter.copy_(torch.from_numpy(arrays[f"parameter.{name}"].copy()))
            self.optimizer.state[parameter] = {
                "step": torch.tensor(float(step), device=self.device),
                **{m: torch.from_numpy(arrays[f"{m}.{name}"].copy()).to(self.device) for m in _MOMENTS},
            }
        self.step, self.history = step, list(history)
        self._sums = {name: (value, n) for name, (value, n) in sums.items()}

    @property
    def sums(self) -> Sums:
        """Sum of each loss since the last line of the history, and the number of steps that had it."""
        return dict(self._sums)

    def _parameters(self) -> Iterator[tuple[str, nn.Parameter]]:
        for part, module in (("network", self.network), ("heads", self.heads)):
            for name, parameter in module.named_parameters():
                yield f"{part}.{name}", parameter

    def _one_step(self) -> dict[str, float]:
        for group in self.optimizer.param_groups:
            group["lr"] = self.config.lr * _schedule(self.step, self.config)
        with _autocast(self.device):
            losses = total(self._losses(), self.config)
        told = self.team.means(losses, ("loss", *LOSSES))
        if not math.isfinite(told["loss"]):
            msg = f"The loss is not finite at step {self.step}. Lower the learning rate: PretrainConfig(lr=...)."
            raise TrainingError(msg)
        self.optimizer.zero_grad(set_to_none=True)
        losses["loss"].backward()
        self._fill_gradients()
        self.team.average(p.grad for _, p in self._parameters() if p.grad is not None)
        nn.utils.clip_grad_norm_([p for _, p in self._parameters()], self.config.gradient_clip)
        self.optimizer.step()
        return told

    def _fill_gradients(self) -> None:
        """Give parameters that took no part a gradient of zero, so that all have moments of the same age."""
        for _, parameter in self._parameters():
            if parameter.grad is None:
                parameter.grad = torch.zeros_like(parameter)

    def _losses(self) -> dict[str, list[Tensor]]:
        losses: dict[str, list[Tensor]] = {name: [] for name in LOSSES}
        for batch in self.views(self.step * self.team.size + self.team.rank):
            for name, value in self._of_study(batch).items():
                if value is not None:
                    losses[name].append(value)
        return losses

    def _of_study(self, batch: StudyBatch) -> dict[str, Tensor | None]:
        config, heads = self.config, self.heads
        embedded = [
            self.network.of_dense(*(self._tensor(part) for part in (view.x, view.genes, view.centre)))
            for view in batch.views
        ]
        z, labels = embedded[0], self._tensor(batch.labels)
        wanted, target = self._tensor(batch.wanted), self._tensor(batch.target)
        return {
            "prediction": heads.prediction(z, batch.study, wanted, target),
            "classes": heads.contrast(z, batch.study, labels, config.temperature) if config.classes else None,
            "views": between_views(embedded[0], embedded[1], config.temperature) if config.views else None,
            "batches": between_batches(z, labels, self._tensor(batch.batches)) if config.batches else None,
        }

    def _tensor(self, array: NDArray[Any]) -> Tensor:
        return torch.from_numpy(np.ascontiguousarray(array)).to(self.device, non_blocking=True)

    def _record(self, losses: dict[str, float]) -> None:
        for name, value in losses.items():
            before, n = self._sums.get(name, (0.0, 0))
            self._sums[name] = (before + value, n + 1)
        done = self.step + 1
        if done % _RECORD == 0 or done == self.config.n_steps:
            self.history.append({"step": done, **{name: value / n for name, (value, n) in self._sums.items()}})
            _LOG.debug("pretraining: %s", self.history[-1])
            self._sums = {}


def start(network: BaseNetwork, heads: Heads, corpus: Corpus, *, seed: int) -> None:
    """Give network and heads their first values: the factors, which stay, and a perceptron that adds nothing yet."""
    rng = torch_stream(seed, "tables")
    loadings, noise = factors(corpus, network.shape.dim, seed=seed)
    values = {
        "mean": corpus.mean,
        "fraction": corpus.fraction,
        "scale": 1 / (corpus.sd + LEAST_SD),
        "noise": noise,
        "table": loadings / noise[:, None],
    }
    with torch.no_grad():
        for name, value in values.items():
            getattr(network, name).copy_(torch.from_numpy(value))
        network.down.weight.zero_()
        network.down.bias.zero_()
        heads.genes.copy_(torch.randn(heads.genes.shape, generator=rng) * 0.01)
        heads.proxies.copy_(torch.randn(heads.proxies.shape, generator=rng))


def _schedule(step: int, config: PretrainConfig) -> float:
    """Return the share of the largest rate: a linear rise, then a cosine to zero."""
    rise = max(1, round(config.warmup * config.n_steps))
    if step < rise:
        return (step + 1) / rise
    done = (step - rise) / max(1, config.n_steps - rise)
    return 0.5 * (1 + math.cos(math.pi * min(done, 1.0)))


@contextmanager
def _autocast(device: torch.device) -> Iterator[None]:
    if device.type != "cuda":
        yield
        return
    with torch.autocast("cuda", dtype=torch.bfloat16):
        yield
