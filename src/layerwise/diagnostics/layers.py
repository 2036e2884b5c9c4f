"""The layers of a model one by one, with what goes into each and what comes out of it, and the units of each."""

from collections.abc import Callable
from contextlib import ExitStack
from typing import NamedTuple, final

import torch
from torch import Tensor, nn

from layerwise.models import Activation, Autoencoder, DenseLayer, Feedforward, Pass, PictureAutoencoder, Variational

__all__ = ["LayerAt", "UnitsAt", "has_path_beside", "layers_at", "units_at"]


@final
class LayerAt(NamedTuple):
    """One layer of a model at some rows.

    Attributes:
        name: "encoder 1" is the first; "encoder" and "decoder" of a model that is no single chain of layers.
        apply: from its inputs to its outputs.
        inputs: shape (rows, ...).
        outputs: shape (rows, units).
        layer: the module, where it is a dense one.
    """

    name: str
    apply: Callable[[Tensor], Tensor]
    inputs: Tensor
    outputs: Tensor
    layer: DenseLayer | None


@final
class UnitsAt(NamedTuple):
    """What the units of one layer give at some rows.

    Attributes:
        name: of the layer.
        activation: what bends the outputs; None where it is not known.
        outputs: shape (places, units); a unit of a convolution is a channel, which has a place for each pixel of a row.
    """

    name: str
    activation: Activation | None
    outputs: Tensor


def has_path_beside(model: nn.Module) -> bool:
    """Whether a linear path lies beside the layers, which then may begin silent and need not carry the signal."""
    return isinstance(model, Feedforward) and model.linear_path is not None


def layers_at(model: Autoencoder, x: Tensor) -> list[LayerAt]:
    """What a signal goes through from the input to the output, at some rows.

    It is layer by layer where the model is one chain of dense layers. With a linear path beside them the signal need
    not go through any of them: there, and in models of another kind, it is the two maps.

    Arguments:
        model: in evaluation during the call, and as it was after it.
        x: rows, on the model's device.

    >>> from layerwise.models import Dense
    >>> [layer.name for layer in layers_at(Dense(3, (4,), code=2), torch.zeros(5, 3))]
    ['encoder 1', 'encoder 2', 'decoder 1', 'decoder 2']
    >>> [layer.name for layer in layers_at(Dense(3, (4,), code=2, linear_path=True), torch.zeros(5, 3))]
    ['encoder', 'decoder']
    """
    run = _evaluated(model, x)
    return ([] if has_path_beside(model) else _chain(model, x, run)) or [
        LayerAt("encoder", model.encode, x, run.code, None),
        LayerAt("decoder", model.decode, run.code, run.reconstruction, None),
    ]


def units_at(model: Autoencoder, x: Tensor) -> list[UnitsAt]:
    """The units from the first layer to the output, which is the last, at some rows.

    The layers of dense and variational models and of those of pictures are known one by one; of others only what they
    make known by themselves, the code and the output, whose activations are then not known either.

    Arguments:
        model: in evaluation during the call, and as it was after it.
        x: rows, on the model's device.

    >>> from layerwise.models import Convolutional
    >>> [(units.name, *units.outputs.shape) for units in units_at(Convolutional((4, 4), (2,)), torch.zeros(1, 16))]
    [('encoder 1', 16, 2), ('decoder 1', 4, 2), ('output', 16, 1)]
    """
    if isinstance(model, PictureAutoencoder):
        return _channels(model, x)
    run = _evaluated(model, x)
    chain = [
        UnitsAt(layer.name, None if layer.layer is None else layer.layer.activation, layer.outputs.flatten(1))
        for layer in _chain(model, x, run)
    ]
    return chain or [UnitsAt("code", None, run.code.flatten(1)), UnitsAt("output", None, run.reconstruction.flatten(1))]


@torch.no_grad()
def _evaluated(model: Autoencoder, x: Tensor) -> Pass:
    training = model.training
    model.eval()
    run: Pass = model(x)
    model.train(training)
    return run


@torch.no_grad()
def _chain(model: Autoencoder, x: Tensor, run: Pass) -> list[LayerAt]:
    """The dense layers, the code with what a linear path adds to it; none where the model is of another kind."""
    training = model.training
    model.eval()
    found = list[LayerAt]()
    if isinstance(model, Feedforward):
        front = x if model.front is None else model.front(x)
        found = _walked("encoder", [*model.encoder], front)
        found[-1] = found[-1]._replace(outputs=run.code)
        found += _walked("decoder", [*model.decoder], run.code)
    if isinstance(model, Variational):
        found = _walked("encoder", [*model.encoder, model.mean], x)
        found += _walked("decoder", [*model.decoder, model.last], run.code)
    model.train(training)
    return found


def _walked(name: str, layers: list[nn.Module], signal: Tensor) -> list[LayerAt]:
    found = []
    for number, layer in enumerate(layers, 1):
        outputs = layer(signal)
        kept = layer if isinstance(layer, DenseLayer) else None
        found.append(LayerAt(f"{name} {number}", layer, signal, outputs, kept))
        signal = outputs
    return found


def _channels(model: PictureAutoencoder, x: Tensor) -> list[UnitsAt]:
    found = list[UnitsAt]()

    def seen(name: str) -> Callable[[nn.Module, object, Tensor], None]:
        def see(module: nn.Module, _: object, outputs: Tensor) -> None:
            if isinstance(module, DenseLayer):
                found.append(UnitsAt(name, module.activation, outputs))
            else:
                found.append(UnitsAt(name, model.activation, _by_channel(model.activation(outputs))))

        return see

    with ExitStack() as stack:
        for name, layer in model.layers.items():
            stack.enter_context(layer.register_forward_hook(seen(name)))
        run = _evaluated(model, x)
    return [*found, UnitsAt("output", model.output, _by_channel(model.pictures(run.reconstruction)))]


def _by_channel(pictures: Tensor) -> Tensor:
    return pictures.movedim(1, -1).flatten(0, -2)
