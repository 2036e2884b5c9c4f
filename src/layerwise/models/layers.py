"""The dense layer and what goes into it."""

from dataclasses import dataclass, replace
from enum import Enum
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from layerwise.errors import InputError
from layerwise.models.activations import Activation, TopK, critical_gain, expansion, gain, identity, silu
from layerwise.models.base import Stochastic
from layerwise.models.initializers import Initializer, Orthogonal
from layerwise.randomness import generator

__all__ = ["Bounds", "DenseLayer", "Dropout", "Embeddings", "Inputs", "Layer", "LinearPath", "Normalization"]


@final
class Normalization(Enum):
    """What is normalized in a layer: nothing, each unit over the batch, each row over its units, or the weights.

    Sources: Ioffe & Szegedy 2015 (batch); Ba, Kiros & Hinton 2016 (layer); Salimans & Kingma 2016, eq. 2 (weight).
    """

    NONE = "none"
    BATCH = "batch"
    LAYER = "layer"
    WEIGHT = "weight"


@final
@dataclass(frozen=True)
class Layer:
    """How every hidden layer of a network is made.

    Arguments:
        activation: any elementwise callable, `Maxout`, or `TopK`.
        initializer: draws the weights; its gain follows from the activation.
        normalization: of the values before the activation, or of the weights.
        dropout: the probability with which a hidden unit is set to 0 in training, the others scaled up.
        tied: whether the decoder uses the transposed weights of the encoder (one parameter, nothing to keep in step).

    Raises:
        InputError: for a dropout outside [0, 1), or tied weights together with `Maxout`.

    >>> Layer(activation=torch.tanh, dropout=0.1).normalization
    <Normalization.NONE: 'none'>
    """

    activation: Activation = silu
    initializer: Initializer = Orthogonal()
    normalization: Normalization = Normalization.NONE
    dropout: float = 0.0
    tied: bool = False

    def __post_init__(self) -> None:
        if not 0 <= self.dropout < 1:
            raise InputError(f"dropout must be at least 0 and below 1; got {self.dropout}.")
        if self.tied and expansion(self.activation) > 1:
            raise InputError("tied weights need an encoder layer as wide as its units; Maxout makes it wider.")

    def plain(self, activation: Activation = identity) -> "Layer":
        """The same choice for a code or an output: no normalization of values and no dropout."""
        weight = self.normalization is Normalization.WEIGHT
        kept = Normalization.WEIGHT if weight else Normalization.NONE
        return replace(self, activation=activation, normalization=kept, dropout=0.0)


@final
class Dropout(Stochastic):
    """Sets each unit to 0 with the given probability in training and scales up the others.

    Source: Srivastava et al. 2014; scaled in training, so that evaluation is the identity.

    >>> layer = Dropout(0.5, place=1)
    >>> bool((layer(torch.ones(4, 4)) == layer(torch.ones(4, 4))).all())
    True
    """

    def __init__(self, probability: float, *, place: int) -> None:
        super().__init__()
        self.probability = probability
        self.place = place

    def forward(self, x: Float[Tensor, "batch *units"]) -> Float[Tensor, "batch *units"]:
        """Drop units, the same ones for the same noise key."""
        if not self.training or self.probability == 0:
            return x
        noise = generator(self.noise_key, self.place, device=x.device)
        kept = torch.rand(x.shape, generator=noise, device=x.device, dtype=torch.float32) >= self.probability
        return x * kept / (1 - self.probability)


@final
class DenseLayer(nn.Module):
    """f(normalize(W x + b)), with dropout after it.

    Arguments:
        inputs, units: widths.
        layer: activation, initializer, normalization, dropout.
        seed: of the first weights; `place` tells the layers of one network apart.
        mirrored: the encoder layer whose transposed weights are used instead of own ones (tied weights).

    Raises:
        InputError: for a `TopK` that keeps more units than there are.
    """

    def __init__(
        self,
        inputs: int,
        units: int,
        *,
        layer: Layer,
        seed: int = 0,
        place: int = 0,
        mirrored: "DenseLayer | None" = None,
    ) -> None:
        super().__init__()
        if isinstance(layer.activation, TopK) and layer.activation.k > units:
            raise InputError(f"a layer with TopK({layer.activation.k}) needs at least that many units; got {units}.")
        self.activation = layer.activation
        width = units * expansion(layer.activation)
        # A tuple hides the mirrored layer from the module tree: its parameters are counted, moved and saved once.
        self._mirrored = () if mirrored is None else (mirrored,)
        if mirrored is None:
            noise = generator(seed, place, 0)
            factor = (critical_gain if layer.initializer.critical else gain)(layer.activation, units=units)
            # One draw for each piece of a maxout unit: a unit sees all its inputs with every piece.
            pieces = [
                layer.initializer(units, inputs, gain=factor, generator=noise)
                for _ in range(expansion(layer.activation))
            ]
            self.weight = nn.Parameter(torch.stack(pieces, dim=1).flatten(0, 1))
        if layer.normalization is Normalization.WEIGHT and mirrored is None:
            self.magnitude: nn.Parameter | None = nn.Parameter(self.weight.detach().norm(dim=1))
        else:
            self.register_parameter("magnitude", None)
        # Batch statistics would take a bias out again; their normalization has its own.
        biased = layer.normalization is not Normalization.BATCH
        self.bias: nn.Parameter | None = nn.Parameter(torch.zeros(width)) if biased else None
        self.normalize = _normalizer(layer.normalization, width)
        self.dropout = Dropout(layer.dropout, place=place)

    @property
    def mirrored(self) -> "DenseLayer | None":
        """The layer whose transposed weights are used, or None."""
        return self._mirrored[0] if self._mirrored else None

    @property
    def effective_weight(self) -> Float[Tensor, "outputs inputs"]:
        """The matrix that is applied: own, normalized, or the transposed one of the mirrored layer."""
        if self._mirrored:
            return self._mirrored[0].effective_weight.T
        if self.magnitude is None:
            return self.weight
        return self.weight * (self.magnitude / self.weight.norm(dim=1)).unsqueeze(1)

    def forward(self, x: Float[Tensor, "batch inputs"]) -> Float[Tensor, "batch units"]:
        """The outputs of the layer's units."""
        return self.dropout(self.activation(self.linear(x)))

    def linear(self, x: Float[Tensor, "batch inputs"]) -> Float[Tensor, "batch outputs"]:
        """What the activation is applied to."""
        return self.normalize(functional.linear(x, self.effective_weight, self.bias))

    def set_affine(self, weight: Float[Tensor, "outputs inputs"], bias: Float[Tensor, " outputs"]) -> None:
        """Give the layer its weights, and its biases where it has some."""
        with torch.no_grad():
            self.weight.copy_(weight)
            if self.magnitude is not None:
                self.magnitude.copy_(weight.norm(dim=1))
            if self.bias is not None:
                self.bias.copy_(bias)

    def silence(self) -> None:
        """Make the layer's linear output zero, so that a branch starts without a voice."""
        with torch.no_grad():
            # A normalized weight has no value at zero; its magnitude has.
            (self.weight if self.magnitude is None else self.magnitude).zero_()
            if self.bias is not None:
                self.bias.zero_()


def _normalizer(kind: Normalization, width: int) -> nn.Module:
    if kind is Normalization.BATCH:
        return nn.BatchNorm1d(width)
    if kind is Normalization.LAYER:
        return RowNormalization(width)
    return nn.Identity()


@final
class RowNormalization(nn.Module):
    r"""Layer normalization: each row to mean 0 and variance 1 over its units, then a scale and a shift for each unit.

    Written out, because the third derivative of torch's own `layer_norm` is wrong without a word (seen in 2.13), and
    curvature asks for it where a penalty reads the Jacobian. Computed in float32, whatever the precision of the pass.

    Source: Ba, Kiros & Hinton 2016, eq. 3.
    """

    def __init__(self, width: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(width))
        self.bias = nn.Parameter(torch.zeros(width))

    def forward(self, x: Float[Tensor, "batch *units"]) -> Float[Tensor, "batch *units"]:
        """The normalized values; of tokens each by itself."""
        x = x.to(torch.promote_types(x.dtype, torch.float32))
        centered = x - x.mean(-1, keepdim=True)
        variance = centered.square().mean(-1, keepdim=True)
        return centered * torch.rsqrt(variance + 1e-5) * self.weight + self.bias


@final
@dataclass(frozen=True)
class Inputs:
    """The width of a network's input, and which stretches of it are categories that get a learned embedding.

    Arguments:
        width: number of features.
        embeddings: (start, stop, size) for each one-hot block; features start to stop become `size` numbers.

    >>> Inputs(10, ((4, 10, 2),)).embedded_width
    6
    """

    width: int
    embeddings: tuple[tuple[int, int, int], ...] = ()

    @property
    def embedded_width(self) -> int:
        """The width after embedding."""
        return self.width - sum(stop - start - size for start, stop, size in self.embeddings)


@final
class Embeddings(nn.Module):
    """Projects each one-hot block to a few learned numbers; all other features pass unchanged, and come first.

    A one-hot row times a matrix is the matrix's row of that category: the usual embedding, but one that also takes
    a missing category (all zeros) and that has a Jacobian.
    """

    def __init__(self, inputs: Inputs, *, seed: int = 0) -> None:
        super().__init__()
        self.blocks = inputs.embeddings
        untouched = torch.ones(inputs.width, dtype=torch.bool)
        for start, stop, _ in self.blocks:
            untouched[start:stop] = False
        self.register_buffer("untouched", untouched.nonzero().squeeze(1), persistent=False)
        self.tables = nn.ParameterList(
            torch.randn(stop - start, size, generator=generator(seed, -1, number))
            for number, (start, stop, size) in enumerate(self.blocks)
        )

    def forward(self, x: Float[Tensor, "batch features"]) -> Float[Tensor, "batch embedded"]:
        """The embedded input."""
        if not self.blocks:
            return x
        pieces = [x.index_select(1, self.get_buffer("untouched"))]
        for (start, stop, _), table in zip(self.blocks, self.tables, strict=True):
            pieces.append(x[:, start:stop] @ table)
        return torch.cat(pieces, dim=1)


@final
class LinearPath(nn.Module):
    """A linear autoencoder inside a deep one: code += A (x - c), reconstruction += B code + c.

    With A and B from principal components and the deep branches silent, the whole is PCA. The path goes
    through the code, so nothing bypasses the bottleneck.
    """

    def __init__(self, features: int, code: int, *, seed: int) -> None:
        super().__init__()
        basis = Orthogonal()(code, features, gain=1.0, generator=generator(seed, -2))
        self.encoder = nn.Parameter(basis)
        self.decoder = nn.Parameter(basis.T.clone(memory_format=torch.contiguous_format))
        self.center = nn.Parameter(torch.zeros(features))

    def encode(self, x: Float[Tensor, "batch features"]) -> Float[Tensor, "batch code"]:
        """The linear part of the code."""
        return functional.linear(x - self.center, self.encoder)

    def decode(self, code: Float[Tensor, "batch code"]) -> Float[Tensor, "batch features"]:
        """The linear part of the reconstruction."""
        return functional.linear(code, self.decoder, self.center)


@final
class Bounds(nn.Module):
    """Clips each feature of a reconstruction to a range; without limits until `set` gives some.

    Many columns have a floor or a ceiling at which much of their mass lies (black pixels, counts of zero, the ends of
    a rating). A clipped output reaches them exactly, and need not bend itself to do so; train it with
    `layerwise.penalties.ClippedSquaredError`, whose gradient does not die beyond the bound.

    >>> bounds = Bounds(2)
    >>> bounds.set(torch.tensor([0.0, -torch.inf]), torch.tensor([1.0, torch.inf]))
    >>> bounds(torch.tensor([[7.0, 7.0]]))
    tensor([[1., 7.]])
    """

    def __init__(self, features: int) -> None:
        super().__init__()
        self.register_buffer("low", torch.full((features,), -torch.inf))
        self.register_buffer("high", torch.full((features,), torch.inf))
        self._look()
        self.register_load_state_dict_post_hook(_looked_at)  # type: ignore[no-untyped-call]

    def set(self, low: Float[Tensor, " features"], high: Float[Tensor, " features"]) -> None:
        """Give every feature its range; infinities leave it open."""
        self.get_buffer("low").copy_(low)
        self.get_buffer("high").copy_(high)
        self._look()

    def forward(self, x: Float[Tensor, "batch features"]) -> Float[Tensor, "batch features"]:
        """The values within their ranges."""
        if not self.limited:
            return x
        return torch.clamp(x, self.get_buffer("low").to(x.dtype), self.get_buffer("high").to(x.dtype))

    def _look(self) -> None:
        # Known beforehand: a clip to infinity would cost as much as the loss itself.
        self.limited = not all(limit.isinf().all() for limit in self.buffers())


def _looked_at(bounds: Bounds, _: object) -> None:
    bounds._look()
