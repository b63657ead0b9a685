"""KIP: kernel inducing points, by kernel ridge regression (Nguyen et al. 2021, arXiv 2011.00050)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from scdd.baselines._learned import LearnConfig, Learned, tuned
from scdd.baselines._method import BASELINES

if TYPE_CHECKING:
    from torch import Tensor

    from scdd.baselines._problem import Problem
    from scdd.objectives import KernelRidge

__all__ = ["KIPConfig", "KIPMatching"]


@dataclass(frozen=True)
class KIPConfig(LearnConfig):
    """Options of kernel inducing points.

    Parameters
    ----------
    linear, rbf, arccos
        Weights of the kernels, see :class:`scdd.objectives.KernelConfig`. The paper has the kernel of an infinitely wide
        network with all layers trained; the arc-cosine kernel is that of one hidden layer of which the last is trained.
    ridge
        Regulariser relative to the mean diagonal of the kernel matrix.

    Examples
    --------
    >>> KIPConfig().ridge
    1e-06
    """

    linear: float = 0.0
    rbf: float = 0.0
    arccos: float = 1.0
    ridge: float = 1e-6


class KIPMatching:
    """A kernel ridge regression on the rows should predict the classes of real cells; labels of rows are fixed.

    Parameters
    ----------
    problem, config
        The cells, and the options.
    """

    def __init__(self, problem: Problem, config: KIPConfig) -> None:
        from scdd.objectives import KernelConfig

        self.problem, self.config = problem, config
        kernel = KernelConfig(linear=config.linear, rbf=config.rbf, arccos=config.arccos, ridge=config.ridge)
        self.objective = cast("KernelRidge", problem.objective("kernel", kernel))

    def __call__(self, rows: Tensor, step: int) -> Tensor:
        """Return the error on a batch of real cells."""
        from scdd.objectives._kernel import Gram

        problem, objective = self.problem, self.objective
        cells, cells_y = problem.real(self.config.real_per_class, step)
        rows, width = objective.scaled(rows), problem.n_features**0.5
        products: Tensor = Gram.apply(rows)
        lengths = products.diagonal()
        coefficients = objective.coefficients(objective.of_products(products, lengths, lengths), problem.rows_y)
        across = cells.products(rows) / width  # scaled cells are shorter than standardised ones
        kernel = objective.of_products(across, cells.squared_lengths() / width**2, lengths)
        return objective.error(kernel @ coefficients, cells_y, problem.shared(cells_y))


BASELINES.register("kip")(Learned("kip", KIPMatching, KIPConfig(optimizer="adam", lr=0.04, momentum=0.0, steps=500)))
BASELINES.register("kip-tuned")(
    Learned("kip-tuned", KIPMatching, KIPConfig(**tuned(linear=0.5, rbf=0.5, arccos=0.0, ridge=0.01)))
)
