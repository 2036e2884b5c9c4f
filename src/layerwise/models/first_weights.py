"""First weights that are learned from rows, before any training."""

import torch
from torch import Tensor, nn

from layerwise.data import Source
from layerwise.errors import InputError
from layerwise.models.dense import Dense
from layerwise.models.initializers import DataDependent
from layerwise.models.layers import DenseLayer
from layerwise.models.predictor import Predictor
from layerwise.models.variational import Variational

__all__ = ["start_from_rows"]

SAMPLE_ROWS = 4096


@torch.no_grad()
def start_from_rows(model: Dense | Predictor | Variational, rows: Source) -> None:
    """Give a fresh model the first weights of its `DataDependent` initializer, layer by layer; others stay as drawn.

    A layer without a voice (beside a linear path, or a predictor's head) keeps its zeros, and a decoder layer with tied
    weights those of its encoder layer.

    Arguments:
        model: changed in place; on the processor.
        rows: those of the training, of which at most 4096 are read.

    Raises:
        InputError: for no rows.

    >>> from layerwise.models import Layer, LayerSequentialUnitVariance, tanh
    >>> from layerwise.training import TensorRows
    >>> x = torch.rand(20, 5, generator=torch.Generator())
    >>> model = Dense(5, (4,), code=2, layer=Layer(tanh, LayerSequentialUnitVariance()))
    >>> start_from_rows(model, TensorRows(x))
    >>> round(model.encoder[0].linear(x).var(correction=0).item(), 4)
    1.0
    """
    initializer = model.layer.initializer
    if not isinstance(initializer, DataDependent):
        return
    if len(rows) == 0:
        raise InputError("first weights that follow the rows need at least one; got none.")
    training = model.training
    model.eval()
    index = torch.linspace(0, len(rows) - 1, min(len(rows), SAMPLE_ROWS), dtype=torch.float64).long()
    x = rows.batch(index).x
    encoder, decoder = _layers(model)
    signal, means = x, []
    if not isinstance(model, Variational) and model.front is not None:
        signal = model.front(x)
    for layer in encoder:
        means.append(signal.mean(0))
        signal = _adapted(layer, signal, initializer)
    if initializer.inverts:
        for mirror, layer, mean in zip(decoder, reversed(encoder), reversed(means), strict=False):
            _invert(mirror, layer, mean)
    else:
        if not isinstance(model, Variational) and model.linear_path is not None:
            signal = signal + model.linear_path.encode(x)
        for layer in decoder:
            signal = _adapted(layer, signal, initializer)
    model.train(training)


def _layers(model: Dense | Predictor | Variational) -> tuple[list[DenseLayer], list[DenseLayer]]:
    """From the input to the code, and from the code to the output."""
    parts: tuple[list[nn.Module], list[nn.Module]] = [*model.encoder], [*model.decoder]
    if isinstance(model, Variational):
        parts = [*parts[0], model.mean], [*parts[1], model.last]
    encoder, decoder = ([layer for layer in part if isinstance(layer, DenseLayer)] for part in parts)
    return encoder, decoder


def _adapted(layer: DenseLayer, signal: Tensor, initializer: DataDependent) -> Tensor:
    """What the layer makes of the signal when it has its first weights."""
    if layer.mirrored is None and layer.effective_weight.any():
        layer.set_affine(*initializer.adapted(layer.effective_weight, signal))
    output: Tensor = layer(signal)
    return output


def _invert(mirror: DenseLayer, layer: DenseLayer, mean: Tensor) -> None:
    """Let a layer of the decoder lead back to what a layer of the encoder got, where their shapes and voices allow."""
    inverse = torch.linalg.pinv(layer.effective_weight)
    weight = mirror.effective_weight
    if mirror.mirrored is None and weight.shape == inverse.shape and weight.any() and layer.effective_weight.any():
        mirror.set_affine(inverse, mean)
