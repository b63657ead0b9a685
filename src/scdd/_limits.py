"""What a small set is good for and what it is not, in the words of reports and cards."""

from __future__ import annotations

from collections.abc import Mapping

from scdd._about import About

__all__ = ["INTENDED", "NOT_INTENDED", "WHEN_NOT", "privacy", "small_classes"]

_FEW = 10  # cells below which the rows of a class are near to single cells

INTENDED = (
    "Training and comparing classifiers of the labels it was made for.",
    "Teaching, examples and tests that need small, realistic, labelled counts.",
    "Benchmarks: the same small set for everyone.",
)
NOT_INTENDED = (
    "Differential expression as evidence: the number of rows is a choice, and rows are no independent observations.",
    "Claims about donors or patients: rows are per class, and differences between donors are not kept.",
    "Composition: class sizes are what was asked for; obs['scdd_weight'] holds the cells that a row stands for.",
    "Discovery of rare states or variants: what has no label of its own, or few cells, can vanish.",
    "Gene-gene relations, trajectories and variance: few rows have few degrees of freedom.",
    "Replacing the data: keep the original cells, a later question may need them.",
)
WHEN_NOT = (
    "There are a few hundred cells in all: train on them.",
    "Every cell must count, as where each donor or clone is rare.",
    "Labels are absent, wrong, or confounded with donor or batch: rows inherit this.",
)


def small_classes(cells: Mapping[str, int], least: int = _FEW) -> list[str]:
    """Return the classes of so few original cells that their rows are near to them.

    Examples
    --------
    >>> small_classes({"alpha": 500, "epsilon": 3})
    ['epsilon']
    """
    return [name for name, n in cells.items() if n < least]


def privacy(facts: About, cells: Mapping[str, int]) -> list[str]:
    """Return what has to be said of privacy, in sentences.

    Parameters
    ----------
    facts
        What the set tells of itself.
    cells
        Original cells of each class, where they are known.
    """
    out = ["No differential privacy and no other guarantee. Synthetic does not mean anonymous."]
    if facts.measured:
        out = ["Each row is a real cell: nothing is hidden."]
    small = small_classes(cells)
    if small:
        out.append(
            f"{len(small)} of {len(cells)} classes have fewer than {_FEW} original cells; their rows are near to single "
            "cells. Leaving such classes out is safer."
        )
    elif cells:
        out.append(f"Every class has at least {_FEW} original cells.")
    else:
        out.append(
            f"It is not known whether classes have fewer than {_FEW} original cells, whose rows are near to them."
        )
    return [
        *out,
        "All genes are kept, sex-linked and genotype-dependent ones too; donors are the unit that leaks.",
        "Attacks (membership, attributes) were not tried: nothing is known of how many would succeed.",
        "Treat the set under the consent and licence of the cells it was made from.",
    ]
