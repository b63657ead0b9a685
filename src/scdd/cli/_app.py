"""The application: its commands, and what an error becomes."""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Container
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from scdd.cli._benchmark import benchmark
from scdd.cli._coreset import coreset
from scdd.cli._distill import distill
from scdd.cli._encoders import encoders
from scdd.cli._evaluate import evaluate
from scdd.cli._expand import expand
from scdd.cli._generate import generate
from scdd.cli._head import head
from scdd.cli._pretrain import pretrain
from scdd.cli._report import report
from scdd.errors import ScddError

__all__ = ["app"]


# what is left after Ctrl-C, where that is something
_GOES_ON = "The same command goes on where this one stopped."
_AFTER = {
    "benchmark": _GOES_ON,
    "pretrain": f"Checkpoints are kept in the folder of --out with .training at its end. {_GOES_ON}",
}


_ARGUMENT = re.compile(r"\b([a-z_]+)=(True\b|'[^']*')?(?!\w)|\(([a-z_]+)\)")


def in_options(text: str, options: Container[str]) -> str:
    """Return a message that names arguments of Python with the options of a command in their place, where it has them.

    Examples
    --------
    >>> in_options("Give layer= or layer='raw' (labels_key), or seed=None.", {"--layer", "--labels-key", "--seed"})
    "Give --layer or --layer 'raw' (--labels-key), or seed=None."
    """

    def swap(found: re.Match[str]) -> str:
        option = "--" + (found[1] or found[3]).replace("_", "-")
        if option not in options:
            return found[0]
        value = f" {found[2]}" if found[2] and found[2] != "True" else ""
        return f"({option})" if found[3] else option + value

    # what only Python can do is no help here
    return re.sub(r" To use it all the same: \w+=True\.", "", _ARGUMENT.sub(swap, text))


def _options(group: TyperGroup, ctx: Any) -> set[str]:
    command = group.commands.get(ctx.invoked_subcommand or "")
    return {name for parameter in command.params for name in parameter.opts} if command is not None else set()


class _Group(TyperGroup):
    """All commands; their errors become an exit code and a line of text, whatever the command."""

    def invoke(self, ctx: Any) -> Any:
        try:
            result = super().invoke(ctx)
            sys.stdout.flush()
        except BrokenPipeError:
            # whoever read the output has seen enough; else Python would complain again when it ends
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
            raise typer.Exit(1) from None
        except (ScddError, ImportError, MemoryError, OSError) as error:
            # a missing package, a full disk: the message tells, and a traceback would not tell more
            text = " ".join(str(error).split()) or type(error).__name__
            print(f"scdd: {in_options(text, _options(self, ctx))}", file=sys.stderr)
            raise typer.Exit(2) from None
        except KeyboardInterrupt:
            print(f"\nscdd: interrupted. {_AFTER.get(ctx.invoked_subcommand, 'Nothing was written.')}", file=sys.stderr)
            raise typer.Exit(130) from None
        return result


app = typer.Typer(
    name="scdd", cls=_Group, no_args_is_help=True, context_settings={"help_option_names": ["-h", "--help"]}
)


def _version(value: bool) -> None:
    if value:
        import scdd

        print(f"scdd {scdd.__version__}")
        raise typer.Exit


@app.callback()
def scdd_(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version, and stop.")
    ] = False,
) -> None:
    """Distil labelled scRNA-seq data sets into a few synthetic cells per class.

    Exit codes: 0 done; 1 the output was closed; 2 something cannot be used, and a line on the standard error tells what;
    130 after Ctrl-C; 143 after SIGTERM. Results go to the standard output, everything else to the standard error.
    """


for command in (distill, head, expand, generate, coreset, evaluate, encoders):
    app.command(command.__name__)(command)
# a list is one argument, so words that are left over are a mistake that a command explains itself
app.command("benchmark", context_settings={"allow_extra_args": True})(benchmark)
app.command("report")(report)
app.command("pretrain")(pretrain)
