from __future__ import annotations

import numpy as np
import pytest
from matplotlib.colors import to_rgb

from scdd.errors import InputError
from scdd.pl._palette import COLORS, class_colors, class_marker, ellipsis


@pytest.mark.parametrize("n", [3, 14, 63, 200])
def test_color_and_shape_together_tell_classes_apart(n: int) -> None:
    colors = class_colors([str(i) for i in range(n)])
    looks = {(color, class_marker(i)) for i, color in enumerate(colors)}
    assert len(looks) == n


def test_colors_are_apart_also_for_the_colour_blind_and_in_the_first_eight_in_grey() -> None:
    rgb = np.array([to_rgb(color) for color in COLORS])
    # Machado et al. (2009), severity 1
    deuteranopia = np.array([[0.367, 0.861, -0.228], [0.280, 0.673, 0.047], [-0.012, 0.043, 0.969]])
    for seen in (rgb, rgb @ deuteranopia.T):
        distance = np.linalg.norm(seen[:, None] - seen[None], axis=2) + 9 * np.eye(len(rgb))
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
