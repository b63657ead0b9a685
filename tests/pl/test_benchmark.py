"""The figure of a benchmark: its tables by hand, and that it is drawn."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.text import Text

import scdd
from scdd.benchmark import critical_difference
from scdd.benchmark._store import COLUMNS
from scdd.errors import InputError
from scdd.pl._benchmark_draw import spread
from scdd.pl._benchmark_tables import prepare_benchmark

SCORE = {
    ("a", "scdd"): (0.80, 0.88), ("a", "random"): (0.40, 0.60), ("a", "class_mean"): (0.70, None), ("a", "full"): (0.90, None),
    ("b", "scdd"): (0.50, 0.60), ("b", "random"): (0.55, 0.58), ("b", "class_mean"): (0.40, None), ("b", "full"): (0.60, None),
}  # fmt: skip


def results(**changes: object) -> pd.DataFrame:
    rows = []
    for (task, method), values in SCORE.items():
        budgets = {"full": [0], "class_mean": [1]}.get(method, [1, 10])
        for n, value in zip(budgets, values, strict=False):
            for seed in (0, 1):
                key = {"task": task, "method": method, "n": n, "split": 0, "seed": seed, "model": "LR"}
                rows.append(dict.fromkeys(COLUMNS, "") | key | {"macro_f1": value, "status": "ok"})
    return pd.DataFrame(rows).assign(balanced_accuracy=0.5, accuracy=0.5, **changes)


def test_tables_by_hand() -> None:
    tables = prepare_benchmark(results())
    assert (tables.n, tables.tasks, tables.references, tables.n_ranked) == ([1, 10], ["a", "b"], ["full"], 2)
    cells = tables.cells.set_index(["n", "task", "method"])
    assert cells.loc[(1, "a", "scdd"), "relative"] == pytest.approx(0.8 / 0.9)
    assert cells.loc[(10, "a", "class_mean"), "mean"] == pytest.approx(0.7)  # one size stands at every n
    ranks = tables.ranks.set_index(["n", "method"])["rank"]
    assert ranks[1, "scdd"] == 1.5  # first on a, second on b
    assert ranks[1, "random"] == 2.0
    assert ranks[1, "class_mean"] == 2.5
    assert ranks[10, "scdd"] == 1.0
    assert tables.methods == ["scdd", "random", "class_mean"]
    curve = tables.curves.set_index(["method", "n"])["relative"]
    assert curve["scdd", 10] == pytest.approx((0.88 / 0.9 + 1.0) / 2)
    assert tables.critical[1] == pytest.approx(critical_difference(3, 2))


def test_what_was_not_run_and_what_failed() -> None:
    table = results()
    table = table[~((table["task"] == "b") & (table["method"] == "random"))]
    table.loc[(table["task"] == "a") & (table["method"] == "scdd") & (table["n"] == 10), "status"] = "failed"
    tables = prepare_benchmark(table)
    assert tables.n_ranked == 1  # a lacks scdd at 10; b lacks random, which gets no rank
    assert tables.unranked == ["random"]
    assert set(tables.ranks["method"]) == set(tables.curves["method"]) == {"scdd", "class_mean"}
    lost = tables.cells[tables.cells["state"] == "failed"]
    assert lost[["n", "task", "method"]].to_numpy().tolist() == [[10, "a", "scdd"]]
    shown = set(zip(tables.cells["task"], tables.cells["method"], strict=True))
    assert ("b", "random") not in shown
    assert scdd.pl.benchmark(table, show=False) is not None


def test_one_method_without_scores_takes_no_task_from_the_others() -> None:
    table = results()
    # tasks a, b, a2, b2
    table = pd.concat([table.assign(task=table["task"] + suffix) for suffix in ("", "2")], ignore_index=True)
    for method, tasks in {"random": ["a", "b", "a2"], "class_mean": ["a"]}.items():
        table = table[~((table["method"] == method) & table["task"].isin(tasks))]
    tables = prepare_benchmark(table)
    # random goes; class_mean lacks one task of four, and stays
    assert tables.unranked == ["random"]
    assert tables.n_ranked == 3
    ranks = tables.ranks.set_index(["n", "method"])["rank"]
    assert ranks[1, "scdd"] == 1.0
    assert ranks[1, "class_mean"] == 2.0
    assert tables.critical[1] == pytest.approx(critical_difference(2, 3))
    assert tables.methods[-1] == "random"
    words = " ".join(text.get_text() for text in scdd.pl.benchmark(table, show=False).texts)
    assert "3 tasks that all methods have but random" in words.replace("\n", " ")


def test_nothing_to_compare_is_said() -> None:
    table = results()
    figure = scdd.pl.benchmark(table[table["method"] != "full"], show=False)
    assert any("no task has a score" in text.get_text() for ax in figure.axes for text in ax.texts)


def test_choices_are_kept_in_order_and_wrong_ones_named() -> None:
    tables = prepare_benchmark(results(), tasks=["b", "a"], methods=["random", "scdd", "full"], n=[10])
    assert (tables.tasks, tables.methods, tables.n) == (["b", "a"], ["random", "scdd"], [10])
    with pytest.raises(InputError, match="no method 'herding'"):
        prepare_benchmark(results(), methods=["herding"])
    with pytest.raises(InputError, match="no n 50"):
        prepare_benchmark(results(), n=[50])
    with pytest.raises(InputError, match="no run to show"):
        prepare_benchmark(results(status="failed"))


def test_one_name_and_one_number_may_stand_alone() -> None:
    tables = prepare_benchmark(results(), tasks="b", methods="scdd", n=10)
    assert (tables.tasks, tables.methods, tables.n) == (["b"], ["scdd"], [10])
    assert prepare_benchmark(results(), n=np.int64(10)).n == [10]


def test_the_band_is_that_of_the_largest_n_in_any_order() -> None:
    bands = []
    for n in ([1, 10], [10, 1]):
        figure = scdd.pl.benchmark(results(), n=n, show=False)
        (band,) = figure.axes[2].patches
        bands.append(band.get_x() + band.get_width() / 2)
    assert bands == pytest.approx([1.0, 1.0])  # the rank of scdd at n = 10; at n = 1 it is 1.5


def test_names_are_text_and_long_titles_are_cut() -> None:
    table = results().replace({"task": {"a": "$x_1$ and $"}, "method": {"class_mean": "$m_2$"}})
    figure = scdd.pl.benchmark(table, title="A long Title of the Benchmark " * 20, show=False)
    texts = [text for text in figure.findobj(Text) if "$" in text.get_text()]
    assert {"$x_1$ and $", "$m_2$"} <= {text.get_text() for text in texts}
    assert not any(text.get_parse_math() for text in texts)
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    head = next(text for text in figure.texts if text.get_text().startswith("A long"))
    assert head.get_window_extent(canvas.get_renderer()).x1 <= figure.bbox.x1
    assert head.get_text().endswith("…")


def test_critical_difference_is_that_of_the_literature() -> None:
    # Demsar 2006, table 5a: q = 1.960, 2.343, 2.728 for 2, 3 and 5 classifiers
    for k, q in ((2, 1.960), (3, 2.343), (5, 2.728)):
        assert critical_difference(k, 20) == pytest.approx(q * np.sqrt(k * (k + 1) / 120), rel=1e-3)


def test_names_do_not_touch() -> None:
    places = spread([0.5, 0.51, 0.49, 0.99, 1.0], 0.1, 0.0, 1.0)
    assert np.diff(np.sort(places)).min() >= 0.1 - 1e-12
    assert np.argsort(places).tolist() == [2, 0, 1, 3, 4]
    assert max(places) <= 1.0


@pytest.mark.parametrize("many", [False, True])
def test_it_is_drawn_and_every_score_is_written(tmp_path: Path, many: bool) -> None:
    table = results()
    if many:
        others = [table[table["method"] == "random"].assign(method=f"own method {k}") for k in range(30)]
        table = pd.concat([table, *others], ignore_index=True)
    figure = scdd.pl.benchmark(table, title="mine", return_fig=True, show=False)
    texts = [text.get_text() for ax in figure.axes for text in ax.texts]
    assert {"80", "88", "40", "60"} <= set(texts)
    assert "scdd" in texts  # its curve has its name
    figure.savefig(tmp_path / "figure.png", dpi=60)
    assert (tmp_path / "figure.png").stat().st_size > 10_000
    labels = [label.get_text() for label in figure.axes[0].get_yticklabels()]
    assert labels[0] == "scdd"
    assert labels[-1] == "full"


def test_a_path_is_read(tmp_path: Path) -> None:
    path = tmp_path / "benchmark.csv"
    made = scdd.benchmark.run(
        "simulated", ["random", "full"], n=[1], splits=[0], models=["LR"], progress=False, out=path
    )
    from_path = prepare_benchmark(path)
    pd.testing.assert_frame_equal(from_path.cells, prepare_benchmark(made).cells)


def test_one_task_has_no_mean_and_no_band() -> None:
    one, two = (scdd.pl.benchmark(results(), tasks=tasks, return_fig=True, show=False) for tasks in (["a"], ["a", "b"]))
    columns = [[label.get_text() for label in figure.axes[0].get_xticklabels()] for figure in (one, two)]
    assert columns == [["a"], ["a", "b", "mean"]]
    ranks = [figure.axes[2] for figure in (one, two)]  # after two blocks, n = 1 and n = 10
    assert [len(ax.patches) for ax in ranks] == [0, 1]
    # what is drawn ends where the figure ends
    right = [ax.get_position().x1 * ax.figure.get_figwidth() for ax in ranks]
    assert all(figure.get_figwidth() - x < 0.35 for figure, x in zip((one, two), right, strict=True))
    assert not any("Nemenyi" in text.get_text() for text in one.texts)
