"""A penalty: one number, to be made small beside the fidelity."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from numbers import Integral
from typing import Literal, SupportsIndex

import torch
from jaxtyping import Float
from torch import Tensor, nn

from layerwise.errors import InputError
from layerwise.models.base import Pass
from layerwise.models.dense import Feedforward

__all__ = ["Layers", "Penalty", "Selective", "chosen_layers", "layer_numbers", "refuse_batch_statistics"]

Layers = Literal["all", "alternate", "code"] | Sequence[SupportsIndex]


class Penalty(ABC):
    """A function of one pass and of the model that made it; a frozen choice without state."""

    @abstractmethod
    def __call__(self, run: Pass, model: nn.Module) -> Float[Tensor, ""]:
        """The penalty of one batch."""


class Selective(Penalty):
    """A penalty that does not fit every model."""

    @abstractmethod
    def check(self, model: nn.Module) -> None:
        """Refuse a model that the penalty cannot train; a recipe is tried so before its first phase begins.

        Raises:
            InputError: says what the penalty needs.
        """


def chosen_layers(run: Pass, layers: Layers) -> list[Tensor]:
    """The activations of the chosen encoder layers, as in `layer_numbers`."""
    # Sums and logarithms of a pass in bfloat16 need float32.
    stack = [h.to(torch.promote_types(h.dtype, torch.float32)) for h in (*run.hidden, run.code)]
    return [stack[number - 1] for number in layer_numbers(len(stack), layers)]


def layer_numbers(depth: int, layers: Layers) -> list[int]:
    """The numbers of the chosen encoder layers, from 1 on.

    Arguments:
        depth: encoder layers, the code among them.
        layers: "code"; "all" (every hidden layer and the code); "alternate" (hidden layers 1, 3, 5, ..., never the
            code); or numbers, where 1 is the first hidden layer and the number after the last hidden layer is the code.

    Raises:
        InputError: for a number that the encoder does not have, no number, or "alternate" without a hidden layer.

    >>> layer_numbers(4, "alternate"), layer_numbers(4, [2, 4])
    ([1, 3], [2, 4])
    """
    if isinstance(layers, str):
        words = {"code": [depth], "all": [*range(1, depth + 1)], "alternate": [*range(1, depth, 2)]}
        if layers not in words:
            raise InputError(f"layers must be one of {', '.join(words)}, or numbers; got {layers!r}.")
        if not words[layers]:
            raise InputError("layers='alternate' needs a hidden layer; this encoder has only its code.")
        return words[layers]
    known = range(1, depth + 1)
    wrong = [n for n in layers if not isinstance(n, Integral) or isinstance(n, bool) or n not in known]
    if wrong or not len(layers):
        raise InputError(
            f"layers must be whole numbers from 1 to {depth} (the code is {depth}); got "
            f"{wrong[0] if wrong else list(layers)!r}."
        )
    return [int(number) for number in layers]


def refuse_batch_statistics(name: str, model: nn.Module) -> None:
    """Make sure that a penalty may ask the encoder a second time.

    Raises:
        InputError: for batch normalization: in training it makes a row depend on the others, and each call moves its
            running statistics.
    """
    encoder = model.encoder if isinstance(model, Feedforward) else model
    if any(isinstance(module, nn.BatchNorm1d) for module in encoder.modules()):
        raise InputError(
            f"{name} asks the encoder a second time, which batch normalization does not allow in training; "
            "use layer or weight normalization."
        )
