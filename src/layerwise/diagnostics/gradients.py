"""How large the gradient is in each layer: whether it vanishes or explodes on its way back to the input."""

import math
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from layerwise.data import Batch
from layerwise.diagnostics.findings import Finding, Verdict, finite
from layerwise.diagnostics.layers import has_path_beside
from layerwise.models import Pass
from layerwise.optim import Problem, Terms
from layerwise.randomness import generator

__all__ = ["gradient_flow", "gradient_sizes"]

VANISHED, EXPLODED = 1e-2, 1e2


def gradient_sizes(problem: Problem) -> dict[str, float]:
    """The root mean square of the gradient of each weight matrix, in the order of the model's parameters.

    The linear path of a `Dense` is left out: it lies beside the layers, and gets its gradient whatever these do.

    Raises:
        InputError: where the gradient is not finite.

    >>> from layerwise.data import Batch
    >>> from layerwise.models import Dense
    >>> from layerwise.training import Objective
    >>> problem = Problem(Dense(3, (4,), code=2), Objective(), Batch(torch.eye(3), None))
    >>> list(gradient_sizes(problem))
    ['encoder.0', 'encoder.1', 'decoder.0', 'decoder.1']
    """
    gradients = problem.split(_gradient(problem))
    names = {id(parameter): name for name, parameter in problem.part.named_parameters()}
    found = {}
    for parameter, gradient in zip(problem.parameters, gradients, strict=True):
        name = names[id(parameter)]
        if parameter.ndim > 1 and not name.startswith("linear_path."):
            found[name.removesuffix(".weight")] = float(gradient.square().mean().sqrt())
    return found


def _gradient(problem: Problem) -> Float[Tensor, " n"]:
    return finite("the gradient", problem.at(problem.flat(problem.parameters).detach())[1])


def gradient_flow(problem: Problem, *, seed: int = 0) -> Finding:
    """The size of the gradient by layer, and how much of a random error at the output gets to the first layer.

    "first to last" is the ratio of gradients of random errors, as those of the loss itself may cancel out; "layers"
    among the curves are those of the loss. Where no matrix gets any of them the ratio is 0.

    Arguments:
        problem: a batch, at the present parameters.
        seed: of the random errors.

    Raises:
        InputError: where the gradient is not finite.

    Source: Glorot & Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks",
    section 4.2, for the measure.

    >>> from layerwise.data import Batch
    >>> from layerwise.models import Dense
    >>> from layerwise.training import Objective
    >>> gradient_flow(Problem(Dense(3, code=2), Objective(), Batch(torch.eye(3), None))).verdict
    'fine'
    """
    sizes = gradient_sizes(problem)
    through = list(gradient_sizes(Problem(problem.part, _RandomErrors(seed), problem.batch)).values())
    first, last = (through[0], through[-1]) if through else (0.0, 0.0)
    figures = {
        "first layer": next(iter(sizes.values()), 0.0),
        "last layer": next(reversed(sizes.values()), 0.0),
        "first to last": first / last if last > 0 else math.inf if first > 0 else 0.0,
    }
    if not any(through):
        verdict, advice = _none(len(sizes))
    elif has_path_beside(problem.part) and figures["first to last"] < VANISHED:
        # Such layers begin silent, and need no gradient through each other to be of use.
        verdict, advice = _silent()
    else:
        verdict, advice = _told(figures["first to last"], len(sizes))
    return Finding("vanishing gradients", figures, verdict, advice, {"layers": list(sizes), "sizes": [*sizes.values()]})


@final
@dataclass(frozen=True)
class _RandomErrors:
    """An objective whose gradient at the output is random."""

    seed: int

    def terms(self, run: Pass, target: Batch, model: nn.Module, *, progress: float) -> Terms:
        """The product of the output, before its activation, with normal numbers: mean over the rows."""
        errors = torch.randn(run.natural.shape, generator=generator(self.seed, -13), dtype=torch.float64)
        return {"random errors": (errors.to(run.natural) * run.natural).sum() / len(run.natural)}


def _none(layers: int) -> tuple[Verdict, str]:
    # Of two matrices the curvature still leads away from there, and the saddle is named; of more it is 0, too.
    return "look" if layers <= 2 else "fault", (
        "No weight matrix gets any gradient, whatever the error at the output: begin from random weights, or see which "
        "layer gives nothing but zeros."
    )


def _silent() -> tuple[Verdict, str]:
    return "look", (
        "The layers beside the linear path say next to nothing, so the model is little more than principal components: "
        "train longer, or take that for the answer."
    )


def _told(ratio: float, layers: int) -> tuple[Verdict, str]:
    if ratio < VANISHED:
        return "fault", (
            f"The first layer gets {ratio:.1g} of the last layer's gradient: use fewer layers, ReLU or SiLU units, "
            "orthogonal weights, a normalization, or training by layers."
        )
    if EXPLODED < ratio < math.inf:
        return "look", f"The first layer gets {ratio:.1g} times the last layer's gradient: clip it, or lower the gain."
    return "fine", f"The gradient reaches the first of {layers} layers."
