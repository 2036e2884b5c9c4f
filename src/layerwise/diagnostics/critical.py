"""Points at which the gradient is zero: how near, how many directions lead down, and where the next one is."""

from typing import NamedTuple, final

import torch
from jaxtyping import Float
from torch import Tensor

from layerwise.data import Batch
from layerwise.diagnostics.findings import Finding, Verdict, finite
from layerwise.diagnostics.spectrum import (
    dense,
    extreme_eigenvalues,
    krylov,
    random_directions,
    spectral_density,
)
from layerwise.optim import Problem

__all__ = ["CriticalPoint", "SaddleIndex", "critical_point", "find_critical_point", "saddle", "saddle_index"]

EXACT = 500
# A step along the gradient that gains less than this share of the loss leads nowhere.
FLAT = 1e-4
DOWN = 0.05
# What is left of a gradient that is 0, in units of the rounding: its own terms cancel out.
NO_SLOPE = 100


@final
class SaddleIndex(NamedTuple):
    """The share of the Hessian's eigenvalues that are negative, its ends, and whether all were computed."""

    share: float
    least: float
    largest: float
    exact: bool


@final
class CriticalPoint(NamedTuple):
    """Where a search for a zero of the gradient ended.

    Attributes:
        parameters: flat, as `Problem.flat` gives them.
        loss: there.
        gradient_norm: there.
        iterations: steps that were taken.
        found: whether the norm got below the tolerance; else it is a place where its slope is zero, or too far away.
    """

    parameters: Float[Tensor, " n"]
    loss: float
    gradient_norm: float
    iterations: int
    found: bool


def saddle_index(
    problem: Problem, *, exact_up_to: int = EXACT, steps: int = 60, count: int = 4, seed: int = 0
) -> SaddleIndex:
    """The share of negative eigenvalues of the Hessian: 0 at a minimum, 1 at a maximum.

    What is within rounding of 0 counts as 0.

    Arguments:
        problem: at the present parameters; in float64 the index of a flat place is sharper.
        exact_up_to: parameters for which the whole matrix is made; of more it is read off the spectral density.
        steps: of Lanczos' method for a density; count: its random vectors; seed: of these.

    Raises:
        InputError: where a product is not finite.

    Source: Dauphin et al. 2014, "Identifying and attacking the saddle point problem", section 3.

    >>> from layerwise.data import Batch
    >>> from layerwise.models import Dense
    >>> from layerwise.training import Objective
    >>> model = Dense(2, code=2).double()
    >>> _ = [torch.nn.init.zeros_(parameter) for parameter in model.parameters()]
    >>> x = torch.tensor([[1.0, 0.0], [-1.0, 0.0]], dtype=torch.float64)
    >>> saddle_index(Problem(model, Objective(), Batch(x, None))).share  # of 12 numbers two pairs of weights
    0.16666666666666666
    """
    like = problem.flat(problem.parameters).detach()
    if len(like) <= exact_up_to:
        values = torch.linalg.eigvalsh(dense(problem.hessian(), like).double())
        limit = _rounding(like) * float(values.abs().max())
        return SaddleIndex(float((values < -limit).double().mean()), float(values[0]), float(values[-1]), True)
    starts = random_directions(problem, count, seed=seed)
    density = spectral_density(problem.hessian(), starts, steps=steps)
    low, high = float(density.nodes.min()), float(density.nodes.max())
    share = density.share_below(-_rounding(like) * max(abs(low), abs(high)))
    return SaddleIndex(share, low, high, False)


def _rounding(like: Tensor) -> float:
    return 10 * len(like) ** 0.5 * torch.finfo(like.dtype).eps


def find_critical_point(
    problem: Problem,
    start: Float[Tensor, " n"] | None = None,
    *,
    iterations: int = 100,
    steps: int = 100,
    tolerance: float = 1e-6,
) -> CriticalPoint:
    r"""A zero of the gradient near the present parameters, or near others: minimum, saddle or maximum.

    Newton's equation H d = -g is solved in the Krylov space of the gradient, in the sense of damped least squares,

    .. math:: \min_d \lVert H d + g \rVert^2 + \mu \lVert d \rVert^2

    which needs no definite matrix and leads down on the norm of the gradient, not on the loss. The damping follows
    Levenberg and Marquardt; another one needs no further product. With as many steps as parameters it is exact.

    Arguments:
        problem: left as it is, in its parameters too.
        start: flat parameters; None begins at the present ones.
        iterations: at most.
        steps: curvature products in each.
        tolerance: of the norm of the gradient, in the loss's unit for each unit of the parameters.

    Raises:
        InputError: where the gradient or a product is not finite.

    Sources: Marquardt 1963; Dauphin et al. 2014, section 3, for the use; Paige & Saunders 1975 for least squares in a
    Krylov space.

    >>> from layerwise.data import Batch
    >>> from layerwise.models import Dense
    >>> from layerwise.training import Objective
    >>> batch = Batch(torch.eye(3, dtype=torch.float64), None)
    >>> problem = Problem(Dense(3, code=1).double(), Objective(), batch)
    >>> find_critical_point(problem, tolerance=1e-8).found
    True
    """
    place = problem.flat(problem.parameters).detach().clone() if start is None else start.detach().clone()
    loss, gradient = _at(problem, place)
    damping, done = 1e-2, 0
    with problem.restored():
        while done < iterations and float(gradient.norm()) > tolerance:
            problem.move(place)
            space = krylov(problem.hessian(), gradient, steps=steps)
            damping, better = _better(problem, place, gradient, space.basis, space.matrix, damping)
            if better is None:
                break
            place, loss, gradient = better
            done += 1
    norm = float(gradient.norm())
    return CriticalPoint(place, float(loss), norm, done, norm <= tolerance)


Place = tuple[Tensor, Tensor, Tensor]


def _better(
    problem: Problem, place: Tensor, gradient: Tensor, basis: Tensor, matrix: Tensor, damping: float
) -> tuple[float, Place | None]:
    """The next damping, and a place with a smaller gradient, or None where no damping leads to one.

    The damping is in units of the largest squared curvature.
    """
    scale, norm = float(torch.linalg.matrix_norm(matrix, 2)), float(gradient.norm())
    right = matrix.new_zeros(len(matrix) + matrix.shape[1])
    right[0] = -norm
    while damping < 1e12:
        damper = damping**0.5 * scale * torch.eye(matrix.shape[1]).to(matrix)
        coefficients = torch.linalg.lstsq(torch.cat([matrix, damper]), right[:, None]).solution[:, 0]
        there = place + basis[:-1].T @ coefficients
        loss, slope = problem.at(there)
        if float(slope.norm()) < (1 - 1e-6) * norm:
            return max(damping / 10, 1e-20), (there, loss, slope)
        damping *= 10
    return damping, None


def _at(problem: Problem, place: Tensor) -> tuple[Tensor, Tensor]:
    loss, gradient = problem.at(place)
    return loss, finite("the gradient", gradient)


def critical_point(problem: Problem, *, iterations: int = 12, steps: int = 20, seed: int = 0) -> Finding:
    r"""Where the gradient is zero near the present parameters, and whether that is a minimum or a saddle.

    It is zero where a step along it can take less than a ten-thousandth off the loss, as in `saddle`:

    .. math:: \lVert g \rVert^2 < 10^{-4} \cdot 2 \lambda_{\max} L

    Arguments:
        problem: a batch, at the present parameters, where they stay.
        iterations, steps: as in `find_critical_point`; about as many curvature products as their product.
        seed: of random directions.

    Raises:
        InputError: where the gradient or a product is not finite.

    >>> from layerwise.data import Batch
    >>> from layerwise.models import Dense
    >>> from layerwise.training import Objective
    >>> found = critical_point(Problem(Dense(3, code=2), Objective(), Batch(torch.eye(3), None)))
    >>> found.figures["gradient norm there"] < found.figures["gradient norm here"]
    True
    """
    place = problem.point()
    loss, gradient = _at(problem, place)
    ends = extreme_eigenvalues(problem.hessian(), random_directions(problem, seed=seed)[0], steps=steps, count=1)
    largest = max(abs(float(ends.top[0])), abs(float(ends.bottom[0])))
    tolerance = (FLAT * 2 * largest * abs(float(loss))) ** 0.5
    found = find_critical_point(problem, iterations=iterations, steps=steps, tolerance=tolerance)
    with problem.restored():
        problem.move(found.parameters)
        index = saddle_index(problem, exact_up_to=EXACT // 5, steps=steps, count=2, seed=seed)
    figures = {
        "loss here": float(loss),
        "loss there": found.loss,
        "gradient norm here": float(gradient.norm()),
        "gradient norm there": found.gradient_norm,
        "zero below": tolerance,
        "distance": float((found.parameters - place).norm() / place.norm().clamp_min(1e-30)),
        "saddle index there": index.share,
        "least eigenvalue there": index.least,
        "largest eigenvalue there": index.largest,
    }
    return Finding("critical point", figures, *_led(found, index))


def _led(found: CriticalPoint, index: SaddleIndex) -> tuple[Verdict, str]:
    if not found.found:
        return "fine", (
            f"No zero of the gradient is within {found.iterations} steps of the search, so there is still a slope to "
            "follow: go on with the training."
        )
    where = "The weights lie at" if found.iterations == 0 else "Near the weights is"
    if index.least < -DOWN * max(abs(index.largest), abs(index.least)):
        return "look", (
            f"{where} a saddle with a loss of {found.loss:.3g}, where {index.share:.0%} of the directions bend down: "
            "momentum, noise or saddle-free Newton steps lead past it."
        )
    return "fine", (
        f"{where} a minimum or plain with a loss of {found.loss:.3g}, where steps along the gradient gain next to "
        "nothing: momentum or a second-order method gets further, if anything does."
    )


def saddle(problem: Problem, *, steps: int = 20, seed: int = 0) -> Finding:
    r"""Whether the parameters lie on a saddle: no slope to follow, and a direction that bends down.

    "gain of a step" is what a step along the gradient can take off the loss at best, as a share of it:

    .. math:: \frac{\lVert g \rVert^2}{2 \lambda_{\max} L}, \quad \lVert g \rVert^2 \approx g_1^T g_2

    with the gradients of the two halves of the batch: where they do not agree, there is no slope but that of the
    chosen rows. It has no unit, unlike the norm of the gradient. Where the weights get no gradient at all, but for
    rounding, no optimizer has a direction in which to leave, and the advice is another one.

    Arguments:
        problem: a batch, at the present parameters; the more rows, the sharper.
        steps: of Lanczos' method.
        seed: of its random start.

    Raises:
        InputError: where the gradient or a product is not finite.

    >>> from layerwise.data import Batch
    >>> from layerwise.models import Dense
    >>> from layerwise.training import Objective
    >>> model = Dense(2, code=2)
    >>> _ = [torch.nn.init.zeros_(parameter) for parameter in model.parameters()]
    >>> saddle(Problem(model, Objective(), Batch(torch.tensor([[1.0, 0.0], [-1.0, 0.0]]), None))).verdict
    'fault'
    """
    place = problem.flat(problem.parameters).detach()
    loss, gradient = _at(problem, place)
    slopes = [_at(half, place)[1] for half in _halves(problem)]
    ends = extreme_eigenvalues(problem.hessian(), random_directions(problem, seed=seed)[0], steps=steps, count=1)
    top, bottom = float(ends.top[0]), float(ends.bottom[0])
    largest = max(abs(top), abs(bottom), 1e-30)
    gain = max(0.0, float(slopes[0] @ slopes[1])) / (2 * largest * max(abs(float(loss)), 1e-30))
    figures = {
        "loss": float(loss),
        "gradient norm": float(gradient.norm()),
        "gain of a step": gain,
        "least eigenvalue": bottom,
        "largest eigenvalue": top,
    }
    # What a weight matrix gets: an offset may still have a slope, and leads nowhere else.
    pieces = [piece for piece in problem.split(gradient) if piece.ndim > 1]
    slope = float(problem.flat(pieces).norm()) if pieces else 0.0
    still = slope <= NO_SLOPE * torch.finfo(place.dtype).eps * (2 * largest * abs(float(loss))) ** 0.5
    return Finding("saddle", figures, *_told(gain, bottom / largest, still=still))


def _halves(problem: Problem) -> list[Problem]:
    """The same question about every other row, and about the rest; about all rows twice where there is one."""
    rows = len(problem.batch.x)
    starts = (0, 1) if rows > 1 else (0, 0)
    parts = [Batch._make(None if part is None else part[start::2] for part in problem.batch) for start in starts]
    return [problem.on(part, noise=problem.noise, progress=problem.progress) for part in parts]


def _told(gain: float, down: float, *, still: bool) -> tuple[Verdict, str]:
    if gain < FLAT and down < -DOWN and still:
        return "fault", (
            "The weights lie on a saddle, and their gradient is 0, so that no step of an optimizer leads away: begin "
            "from random weights, or add a little noise to these."
        )
    if gain < FLAT and down < -DOWN:
        return "fault", (
            "The weights lie on a saddle, with no slope and directions that bend down: start from random weights, or "
            "leave it by momentum, noise or saddle-free Newton steps."
        )
    if gain < FLAT:
        return "fine", "There is hardly any slope left and little bends down: training has come to a minimum or plain."
    return "fine", f"The gradient still leads down: one step along it can take {gain:.2g} of the loss off."
