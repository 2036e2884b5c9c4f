"""How the step of a quadratic model is found: by conjugate gradients, or from a whole matrix."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import NamedTuple, final

import torch
from torch import Tensor

from layerwise.errors import InputError
from layerwise.optim.base import FlatProduct, NonFinite, Problem
from layerwise.optim.conjugate import Iterate, iterates

__all__ = [
    "Cholesky",
    "ConjugateGradients",
    "Eigenvalues",
    "Lanczos",
    "Solution",
    "Solver",
    "Steihaug",
    "System",
]


@final
class System(NamedTuple):
    r"""A quadratic model of a loss: g^T d + \frac12 d^T (B + \lambda I) d.

    Attributes:
        product: B times a flat vector.
        gradient: g.
        shift: \lambda.
        radius: the largest norm of d.
        squares: gives the mean squares of the rows' gradients from so many draws, for a preconditioner.
        memory: what the solution before this one left.
    """

    product: FlatProduct
    gradient: Tensor
    shift: float
    radius: float
    squares: Callable[[int], Tensor]
    memory: Tensor | None

    def shifted(self, vector: Tensor) -> Tensor:
        """(B + shift) times a vector."""
        return self.product(vector) + self.shift * vector if self.shift else self.product(vector)


@final
class Solution(NamedTuple):
    """Steps that lower a quadratic model.

    Attributes:
        steps: the last is the best for the model; those before it are earlier candidates.
        memory: what the next solution may begin with.
        fall_back: why it is not what the method asks for; empty where it is.
    """

    steps: tuple[Tensor, ...]
    memory: Tensor | None = None
    fall_back: str = ""


class Solver(ABC):
    """A way to minimize a quadratic model."""

    @abstractmethod
    def check(self, problem: Problem) -> None:
        """Refuse a problem that it cannot serve.

        Raises:
            InputError: for more parameters than the method is made for, or a preconditioner that cannot be had.
        """

    @abstractmethod
    def solve(self, system: System) -> Solution:
        """A step, and what else is to be known of it.

        Raises:
            NonFinite: for a product that is not finite.
            InputError: for more parameters than the method is made for.
        """


@final
@dataclass(frozen=True)
class ConjugateGradients(Solver):
    r"""Preconditioned conjugate gradients that stop when the model hardly falls any more.

    They stop after iteration i when, over the last k = max(10, i/10) of them, the model has fallen by less than
    k `tolerance` of its value, and where the curvature is not positive. The iterates number 1.3^j are candidates.

    Arguments:
        iterations: at most so many products.
        tolerance: progress of an iteration, relative to the value so far.
        decay: of the last solution, from which the next one begins; 0 begins at 0.
        exponent: \alpha of the preconditioner (diag F + \lambda)^\alpha, with F the empirical Fisher matrix; 0 is none.
        probes: draws for that diagonal, each of which costs about two thirds of a gradient.

    Raises:
        InputError: for a number outside its range.

    Source: Martens 2010, "Deep learning via Hessian-free optimization", sections 4.2 to 4.7.

    >>> ConjugateGradients(iterations=100).exponent
    0.75
    """

    iterations: int = 250
    tolerance: float = 5e-4
    decay: float = 0.95
    exponent: float = 0.75
    probes: int = 10

    def __post_init__(self) -> None:
        if not (self.iterations >= 1 and self.tolerance > 0 and self.probes >= 1):
            raise InputError(f"iterations, tolerance and probes must be positive; got {self}.")
        if not (0 <= self.decay <= 1 and 0 <= self.exponent <= 1):
            raise InputError(f"decay and exponent must be from 0 to 1; got {self}.")

    def check(self, problem: Problem) -> None:
        """Whether the preconditioner can be had."""
        if self.exponent:
            problem.gradient_squares(1)

    def solve(self, system: System) -> Solution:
        """The last iterate, and the candidates before it."""
        steps: list[Tensor] = []
        values, wanted, fall_back = [0.0], 1, ""
        path = iterates(system.shifted, -system.gradient, start=system.memory, preconditioned=self._scaling(system))
        for number, found in enumerate(path, 1):
            if found.curvature <= 0:
                fall_back = "negative curvature ended the conjugate gradients"
                steps.append(-system.gradient if number == 1 and system.memory is None else found.solution)
                break
            last = number == self.iterations or self._stopped(values, found.value)
            values.append(found.value)
            if last or number >= wanted:
                steps.append(found.solution)
                wanted = math.ceil(1.3 * wanted + 1e-9)
            if last:
                break
        steps = steps or [torch.zeros_like(system.gradient)]
        return Solution(tuple(steps), self.decay * steps[-1] if self.decay else None, fall_back)

    def _stopped(self, values: list[float], value: float) -> bool:
        """Whether the last iterations brought next to nothing; `values` are those before."""
        back = max(10, len(values) // 10)
        return len(values) > back and value < 0 and (value - values[-back]) / value < back * self.tolerance

    def _scaling(self, system: System) -> Callable[[Tensor], Tensor]:
        if not self.exponent:
            return torch.clone
        # Without damping a parameter that no row moves would be divided by 0.
        squares = system.squares(self.probes)
        least = max(system.shift, 1e-12 * float(squares.max()), torch.finfo(squares.dtype).tiny)
        return partial(torch.mul, (squares + least) ** -self.exponent)


@final
@dataclass(frozen=True)
class Steihaug(Solver):
    """Conjugate gradients that go no further than the trust region, and along negative curvature to its edge.

    Arguments:
        iterations: at most so many products.
        tolerance: they stop at a residual below min(tolerance, sqrt(norm of the gradient)) times that norm.

    Raises:
        InputError: for a number that is not positive.

    Source: Steihaug 1983; Nocedal & Wright 2006, "Numerical Optimization", algorithm 7.2.

    >>> Steihaug().tolerance
    0.1
    """

    iterations: int = 250
    tolerance: float = 0.1

    def __post_init__(self) -> None:
        if not (self.iterations >= 1 and self.tolerance > 0):
            raise InputError(f"iterations and tolerance must be positive; got {self}.")

    def check(self, problem: Problem) -> None:
        """Products are all it needs."""

    def solve(self, system: System) -> Solution:
        """The last iterate, or the point where the path leaves the trust region."""
        size = float(system.gradient.norm())
        enough = min(self.tolerance, math.sqrt(size)) * size
        here = torch.zeros_like(system.gradient)
        for number, found in enumerate(iterates(system.shifted, -system.gradient), 1):
            if self._left(found, system.radius):
                return Solution((here + _to_edge(here, found.direction, system.radius) * found.direction,))
            here = found.solution
            if number == self.iterations or float(found.residual.norm()) <= enough:
                break
        return Solution((here,))

    @staticmethod
    def _left(found: Iterate, radius: float) -> bool:
        if found.curvature <= 0 and not math.isfinite(radius):
            raise InputError("Steihaug's method needs a trust region; give the damping TrustRegion().")
        return found.curvature <= 0 or float(found.solution.norm()) >= radius


@final
@dataclass(frozen=True)
class Cholesky(Solver):
    """The whole matrix, factorized; for few parameters and a matrix that is positive definite.

    Where it is not, the least shift of 1e-3 of its mean diagonal, times a power of 10, is added that makes it so: a
    fall-back that the history shows.

    Arguments:
        largest: number of parameters that is not refused.

    Source: Nocedal & Wright 2006, "Numerical Optimization", algorithm 3.3.

    >>> Cholesky().largest
    5000
    """

    largest: int = 5000

    def check(self, problem: Problem) -> None:
        """Whether there are too many parameters."""
        _check_size(sum(p.numel() for p in problem.parameters), self.largest)

    def solve(self, system: System) -> Solution:
        """The solution."""
        matrix = dense(system.product, system.gradient, largest=self.largest)
        identity = torch.eye(len(matrix), dtype=matrix.dtype, device=matrix.device)
        scale = max(float(matrix.diagonal().abs().mean()), torch.finfo(matrix.dtype).tiny)
        added = 0.0
        while True:
            factor, failed = torch.linalg.cholesky_ex(matrix + (system.shift + added) * identity)
            if not failed:
                break
            added = 10 * added or 1e-3 * scale
        step = torch.cholesky_solve(-system.gradient.to(matrix.dtype).unsqueeze(1), factor).squeeze(1)
        fall_back = "the matrix was not positive definite, and a shift was added" if added else ""
        return Solution((step.to(system.gradient.dtype),), fall_back=fall_back)


@final
@dataclass(frozen=True)
class Eigenvalues(Solver):
    r"""The whole matrix by its eigenvectors, for few parameters: -g divided by \mu + \lambda along each.

    Arguments:
        absolute: divide by |\mu| + \lambda, so that every saddle is left.
        largest: number of parameters that is not refused.

    >>> Eigenvalues(absolute=True).largest
    2000
    """

    absolute: bool = False
    largest: int = 2000

    def check(self, problem: Problem) -> None:
        """Whether there are too many parameters."""
        _check_size(sum(p.numel() for p in problem.parameters), self.largest)

    def solve(self, system: System) -> Solution:
        """The solution."""
        matrix = dense(system.product, system.gradient, largest=self.largest)
        step, fall_back = _divided(matrix, system.gradient, system.shift, self.absolute)
        return Solution((step,), fall_back=fall_back)


@final
@dataclass(frozen=True)
class Lanczos(Solver):
    r"""The same within the subspace of g, B g, B^2 g, ..., for many parameters.

    The basis is made orthogonal twice, so that rounding brings no eigenvalue in again.

    Arguments:
        size: of the subspace; so many products.
        absolute: divide by |\mu| + \lambda, so that every saddle is left.

    Raises:
        InputError: for a size below 1.

    Source: Dauphin et al. 2014, "Identifying and attacking the saddle point problem in high-dimensional non-convex
    optimization", algorithm 1.

    >>> Lanczos(size=20).absolute
    False
    """

    size: int = 50
    absolute: bool = False

    def __post_init__(self) -> None:
        if self.size < 1:
            raise InputError(f"size of the subspace must be at least 1; got {self.size}.")

    def check(self, problem: Problem) -> None:
        """Products are all it needs."""

    def solve(self, system: System) -> Solution:
        """The solution."""
        basis, matrix = krylov(system.product, system.gradient, size=self.size)
        if not len(basis):
            return Solution((torch.zeros_like(system.gradient),))
        step, fall_back = _divided(matrix, basis @ system.gradient, system.shift, self.absolute)
        return Solution((step @ basis,), fall_back=fall_back)


def dense(product: FlatProduct, like: Tensor, *, largest: int) -> Tensor:
    """The matrix of a product, in float64 and symmetric to the last digit.

    Raises:
        InputError: for more than `largest` parameters.
        NonFinite: for a number in it that is not finite.

    >>> dense(lambda v: 2 * v, torch.zeros(2), largest=10).tolist()
    [[2.0, 0.0], [0.0, 2.0]]
    """
    _check_size(len(like), largest)
    units = torch.eye(len(like), dtype=like.dtype, device=like.device)
    matrix = torch.stack([product(unit) for unit in units]).to(_exact(like))
    if not matrix.isfinite().all():
        raise NonFinite("a product with the curvature")
    return (matrix + matrix.T) / 2


def _check_size(parameters: int, largest: int) -> None:
    if parameters > largest:
        raise InputError(
            f"a whole matrix needs at most {largest} parameters; found {parameters}. Use a method with conjugate "
            "gradients or a Lanczos subspace, or raise `largest`."
        )


def krylov(product: FlatProduct, start: Tensor, *, size: int) -> tuple[Tensor, Tensor]:
    """An orthonormal basis of a Krylov subspace as rows, and the matrix in it; smaller where the subspace is.

    Raises:
        NonFinite: for a product that is not finite.

    >>> basis, matrix = krylov(lambda v: torch.tensor([1.0, 3.0]) * v, torch.ones(2), size=5)
    >>> torch.linalg.eigvalsh(matrix).round(decimals=3).tolist()
    [1.0, 3.0]
    """
    basis: list[Tensor] = []
    images: list[Tensor] = []
    vector, size_before = start, float(start.norm())
    while len(basis) < min(size, len(start)):
        length = float(vector.norm())
        if not math.isfinite(length):
            raise NonFinite("a product with the curvature")
        if length <= 10 * torch.finfo(start.dtype).eps * size_before or length == 0:
            break
        basis.append(vector / length)
        images.append(product(basis[-1]))
        vector, size_before = images[-1], float(images[-1].norm())
        rows = torch.stack(basis)
        for _ in range(2):
            vector = vector - (rows @ vector) @ rows
    if not basis:
        return start.new_zeros(0, len(start)), start.new_zeros(0, 0, dtype=_exact(start))
    rows = torch.stack(basis)
    matrix = (rows @ torch.stack(images).T).to(_exact(start))
    if not matrix.isfinite().all():
        raise NonFinite("a product with the curvature")
    return rows, (matrix + matrix.T) / 2


def _divided(matrix: Tensor, gradient: Tensor, shift: float, absolute: bool) -> tuple[Tensor, str]:
    """The gradient divided by the eigenvalues, turned about; along those that are 0 there is no step."""
    values, vectors = torch.linalg.eigh(matrix)
    values = (values.abs() if absolute else values) + shift
    # What is below the rounding of the products is no curvature.
    flat = values.abs() <= len(values) * torch.finfo(gradient.dtype).eps * values.abs().max()
    along = (vectors.T @ gradient.to(values.dtype)) / torch.where(flat, 1.0, values)
    step = -(vectors @ torch.where(flat, 0.0, along))
    return step.to(gradient.dtype), "no step was made along directions without curvature" if flat.any() else ""


def _to_edge(here: Tensor, direction: Tensor, radius: float) -> float:
    """How far along a direction the sphere is."""
    along, square = float(here @ direction), float(direction @ direction)
    inside = max(0.0, radius * radius - float(here @ here))
    return (math.sqrt(along * along + square * inside) - along) / square


def _exact(like: Tensor) -> torch.dtype:
    return torch.float32 if like.device.type == "mps" else torch.float64
