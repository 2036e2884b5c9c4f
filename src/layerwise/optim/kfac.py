"""Natural gradient: K-FAC, and its correction along the eigenvectors."""

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from contextlib import nullcontext
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from layerwise.errors import InputError
from layerwise.optim.base import NOWHERE, STILL, NonFinite, Optimizer, Problem, Stepper, Terms, trainable
from layerwise.optim.blocks import Block, CorrectedBlock, DiagonalBlock, KroneckerBlock
from layerwise.optim.factors import Tape, Use

__all__ = ["EKFAC", "KFAC", "NaturalGradient"]

# Of the damping, in each step (section 6.5), and of the running means (section 5). The paper's 19/20 never takes a bad
# step back, and has to be more careful.
SHRINKAGE, MEMORY = 0.9, 0.95
# How often a step is halved before none is taken.
HALVINGS = 8
# One row in so many of a large batch is enough for its curvature.
SHARE = 16


@dataclass(frozen=True)
class NaturalGradient(Optimizer, ABC):
    r"""Steps along the gradient times the inverse of a block-diagonal Fisher matrix, as long as the exact one says.

    .. math:: \delta = \alpha \Delta + \mu \delta', \quad \Delta = -\hat F^{-1} \nabla h

    The Fisher matrix is that of targets which the model itself draws. Its blocks follow from the linear maps that are
    seen in a pass (`Tape`), whatever the model; a parameter without such a use, or with more than 4095 inputs or
    outputs, gets a diagonal block, which the history tells. The quadratic model with the exact Gauss-Newton matrix,
    penalties among it, gives the step's length and how much of the last step \delta' is kept; what it promised against
    what was gained steers the damping \lambda, and what it promises with a little more or less, or with \lambda itself,
    the damping \gamma^2 of the blocks. A step that makes the loss of its batch worse is halved until it does not. Where
    the loss falls on each batch, and on other rows does not, let the batches grow (`Phase.growth`).

    Arguments:
        damping: the first \lambda, in units of the loss's curvature.
        least: \lambda, and \gamma^2, fall no further by themselves. On its own batch the model keeps its promise, and
            asks for ever less; what is then fitted is noise, and other rows lose by it. Where one batch holds all
            rows, and only their loss counts, 0.
        interval: steps between two inversions, and between two choices of \gamma.
        factor_rows: rows of each batch by which the blocks are learned, at least; a sixteenth of it, if that is more.
        model_rows: rows of each batch on which the quadratic model is computed, at least; or a sixteenth of it.

    Raises:
        InputError: for numbers that are not positive.

    Source: Martens & Grosse 2015, "Optimizing neural networks with Kronecker-factored approximate curvature", sections
    5 to 7.
    """

    damping: float = 1.0
    least: float = 1e-2
    interval: int = 20
    factor_rows: int = 128
    model_rows: int = 256

    def __post_init__(self) -> None:
        if not (self.damping > 0 and min(self.interval, self.factor_rows, self.model_rows) >= 1):
            raise InputError(f"damping, interval, factor_rows and model_rows must be positive; got {self}.")
        if not self.least >= 0:
            raise InputError(f"least must not be negative; got {self.least}.")

    @abstractmethod
    def block(self, tensors: dict[str, Tensor]) -> Block:
        """A block of a matrix, which knows what the tensors hold."""


@final
@dataclass(frozen=True)
class KFAC(NaturalGradient):
    """Natural gradient with one Kronecker product for each layer, see `NaturalGradient` for how it goes.

    A weight that is used twice (tied weights) has the product that is nearest to the sum of those of its uses.

    >>> KFAC(damping=0.1).interval
    20
    """

    def block(self, tensors: dict[str, Tensor]) -> Block:
        """A Kronecker product."""
        return KroneckerBlock(tensors)

    def start(self, part: nn.Module) -> Stepper:
        """A fresh stepper for the trainable parameters of `part`."""
        return _NaturalStepper(self, part)


@final
@dataclass(frozen=True)
class EKFAC(NaturalGradient):
    """K-FAC with the second moments of the gradient along its eigenvectors, see `NaturalGradient` for how it goes.

    They are learned in each step, and cost four products of matrices in place of two; the eigenvectors are renewed when
    K-FAC would invert. Source: George et al. 2018, section 3.

    >>> EKFAC(damping=0.1).interval
    20
    """

    def block(self, tensors: dict[str, Tensor]) -> Block:
        """Eigenvectors and moments."""
        return CorrectedBlock(tensors)

    def start(self, part: nn.Module) -> Stepper:
        """A fresh stepper for the trainable parameters of `part`."""
        return _NaturalStepper(self, part)


@final
class _QuadraticModel:
    """What the loss does along two directions: a proposal and the last step."""

    def __init__(self, problem: Problem, slope: Tensor, *, last: Tensor, damping: float) -> None:
        self.problem, self.slope, self.last, self.damping = problem, slope, last, damping

    def best(self, proposal: Tensor) -> tuple[float, Tensor]:
        """The least value, which is below 0, and the step that has it."""
        directions = torch.stack([proposal, self.last] if self.last.any() else [proposal])
        # Both as long as each other, for the rounding.
        lengths = directions.norm(dim=1, keepdim=True)
        units = directions / lengths.clamp(min=torch.finfo(lengths.dtype).tiny)
        matrix = self.problem.gauss_newton_forms(list(units)) + self.damping * units @ units.T
        if not matrix.isfinite().all():
            raise NonFinite("the natural gradient or its curvature")
        values, vectors = torch.linalg.eigh((matrix + matrix.T).double() / 2)
        # A penalty may bend the wrong way, which counts as bending the right way as much.
        values, turned = values.abs(), vectors.T @ (units @ self.slope).double()
        shares = torch.where(values > 1e-6 * values.max(), -turned / values, 0.0)
        return 0.5 * float(turned @ shares), (vectors @ shares).to(units.dtype) @ units


@final
class _NaturalStepper(Stepper):
    def __init__(self, choice: NaturalGradient, part: nn.Module) -> None:
        self.choice = choice
        chosen = trainable(part)
        self.names, self.parameters = [*chosen], [*chosen.values()]
        self.steps, self.damping, self.strength = 0, choice.damping, math.sqrt(choice.damping)
        self.last = torch.cat([torch.zeros_like(p).flatten() for p in self.parameters])
        self.places: list[tuple[int, ...]] = []
        self.blocks: list[Block] = []
        # Of a state that was put back, until a pass has shown which blocks there are.
        self.saved: dict[str, Tensor] = {}

    def check(self, problem: Problem) -> None:
        """Whether the objective draws targets."""
        problem.sampled(nullcontext())

    @torch.no_grad()
    def step(self, problem: Problem, *, rate: float = 1.0) -> Terms:
        with torch.enable_grad():
            terms, gradients = problem.gradient()
        slope, before = problem.flat(gradients), float(torch.stack(list(terms.values())).sum())
        if not math.isfinite(float(slope.norm())):
            if math.isfinite(before):
                raise NonFinite("the gradient")
            return terms
        self.fall_back = "" if slope.any() else STILL
        if self.fall_back:
            return terms
        self.steps += 1
        rows = len(problem.input)
        self._learn(problem.first(max(self.choice.factor_rows, rows // SHARE)))
        part = problem.first(max(self.choice.model_rows, rows // SHARE))
        model = _QuadraticModel(part, slope, last=self.last, damping=self.damping)
        promised, step = self._best(problem, model, gradients)
        moved = self._moved(problem, promised, step, before=before, rate=rate)
        for parameter, new in zip(problem.parameters, moved, strict=True):
            parameter.copy_(new)
        return terms

    def state(self) -> dict[str, Tensor]:
        found = {
            "numbers": torch.tensor([self.steps, self.damping, self.strength], dtype=torch.float64),
            "last": self.last.clone(),
        }
        known = {f"{n}.{name}": value for n, block in enumerate(self.blocks) for name, value in block.tensors.items()}
        return found | {name: value.clone() for name, value in (known or self.saved).items()}

    def restore(self, state: Mapping[str, Tensor]) -> None:
        steps, self.damping, self.strength = state["numbers"].tolist()
        values = {n: value.to(self.last.device, copy=True) for n, value in state.items() if n != "numbers"}
        self.steps, self.last = int(steps), values.pop("last")
        self.saved, self.blocks = values, []

    def _moved(
        self, problem: Problem, promised: float, step: Tensor, *, before: float, rate: float
    ) -> Sequence[Tensor]:
        """The parameters after a step; one that makes the loss of its batch worse is halved until it does not."""
        # Near the end all gains are rounding.
        rounding = 10 * torch.finfo(torch.bfloat16 if problem.runtime.mixed else step.dtype).eps * abs(before)
        for halvings in range(HALVINGS):
            self.last = rate * 0.5**halvings * step
            moved = [p + d for p, d in zip(problem.parameters, problem.split(self.last), strict=True)]
            gained = before - float(problem.loss(moved)) + rounding
            if gained >= 0:
                if halvings:
                    self._damp(self.strength)
                elif promised < 0 < rate < 2:
                    self._judge(gained / (rounding - promised * rate * (2 - rate)))
                return moved
            self.damping, self.strength = 2 * self.damping, math.sqrt(2) * self.strength
        self.last, self.fall_back = torch.zeros_like(step), NOWHERE
        return problem.parameters

    def _best(self, problem: Problem, model: _QuadraticModel, gradients: tuple[Tensor, ...]) -> tuple[float, Tensor]:
        """What the best step promises, and the step; with the best of four dampings of the blocks, now and then."""
        chosen = self.steps % self.choice.interval == 0
        if chosen or self.steps <= 3:
            for block in self.blocks:
                block.renew()
                block.damp(self.strength)
        here = model.best(self._proposal(problem, gradients))
        if not chosen:
            return here
        factor = SHRINKAGE ** (self.choice.interval / 2)
        found = {self.strength: here}
        # With much damping the blocks do nothing, and a little less makes no difference: so that they come out of that,
        # the model's own damping is tried beside what the paper tries.
        less = _less(self.strength, factor, math.sqrt(self.choice.least))
        for strength in (less, self.strength / factor, math.sqrt(self.damping)):
            self._damp(strength)
            found[strength] = model.best(self._proposal(problem, gradients))
        self.strength = min(found, key=lambda strength: found[strength][0])
        self._damp(self.strength)
        return found[self.strength]

    def _damp(self, strength: float) -> None:
        for block in self.blocks:
            block.damp(strength)

    def _judge(self, ratio: float) -> None:
        """Less damping where the quadratic model is right, more where it is not."""
        if ratio > 0.75:
            self.damping = _less(self.damping, SHRINKAGE, self.choice.least)
        elif not ratio >= 0.25:
            self.damping /= SHRINKAGE

    def _learn(self, problem: Problem) -> None:
        tape = Tape(problem.parameters)
        number = problem.sampled(tape)
        if not self.blocks:
            self._build(tape)
        others = [place[0] for place, block in zip(self.places, self.blocks, strict=True) if _is_diagonal(block)]
        outputs, gradients = tape.draw(number, others)
        keep, rows = min(1 - 1 / self.steps, MEMORY), len(problem.input)
        sums = dict(zip(others, gradients, strict=True))
        for place, block in zip(self.places, self.blocks, strict=True):
            if _is_diagonal(block):
                summed = sums[place[0]].flatten(1) if sums[place[0]].ndim > 1 else sums[place[0]].unsqueeze(1)
                block.learn([Use(summed, summed.new_ones(1))], rows, keep=keep)
            else:
                block.learn(tape.uses(place, outputs), rows, keep=keep)

    def _build(self, tape: Tape) -> None:
        seen = tape.blocks()
        alone = sorted(set(range(len(self.parameters))) - {number for place in seen for number in place})
        if alone and not self.saved:
            names = ", ".join(self.names[number] for number in alone)
            self.fall_back = f"the blocks of the Fisher matrix are diagonal for {names}"
        self.places = [*seen, *((number,) for number in alone)]
        for number in range(len(self.places)):
            prefix = f"{number}."
            tensors = {n.removeprefix(prefix): value for n, value in self.saved.items() if n.startswith(prefix)}
            self.blocks.append(self.choice.block(tensors) if number < len(seen) else DiagonalBlock(tensors))
        self.saved = {}

    def _proposal(self, problem: Problem, gradients: tuple[Tensor, ...]) -> Tensor:
        """Minus the inverse of all blocks times the gradient."""
        found: dict[int, Tensor] = {}
        for place, block in zip(self.places, self.blocks, strict=True):
            columns = [gradients[number].reshape(len(gradients[number]), -1) for number in place]
            solved = block.solve(torch.cat(columns, 1)).split([column.shape[1] for column in columns], 1)
            found |= dict(zip(place, solved, strict=True))
        return -problem.flat([found[number] for number in range(len(found))])


def _less(value: float, factor: float, least: float) -> float:
    """The value times a factor below 1, but not below the least; one that is there already stays."""
    return max(value * factor, min(value, least))


def _is_diagonal(block: Block) -> bool:
    return isinstance(block, DiagonalBlock)
