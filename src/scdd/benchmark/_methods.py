"""What is compared: every baseline, our own method, the references, and whatever function a user brings."""

from __future__ import annotations

import hashlib
import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
import scipy.sparse as sp
from numpy.typing import NDArray

from scdd._registry import Registry
from scdd.benchmark._cost import Cost, measured
from scdd.benchmark._prepare import Training
from scdd.errors import InputError

if TYPE_CHECKING:
    from scdd.encoders import Encoder

__all__ = ["METHODS", "FromFit", "Made", "Method", "resolve_methods"]

Sized = Literal["n", "one", "all"]


@dataclass(frozen=True, eq=False)
class Made:
    """A small set.

    Attributes
    ----------
    counts
        CSR (n_rows, n_genes).
    labels
        int (n_rows,) codes.
    cost
        What it took, without what all methods share; None: what passed while it was made.
    """

    counts: sp.csr_matrix
    labels: NDArray[np.integer]
    cost: Cost | None = None


@dataclass(frozen=True)
class Method:
    """A way to make a small set of training cells.

    Attributes
    ----------
    name
        Name in the results.
    make
        ``make(training, n, seed)`` returns a :class:`scdd.benchmark.Made`; it sees nothing of the test cells.
    sized
        ``"n"``: at most n rows a class; ``"one"``: one row a class, whatever n; ``"all"``: a reference with as many
        rows as it likes. Tables look this up by name, so one of your own that is not ``"n"`` is registered in
        :data:`METHODS` first.
    ours
        Whether it is scdd itself, which is kept away from reserved tasks.
    encoder
        The pretrained encoder that it uses, as :func:`scdd.encoders.get` takes it. A task that the encoder was trained on
        is refused.
    sees
        What it is given of the training cells, in words, for the record.
    settings
        Returns its fixed options and budgets, for the record; JSON-safe.

    Examples
    --------
    >>> METHODS.get("random").sized, METHODS.get("full").sized
    ('n', 'all')
    """

    name: str
    make: Callable[[Training, int, int], Made]
    sized: Sized = "n"
    ours: bool = False
    encoder: str | Encoder | None = None
    sees: str = "counts, labels and an embedding of the training cells"
    settings: Callable[[], Mapping[str, Any]] = dict

    def facts(self) -> dict[str, Any]:
        """Return what a reader must know: what it sees, how many rows it makes, its settings; the code of a function."""
        rows = {"n": "at most n a class", "one": "one a class", "all": "as many as it likes"}[self.sized]
        encoder = self.encoder if self.encoder is None or isinstance(self.encoder, str) else self.encoder.spec
        told = {"sees": self.sees, "rows": rows, "encoder": encoder, "settings": dict(self.settings())}
        code = self.make.code() if isinstance(self.make, FromFit) and self.make.own else None
        return told if code is None else told | {"code": code}

    def budgets(self, n: Sequence[int]) -> list[int]:
        """Return the budgets that are run: 0 stands for all cells."""
        return {"n": list(dict.fromkeys(n)), "one": [1], "all": [0]}[self.sized]

    def run(self, training: Training, n: int, seed: int) -> Made:
        """Make the set, and check that it is one."""
        with measured() as passed:
            made = self.make(training, n, seed)
        cost = passed if made.cost is None else made.cost
        counts, labels = sp.csr_matrix(made.counts), np.asarray(made.labels)
        if counts.shape != (len(labels), len(training.hvg)):
            msg = (
                f"{self.name!r} returned {counts.shape} counts and {len(labels)} labels for {len(training.hvg)} genes."
            )
            raise InputError(msg)
        if not np.issubdtype(labels.dtype, np.integer) or not np.isin(labels, np.arange(len(training.sizes))).all():
            msg = f"{self.name!r} returned labels that are no codes of the {len(training.sizes)} classes."
            raise InputError(msg)
        rows = np.bincount(labels, minlength=len(training.sizes))
        if (rows == 0).any():
            # a class without a row would not be scored: leaving out the hard ones must not pay
            missing = [training.class_names[k] for k in np.flatnonzero(rows == 0)]
            msg = f"{self.name!r} returned no row for {len(missing)} classes: {', '.join(map(repr, missing[:5]))}."
            raise InputError(msg)
        if self.sized != "all" and rows.max() > n:
            msg = f"{self.name!r} returned {rows.max()} rows of a class, but {n} were asked for."
            raise InputError(msg)
        if not np.isfinite(counts.data).all() or (counts.data < 0).any():
            msg = f"{self.name!r} returned counts that are negative or not finite."
            raise InputError(msg)
        return Made(counts, labels, cost)


METHODS: Registry[Method] = Registry("method")


def resolve_methods(methods: Sequence[str | Method | Callable[..., Any]]) -> list[Method]:
    """Return methods, given by name, as such, or as a function with the signature of ``Baseline.fit``."""
    found = []
    for item in methods:
        if isinstance(item, Method):
            if item.sized != "n" and item.name not in METHODS:
                msg = (
                    f"The method {item.name!r} has a size of its own ({item.sized!r}), which tables look up by its name: "
                    f"register it first, METHODS.register({item.name!r})(method)."
                )
                raise InputError(msg)
            found.append(item)
        elif isinstance(item, str):
            found.append(METHODS.get(item))
        elif callable(item):
            name = getattr(item, "__name__", type(item).__name__)
            if name in METHODS:
                # one name, two methods: tables would take it for that of the package
                msg = f"The package has a method {name!r}: give your function another name."
                raise InputError(msg)
            found.append(Method(name, FromFit(item, own=True)))
        else:
            msg = f"A method is a name, a function or a Method, got {item!r}."
            raise InputError(msg)
    names = [method.name for method in found]
    twice = sorted({name for name in names if names.count(name) > 1})
    if twice or not names:
        msg = f"Two methods have the name {twice[0]!r}." if twice else "benchmark needs at least one method."
        raise InputError(msg)
    return found


@dataclass(frozen=True)
class FromFit:
    """A function with the signature of a baseline, which returns its rows or a pair of counts and labels.

    Attributes
    ----------
    fit
        The function.
    own
        Whether it is a user's, whose text may change from one call to the next.
    """

    fit: Callable[..., Any]
    own: bool = False

    def code(self) -> str | None:
        """Return a hash of the text of the function; None where there is no text."""
        try:
            text = inspect.getsource(self.fit if inspect.isroutine(self.fit) else type(self.fit))
        except (OSError, TypeError):
            return None
        return hashlib.sha256(text.encode()).hexdigest()

    def __call__(self, training: Training, n: int, seed: int) -> Made:
        sizes = np.full(len(training.sizes), n)
        out = self.fit(training.counts, training.embedding, training.labels, sizes=sizes, seed=seed, hvg=training.hvg)
        counts, labels = out if isinstance(out, tuple) else (out.counts, out.labels)
        return Made(counts, labels)
