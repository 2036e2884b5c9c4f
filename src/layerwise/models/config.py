"""A model's description as plain values, for files."""

from itertools import pairwise
from typing import Literal, final

import pydantic

__all__ = [
    "ConvolutionalConfig",
    "DenseConfig",
    "DetectorConfig",
    "ImputerConfig",
    "PredictorConfig",
    "ResidualConfig",
    "SegNetConfig",
    "SequenceConfig",
    "UNetConfig",
    "VariationalConfig",
]


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


@final
class ConvolutionalConfig(pydantic.BaseModel, extra="forbid", frozen=True):
    """The arguments of `Convolutional` without its first weights.

    >>> ConvolutionalConfig(shape=(28, 28, 1), channels=(16, 8)).least_bytes()
    5184
    """

    shape: tuple[pydantic.PositiveInt, pydantic.PositiveInt, pydantic.PositiveInt]
    channels: tuple[pydantic.PositiveInt, ...] = pydantic.Field(min_length=1)
    activation: str = "relu"
    output: str = "identity"

    def least_bytes(self) -> int:
        """What the weights take at the least, in float32: those of the encoder."""
        return 4 * 9 * sum(a * b for a, b in pairwise((self.shape[2], *self.channels)))


@final
class ResidualConfig(pydantic.BaseModel, extra="forbid", frozen=True):
    """The arguments of `Residual` without its first weights.

    >>> ResidualConfig(shape=(28, 28, 1), channels=(16,), code=2).least_bytes()
    1152
    """

    shape: tuple[pydantic.PositiveInt, pydantic.PositiveInt, pydantic.PositiveInt]
    channels: tuple[pydantic.PositiveInt, ...] = pydantic.Field(min_length=1)
    code: pydantic.PositiveInt
    blocks: int = pydantic.Field(1, ge=0)
    activation: str = "silu"
    output: str = "identity"

    def least_bytes(self) -> int:
        """What the weights take at the least, in float32: those of the encoder's strided convolutions and the code."""
        strided = 16 * sum(a * b for a, b in pairwise((self.shape[2], *self.channels)))
        return 4 * (strided + self.code * self.channels[-1])


@final
class SegNetConfig(pydantic.BaseModel, extra="forbid", frozen=True):
    """The arguments of `SegNet` without its first weights.

    >>> SegNetConfig(channels=1, widths=(8, 16), outputs=2, convolutions=2).least_bytes()
    4896
    """

    channels: pydantic.PositiveInt
    widths: tuple[pydantic.PositiveInt, ...] = pydantic.Field(min_length=1)
    outputs: pydantic.PositiveInt
    convolutions: pydantic.PositiveInt

    def least_bytes(self) -> int:
        """What the weights take at the least, in float32: those of the first convolution of each stage."""
        return 4 * 9 * sum(a * b for a, b in pairwise((self.channels, *self.widths)))


@final
class UNetConfig(pydantic.BaseModel, extra="forbid", frozen=True):
    """The arguments of `UNet` without its first weights.

    >>> UNetConfig(channels=1, widths=(8, 16), outputs=1, blocks=1, residual=True).least_bytes()
    8192
    """

    channels: pydantic.PositiveInt
    widths: tuple[pydantic.PositiveInt, ...] = pydantic.Field(min_length=1)
    outputs: pydantic.PositiveInt
    blocks: pydantic.PositiveInt
    residual: bool

    def least_bytes(self) -> int:
        """What the weights take at the least, in float32: those of the strided convolutions."""
        return 4 * 16 * sum(a * b for a, b in pairwise(self.widths))


@final
class VariationalConfig(pydantic.BaseModel, extra="forbid", frozen=True):
    """The arguments of `Variational` without its first weights.

    >>> VariationalConfig(features=4, hidden=(3,), latent=2).least_bytes()
    72
    """

    features: pydantic.PositiveInt
    hidden: tuple[pydantic.PositiveInt, ...] = ()
    latent: pydantic.PositiveInt
    activation: str = "silu"
    normalization: str = "none"
    output: str = "identity"

    def least_bytes(self) -> int:
        """What the weights take at the least, in float32: those of the encoder up to the mean."""
        return 4 * sum(a * b for a, b in pairwise((self.features, *self.hidden, self.latent)))


@final
class SequenceConfig(pydantic.BaseModel, extra="forbid", frozen=True):
    """The arguments of `Recurrent` or `Transformer` without their first weights.

    >>> SequenceConfig(network="recurrent", vocabulary=100, width=8, layers=1, heads=2, dropout=0.1).least_bytes()
    4736
    """

    network: Literal["recurrent", "transformer"]
    vocabulary: pydantic.PositiveInt
    width: pydantic.PositiveInt
    layers: pydantic.PositiveInt
    heads: pydantic.PositiveInt
    code: pydantic.PositiveInt | None = None
    dropout: float

    def least_bytes(self) -> int:
        """What the weights take at the least, in float32: the vectors of the tokens, and four squares a layer."""
        return 4 * (self.vocabulary * self.width + (4 * self.layers + 2) * self.width**2)
