"""The tasks of the benchmark, one file each; importing a file registers its task."""

from __future__ import annotations

from scdd.benchmark.tasks import (
    airway_disease,
    baron,
    gbm_treatment,
    kang,
    kang_condition,
    kang_fusion,
    onek1k_age,
    pancreas_mouse_baron,
    pancreas_species,
    pancreas_technology,
    pbmc_3tech_symphony,
    pbmc_study,
    pc9_response,
    simulated,
    tabula_muris,
    tabula_muris_tissue,
    zheng,
)
