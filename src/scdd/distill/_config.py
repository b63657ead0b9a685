"""How a data set is distilled, and the presets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, replace

from scdd._registry import Registry
from scdd.distill._calibrate import CalibrationConfig
from scdd.distill._refine import RefineConfig
from scdd.errors import InputError
from scdd.objectives import parse

SPACES = ("expression", "encoder")


@dataclass(frozen=True)
class DistillConfig:
    """Parameters of :func:`scdd.distill.distill`.

    Attributes
    ----------
    objective
        Matching objective of the refinement (see :mod:`scdd.objectives`), or None for no refinement.
    space
        What the objective matches: ``"expression"`` of the HVGs, or ``"encoder"``: their embedding by the encoder of the
        model (its latents, where that is ``"self"``), as a function of the expression of the HVGs.
    init
        Where rows start that stand for many cells (noisy rows stand for one cell each, chosen by herding): a name in
        :data:`scdd.distill.INITIALISERS`; or ``"noise"``: all codes are drawn from N(0, I), as in the paper.
    code_noise
        Noise level in (0, 1] at which the codes live; 1 in the paper.
    guidance
        How far rows move from the mean of all classes towards and beyond the mean of their class.
    guidance_options
        Other values that the referee may prefer.
    prior_cells, prior_counts
        How many cells, and at most how many counts, the decoder is worth when the cells of a row correct it (see
        :mod:`scdd.distill._evidence`); None: no correction.
    rendering
        ``"mix"`` (denoised rows; noisy ones among them where they are many for the cells of a class, see
        ``row_kinds`` in :mod:`scdd.distill`), ``"half"`` (every other row is noisy), or a name in
        :data:`scdd.distill.RENDERERS`.
    rendering_options
        Other renderings that the referee may prefer: where classes are near to each other, kernel machines that never saw how
        cells vary are lost.
    nuisance
        Number of directions in which cells vary most within classes, and in which denoised rows of different classes shall
        not differ (see :mod:`scdd.distill._nuisance`); 0: rows keep the means of their classes.
    nuisance_gain
        They keep them too where classes would not get farther from each other by this factor, in units of the scatter of
        cells on the way between them.
    nuisance_options
        Other numbers that the referee may prefer.
    spread
        How far the denoised rows of a class go from the first of them, its mean, to their own centres, in [0, 1]; less
        far where classes are near to each other (see :mod:`scdd.distill._levels`).
    spread_options
        Other ways to go that the referee may prefer; these are gone whatever the distance of the classes.
    levels
        Largest gap, in standard deviations within classes, by which two classes must differ in a gene to differ in a
        denoised row (see :mod:`scdd.distill._levels`); 0: all differences stay.
    levels_options
        Other gaps that the referee may prefer: where a class holds several cell types, models that weigh many small
        differences need them all.
    calibration
        Budget of the calibration of denoised rows (see :mod:`scdd.distill._calibrate`); None: no calibration.
    generator
        ``"scdg"``, or the ablations ``"gaussian"`` (codes are whitened coordinates of a Gaussian per class) and
        ``"none"`` (codes are latents).
    referee
        Let an inner held-out split decide (by donor, where donors are known): the codes are refined, the calibration is
        dropped, guidance, spread or levels are changed only where models trained on such rows are better by the margin. Without
        it all is done as it is given, the whole refinement too.
    referee_models
        Models of :data:`scdd.metrics.TEST_MODELS` whose mean score decides.
    referee_splits
        Number of such splits, over which scores are averaged; three, if there are so many, where each holds out one
        donor.
    margin
        Least gain in macro-F1 for which the referee changes anything.
    refine
        Budget of the refinement.
    """

    objective: str | Mapping[str, float] | None = "gradient"
    space: str = "expression"
    init: str = "kmeans"
    code_noise: float = 0.2
    guidance: float = 0.0625
    guidance_options: tuple[float, ...] = (0.0,)
    prior_cells: float | None = 5.0
    prior_counts: float = 10.0
    rendering: str = "mix"
    rendering_options: tuple[str, ...] = ("half",)
    nuisance: int = 1
    nuisance_gain: float = 1.1
    nuisance_options: tuple[int, ...] = ()
    spread: float = 0.5
    spread_options: tuple[float, ...] = (1.0,)
    levels: float = 0.75
    levels_options: tuple[float, ...] = (0.0,)
    calibration: CalibrationConfig | None = field(default_factory=CalibrationConfig)
    generator: str = "scdg"
    referee: bool = True
    referee_models: tuple[str, ...] = ("LR", "kNN", "RF", "SVM")
    referee_splits: int = 1
    margin: float = 0.01
    refine: RefineConfig = field(default_factory=RefineConfig)

    def __post_init__(self) -> None:
        if self.space not in SPACES:
            msg = f"space must be one of {', '.join(SPACES)}, got {self.space!r}."
            raise InputError(msg)


PRESETS: Registry[DistillConfig] = Registry("preset")
PRESETS.register("default")(DistillConfig())
PRESETS.register("fast")(DistillConfig(objective=None, referee=False))
PRESETS.register("best")(
    DistillConfig(
        guidance_options=(0.0, 0.25),
        nuisance_options=(0,),
        spread_options=(0.5, 1.0),
        referee_splits=5,
        margin=0.005,
        refine=RefineConfig(n_steps=120, checkpoints=(20, 60, 120)),
    )
)
PRESETS.register("paper")(
    DistillConfig(
        objective="gradient",
        init="noise",
        code_noise=1.0,
        guidance=0.0,
        prior_cells=None,
        rendering="plain",
        nuisance=0,
        calibration=None,
        referee=False,
        refine=RefineConfig(n_steps=500, lr=0.05, leash=0.0, checkpoints=()),
    )
)


def resolve_config(
    preset: str | DistillConfig,
    *,
    objective: str | Mapping[str, float] | None = "auto",
    generator: str | None = None,
) -> DistillConfig:
    """Return the parameters of a preset, with another objective or generator if one is named.

    Parameters
    ----------
    preset
        Name in :data:`PRESETS`, or the parameters themselves.
    objective
        ``"auto"``: that of the preset; ``"none"`` or None: no refinement.
    generator
        None: that of the preset.

    Raises
    ------
    scdd.errors.InputError
        If there is no such preset or objective.

    Examples
    --------
    >>> resolve_config("paper", objective="distribution").code_noise
    1.0
    """
    config = PRESETS.get(preset) if isinstance(preset, str) else preset
    if objective != "auto":
        config = replace(config, objective=None if objective == "none" else objective)
        if config.objective is not None:
            parse(config.objective)  # where it is not used, for want of cells, a wrong name would go unseen
    return config if generator is None else replace(config, generator=generator)
