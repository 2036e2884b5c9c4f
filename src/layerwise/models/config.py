"""A model's description as plain values, for files."""

from itertools import pairwise
from typing import final

import pydantic

__all__ = ["DenseConfig", "DetectorConfig", "ImputerConfig", "PredictorConfig"]


@final
class DenseConfig(pydantic.BaseModel, extra="forbid", frozen=True):
    """The arguments of `Dense` without its first weights; functions go by their names in `layerwise.models`.

    >>> DenseConfig(features=4, hidden=(3,), code=2).least_bytes()
    72
    """

    features: int = pydantic.Field(ge=1)
    embeddings: tuple[tuple[int, int, int], ...] = ()
    hidden: tuple[pydantic.PositiveInt, ...] = ()
    code: pydantic.PositiveInt
    activation: str = "silu"
    normalization: str = "none"
    dropout: float = 0.0
    tied: bool = False
    code_activation: str = "identity"
    output: str = "identity"
    linear_path: bool = False

    def least_bytes(self) -> int:
        """What the weights of such a model take at the least, in float32: those of its encoder."""
        embedded = self.features - sum(stop - start - size for start, stop, size in self.embeddings)
        return 4 * sum(a * b for a, b in pairwise((embedded, *self.hidden, self.code)))


@final
class PredictorConfig(pydantic.BaseModel, extra="forbid", frozen=True):
    """The arguments of `Predictor` without its first weights.

    >>> PredictorConfig(features=4, hidden=(3,), outputs=2).least_bytes()
    72
    """

    features: int = pydantic.Field(ge=1)
    embeddings: tuple[tuple[int, int, int], ...] = ()
    hidden: tuple[pydantic.PositiveInt, ...] = pydantic.Field(min_length=1)
    outputs: pydantic.PositiveInt
    activation: str = "silu"
    normalization: str = "none"
    dropout: float = 0.0
    input_dropout: float = 0.0

    def least_bytes(self) -> int:
        """What the weights of such a model take, in float32, without biases."""
        embedded = self.features - sum(stop - start - size for start, stop, size in self.embeddings)
        return 4 * sum(a * b for a, b in pairwise((embedded, *self.hidden, self.outputs)))


@final
class DetectorConfig(pydantic.BaseModel, extra="forbid", frozen=True):
    """The arguments of the judges of a `Detector`.

    >>> DetectorConfig(autoencoders=(DenseConfig(features=4, code=2),), references=10, neighbours=3).least_bytes()
    112
    """

    autoencoders: tuple[DenseConfig, ...] = pydantic.Field(min_length=1)
    columns: tuple[pydantic.PositiveInt, ...] = ()
    references: pydantic.PositiveInt
    neighbours: pydantic.PositiveInt

    def least_bytes(self) -> int:
        """What the weights and the kept codes take at the least, in float32."""
        return sum(one.least_bytes() + 4 * self.references * one.code for one in self.autoencoders)


@final
class ImputerConfig(pydantic.BaseModel, extra="forbid", frozen=True):
    """The arguments of an `Imputer`.

    >>> ImputerConfig(factors=2, net=PredictorConfig(features=4, hidden=(3,), outputs=2)).least_bytes()
    88
    """

    factors: pydantic.PositiveInt
    net: PredictorConfig

    def least_bytes(self) -> int:
        """What the weights and the loadings take at the least, in float32."""
        return self.net.least_bytes() + 4 * self.factors * self.net.outputs
