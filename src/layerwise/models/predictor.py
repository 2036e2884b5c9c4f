"""A network that predicts: the layers of an encoder, and a head."""

from collections.abc import Sequence
from dataclasses import replace
from itertools import pairwise
from typing import final

from torch import nn

from layerwise.errors import InputError
from layerwise.models.activations import activation_from_name, activation_name
from layerwise.models.config import PredictorConfig
from layerwise.models.dense import Dense, Feedforward
from layerwise.models.layers import DenseLayer, Dropout, Embeddings, Inputs, Layer, Normalization

__all__ = ["Predictor"]


@final
class Predictor(Feedforward):
    """A chain of layers, whose last output is the code, and a linear head that maps the code to predictions.

    Arguments:
        features: number of input columns, or `Inputs` where categories are embedded.
        hidden: widths of the layers; the last one is the code.
        outputs: width of the head: one score for each class, or one for each number that is predicted.
        layer: how the layers are made.
        input_dropout: the probability with which an input is set to 0 in training.
        seed: of the first weights; the head starts at zero, so that the first prediction is the same for all rows.

    Raises:
        InputError: for a width below 1, no layer at all, or tied weights: there is no mirror.

    >>> import torch
    >>> model = Predictor(784, (500, 500, 2000), outputs=10)
    >>> run = model(torch.rand(2, 784))
    >>> tuple(run.code.shape), tuple(run.reconstruction.shape)
    ((2, 2000), (2, 10))
    """

    def __init__(
        self,
        features: int | Inputs,
        hidden: Sequence[int],
        *,
        outputs: int,
        layer: Layer = Layer(),
        input_dropout: float = 0.0,
        seed: int = 0,
    ) -> None:
        super().__init__()
        self.inputs = features if isinstance(features, Inputs) else Inputs(features)
        self.hidden, self.outputs, self.layer, self.input_dropout = tuple(hidden), outputs, layer, input_dropout
        if layer.tied or not self.hidden or min(self.inputs.width, outputs, *self.hidden) < 1:
            raise InputError(
                f"a predictor needs at least one layer, widths from 1 on and untied weights; got {self.inputs.width} "
                f"features, layers {self.hidden}, {outputs} outputs, tied={layer.tied}."
            )
        parts = [
            *([Embeddings(self.inputs, seed=seed)] if self.inputs.embeddings else []),
            *([Dropout(input_dropout, place=-1)] * (input_dropout > 0)),
        ]
        self.front = nn.Sequential(*parts) if parts else None
        widths = (self.inputs.embedded_width, *self.hidden)
        # As in `Dense`, where the code has no normalization.
        last = replace(layer.plain(layer.activation), dropout=layer.dropout)
        layers = [*[layer] * (len(self.hidden) - 1), last]
        self.encoder = nn.ModuleList(
            DenseLayer(inputs, units, layer=made, seed=seed, place=place)
            for place, ((inputs, units), made) in enumerate(zip(pairwise(widths), layers, strict=True))
        )
        head = DenseLayer(self.hidden[-1], outputs, layer=layer.plain(), seed=seed, place=len(self.hidden))
        head.silence()
        self.decoder = nn.ModuleList([head])
        self.linear_path = None
        self.bounds = None

    @property
    def code(self) -> int:
        """The width of the code."""
        return self.hidden[-1]

    @property
    def widths(self) -> tuple[int, ...]:
        """The widths from the input to the head."""
        return (self.inputs.width, *self.hidden, self.outputs)

    def start_from(self, autoencoder: Dense) -> None:
        """Take over the layers of an encoder of the same kind: what pre-training has learned.

        Raises:
            InputError: when the layers do not fit, or a linear path beside them would be lost.
        """
        same = autoencoder.inputs == self.inputs and _kinds(autoencoder) == _kinds(self)
        if autoencoder.widths != self.widths[:-1] or not same or autoencoder.linear_path is not None:
            raise InputError(
                "an encoder must have the predictor's widths, activations, normalization and embeddings, and no linear "
                f"path; got another one, with the widths {autoencoder.widths} for {self.widths[:-1]}."
            )
        for mine, other in zip(self.encoder, autoencoder.encoder, strict=True):
            mine.load_state_dict(other.state_dict())
        for own, learned in zip(_embeddings(self), _embeddings(autoencoder), strict=True):
            own.load_state_dict(learned.state_dict())

    def config(self) -> PredictorConfig:
        """The description from which `from_config` makes a model of the same shape.

        Raises:
            InputError: for an activation without a name.
        """
        return PredictorConfig(
            features=self.inputs.width,
            embeddings=self.inputs.embeddings,
            hidden=self.hidden,
            outputs=self.outputs,
            activation=activation_name(self.layer.activation),
            normalization=self.layer.normalization.value,
            dropout=self.layer.dropout,
            input_dropout=self.input_dropout,
        )

    @classmethod
    def from_config(cls, config: PredictorConfig) -> "Predictor":
        """A model of the described shape, with arbitrary weights.

        Raises:
            InputError: for an unknown activation or impossible widths.
            ValueError: for an unknown normalization.
        """
        layer = Layer(
            activation=activation_from_name(config.activation),
            normalization=Normalization(config.normalization),
            dropout=config.dropout,
        )
        return cls(
            Inputs(config.features, config.embeddings),
            config.hidden,
            outputs=config.outputs,
            layer=layer,
            input_dropout=config.input_dropout,
        )


def _embeddings(model: Feedforward) -> list[Embeddings]:
    return [module for module in model.modules() if isinstance(module, Embeddings)]


def _kinds(model: Feedforward) -> list[tuple[object, ...]]:
    """What must be the same in two layers of the same widths, so that one can be the other."""
    layers = [layer for layer in model.encoder if isinstance(layer, DenseLayer)]
    return [(layer.activation, type(layer.normalize), layer.magnitude is None) for layer in layers]
