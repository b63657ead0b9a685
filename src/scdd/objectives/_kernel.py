"""Kernel ridge regression on the synthetic rows, scored on real cells (KIP, Nguyen et al. 2021, arXiv 2011.00050)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from scdd.errors import InputError
from scdd.objectives._base import OBJECTIVES, Objective, Step
from scdd.objectives._classes import averaging
from scdd.objectives._projection import median_distance

_HALVED = 64  # rows of a block below which a product with itself is not halved


@dataclass(frozen=True)
class KernelConfig:
    """Options of the kernel ridge loss.

    Parameters
    ----------
    linear, rbf, arccos
        Weights of the linear kernel, of the Gaussian one, and of the arc-cosine one (an infinitely wide ReLU layer).
    bandwidth
        Length scale of the Gaussian kernel in units of the median distance between real cells.
    bias
        Constant added to the linear and arc-cosine products.
    ridge
        Regulariser relative to the mean diagonal of the kernel matrix of the rows.

    Examples
    --------
    >>> KernelConfig().ridge
    0.01
    """

    linear: float = 0.5
    rbf: float = 0.5
    arccos: float = 0.0
    bandwidth: float = 1.0
    bias: float = 0.1
    ridge: float = 0.01

    def __post_init__(self) -> None:
        weights = (self.linear, self.rbf, self.arccos)
        if min(weights) < 0 or sum(weights) <= 0 or self.bandwidth <= 0 or self.ridge <= 0 or self.bias < 0:
            msg = f"kernel weights and bias must be non-negative, bandwidth and ridge positive, got {self}."
            raise InputError(msg)


@OBJECTIVES.register("kernel")
class KernelRidge(Objective[KernelConfig]):
    """A kernel ridge regression trained on the synthetic rows should predict the classes of the real cells.

    Squared error of the predicted indicator minus 1 / K, summed over the K outputs, averaged over the cells of a class
    and then over classes. Rows of a class that the batch lacks still train the regression; cells of a class without
    rows are not scored. Cost grows with the cube of the number of rows.

    Examples
    --------
    >>> x, y = torch.eye(4), torch.tensor([0, 0, 1, 1])
    >>> objective = KernelRidge(n_features=4, n_classes=2, seed=0)
    >>> float(objective.loss(x, y, x, y, step=0)) < 0.01
    True
    """

    name: ClassVar[str] = "kernel"
    needs_classes: ClassVar[bool] = True
    config_class: ClassVar[type[KernelConfig]] = KernelConfig

    def scaled(self, x: Tensor) -> Tensor:
        """Return x (n, d), centred and scaled so that a row has a squared length of about 1.

        Parameters
        ----------
        x
            float (n, d): features.

        Returns
        -------
        float (n, d).
        """
        self._sync()
        return (x - self._center) / (self._scale * self.n_features**0.5)

    def kernel(self, a: Tensor, b: Tensor) -> Tensor:
        """Return the kernel (n, m) between scaled rows a (n, d) and b (m, d).

        Parameters
        ----------
        a, b
            float (n, d) and (m, d): scaled rows.

        Returns
        -------
        float (n, m).
        """
        if a is b:
            product: Tensor = Gram.apply(a)
            squares = product.diagonal()
            return self.of_products(product, squares, squares)
        return self.of_products(a @ b.T, a.square().sum(1), b.square().sum(1))

    def of_products(self, product: Tensor, a2: Tensor, b2: Tensor) -> Tensor:
        """Return the kernel (n, m) between rows of which the products are known.

        Parameters
        ----------
        product
            float (n, m): products of scaled rows.
        a2, b2
            float (n,) and (m,): their squared lengths.

        Returns
        -------
        float (n, m).
        """
        config = self.config
        a2, b2 = a2[:, None], b2[None, :]
        total = config.linear * (product + config.bias)
        if config.rbf > 0:
            width = config.bandwidth * self._distance
            total = total + config.rbf * torch.exp(-(a2 + b2 - 2 * product).clamp_min(0) / (2 * width**2))
        if config.arccos > 0:
            total = total + config.arccos * _ArcCosine.apply(product + config.bias, a2 + config.bias, b2 + config.bias)
        return total

    def predict(self, syn_x: Tensor, syn_y: Tensor, x: Tensor) -> Tensor:
        """Return the predicted indicator minus 1 / K, (n, K), of x (n, d), by the regression on rows (m, d), (m,).

        Parameters
        ----------
        syn_x, syn_y
            float (m, d), int64 (m,): the rows that the regression is fitted on.
        x
            float (n, d): features of the cells to predict.

        Returns
        -------
        float (n, n_classes): the predicted indicator of each class minus 1 / n_classes.
        """
        rows = self.scaled(syn_x)
        return self.kernel(self.scaled(x), rows) @ self.coefficients(self.kernel(rows, rows), syn_y)

    def coefficients(self, among: Tensor, syn_y: Tensor) -> Tensor:
        """Return what the kernel with the rows is multiplied by in a prediction.

        Parameters
        ----------
        among
            float (m, m): kernel among rows.
        syn_y
            int64 (m,): their classes.

        Returns
        -------
        float (m, n_classes).
        """
        # the small system is solved in double precision: a single-precision Cholesky fails on near-equal rows
        wide = self.dtype if self.device.type == "mps" else torch.float64
        among = among.to(wide)
        target = F.one_hot(syn_y, self.n_classes).to(wide) - 1.0 / self.n_classes
        ridge = self.config.ridge * among.diagonal().mean()
        eye = torch.eye(len(among), dtype=wide, device=self.device)
        return _Solve.apply(among + ridge * eye, target).to(self.dtype)

    def error(self, predicted: Tensor, real_y: Tensor, classes: Tensor) -> Tensor:
        """Return the loss of a prediction.

        Parameters
        ----------
        predicted, real_y
            float (n, n_classes) and int64 (n,): the prediction for real cells, and their classes.
        classes
            int64 (C,): the classes that are scored; each has a cell.

        Returns
        -------
        Scalar.
        """
        target = F.one_hot(real_y, self.n_classes).to(self.dtype) - 1.0 / self.n_classes
        error = (predicted - target).square().sum(1)
        return (averaging(real_y, classes, self.dtype) @ error).mean()

    def _loss(self, step: Step) -> Tensor:
        return self.error(self.predict(step.syn_x, step.syn_y, step.real_x), step.real_y, step.classes)

    def _fit(self) -> None:
        self._center, self._scale = self.real.center(), self.real.scale()
        scaled = (self.real.sample_x - self._center) / (self._scale * self.n_features**0.5)
        self._distance = median_distance(scaled)


class _Solve(torch.autograd.Function):
    """Solve a positive definite system; backward solves it once more, where autograd would differentiate the Cholesky."""

    @staticmethod
    def forward(ctx: Any, matrix: Tensor, target: Tensor) -> Tensor:
        factor = torch.linalg.cholesky(matrix)
        solution = torch.cholesky_solve(target, factor)
        ctx.save_for_backward(factor, solution)
        return solution

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor]:
        factor, solution = ctx.saved_tensors
        along = torch.cholesky_solve(grad, factor)
        return -along @ solution.T, along


class _ArcCosine(torch.autograd.Function):
    """First-order arc-cosine kernel of products (n, m), between rows of squared lengths a2 (n, 1) and b2 (1, m).

    K = (L sin t + (pi - t) p) / pi with L = |a| |b| and cos t = p / L has the slopes (pi - t) / pi in p and sin t / pi in L,
    which are finite where a row meets itself; those of its pieces are not.
    """

    @staticmethod
    def forward(ctx: Any, product: Tensor, a2: Tensor, b2: Tensor) -> Tensor:
        a, b = a2.clamp_min(1e-12).sqrt(), b2.clamp_min(1e-12).sqrt()
        length = a * b
        cosine = (product / length).clamp_(-1, 1)
        slope = (torch.pi - torch.arccos(cosine)).div_(torch.pi)
        sine = (1 - cosine.square_()).sqrt_().div_(torch.pi)
        ctx.save_for_backward(slope, sine.mul_(length), a2, b2)
        return (slope * product).add_(sine)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        slope, part, a2, b2 = ctx.saved_tensors
        along = grad * part  # dL / d a2 = L / (2 a2)
        return (
            grad * slope,
            along.sum(1, keepdim=True) / (2 * a2.clamp_min(1e-12)),
            along.sum(0, keepdim=True) / (2 * b2.clamp_min(1e-12)),
        )


def _among(x: Tensor) -> Tensor:
    # x @ x.mT; of large blocks one triangle is computed, by halves
    half = x.shape[-2] // 2
    if half < _HALVED or x.device.type != "cpu":
        return x @ x.mT
    upper, lower = x[..., :half, :], x[..., half:, :]
    across = upper @ lower.mT
    top, bottom = torch.cat([_among(upper), across], -1), torch.cat([across.mT, _among(lower)], -1)
    return torch.cat([top, bottom], -2)


class Gram(torch.autograd.Function):
    """Products among rows (..., m, d); the two gradients of ``x @ x.mT`` in one product."""

    @staticmethod
    def forward(ctx: Any, x: Tensor) -> Tensor:
        ctx.save_for_backward(x)
        return _among(x)

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, grad: Tensor) -> Tensor:
        (x,) = ctx.saved_tensors
        return (grad + grad.mT) @ x
