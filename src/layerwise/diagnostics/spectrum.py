"""The eigenvalues of a curvature matrix that is only known by its products: the ends, and how many lie where."""

import math
from collections.abc import Callable, Sequence
from typing import NamedTuple, final

import torch
from jaxtyping import Float
from torch import Tensor

from layerwise.diagnostics.findings import Finding, Verdict, finite
from layerwise.errors import InputError
from layerwise.optim import Problem
from layerwise.randomness import generator

__all__ = [
    "Density",
    "ExtremeEigenvalues",
    "Krylov",
    "curvature",
    "dense",
    "extreme_eigenvalues",
    "krylov",
    "random_directions",
    "spectral_density",
]

Product = Callable[[Float[Tensor, " n"]], Float[Tensor, " n"]]
CURVE = 200
ENDS = 3
# Below this share of the largest curvature a negative one is no more than what rounding and a short run leave.
NEGATIVE = 1e-3


@final
class Krylov(NamedTuple):
    """What Lanczos' method leaves behind.

    Attributes:
        basis: orthonormal vectors, shape (steps + 1, n); the last is 0 where the space is exhausted.
        matrix: what the product is in that basis, shape (steps + 1, steps): tridiagonal, with one row more.
    """

    basis: Float[Tensor, "rows n"]
    matrix: Float[Tensor, "rows steps"]

    @property
    def square(self) -> Float[Tensor, "steps steps"]:
        """The symmetric part of `matrix`, whose eigenvalues are the Ritz values."""
        return self.matrix[:-1]


@final
class ExtremeEigenvalues(NamedTuple):
    """The largest and the least eigenvalues, each from the outside in, and a bound of the error of each."""

    top: Float[Tensor, " count"]
    bottom: Float[Tensor, " count"]
    top_error: Float[Tensor, " count"]
    bottom_error: Float[Tensor, " count"]


@final
class Density(NamedTuple):
    """A spectrum as points of mass: eigenvalues and the shares of all eigenvalues that lie about there; sum 1."""

    nodes: Float[Tensor, " points"]
    weights: Float[Tensor, " points"]

    def share_below(self, limit: float) -> float:
        """The share of the eigenvalues that are less than a limit.

        >>> Density(torch.tensor([-1.0, 2.0]), torch.tensor([0.25, 0.75])).share_below(0.0)
        0.25
        """
        return float(self.weights[self.nodes < limit].sum())

    def curve(self, points: int = CURVE) -> tuple[Float[Tensor, " at"], Float[Tensor, " at"]]:
        """The density at so many places, each point of mass widened to a normal one; its integral is about 1.

        >>> at, height = Density(torch.tensor([0.0, 1.0]), torch.tensor([0.5, 0.5])).curve(500)
        >>> round(float(torch.trapezoid(height, at)), 2)
        1.0
        """
        low, high = float(self.nodes.min()), float(self.nodes.max())
        width = max(high - low, 1e-12) / 50
        at = torch.linspace(low - 4 * width, high + 4 * width, points, dtype=self.nodes.dtype, device=self.nodes.device)
        heights = torch.exp(-((at[:, None] - self.nodes) ** 2) / (2 * width**2)) / (width * math.sqrt(2 * math.pi))
        return at, heights @ self.weights


def random_directions(problem: Problem, count: int = 1, *, seed: int = 0) -> Float[Tensor, "count n"]:
    """Random directions in the space of a problem's parameters, each of length 1."""
    like = problem.flat(problem.parameters).detach()
    drawn = torch.randn((count, len(like)), generator=generator(seed, -11), dtype=torch.float64)
    return (drawn / drawn.norm(dim=1, keepdim=True)).to(like)


def krylov(product: Product, start: Float[Tensor, " n"], *, steps: int) -> Krylov:
    """Lanczos' method with full reorthogonalization: so many products, or fewer where the space is exhausted.

    Raises:
        InputError: for no step, a start of length 0, or a product that is not finite.

    Sources: Lanczos 1950; Golub & Van Loan 2013, section 10.3 ("twice is enough" for the reorthogonalization).

    >>> matrix = torch.diag(torch.tensor([1.0, 2.0, 5.0], dtype=torch.float64))
    >>> found = krylov(lambda v: matrix @ v, torch.ones(3, dtype=torch.float64), steps=3)
    >>> [round(float(value), 6) for value in torch.linalg.eigvalsh(found.square)]
    [1.0, 2.0, 5.0]
    """
    length = float(start.norm())
    if steps < 1 or not length > 0:
        raise InputError(f"a Krylov space needs at least 1 step and a start; got {steps} steps and length {length:g}.")
    steps = min(steps, len(start))
    basis, matrix = start.new_zeros(steps + 1, len(start)), start.new_zeros(steps + 1, steps)
    basis[0] = start / length
    for step in range(steps):
        image = finite("the product of curvature and vector", product(basis[step]))
        size = float(image.norm())
        matrix[step, step] = basis[step] @ image
        for _ in range(2):
            image = image - basis[: step + 1].T @ (basis[: step + 1] @ image)
        beside = float(image.norm())
        if beside <= 10 * torch.finfo(start.dtype).eps * max(size, float(matrix.abs().max())):
            return Krylov(torch.cat([basis[: step + 1], basis[-1:] * 0]), matrix[: step + 2, : step + 1])
        basis[step + 1] = image / beside
        matrix[step + 1, step] = beside
        if step + 1 < steps:
            matrix[step, step + 1] = beside
    return Krylov(basis, matrix)


def extreme_eigenvalues(
    product: Product, start: Float[Tensor, " n"], *, count: int = ENDS, steps: int = 60
) -> ExtremeEigenvalues:
    """The largest and the least eigenvalues of a symmetric matrix, by Lanczos' method.

    Arguments:
        product: the matrix times a vector.
        start: a random vector, for instance of `random_directions`.
        count: how many of each end; no more than there are steps.
        steps: products; each takes a few gradients.

    Raises:
        InputError: as `krylov`.

    >>> matrix = torch.diag(torch.arange(-3.0, 5.0))
    >>> found = extreme_eigenvalues(lambda v: matrix @ v, torch.ones(8), count=1)
    >>> round(float(found.top), 4), round(float(found.bottom), 4)
    (4.0, -3.0)
    """
    return _ends(krylov(product, start, steps=steps), count)


def _ends(space: Krylov, count: int) -> ExtremeEigenvalues:
    values, vectors = torch.linalg.eigh(space.square)
    # Of a Ritz pair the residual: what the product leads out of the space.
    errors = (space.matrix[-1, -1] * vectors[-1]).abs()
    count = min(count, len(values))
    return ExtremeEigenvalues(values.flip(0)[:count], values[:count], errors.flip(0)[:count], errors[:count])


def spectral_density(product: Product, starts: Float[Tensor, "probes n"], *, steps: int = 60) -> Density:
    """The distribution of all eigenvalues of a symmetric matrix, by stochastic Lanczos quadrature.

    Arguments:
        product: the matrix times a vector.
        starts: random vectors, of which each gives a density; the mean of them is what comes back.
        steps: products for each of them.

    Raises:
        InputError: as `krylov`, and for no vector.

    Sources: Golub & Welsch 1969; Ghorbani, Krishnan & Xiao 2019, "An investigation into neural net optimization via
    Hessian eigenvalue density", algorithm 1.

    >>> matrix = torch.diag(torch.tensor([-1.0, 3.0, 3.0, 3.0]))
    >>> density = spectral_density(lambda v: matrix @ v, torch.ones(1, 4), steps=4)
    >>> round(density.share_below(0.0), 4)
    0.25
    """
    if not len(starts):
        raise InputError("a spectral density needs at least 1 random vector; got none.")
    return _density([krylov(product, start, steps=steps) for start in starts])


def _density(spaces: Sequence[Krylov]) -> Density:
    nodes, weights = [], []
    for space in spaces:
        values, vectors = torch.linalg.eigh(space.square)
        nodes.append(values)
        weights.append(vectors[0].square() / len(spaces))
    return Density(torch.cat(nodes), torch.cat(weights))


def dense(product: Product, like: Float[Tensor, " n"]) -> Float[Tensor, "n n"]:
    """The matrix itself, made symmetric, of as many products as it has columns.

    >>> dense(lambda v: 2 * v, torch.zeros(2))
    tensor([[2., 0.],
            [0., 2.]])
    """
    columns = [
        finite("the product of curvature and vector", product(column)) for column in torch.eye(len(like)).to(like)
    ]
    matrix = torch.stack(columns)
    return (matrix + matrix.T) / 2


def curvature(problem: Problem, *, steps: int = 40, count: int = 4, seed: int = 0) -> Finding:
    r"""The Hessian's eigenvalues at both ends and its spectral density, beside the Gauss-Newton matrix.

    "gauss-newton apart" is how far the two matrices are apart, the root mean square over random directions v of

    .. math:: \lVert (H - G) v \rVert / \lVert H v \rVert

    It is 0 where the loss is convex in the output and the network is linear or fits exactly, and above 1 where most of
    the Hessian is what the Gauss-Newton matrix leaves out.

    Arguments:
        problem: a batch, at the present parameters; best with the model in evaluation.
        steps: of Lanczos' method; about 5 `steps` curvature products in all.
        count: random vectors of the density.
        seed: of these.

    Raises:
        InputError: where a product is not finite.

    >>> from layerwise.data import Batch
    >>> from layerwise.models import Dense
    >>> from layerwise.training import Objective
    >>> batch = Batch(torch.randn(20, 3, generator=generator(0)), None)
    >>> found = curvature(Problem(Dense(3, code=2), Objective(), batch))
    >>> found.figures["largest eigenvalue"] > 0
    True
    """
    starts = random_directions(problem, count, seed=seed)
    hessian, gauss_newton = problem.hessian(), problem.gauss_newton()
    spaces = [krylov(hessian, start, steps=steps) for start in starts]
    ends, density = _ends(spaces[0], ENDS), _density(spaces)
    convex = extreme_eigenvalues(gauss_newton, starts[0], steps=steps, count=1)
    whole, part = (torch.stack([product(start) for start in starts]) for product in (hessian, gauss_newton))
    top, bottom = float(ends.top[0]), float(ends.bottom[0])
    largest = max(abs(top), abs(bottom))
    at, heights = density.curve()
    share = density.share_below(-NEGATIVE * largest)
    figures = {
        "largest eigenvalue": top,
        "error of the largest": float(ends.top_error[0]),
        "least eigenvalue": bottom,
        "error of the least": float(ends.bottom_error[0]),
        "largest of gauss-newton": float(convex.top[0]),
        "gauss-newton apart": float((whole - part).norm() / whole.norm().clamp_min(1e-30)),
        "negative share": share,
    }
    curves = {
        "eigenvalues": at.tolist(),
        "density": heights.tolist(),
        "top": ends.top.tolist(),
        "bottom": ends.bottom.tolist(),
    }
    return Finding("curvature", figures, *_told(top, bottom, share), curves)


def _told(top: float, bottom: float, share: float) -> tuple[Verdict, str]:
    if top <= 0 and bottom >= 0:
        return "look", "The loss is flat in every direction that was tried; look at the units and the gradients first."
    if -bottom > 0.1 * top:
        return "look", (
            f"The loss bends down as steeply as {-bottom / max(top, 1e-30):.0%} of how it bends up, so a Gauss-Newton, "
            "saddle-free or momentum method gets further here than plain Newton steps."
        )
    return "fine", (
        f"Plain gradient descent is stable below a rate of {2 / top:.2g}, two over the largest eigenvalue"
        + ("." if share < 0.01 else f", and {share:.0%} of the directions still bend down.")
    )
