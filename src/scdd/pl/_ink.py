"""Ink and paper: the colours of the style that is set, so that a figure is read in dark styles too."""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from matplotlib.colors import Colormap

__all__ = ["heat", "ink", "is_dark", "missing", "paper", "seen", "written_on"]

_HEAT = "YlGnBu"  # one direction of lightness, so it reads in grey too


def paper() -> str:
    """Return the background of axes as the style says; where there is none, what contrasts with text."""
    import matplotlib as mpl
    from matplotlib.colors import to_hex, to_rgba

    found = to_rgba(mpl.rcParams["axes.facecolor"])
    if found[3] == 0:
        return "#ffffff" if _luminance(mpl.rcParams["text.color"]) < 0.5 else "#000000"
    return to_hex(found)


def ink(strength: float = 1.0) -> str:
    """Return the colour of text mixed with paper: 1 is text, 0 paper.

    Examples
    --------
    >>> ink(), ink(0.4)
    ('#000000', '#999999')
    """
    import matplotlib as mpl

    return _mix(paper(), mpl.rcParams["text.color"], strength)


def is_dark() -> bool:
    """Return whether the style writes in light colours on dark paper."""
    return _luminance(paper()) < 0.2


def seen(color: str, contrast: float = 2.0) -> str:
    """Return a colour that dark paper would swallow in a lighter tone; on light paper the colour as it is.

    Examples
    --------
    >>> seen("#2b0a3d")
    '#2b0a3d'
    """
    return _lighter(color, paper(), contrast) if is_dark() else color


def heat() -> Colormap:
    """Return the colours of shares, from nothing, which is near to paper, to all, which is near to ink."""
    import matplotlib as mpl

    return mpl.colormaps[f"{_HEAT}_r" if is_dark() else _HEAT]


def missing() -> str:
    """Return the colour of what is not known: a grey that no share has."""
    return ink(0.3 if is_dark() else 0.17)


def written_on(color: Any) -> str:
    """Return the colour of text on a ground of this colour.

    Examples
    --------
    >>> written_on("#ffffd9"), written_on("#081d58")
    ('#222222', '#ffffff')
    """
    return "#222222" if _luminance(color) > 0.3 else "#ffffff"


@cache
def _lighter(color: str, ground: str, contrast: float) -> str:
    least = contrast * (_luminance(ground) + 0.05) - 0.05
    steps = (_mix(color, "#ffffff", step / 20) for step in range(21))
    return next((tone for tone in steps if _luminance(tone) >= least), "#ffffff")


def _mix(a: str, b: str, share: float) -> str:
    from matplotlib.colors import to_hex, to_rgb

    red, green, blue = ((1 - share) * x + share * y for x, y in zip(to_rgb(a), to_rgb(b), strict=True))
    return str(to_hex((red, green, blue)))


def _luminance(color: Any) -> float:
    """Return the relative luminance of WCAG 2: 0 for black, 1 for white."""
    from matplotlib.colors import to_rgb

    linear = [c / 12.92 if c <= 0.03928 else ((c + 0.055) / 1.055) ** 2.4 for c in to_rgb(color)]
    return float(0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2])
