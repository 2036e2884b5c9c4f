"""What is wanted of a model: a fidelity and named, weighted penalties."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

from torch import Tensor, nn

from layerwise.data import Batch
from layerwise.errors import InputError
from layerwise.models.base import Pass
from layerwise.optim.base import Terms
from layerwise.penalties import Fidelity, Penalty, squared_error
from layerwise.training.schedule import Schedule, value_at

__all__ = ["Objective"]


@final
@dataclass(frozen=True)
class Objective:
    """The sum of a fidelity and of penalties, each under its own name and with its own weight.

    Arguments:
        fidelity: compares the reconstruction with the clean target.
        penalties: name -> (weight, penalty); the weight is a number or a schedule over the phase.

    Raises:
        InputError: when a penalty takes the fidelity's name.

    >>> from layerwise.penalties import L1
    >>> sorted(Objective(squared_error, {"sparsity": (0.1, L1())}).penalties)
    ['sparsity']
    """

    fidelity: Fidelity = squared_error
    penalties: Mapping[str, tuple[float | Schedule, Penalty]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.fidelity.name in self.penalties:
            raise InputError(f"a penalty must not be named {self.fidelity.name!r} like the fidelity; rename it.")

    @property
    def supervised(self) -> bool:
        """Whether it needs rows with something to be predicted."""
        return self.fidelity.supervised

    def terms(self, run: Pass, target: Batch, model: nn.Module, *, progress: float) -> Terms:
        """The weighted terms, whose sum is the loss; a penalty of weight 0 is not computed."""
        terms = {self.fidelity.name: self.fidelity(run, target)}
        for name, (number, penalty) in self.penalties.items():
            weight = value_at(number, progress)
            if weight != 0:
                terms[name] = weight * penalty(run, model)
        return terms

    def sampled(self, run: Pass, target: Batch, noise: int) -> Tensor:
        """A number with slopes as random as the fidelity's targets; penalties have no part in it."""
        return self.fidelity.sampled(run, target, noise)
