"""Matching losses between synthetic rows and real cells: tensors in, scalar out."""

from __future__ import annotations

from scdd.objectives._base import OBJECTIVES, Objective
from scdd.objectives._characteristic import CharacteristicConfig, CharacteristicMatching
from scdd.objectives._combine import Combination, CombinationConfig, build, parse
from scdd.objectives._distribution import DistributionConfig, DistributionMatching
from scdd.objectives._gradient import GradientConfig, GradientMatching
from scdd.objectives._kernel import KernelConfig, KernelRidge
from scdd.objectives._moments import MomentMatching, MomentsConfig
from scdd.objectives._projection import Projection
from scdd.objectives._prototypes import Prototypes, PrototypesConfig

__all__ = [
    "OBJECTIVES",
    "CharacteristicConfig",
    "CharacteristicMatching",
    "Combination",
    "CombinationConfig",
    "DistributionConfig",
    "DistributionMatching",
    "GradientConfig",
    "GradientMatching",
    "KernelConfig",
    "KernelRidge",
    "MomentMatching",
    "MomentsConfig",
    "Objective",
    "Projection",
    "Prototypes",
    "PrototypesConfig",
    "build",
    "parse",
]
