"""The weights that a phase leaves behind: the best on the validation rows, averaged over steps where asked."""

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, final

import torch
from torch import Tensor, nn

__all__ = ["Keeper"]


@final
class Keeper:
    """Keeps a copy of a part's best state, and a running average of its weights.

    Arguments:
        part: whose weights are kept.
        decay: of the average, see `Phase.average`.
    """

    def __init__(self, part: nn.Module, decay: float) -> None:
        self.part = part
        self.decay = decay
        self.best_value = float("inf")
        self.best_epoch = 0
        self._steps = 0
        self._parameters = [p.detach() for p in part.parameters()]
        self._average = [p.clone() for p in self._parameters] if decay > 0 else []
        self._best = self._copy()

    @torch.no_grad()
    def after_step(self) -> None:
        """Take the new weights into the average."""
        if not self._average:
            return
        self._steps += 1
        # Early steps weigh more, so that the start is soon forgotten (the usual warm-up of an average).
        decay = min(self.decay, (1 + self._steps) / (10 + self._steps))
        torch._foreach_lerp_(self._average, self._parameters, 1 - decay)

    @contextmanager
    def averaged(self) -> Iterator[None]:
        """Put the average in the place of the weights for a while."""
        if not self._average:
            yield
            return
        present = [p.clone() for p in self._parameters]
        self._load(self._average)
        try:
            yield
        finally:
            self._load(present)

    def consider(self, value: float, *, epoch: int, improvement: float) -> bool:
        """Keep the present state if `value` is better than the best by the relative `improvement`."""
        if not value < self.best_value - improvement * abs(self.best_value if self.best_value < float("inf") else 0):
            return False
        self.best_value, self.best_epoch = value, epoch
        self._best = self._copy()
        return True

    def restore(self) -> None:
        """Put the best state back into the part."""
        self.part.load_state_dict(self._best)

    def numbers(self) -> dict[str, Any]:
        """What `take_up` needs beside the tensors, as plain values."""
        best = self.best_value if math.isfinite(self.best_value) else None
        return {"best_value": best, "best_epoch": self.best_epoch, "steps": self._steps}

    def tensors(self) -> dict[str, Tensor]:
        """The best state and the average; not copies."""
        averages = {f"average.{number}": value for number, value in enumerate(self._average)}
        return {**{f"best.{name}": value for name, value in self._best.items()}, **averages}

    def take_up(self, numbers: Mapping[str, Any], tensors: Mapping[str, Tensor]) -> None:
        """Go on from what `numbers` and `tensors` gave."""
        best = numbers["best_value"]
        self.best_value, self.best_epoch = float("inf") if best is None else best, numbers["best_epoch"]
        self._steps = numbers["steps"]
        self._best = {name: tensors[f"best.{name}"].clone() for name in self._best}
        for number, value in enumerate(self._average):
            value.copy_(tensors[f"average.{number}"])

    def _copy(self) -> dict[str, Tensor]:
        return {name: value.detach().clone() for name, value in self.part.state_dict().items()}

    @torch.no_grad()
    def _load(self, values: list[Tensor]) -> None:
        for parameter, value in zip(self._parameters, values, strict=True):
            parameter.copy_(value)
