"""From arguments to an exit code."""

from __future__ import annotations

import signal
import sys
import threading
from collections.abc import Sequence
from types import FrameType

__all__ = ["main"]


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command.

    Parameters
    ----------
    argv
        Arguments; default: those of the process.

    Returns
    -------
    0; 1 where the output was closed; 2 where something cannot be used (the reason goes to the standard error); 130 after
    Ctrl-C, 143 where the process is asked to end.

    Examples
    --------
    >>> main(["benchmark", "--list"])  # doctest: +ELLIPSIS
    tasks
      ...
    0
    """
    from typer.main import get_command

    from scdd.cli._app import app

    for stream in (sys.stdout, sys.stderr):
        # a terminal that cannot show a character shows another one, and does not end the command
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    asked: list[int] = []

    def end(number: int, frame: FrameType | None) -> None:
        """Leave by an exception, so that worker processes are ended too and files are closed."""
        asked.append(128 + number)
        sys.exit(asked[0])

    if threading.current_thread() is threading.main_thread():
        signal.signal(signal.SIGTERM, end)
    try:
        # the command and not the application: that one would replace sys.excepthook
        get_command(app).main(args=None if argv is None else list(argv), prog_name="scdd")
    except BaseException as stop:
        if asked:
            return asked[0]  # whatever the exception became on its way through the code that it struck
        if not isinstance(stop, SystemExit):
            raise
        return stop.code if isinstance(stop.code, int) else int(stop.code is not None)
    return 0
