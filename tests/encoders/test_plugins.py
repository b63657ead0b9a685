"""Encoders of other packages: named by an entry point, loaded when asked for, told in the table."""

from __future__ import annotations

import importlib
import re
import sys
import tomllib
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import scdd
from scdd.encoders import ENCODERS, EncoderInfo
from scdd.errors import EncoderError, InputError, ScddWarning

from ._checkpoints import cells

GUIDE = Path(__file__).parents[2] / "docs" / "user_guide" / "encoders.md"


def install(folder: Path, package: str, code: str, points: dict[str, str]) -> None:
    """Put a package and its metadata into a folder, as pip would."""
    (folder / package).mkdir(parents=True)
    (folder / package / "__init__.py").write_text(code)
    info = folder / f"{package}-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n")
    lines = [f"{name} = {target}" for name, target in points.items()]
    (info / "entry_points.txt").write_text("\n".join(["[scdd.encoders]", *lines, ""]))
    importlib.invalidate_caches()


@pytest.fixture
def site(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """A folder of installed packages; what they register is forgotten afterwards."""
    before, modules = dict(ENCODERS._items), set(sys.modules)
    monkeypatch.syspath_prepend(tmp_path)
    yield tmp_path
    ENCODERS._items.clear()
    ENCODERS._items.update(before)
    for name in set(sys.modules) - modules:
        if name.startswith("their_"):
            del sys.modules[name]


CODE = '''
import numpy as np
from scdd.encoders import Encoder, EncoderInfo

class Depth(Encoder):
    """The log of the total count."""

    info = EncoderInfo(name="depth", dim=1, licence="BSD-3-Clause", citation="none")

    def encode(self, cells, *, batch_size=4096, device="cpu"):
        return np.log(cells.source.library)[:, None].astype(np.float32)

class Argument(Depth):
    info = EncoderInfo(name="power", dim=1, licence="BSD-3-Clause", argument="number")

    def __init__(self, power=1):
        self.power = float(power)
'''


def test_package_is_found_and_loaded_only_when_asked_for(site: Path):
    install(site, "their_package", CODE, {"depth": "their_package:Depth", "power": "their_package:Argument"})
    assert {"depth", "power", "pca"} <= set(ENCODERS.names())
    assert "depth" in ENCODERS
    assert "their_package" not in sys.modules
    encoder = scdd.encoders.get("depth")
    data = cells([f"g{i}" for i in range(50)], rate=3)
    np.testing.assert_allclose(encoder.features(data).embedding[:, 0], np.log(data.source.library), rtol=1e-6)
    assert type(scdd.encoders.get("depth")) is type(encoder)
    assert scdd.encoders.get("power:3").power == 3
    table = scdd.encoders.list()
    assert table.loc["depth", "package"] == "their_package"
    assert table.loc["depth", "licence"] == "BSD-3-Clause"


def test_package_that_registers_by_decorator_too(site: Path):
    code = CODE.replace("class Depth", '@ENCODERS.register("depth")\nclass Depth').replace(
        "import Encoder,", "import ENCODERS, Encoder,"
    )
    install(site, "their_package", code, {"depth": "their_package:Depth"})
    assert scdd.encoders.get("depth").info.dim == 1


@pytest.mark.parametrize(
    ("code", "target", "words"),
    [
        ("import no_such_module_at_all", "their_broken:Depth", "ModuleNotFoundError.*no_such_module_at_all"),
        ("raise ValueError('oops')", "their_broken:Depth", "ValueError: oops"),
        ("x = 1", "their_broken:Depth", "AttributeError"),
        ("Depth = 3", "their_broken:Depth", "no subclass of scdd.encoders.Encoder"),
        ("class Depth: ...", "their_broken:Depth", "no subclass of scdd.encoders.Encoder"),
        ("import scdd\nclass Depth(scdd.encoders.Encoder): ...", "their_broken:Depth", "encode.* of its own"),
        (CODE.replace('"depth"', '"other"'), "their_broken:Depth", "needs info = EncoderInfo.name='depth'"),
    ],
)
def test_package_that_is_broken_is_named_and_does_not_break_the_rest(site: Path, code: str, target: str, words: str):
    install(site, "their_broken", code, {"depth": target})
    with pytest.raises(EncoderError, match=rf"(?s)their_broken.*{words}"):
        scdd.encoders.get("depth")
    with pytest.warns(ScddWarning, match="their_broken"):
        table = scdd.encoders.list()
    assert "depth" not in table.index
    assert "pca" in table.index


def test_two_packages_with_one_name(site: Path):
    install(site, "their_a", CODE, {"depth": "their_a:Depth"})
    install(site, "their_b", CODE, {"depth": "their_b:Depth"})
    with pytest.raises(EncoderError, match=r"named by 2 packages.*their_a.*their_b"):
        scdd.encoders.get("depth")


def test_name_of_ours_is_not_taken(site: Path):
    install(site, "their_pca", CODE.replace('"depth"', '"pca"'), {"pca": "their_pca:Depth"})
    assert type(scdd.encoders.get("pca")).__module__.startswith("scdd.")
    with pytest.warns(ScddWarning, match="'pca' of their_pca .* is left out"):
        scdd.encoders.list()


def test_unknown_name_lists_what_packages_bring(site: Path):
    install(site, "their_package", CODE, {"depth": "their_package:Depth"})
    with pytest.raises(InputError, match=r"Did you mean 'depth'.*depth, .*pca"):
        scdd.encoders.get("dept")


def test_table_of_facts_is_complete():
    table = scdd.encoders.list()
    assert list(table.index) == ENCODERS.names()
    assert {field for field in EncoderInfo.__dataclass_fields__ if field != "name"} | {"package"} == set(table.columns)
    assert (table["licence"] != "").all()
    assert str(table["dim"].dtype) == str(table["n_vocabulary"].dtype) == "Int64"
    for name in table.index:
        info = ENCODERS.get(name).info
        assert table.loc[name, "differentiable"] == info.differentiable
        assert table.loc[name, "normalisation"]
    pretrained = table[table["argument"] == "folder"]
    assert (pretrained["citation"] != "").all()
    assert (pretrained["species"] == "human").sum() >= 1


# -- the page of the documentation ------------------------------------------------------------------------------------


def blocks(text: str, language: str) -> list[str]:
    return re.findall(rf"^```{language}\n(.*?)^```", text, flags=re.DOTALL | re.MULTILINE)


def test_example_of_the_documentation_runs(site: Path):
    text = GUIDE.read_text(encoding="utf-8").partition("## Adding your own")[2]
    (code,), (toml,) = blocks(text, "python"), blocks(text, "toml")
    points = tomllib.loads(toml)["project"]["entry-points"]["scdd.encoders"]
    assert points == {"markers": "my_package.encoder:MarkerEncoder"}
    install(site, "their_package", "", {"markers": points["markers"].replace("my_package", "their_package")})
    (site / "their_package" / "encoder.py").write_text(code)
    importlib.invalidate_caches()
    data = cells(["XYZ", "INS", "GCG", "SST", "PPY"], rate=5)
    encoder = scdd.encoders.get("markers:GCG,INS")
    got = encoder.features(data).embedding
    counts = data.source.rows(np.arange(40)).toarray()
    np.testing.assert_allclose(got, np.log1p(counts[:, [2, 1]] * 1e4 / data.source.library[:, None]), rtol=1e-5)
    assert scdd.encoders.get(encoder.spec).genes == ["GCG", "INS"]
    assert "markers" in scdd.encoders.list().index


def test_table_of_the_documentation_is_that_of_the_code():
    text = GUIDE.read_text(encoding="utf-8").partition("## The facts")[2].partition("##")[0]
    rows = [
        [cell.strip() for cell in line.strip("|").split("|")] for line in text.splitlines() if line.startswith("| `")
    ]
    told = {row[0].strip("`"): row[1:] for row in rows}
    table = scdd.encoders.list()
    assert set(told) == set(table.index)
    measured = pd.read_csv(GUIDE.parents[1] / "_static" / "base" / "encoders.csv").set_index("encoder")
    for name, (genes, vocabulary, _, dim, speed, gradient, random, licence) in told.items():
        facts = table.loc[name]
        if name in measured.index and name != "geneformer":
            shown = float(speed.replace(",", ""))
            assert shown == pytest.approx(measured.loc[name, "cells per second of CPU"], rel=0.05)
        assert genes.lower().rstrip("s") == facts["gene_identifier"]
        assert (gradient, random) == (
            "yes" if facts["differentiable"] else "no",
            "yes" if facts["stochastic"] else "no",
        )
        assert licence.partition(" (")[0] == facts["licence"].partition(" (")[0]
        if facts["n_vocabulary"] is not pd.NA:
            assert vocabulary.startswith(f"{facts['n_vocabulary']:,}")
        if facts["dim"] is not pd.NA:
            assert dim.startswith(str(facts["dim"]))
