"""First values of a weight matrix, of shape (outputs, inputs), scaled by the gain of the activation after it.

Those that ask for rows (`DataDependent`) are drawn like the others, and adapted by `layerwise.models.start_from_rows`.
"""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import NamedTuple, final

import torch
from jaxtyping import Float
from torch import Tensor

from layerwise.data import Batch
from layerwise.errors import InputError
from layerwise.models.principal_components import PrincipalComponents

__all__ = [
    "INITIALIZER_WORDS",
    "DataDependent",
    "Gaussian",
    "Glorot",
    "He",
    "Identity",
    "Initializer",
    "LayerSequentialUnitVariance",
    "Orthogonal",
    "PrincipalDirections",
    "Sparse",
    "initializer_from_name",
]


class Initializer(ABC):
    """Draws a weight matrix of shape (outputs, inputs); a frozen choice, its randomness comes from the generator.

    Attributes:
        critical: whether its gain is `layerwise.models.critical_gain`, and not `layerwise.models.gain`.
    """

    critical: bool = False

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

    Arguments:
        scale: of that; below 1 signals get smaller from layer to layer. A deep ReLU autoencoder that starts so makes
            less error on rows it has not seen (docs/deep-autoencoders.md).

    Raises:
        InputError: for a scale that is not finite, or below 0.

    Source: He et al. 2015, eq. 10.

    >>> round(float(He()(500, 400, gain=1.0, generator=torch.Generator()).std()), 2)
    0.05
    """

    scale: float = 1.0

    def __post_init__(self) -> None:
        _check_spread(self.scale)

    def __call__(
        self, outputs: int, inputs: int, *, gain: float, generator: torch.Generator
    ) -> Float[Tensor, "outputs inputs"]:
        """Draw the matrix."""
        return torch.randn(outputs, inputs, generator=generator) * (self.scale * gain / math.sqrt(inputs))


@final
@dataclass(frozen=True)
class Orthogonal(Initializer):
    """gain times a random matrix with orthonormal rows or columns, whichever are fewer.

    Arguments:
        critical: whether the gain is the critical one of the activation, with which also nets of many tanh layers pass
            gradients back unchanged, and not the one that keeps the mean square of a signal of size 1.

    Source: Saxe, McClelland & Ganguli 2013, section 3.

    >>> weight = Orthogonal()(2, 3, gain=1.0, generator=torch.Generator())
    >>> torch.allclose(weight @ weight.T, torch.eye(2), atol=1e-6)
    True
    """

    critical: bool = False

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

    Raises:
        InputError: for a standard deviation that is not finite, or below 0.

    >>> float(Gaussian(0.0)(2, 2, gain=1.0, generator=torch.Generator()).abs().sum())
    0.0
    """

    standard_deviation: float = 0.01

    def __post_init__(self) -> None:
        _check_spread(self.standard_deviation)

    def __call__(
        self, outputs: int, inputs: int, *, gain: float, generator: torch.Generator
    ) -> Float[Tensor, "outputs inputs"]:
        """Draw the matrix; the gain is not used, the point being a fixed size."""
        return torch.randn(outputs, inputs, generator=generator) * self.standard_deviation


@final
@dataclass(frozen=True)
class Sparse(Initializer):
    """Each unit gets weights from a few inputs, drawn from N(0, standard_deviation^2); all others are 0.

    So the size of a unit's input does not depend on the width below, and units start different from each other.

    Arguments:
        connections: non-zero weights of a unit; with fewer inputs all of them.
        standard_deviation: of these weights.

    Raises:
        InputError: for fewer than 1 connection, or a standard deviation that is not finite, or below 0.

    Source: Martens 2010, "Deep learning via Hessian-free optimization", section 5.

    >>> weight = Sparse(2)(3, 5, gain=1.0, generator=torch.Generator())
    >>> weight.count_nonzero(dim=1)
    tensor([2, 2, 2])
    """

    connections: int = 15
    standard_deviation: float = 1.0

    def __post_init__(self) -> None:
        _check_spread(self.standard_deviation)
        if self.connections < 1:
            raise InputError(f"connections of Sparse must be at least 1; got {self.connections}.")

    def __call__(
        self, outputs: int, inputs: int, *, gain: float, generator: torch.Generator
    ) -> Float[Tensor, "outputs inputs"]:
        """Draw the matrix; the gain is not used, the point being a fixed size."""
        count = min(self.connections, inputs)
        places = torch.rand(outputs, inputs, generator=generator).topk(count).indices
        values = torch.randn(outputs, count, generator=generator) * self.standard_deviation
        return torch.zeros(outputs, inputs).scatter(1, places, values)


@final
@dataclass(frozen=True)
class Identity(Initializer):
    """The identity, and a little noise: every layer starts by passing on what it gets.

    Where widths differ, unit i of a narrower layer adds up the inputs i, i + outputs, ..., and unit i of a wider one
    copies input i modulo the inputs; scaled so that rows or columns, whichever are fewer, have length 1.

    Arguments:
        standard_deviation: of the noise, times sqrt(inputs); it tells units apart that copy the same input.

    Raises:
        InputError: for a standard deviation that is not finite, or below 0.

    Source: Le, Jaitly & Hinton 2015, "A simple way to initialize recurrent networks of rectified linear units".

    >>> Identity(0.0)(2, 2, gain=1.0, generator=torch.Generator())
    tensor([[1., 0.],
            [0., 1.]])
    """

    standard_deviation: float = 0.01

    def __post_init__(self) -> None:
        _check_spread(self.standard_deviation)

    def __call__(
        self, outputs: int, inputs: int, *, gain: float, generator: torch.Generator
    ) -> Float[Tensor, "outputs inputs"]:
        """Draw the matrix; the gain is not used: what a layer passes on, the next one must not make larger."""
        fewer = min(outputs, inputs)
        same = torch.arange(outputs).unsqueeze(1) % fewer == torch.arange(inputs) % fewer
        folded = same / same.sum(1 if inputs >= outputs else 0, keepdim=True).sqrt()
        noise = torch.randn(outputs, inputs, generator=generator) * (self.standard_deviation / math.sqrt(inputs))
        return folded + noise


class Affine(NamedTuple):
    """A linear map W x + b."""

    weight: Float[Tensor, "outputs inputs"]
    bias: Float[Tensor, " outputs"]


class DataDependent(Initializer, ABC):
    """First weights for which rows are needed: each layer's, when those before it have theirs.

    Attributes:
        inverts: whether a decoder layer starts as the inverse of the encoder layer that it mirrors, and not by itself.
    """

    inverts: bool = False

    @abstractmethod
    def adapted(self, weight: Float[Tensor, "outputs inputs"], x: Float[Tensor, "rows inputs"]) -> Affine:
        """The first weights and biases of a layer, from those that were drawn for it and from what it gets of rows."""


@final
@dataclass(frozen=True)
class LayerSequentialUnitVariance(DataDependent):
    """Orthogonal weights, scaled layer by layer so that what comes before the activation has variance 1 on the rows.

    The variance is that over all units and rows. A bias of 0 makes one scaling exact, where the paper iterates.

    Source: Mishkin & Matas 2016, "All you need is a good init", algorithm 1.

    >>> x = torch.randn(50, 3, generator=torch.Generator())
    >>> affine = LayerSequentialUnitVariance().adapted(torch.eye(3), 7 * x)
    >>> round(float((7 * x @ affine.weight.T).var(correction=0)), 4)
    1.0
    """

    def __call__(
        self, outputs: int, inputs: int, *, gain: float, generator: torch.Generator
    ) -> Float[Tensor, "outputs inputs"]:
        """Draw the matrix, before any row is seen."""
        return Orthogonal()(outputs, inputs, gain=gain, generator=generator)

    def adapted(self, weight: Float[Tensor, "outputs inputs"], x: Float[Tensor, "rows inputs"]) -> Affine:
        """The weights, scaled."""
        return Affine(weight * _to_unit_variance(x @ weight.T), torch.zeros(len(weight)))


@final
@dataclass(frozen=True)
class PrincipalDirections(DataDependent):
    """Every layer starts with the principal directions of what it gets; each of its decoder's layers inverts it.

    The units are the scores, by falling variance, all divided by one number, so that their variance over units and rows
    is 1. Units beyond the rank of the rows keep orthogonal weights. An autoencoder of linear layers starts as PCA.

    Source: Pearson 1901; as first weights of deep nets Seuret et al. 2017, "PCA-initialized deep neural networks".

    >>> x = torch.tensor([[0.0, 1.0], [0.0, 3.0], [0.0, 5.0]])
    >>> affine = PrincipalDirections().adapted(torch.ones(1, 2), x)
    >>> (x @ affine.weight.T + affine.bias).abs().round(decimals=4)
    tensor([[1.2247],
            [0.0000],
            [1.2247]])
    """

    inverts: bool = True

    def __call__(
        self, outputs: int, inputs: int, *, gain: float, generator: torch.Generator
    ) -> Float[Tensor, "outputs inputs"]:
        """Draw the matrix, before any row is seen."""
        return Orthogonal()(outputs, inputs, gain=gain, generator=generator)

    def adapted(self, weight: Float[Tensor, "outputs inputs"], x: Float[Tensor, "rows inputs"]) -> Affine:
        """The directions, and biases that make the rows' mean 0."""
        known = PrincipalComponents.fit(_Signals(x), len(weight))
        directions = torch.where(known.variances.unsqueeze(1) > 0, known.components, weight)
        directions = directions * _to_unit_variance((x - known.center) @ directions.T)
        return Affine(directions, -directions @ known.center)


@final
class _Signals:
    """What a layer gets, as rows."""

    def __init__(self, x: Tensor) -> None:
        self.x = x

    def __len__(self) -> int:
        return len(self.x)

    def batch(self, index: Tensor) -> Batch:
        return Batch(self.x[index], None)


def _check_spread(standard_deviation: float) -> None:
    if not 0 <= standard_deviation < math.inf:
        raise InputError(f"a standard deviation must be finite and at least 0; got {standard_deviation}.")


def _to_unit_variance(values: Tensor) -> float:
    """The factor that makes the variance over all numbers 1; 1 for a layer that is silent."""
    variance = float(values.double().var(correction=0))
    return variance**-0.5 if variance > 0 else 1.0


_PLAIN: dict[str, Initializer] = {
    "glorot": Glorot(),
    "he": He(),
    "orthogonal": Orthogonal(),
    "orthogonal:critical": Orthogonal(critical=True),
    "lsuv": LayerSequentialUnitVariance(),
    "pca": PrincipalDirections(),
}

# How `initializer_from_name` says what it knows.
INITIALIZER_WORDS = ", ".join((*_PLAIN, "he:0.5", "gaussian:0.01", "identity:0.01", "sparse:15"))


def initializer_from_name(name: str) -> Initializer:
    """The initializer of a name, perhaps with a number after a colon: a standard deviation, a scale, or connections.

    Raises:
        InputError: for an unknown name, or a number that it does not take.

    >>> initializer_from_name("sparse:10"), initializer_from_name("gaussian")
    (Sparse(connections=10, standard_deviation=1.0), Gaussian(standard_deviation=0.01))
    """
    if name in _PLAIN:
        return _PLAIN[name]
    kind, colon, text = name.partition(":")
    spreads: dict[str, type[Gaussian | He | Identity]] = {"gaussian": Gaussian, "he": He, "identity": Identity}
    try:
        if kind == "sparse":
            return Sparse(int(text)) if colon else Sparse()
        if kind in spreads:
            return spreads[kind](float(text)) if colon else spreads[kind]()
    except ValueError:
        pass
    raise InputError(f"the initializer must be one of {INITIALIZER_WORDS}; got {name!r}.")
