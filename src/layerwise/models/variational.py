"""The variational autoencoder: each row has a distribution of codes, and codes have one that rows can be drawn from."""

from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple, final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from layerwise.errors import InputError
from layerwise.models.activations import Activation, activation_from_name, activation_name, identity
from layerwise.models.base import Autoencoder, Pass
from layerwise.models.config import VariationalConfig
from layerwise.models.layers import DenseLayer, Layer, Normalization
from layerwise.randomness import generator

__all__ = ["CodeDistribution", "Variational"]

# Of a logarithm: beyond, a variance is 0 or all for float32.
LIMIT = 12.0
DRAW = 5


class CodeDistribution(NamedTuple):
    """The normal distribution of the code of each row, with independent units.

    Attributes:
        mean: shape (batch, code).
        log_variance: shape (batch, code).
    """

    mean: Float[Tensor, "batch code"]
    log_variance: Float[Tensor, "batch code"]


@final
class Variational(Autoencoder):
    r"""An encoder that gives each row a normal distribution over codes, and a decoder of codes.

    .. math:: q(z | x) = N(\mu(x), \operatorname{diag} \sigma^2(x)), \qquad p(z) = N(0, I), \qquad p(x | z)

    In a problem, of training or of validation, a code is drawn, z = mu + sigma e with e from N(0, I); else, in
    evaluation, it is mu. With `GaussianDivergence` as a
    penalty of weight 1 and a fidelity that is minus log p(x|z) (the cross-entropy for binary rows, half the squared
    error for noise of variance 1) the objective is minus the evidence lower bound.

    Arguments:
        features: number of input columns.
        hidden: widths from the input to the code, mirrored in the decoder.
        code: width of the code.
        layer: how the hidden layers are made; neither tied nor with dropout by default.
        output: the last activation: sigmoid for rows in [0, 1], whose cross-entropy is then computed from logits.
        seed: of the first weights.

    Raises:
        InputError: for a width below 1, or tied weights.

    Source: Kingma & Welling 2014, "Auto-encoding variational Bayes".

    >>> model = Variational(784, (200,), code=20)
    >>> run = model.train()(torch.rand(2, 784))
    >>> tuple(run.code.shape), len(run.posterior)
    ((2, 20), 2)
    """

    def __init__(
        self,
        features: int,
        hidden: Sequence[int] = (),
        *,
        code: int,
        layer: Layer = Layer(),
        output: Activation = identity,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.features, self.hidden, self.code = features, tuple(hidden), code
        self.layer, self.output = layer, output
        if layer.tied or min(features, code, *self.hidden) < 1:
            raise InputError(
                f"a variational autoencoder needs widths from 1 on and untied weights; got {features} features, hidden "
                f"{self.hidden}, a code of {code}, tied={layer.tied}."
            )
        widths = (features, *self.hidden)
        depth = len(self.hidden)
        self.encoder = nn.ModuleList(
            DenseLayer(a, b, layer=layer, seed=seed, place=place) for place, (a, b) in enumerate(pairwise(widths))
        )
        plain = layer.plain()
        self.mean = DenseLayer(widths[-1], code, layer=plain, seed=seed, place=depth)
        self.log_variance = DenseLayer(widths[-1], code, layer=plain, seed=seed, place=depth + 1)
        # At first every row has the distribution of all codes, but for its mean.
        self.log_variance.silence()
        back = (code, *reversed(self.hidden))
        self.decoder = nn.ModuleList(
            DenseLayer(a, b, layer=layer, seed=seed, place=depth + 2 + place)
            for place, (a, b) in enumerate(pairwise(back))
        )
        self.last = DenseLayer(back[-1], features, layer=layer.plain(output), seed=seed, place=2 * depth + 2)

    @property
    def widths(self) -> tuple[int, ...]:
        """The widths from the input to the code."""
        return (self.features, *self.hidden, self.code)

    def posterior(self, x: Float[Tensor, "batch features"]) -> CodeDistribution:
        """The distribution of the code of each row."""
        return self._trace(x)[1]

    def encode(self, x: Float[Tensor, "batch features"]) -> Float[Tensor, "batch code"]:
        """The mean of the code of each row."""
        return self.posterior(x).mean

    def decode(self, code: Float[Tensor, "batch code"]) -> Float[Tensor, "batch features"]:
        """The mean of the rows of each code."""
        return self.output(self.natural(code))

    def natural(self, code: Float[Tensor, "batch code"]) -> Float[Tensor, "batch features"]:
        """The decoder's output before its activation."""
        signal = code
        for layer in self.decoder:
            signal = layer(signal)
        return self.last.linear(signal)

    def forward(self, x: Float[Tensor, "batch features"]) -> Pass:
        """Both maps; in training, and wherever there is a key for noise, through a drawn code."""
        hidden, found = self._trace(x)
        code = found.mean
        # By its mean a code seems better than it is, and the more so the longer the model is trained.
        if self.training or self.noise_key:
            noise = torch.randn(
                code.shape, generator=generator(self.noise_key, DRAW, device=code.device), device=code.device
            )
            code = code + (found.log_variance / 2).exp() * noise
        natural = self.natural(code)
        return Pass(x, code, self.output(natural), tuple(hidden), natural, posterior=found)

    def _trace(self, x: Tensor) -> tuple[list[Tensor], CodeDistribution]:
        outputs, signal = [], x
        for layer in self.encoder:
            signal = layer(signal)
            outputs.append(signal)
        spread = LIMIT * torch.tanh(self.log_variance(signal) / LIMIT)
        return outputs, CodeDistribution(self.mean(signal), spread)

    def config(self) -> VariationalConfig:
        """The description from which `from_config` makes a model of the same shape.

        Raises:
            InputError: for an activation without a name.
        """
        return VariationalConfig(
            features=self.features,
            hidden=self.hidden,
            latent=self.code,
            activation=activation_name(self.layer.activation),
            normalization=self.layer.normalization.value,
            output=activation_name(self.output),
        )

    @classmethod
    def from_config(cls, config: VariationalConfig) -> "Variational":
        """A model of the described shape, with arbitrary weights.

        Raises:
            InputError: for an unknown activation or impossible widths.
            ValueError: for an unknown normalization.
        """
        layer = Layer(
            activation=activation_from_name(config.activation), normalization=Normalization(config.normalization)
        )
        output = activation_from_name(config.output)
        return cls(config.features, config.hidden, code=config.latent, layer=layer, output=output)
