"""Any optimizer of torch.optim as a part of the library."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, final

import torch
from torch import Tensor, nn

from layerwise.errors import InputError
from layerwise.optim.base import Optimizer, Problem, Stepper, Terms, trainable

__all__ = ["FirstOrder"]


@final
@dataclass(frozen=True)
class FirstOrder(Optimizer):
    """A step along the gradient, by a class of `torch.optim`.

    Arguments:
        method: for instance `torch.optim.Adam` or `torch.optim.SGD`; one that takes no closure.
        lr: the learning rate, scaled by the phase's schedule.
        momentum: given on to the method where it is not None; a number, or a function of the phase's progress in
            [0, 1] such as a `Schedule`.
        weight_decay: given on to the method where it is not None.
        clip: the largest allowed norm of the whole gradient; None for no limit.
        options: further arguments of the method, for instance {"betas": (0.9, 0.99)}.

    Raises:
        InputError: when the method refuses its arguments, or a clip that is not positive.

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
        self.make([nn.Parameter(torch.zeros(1, 1))])

    def start(self, part: nn.Module) -> Stepper:
        """A fresh stepper for the trainable parameters of `part`."""
        return _FirstOrderStepper(self, [*trainable(part).values()])

    def momentum_at(self, progress: float) -> float | None:
        """The momentum when a share of the phase is done."""
        return self.momentum(progress) if callable(self.momentum) else self.momentum

    def make(self, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
        """The optimizer of torch for these parameters."""
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
        self.optimizer = choice.make(parameters)

    def check(self, problem: Problem) -> None:
        """A gradient is all it needs."""

    def step(self, problem: Problem, *, rate: float = 1.0) -> Terms:
        terms, gradients = problem.gradient()
        for parameter, gradient in zip(self.parameters, gradients, strict=True):
            parameter.grad = gradient
        if self.choice.clip is not None:
            nn.utils.clip_grad_norm_(self.parameters, self.choice.clip)
        for group in self.optimizer.param_groups:
            group["lr"] = self.choice.lr * rate
            if callable(self.choice.momentum):
                group["momentum"] = self.choice.momentum_at(problem.progress)
        self.optimizer.step()
        self.optimizer.zero_grad()
        return terms

    def state(self) -> dict[str, Tensor]:
        return {
            f"{number}.{name}": torch.as_tensor(value).detach().clone()
            for number, parameter in enumerate(self.parameters)
            for name, value in self.optimizer.state[parameter].items()
            if value is not None
        }

    def restore(self, state: Mapping[str, Tensor]) -> None:
        found: dict[int, dict[str, Tensor]] = {}
        for key, value in state.items():
            number, _, name = key.partition(".")
            found.setdefault(int(number), {})[name] = value.clone()
        # torch knows which of them belong to the parameter's device, but gives those the parameter's precision too.
        groups = self.optimizer.state_dict()["param_groups"]
        self.optimizer.load_state_dict({"state": found, "param_groups": groups})
        for place, values in found.items():
            placed = self.optimizer.state[self.parameters[place]]
            placed.update({name: placed[name].to(value.dtype) for name, value in values.items()})
