"""Steps to the minimum of a quadratic model, composed of curvature, solver, damping and search."""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from layerwise.errors import InputError
from layerwise.optim.base import NOWHERE, STILL, FlatProduct, NonFinite, Optimizer, Problem, Stepper, Terms, trainable
from layerwise.optim.curvature import Curvature, GaussNewton, Hessian
from layerwise.optim.damping import AdaptiveDamping, Damping, FixedDamping, TrustRegion
from layerwise.optim.line_search import Point
from layerwise.optim.search import Backtracking, FullStep, Search
from layerwise.optim.solvers import (
    Cholesky,
    ConjugateGradients,
    Eigenvalues,
    Lanczos,
    Solution,
    Solver,
    Steihaug,
    System,
)

__all__ = [
    "HessianFree",
    "LevenbergMarquardt",
    "Newton",
    "SaddleFreeNewton",
    "SecondOrder",
    "TrustRegionNewton",
]

WHOLE_OR_NOTHING = Backtracking(decrease=0.0, evaluations=1)


@final
@dataclass(frozen=True)
class SecondOrder(Optimizer):
    r"""A method of your own parts: (B + \lambda I) d = -g, solved in some way, and a step along d.

    Arguments:
        curvature: B.
        solver: how d is found.
        damping: \lambda or the trust region, and how they change.
        search: how far the step goes along d.

    Raises:
        InputError: for a `TrustRegion` without `Steihaug`, or the other way round: no other solver keeps to a radius.

    >>> from layerwise.optim import Fisher
    >>> SecondOrder(Fisher(), Cholesky(), AdaptiveDamping(), Backtracking()).search.factor
    0.8
    """

    curvature: Curvature
    solver: Solver
    damping: Damping
    search: Search

    def __post_init__(self) -> None:
        if isinstance(self.damping, TrustRegion) != isinstance(self.solver, Steihaug):
            raise InputError(
                "a TrustRegion and the solver Steihaug need each other; got "
                f"{type(self.damping).__name__} and {type(self.solver).__name__}."
            )

    def start(self, part: nn.Module) -> Stepper:
        """A fresh stepper."""
        return _SecondOrderStepper(self, next(iter(trainable(part).values())).device)


@final
@dataclass(frozen=True)
class HessianFree(Optimizer):
    r"""Gauss-Newton steps by conjugate gradients, for large networks and large batches.

    On every batch: preconditioned conjugate gradients that begin at what is left of the last solution and stop when
    they hardly progress; of their iterates the last one before which the loss itself was no lower; a line search; and
    a damping that follows the success. Let the batches grow from epoch to epoch (`Phase.growth`).

    Arguments:
        damping: the first \lambda.
        iterations: at most so many products a step.
        tolerance: progress of an iteration, relative to that so far, at which the conjugate gradients stop.
        decay: of the last solution.
        exponent: of the preconditioner; 0 is none.
        search: along the chosen iterate.

    Raises:
        InputError: for a number outside its range.

    Source: Martens 2010, "Deep learning via Hessian-free optimization".

    >>> HessianFree(damping=0.1).iterations
    250
    """

    damping: float = 1.0
    iterations: int = 250
    tolerance: float = 5e-4
    decay: float = 0.95
    exponent: float = 0.75
    search: Search = Backtracking()

    def __post_init__(self) -> None:
        self._parts()

    def start(self, part: nn.Module) -> Stepper:
        """A fresh stepper."""
        return self._parts().start(part)

    def _parts(self) -> SecondOrder:
        solver = ConjugateGradients(self.iterations, self.tolerance, self.decay, self.exponent)
        return SecondOrder(GaussNewton(), solver, AdaptiveDamping(self.damping), self.search)


@final
@dataclass(frozen=True)
class LevenbergMarquardt(Optimizer):
    r"""Gauss-Newton steps from the whole matrix, for few parameters, and a damping that follows their success.

    Arguments:
        damping: the first \lambda.
        factor: by which it grows and falls.
        solver: `ConjugateGradients()` for many parameters.
        search: along the step; the classical method takes the whole step or none.

    Raises:
        InputError: for a number outside its range; in a step for more than 5000 parameters.

    Source: Marquardt 1963; Nocedal & Wright 2006, "Numerical Optimization", section 10.3.

    >>> LevenbergMarquardt(damping=0.1).factor
    10.0
    """

    damping: float = 1e-2
    factor: float = 10.0
    solver: Solver = Cholesky()
    search: Search = Backtracking()

    def __post_init__(self) -> None:
        self._parts()

    def start(self, part: nn.Module) -> Stepper:
        """A fresh stepper."""
        return self._parts().start(part)

    def _parts(self) -> SecondOrder:
        return SecondOrder(GaussNewton(), self.solver, AdaptiveDamping(self.damping, self.factor), self.search)


@final
@dataclass(frozen=True)
class Newton(Optimizer):
    r"""The step to where the gradient of the quadratic model is 0, be that a minimum or a saddle: for few parameters.

    Where the Hessian is indefinite it is drawn to saddles. See `TrustRegionNewton` and `SaddleFreeNewton` for methods
    that are not.

    Arguments:
        damping: `FixedDamping` or `AdaptiveDamping`.
        search: `FullStep` takes the step as it is; with another one the gradient is followed where it does not descend.
        solver: `Lanczos()` for many parameters.

    >>> Newton().search
    FullStep()
    """

    damping: Damping = FixedDamping()
    search: Search = FullStep()
    solver: Solver = Eigenvalues()

    def start(self, part: nn.Module) -> Stepper:
        """A fresh stepper."""
        return SecondOrder(Hessian(), self.solver, self.damping, self.search).start(part)


@final
@dataclass(frozen=True)
class TrustRegionNewton(Optimizer):
    """Newton's steps by truncated conjugate gradients within a trust region: along negative curvature to its edge.

    Arguments:
        radius: the first one.
        largest: it grows no further.
        iterations: at most so many products a step.

    Raises:
        InputError: for a number outside its range.

    Source: Steihaug 1983; Nocedal & Wright 2006, "Numerical Optimization", algorithms 4.1 and 7.2.

    >>> TrustRegionNewton(radius=0.5).largest
    100.0
    """

    radius: float = 1.0
    largest: float = 100.0
    iterations: int = 250

    def __post_init__(self) -> None:
        self._parts()

    def start(self, part: nn.Module) -> Stepper:
        """A fresh stepper."""
        return self._parts().start(part)

    def _parts(self) -> SecondOrder:
        region = TrustRegion(self.radius, self.largest)
        return SecondOrder(Hessian(), Steihaug(self.iterations), region, WHOLE_OR_NOTHING)


@final
@dataclass(frozen=True)
class SaddleFreeNewton(Optimizer):
    r"""Newton's steps with the absolute values of the curvature: d = -(|H| + \lambda I)^{-1} g.

    Attracted by no saddle: along negative curvature it goes down, and as far as the curvature allows.

    Arguments:
        damping: the first \lambda.
        size: of the Krylov subspace in which the curvature is known, for models of many parameters.
        whole: parameters up to which the whole Hessian is taken apart instead.
        search: along the step.

    Raises:
        InputError: for a number outside its range.

    Source: Dauphin et al. 2014, "Identifying and attacking the saddle point problem in high-dimensional non-convex
    optimization", algorithm 1.

    >>> SaddleFreeNewton(size=100).whole
    300
    """

    damping: float = 1e-2
    size: int = 50
    whole: int = 300
    search: Search = Backtracking()

    def __post_init__(self) -> None:
        self._parts(0)

    def start(self, part: nn.Module) -> Stepper:
        """A fresh stepper."""
        return self._parts(sum(p.numel() for p in trainable(part).values())).start(part)

    def _parts(self, parameters: int) -> SecondOrder:
        few, many = Eigenvalues(absolute=True, largest=self.whole), Lanczos(self.size, absolute=True)
        solver = few if parameters <= self.whole else many
        return SecondOrder(Hessian(), solver, AdaptiveDamping(self.damping), self.search)


@final
class _SecondOrderStepper(Stepper):
    def __init__(self, choice: SecondOrder, device: torch.device) -> None:
        self.choice, self.device = choice, device
        self.strength = choice.damping.start
        self.memory: Tensor | None = None

    def check(self, problem: Problem) -> None:
        """Whether the solver can."""
        self.choice.solver.check(problem)

    @torch.no_grad()
    def step(self, problem: Problem, *, rate: float = 1.0) -> Terms:
        terms, value, gradient = problem.measured()
        self.fall_back = "" if gradient.any() else STILL
        if self.fall_back or not math.isfinite(value):
            return terms
        product, origin = self.choice.curvature.at(problem), problem.point()
        steps = self._solved(problem, product, gradient).steps
        step, reached = _lowest(problem, origin, steps)
        moved = self._searched(problem, origin, step, value=value, gradient=gradient)

        def success() -> float:
            promised = -float(gradient @ step + 0.5 * (step @ product(step)))
            # Near the end both are rounding alone, which must not be taken for a poor model.
            noise = 10 * torch.finfo(gradient.dtype).eps * abs(value)
            kept = (value - reached() + noise) / (promised + noise) if promised + noise > 0 else -math.inf
            return kept if math.isfinite(kept) else -math.inf

        self.strength = self.choice.damping.next(self.strength, success, size=float(step.norm()))
        problem.move(origin + rate * moved)
        return terms

    def state(self) -> dict[str, Tensor]:
        found = {} if self.memory is None else {"memory": self.memory.clone()}
        if self.strength != self.choice.damping.start:
            found["strength"] = torch.tensor(self.strength, dtype=torch.float64)
        return found

    def restore(self, state: Mapping[str, Tensor]) -> None:
        self.strength = float(state.get("strength", self.choice.damping.start))
        self.memory = state["memory"].to(self.device, copy=True) if "memory" in state else None

    def _solved(self, problem: Problem, product: FlatProduct, gradient: Tensor) -> Solution:
        damping = self.choice.damping
        shift, radius = damping.shift(self.strength), damping.radius(self.strength)
        system = System(product, gradient, shift, radius, problem.gradient_squares, self.memory)
        solution = self.choice.solver.solve(system)
        if not solution.steps[-1].isfinite().all():
            raise NonFinite("the step")
        self.memory, self.fall_back = solution.memory, solution.fall_back
        return solution

    def _searched(self, problem: Problem, origin: Tensor, step: Tensor, *, value: float, gradient: Tensor) -> Tensor:
        """What is gone: a length of the step, or of the gradient where the step does not descend."""
        start = Point(0.0, value, float(gradient @ step), gradient)
        length = self.choice.search.length(problem, origin, step, start=start)
        if length == 0 and start.slope >= 0:
            self.fall_back, step = "the step did not descend, and the gradient was followed", -gradient
            start = start._replace(slope=float(gradient @ step))
            length = self.choice.search.length(problem, origin, step, start=start)
        if length:
            return length * step
        self.fall_back = NOWHERE
        return torch.zeros_like(step)


def _lowest(problem: Problem, origin: Tensor, steps: Sequence[Tensor]) -> tuple[Tensor, Callable[[], float]]:
    """The last step before which the loss was no lower, and the loss after it, found when it is asked for."""
    step = steps[-1]
    if len(steps) == 1:
        return step, lambda: problem.value(origin + step)
    value = problem.value(origin + step)
    for earlier in reversed(steps[:-1]):
        before = problem.value(origin + earlier)
        # A value that is not finite is no reason to stop.
        if before >= value:
            break
        step, value = earlier, before
    return step, lambda: value
