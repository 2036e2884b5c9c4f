"""One stretch of training: which part, on what objective, by which optimizer, for how long."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, final

import torch

from layerwise.corruptions import Corruption
from layerwise.data import Batch, Source
from layerwise.errors import InputError
from layerwise.models.base import Autoencoder, Stacked
from layerwise.models.boltzmann import Chain
from layerwise.models.dense import Feedforward, Mirrored
from layerwise.models.units import BernoulliUnits
from layerwise.optim.base import Optimizer
from layerwise.training.objective import Objective
from layerwise.training.schedule import Constant, Schedule

__all__ = ["Block", "Boltzmann", "Phase", "Recipe", "Stop", "Upto", "View", "Whole"]

ROWS = 1024


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

    @abstractmethod
    def check(self, model: Autoencoder, data: Source) -> None:
        """See whether the part can learn from such rows, before any training begins.

        Raises:
            InputError: when it cannot.
        """

    @abstractmethod
    def close(self, model: Autoencoder) -> None:
        """Hand on what the part has learned to other layers of the model, at the end of the phase."""


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

    def check(self, model: Autoencoder, data: Source) -> None:
        """Any rows will do."""

    def close(self, model: Autoencoder) -> None:
        """Nothing: the parameters are the model's own."""


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
        return below(model, self.index, batch)

    def check(self, model: Autoencoder, data: Source) -> None:
        """Any rows will do, but no linear path beside the layers, which the part leaves out."""
        refuse_linear_path(model)

    def close(self, model: Autoencoder) -> None:
        """Nothing: the parameters are the model's own."""


@final
@dataclass(frozen=True)
class Boltzmann(View):
    """Encoder layer `index` (from 0) as a restricted Boltzmann machine, fed with the output of the layers below.

    The machine has the encoder layer's weights and bias, and the bias of the decoder layer that mirrors it. The kind of
    its units follows from the activations: sigmoid, identity (linear with normal noise) or relu; what a rectified layer
    below gives is taken as linear with normal noise (Nair & Hinton 2010).
    At the end of the phase the decoder layer gets the transposed weights (Hinton & Salakhutdinov 2006, figure 1).

    Arguments:
        index: of the encoder layer.
        chain: how the machine draws its samples.
    """

    index: int
    chain: Chain = Chain()

    def part(self, model: Autoencoder) -> Autoencoder:
        """The machine of that layer.

        Raises:
            InputError: for a layer with a normalization, embeddings or an activation that no unit has.
        """
        return _mirrored(model).machine(self.index, self.chain)

    def feed(self, model: Autoencoder, batch: Batch) -> Batch:
        """The code of the layers below."""
        return below(model, self.index, batch)

    def check(self, model: Autoencoder, data: Source) -> None:
        """Binary units are probabilities: their rows must be in [0, 1]; and no linear path may run beside the layers.

        Raises:
            InputError: names the first number outside and its place, or the layer that may leave [0, 1].
        """
        refuse_linear_path(model)
        machine = _mirrored(model).machine(self.index, self.chain)
        if isinstance(machine.visible, BernoulliUnits):
            needs = "binary visible units need numbers in [0, 1]"
            refuse_outside_unit_range(self, model, data, needs=needs, instead="linear outputs")

    def close(self, model: Autoencoder) -> None:
        """Give the decoder layer the transposed weights."""
        _mirrored(model).mirror(self.index)


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

    def check(self, model: Autoencoder, data: Source) -> None:
        """Any rows will do, but no linear path beside the layers, which the part leaves out."""
        refuse_linear_path(model)

    def close(self, model: Autoencoder) -> None:
        """Nothing: the parameters are the model's own."""


@final
@dataclass(frozen=True)
class Stop:
    """When a phase ends before its epochs are done: after `patience` epochs without a better validation objective.

    That is the sum of fidelity and penalties on the validation rows, with the weights that scheduled penalties end
    with: a phase that gives up some fidelity for a penalty has got what it was made for.

    Arguments:
        patience: None never stops early; the best weights are kept all the same.
        improvement: the relative gain below which an epoch does not count as better.
        keep: the weights that are left at the end: the "best" on the validation rows or the "last", for objectives
            whose value does not say how good a model is.
    """

    patience: int | None = None
    improvement: float = 0.0
    keep: Literal["best", "last"] = "best"


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
        growth: factor by which that grows from epoch to epoch, until one batch holds all rows: what a step of the
            second order gains on few rows is soon lost on others (Martens & Grosse 2015, section 13).
        schedule: factor on the optimizer's rate.
        stop: when to end early.
        average: decay of an exponential moving average of the weights, by step; the average is what is validated and
            kept (Polyak & Juditsky 1992). 0 keeps the weights themselves.

    Raises:
        InputError: for fewer than 1 epoch, a batch size or growth below 1, or a decay outside [0, 1).

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
    growth: float = 1.0
    schedule: Schedule = Constant()
    stop: Stop = Stop()
    average: float = 0.0

    def __post_init__(self) -> None:
        if self.epochs < 1:
            raise InputError(f"epochs of phase {self.name!r} must be at least 1; got {self.epochs}.")
        if self.batch_size < 1:
            raise InputError(f"batch_size of phase {self.name!r} must be at least 1; got {self.batch_size}.")
        if not 1 <= self.growth < math.inf:
            raise InputError(f"growth of phase {self.name!r} must be finite and at least 1; got {self.growth}.")
        if not 0 <= self.average < 1:
            raise InputError(f"average of phase {self.name!r} must be at least 0 and below 1; got {self.average}.")

    def batches(self, rows: int, epoch: int = 1) -> int:
        """Of an epoch, counted from 1; none of a single row, unless that is what was asked for.

        >>> from layerwise.optim import FirstOrder
        >>> growing = Phase("train", Objective(), FirstOrder(), epochs=9, batch_size=100, growth=2.0)
        >>> [growing.batches(1000, epoch) for epoch in (1, 2, 4, 5, 9)]
        [10, 5, 2, 1, 1]
        """
        if self.batch_size == self.growth == 1:
            return rows
        grown = 1 if self.growth == 1 else self.growth ** min(epoch - 1, math.ceil(math.log(rows, self.growth)))
        return max(1, min(math.ceil(rows / (self.batch_size * grown)), rows // 2))

    def steps(self, rows: int) -> int:
        """Of the whole phase."""
        if self.growth == 1:
            return self.epochs * self.batches(rows)
        return sum(self.batches(rows, epoch) for epoch in range(1, self.epochs + 1))


Recipe = Sequence[Phase]


def below(model: Autoencoder, index: int, batch: Batch) -> Batch:
    """What encoder layer `index` gets when the model gets `batch`; without a graph and without noise."""
    if index == 0:
        return batch
    part = stacked(model).upto(index - 1)
    part.eval()
    with torch.no_grad():
        return Batch(part.encode(batch.x).float(), None, batch.y)


def stacked(model: Autoencoder) -> Stacked:
    """The model, if it can be trained layer by layer.

    Raises:
        InputError: when it cannot.
    """
    if not isinstance(model, Stacked):
        raise InputError(f"{type(model).__name__} has no layers to train one by one; use the view Whole().")
    return model


def refuse_linear_path(model: Autoencoder) -> None:
    """Make sure that the layers are all there is.

    Raises:
        InputError: for a model with a linear path: its layers, trained without it, would then be added to it.
    """
    if isinstance(model, Feedforward) and model.linear_path is not None:
        raise InputError(
            "a model that is trained by layers must have no linear path beside them; got one. Use linear_path=False."
        )


def refuse_outside_unit_range(view: View, model: Autoencoder, data: Source, *, needs: str, instead: str) -> None:
    """Make sure that all that a part sees is in [0, 1]; of what other layers make of the rows, the first ones.

    Raises:
        InputError: names the first number outside and its place.
    """
    device = next(model.parameters()).device
    model.eval()
    for start in range(0, len(data), ROWS):
        index = torch.arange(start, min(start + ROWS, len(data)))
        batch = data.batch(index).to(device)
        x, observed, _ = fed = view.feed(model, batch)
        wrong = (x < 0) | (x > 1)
        outside = (wrong if observed is None else wrong & observed).nonzero()
        if len(outside):
            row, feature = outside[0].tolist()
            what = f"feature {feature}" if fed is batch else f"unit {feature} of the layers below"
            raise InputError(
                f"{needs}; found {float(x[row, feature]):g} in {what} of row {int(index[row])}. Scale the data "
                f"(scaling='minmax'), or use {instead}."
            )
        if fed is not batch:
            return


def _mirrored(model: Autoencoder) -> Mirrored:
    if not isinstance(model, Mirrored):
        raise InputError(f"{type(model).__name__} has no layers that are Boltzmann machines; use another view.")
    return model
