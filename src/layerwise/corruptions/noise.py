"""What is done to the input before the model sees it; the target stays clean."""

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import KW_ONLY, dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor

from layerwise.errors import InputError

__all__ = [
    "NOISES",
    "Compose",
    "Corruption",
    "GaussianNoise",
    "Masking",
    "SaltAndPepper",
    "SwapNoise",
    "Varied",
]


class Corruption(ABC):
    """A random change of a batch, the same one for the same generator; level 0 is the identity."""

    @abstractmethod
    def __call__(self, x: Float[Tensor, "*shape"], generator: torch.Generator) -> Float[Tensor, "*shape"]:
        """The corrupted copy; `x` itself is left as it is."""


@final
@dataclass(frozen=True)
class Masking(Corruption):
    """Sets each feature to 0 with probability `level`.

    Source: Vincent et al. 2010, section 3.3 ("masking noise").

    >>> Masking(1.0)(torch.ones(1, 3), torch.Generator())
    tensor([[0., 0., 0.]])
    """

    level: float

    def __post_init__(self) -> None:
        _check_probability("Masking", self.level)

    def __call__(self, x: Float[Tensor, "*shape"], generator: torch.Generator) -> Float[Tensor, "*shape"]:
        """Mask the batch."""
        return x if self.level == 0 else x * (_uniform(x, generator) >= self.level)


@final
@dataclass(frozen=True)
class GaussianNoise(Corruption):
    """Adds normal noise of standard deviation `level`, in the units of the scaled features.

    Source: Vincent et al. 2010, section 3.3.

    >>> GaussianNoise(0.0)(torch.ones(1, 3), torch.Generator())
    tensor([[1., 1., 1.]])
    """

    level: float

    def __post_init__(self) -> None:
        if not 0 <= self.level < float("inf"):
            raise InputError(f"the level of GaussianNoise must be at least 0 and finite; got {self.level}.")

    def __call__(self, x: Float[Tensor, "*shape"], generator: torch.Generator) -> Float[Tensor, "*shape"]:
        """Add the noise."""
        if self.level == 0:
            return x
        return x + self.level * torch.randn(x.shape, generator=generator, device=x.device, dtype=x.dtype)


@final
@dataclass(frozen=True)
class SaltAndPepper(Corruption):
    """Sets each feature with probability `level` to the least or the largest value of the batch, by a fair coin.

    Source: Vincent et al. 2010, section 3.3.

    >>> x = torch.tensor([[0.0, 0.5, 1.0]])
    >>> bool(((SaltAndPepper(1.0)(x, torch.Generator()) - 0.5).abs() == 0.5).all())
    True
    """

    level: float

    def __post_init__(self) -> None:
        _check_probability("SaltAndPepper", self.level)

    def __call__(self, x: Float[Tensor, "*shape"], generator: torch.Generator) -> Float[Tensor, "*shape"]:
        """Salt and pepper the batch."""
        if self.level == 0:
            return x
        draw = _uniform(x, generator)
        salted = torch.where(draw < self.level / 2, x.min(), x.max())
        return torch.where(draw < self.level, salted, x)


@final
@dataclass(frozen=True)
class SwapNoise(Corruption):
    """Gives each feature with probability `level` the value that it has in another row of the batch, drawn at random.

    Each feature keeps its own distribution, whatever its kind; only what it has to do with the others is broken.

    Source: M. Jahrer 2017, the winning solution of Porto Seguro's Safe Driver Prediction.

    >>> SwapNoise(1.0)(torch.tensor([[1.0, 2.0], [1.0, 2.0]]), torch.Generator())
    tensor([[1., 2.],
            [1., 2.]])
    """

    level: float

    def __post_init__(self) -> None:
        _check_probability("SwapNoise", self.level)

    def __call__(self, x: Float[Tensor, "*shape"], generator: torch.Generator) -> Float[Tensor, "*shape"]:
        """Swap cells between the rows of the batch."""
        if self.level == 0:
            return x
        draw = _uniform(x, generator)
        other = torch.randint(len(x), x.shape, generator=generator, device=x.device)
        return torch.where(draw < self.level, x.gather(0, other), x)


@final
@dataclass(frozen=True, init=False)
class Compose(Corruption):
    """Several corruptions, one after the other.

    >>> Compose(Masking(1.0), GaussianNoise(0.0))(torch.ones(1, 2), torch.Generator())
    tensor([[0., 0.]])
    """

    parts: tuple[Corruption, ...]

    def __init__(self, *parts: Corruption) -> None:
        object.__setattr__(self, "parts", parts)

    def __call__(self, x: Float[Tensor, "*shape"], generator: torch.Generator) -> Float[Tensor, "*shape"]:
        """Apply all of them."""
        for part in self.parts:
            x = part(x, generator)
        return x


@final
@dataclass(frozen=True)
class Varied(Corruption):
    """A corruption whose level is drawn anew for each row: what is trained with it must not rely on a level.

    Arguments:
        kind: makes the corruption of a level: `GaussianNoise`, `SaltAndPepper`, `Masking`.
        low: the least level.
        high: the largest level.
        bounds: where the corrupted values are cut off; None for nowhere.

    Raises:
        InputError: for levels that the corruption does not take, or that are not in order.

    >>> Varied(Masking, 1.0, high=1.0)(torch.ones(2, 2), torch.Generator())
    tensor([[0., 0.],
            [0., 0.]])
    """

    kind: Callable[[float], Corruption]
    low: float
    _: KW_ONLY
    high: float
    bounds: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        self.kind(self.low), self.kind(self.high)
        if self.low > self.high:
            raise InputError(f"levels must be in order; got {self.low} to {self.high}.")

    def __call__(self, x: Float[Tensor, "*shape"], generator: torch.Generator) -> Float[Tensor, "*shape"]:
        """Corrupt each row by its own level."""
        share = torch.rand(len(x), generator=generator, device=x.device).tolist()
        levels = [self.low + (self.high - self.low) * one for one in share]
        rows = [self.kind(level)(row, generator) for level, row in zip(levels, x.split(1), strict=True)]
        y = torch.cat(rows) if rows else x
        return y if self.bounds is None else y.clamp(*self.bounds)


# Kinds of noise by the names that they go by in files and on the command line.
NOISES: Mapping[str, type[GaussianNoise | SaltAndPepper | Masking]] = {
    "gaussian": GaussianNoise,
    "salt_and_pepper": SaltAndPepper,
    "masking": Masking,
}


def _uniform(x: Tensor, generator: torch.Generator) -> Tensor:
    return torch.rand(x.shape, generator=generator, device=x.device, dtype=torch.float32)


def _check_probability(name: str, level: float) -> None:
    if not 0 <= level <= 1:
        raise InputError(f"the level of {name} must be from 0 to 1; got {level}.")
