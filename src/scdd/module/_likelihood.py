"""Negative-binomial likelihood of counts, in mean and inverse dispersion."""

from __future__ import annotations

import torch
from torch import Tensor


def nb_log_prob(x: Tensor, mu: Tensor, theta: Tensor) -> Tensor:
    r"""Log-probability of counts under a negative binomial.

    .. math:: \log p(x) = \log\Gamma(x+\theta) - \log\Gamma(\theta) - \log x! + \theta\log\frac{\theta}{\theta+\mu} + x\log\frac{\mu}{\theta+\mu}

    Parameters
    ----------
    x
        Counts (..., n_genes).
    mu
        Means (..., n_genes), positive.
    theta
        Inverse dispersion (n_genes,): the variance is ``mu + mu**2 / theta``.

    Returns
    -------
    Log-probabilities, of the shape of ``x``.

    Examples
    --------
    >>> import torch
    >>> counts = torch.arange(200.0)
    >>> round(float(nb_log_prob(counts, torch.tensor(4.0), torch.tensor(2.0)).exp().sum()), 4)
    1.0
    """
    return (
        torch.lgamma(x + theta)
        - torch.lgamma(theta)
        - torch.lgamma(x + 1)
        + theta * (torch.log(theta) - torch.log(theta + mu))
        + x * (torch.log(mu) - torch.log(theta + mu))
    )


def nb_cross_entropy(x: Tensor, log_mu: Tensor, theta: Tensor) -> Tensor:
    r"""Negative log-likelihood up to a constant in ``mu``: :math:`(x+\theta)\log(\mu+\theta) - x\log\mu`.

    With the dispersion fixed the lgamma terms do not depend on the decoder. Leaving them out halves the cost of a
    training step and does not change any gradient.

    Parameters
    ----------
    x
        Counts (..., n_genes).
    log_mu
        Logarithms of the means (..., n_genes).
    theta
        Inverse dispersion (n_genes,).

    Returns
    -------
    Of the shape of ``x``.

    Examples
    --------
    >>> import torch
    >>> x, log_mu, theta = torch.tensor([3.0]), torch.tensor([[0.0], [1.0]]), torch.tensor([2.0])
    >>> loss, exact = nb_cross_entropy(x, log_mu, theta), -nb_log_prob(x, log_mu.exp(), theta)
    >>> torch.allclose(loss.diff(dim=0), exact.diff(dim=0))
    True
    """
    return (x + theta) * torch.log(log_mu.exp() + theta) - x * log_mu
