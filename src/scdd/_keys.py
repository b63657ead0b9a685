"""Every name that scdd writes into an AnnData, in one place."""

from __future__ import annotations

UNS = "scdd"  # uns["scdd"]: parameters, versions, seed, encoder, sizes, scores, warnings
WEIGHT = "scdd_weight"  # obs: number of original cells that the row stands for
LIBRARY = "scdd_library"  # obs: depth (total counts) at which the row was rendered
KIND = "scdd_kind"  # obs: "denoised" or "noisy"; "plain" with preset="paper"
ROW = "scdd_row"  # obs of expanded cells: name of the row that a cell comes from
MEAN = "scdd_mean"  # layers: expected counts (CSR)
DISPERSION = "scdd_dispersion"  # var: negative-binomial inverse dispersion theta of the gene
HALF_CAPTURE = "scdd_half_capture"  # var: expected count at which half of the cells show the gene at all; 0: no dropout
HVG = "scdd_hvg"  # var: highly variable gene of the original cells
CODES = "X_scdd"  # obsm: latent codes

DEFAULT_LABELS = "cell_type"  # the label column that is tried when none is named
