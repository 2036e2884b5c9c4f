"""Kinds of units: the mean, a draw, and the integral of the mean, each a function of the linear value alone."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import softplus

from layerwise.errors import InputError
from layerwise.models.activations import Activation, identity, relu, shown, sigmoid

__all__ = ["BernoulliUnits", "GaussianUnits", "RectifiedUnits", "Units", "units_of"]


class Units(ABC):
    """What units make of their linear values, elementwise and of any shape; a frozen choice without state."""

    @abstractmethod
    def mean(self, x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """The activation f(x)."""

    @abstractmethod
    def sample(self, x: Float[Tensor, "..."], generator: torch.Generator) -> Float[Tensor, "..."]:
        """A draw for each linear value; it carries no gradient where it is binary."""

    @abstractmethod
    def log_partition(self, x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """The integral S of the activation, S'(x) = f(x): the energy's part of a unit that is summed out."""


@final
@dataclass(frozen=True)
class BernoulliUnits(Units):
    r"""Binary units: 1 with probability sigma(x), and S(x) = log(1 + e^x).

    Source: Hinton 2002, "Training products of experts by minimizing contrastive divergence".

    >>> BernoulliUnits().mean(torch.zeros(2)), BernoulliUnits().sample(torch.tensor([-99.0, 99.0]), torch.Generator())
    (tensor([0.5000, 0.5000]), tensor([0., 1.]))
    """

    def mean(self, x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """The probability of a 1."""
        return torch.sigmoid(x)

    def sample(self, x: Float[Tensor, "..."], generator: torch.Generator) -> Float[Tensor, "..."]:
        """Zeros and ones."""
        # Several times faster on a processor than torch.bernoulli.
        draws = torch.rand(x.shape, generator=generator, device=x.device, dtype=x.dtype)
        return torch.lt(draws, torch.sigmoid(x), out=draws)

    def log_partition(self, x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """The softplus, log(1 + e^x)."""
        return softplus(x)


@final
@dataclass(frozen=True)
class GaussianUnits(Units):
    r"""Linear units with normal noise of variance 1: x + N(0, 1), and S(x) = x^2 / 2.

    Source: Welling, Rosen-Zvi & Hinton 2004, "Exponential family harmoniums".

    >>> GaussianUnits().log_partition(torch.tensor([-2.0, 0.0, 2.0]))
    tensor([2., 0., 2.])
    """

    def mean(self, x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """The linear value itself."""
        return x

    def sample(self, x: Float[Tensor, "..."], generator: torch.Generator) -> Float[Tensor, "..."]:
        """Normal numbers around x."""
        return x + _normal(x, generator)

    def log_partition(self, x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Half the square, x^2 / 2."""
        return x.square() / 2


@final
@dataclass(frozen=True)
class RectifiedUnits(Units):
    r"""Noisy rectified linear units: max(0, x + N(0, sigma(x))), and S(x) = max(0, x)^2 / 2.

    The mean is that without noise, max(0, x), which S belongs to; a draw's own mean is above it by little.

    Source: Nair & Hinton 2010, "Rectified linear units improve restricted Boltzmann machines", section 2.

    >>> RectifiedUnits().log_partition(torch.tensor([-2.0, 0.0, 2.0]))
    tensor([0., 0., 2.])
    """

    def mean(self, x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """The positive part."""
        return torch.relu(x)

    def sample(self, x: Float[Tensor, "..."], generator: torch.Generator) -> Float[Tensor, "..."]:
        """The positive part of a normal number around x with variance sigma(x)."""
        return torch.relu(x + torch.sigmoid(x).sqrt() * _normal(x, generator))

    def log_partition(self, x: Float[Tensor, "..."]) -> Float[Tensor, "..."]:
        """Half the square of the positive part."""
        return torch.relu(x).square() / 2


def _normal(x: Tensor, generator: torch.Generator) -> Tensor:
    return torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype)


def units_of(activation: Activation) -> Units:
    """The units whose mean is a given activation.

    Raises:
        InputError: for an activation other than sigmoid, identity and relu.

    >>> units_of(sigmoid)
    BernoulliUnits()
    """
    kinds: tuple[tuple[Activation, Units], ...] = (
        (sigmoid, BernoulliUnits()),
        (identity, GaussianUnits()),
        (relu, RectifiedUnits()),
    )
    for function, units in kinds:
        if function is activation:
            return units
    raise InputError(f"units must have the activation sigmoid, identity or relu; got {shown(activation)}.")
