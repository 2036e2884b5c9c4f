"""What stopped being finite, and where it came from."""

import math
from collections.abc import Mapping
from typing import Any

import torch
from torch import Tensor, nn

from layerwise.data import Batch
from layerwise.models.base import Autoencoder
from layerwise.optim.base import Problem

__all__ = ["first_layer", "guilty_rows", "not_finite"]

SHOWN_ROWS = 5


def not_finite(terms: Mapping[str, float], parameters: Mapping[str, Tensor]) -> str:
    """Which term or which weights are not finite, in words; empty where all are.

    A sum is finite only if each of its numbers is, and costs a fraction of looking at each.

    >>> not_finite({"loss": 1.0}, {"weight": torch.tensor([1.0, torch.nan])})
    "the weights 'weight' are not finite"
    """
    for name, term in terms.items():
        if not math.isfinite(term):
            return f"the term {name!r} is {term}"
    sums = torch.stack([parameter.sum() for parameter in parameters.values()])
    if math.isfinite(float(sums.sum())):
        return ""
    bad = [name for name, total in zip(parameters, sums.tolist(), strict=True) if not math.isfinite(total)]
    return f"the weights {bad[0]!r} are not finite" if bad else ""


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
        x, observed = problem.batch
        one = Batch(x[place : place + 1], None if observed is None else observed[place : place + 1])
        terms = problem.on(one, noise=problem.noise, progress=problem.progress).terms()
        if not all(math.isfinite(float(term)) for term in terms.values()):
            guilty.append(row)
            if len(guilty) == SHOWN_ROWS:
                break
    return guilty
