"""Write the page of scdd-base in the user guide, from the measured files and the card of the weights.

    python scripts/base_page.py

Tables come from ``docs/_static/base/*.csv``, which scripts/encoder_probe.py and scripts/base_distil.py make; nothing in
them is typed.
"""

from __future__ import annotations

from pathlib import Path

import pandas as pd
from encoder_probe import LEAST, MOST, SCVI_STEPS

import scdd
from scdd._atomic import write_text

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / "docs" / "_static" / "base"
PAGE = ROOT / "docs" / "user_guide" / "scdd_base.md"

NAMES = {
    "scdd-base": "scdd-base",
    "start": "its factors alone",
    "twin": "random twin",
    "pca": "PCA of the cells given",
    "pca_all": "PCA of all training cells",
    "scvi": "scVI on the cells given",
}
SEEN = {
    "kang": "blood, 8 donors", "enge": "human pancreas, Smart-seq2", "tabula_muris": "18 tissues of the mouse, reads",
    "symphony": "blood, 1,767 genes, one chemistry held out", "airway": "pig airway, 1,339 genes",
    "zheng": "sorted blood cells", "baron": "human pancreas, inDrop", "mouse_baron": "mouse pancreas",
    "pc9": "lung cancer, drug response", "onek1k": "blood, 1,000 genes", "gbm": "glioblastoma, drug, 300 genes",
}  # fmt: skip

PROTOCOL = (
    f"PCA (50 components of 2,000 highly variable genes) and scVI ({SCVI_STEPS:,} steps) are fitted to the cells that are given, "
    "scVI once and on one split, since it takes minutes, "
    "PCA once more to all training cells with their labels hidden; scdd-base takes the mean of the cells given off. Its "
    "factors alone are scdd-base before its perceptron was trained, the twin a network of the same sizes with random weights. Of larger sets, "
    f"{MOST:,} training and {MOST:,} test cells are used; classes with fewer than {LEAST} of either are left out. "
    "The best of each set is bold."
)

TEXT = """<!-- made by scripts/base_page.py: do not edit -->

# scdd-base

`scdd-base` is an encoder that `scdd` pretrains itself and ships: {n_genes:,} genes by symbol, {dim} factors,
{megabytes:.1f} MB of weights. It needs no files and no network, takes any subset of the genes in any order, and human and mouse
alike:

```python
table = scdd.tl.embed(adata, "scdd-base")
syn = scdd.tl.distill(adata, encoder="scdd-base")
```

`encoder="auto"` takes it where cells are few: at most 50 in the median class, genes with at least 90 % of their counts known
to it, and no cell without a count of a known gene. Elsewhere `"auto"` is `"self"`; with many cells the two are level. The
published figures of `scdd` use `encoder="self"`, and a result names its encoder, with the studies that it has seen.

## What it is

Expression is log1p of counts per 10,000, times the share of the counts that the genes at hand have in general, so that a
panel of 300 genes has values like those of a whole transcriptome. The mean expression of the data that the encoder is fitted
to is taken off, and what is left is taken in units of how much each gene varies. The linear part is a factor model in
closed form (factor analysis, after [Tipping & Bishop 1999](https://doi.org/10.1111/1467-9868.00196)): within the training data,
all data sets and their classes counting alike, expression is $x = Bz + e$ with {dim} factors $z \\sim N(0, I)$ and noise of
variance $\\psi_g$ in each gene. The factors of a cell are the mean of their posterior given the genes that were measured,

$$E[z \\mid x] = \\Big(I + \\sum_g b_g b_g^\\top / \\psi_g\\Big)^{{-1}} \\sum_g b_g x_g / \\psi_g ,$$

which is right for any subset of the genes: each panel has its own inverse, computed once. A small perceptron adds what is
not linear. Its training asks the embedding of a cell with a part of its genes and of its counts for the expression of all
its genes, and for its class among those of its data set, and keeps the batches of a class together.

Genes are matched by symbols in capitals, as for every encoder ([](encoders.md)); a mouse gene finds its human namesake by
name, not by orthology. At least 100 genes and half of the counts must be found; `attrs["genes"]` of the table and
`uns["scdd"]["encoder"]` of a result tell how many were. How many cells a second it embeds stands beside the others in
[Encoders](encoders.md#the-facts).

## What it was trained on

{data}

{seconds:.0f} seconds on one core, {n_steps} steps. The card beside the weights (`scdd.encoders.get("scdd-base").card`) has
the sha256 of each file, studies, licences and the configuration; `python scripts/pretrain_base.py` makes the weights again.
{{func}}`scdd.benchmark.run` refuses `scdd-base` on tasks whose studies are among these.

## Does it carry knowledge?

A linear probe and nearest neighbours read the embedding, trained on 5, 20 or all training cells of each class and tested on
held-out cells (donors, animals or chemistries held out where there are any); balanced accuracy, mean over splits and draws.
The form of the factor model and the budget of the training were chosen while looking at split 0 of the test sets; splits 1
and 2, and all training sets, were looked at only afterwards.
{protocol}

### Test sets, never seen

{probe}

### Training sets, by models that were trained without them

{loo}

## Does it help a distillation?

Ten rows of each class, macro-F1 on held-out cells, mean of the models of the panel. The gain is that of `scdd-base` over
`self`, mean and range over splits and seeds. From ten real cells of each class:

{distil}

From all cells:

{distil_all}

## Your own

<!-- not run: it needs data sets; tests/encoders/test_pretrain.py runs such a call -->
```python
encoder = scdd.encoders.pretrain(
    [
        scdd.encoders.Study(
            "a.h5ad", labels_key="cell_type", batch_key="donor", studies=("GSE1",), licence="CC-BY-4.0"
        ),
        scdd.encoders.Study("b.h5ad", labels_key="cluster"),
        "c.h5ad",  # without labels
    ],
    "my_base",
)
syn = scdd.tl.distill(adata, encoder="scdd-base:my_base")
```

or `scdd pretrain a.h5ad b.h5ad --labels-key cell_type --out my_base`, or, with other keys for each, a list of studies in JSON:
`scdd pretrain studies.json --out my_base`. Files may stay on disk (`backed=True`). A training that was interrupted goes on
from its last checkpoint when the same call is made again; on a CPU the result is the same bit for bit. On CUDA, products are
taken in bfloat16. Several GPUs, or machines, train together where `torchrun` starts the processes
(`torchrun --nproc-per-node 4 -m scdd pretrain ...`): each draws cells of its own, and gradients are averaged. This was tested
on CPUs. A class of one name in two data sets is taken for the same: give different names
where it is not. {{class}}`scdd.encoders.PretrainConfig` has sizes, budget and weights of the losses.
"""


TEST = ("kang", "enge", "tabula_muris", "symphony", "airway")
TRAINING = ("zheng", "baron", "mouse_baron", "pc9", "onek1k", "gbm")
NOT_MEASURED = "**Not measured yet**: {}. The command is in the docstring of `{}`."


def probe_table(path: Path, wanted: tuple[str, ...]) -> str:
    """Return the scores of a file as a table: sets and representations, against probes and cells per class."""
    measured = set(pd.read_csv(path)["set"]) if path.is_file() else set()
    missing = ", ".join(name for name in wanted if name not in measured)
    note = NOT_MEASURED.format(missing, "scripts/encoder_probe.py") if missing else ""
    if not measured:
        return note
    table = pd.read_csv(path)
    # first over draws, then over splits: all splits count alike
    mean = table.groupby(["set", "representation", "probe", "per_class", "split"])["score"].mean()
    wide = mean.groupby(["set", "representation", "probe", "per_class"]).mean().unstack(["probe", "per_class"])
    columns = [(probe, n) for probe in ("linear", "knn") for n in (5, 20, 0)]
    titles = [f"{'linear' if p == 'linear' else 'kNN'}, {n or 'all'}" for p, n in columns]
    lines = [f"| set | embedding | {' | '.join(titles)} |", "|---|---|" + "---|" * len(columns)]
    for name in SEEN:
        if name not in wide.index.get_level_values(0):
            continue
        part = wide.loc[name]
        splits = table[table["set"] == name].groupby("representation")["split"].unique().map(sorted)
        n_splits = int(splits.map(len).max())
        n_classes = int(table.loc[table["set"] == name, "n_classes"].median())
        first = f"**{name}**: {SEEN[name]}; {n_classes} classes, {n_splits} split{'s' if n_splits > 1 else ''}"
        best = part[columns].max()
        for key in (key for key in NAMES if key in part.index):
            cells = [_cell(part.loc[key].get(column), best[column]) for column in columns]
            fewer = f" (split {', '.join(map(str, splits[key]))})" if len(splits[key]) < n_splits else ""
            lines.append(f"| {first} | {NAMES[key]}{fewer} | {' | '.join(cells)} |")
            first = ""
    note = f"{_verdict(wide, columns)} {note}".strip()
    if absent := _absent(table):
        note = "\n\n".join(part for part in (note, f"Not fitted: {absent}.") if part)
    return "\n".join([*lines, "", note])


def _absent(table: pd.DataFrame) -> str:
    """Say which representations were not measured on which sets."""
    sets = [name for name in SEEN if name in set(table["set"])]
    found = set(zip(table["representation"], table["set"], strict=True))
    lacking = {key: [name for name in sets if (key, name) not in found] for key in NAMES}
    told = [
        NAMES[key] + (f" ({', '.join(names)})" if len(names) < len(sets) else "")
        for key, names in lacking.items()
        if names
    ]
    return ", ".join(told)


def _verdict(wide: pd.DataFrame, columns: list[tuple[str, int]]) -> str:
    """Say how often scdd-base is ahead of PCA of the cells that are given, and where it is behind its twin."""
    few = [column for column in columns if column[1]]
    ahead, behind = {}, []
    for name, part in wide.groupby(level="set"):
        scores = part.droplevel("set")
        ahead[name] = sum(scores.loc["scdd-base", column] > scores.loc["pca", column] for column in few)
        n = sum(scores.loc["scdd-base", column] < scores.loc["twin", column] for column in columns)
        behind += [f"{n} of {len(columns)} on {name}"] if n else []
    told = ", ".join(f"{n} of {len(few)} on {name}" for name, n in ahead.items())
    twin = (
        f"It is behind its random twin in {', '.join(behind)}." if behind else "It is ahead of its random twin in all."
    )
    return f"Columns with 5 or 20 cells in which scdd-base is ahead of PCA of the cells given: {told}. {twin}"


def _cell(value: float, best: float) -> str:
    if pd.isna(value):
        return ""
    return f"**{value:.3f}**" if round(value, 3) == round(best, 3) else f"{value:.3f}"


_DISTILLED = {"real": "the real cells", "self": "self", "scdd-base": "scdd-base"}


def distil_table(path: Path) -> str:
    """Return what few real cells give, distilled with either encoder, and as they are."""
    if not path.is_file():
        return NOT_MEASURED.format("everything", "scripts/base_distil.py")
    table = pd.read_csv(path)
    failed = table[table["status"] != "ok"]
    if len(failed):
        msg = f"{path} holds {len(failed)} runs that failed: run scripts/base_distil.py again."
        raise SystemExit(msg)
    # over models first: a run is a split and a seed
    runs = table.groupby(["task", "method", "split", "seed"])["macro_f1"].mean().unstack("method")
    shown = {name: title for name, title in _DISTILLED.items() if name in runs}
    lines = [
        f"| task | runs | {' | '.join(shown.values())} | gain |",
        "|---|---|" + "---|" * len(shown) + "---|",
    ]
    for task, part in runs.groupby("task"):
        gain = part["scdd-base"] - part["self"]
        cells = " | ".join(f"{part[name].mean():.3f}" for name in shown)
        lines.append(
            f"| {task} | {len(part)} | {cells} | {gain.mean():+.3f} ({gain.min():+.3f} to {gain.max():+.3f}) |"
        )
    return "\n".join(lines)


def data_table(card: dict) -> str:
    """Return the data sets of a card as a table."""
    lines = ["| data set | cells | genes in the vocabulary | classes | study | licence |", "|---|---|---|---|---|---|"]
    for entry in card["data"]:
        lines.append(
            f"| {entry['name']} | {entry['n_cells']:,} | {entry['n_genes_of_vocabulary']:,} of {entry['n_genes']:,} | "
            f"{entry['n_classes']} | {', '.join(entry['studies'])} | {entry['licence']} |"
        )
    return "\n".join(lines)


def page() -> str:
    """Return the page."""
    encoder = scdd.encoders.get("scdd-base")
    card = encoder.card
    return TEXT.format(
        n_genes=len(encoder.genes), dim=encoder.info.dim, data=data_table(card), seconds=card["seconds"],
        megabytes=sum(file.stat().st_size for file in encoder.files) / 1e6, n_steps=card["config"]["n_steps"],
        protocol=PROTOCOL, probe=probe_table(FOLDER / "probe.csv", TEST),
        loo=probe_table(FOLDER / "loo.csv", TRAINING),
        distil=distil_table(FOLDER / "distil.csv"), distil_all=distil_table(FOLDER / "distil_all.csv"),
    )  # fmt: skip


def main() -> None:
    """Write the page."""
    write_text(PAGE, page())


if __name__ == "__main__":
    main()
