"""Read dictionaries that were pickled, without unpickling them: names, numbers and nothing else."""

from __future__ import annotations

import pickletools
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from scdd.encoders._weights import read_json
from scdd.errors import EncoderError

_MARK = object()
# what numpy and old versions of Python write for a number; each is known by name and made here, none is imported
_KNOWN = {
    "numpy.core.multiarray scalar": "scalar",
    "numpy._core.multiarray scalar": "scalar",
    "numpy dtype": "dtype",
    "_codecs encode": "encode",
}
_DTYPE = re.compile(r"[<>=|]?[iuf][1248]")
_PUSH = re.compile(
    r"(SHORT_)?BIN(UNICODE8?|BYTES8?|STRING|INT[12]?|FLOAT)|UNICODE|STRING|INT|LONG[14]?|FLOAT|NONE|NEWTRUE|NEWFALSE"
)
_VALUES = {"NONE": None, "NEWTRUE": True, "NEWFALSE": False}


class _Refused(Exception):
    """Something else than names and numbers."""


def read_mapping(path: Path) -> dict[str, Any]:
    """Return a dictionary from text to text or numbers, of a JSON file or of a pickle.

    A pickle is a small program. This one is not run: its instructions are looked at one by one, those that build
    dictionaries, text and numbers are followed, and any other is refused.

    Raises
    ------
    scdd.errors.EncoderError
        If the file is absent, damaged, or holds anything else.
    """
    if path.suffix == ".json":
        return read_json(path)
    if not path.is_file():
        msg = f"{path} is not there. Is the folder of the checkpoint complete?"
        raise EncoderError(msg)
    try:
        value = _follow(pickletools.genops(path.read_bytes()))
    except _Refused as error:
        msg = f"{path} holds more than names and numbers ({error}), and is refused. Take the released file, or JSON."
        raise EncoderError(msg) from error
    except (ValueError, IndexError, KeyError, TypeError, AttributeError) as error:
        msg = f"{path} cannot be read as a dictionary; it may be damaged or incomplete: {error}"
        raise EncoderError(msg) from error
    if not isinstance(value, Mapping) or not all(isinstance(name, str) for name in value):
        msg = f"{path} does not hold a dictionary of names. Take the released file."
        raise EncoderError(msg)
    return dict(value)


def _follow(instructions: Iterator[tuple[Any, Any, Any]]) -> Any:
    stack: list[Any] = []
    memo: dict[int, Any] = {}
    for opcode, argument, _ in instructions:
        name = opcode.name
        if name in ("PROTO", "FRAME"):
            continue
        if name == "STOP":
            break
        if name == "MARK":
            stack.append(_MARK)
        elif _PUSH.fullmatch(name):
            stack.append(_VALUES.get(name, argument))
        elif name in ("EMPTY_DICT", "DICT"):
            stack.append(dict(_pairs(_to_mark(stack))) if name == "DICT" else {})
        elif name in ("MEMOIZE", "PUT", "BINPUT", "LONG_BINPUT"):
            memo[len(memo) if name == "MEMOIZE" else argument] = stack[-1]
        elif name in ("GET", "BINGET", "LONG_BINGET"):
            stack.append(memo[argument])
        elif name in ("SETITEM", "SETITEMS"):
            items = _to_mark(stack) if name == "SETITEMS" else [stack.pop(-2), stack.pop()]
            stack[-1].update(_pairs(items))
        elif name.startswith("TUPLE") or name == "EMPTY_TUPLE":
            stack.append(_tuple(name, stack))
        elif name in ("GLOBAL", "STACK_GLOBAL"):
            known = argument if name == "GLOBAL" else " ".join([stack.pop(-2), stack.pop()])
            if known not in _KNOWN:
                raise _Refused(known)
            stack.append(_KNOWN[known])
        elif name == "REDUCE":
            arguments = stack.pop()
            stack.append(_make(stack.pop(), arguments))
        elif name == "BUILD":
            # the state of a dtype; the first entry after the version is its byte order
            state = stack.pop()
            stack[-1] = stack[-1].newbyteorder(state[1] if state[1] in "<>" else "=")
        else:
            raise _Refused(name)
    return stack.pop()


def _to_mark(stack: list[Any]) -> list[Any]:
    start = len(stack) - 1 - stack[::-1].index(_MARK)
    items = stack[start + 1 :]
    del stack[start:]
    return items


def _pairs(items: list[Any]) -> Iterator[tuple[Any, Any]]:
    return zip(items[::2], items[1::2], strict=True)


def _tuple(name: str, stack: list[Any]) -> tuple[Any, ...]:
    if name == "TUPLE":
        return tuple(_to_mark(stack))
    n = 0 if name == "EMPTY_TUPLE" else int(name[-1])
    return tuple(stack.pop() for _ in range(n))[::-1]


def _make(what: Any, arguments: tuple[Any, ...]) -> Any:
    """Make the number that a known call stands for."""
    if what == "dtype" and _DTYPE.fullmatch(str(arguments[0])):
        return np.dtype(arguments[0])
    if what == "encode" and isinstance(arguments[0], str):
        return arguments[0].encode("latin-1")
    if what == "scalar" and isinstance(arguments[0], np.dtype) and isinstance(arguments[1], bytes):
        return np.frombuffer(arguments[1], arguments[0])[0].item()
    call = f"a call of {what}"
    raise _Refused(call)
