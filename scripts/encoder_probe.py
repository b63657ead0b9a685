"""Probe scdd-base: linear probe and nearest neighbours on its embedding, its random twin, PCA and scVI.

    SCDD_DATA=/data python scripts/encoder_probe.py results/probe.csv --sets kang enge
    SCDD_DATA=/data python scripts/encoder_probe.py results/probe.csv --sets zheng --encoder loo/pbmc_facs_zheng
    SCDD_DATA=/data python scripts/encoder_probe.py results/probe.csv --sets kang enge --only scvi

Training and test cells are those of the tasks of the benchmark (donors, animals or chemistries held out where there are
any). Of the training cells, 5, 20 or all of each class are given. PCA and scVI are fitted to the cells that are given and to
no others, and scdd-base takes the mean of these cells off; ``pca_all`` is fitted to all training cells, whose labels stay
hidden. Scores are balanced accuracies over the classes with at least 5 test cells and 5 training cells; of larger sets, 3,000 training and 3,000
test cells are used. What is in the file is not measured again.
"""

from __future__ import annotations

import argparse
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import NDArray
from sklearn.decomposition import PCA
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import balanced_accuracy_score
from sklearn.neighbors import KNeighborsClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import scdd
from scdd._atomic import write_text
from scdd._rng import stream
from scdd._threads import one_thread
from scdd.benchmark import TASKS, Task
from scdd.benchmark._data import Stored
from scdd.data import MemorySource
from scdd.encoders import Cells

PER_CLASS = (5, 20, 0)  # 0: all
LEAST = 5  # cells of a class, in training and in test
MOST = 3000  # training and test cells that are used at all
DRAWS = 3  # of the few cells
SCVI_STEPS = 1000

KEYS = ["set", "split", "per_class", "draw"]
RIVALS = ("pca_all", "pca", "scvi")

Pair = tuple[NDArray[Any], NDArray[Any]]

SETS = {
    "kang": TASKS.get("kang"),
    "enge": Task("enge", Stored("pancreas_human_enge_subsample"), studies=("GSE81547",)),
    "tabula_muris": TASKS.get("tabula_muris"),
    "symphony": TASKS.get("pbmc_3tech_symphony"),
    "airway": Task("airway", Stored("disease_airway_cf_pig"), donor_key="donor", studies=("Thurman 2021",)),
    "zheng": TASKS.get("zheng"),
    "baron": TASKS.get("baron"),
    "mouse_baron": TASKS.get("pancreas_mouse_baron"),
    "pc9": TASKS.get("pc9_response"),
    "onek1k": Task("onek1k", Stored("pbmc_onek1k_1000genes"), donor_key="donor", studies=("OneK1K",)),
    "gbm": TASKS.get("gbm_treatment"),
}


def random_twin(path: Path, folder: Path) -> Path:
    """Write the encoder with random weights: vectors of genes of one size, layers as torch would draw them."""
    from scdd.io import read_model, write_model

    arrays, config = read_model(path)
    rng = np.random.default_rng(0)
    arrays["table"] = np.clip(np.rint(rng.standard_normal(arrays["table"].shape) * 32), -127, 127).astype(np.int8)
    arrays["scale"] = np.full_like(arrays["scale"], 1 / 32)
    arrays["noise"] = np.full_like(arrays["noise"], 1 / 32**2)
    for name in ("up", "down"):
        reach = 1 / np.sqrt(arrays[f"{name}.weight"].shape[1])
        for part in ("weight", "bias"):
            key = f"{name}.{part}"
            arrays[key] = rng.uniform(-reach, reach, arrays[key].shape).astype(arrays[key].dtype)
    arrays["norm.weight"], arrays["norm.bias"] = np.ones_like(arrays["norm.weight"]), np.zeros_like(arrays["norm.bias"])
    return write_model(folder / "twin", arrays, config)


def given(labels: NDArray[Any], per_class: int, seed: int) -> NDArray[np.int64]:
    """Return the training cells whose labels are known: some of each class, or all."""
    if per_class == 0:
        return np.arange(len(labels))
    rng = stream(seed, "few")
    chosen = [rng.permutation(np.flatnonzero(labels == k))[:per_class] for k in np.unique(labels)]
    return np.sort(np.concatenate(chosen))


def _some(cells: NDArray[np.int64], seed: int) -> NDArray[np.int64]:
    """Return at most ``MOST`` cells, in their order."""
    return np.sort(stream(seed, "some").permutation(cells)[:MOST])


def probes(n: int, per_class: int) -> dict[str, Any]:
    """Return the models that read an embedding."""
    neighbours = 5 if per_class == 5 else 15
    linear = LogisticRegression(C=1.0, max_iter=300, class_weight="balanced")
    return {
        "linear": make_pipeline(StandardScaler(), linear),
        "knn": KNeighborsClassifier(min(neighbours, n), metric="cosine"),
    }


def embed(train: Any, test: Any, fitted: NDArray[np.int64], spec: str) -> Pair:
    """Fit an encoder to some training cells (scdd-base takes their mean off); return training and test cells."""
    encoder = scdd.encoders.get(spec)
    encoder.fit(_cells(train[fitted]), seed=0)
    out = np.zeros((train.n_obs, encoder.info.dim), dtype=np.float32)
    out[fitted] = encoder.encode(_cells(train[fitted]))  # the others are not looked at
    return out, encoder.encode(_cells(test))


def _cells(adata: Any) -> Cells:
    source = MemorySource(adata.X, np.zeros(adata.n_obs, dtype=np.int32), ["cell"])
    return Cells(source, np.asarray(adata.var_names), np.empty(0, dtype=np.int64), var=adata.var)


def pca(train: Any, test: Any, fitted: NDArray[np.int64], labels_key: str) -> Pair:
    """Fit highly variable genes and 50 components to some training cells; return training and test cells on them."""
    part = train[fitted].copy()
    source = scdd.pp.check(part, labels_key=labels_key, unlabeled="class").source
    hvg = np.flatnonzero(scdd.pp.highly_variable(source, n_top=2000, seed=0))
    logs = [_log(adata, hvg) for adata in (train, test)]
    fit = PCA(min(50, len(fitted) - 1, len(hvg)), svd_solver="randomized", random_state=0).fit(logs[0][fitted])
    return fit.transform(logs[0]), fit.transform(logs[1])


def _log(adata: Any, genes: NDArray[np.int64]) -> NDArray[np.float32]:
    totals = np.maximum(np.asarray(adata.X.sum(axis=1)).ravel(), 1)
    return np.log1p(adata.X[:, genes].toarray() * (1e4 / totals)[:, None]).astype(np.float32)


def scvi(train: Any, test: Any, fitted: NDArray[np.int64]) -> Pair:
    """Fit scVI to some training cells, donors not told; return training and test cells in its latent space."""
    from anndata import AnnData
    from scvi.model import SCVI

    from scdd.benchmark._scvi import quiet_training

    with quiet_training(0) as options:
        plain = [AnnData(x.X.copy(), var=pd.DataFrame(index=x.var_names)) for x in (train, test)]
        part = plain[0][fitted].copy()
        SCVI.setup_anndata(part)
        model = SCVI(part)
        model.train(max_epochs=400, max_steps=SCVI_STEPS, **options)
        first, second = (model.get_latent_representation(x) for x in plain)
    return first, second


def scores(name: str, split: int, encoders: dict[str, str], rivals: tuple[str, ...]) -> Iterator[dict[str, Any]]:
    """Yield the scores of encoders and rivals on one split of one set."""
    task = SETS[name]
    train, test = task.cells(split)
    y, y_test = (x.obs[task.labels_key].astype(str).to_numpy() for x in (train, test))
    counts, counts_test = (pd.Series(labels).value_counts() for labels in (y, y_test))
    scored = [k for k in counts.index if counts[k] >= LEAST and counts_test.get(k, 0) >= LEAST]
    kept, kept_test = (_some(np.flatnonzero(np.isin(labels, scored)), split) for labels in (y, y_test))
    train, test, y, y_test = train[kept].copy(), test[kept_test].copy(), y[kept], y_test[kept_test]
    fixed = {"pca_all": pca(train, test, np.arange(len(y)), task.labels_key)} if "pca_all" in rivals else {}
    for per_class in PER_CLASS:
        for draw in range(DRAWS if per_class else 1):
            known = given(y, per_class, 1000 * split + draw)
            own = fixed | {label: embed(train, test, known, spec) for label, spec in encoders.items()}
            if per_class and "pca" in rivals:
                own["pca"] = pca(train, test, known, task.labels_key)
            if "scvi" in rivals and draw == 0:
                own["scvi"] = scvi(train, test, known)
            facts = {"set": name, "split": split, "per_class": per_class, "draw": draw, "n_classes": len(scored)}
            for label, (a, b) in own.items():
                for probe, model in probes(len(known), per_class).items():
                    score = balanced_accuracy_score(y_test, model.fit(a[known], y[known]).predict(b))
                    yield {**facts, "n_test": len(y_test), "representation": label, "probe": probe, "score": score}


def main() -> None:
    """Measure what is not in the file yet."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path, help="file of the scores (csv)")
    parser.add_argument("--sets", nargs="+", required=True, choices=SETS)
    parser.add_argument("--encoder", default="scdd-base", help="encoder, as scdd.encoders.get takes it")
    parser.add_argument("--start", help="the encoder before its training")
    parser.add_argument("--splits", nargs="+", type=int, default=[0, 1, 2])
    parser.add_argument("--only", nargs="+", help="representations to measure; default: all but scvi, which is slow")
    args = parser.parse_args()
    args.out.parent.mkdir(parents=True, exist_ok=True)
    twin = random_twin(scdd.encoders.get(args.encoder).path, Path(tempfile.mkdtemp()))
    encoders = {"scdd-base": args.encoder, "twin": f"scdd-base:{twin}"} | ({"start": args.start} if args.start else {})
    wanted = args.only or [*encoders, "pca_all", "pca"]
    if unknown := sorted(set(wanted) - {*encoders, *RIVALS}):
        parser.error(f"--only: {', '.join(unknown)} is not known.")
    for name in args.sets:
        if "scdd-base" in wanted:
            refuse_seen(name, args.encoder)
        for split in args.splits:
            before = pd.read_csv(args.out) if args.out.is_file() else pd.DataFrame(columns=[*KEYS, "representation"])
            measured = set(before.loc[(before["set"] == name) & (before["split"] == split), "representation"])
            missing = [label for label in wanted if label not in measured]
            if not missing:
                continue
            start = time.perf_counter()
            of_missing = {label: spec for label, spec in encoders.items() if label in missing}
            with warnings.catch_warnings(), one_thread():
                warnings.simplefilter("ignore")  # classes of few cells are part of the sets
                rows = pd.DataFrame(scores(name, split, of_missing, tuple(set(missing) & set(RIVALS))))
            table = pd.concat([before, rows]).sort_values(KEYS, kind="stable")
            write_text(args.out, table.to_csv(index=False))
            print(f"{name} split {split}: {time.perf_counter() - start:.0f} s", flush=True)
            print(rows.pivot_table(index="representation", columns=["probe", "per_class"], values="score").round(3))


def refuse_seen(name: str, encoder: str) -> None:
    """End where the encoder was trained on the study of a set."""
    seen = set(scdd.encoders.get(encoder).info.trained_on) & set(SETS[name].studies)
    if seen:
        msg = f"{encoder!r} was trained on {', '.join(sorted(seen))}, which is in {name!r}: that would be no test."
        raise SystemExit(msg)


if __name__ == "__main__":
    main()
