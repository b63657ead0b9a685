"""Ctrl-C: kept until a short part is done, and told as what it is where Lightning trains."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType


@dataclass
class Interrupt:
    """Whether the user interrupted meanwhile."""

    raised: bool = False


@contextmanager
def deferred() -> Iterator[Interrupt]:
    """Let the first Ctrl-C wait until the block is done; a second one raises at once.

    Only the main thread receives signals, so elsewhere this does nothing; nor does it where SIGINT is handled outside
    Python, as in R: such a handler could not be put back.

    Examples
    --------
    >>> with deferred() as interrupt:
    ...     pass  # something short whose result would be lost
    >>> interrupt.raised
    False
    """
    interrupt = Interrupt()
    if not _is_ours():
        yield interrupt
        return

    def handler(signum: int, frame: FrameType | None) -> None:
        if interrupt.raised:
            raise KeyboardInterrupt
        interrupt.raised = True

    before = signal.signal(signal.SIGINT, handler)
    try:
        yield interrupt
    finally:
        signal.signal(signal.SIGINT, before)


def _is_ours() -> bool:
    """Return whether Python handles SIGINT in this thread."""
    return threading.current_thread() is threading.main_thread() and signal.getsignal(signal.SIGINT) is not None


@contextmanager
def interruptible() -> Iterator[None]:
    """Let Ctrl-C come out as KeyboardInterrupt, and the next one too.

    Lightning turns it into ``SystemExit(1)`` and leaves SIGINT ignored: neither may reach a notebook.

    Raises
    ------
    KeyboardInterrupt
        If that is what ended the block.

    Examples
    --------
    >>> with interruptible():
    ...     pass  # trainer.fit(...)
    """
    handler = signal.getsignal(signal.SIGINT) if _is_ours() else None
    try:
        yield
    except SystemExit as stop:
        if isinstance(stop.__context__, KeyboardInterrupt):
            raise KeyboardInterrupt from stop
        raise
    finally:
        if handler is not None:
            signal.signal(signal.SIGINT, handler)
