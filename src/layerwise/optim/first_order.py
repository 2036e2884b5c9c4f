"""Any optimizer of torch.optim as a part of the library."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, final

import torch
from torch import Tensor, nn

from layerwise.errors import InputError
from layerwise.optim.base import Optimizer, Problem, Stepper, Terms, trainable

__all__ = ["FirstOrder", "RisingMomentum"]

# What they want in place of a gradient for each parameter, and what to take instead.
UNFIT: Mapping[type[torch.optim.Optimizer], str] = {
    torch.optim.LBFGS: "a closure; take layerwise.optim.LBFGS",
    torch.optim.SparseAdam: "sparse gradients; take torch.optim.Adam",
}


@final
@dataclass(frozen=True)
class RisingMomentum:
    r"""A momentum that rises with the steps, and is low again for the last of them.

    .. math:: \mu_t = \min(1 - 2^{-1 - \log_2(\lfloor t / 250 \rfloor + 1)}, \mu_{max})

    The last stretch lets the parameters settle that a large momentum keeps moving along directions of low curvature.

    Arguments:
        steps: of the phase: its epochs times the batches of an epoch.
        largest: \mu_max.
        last: steps at the end with the momentum `low`, but no more than a tenth of the phase; 0 is none.
        low: 0.9 in the paper.

    Raises:
        InputError: for fewer than 1 step, or a momentum outside [0, 1).

    Source: Sutskever, Martens, Dahl & Hinton 2013, "On the importance of initialization and momentum in deep learning",
    eq. 5 and section 3.1.

    >>> rise = RisingMomentum(10_000, largest=0.99)
    >>> rise(0.0), rise(0.025), rise(0.8), rise(0.95)
    (0.5, 0.75, 0.9848484848484849, 0.9)
    """

    steps: int
    largest: float = 0.99
    last: int = 1000
    low: float = 0.9

    def __post_init__(self) -> None:
        if self.steps < 1 or self.last < 0 or not (0 <= self.largest < 1 and 0 <= self.low < 1):
            raise InputError(f"steps must be at least 1, last at least 0, momenta from 0 on and below 1; got {self}.")

    def __call__(self, progress: float) -> float:
        """The momentum when the given share is done."""
        step = round(progress * self.steps)
        if step >= self.steps - min(self.last, self.steps // 10):
            return min(self.low, self.largest)
        # 2 to the power of minus the logarithm is a division.
        return min(1 - 0.5 / (step // 250 + 1), self.largest)


@final
@dataclass(frozen=True)
class FirstOrder(Optimizer):
    """A step along the gradient, by a class of `torch.optim`.

    Arguments:
        method: for instance `torch.optim.Adam` or `torch.optim.SGD`. `torch.optim.Muon`, which moves matrices alone,
            leaves all other parameters to AdamW with the same rate.
        lr: the learning rate, scaled by the phase's schedule.
        momentum: given on to the method where it is not None; a number, or a function of the phase's progress in
            [0, 1] such as `RisingMomentum`.
        weight_decay: given on to the method where it is not None.
        clip: the largest allowed norm of the whole gradient; None for no limit.
        options: further arguments of the method, for instance {"betas": (0.9, 0.99)}.

    Raises:
        InputError: when the method refuses its arguments or needs more than gradients (torch's LBFGS, SparseAdam), or
            for a clip that is not positive.

    >>> FirstOrder(torch.optim.SGD, lr=0.1, momentum=0.9).momentum
    0.9
    """

    method: type[torch.optim.Optimizer] = torch.optim.Adam
    lr: float = 1e-3
    momentum: float | Callable[[float], float] | None = None
    weight_decay: float | None = None
    clip: float | None = None
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.clip is not None and not self.clip > 0:
            raise InputError(f"clip must be positive; got {self.clip}.")
        if self.method in UNFIT:
            raise InputError(f"{self.method.__name__} of torch.optim needs {UNFIT[self.method]}.")
        self.make([nn.Parameter(torch.zeros(1, 1))])

    def start(self, part: nn.Module) -> Stepper:
        """A fresh stepper for the trainable parameters of `part`."""
        return _FirstOrderStepper(self, [*trainable(part).values()])

    def momentum_at(self, progress: float) -> float | None:
        """The momentum when a share of the phase is done."""
        return self.momentum(progress) if callable(self.momentum) else self.momentum

    def make(self, parameters: list[nn.Parameter]) -> list[torch.optim.Optimizer]:
        """The optimizers of torch for these parameters: one, or one for some and one for the others."""
        if self.method is not torch.optim.Muon:
            return [self._own(parameters)]
        matrices, others = ([p for p in parameters if (p.ndim == 2) == wanted] for wanted in (True, False))
        rest = [torch.optim.AdamW(others, lr=self.lr)] if others else []
        for group in rest[0].param_groups if rest and self.weight_decay is not None else ():
            group["weight_decay"] = self.weight_decay
        return [*([self._own(matrices)] if matrices else []), *rest]

    def _own(self, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        chosen = {"momentum": self.momentum_at(0.0), "weight_decay": self.weight_decay}
        arguments: dict[str, Any] = {name: value for name, value in chosen.items() if value is not None}
        try:
            return self.method(parameters, lr=self.lr, **arguments, **self.options)  # type: ignore[call-arg]
        except (TypeError, ValueError) as error:
            raise InputError(f"{self.method.__name__} does not take these arguments: {error}.") from error


@final
class _FirstOrderStepper(Stepper):
    def __init__(self, choice: FirstOrder, parameters: list[nn.Parameter]) -> None:
        self.choice = choice
        self.parameters = parameters
        self.optimizers = choice.make(parameters)

    def check(self, problem: Problem) -> None:
        """A gradient is all it needs."""

    def step(self, problem: Problem, *, rate: float = 1.0) -> Terms:
        terms, gradients = problem.gradient()
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            parameter.grad = gradient
        if self.choice.clip is not None:
            nn.utils.clip_grad_norm_(self.parameters, self.choice.clip)
        for optimizer in self.optimizers:
            for group in optimizer.param_groups:
                group["lr"] = self.choice.lr * rate
                if callable(self.choice.momentum) and "momentum" in group:
                    group["momentum"] = self.choice.momentum_at(problem.progress)
            optimizer.step()
            optimizer.zero_grad()
        return terms

    def state(self) -> dict[str, Tensor]:
        return {
            f"{number}.{name}": torch.as_tensor(value).detach().clone()
            for optimizer in self.optimizers
            for number, parameter in self._numbered(optimizer)
            for name, value in optimizer.state[parameter].items()
            if value is not None
        }

    def restore(self, state: Mapping[str, Tensor]) -> None:
        found: dict[int, dict[str, Tensor]] = {}
        for key, value in state.items():
            number, _, name = key.partition(".")
            found.setdefault(int(number), {})[name] = value.clone()
        for optimizer in self.optimizers:
            owned = [(place, p, found[n]) for place, (n, p) in enumerate(self._numbered(optimizer)) if n in found]
            # torch knows which of them belong to the parameter's device, but gives those the parameter's precision too.
            groups = optimizer.state_dict()["param_groups"]
            optimizer.load_state_dict({"state": {place: vs for place, _, vs in owned}, "param_groups": groups})
            for _, parameter, values in owned:
                placed = optimizer.state[parameter]
                placed.update({name: placed[name].to(value.dtype) for name, value in values.items()})

    def _numbered(self, optimizer: torch.optim.Optimizer) -> list[tuple[int, nn.Parameter]]:
        """The parameters of one optimizer in its order, with their numbers among all."""
        numbers = {id(parameter): number for number, parameter in enumerate(self.parameters)}
        return [(numbers[id(p)], p) for group in optimizer.param_groups for p in group["params"]]
