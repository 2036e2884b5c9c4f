"""What a measure of a model says: figures, a verdict, and what to do."""

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal, final

import torch
from torch import Tensor

from layerwise.errors import InputError

__all__ = ["Finding", "Verdict", "finite"]

Verdict = Literal["fine", "look", "fault"]


@final
@dataclass(frozen=True)
class Finding:
    """One thing that was measured of a model.

    Arguments:
        name: of what was measured, or of the fault.
        figures: plain numbers, under names that say their unit.
        verdict: "fine", "look" (worth a look, but no fault), or "fault".
        advice: one sentence.
        curves: lists of numbers from which a page draws its figures.

    >>> Finding("dead units", {"share": 0.0}, "fine", "Leave it.").verdict
    'fine'
    """

    name: str
    figures: Mapping[str, float | int]
    verdict: Verdict
    advice: str
    curves: Mapping[str, Any] = field(default_factory=dict)

    def row(self) -> dict[str, Any]:
        """The finding as plain values, for files and pages; what is not finite becomes None.

        >>> Finding("loss", {"last": math.inf}, "fault", "Lower the rate.").row()["figures"]
        {'last': None}
        """
        figures = {name: value if math.isfinite(value) else None for name, value in self.figures.items()}
        kept = {"name": self.name, "figures": figures, "verdict": self.verdict, "advice": self.advice}
        return {**kept, "curves": dict(self.curves)} if self.curves else kept


def finite(name: str, values: Tensor) -> Tensor:
    """The values, if all of them are finite.

    Raises:
        InputError: when one is not: there is then nothing to measure.

    >>> finite("the gradient", torch.tensor([1.0, math.nan]))
    Traceback (most recent call last):
    layerwise.errors.InputError: the gradient must be finite to be measured; 1 of 2 numbers is not. Lower the rate.
    """
    wrong = int((~torch.isfinite(values)).sum())
    if wrong:
        are = "is" if wrong == 1 else "are"
        raise InputError(
            f"{name} must be finite to be measured; {wrong} of {values.numel()} numbers {are} not. Lower the rate."
        )
    return values
