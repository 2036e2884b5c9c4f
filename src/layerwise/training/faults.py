"""What stopped being finite, and where it came from."""

import math
from collections.abc import Mapping
from typing import Any, final

import torch
from torch import Tensor, nn

from layerwise.data import Batch
from layerwise.models.base import Autoencoder
from layerwise.optim.base import Problem

__all__ = ["StepNumbers", "Weights", "first_layer", "guilty_rows"]

SHOWN_ROWS = 5
# Up to so many numbers it is cheaper to copy weights together than to begin another sum.
SMALL = 16_384


@final
class Weights:
    """The weights of a part, ready to be summed after every step: small ones together, large ones each.

    A sum is finite only if each of its numbers is, and costs a fraction of looking at each.

    >>> Weights({"weight": torch.tensor([1.0, torch.nan])}).broken()
    'weight'
    """

    def __init__(self, parameters: Mapping[str, Tensor]) -> None:
        self.parameters = {name: parameter.detach() for name, parameter in parameters.items()}
        # Views, which follow what becomes of the weights.
        flat = [parameter.view(-1) for parameter in self.parameters.values() if parameter.is_contiguous()]
        self.small = [parameter for parameter in flat if parameter.numel() <= SMALL]
        gathered = {parameter.data_ptr() for parameter in self.small}
        self.large = [value for value in self.parameters.values() if value.data_ptr() not in gathered]

    def sums(self) -> list[Tensor]:
        """A few numbers, one of which is not finite if a weight is not."""
        small = [torch.cat(self.small).sum()] if self.small else []
        return small + [parameter.sum() for parameter in self.large]

    def broken(self) -> str:
        """The name of the first weights that are not finite now."""
        return next((name for name, value in self.parameters.items() if not value.isfinite().all()), "")


@final
class StepNumbers:
    """The terms of a step and the sums of its weights, on their way from the device.

    The copy from a GPU is begun at once and waited for only when it is asked for, so that no step waits for the one
    before it.

    >>> numbers = StepNumbers({"loss": torch.tensor(1.0)}, Weights({"weight": torch.tensor([1.0, torch.nan])}))
    >>> numbers.terms(), numbers.fault()
    ({'loss': 1.0}, "the weights 'weight' are not finite")
    """

    def __init__(self, terms: Mapping[str, Tensor], weights: Weights) -> None:
        self.names, self.weights = list(terms), weights
        self.numbers = torch.stack([*(term.reshape(()) for term in terms.values()), *weights.sums()])
        self.arrived: torch.cuda.Event | None = None
        if self.numbers.device.type == "cuda":
            held = torch.empty_like(self.numbers, device="cpu", pin_memory=True)
            self.numbers = held.copy_(self.numbers, non_blocking=True)
            self.arrived = torch.cuda.Event()
            self.arrived.record()

    def terms(self) -> dict[str, float]:
        """The terms by name."""
        return dict(zip(self.names, self._values(), strict=False))

    def fault(self) -> str:
        """Which term or which weights are not finite, in words; empty where all are."""
        if math.isfinite(sum(self._values())):
            return ""
        for name, term in self.terms().items():
            if not math.isfinite(term):
                return f"the term {name!r} is {term}"
        name = self.weights.broken()
        return f"the weights {name!r} are not finite" if name else ""

    def _values(self) -> list[float]:
        if self.arrived is not None:
            self.arrived.synchronize()
        values: list[float] = self.numbers.tolist()
        return values


def first_layer(part: Autoencoder, x: Tensor) -> str:
    """The name of the first layer with weights, in the order of computing, whose output is not finite, or ""."""
    found: list[str] = []

    def look(name: str) -> Any:
        def hook(module: nn.Module, inputs: Any, output: Any) -> None:
            if not found and isinstance(output, Tensor) and not output.isfinite().all():
                found.append(name)

        return hook

    layers = {name: module for name, module in part.named_modules() if name and list(module.parameters(recurse=False))}
    handles = [module.register_forward_hook(look(name)) for name, module in layers.items()]
    try:
        with torch.no_grad():
            part(x)
    finally:
        for handle in handles:
            handle.remove()
    return found[0] if found else ""


def guilty_rows(problem: Problem, index: Tensor) -> list[int]:
    """The numbers of the rows whose own terms are not finite, at the present weights; at most five.

    Arguments:
        problem: of the batch, in evaluation mode.
        index: the number of each of its rows.
    """
    guilty = []
    for place, row in enumerate(index.tolist()):
        one = Batch(*(None if part is None else part[place : place + 1] for part in problem.batch))  # type: ignore[arg-type]
        terms = problem.on(one, noise=problem.noise, progress=problem.progress).terms()
        if not all(math.isfinite(float(term)) for term in terms.values()):
            guilty.append(row)
            if len(guilty) == SHOWN_ROWS:
                break
    return guilty
