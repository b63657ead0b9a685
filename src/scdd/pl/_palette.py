"""Colours and shapes of classes, and text that stays text."""

from __future__ import annotations

import colorsys
import unicodedata
from collections.abc import Mapping, Sequence
from typing import Any

from scdd.errors import InputError
from scdd.pp._text import first

Palette = str | Sequence[Any] | Mapping[Any, Any] | None

REAL, SYNTHETIC = "#6b7280", "#c2410c"  # grey and a darker orange: apart in hue and in lightness
# Okabe and Ito (2008), ordered so that neighbours differ in lightness too; the yellow is darkened to be seen on white
_BASE = ("#0072b2", "#e69f00", "#009e73", "#d55e00", "#56b4e9", "#cc79a7", "#7a5195", "#c9b400")
_SHADES = (0.0, -0.38, 0.45)  # as they are, darker, lighter
MARKERS = ("o", "s", "^", "D", "v", "P", "X", "<", ">", "p")
N_COLORS = len(_BASE) * len(_SHADES)


def class_colors(names: Sequence[str], palette: Palette = None, stored: Sequence[str] | None = None) -> list[str]:
    """Return one hex colour per class.

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
            return [to_hex(color) for color in stored]
        return [_default(i) for i in range(len(names))]
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
    return [to_hex(color) for color in colors]


def class_marker(position: int) -> str:
    """Return the shape of a class: it changes each time the colours start again."""
    return MARKERS[(position // N_COLORS) % len(MARKERS)]


def ellipsis(text: str, width: int) -> str:
    """Return text on one line, at most ``width`` characters, cut in the middle of nowhere but marked so.

    Examples
    --------
    >>> ellipsis("a very long label", 8)
    'a very …'
    """
    # line breaks and control characters would break the layout
    plain = "".join(" " if unicodedata.category(c)[0] in "CZ" else c for c in text[: 4 * width])
    plain = " ".join(plain.split())
    return plain if len(plain) <= width and len(text) <= 4 * width else plain[: width - 1] + "…"


def ink(color: str) -> str:
    """Return black or white, whichever is legible on the colour."""
    from matplotlib.colors import to_rgb

    red, green, blue = to_rgb(color)
    return "black" if 0.299 * red + 0.587 * green + 0.114 * blue > 0.6 else "white"


def _default(position: int) -> str:
    from matplotlib.colors import to_hex, to_rgb

    shade = _SHADES[(position // len(_BASE)) % len(_SHADES)]
    hue, light, saturation = colorsys.rgb_to_hls(*to_rgb(_BASE[position % len(_BASE)]))
    light = light * (1 + shade) if shade < 0 else light + (1 - light) * shade
    return to_hex(colorsys.hls_to_rgb(hue, light, saturation))


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
