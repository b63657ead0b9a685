"""Folders to share: whole or not there, with hashes that fit."""

from __future__ import annotations

import datetime
import hashlib
import json
import os
from pathlib import Path

import anndata
import h5py
import numpy as np
import pytest
from anndata import AnnData

import scdd
from scdd.errors import InputError, InputTypeError, ScddWarning
from scdd.io import CardInfo, export, read_h5ad
from scdd.io._cells import read_cells

INFO = CardInfo(source="GEO GSE1", doi="10.1/x", licence="CC0-1.0", creators=("A. Author",))
FILES = [
    "CITATION.cff", "LICENCE.txt", "README.md", "SHA256SUMS", "card.json", "croissant.json", "syn.h5ad", "zenodo.json",
]  # fmt: skip


@pytest.fixture
def syn(toy: AnnData) -> AnnData:
    return scdd.tl.coreset(toy, 2, method="kmeans")


def content(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


def test_everything_is_there_and_the_hashes_fit(syn: AnnData, toy: AnnData, tmp_path: Path) -> None:
    told = scdd.tl.report(toy, syn, models=["LR"], plots=False)
    folder = export(syn, tmp_path / "shared", info=INFO, report=told)
    assert sorted(path.name for path in folder.iterdir()) == sorted([*FILES, "report.html"])
    sums: dict[str, str] = dict(reversed(line.split("  ")) for line in (folder / "SHA256SUMS").read_text().splitlines())
    assert sums == {
        name: hashlib.sha256(data).hexdigest() for name, data in content(folder).items() if name != "SHA256SUMS"
    }
    assert json.loads((folder / "card.json").read_text())["files"][0]["sha256"] == sums["syn.h5ad"]
    back = read_h5ad(folder / "syn.h5ad")
    np.testing.assert_array_equal(back.X.toarray(), syn.X.toarray())
    assert back.obs["is_synthetic"].all()
    assert "is_synthetic" not in syn.obs
    assert (folder / "report.html").read_text(encoding="utf-8") == told.html


def test_metadata_of_a_deposit(syn: AnnData, tmp_path: Path) -> None:
    told = json.loads((export(syn, tmp_path / "a", info=INFO) / "zenodo.json").read_text())["metadata"]
    assert told["access_right"] == "open"
    assert told["license"] == "cc0-1.0"
    assert told["creators"] == [{"name": "A. Author"}]
    assert told["version"] == "1.0.0"
    written = datetime.date.fromisoformat(told["publication_date"])  # as none was told
    assert abs((datetime.datetime.now(datetime.UTC).date() - written).days) <= 1
    assert told["related_identifiers"] == [{"identifier": "10.1/x", "relation": "isDerivedFrom"}]
    assert "not measured" in told["description"]
    citation = (tmp_path / "a" / "CITATION.cff").read_text()
    assert 'type: "dataset"' in citation
    assert 'license: "CC0-1.0"' in citation


@pytest.mark.parametrize("doi", ["https://doi.org/10.1/x", "DOI:10.1/x", "doi 10.1/x", "www.doi.org/10.1/x", " 10.1/x"])
def test_doi_and_licence_are_told_as_metadata_write_them(syn: AnnData, tmp_path: Path, doi: str) -> None:
    info = CardInfo(source="s", doi=doi, licence="cc-by-4.0", creators=("A",))
    folder = export(syn, tmp_path / "a", info=info)
    citation = (folder / "CITATION.cff").read_text()
    assert 'license: "CC-BY-4.0"' in citation
    assert '"doi": "10.1/x"' in citation
    told = json.loads((folder / "zenodo.json").read_text())["metadata"]
    assert (told["license"], told["related_identifiers"][0]["identifier"]) == ("cc-by-4.0", "10.1/x")
    assert json.loads((folder / "croissant.json").read_text())["isBasedOn"] == "https://doi.org/10.1/x"


def test_without_a_licence_nothing_is_open(syn: AnnData, tmp_path: Path) -> None:
    with pytest.warns(ScddWarning, match="licence, creators, source"):
        folder = export(syn, tmp_path / "a")
    told = json.loads((folder / "zenodo.json").read_text())["metadata"]
    assert told["access_right"] == "restricted"
    assert "license" not in told
    assert told["creators"] == []
    assert "license:" not in (folder / "CITATION.cff").read_text()
    assert "not known" in (folder / "LICENCE.txt").read_text()


def test_what_is_no_identifier_is_text(syn: AnnData, tmp_path: Path) -> None:
    info = CardInfo(name="<b>x</b>\n: y", source="s", licence="<i>ask</i>", creators=("z",), description="<script>")
    folder = export(syn, tmp_path / "a", info=info)
    told = json.loads((folder / "zenodo.json").read_text())["metadata"]
    assert "<script>" not in told["description"]
    assert "<i>" not in told["access_conditions"]
    assert [line.split(":")[0] for line in (folder / "CITATION.cff").read_text().splitlines()] == [
        "cff-version", "message", "type", "title", "authors", "abstract", "version", "date-released", "references"
    ]  # fmt: skip


def test_real_cells_are_not_flagged(toy: AnnData, tmp_path: Path) -> None:
    folder = export(scdd.tl.coreset(toy, 2), tmp_path / "a", info=INFO)
    assert not read_h5ad(folder / "syn.h5ad").obs["is_synthetic"].any()


def test_an_older_folder_is_replaced_only_on_request(syn: AnnData, tmp_path: Path) -> None:
    folder = export(syn, tmp_path / "a", info=INFO)
    before = content(folder)
    with pytest.raises(InputError, match="overwrite=True"):
        export(syn, folder, info=INFO)
    assert content(folder) == before
    export(syn[:4].copy(), folder, info=INFO, overwrite=True)
    assert read_h5ad(folder / "syn.h5ad").n_obs == 4
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_what_is_not_ours_is_never_replaced(syn: AnnData, tmp_path: Path) -> None:
    (tmp_path / "precious").mkdir()
    (tmp_path / "precious" / "thesis.tex").write_text("x")
    with pytest.raises(InputError, match="not a folder of"):
        export(syn, tmp_path / "precious", info=INFO, overwrite=True)
    with pytest.raises(InputError, match="does not exist"):
        export(syn, tmp_path / "no" / "a", info=INFO)
    with pytest.raises(InputTypeError):
        export(syn.obs, tmp_path / "a", info=INFO)
    assert [path.name for path in tmp_path.iterdir()] == ["precious"]


def test_a_list_of_hashes_makes_no_folder_of_ours(syn: AnnData, tmp_path: Path) -> None:
    folder = tmp_path / "downloads"
    folder.mkdir()
    (folder / "thesis.tex").write_text("x")
    (folder / "SHA256SUMS").write_text(f"{'0' * 64}  thesis.tex\n")
    for card in (None, "[]", '{"format": "other"}', "\xff"):
        if card is not None:
            (folder / "card.json").write_text(card, encoding="latin-1")
        with pytest.raises(InputError, match="not a folder of"):
            export(syn, folder, info=INFO, overwrite=True)
    assert (folder / "thesis.tex").read_text() == "x"


def test_files_that_were_put_into_a_folder_of_ours_are_kept(syn: AnnData, tmp_path: Path) -> None:
    folder = export(syn, tmp_path / "a", info=INFO)
    (folder / "thesis.tex").write_text("x")
    with pytest.raises(InputError, match="more than a folder of scdd.io.export: thesis.tex"):
        export(syn, folder, info=INFO, overwrite=True)
    assert (folder / "thesis.tex").read_text() == "x"


@pytest.mark.parametrize("error", [OSError(28, "No space left on device"), KeyboardInterrupt()], ids=["disk", "Ctrl-C"])
@pytest.mark.parametrize("exists", [True, False], ids=["over a folder", "new"])
def test_failure_leaves_what_was_there(
    syn: AnnData, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, error: BaseException, exists: bool
) -> None:
    target = tmp_path / "a"
    if exists:
        export(syn, target, info=INFO)
    before = content(target) if exists else None

    def fail(*_: object) -> None:
        raise error

    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", fail)
        with pytest.raises(type(error)):
            export(syn, target, info=INFO, overwrite=True)
    assert [path.name for path in tmp_path.iterdir()] == (["a"] if exists else [])
    if exists:
        assert content(target) == before


def test_read_h5ad_tells_what_is_wrong(syn: AnnData, tmp_path: Path) -> None:
    (tmp_path / "text.h5ad").write_text("x")
    with pytest.raises(InputError, match="no h5ad"):
        read_h5ad(tmp_path / "text.h5ad")
    with pytest.raises(InputError, match="There is no file"):
        read_h5ad(tmp_path / "absent.h5ad")
    syn.write_h5ad(tmp_path / "syn.h5ad")
    whole = (tmp_path / "syn.h5ad").read_bytes()
    (tmp_path / "cut.h5ad").write_bytes(whole[: len(whole) // 2])
    with pytest.raises(InputError, match="fresh copy"):
        read_h5ad(tmp_path / "cut.h5ad")
    (tmp_path / "newer.h5ad").write_bytes(whole)
    with h5py.File(tmp_path / "newer.h5ad", "a") as file:
        file["X"].attrs["encoding-type"] = "csr_matrix_of_tomorrow"
    for read in (read_h5ad, read_cells):
        with pytest.raises(InputError, match="cannot be read as h5ad"):
            read(tmp_path / "newer.h5ad")
    backed = read_h5ad(tmp_path / "syn.h5ad", backed=True)
    assert backed.isbacked
    backed.file.close()
    assert isinstance(read_h5ad(tmp_path / "syn.h5ad"), anndata.AnnData)
