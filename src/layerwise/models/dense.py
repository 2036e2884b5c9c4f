"""Networks of dense layers."""

from abc import ABC
from collections.abc import Sequence
from itertools import pairwise
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from layerwise.errors import InputError
from layerwise.models.activations import Activation, activation_from_name, activation_name, identity
from layerwise.models.base import Autoencoder, Pass, Stacked
from layerwise.models.boltzmann import Chain, RestrictedBoltzmannMachine
from layerwise.models.config import DenseConfig
from layerwise.models.initializers import Gaussian
from layerwise.models.layers import Bounds, DenseLayer, Embeddings, Inputs, Layer, LinearPath, Normalization
from layerwise.models.units import GaussianUnits, RectifiedUnits, units_of

__all__ = ["Dense", "Feedforward", "Mirrored", "Part"]


class Feedforward(Autoencoder, ABC):
    """A model whose two maps are chains of layers, with an optional linear path beside them.

    Attributes:
        front: what is done to the input before the first layer (embeddings of categories, dropout).
        encoder: layers from the input to the code.
        decoder: layers from the code to the output.
        linear_path: the linear autoencoder beside the chains, or None.
        bounds: the range of each feature to which reconstructions are clipped, or None.
    """

    front: nn.Module | None
    encoder: nn.ModuleList
    decoder: nn.ModuleList
    linear_path: LinearPath | None
    bounds: Bounds | None

    def encode(self, x: Float[Tensor, "batch features"]) -> Float[Tensor, "batch code"]:
        """The code of each row."""
        return self._trace(x)[-1]

    def decode(self, code: Float[Tensor, "batch code"]) -> Float[Tensor, "batch features"]:
        """The reconstruction from each code."""
        return self._output(self._natural(code))

    def forward(self, x: Float[Tensor, "batch features"]) -> Pass:
        """Both maps, with the hidden layers and the output before its activation."""
        *hidden, code = self._trace(x)
        natural = self._natural(code)
        return Pass(x, code, self._output(natural), tuple(hidden), natural)

    @property
    def depth(self) -> int:
        """The number of encoder layers, the code among them."""
        return len(self.encoder)

    @property
    def last(self) -> DenseLayer:
        """The layer that makes the output."""
        return self._layer(self.decoder[-1])

    @staticmethod
    def _layer(module: nn.Module) -> DenseLayer:
        # ModuleList forgets the type of what it holds.
        assert isinstance(module, DenseLayer)
        return module

    def _trace(self, x: Tensor) -> list[Tensor]:
        outputs = []
        signal = x if self.front is None else self.front(x)
        for layer in self.encoder:
            signal = layer(signal)
            outputs.append(signal)
        if self.linear_path is not None:
            outputs[-1] = outputs[-1] + self.linear_path.encode(x)
        return outputs

    def _natural(self, code: Tensor) -> Tensor:
        signal = code
        for layer in self.decoder[:-1]:
            signal = layer(signal)
        natural = self.last.linear(signal)
        return natural if self.linear_path is None else natural + self.linear_path.decode(code)

    def _output(self, natural: Tensor) -> Tensor:
        output = self.last.activation(natural)
        return output if self.bounds is None else self.bounds(output)


class Mirrored(Feedforward, Stacked, ABC):
    """A feedforward autoencoder whose decoder mirrors its encoder, so that it has parts."""

    def block(self, index: int) -> "Part":
        """The shallow autoencoder of encoder layer `index` (from 0) and the decoder layer that mirrors it."""
        self._check_layer(index)
        mirror = self.depth - 1 - index
        return Part(
            self.front if index == 0 else None,
            self.encoder[index : index + 1],
            self.decoder[mirror : mirror + 1],
        )

    def upto(self, index: int) -> "Part":
        """The autoencoder of encoder layers 0 to `index` and the decoder layers that mirror them."""
        self._check_layer(index)
        return Part(self.front, self.encoder[: index + 1], self.decoder[self.depth - 1 - index :])

    def machine(self, index: int, chain: Chain = Chain()) -> RestrictedBoltzmannMachine:
        """Encoder layer `index` (from 0) and the bias of its mirror as a restricted Boltzmann machine.

        Visible units that stand for a rectified layer below are taken as Gaussian (Nair & Hinton 2010).

        Raises:
            InputError: for a layer with a normalization, dropout, embeddings or an activation that no unit has.
        """
        self._check_layer(index)
        layer, mirror = self._pair(index)
        plain = type(layer.normalize) is type(mirror.normalize) is nn.Identity and layer.magnitude is None
        if not plain or layer.dropout.probability or mirror.dropout.probability or (index == 0 and self.front):
            raise InputError("a Boltzmann machine needs a layer without normalization, dropout and embeddings.")
        assert layer.bias is not None
        assert mirror.bias is not None
        code, features = layer.weight.shape
        visible = units_of(mirror.activation)
        machine = RestrictedBoltzmannMachine(
            features,
            code,
            visible=GaussianUnits() if isinstance(visible, RectifiedUnits) else visible,
            hidden=units_of(layer.activation),
            chain=chain,
            initializer=Gaussian(0.0),
        )
        machine.share(layer.weight, mirror.bias, layer.bias)
        return machine

    def mirror(self, index: int) -> None:
        """Give the decoder layer that mirrors encoder layer `index` its transposed weights; tied ones have them."""
        layer, mirror = self._pair(index)
        if mirror.effective_weight.data_ptr() != layer.effective_weight.data_ptr():
            with torch.no_grad():
                mirror.weight.copy_(layer.weight.T)

    def _pair(self, index: int) -> tuple[DenseLayer, DenseLayer]:
        return self._layer(self.encoder[index]), self._layer(self.decoder[self.depth - 1 - index])

    def _check_layer(self, index: int) -> None:
        if not 0 <= index < self.depth:
            raise InputError(f"layer must be from 0 to {self.depth - 1}, the model's depth less one; got {index}.")


@final
class Part(Mirrored):
    """Some layers of a model as an autoencoder of its own, sharing their parameters."""

    def __init__(self, front: nn.Module | None, encoder: nn.ModuleList, decoder: nn.ModuleList) -> None:
        super().__init__()
        self.front = front
        self.encoder = encoder
        self.decoder = decoder
        self.linear_path = None
        self.bounds = None


@final
class Dense(Mirrored):
    """An autoencoder of dense layers; the decoder mirrors the encoder.

    Arguments:
        features: number of input columns, or `Inputs` where categories are embedded.
        hidden: widths of the encoder's hidden layers, from the input to the code; may be empty.
        code: width of the code; it may exceed the number of features (an over-complete code).
        layer: how the hidden layers are made.
        code_activation: of the code: `identity` (linear, the default) or a bounded one like `sigmoid`.
        output: the last activation: `identity`, or `sigmoid` for values in [0, 1].
        linear_path: adds a linear autoencoder beside the layers (see `LinearPath`); the deep branches start at zero.
        seed: of the first weights; the same seed gives the same weights.

    Raises:
        InputError: for a width below 1, a `TopK` that keeps more units than a layer has, or a linear path together with
            a bounded code or tied weights.

    Source: Hinton & Salakhutdinov 2006, "Reducing the dimensionality of data with neural networks", figure 1.

    >>> model = Dense(784, (1000, 500, 250), code=30)
    >>> run = model(torch.rand(2, 784))
    >>> tuple(run.code.shape), tuple(run.reconstruction.shape), [h.shape[1] for h in run.hidden]
    ((2, 30), (2, 784), [1000, 500, 250])
    """

    def __init__(
        self,
        features: int | Inputs,
        hidden: Sequence[int] = (),
        *,
        code: int,
        layer: Layer = Layer(),
        code_activation: Activation = identity,
        output: Activation = identity,
        linear_path: bool = False,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.inputs = features if isinstance(features, Inputs) else Inputs(features)
        self.hidden = tuple(hidden)
        self.code = code
        self.layer = layer
        self.code_activation = code_activation
        self.output = output
        self.seed = seed
        _check_widths(self.inputs.width, self.hidden, code)
        if linear_path and (layer.tied or code_activation is not identity):
            raise InputError("a linear path needs a linear code and untied weights; change these, or turn it off.")
        self.front = Embeddings(self.inputs, seed=seed) if self.inputs.embeddings else None
        self.encoder = nn.ModuleList(self._encoder_layers())
        self.decoder = nn.ModuleList(self._decoder_layers())
        self.linear_path = LinearPath(self.inputs.width, code, seed=seed) if linear_path else None
        self.bounds = Bounds(self.inputs.width)
        if linear_path:
            self._layer(self.encoder[-1]).silence()
            self._layer(self.decoder[-1]).silence()

    def _encoder_layers(self) -> list[DenseLayer]:
        widths = (self.inputs.embedded_width, *self.hidden, self.code)
        layers = [*[self.layer] * len(self.hidden), self.layer.plain(self.code_activation)]
        return [
            DenseLayer(inputs, units, layer=layer, seed=self.seed, place=place)
            for place, ((inputs, units), layer) in enumerate(zip(pairwise(widths), layers, strict=True))
        ]

    def _decoder_layers(self) -> list[DenseLayer]:
        widths = (self.code, *reversed(self.hidden), self.inputs.width)
        layers = [*[self.layer] * len(self.hidden), self.layer.plain(self.output)]
        made = []
        for index, ((inputs, units), layer) in enumerate(zip(pairwise(widths), layers, strict=True)):
            mirrored = self._layer(self.encoder[self.depth - 1 - index])
            # Embedded categories enter as one number and leave as one score for each level: nothing to transpose.
            tied = self.layer.tied and (units == self.inputs.embedded_width or index < len(layers) - 1)
            made.append(
                DenseLayer(
                    inputs,
                    units,
                    layer=layer,
                    seed=self.seed,
                    place=self.depth + index,
                    mirrored=mirrored if tied else None,
                )
            )
        return made

    @property
    def widths(self) -> tuple[int, ...]:
        """The widths from the input to the code."""
        return (self.inputs.width, *self.hidden, self.code)

    def start_from_principal_components(
        self,
        components: Float[Tensor, "code features"],
        center: Float[Tensor, " features"],
        scales: Float[Tensor, " code"],
    ) -> None:
        """Make the model PCA: its linear path gets the components, its deep branches stay silent.

        The code is whitened: unit i is the i-th component's score divided by `scales[i]`.

        Raises:
            InputError: for a model without a linear path.
        """
        if self.linear_path is None:
            raise InputError("only a model made with linear_path=True can start from principal components.")
        with torch.no_grad():
            self.linear_path.encoder.copy_(components / scales.unsqueeze(1))
            self.linear_path.decoder.copy_((components * scales.unsqueeze(1)).T)
            self.linear_path.center.copy_(center)

    def config(self) -> DenseConfig:
        """The description from which `from_config` makes a model of the same shape.

        Raises:
            InputError: for an activation without a name.
        """
        return DenseConfig(
            features=self.inputs.width,
            embeddings=self.inputs.embeddings,
            hidden=self.hidden,
            code=self.code,
            activation=activation_name(self.layer.activation),
            normalization=self.layer.normalization.value,
            dropout=self.layer.dropout,
            tied=self.layer.tied,
            code_activation=activation_name(self.code_activation),
            output=activation_name(self.output),
            linear_path=self.linear_path is not None,
        )

    @classmethod
    def from_config(cls, config: DenseConfig) -> "Dense":
        """A model of the described shape, with arbitrary weights.

        Raises:
            InputError: for an unknown activation or impossible widths.
            ValueError: for an unknown normalization.
        """
        layer = Layer(
            activation=activation_from_name(config.activation),
            normalization=Normalization(config.normalization),
            dropout=config.dropout,
            tied=config.tied,
        )
        return cls(
            Inputs(config.features, config.embeddings),
            config.hidden,
            code=config.code,
            layer=layer,
            code_activation=activation_from_name(config.code_activation),
            output=activation_from_name(config.output),
            linear_path=config.linear_path,
        )


def _check_widths(features: int, hidden: tuple[int, ...], code: int) -> None:
    for name, width in [
        ("features", features),
        *[("a hidden layer", width) for width in hidden],
        ("code", code),
    ]:
        if width < 1:
            raise InputError(f"the width of {name} must be at least 1; got {width}.")
