"""Networks from pictures to pictures of any size: one that keeps where its maxima were, one with skip connections."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import pairwise
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from layerwise.errors import InputError
from layerwise.models.activations import relu, silu
from layerwise.models.base import Autoencoder, Pass
from layerwise.models.config import SegNetConfig, UNetConfig
from layerwise.models.convolutional import Convolution, ResidualBlock, Transposed

__all__ = ["PictureMap", "SegNet", "UNet"]

GAIN = 2**0.5


class PictureMap(Autoencoder, ABC):
    """A map from pictures to pictures of the same size, whatever size that is; the channels come first.

    The sides are made multiples of what the stages need by repeating the last pixels, which are cut off again.

    Attributes:
        channels: of the input.
        outputs: channels of the output.
        widths: channels of the stages, from the finest to the coarsest.
        residual: whether the output is added to the input.
    """

    channels: int
    outputs: int
    widths: tuple[int, ...]
    residual: bool = False

    @abstractmethod
    def down(self, x: Float[Tensor, "batch channels height width"]) -> tuple[list[Tensor], list[Tensor]]:
        """The outputs of the stages, and what the decoder needs of each beside the last of them."""

    @abstractmethod
    def up(
        self, x: Float[Tensor, "batch channels height width"], kept: Sequence[Tensor]
    ) -> Float[Tensor, "batch outputs height2 width2"]:
        """From the output of the last stage, and of what is kept of each, to the picture."""

    @abstractmethod
    def nothing(self, x: Float[Tensor, "batch channels height width"]) -> list[Tensor]:
        """What is kept of the stages where only the output of the last one is known."""

    @property
    @abstractmethod
    def stride(self) -> int:
        """By what the sides must be divisible."""

    @property
    @abstractmethod
    def reach(self) -> int:
        """A pixel of the output depends on no pixel of the input that is farther away, up or down, left or right."""

    @property
    def code(self) -> int:
        """The channels of the last stage."""
        return self.widths[-1]

    def encode(self, x: Float[Tensor, "batch channels height width"]) -> Float[Tensor, "batch code height2 width2"]:
        """The output of the last stage: a coarse picture with many channels."""
        return self.down(self._padded(x))[0][-1]

    def decode(self, code: Float[Tensor, "batch code height width"]) -> Float[Tensor, "batch outputs height2 width2"]:
        """The picture that the output of the last stage alone gives."""
        return self.up(code, self.nothing(code))

    def forward(self, x: Float[Tensor, "batch channels height width"]) -> Pass:
        """The picture from a picture: the reconstruction of the pass."""
        stages, kept = self.down(self._padded(x))
        y = self.up(stages[-1], kept)[:, :, : x.shape[2], : x.shape[3]]
        y = x + y if self.residual else y
        return Pass(x, stages[-1], y, tuple(stages[:-1]), y)

    def _padded(self, x: Tensor) -> Tensor:
        below, right = (-side % self.stride for side in x.shape[2:])
        return functional.pad(x, (0, right, 0, below), mode="replicate") if below or right else x


@final
class SegNet(PictureMap):
    """The encoder pools by maxima and tells the decoder where each of them was.

    Each stage of the encoder is some convolutions of 3 x 3 with batch normalization and rectified units, and a pooling
    of 2 x 2; the decoder mirrors it: each value goes back to where the maximum was, zeros to the other three places,
    and as many convolutions follow. In the end a convolution to the outputs.

    Arguments:
        channels: of the input.
        widths: channels of the stages.
        outputs: channels of the output; one score for each class.
        convolutions: of each stage.
        seed: of the first weights.

    Raises:
        InputError: for no stage, or numbers below 1.

    Source: Badrinarayanan, Kendall & Cipolla 2017, "SegNet: a deep convolutional encoder-decoder architecture for image
    segmentation", section 3.

    >>> model = SegNet(1, (8, 16), outputs=2)
    >>> tuple(model(torch.rand(2, 1, 21, 30)).reconstruction.shape)
    (2, 2, 21, 30)
    """

    def __init__(
        self, channels: int, widths: Sequence[int] = (32, 64, 96), *, outputs: int, convolutions: int = 2, seed: int = 0
    ) -> None:
        super().__init__()
        _check(channels, widths, outputs, convolutions)
        self.channels, self.widths, self.outputs, self.convolutions = channels, tuple(widths), outputs, convolutions
        places = iter(range(10_000))

        def stage(inputs: int, last: int, inner: int) -> nn.Sequential:
            sizes = [inputs, *[inner] * (convolutions - 1), last]
            return nn.Sequential(*(_Normalized(a, b, (seed, next(places))) for a, b in pairwise(sizes)))

        steps = list(pairwise((channels, *self.widths)))
        self.encoder = nn.ModuleList(stage(a, b, b) for a, b in steps)
        back = [(b, a) for a, b in reversed(steps[1:])]
        self.decoder = nn.ModuleList(stage(a, b, a) for a, b in [*back, (self.widths[0],) * 2])
        self.last = Convolution(self.widths[0], outputs, place=(seed, next(places)))

    @property
    def stride(self) -> int:
        """2 for each stage."""
        return 1 << len(self.widths)

    @property
    def reach(self) -> int:
        """Of each stage a pixel for each convolution and two for the pooling, in pixels of its size."""
        return (2 * self.convolutions + 2) * (self.stride - 1) + 1

    def down(self, x: Float[Tensor, "batch channels height width"]) -> tuple[list[Tensor], list[Tensor]]:
        """The pooled outputs of the stages, and the places of the maxima."""
        stages, kept = [], []
        for stage in self.encoder:
            x, places = functional.max_pool2d(stage(x), 2, return_indices=True)
            stages.append(x)
            kept.append(places)
        return stages, kept

    def up(
        self, x: Float[Tensor, "batch channels height width"], kept: Sequence[Tensor]
    ) -> Float[Tensor, "batch outputs height2 width2"]:
        """The scores of each pixel."""
        for stage, places in zip(self.decoder, reversed(kept), strict=True):
            x = stage(functional.max_unpool2d(x, places, [2, 2]))
        scores: Tensor = self.last(x)
        return scores

    def nothing(self, x: Float[Tensor, "batch channels height width"]) -> list[Tensor]:
        """The first place of each 2 x 2."""
        kept = []
        for depth, width in enumerate(reversed(self.widths)):
            height, side = x.shape[2] << depth, x.shape[3] << depth
            rows, columns = (2 * torch.arange(size, device=x.device) for size in (height, side))
            kept.append((rows[:, None] * 2 * side + columns).expand(len(x), width, height, side))
        return kept[::-1]

    def config(self) -> SegNetConfig:
        """The description from which `from_config` makes a model of the same shape."""
        return SegNetConfig(
            channels=self.channels, widths=self.widths, outputs=self.outputs, convolutions=self.convolutions
        )

    @classmethod
    def from_config(cls, config: SegNetConfig) -> "SegNet":
        """A model of the described shape, with arbitrary weights."""
        return cls(config.channels, config.widths, outputs=config.outputs, convolutions=config.convolutions)


@final
class UNet(PictureMap):
    """Each stage of the encoder is added to that of the decoder of the same size, so that no detail is lost.

    Strided convolutions halve the sides and transposed ones double them, with residual blocks between. The last
    convolution is zero at first: a residual network, which learns what must be added to its input, begins as the
    identity.

    Arguments:
        channels: of the input.
        widths: channels of the stages; the first has the size of the picture.
        outputs: channels of the output.
        blocks: residual blocks of each stage.
        residual: whether the input is added to the output.
        seed: of the first weights.

    Raises:
        InputError: for no stage, numbers below 1, or a residual network that has not as many outputs as inputs.

    Sources: Ronneberger, Fischer & Brox 2015, "U-Net"; with residual blocks and sums as in Zhang et al. 2022,
    "Plug-and-play image restoration with deep denoiser prior", section 3; what must be added: Zhang et al. 2017,
    "Beyond a Gaussian denoiser".

    >>> model, x = UNet(1, (8, 16)), torch.rand(2, 1, 21, 30)
    >>> torch.equal(model(x).reconstruction, x)
    True
    """

    def __init__(
        self,
        channels: int,
        widths: Sequence[int] = (32, 64),
        *,
        outputs: int | None = None,
        blocks: int = 1,
        residual: bool = True,
        seed: int = 0,
    ) -> None:
        super().__init__()
        outputs = channels if outputs is None else outputs
        _check(channels, widths, outputs, blocks)
        if residual and outputs != channels:
            raise InputError(f"a residual network must have as many outputs as inputs; got {outputs} of {channels}.")
        self.channels, self.widths, self.outputs = channels, tuple(widths), outputs
        self.blocks, self.residual = blocks, residual
        places = iter(range(10_000))

        def stage(width: int) -> nn.Sequential:
            return nn.Sequential(*(ResidualBlock(width, silu, (seed, next(places))) for _ in range(blocks)))

        self.first = Convolution(channels, self.widths[0], place=(seed, next(places)))
        self.encoder = nn.ModuleList(stage(width) for width in self.widths)
        steps = list(pairwise(self.widths))
        self.narrower = nn.ModuleList(
            Convolution(a, b, kernel=4, stride=2, padding=1, place=(seed, next(places))) for a, b in steps
        )
        self.wider = nn.ModuleList(Transposed(b, a, place=(seed, next(places))) for a, b in reversed(steps))
        self.decoder = nn.ModuleList(stage(width) for width in reversed(self.widths[:-1]))
        self.last = Convolution(self.widths[0], outputs, factor=0.0, place=(seed, next(places)))

    @property
    def stride(self) -> int:
        """2 for each stage but the first."""
        return 1 << (len(self.widths) - 1)

    @property
    def reach(self) -> int:
        """Of each stage a pixel for each convolution and four for the steps beside it, in pixels of its size."""
        return (4 * self.blocks + 4) * (2 * self.stride - 1) + 2

    def down(self, x: Float[Tensor, "batch channels height width"]) -> tuple[list[Tensor], list[Tensor]]:
        """The outputs of the stages, all but the last of which are kept."""
        stages, x = [], self.first(x)
        for depth, stage in enumerate(self.encoder):
            x = stage(self.narrower[depth - 1](x) if depth else x)
            stages.append(x)
        return stages, stages[:-1]

    def up(
        self, x: Float[Tensor, "batch channels height width"], kept: Sequence[Tensor]
    ) -> Float[Tensor, "batch outputs height2 width2"]:
        """The picture, or what must be added to the input."""
        for wider, stage, beside in zip(self.wider, self.decoder, reversed(kept), strict=True):
            x = stage(wider(x, tuple(beside.shape[2:])) + beside)
        picture: Tensor = self.last(silu(x))
        return picture

    def nothing(self, x: Float[Tensor, "batch channels height width"]) -> list[Tensor]:
        """Zeros."""
        depths = range(len(self.widths) - 1, 0, -1)
        return [
            x.new_zeros(len(x), width, x.shape[2] << depth, x.shape[3] << depth)
            for width, depth in zip(self.widths[:-1], depths, strict=True)
        ]

    def config(self) -> UNetConfig:
        """The description from which `from_config` makes a model of the same shape."""
        return UNetConfig(
            channels=self.channels,
            widths=self.widths,
            outputs=self.outputs,
            blocks=self.blocks,
            residual=self.residual,
        )

    @classmethod
    def from_config(cls, config: UNetConfig) -> "UNet":
        """A model of the described shape, with arbitrary weights."""
        return cls(
            config.channels, config.widths, outputs=config.outputs, blocks=config.blocks, residual=config.residual
        )


@final
class _Normalized(nn.Module):
    """A convolution, batch normalization, and a rectifier."""

    def __init__(self, inputs: int, outputs: int, place: tuple[int, int]) -> None:
        super().__init__()
        self.convolution = Convolution(inputs, outputs, factor=GAIN, place=place)
        self.normalize = nn.BatchNorm2d(outputs)

    def forward(self, x: Float[Tensor, "batch inputs h w"]) -> Float[Tensor, "batch outputs h w"]:
        return relu(self.normalize(self.convolution(x)))


def _check(channels: int, widths: Sequence[int], outputs: int, depth: int) -> None:
    if not widths or min(channels, outputs, depth, *widths) < 1:
        raise InputError(
            f"a map of pictures needs at least one stage, and numbers from 1 on; got {channels} channels, the widths "
            f"{tuple(widths)}, {outputs} outputs and {depth} layers a stage."
        )
