"""The loss on a plane through the parameters, and the path of an optimizer on it."""

import math
from collections.abc import Sequence
from typing import NamedTuple, final

import torch
from jaxtyping import Float
from torch import Tensor

from layerwise.diagnostics.findings import Finding, Verdict, finite
from layerwise.errors import InputError
from layerwise.optim import LBFGS, Optimizer, Problem, walk
from layerwise.randomness import generator

__all__ = [
    "LossSlice",
    "PathPlane",
    "filter_normalized",
    "landscape",
    "loss_slice",
    "optimizer_path",
    "path_plane",
]

# How far a slice goes on beyond a path, in units of the path's extent.
MARGIN = 0.25


@final
class LossSlice(NamedTuple):
    """The loss at center + a u + b v.

    Attributes:
        a, b: the places along the first and the second direction.
        losses: shape (a, b).
    """

    a: Float[Tensor, " a"]
    b: Float[Tensor, " b"]
    losses: Float[Tensor, "a b"]


@final
class PathPlane(NamedTuple):
    """The plane that holds most of a path.

    Attributes:
        center: its origin, the end of the path; flat parameters.
        directions: two directions of length 1.
        places: the path on the plane.
        explained: the share of the path's variance around its end in each direction.
    """

    center: Float[Tensor, " n"]
    directions: Float[Tensor, "2 n"]
    places: Float[Tensor, "points 2"]
    explained: Float[Tensor, "2"]


def filter_normalized(problem: Problem, *, seed: int = 0) -> Float[Tensor, " n"]:
    """A random direction in which each unit's weights are as long as the model's own; 0 for biases and scales.

    So a slice of a network with large weights is not flatter for that alone.

    Source: Li et al. 2018, "Visualizing the loss landscape of neural nets", section 4.

    >>> from layerwise.data import Batch
    >>> from layerwise.models import Dense
    >>> from layerwise.training import Objective
    >>> model = Dense(3, code=2)
    >>> drawn = filter_normalized(Problem(model, Objective(), Batch(torch.eye(3), None)))
    >>> torch.allclose(drawn[:6].reshape(2, 3).norm(dim=1), model.encoder[0].weight.norm(dim=1))
    True
    """
    noise = generator(seed, -12)
    pieces = []
    for parameter in problem.parameters:
        drawn = torch.randn(parameter.shape, generator=noise, dtype=torch.float64).to(parameter)
        if parameter.ndim < 2:
            pieces.append(torch.zeros_like(drawn))
            continue
        lengths, own = drawn.flatten(1).norm(dim=1), parameter.detach().flatten(1).norm(dim=1)
        pieces.append(drawn * (own / lengths).reshape(-1, *[1] * (parameter.ndim - 1)))
    return problem.flat(pieces)


def loss_slice(
    problem: Problem,
    directions: tuple[Float[Tensor, " n"], Float[Tensor, " n"]],
    *,
    center: Float[Tensor, " n"] | None = None,
    reach: float | Sequence[tuple[float | int, float | int]] = 1.0,
    points: int = 21,
) -> LossSlice:
    """The loss on a plane.

    Arguments:
        problem: a batch; its parameters stay as they are.
        directions: that span the plane, flat.
        center: flat parameters; None is the present ones.
        reach: how far, in units of the directions: a number for both and either way, or the two ends for each.
        points: along each direction; an odd number has the center among them.

    Raises:
        InputError: for fewer than 2 points.

    >>> from layerwise.data import Batch
    >>> from layerwise.models import Dense
    >>> from layerwise.training import Objective
    >>> problem = Problem(Dense(3, code=2), Objective(), Batch(torch.eye(3), None))
    >>> found = loss_slice(problem, (filter_normalized(problem), filter_normalized(problem, seed=1)), points=3)
    >>> bool(torch.isclose(found.losses[1, 1], problem.loss().double()))
    True
    """
    if points < 2:
        raise InputError(f"a slice needs at least 2 points along each direction; got {points}.")
    ends = ((-reach, reach), (-reach, reach)) if isinstance(reach, int | float) else reach
    middle = problem.flat(problem.parameters).detach() if center is None else center
    a, b = (torch.linspace(low, high, points, dtype=torch.float64) for low, high in ends)
    losses = torch.empty(points, points, dtype=torch.float64)
    with torch.no_grad():
        for i, first in enumerate(a.tolist()):
            for j, second in enumerate(b.tolist()):
                place = middle + first * directions[0] + second * directions[1]
                losses[i, j] = float(problem.loss(problem.split(place)))
    return LossSlice(a, b, losses)


def path_plane(path: Float[Tensor, "points n"]) -> PathPlane:
    """The two directions in which an optimizer moved most, by principal components around the end of its path.

    Arguments:
        path: flat parameters, one row a point; the last is the end.

    Raises:
        InputError: for fewer than 3 points.

    Source: Li et al. 2018, section 7.

    >>> corner = torch.tensor([[2.0, 0.0, 0.0], [1.0, 1.0, 0.0], [0.0, 0.0, 0.0]])
    >>> round(float(path_plane(corner).explained.sum()), 4)
    1.0
    """
    if len(path) < 3:
        raise InputError(f"a path needs at least 3 points to span a plane; got {len(path)}.")
    center = path[-1]
    moved = path - center
    _, values, directions = torch.linalg.svd(moved, full_matrices=False)
    total = values.square().sum().clamp_min(torch.finfo(path.dtype).tiny)
    return PathPlane(center, directions[:2], moved @ directions[:2].T, values[:2].square() / total)


def landscape(problem: Problem, *, reach: float = 0.5, points: int = 17, seed: int = 0) -> Finding:
    """The loss around the present parameters, on a random plane of filter-normalized directions.

    Arguments:
        problem: a batch, at the present parameters.
        reach: how far to look, in units of the weights' own length.
        points: along each direction.
        seed: of the directions.

    >>> from layerwise.data import Batch
    >>> from layerwise.models import Dense
    >>> from layerwise.training import Objective
    >>> found = landscape(Problem(Dense(3, code=2), Objective(), Batch(torch.eye(3), None)), points=3)
    >>> found.curves["a"]
    [-0.5, 0.0, 0.5]
    """
    directions = filter_normalized(problem, seed=seed), filter_normalized(problem, seed=seed + 1)
    found = loss_slice(problem, directions, reach=reach, points=points)
    known = found.losses[torch.isfinite(found.losses)]
    edges = found.losses[[0, -1]]
    here = float(problem.loss().detach())
    least = float(known.min()) if len(known) else math.inf
    edge = float(torch.where(edges.isfinite(), edges, torch.nan).nanmedian())
    figures = {"loss here": here, "least on the slice": least, "median at the edge": edge}
    curves = {"a": found.a.tolist(), "b": found.b.tolist(), "losses": found.losses.tolist()}
    if least < 0.95 * here:
        told = f"A random direction leads down to {least / here:.0%} of the loss: training is not at an end here."
        return Finding("landscape", figures, "look", told, curves)
    told = (
        "No random direction leads down, as around any basin: whether training may end is told by an optimizer's path."
    )
    return Finding("landscape", figures, "fine", told, curves)


def optimizer_path(problem: Problem, optimizer: Optimizer = LBFGS(), *, steps: int = 20, points: int = 17) -> Finding:
    """How far an optimizer gets from the present parameters, and its path on the plane that holds most of it.

    Arguments:
        problem: a batch, at the present parameters, where they stay.
        optimizer: by default one that needs no rate; it begins afresh, and sees the batch in each step.
        steps: at least 2.
        points: of the slice, along each direction.

    Raises:
        InputError: for fewer than 2 steps, or a path that is not finite.

    >>> from layerwise.data import Batch
    >>> from layerwise.models import Dense
    >>> from layerwise.training import Objective
    >>> found = optimizer_path(Problem(Dense(3, code=2), Objective(), Batch(torch.eye(3), None)), points=3)
    >>> found.figures["loss after"] < found.figures["loss before"]
    True
    """
    path = finite("the path of the optimizer", torch.stack(list(walk(problem, optimizer, steps=steps))))
    plane = path_plane(path)
    losses = [problem.value(place) for place in path]
    figures = {
        "steps": steps,
        "loss before": losses[0],
        "loss after": losses[-1],
        "length": float((path[-1] - path[0]).norm()),
        "explained": float(plane.explained.sum()),
    }
    name = type(optimizer).__name__
    if not figures["length"]:
        told = f"{steps} steps of {name} move no weight, as none gets a gradient: see the saddle and the units."
        return Finding("path", figures, "look", told)
    first, second = plane.directions
    reach = _reach(plane.places)
    found = loss_slice(problem, (first, second), center=plane.center, reach=reach, points=points)
    curves = {
        "optimizer": name,
        "a": found.a.tolist(),
        "b": found.b.tolist(),
        "losses": found.losses.tolist(),
        "places": plane.places.tolist(),
    }
    return Finding("path", figures, *_gone(name, steps, before=losses[0], after=losses[-1]), curves)


def _reach(places: Tensor) -> list[tuple[float, float]]:
    """The ends of the path along both directions, with a margin; as wide along the lesser one, where it hardly goes."""
    low, high = places.amin(0).double(), places.amax(0).double()
    width = torch.maximum(high - low, (high - low).max() / 2)
    middle = (low + high) / 2
    ends = torch.stack([middle - (0.5 + MARGIN) * width, middle + (0.5 + MARGIN) * width], 1)
    return [(first, last) for first, last in ends.tolist()]


def _gone(name: str, steps: int, *, before: float, after: float) -> tuple[Verdict, str]:
    gained = (before - after) / max(abs(before), 1e-30)
    if gained > 0.05:
        return "look", f"{steps} steps of {name} on these rows take {gained:.0%} of the loss off: train longer."
    if gained < 0:
        return (
            "look",
            f"{steps} steps of {name} on these rows raise the loss: lower its rate, or take another.",
        )
    return (
        "fine",
        f"{steps} steps of {name} on these rows take {gained:.1%} of the loss off: training may end here.",
    )
