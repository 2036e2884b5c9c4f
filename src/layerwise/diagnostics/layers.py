"""The layers of a model one by one, with what goes into each and what comes out of it."""

from collections.abc import Callable
from typing import NamedTuple, final

import torch
from torch import Tensor

from layerwise.models import Activation, Autoencoder, DenseLayer, Feedforward

__all__ = ["LayerAt", "layers_at"]


@final
class LayerAt(NamedTuple):
    """One layer of a model at some rows.

    Attributes:
        name: "encoder 1" is the first; of a model that is no chain of layers "encoder" and "decoder".
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

    @property
    def activation(self) -> Activation | None:
        """What bends the outputs, where it is known."""
        return None if self.layer is None else self.layer.activation


@torch.no_grad()
def layers_at(model: Autoencoder, x: Tensor) -> list[LayerAt]:
    """The layers from the input to the output, at some rows; a linear path beside them counts for the code alone.

    Arguments:
        model: in evaluation during the call, and as it was after it.
        x: rows, on the model's device.

    >>> from layerwise.models import Dense
    >>> [layer.name for layer in layers_at(Dense(3, (4,), code=2), torch.zeros(5, 3))]
    ['encoder 1', 'encoder 2', 'decoder 1', 'decoder 2']
    """
    training = model.training
    model.eval()
    run = model(x)
    if isinstance(model, Feedforward):
        front = x if model.front is None else model.front(x)
        found = _chain("encoder", list(model.encoder), front) + _chain("decoder", list(model.decoder), run.code)
    else:
        found = [
            LayerAt("encoder", model.encode, x, run.code, None),
            LayerAt("decoder", model.decode, run.code, run.reconstruction, None),
        ]
    model.train(training)
    return found


def _chain(name: str, layers: list[torch.nn.Module], signal: Tensor) -> list[LayerAt]:
    found = []
    for number, layer in enumerate(layers, 1):
        outputs = layer(signal)
        kept = layer if isinstance(layer, DenseLayer) else None
        found.append(LayerAt(f"{name} {number}", layer, signal, outputs, kept))
        signal = outputs
    return found
