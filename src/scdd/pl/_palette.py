"""Colours and shapes of classes, and text that stays text."""

from __future__ import annotations

import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from scdd.errors import InputError
from scdd.pl._ink import seen
from scdd.pp._text import first

Palette = str | Sequence[Any] | Mapping[Any, Any] | None

REAL, SYNTHETIC = "#6b7280", "#c2410c"  # grey and a darker orange: apart in hue and in lightness
# Okabe and Ito (2008), ordered so that neighbours differ in lightness too, with the yellow a little darker to be seen on white,
# and violet for black
_BASE = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#56b4e9", "#cc79a7", "#7a5195", "#e3d42c")
# darker, then lighter ones of the same hues; the sky blue is the light blue
_DARK = ("#004d80", "#7a5400", "#004d38", "#6b2f00", "#8a2a5e", "#2b0a3d")
_LIGHT = ("#ffd78a", "#8fe0c8", "#f7b088", "#f0cfe0", "#c3a6d8")
_GREY = ("#454545", "#8c8c8c")
COLORS = (*_BASE, *_DARK, *_LIGHT, *_GREY)
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p")


def class_colors(names: Sequence[str], palette: Palette = None, stored: Sequence[str] | None = None) -> list[str]:
    """Return one hex colour per class; on dark paper, dark ones are lightened until they are seen.

    Parameters
    ----------
    names
        Classes.
    palette
        None, the name of a matplotlib colormap, a sequence of colours (used in a cycle), or a mapping from class to colour.
    stored
        Colours from ``uns``, one per class, used where ``palette`` is None and all of them are colours.

    Raises
    ------
    scdd.errors.InputError
        If the palette is unknown, lacks a class, or holds something that is no colour.

    Examples
    --------
    >>> class_colors(["a", "b"])
    ['#0072b2', '#e69f00']
    """
    from matplotlib.colors import is_color_like, to_hex

    if palette is None:
        if stored is not None and len(stored) == len(names) and all(map(is_color_like, stored)):
            return [seen(to_hex(color)) for color in stored]
        return [seen(COLORS[i % len(COLORS)]) for i in range(len(names))]
    colors: list[Any]
    if isinstance(palette, str):
        colors = _colormap(palette, len(names))
    elif isinstance(palette, Mapping):
        known = {str(name): color for name, color in palette.items()}
        missing = [name for name in names if name not in known]
        if missing:
            msg = f"palette lacks {len(missing)} of {len(names)} classes: {first(missing)}."
            raise InputError(msg)
        colors = [known[name] for name in names]
    else:
        given = list(palette)
        if not given:
            msg = "palette is empty. Give colours, a mapping from class to colour, or the name of a colormap."
            raise InputError(msg)
        colors = [given[i % len(given)] for i in range(len(names))]
    wrong = [color for color in colors if not is_color_like(color)]
    if wrong:
        msg = f"palette holds {len(wrong)} values that are no colours: {first(wrong)}."
        raise InputError(msg)
    return [seen(to_hex(color)) for color in colors]


def class_marker(position: int, colors: Sequence[str]) -> str:
    """Return the shape of a class, given the colours of all: it changes each time a colour comes again.

    Examples
    --------
    >>> [class_marker(k, ["red", "blue", "red", "red"]) for k in range(4)]
    ['o', 'o', 's', '^']
    """
    return MARKERS[list(colors[:position]).count(colors[position]) % len(MARKERS)]


def ellipsis(text: str, width: int) -> str:
    """Return text on one line, at most ``width`` characters, an ellipsis where it was cut.

    Examples
    --------
    >>> ellipsis("a very long label", 8)
    'a very …'
    """
    plain = _plain(text[: 4 * width])
    return plain if len(plain) <= width and len(text) <= 4 * width else plain[: width - 1] + "…"


def headline(text: str, inches: float) -> str:
    """Return the title of a figure, of 13 points, cut to its width."""
    return ellipsis(text, int(9 * inches))


def distinct(names: Sequence[str], width: int) -> list[str]:
    """Cut names to ``width`` characters; those that would look alike keep their end and lose their middle.

    Examples
    --------
    >>> distinct(["stem cell of muscle", "stem cell of skin", "beta"], 12)
    ['stem …muscle', 'stem …f skin', 'beta']
    """
    cut = [ellipsis(name, width) for name in names]
    times = Counter(cut)
    tail = width // 2
    return [
        short if times[short] == 1 or not short.endswith("…") else f"{short[: width - tail - 1]}…{_plain(name)[-tail:]}"
        for name, short in zip(names, cut, strict=True)
    ]


def _plain(text: str) -> str:
    """Return text on one line: line breaks and control characters would break the layout."""
    return " ".join("".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in text).split())


def _colormap(name: str, n: int) -> list[Any]:
    import matplotlib as mpl
    from matplotlib.colors import ListedColormap

    if name not in mpl.colormaps:
        msg = f"palette={name!r} is no colormap of matplotlib; examples: 'tab10', 'tab20', 'viridis'."
        raise InputError(msg)
    cmap = mpl.colormaps[name]
    if isinstance(cmap, ListedColormap) and cmap.N <= 64:
        return [cmap(i % cmap.N) for i in range(n)]
    return [cmap(i / max(n - 1, 1)) for i in range(n)]
