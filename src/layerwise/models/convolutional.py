"""Autoencoders of convolutions. Rows are flat, as everywhere; the models know the shape of the picture."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import pairwise
from math import prod
from typing import final

import torch
from jaxtyping import Float
from torch import SymInt, Tensor, nn
from torch.nn import functional

from layerwise.errors import InputError
from layerwise.models.activations import Activation, activation_from_name, activation_name, gain, identity, relu, silu
from layerwise.models.base import Autoencoder, Pass
from layerwise.models.config import ConvolutionalConfig, ResidualConfig
from layerwise.models.initializers import Glorot, He, Initializer
from layerwise.models.layers import DenseLayer, Layer
from layerwise.randomness import generator

__all__ = ["Convolution", "Convolutional", "PictureAutoencoder", "Residual", "ResidualBlock", "Transposed"]

LEAST_SIDE = 4


@final
class Convolution(nn.Module):
    """A convolution with bias; `padding` None keeps the size (for stride 1).

    >>> Convolution(3, 8)(torch.zeros(2, 3, 5, 5)).shape
    torch.Size([2, 8, 5, 5])
    """

    def __init__(
        self,
        inputs: int,
        outputs: int,
        *,
        kernel: int = 3,
        stride: int = 1,
        padding: int | None = None,
        initializer: Initializer = He(),
        factor: float = 1.0,
        place: tuple[int, int] = (0, 0),
    ) -> None:
        super().__init__()
        self.stride, self.padding = stride, kernel // 2 if padding is None else padding
        noise = generator(*place, 0)
        flat = initializer(outputs, inputs * kernel**2, gain=factor, generator=noise)
        self.weight = nn.Parameter(flat.reshape(outputs, inputs, kernel, kernel).contiguous())
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Float[Tensor, "batch inputs h w"]) -> Float[Tensor, "batch outputs h2 w2"]:
        """The convolved pictures."""
        return functional.conv2d(x, self.weight, self.bias, stride=self.stride, padding=self.padding)


@final
class Transposed(nn.Module):
    """A transposed convolution that doubles the sides, and is cut to a size.

    >>> Transposed(3, 8)(torch.zeros(2, 3, 4, 4), (7, 7)).shape
    torch.Size([2, 8, 7, 7])
    """

    KERNEL = 4

    def __init__(self, inputs: int, outputs: int, *, factor: float = 1.0, place: tuple[int, int] = (0, 0)) -> None:
        super().__init__()
        noise = generator(*place, 0)
        # Of the 16 weights for each pair of channels four meet at an output.
        flat = He()(inputs, outputs * self.KERNEL**2, gain=factor, generator=noise)
        scale = (outputs * self.KERNEL**2 / (inputs * self.KERNEL**2 / 4)) ** 0.5
        self.weight = nn.Parameter((flat * scale).reshape(inputs, outputs, self.KERNEL, self.KERNEL).contiguous())
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(
        self, x: Float[Tensor, "batch inputs h w"], size: tuple[int | SymInt, int | SymInt]
    ) -> Float[Tensor, "batch outputs h2 w2"]:
        """Larger pictures."""
        whole = functional.conv_transpose2d(x, self.weight, self.bias, stride=2, padding=1)
        return whole[:, :, : size[0], : size[1]]


class PictureAutoencoder(Autoencoder, ABC):
    """An autoencoder whose rows are pictures, flattened row by row with the channels last, as `Schema.pixels` has them.

    Attributes:
        shape: height, width and channels.
        activation: of all layers but the code and the output.
        output: the last activation.
    """

    shape: tuple[int, int, int]
    activation: Activation
    output: Activation

    @property
    @abstractmethod
    def layers(self) -> dict[str, nn.Module]:
        """The layers below the output by name; what a convolution among them gives goes through the activation."""

    @abstractmethod
    def trace(self, x: Float[Tensor, "batch channels height width"]) -> list[Tensor]:
        """The outputs of the encoder's stages; the last one is the code, flat."""

    @abstractmethod
    def paint(self, code: Float[Tensor, "batch code"]) -> Float[Tensor, "batch channels height width"]:
        """Pictures from codes, before the last activation."""

    def encode(self, x: Float[Tensor, "batch pixels"]) -> Float[Tensor, "batch code"]:
        """The code of each picture."""
        return self.trace(self.pictures(x))[-1]

    def decode(self, code: Float[Tensor, "batch code"]) -> Float[Tensor, "batch pixels"]:
        """The reconstruction from each code."""
        return self.output(self._rows(self.paint(code)))

    def forward(self, x: Float[Tensor, "batch pixels"]) -> Pass:
        """Both maps; the hidden layers are flat, too."""
        *hidden, code = self.trace(self.pictures(x))
        natural = self._rows(self.paint(code))
        return Pass(x, code, self.output(natural), tuple(layer.flatten(1) for layer in hidden), natural)

    @property
    def features(self) -> int:
        """The number of pixels times channels."""
        return prod(self.shape)

    def pictures(self, x: Float[Tensor, "batch pixels"]) -> Float[Tensor, "batch channels height width"]:
        """Flat rows as pictures with the channels first."""
        return x.reshape(-1, *self.shape).permute(0, 3, 1, 2)

    def _rows(self, pictures: Tensor) -> Tensor:
        return pictures.permute(0, 2, 3, 1).flatten(1)


@final
class Convolutional(PictureAutoencoder):
    """The plain convolutional autoencoder: convolutions with pooling, then convolutions with upsampling.

    Each stage of the encoder is a convolution of 3 x 3, the activation, and the largest of each 2 x 2 (sides that are
    odd are rounded up). Each stage of the decoder is a convolution, the activation, and a repetition of each pixel
    2 x 2; in the end a convolution to the channels of the picture. With the defaults, for 28 x 28 pixels, the code has
    4 x 4 x 8 units, and the decoder's third convolution is without padding, so that the sides are 28 again.

    Arguments:
        shape: height and width, perhaps channels.
        channels: of the encoder's convolutions, mirrored in the decoder.
        activation: of all convolutions but the last.
        output: the last activation.
        seed: of the first weights.

    Raises:
        InputError: for pictures that are too small for so many stages.

    Source: F. Chollet 2016, "Building autoencoders in Keras", section "Convolutional autoencoder".

    >>> model = Convolutional((28, 28))
    >>> model.code, tuple(model(torch.rand(2, 784)).reconstruction.shape)
    (128, (2, 784))
    """

    def __init__(
        self,
        shape: Sequence[int],
        channels: Sequence[int] = (16, 8, 8),
        *,
        activation: Activation = relu,
        output: Activation = identity,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.shape, self.channels = _checked(shape, channels), tuple(channels)
        self.activation, self.output, self.seed = activation, output, seed
        self.sizes = _sizes(self.shape, len(self.channels))
        widths = (self.shape[2], *self.channels)
        factor = gain(activation)
        self.encoder = nn.ModuleList(
            Convolution(a, b, initializer=Glorot(), factor=factor, place=(seed, place))
            for place, (a, b) in enumerate(pairwise(widths))
        )
        back = (self.channels[-1], *reversed(self.channels))
        self.decoder = nn.ModuleList(
            Convolution(a, b, padding=pad, initializer=Glorot(), factor=factor, place=(seed, len(widths) + place))
            for place, ((a, b), pad) in enumerate(zip(pairwise(back), self._paddings(), strict=True))
        )
        self.last = Convolution(back[-1], self.shape[2], initializer=Glorot(), place=(seed, 2 * len(widths)))

    @property
    def code(self) -> int:
        """The size of the code: height times width times channels of what the encoder leaves."""
        return prod(self.sizes[-1]) * self.channels[-1]

    @property
    def widths(self) -> tuple[int, ...]:
        """The sizes of the input and of all that the encoder's stages leave."""
        sizes = (prod(size) * count for size, count in zip(self.sizes[1:], self.channels, strict=True))
        return (self.features, *sizes)

    @property
    def layers(self) -> dict[str, nn.Module]:
        """The convolutions below the output."""
        chains = {"encoder": self.encoder, "decoder": self.decoder}
        return {f"{name} {place}": layer for name, chain in chains.items() for place, layer in enumerate(chain, 1)}

    def trace(self, x: Float[Tensor, "batch channels height width"]) -> list[Tensor]:
        """The outputs of the stages."""
        outputs = []
        for layer in self.encoder:
            x = functional.max_pool2d(self.activation(layer(x)), 2, ceil_mode=True)
            outputs.append(x)
        return [*outputs[:-1], outputs[-1].flatten(1)]

    def paint(self, code: Float[Tensor, "batch code"]) -> Float[Tensor, "batch channels height width"]:
        """Pictures before the last activation."""
        x = code.reshape(-1, self.channels[-1], *self.sizes[-1])
        for layer in self.decoder:
            x = functional.interpolate(self.activation(layer(x)), scale_factor=2)
        picture: Tensor = self.last(x)
        return picture[:, :, : self.shape[0], : self.shape[1]]

    def config(self) -> ConvolutionalConfig:
        """The description from which `from_config` makes a model of the same shape.

        Raises:
            InputError: for an activation without a name.
        """
        return ConvolutionalConfig(
            shape=self.shape,
            channels=self.channels,
            activation=activation_name(self.activation),
            output=activation_name(self.output),
        )

    @classmethod
    def from_config(cls, config: ConvolutionalConfig) -> "Convolutional":
        """A model of the described shape, with arbitrary weights.

        Raises:
            InputError: for an unknown activation or an impossible shape.
        """
        activation, output = activation_from_name(config.activation), activation_from_name(config.output)
        return cls(config.shape, config.channels, activation=activation, output=output)

    def _paddings(self) -> list[int]:
        """Of the decoder's convolutions: none for the last one, where both sides would else come out two too large."""
        sides = [size << len(self.channels) for size in self.sizes[-1]]
        exact = [side - 2 * 2 for side in sides] == list(self.shape[:2])
        return [1] * (len(self.channels) - 1) + [0 if exact else 1]


@final
class Residual(PictureAutoencoder):
    """A deeper convolutional autoencoder: strided convolutions and residual blocks, with a dense layer to the code.

    Each stage of the encoder halves the sides by a strided convolution and goes on with residual blocks; the decoder
    mirrors it with transposed convolutions. Pictures of any size; a residual block starts as the identity.

    Arguments:
        shape: height and width, perhaps channels.
        channels: of the stages.
        code: width of the code.
        blocks: residual blocks of each stage.
        activation: of all convolutions but the last.
        output: the last activation.
        seed: of the first weights.

    Raises:
        InputError: for pictures that are too small for so many stages.

    Source: He, Zhang, Ren & Sun 2016, "Identity mappings in deep residual networks".

    >>> model = Residual((28, 28), code=30)
    >>> tuple(model(torch.rand(2, 784)).reconstruction.shape)
    (2, 784)
    """

    def __init__(
        self,
        shape: Sequence[int],
        channels: Sequence[int] = (16, 32),
        *,
        code: int,
        blocks: int = 1,
        activation: Activation = silu,
        output: Activation = identity,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.shape, self.channels, self.code, self.blocks = _checked(shape, channels), tuple(channels), code, blocks
        self.activation, self.output, self.seed = activation, output, seed
        if code < 1:
            raise InputError(f"the code must have at least 1 unit; got {code}.")
        self.sizes = _sizes(self.shape, len(self.channels))
        widths, factor = (self.shape[2], *self.channels), gain(activation)
        places = iter(range(1000))
        self.down, self.up, self.encoder, self.decoder = (nn.ModuleList() for _ in range(4))
        for a, b in pairwise(widths):
            self.down.append(
                Convolution(a, b, kernel=4, stride=2, padding=1, factor=factor, place=(seed, next(places)))
            )
            self.encoder.append(
                nn.ModuleList(ResidualBlock(b, activation, (seed, next(places))) for _ in range(blocks))
            )
        for a, b in pairwise(reversed(widths)):
            self.decoder.append(
                nn.ModuleList(ResidualBlock(a, activation, (seed, next(places))) for _ in range(blocks))
            )
            self.up.append(Transposed(a, b, factor=factor, place=(seed, next(places))))
        flat = prod(self.sizes[-1]) * self.channels[-1]
        self.to_code = DenseLayer(flat, code, layer=Layer(identity), seed=seed, place=next(places))
        self.from_code = DenseLayer(code, flat, layer=Layer(activation), seed=seed, place=next(places))

    @property
    def widths(self) -> tuple[int, ...]:
        """The sizes of the input, of all that the encoder's stages leave, and of the code."""
        sizes = (prod(size) * count for size, count in zip(self.sizes[1:], self.channels, strict=True))
        return (self.features, *sizes, self.code)

    @property
    def layers(self) -> dict[str, nn.Module]:
        """The strided convolutions, the first one of each residual block, and the dense layers about the code."""
        found: dict[str, nn.Module] = {}
        for place, (down, stage) in enumerate(zip(self.down, self.encoder, strict=True), 1):
            found[f"encoder {place}"] = down
            found |= _named(f"encoder {place}", stage)
        found |= {"code": self.to_code, "from code": self.from_code}
        for place, (stage, up) in enumerate(zip(self.decoder, self.up, strict=True), 1):
            found |= _named(f"decoder {place}", stage)
            found[f"decoder {place}"] = up
        # The last one makes the output.
        del found[f"decoder {len(self.up)}"]
        return found

    def trace(self, x: Float[Tensor, "batch channels height width"]) -> list[Tensor]:
        """The outputs of the stages, and the code."""
        outputs = []
        for size, down, stage in zip(self.sizes[1:], self.down, self.encoder, strict=True):
            # An odd side is given one more pixel, which the cut takes away again.
            odd = (0, x.shape[3] % 2, 0, x.shape[2] % 2)
            x = self.activation(down(functional.pad(x, odd)))[:, :, : size[0], : size[1]]
            for block in _modules(stage):
                x = block(x)
            outputs.append(x)
        return [*outputs, self.to_code(outputs[-1].flatten(1))]

    def paint(self, code: Float[Tensor, "batch code"]) -> Float[Tensor, "batch channels height width"]:
        """Pictures before the last activation."""
        x: Tensor = self.from_code(code).reshape(-1, self.channels[-1], *self.sizes[-1])
        sizes = [*reversed(self.sizes[:-1])]
        for place, (size, stage, up) in enumerate(zip(sizes, self.decoder, self.up, strict=True)):
            for block in _modules(stage):
                x = block(x)
            x = up(x, size)
            if place < len(sizes) - 1:
                x = self.activation(x)
        return x

    def config(self) -> ResidualConfig:
        """The description from which `from_config` makes a model of the same shape.

        Raises:
            InputError: for an activation without a name.
        """
        return ResidualConfig(
            shape=self.shape,
            channels=self.channels,
            code=self.code,
            blocks=self.blocks,
            activation=activation_name(self.activation),
            output=activation_name(self.output),
        )

    @classmethod
    def from_config(cls, config: ResidualConfig) -> "Residual":
        """A model of the described shape, with arbitrary weights.

        Raises:
            InputError: for an unknown activation or an impossible shape.
        """
        return cls(
            config.shape,
            config.channels,
            code=config.code,
            blocks=config.blocks,
            activation=activation_from_name(config.activation),
            output=activation_from_name(config.output),
        )


@final
class ResidualBlock(nn.Module):
    """x + conv(f(conv(f(x)))), the second convolution zero at first: it begins as the identity.

    >>> x = torch.rand(1, 2, 3, 3)
    >>> torch.equal(ResidualBlock(2, relu, (0, 0))(x), x)
    True
    """

    def __init__(self, channels: int, activation: Activation, place: tuple[int, int]) -> None:
        super().__init__()
        seed, number = place
        self.activation = activation
        self.first = Convolution(channels, channels, factor=gain(activation), place=(seed, 1000 + number))
        self.second = Convolution(channels, channels, factor=0.0, place=(seed, 2000 + number))

    def forward(self, x: Float[Tensor, "batch channels h w"]) -> Float[Tensor, "batch channels h w"]:
        """As many pictures."""
        return x + self.second(self.activation(self.first(self.activation(x))))


def _named(stage: str, blocks: nn.Module) -> dict[str, nn.Module]:
    """The first convolution of each block, which is the one that an activation follows."""
    return {f"{stage} block {place}": block.get_submodule("first") for place, block in enumerate(_modules(blocks), 1)}


def _modules(stage: nn.Module) -> nn.ModuleList:
    # ModuleList forgets the type of what it holds.
    assert isinstance(stage, nn.ModuleList)
    return stage


def _checked(shape: Sequence[int], channels: Sequence[int]) -> tuple[int, int, int]:
    height, width, depth = (*shape, 1) if len(shape) == 2 else tuple(shape)
    least = 1 << len(channels)
    if not channels or min(*channels, depth) < 1 or min(height, width) < max(LEAST_SIDE, least):
        raise InputError(
            f"{len(channels)} stages need pictures of at least {max(LEAST_SIDE, least)} pixels a side and channels "
            f"from 1 on; got the shape {tuple(shape)} and channels {tuple(channels)}."
        )
    return height, width, depth


def _sizes(shape: tuple[int, int, int], stages: int) -> list[tuple[int, int]]:
    """Height and width of the input and after each stage, which halves them and rounds up."""
    sizes = [shape[:2]]
    for _ in range(stages):
        height, width = sizes[-1]
        sizes.append((-(-height // 2), -(-width // 2)))
    return sizes
