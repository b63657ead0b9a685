"""What a model holds, as text and as a small HTML table."""

from __future__ import annotations

from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from scdd.model._state import ModelState

__all__ = ["as_html", "as_text", "facts"]

_NAMES, _WIDTH = 5, 40  # labels that are listed, and their longest text


def facts(model: ModelState) -> dict[str, str]:
    """Return what a model holds, by name, in the order in which it is shown."""
    meta, shape = model._meta, model.module.shape
    labels = f"{_number(shape.n_classes, 'class', 'classes')} in obs[{_short(meta.labels_key)!r}]: {_listed(meta.class_names)}"
    batches = "1 batch"
    if meta.batch_key is not None:
        batches = f"{_number(shape.n_batches, 'batch', 'batches')} in obs[{_short(meta.batch_key)!r}]: {_listed(meta.batch_names)}"
    out = {
        "cells": f"{_number(meta.n_obs, 'cell')}{'' if model._checked is not None else ' (not at hand: loaded without)'}",
        "genes": f"{_number(shape.n_vars, 'gene')}, {shape.n_hvg:,} highly variable",
        "labels": labels,
        "batches": batches,
        "donors": f"obs[{_short(meta.donor_key)!r}]" if meta.donor_key is not None else "not known",
        "encoder": f"{_short(model._encoder.spec)} (licence: {_short(model._encoder.info.licence)})",
        "latent space": f"n_latent {shape.autoencoder.n_latent}",
        "generator": f"engine {model._engine}",
        "seed": str(model._seed),
        "trained": ", ".join(f"{stage} {status}" for stage, status in model._status.items())
        if model.is_trained_
        else "no",
    }
    if model._seconds:
        out["training time"] = f"{sum(model._seconds.values()):.0f} s"
    if model._quality:
        out["generated cells"] = ", ".join(f"{name} {value:.3g}" for name, value in model._quality.items())
    return out


def as_text(model: ModelState) -> str:
    """Return the facts, a line each, below a line that says the most."""
    told = facts(model)
    width = max(map(len, told))
    return "\n".join([_head(model), *(f"  {name:{width}}  {value}" for name, value in told.items())])


def as_html(model: ModelState) -> str:
    """Return the facts as a table, in the colours of the page; labels and names are text, whatever they hold."""
    look = "text-align: left; vertical-align: top"
    rows = "".join(
        f'<tr><th style="{look}">{escape(name)}</th><td style="{look}">{escape(value)}</td></tr>'
        for name, value in facts(model).items()
    )
    return f'<div><strong>{escape(_head(model))}</strong><table style="color: inherit">{rows}</table></div>'


def _head(model: ModelState) -> str:
    return f"SCDD model, {'trained' if model.is_trained_ else 'not trained'}"


def _number(n: int, one: str, many: str | None = None) -> str:
    return f"{n:,} {one if n == 1 else many or one + 's'}"


def _listed(names: list[str]) -> str:
    more = f", and {len(names) - _NAMES:,} more" if len(names) > _NAMES else ""
    return ", ".join(_short(name) for name in names[:_NAMES]) + more


def _short(text: str) -> str:
    """Return a text on one line, cut where it is long."""
    plain = " ".join(text[: 4 * _WIDTH].split())
    return plain if len(plain) <= _WIDTH and len(text) <= 4 * _WIDTH else plain[: _WIDTH - 1] + "…"
