"""Functions of a few numbers as models, on which the way of an optimizer is known."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn
from torch.nn import functional

from layerwise.data import Batch
from layerwise.models.base import Autoencoder, Pass
from layerwise.optim import Problem, Terms
from layerwise.penalties import squared_error

Map = Callable[[Tensor], Tensor]


@final
class Surface(Autoencoder):
    """A point, and a map of it whose squares are summed up; it has nothing to do with the values of its input.

    Arguments:
        start: the first point.
        residuals: from rows of points to rows of numbers.
    """

    def __init__(self, start: list[float], residuals: Map) -> None:
        super().__init__()
        self.point = nn.Parameter(torch.tensor(start, dtype=torch.float64))
        self.residuals = residuals

    def encode(self, x: Tensor) -> Tensor:
        # As the bias of a layer, which every curvature understands.
        return functional.linear(x, x.new_zeros(len(self.point), x.shape[1]), self.point)

    def decode(self, code: Tensor) -> Tensor:
        return self.residuals(code)

    def forward(self, x: Tensor) -> Pass:
        code = self.encode(x)
        found = self.decode(code)
        return Pass(x, code, found, (), found)


@final
@dataclass(frozen=True)
class Height:
    """Of a surface: a function of its outputs, their sum of squares by default."""

    of: Map = lambda outputs: outputs.square().sum(1).mean()

    def terms(self, run: Pass, target: Batch, model: nn.Module, *, progress: float) -> Terms:
        return {"height": self.of(run.reconstruction)}

    def sampled(self, run: Pass, target: Batch, noise: int) -> Tensor:
        """Targets of the sum of squares."""
        return squared_error.sampled(run, target, noise)


def problem_on(surface: Surface, height: Height = Height(), *, rows: int = 1) -> Problem:
    """Of rows that are all alike: more of them for methods that draw a target for each."""
    return Problem(surface, height, Batch(torch.zeros(rows, 1, dtype=torch.float64), None))


def rosenbrock() -> Surface:
    """Its minimum, 0, is at (1, 1), at the end of a bent valley (Rosenbrock 1960)."""
    return Surface([-1.2, 1.0], lambda p: torch.stack([1 - p[:, 0], 10 * (p[:, 1] - p[:, 0] ** 2)], 1))


def quadratic(condition: float = 1e6, size: int = 6, *, even: bool = False) -> Surface:
    """Half the squares times eigenvalues from 1 to 1 / condition, from where each direction costs the same.

    With `even` from where each is as far from the minimum, so that those of small eigenvalues cost next to nothing.
    """
    values = condition ** -torch.linspace(0, 1, size, dtype=torch.float64)
    # A rotation, so that no method that looks at single numbers has it easy.
    turn = torch.linalg.qr(torch.randn(size, size, generator=torch.Generator().manual_seed(0), dtype=torch.float64))[0]
    start = torch.ones_like(values) if even else values.rsqrt()
    return Surface((turn.T @ start).tolist(), lambda p: (values / 2).sqrt() * (p @ turn.T))


def saddle(start: list[float]) -> tuple[Surface, Height]:
    r"""x^2 - y^2 + y^4: a saddle at 0, its minima at y = \pm \sqrt{1/2}."""
    return Surface(start, lambda p: p), Height(lambda z: (z[:, 0] ** 2 - z[:, 1] ** 2 + z[:, 1] ** 4).mean())
