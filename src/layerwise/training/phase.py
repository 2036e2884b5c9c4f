"""One stretch of training: which part, on what objective, by which optimizer, for how long."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import torch

from layerwise.corruptions import Corruption
from layerwise.data import Batch
from layerwise.errors import InputError
from layerwise.models.base import Autoencoder, Stacked
from layerwise.optim.base import Optimizer
from layerwise.training.objective import Objective
from layerwise.training.schedule import Constant, Schedule

__all__ = ["Block", "Phase", "Recipe", "Stop", "Upto", "View", "Whole"]


class View(ABC):
    """The part of a model that a phase trains, and what that part is fed."""

    @abstractmethod
    def part(self, model: Autoencoder) -> Autoencoder:
        """The part as an autoencoder which shares its parameters with the model.

        Raises:
            InputError: when the model does not have that part.
        """

    @abstractmethod
    def feed(self, model: Autoencoder, batch: Batch) -> Batch:
        """What the part sees of a batch of the model's input, without a graph."""


@final
@dataclass(frozen=True)
class Whole(View):
    """The whole model on its own input."""

    def part(self, model: Autoencoder) -> Autoencoder:
        """The model itself."""
        return model

    def feed(self, model: Autoencoder, batch: Batch) -> Batch:
        """The batch itself."""
        return batch


@final
@dataclass(frozen=True)
class Block(View):
    """Encoder layer `index` (from 0) and its mirror, fed with the output of the layers below."""

    index: int

    def part(self, model: Autoencoder) -> Autoencoder:
        """The shallow autoencoder of that layer."""
        return stacked(model).block(self.index)

    def feed(self, model: Autoencoder, batch: Batch) -> Batch:
        """The code of the layers below."""
        if self.index == 0:
            return batch
        below = stacked(model).upto(self.index - 1)
        below.eval()
        with torch.no_grad():
            return Batch(below.encode(batch.x).float(), None)


@final
@dataclass(frozen=True)
class Upto(View):
    """Encoder layers 0 to `index` with their mirrors, on the model's own input."""

    index: int

    def part(self, model: Autoencoder) -> Autoencoder:
        """The autoencoder of these layers."""
        return stacked(model).upto(self.index)

    def feed(self, model: Autoencoder, batch: Batch) -> Batch:
        """The batch itself."""
        return batch


@final
@dataclass(frozen=True)
class Stop:
    """When a phase ends before its epochs are done: after `patience` epochs without a better validation fidelity.

    Arguments:
        patience: None never stops early; the best weights are kept all the same.
        improvement: the relative gain below which an epoch does not count as better.
    """

    patience: int | None = None
    improvement: float = 0.0


@final
@dataclass(frozen=True)
class Phase:
    """One stretch of training; a frozen value that prints, compares and copies.

    Arguments:
        name: for the history and for messages.
        objective: fidelity and penalties.
        optimizer: started anew in every phase.
        epochs: passes over the rows.
        view: the part that is trained; nothing outside it moves.
        corruption: what is done to the part's input; the target stays clean.
        batch_size: the largest batch; the rows are spread evenly, and none is dropped.
        schedule: factor on the optimizer's rate.
        stop: when to end early.
        average: decay of an exponential moving average of the weights, by step; the average is what is validated and
            kept (Polyak & Juditsky 1992). 0 keeps the weights themselves.

    Raises:
        InputError: for fewer than 1 epoch, a batch size below 1, or a decay outside [0, 1).

    >>> from layerwise.optim import FirstOrder
    >>> Phase("train", Objective(), FirstOrder(), epochs=3).view
    Whole()
    """

    name: str
    objective: Objective
    optimizer: Optimizer
    epochs: int
    view: View = Whole()
    corruption: Corruption | None = None
    batch_size: int = 256
    schedule: Schedule = Constant()
    stop: Stop = Stop()
    average: float = 0.0

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise InputError(f"epochs of phase {self.name!r} must be at least 1; got {self.epochs}.")
        if self.batch_size < 1:
            raise InputError(f"batch_size of phase {self.name!r} must be at least 1; got {self.batch_size}.")
        if not 0 <= self.average < 1:
            raise InputError(f"average of phase {self.name!r} must be at least 0 and below 1; got {self.average}.")


Recipe = Sequence[Phase]


def stacked(model: Autoencoder) -> Stacked:
    """The model, if it can be trained layer by layer.

    Raises:
        InputError: when it cannot.
    """
    if not isinstance(model, Stacked):
        raise InputError(f"{type(model).__name__} has no layers to train one by one; use the view Whole().")
    return model
