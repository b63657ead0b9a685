"""The application: its commands, and what an error becomes."""

from __future__ import annotations

import os
import sys
from typing import Annotated, Any

import typer
from typer.core import TyperGroup

from scdd.cli._benchmark import benchmark
from scdd.errors import ScddError

__all__ = ["app"]


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
        except ScddError as error:
            print(f"scdd: {error}", file=sys.stderr)
            raise typer.Exit(2) from None
        except KeyboardInterrupt:
            print("\nscdd: interrupted. The same command goes on where this one stopped.", file=sys.stderr)
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
    """Distil labelled scRNA-seq data sets into a few synthetic cells per class."""


# a list is one argument, so words that are left over are a mistake that a command explains itself
app.command("benchmark", context_settings={"allow_extra_args": True})(benchmark)
