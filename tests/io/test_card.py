"""Cards: what is known is told, what is not is called unknown, what comes from outside stays text."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
from anndata import AnnData

import scdd
from scdd.errors import InputError
from scdd.io import CardInfo, write_card
from scdd.io._markdown import text
from scdd.tl import Report

EVIL = '<script>alert("x")</script>'
INFO = CardInfo(
    name="My cells", source="GEO GSE1", doi="10.1/x", licence="CC-BY-4.0", organism="Homo sapiens", tissue="blood",
    creators=("A. Author",), homepage="https://a.org/set", version="1.2.0", published="2026-01-31",
)  # fmt: skip


@pytest.fixture
def syn(toy: AnnData) -> AnnData:
    """A set with the provenance of a distilled one."""
    syn = scdd.tl.coreset(toy, 3, method="kmeans")
    names = [f"class_{k}" for k in range(4)]
    syn.uns["scdd"] = {
        "kind": "distilled",
        "preset": "default",
        "seed": 7,
        "labels_key": "cell_type",
        "classes": np.array(names, dtype=object),
        "class_sizes": np.array([200, 30, 7, 3]),
        "n_per_class": np.array([3, 3, 3, 3]),
        "n_obs": 240,
        "encoder": {"name": "self", "version": "1", "licence": "of the data", "hash": "0f"},
        "versions": {"scdd": "0.1.0"},
    }
    return syn


@pytest.fixture(scope="module")
def told() -> Report:
    adata = scdd.datasets.simulate(n_obs=200, n_vars=60)
    return scdd.tl.report(adata, scdd.tl.coreset(adata, 2), adata_test=adata, models=["LR"], plots=False)


def read(folder: Path, name: str = "card.json") -> Any:
    return json.loads((folder / name).read_text(encoding="utf-8"))


def test_what_is_known_is_told(syn: AnnData, told: Report, tmp_path: Path) -> None:
    path = write_card(syn, tmp_path / "new", info=INFO, report=told)
    assert path == tmp_path / "new" / "README.md"
    card = read(path.parent)
    assert card["nature"].startswith("Synthetic cells: not measured.")
    assert card["measured"] is False
    assert card["source"]["licence"] == "CC-BY-4.0"
    assert card["organism"] == "Homo sapiens"
    assert card["method"] == {
        "name": "scdd.tl.distill, preset default", "seed": "7", "status": "unknown", "versions": {"scdd": "0.1.0"}
    }  # fmt: skip
    assert card["encoder"] == {"name": "self", "version": "1", "licence": "of the data", "hash": "0f"}
    assert card["label"]["classes"][2] == {"class": "class_2", "rows": 3, "cells": 7}
    assert card["small_classes"] == ["class_2", "class_3"]
    assert card["report"]["scores"]["diagnostic"] == 1
    text = path.read_text()
    assert text.startswith('---\npretty_name: "My cells"\nlicense: "cc-by-4.0"\n')
    for part in ("not measured", "GEO GSE1", "Not intended", "Privacy", "macro-F1", "rf\\_auc"):
        assert part in text, part


def test_what_is_not_known_is_called_unknown(toy: AnnData, tmp_path: Path) -> None:
    bare = AnnData(toy.X[:5].copy())
    path = write_card(bare, tmp_path)
    card = read(tmp_path)
    for part in (card["source"]["licence"], card["organism"], card["tissue"], card["kind"], card["method"]["name"],
                 card["encoder"]["licence"], card["label"]["column"], card["cells"]):  # fmt: skip
        assert part == "unknown"
    assert "taken for synthetic" in card["nature"]
    assert card["report"] is None
    text = path.read_text()
    assert 'license: "unknown"' in text
    assert "no report was given" in text
    assert "ask its owners" in text
    meta = read(tmp_path, "croissant.json")
    assert "license" not in meta  # JSON-LD has no word for it, and nothing is made up
    assert "creator" not in meta
    assert "recordSet" not in meta


def test_real_cells_are_not_called_synthetic(toy: AnnData, tmp_path: Path) -> None:
    write_card(scdd.tl.coreset(toy, 2), tmp_path)
    card = read(tmp_path)
    assert card["measured"] is True
    assert card["nature"].startswith("Measured cells")
    assert card["encoder"] == "none"
    assert sum(entry["cells"] for entry in card["label"]["classes"]) == toy.n_obs  # from the weights
    assert "synthetic" not in (tmp_path / "README.md").read_text().split("---")[1]
    assert "Each row is a real cell" in card["privacy"][0]


def test_croissant_is_linked_data(syn: AnnData, tmp_path: Path) -> None:
    syn.write_h5ad(tmp_path / "syn.h5ad")
    write_card(syn, tmp_path, info=INFO, data=["syn.h5ad"])
    meta = read(tmp_path, "croissant.json")
    assert meta["conformsTo"] == "http://mlcommons.org/croissant/1.0"
    assert meta["license"] == "https://creativecommons.org/licenses/by/4.0/"
    assert meta["isBasedOn"] == "https://doi.org/10.1/x"
    assert (meta["url"], meta["version"], meta["datePublished"]) == ("https://a.org/set", "1.2.0", "2026-01-31")
    (file,) = meta["distribution"]
    assert file["@type"] == "cr:FileObject"
    assert re.fullmatch("[0-9a-f]{64}", file["sha256"])
    assert file["contentSize"] == f"{(tmp_path / 'syn.h5ad').stat().st_size} B"
    (records,) = meta["recordSet"]
    assert records["data"][0] == {"classes/class": "class_0", "classes/rows": 3}
    used = {key for key in [*meta, *file, *records] if not key.startswith("@")}
    known = set(meta["@context"]) | {"name", "description", "keywords", "distribution", "license", "creator", "url",
                                     "contentUrl", "contentSize", "encodingFormat", "sha256", "isBasedOn",
                                     "version", "datePublished"}  # fmt: skip
    assert {key for key in used if not key.startswith("rai:")} <= known


def test_what_comes_from_outside_is_text(toy: AnnData, tmp_path: Path) -> None:
    toy.obs["cell_type"] = toy.obs["cell_type"].cat.rename_categories(
        {"class_0": EVIL, "class_1": "a|b\n# head", "class_2": "[x](javascript:alert(1))"}
    )
    syn = scdd.tl.coreset(toy, 2)
    syn.uns["scdd"]["kind"] = "distilled"
    syn.uns["scdd"]["preset"] = EVIL
    path = write_card(syn, tmp_path, info=CardInfo(name='x"\n---\n# y', licence=f"ask\n---\n{EVIL}", url=EVIL))
    text = path.read_text()
    assert "<script" not in text
    assert "\n# head" not in text
    assert "\n# y" not in text
    assert not re.search(r"(?<!\\)\]\(javascript", text)  # each bracket is escaped
    head = text.split("\n---\n")[0].splitlines()
    assert [line.split(":")[0] for line in head[1:]] == ["pretty_name", "license", "license_name", "tags"]
    assert all(json.loads(line.split(": ", 1)[1]) for line in head[1:])
    assert read(tmp_path)["label"]["classes"][0]["class"] == EVIL  # JSON holds it as it is


@pytest.mark.parametrize("start", ["# ", "- ", "+ ", "1. ", "12) ", "> ", "===", "---", "###"])
def test_no_value_opens_a_heading_or_a_list(syn: AnnData, tmp_path: Path, start: str) -> None:
    info = CardInfo(name="My cells", description=f"{start}x" if start.endswith(" ") else start)
    lines = write_card(syn, tmp_path, info=info).read_text().splitlines()
    line = next(line for line in lines[lines.index("# My cells") + 3 :] if line)
    assert re.match(r"\d*\\|&gt;", line), line


def test_numbers_in_a_card_are_as_they_are() -> None:
    assert [text(value) for value in (-0.5, "10.1/x", "2.0", "-x", "#1")] == ["-0.5", "10.1/x", "2.0", "-x", "#1"]


def test_nothing_is_replaced_unasked(syn: AnnData, tmp_path: Path) -> None:
    (tmp_path / "README.md").write_text("mine")
    (tmp_path / "other.txt").write_text("mine too")
    with pytest.raises(InputError, match=r"README\.md already"):
        write_card(syn, tmp_path)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["README.md", "other.txt"]
    write_card(syn, tmp_path, overwrite=True)
    assert (tmp_path / "other.txt").read_text() == "mine too"
    assert sorted(p.name for p in tmp_path.iterdir()) == ["README.md", "card.json", "croissant.json", "other.txt"]


def test_arguments_are_checked(syn: AnnData, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(InputError, match="no folder"):
        write_card(syn, tmp_path / "file")
    for name in ("absent.h5ad", "../file"):
        with pytest.raises(InputError, match="There is no file"):
            write_card(syn, tmp_path / "card", data=[name])
    with pytest.raises(InputError, match="no obs"):
        write_card(syn, tmp_path / "card", labels_key="nope")
    with pytest.raises(InputError, match="licence must be text"):
        CardInfo(licence=3)
    with pytest.raises(InputError, match="creators"):
        CardInfo(creators="A. Author")
    for wrong in ({"version": "2"}, {"published": "31.1.2026"}, {"published": "20260131"}):
        with pytest.raises(InputError, match=f"{next(iter(wrong))} must be"):
            CardInfo(**wrong)
    assert CardInfo(creators=["a"]).creators == ("a",)


def test_labels_without_rows_are_left_out(syn: AnnData, tmp_path: Path) -> None:
    part = syn[syn.obs["cell_type"] != "class_1"].copy()
    part.obs["cell_type"] = pd.Categorical(part.obs["cell_type"].astype(str))
    write_card(part, tmp_path)
    assert [entry["class"] for entry in read(tmp_path)["label"]["classes"]] == ["class_0", "class_2", "class_3"]
