"""A penalty: one number, to be made small beside the fidelity."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor, nn

from layerwise.errors import InputError
from layerwise.models.base import Pass
from layerwise.models.dense import Feedforward

__all__ = ["Layers", "Penalty", "chosen_layers", "refuse_batch_statistics"]

Layers = Literal["all", "alternate", "code"] | Sequence[int]


class Penalty(ABC):
    """A function of one pass and of the model that made it; a frozen choice without state."""

    @abstractmethod
    def __call__(self, run: Pass, model: nn.Module) -> Float[Tensor, ""]:
        """The penalty of one batch."""


def chosen_layers(run: Pass, layers: Layers) -> list[Tensor]:
    """The activations of the chosen encoder layers.

    Arguments:
        layers: "code"; "all" (every hidden layer and the code); "alternate" (hidden layers 1, 3, 5, ..., never the
            code); or numbers, where 1 is the first hidden layer and the number after the last hidden layer is the code.

    Raises:
        InputError: for a number that the encoder does not have, or "alternate" without a hidden layer.
    """
    # Sums and logarithms of a pass in bfloat16 need float32.
    stack = [h.to(torch.promote_types(h.dtype, torch.float32)) for h in (*run.hidden, run.code)]
    if layers == "code":
        return stack[-1:]
    if layers == "all":
        return stack
    if layers == "alternate":
        if not run.hidden:
            raise InputError("layers='alternate' needs a hidden layer; this encoder has only its code.")
        return stack[:-1:2]
    numbers = [number for number in layers if isinstance(number, int)]
    wrong = [number for number in layers if number not in range(1, len(stack) + 1)]
    if wrong:
        raise InputError(f"layers must be numbers from 1 to {len(stack)} (the code is {len(stack)}); got {wrong[0]!r}.")
    return [stack[number - 1] for number in numbers]


def refuse_batch_statistics(name: str, model: nn.Module) -> None:
    """Make sure that a penalty may ask the encoder a second time.

    Raises:
        InputError: for batch normalization in training: it makes a row depend on the others, and each call moves its
            running statistics.
    """
    encoder = model.encoder if isinstance(model, Feedforward) else model
    if any(isinstance(module, nn.BatchNorm1d) and module.training for module in encoder.modules()):
        raise InputError(
            f"{name} asks the encoder a second time, which batch normalization does not allow in training; "
            "use layer or weight normalization."
        )
