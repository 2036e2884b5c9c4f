"""First values of a weight matrix, of shape (outputs, inputs), scaled by the gain of the activation after it."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

__all__ = ["Gaussian", "Glorot", "He", "Initializer", "Orthogonal"]


class Initializer(ABC):
    """Draws a weight matrix of shape (outputs, inputs); a frozen choice, its randomness comes from the generator."""

    @abstractmethod
    def __call__(
        self, outputs: int, inputs: int, *, gain: float, generator: torch.Generator
    ) -> Float[Tensor, "outputs inputs"]:
        """One matrix; `gain` belongs to the activation that follows, see `layerwise.models.gain`."""


@final
@dataclass(frozen=True)
class Glorot(Initializer):
    """Uniform in +-gain sqrt(6 / (inputs + outputs)): keeps signals both ways on average.

    Source: Glorot & Bengio 2010, eq. 16.

    >>> weight = Glorot()(4, 2, gain=1.0, generator=torch.Generator())
    >>> tuple(weight.shape), bool(weight.abs().max() <= 1)
    ((4, 2), True)
    """

    def __call__(
        self, outputs: int, inputs: int, *, gain: float, generator: torch.Generator
    ) -> Float[Tensor, "outputs inputs"]:
        """Draw the matrix."""
        bound = gain * math.sqrt(6 / (inputs + outputs))
        return (torch.rand(outputs, inputs, generator=generator) * 2 - 1) * bound


@final
@dataclass(frozen=True)
class He(Initializer):
    """Normal with standard deviation gain / sqrt(inputs): keeps the mean square of the signal going forward.

    Source: He et al. 2015, eq. 10.

    >>> round(float(He()(500, 400, gain=1.0, generator=torch.Generator()).std()), 2)
    0.05
    """

    def __call__(
        self, outputs: int, inputs: int, *, gain: float, generator: torch.Generator
    ) -> Float[Tensor, "outputs inputs"]:
        """Draw the matrix."""
        return torch.randn(outputs, inputs, generator=generator) * (gain / math.sqrt(inputs))


@final
@dataclass(frozen=True)
class Orthogonal(Initializer):
    """gain times a random matrix with orthonormal rows or columns, whichever are fewer.

    Source: Saxe, McClelland & Ganguli 2013, section 3.

    >>> weight = Orthogonal()(2, 3, gain=1.0, generator=torch.Generator())
    >>> torch.allclose(weight @ weight.T, torch.eye(2), atol=1e-6)
    True
    """

    def __call__(
        self, outputs: int, inputs: int, *, gain: float, generator: torch.Generator
    ) -> Float[Tensor, "outputs inputs"]:
        """Draw the matrix."""
        tall = torch.randn(max(outputs, inputs), min(outputs, inputs), generator=generator)
        basis, triangle = torch.linalg.qr(tall)
        # The sign makes the distribution uniform over orthogonal matrices (Mezzadri 2007, eq. 5.3).
        basis = basis * triangle.diagonal().sign()
        return gain * (basis if outputs >= inputs else basis.T).contiguous()


@final
@dataclass(frozen=True)
class Gaussian(Initializer):
    """Normal with a given standard deviation, whatever the sizes: the small random weights of the classical papers.

    >>> float(Gaussian(0.0)(2, 2, gain=1.0, generator=torch.Generator()).abs().sum())
    0.0
    """

    standard_deviation: float = 0.01

    def __call__(
        self, outputs: int, inputs: int, *, gain: float, generator: torch.Generator
    ) -> Float[Tensor, "outputs inputs"]:
        """Draw the matrix; the gain is not used, the point being a fixed size."""
        return torch.randn(outputs, inputs, generator=generator) * self.standard_deviation
