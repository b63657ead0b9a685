"""What is pretrained on: data of any kind through the door, one vocabulary, and the views of a step."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import scipy.sparse as sp

from scdd.encoders import PretrainConfig, Study
from scdd.encoders._pretrain._corpus import build_corpus, choose_genes
from scdd.encoders._pretrain._losses import shared_classes
from scdd.encoders._pretrain._open import as_studies, open_study
from scdd.encoders._pretrain._views import Views
from scdd.errors import CountsError, GeneError, InputError, InputTypeError, LabelError

from ._pretraining import SMALL, corpus_of, laboratory


@pytest.fixture(scope="module")
def corpus(tmp_path_factory: pytest.TempPathFactory):
    return corpus_of(tmp_path_factory.mktemp("corpus"))


def test_plain_anndata_and_keys():
    found = as_studies([laboratory(1), laboratory(2)], labels_key="cell_type", batch_key="donor")
    assert [study.title for study in found] == ["data_0", "data_1"]
    opened = open_study(found[0])
    assert opened.labelled
    assert len(opened.source.batch_names) == 2
    assert opened.sha256 == open_study(found[0]).sha256 != open_study(found[1]).sha256
    with pytest.raises(InputTypeError, match="takes a list"):
        as_studies("a.h5ad", labels_key=None, batch_key=None)
    with pytest.raises(InputError, match="at least one"):
        as_studies([], labels_key=None, batch_key=None)
    with pytest.raises(InputError, match="the name 'a'"):
        as_studies(["x/a.h5ad", "y/a.h5ad"], labels_key=None, batch_key=None)


def test_ensembl_ids_need_symbols_in_a_column():
    adata = laboratory(1)
    symbols = list(adata.var_names)
    adata.var_names = [f"ENSG{i:011d}" for i in range(adata.n_vars)]
    with pytest.raises(GeneError, match=r"var\['gene_symbols'\]"):
        open_study(Study(adata))
    adata.var["gene_symbols"] = symbols
    assert list(open_study(Study(adata)).symbols) == symbols


@pytest.mark.parametrize("dtype", [object, "category", "string"])
def test_genes_without_a_symbol_are_left_out(dtype: object):
    adata = laboratory(1)
    symbols = [None if i % 2 else name for i, name in enumerate(adata.var_names)]
    adata.var_names = [f"ENSG{i:011d}" for i in range(adata.n_vars)]
    adata.var["gene_symbols"] = pd.Series(symbols, index=adata.var_names).astype(dtype)
    opened = open_study(Study(adata))
    assert opened.symbols.tolist() == [name or "" for name in symbols]
    genes = choose_genes([opened], n_genes=400, min_cells=3)
    assert set(genes) == set(symbols) - {None}
    assert build_corpus([opened], genes).members[0].match.n_matched == 200


def test_batches_are_read_without_labels():
    adata = laboratory(1)
    opened = open_study(Study(adata, batch_key="donor"))
    assert opened.source.batch_names == ("a", "b")
    assert [opened.source.batch_names[k] for k in opened.source.batches] == adata.obs["donor"].tolist()
    assert not opened.labelled
    with pytest.raises(LabelError, match="nothing"):
        open_study(Study(adata, batch_key="nothing"))


def test_one_study_may_be_text():
    assert Study("a.h5ad", studies="GSE84133").studies == ("GSE84133",)
    assert Study("a.h5ad", studies=["GSE84133", "S2"]).studies == ("GSE84133", "S2")
    for wrong in (None, 3, (1,)):
        with pytest.raises(InputError, match="studies must be a tuple of names"):
            Study("a.h5ad", studies=wrong)


def test_what_cannot_be_used_is_named(tmp_path: Path):
    with pytest.raises(InputError, match="There is no"):
        open_study(Study(tmp_path / "nothing.h5ad"))
    (tmp_path / "a.csv").write_text("")
    with pytest.raises(InputError, match=r"neither an .h5ad file nor a .zarr store"):
        open_study(Study(tmp_path / "a.csv"))
    adata = laboratory(1)
    with pytest.raises(LabelError):
        open_study(Study(adata, labels_key="nothing"))
    adata.X = adata.X * 0.37
    with pytest.raises(CountsError):
        open_study(Study(adata))


@pytest.mark.parametrize("change", [{"n_steps": 0}, {"thinned": 1.5}, {"views": -1.0}, {"lr": 0.0}])
def test_numbers_out_of_range(change):
    with pytest.raises(InputError, match=next(iter(change))):
        PretrainConfig(**change)


def test_vocabulary_takes_common_genes_then_those_that_many_name():
    one, two = laboratory(1, genes=slice(0, 300)), laboratory(2, genes=slice(100, 400))
    one.X = one.X @ sp.diags_array((~np.isin(np.arange(300), (5, 6))).astype(np.float32)).tocsr()
    one.var_names = [{"GENE5": "INS", "GENE6": "RP11-206L10.2"}.get(name, name) for name in one.var_names]
    sets = [open_study(Study(a, f"s{i}")) for i, a in enumerate((one, two))]
    every = choose_genes(sets, n_genes=1000, min_cells=3)
    assert len(every) == 400
    fewer = choose_genes(sets, n_genes=len(every) - 1, min_cells=3)
    assert set(every) - set(fewer) == {"RP11-206L10.2"}


def test_man_and_mouse_share_symbols_and_panels_share_scales(corpus):
    assert all(name.isupper() for name in corpus.genes)
    human, mouse, panel = corpus.members
    assert mouse.match.by == {"name": mouse.match.n_matched}
    assert len(np.intersect1d(human.present, mouse.present)) > 100
    assert corpus.fraction.sum() == pytest.approx(1, abs=1e-5)
    # the shares of a panel of 100 genes are those among all genes
    expected = np.log(programme_of(corpus)[panel.present])
    got = np.log(corpus.fraction[panel.present])
    assert np.corrcoef(expected, got)[0, 1] > 0.9
    assert abs(np.median(expected - got)) < 0.5


def programme_of(corpus) -> np.ndarray:
    from ._pretraining import programmes

    return programmes()[:4].mean(0)[[int(name.removeprefix("GENE")) for name in corpus.genes]]


def test_views_depend_on_seed_and_step_alone(corpus):
    config = replace(SMALL, views=0.5)
    one, two = (list(Views(corpus, config, 0)(4)) for _ in range(2))
    other = list(Views(corpus, config, 0)(5))
    for a, b, c in zip(one, two, other, strict=True):
        assert len(a.views) == 2
        np.testing.assert_array_equal(a.views[1].x, b.views[1].x)
        assert a.views[0].x.shape != c.views[0].x.shape or (a.views[0].x != c.views[0].x).any()
    for batch in other:
        present = set(corpus.members[batch.study].present.tolist())
        assert set(batch.views[0].genes.tolist()) <= present
        assert set(batch.wanted.tolist()) <= present
    sizes = [len(b.views[0].genes) for step in range(30) for b in Views(corpus, config, 0)(step) if b.study == 0]
    assert min(sizes) == 100
    assert max(sizes) == len(corpus.members[0].present)


def test_many_data_sets_take_turns(corpus):
    config = replace(SMALL, studies_per_step=2)
    seen = [tuple(batch.study for batch in Views(corpus, config, 0)(step)) for step in range(20)]
    assert set(seen) == {(0, 1), (0, 2), (1, 2)}


def test_same_names_are_one_class(corpus):
    assert shared_classes(corpus) == [[f"type {k}" for k in range(4)], [f"type {k}" for k in (1, 2, 3)], []]
