from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from scdd.errors import InputError
from scdd.pl._ink import _luminance, ink, is_dark, paper, seen
from scdd.pl._palette import COLORS, class_colors, class_marker, distinct, ellipsis


@pytest.mark.parametrize("palette", [None, "tab20", ["red", "blue", "green"] * 7])
@pytest.mark.parametrize("n", [3, 14, 30])
def test_color_and_shape_together_tell_classes_apart(n: int, palette: object) -> None:
    colors = class_colors([str(i) for i in range(n if palette is not None else 6 * n)], palette)
    looks = {(color, class_marker(i, colors)) for i, color in enumerate(colors)}
    assert len(looks) == len(colors)


def test_colors_are_apart_also_for_the_colour_blind_and_in_the_first_eight_in_grey() -> None:
    rgb = np.array([to_rgb(color) for color in COLORS])
    # Machado et al. (2009), severity 1
    deuteranopia = np.array([[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]])
    for viewed in (rgb, rgb @ deuteranopia.T):
        distance = np.linalg.norm(viewed[:, None] - viewed[None], axis=2) + 9 * np.eye(len(rgb))
        assert distance.min() > 0.08
    assert np.linalg.norm(rgb[:, None] - rgb[None], axis=2)[np.triu_indices(len(rgb), 1)].min() > 0.15
    grey = rgb @ [0.299, 0.587, 0.114]
    assert (np.abs(np.diff(grey[:4])) > 0.04).all()


def test_stored_colors_are_used_unless_one_is_no_color() -> None:
    assert class_colors(["a", "b"], stored=["red", "#00ff00"]) == ["#ff0000", "#00ff00"]
    assert class_colors(["a", "b"], stored=["red", "nocolor"]) == list(COLORS[:2])


def test_palettes() -> None:
    assert class_colors(["a", "b", "c"], ["red", "blue"]) == ["#ff0000", "#0000ff", "#ff0000"]
    assert class_colors(["a", "b"], {"b": "red", "a": "blue", "z": "green"}) == ["#0000ff", "#ff0000"]
    assert len(set(class_colors(list("abc"), "viridis"))) == 3
    assert class_colors(["a"], "tab10") == ["#1f77b4"]


@pytest.mark.parametrize("palette", ["no_such_map", ["red", "nocolor"], {"a": "red"}, []])
def test_wrong_palettes_are_named(palette: object) -> None:
    with pytest.raises(InputError, match="palette"):
        class_colors(["a", "b"], palette)


def test_ellipsis() -> None:
    assert ellipsis("short", 10) == "short"
    assert ellipsis("x" * 10_000, 10) == "x" * 9 + "…"
    assert ellipsis("a\nb\tc\x00d", 10) == "a b c d"
    assert len(ellipsis("ab " * 5000, 26)) == 26


def test_names_that_would_look_alike_keep_their_end() -> None:
    names = ["skeletal muscle satellite cell", "skeletal muscle satellite stem cell", "beta", "a" * 40]
    cut = distinct(names, 24)
    assert len(set(cut)) == 4
    assert max(map(len, cut)) == 24
    assert cut[0].endswith("tellite cell")
    assert (cut[2], cut[3]) == ("beta", "a" * 23 + "…")
    assert distinct(["x", "x"], 24) == ["x", "x"]


def test_on_dark_paper_all_is_seen() -> None:
    import matplotlib as mpl
    from matplotlib import style

    names = [f"class {k}" for k in range(63)]
    light = class_colors(names)
    assert (paper(), ink(), is_dark()) == ("#ffffff", "#000000", False)
    with style.context("dark_background"):
        assert (paper(), ink(), is_dark()) == ("#000000", "#ffffff", True)
        dark = class_colors(names)
        assert min(map(_luminance, dark)) > 0.05 > min(map(_luminance, light))  # twice as bright as black, by WCAG
        assert len({(color, class_marker(i, dark)) for i, color in enumerate(dark)}) == 63
        assert dark[0] == light[0]  # what is seen anyway stays
        assert _luminance(seen("#1f3b57", 9)) > 0.4
    with mpl.rc_context({"axes.facecolor": "none", "text.color": "white"}):
        assert paper() == "#000000"
