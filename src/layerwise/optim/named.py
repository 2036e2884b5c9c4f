"""Optimizers by their Python names, as they come from a file or a command line."""

import inspect
import json
from collections.abc import Mapping
from dataclasses import is_dataclass, replace
from typing import Any

import torch

from layerwise.errors import InputError
from layerwise.optim.base import Optimizer
from layerwise.optim.damping import AdaptiveDamping
from layerwise.optim.first_order import UNFIT, FirstOrder, RisingMomentum
from layerwise.optim.kfac import EKFAC, KFAC
from layerwise.optim.nonlinear import ConjugateGradient
from layerwise.optim.quasi_newton import LBFGS
from layerwise.optim.search import Backtracking
from layerwise.optim.second_order import HessianFree, LevenbergMarquardt, Newton, SaddleFreeNewton, TrustRegionNewton

__all__ = ["optimizer_names", "optimizer_of"]

NESTEROV, USUAL_MOMENTUM = "Nesterov", 0.9
OWN: Mapping[str, Optimizer] = {
    type(choice).__name__: choice
    for choice in (
        ConjugateGradient(),
        EKFAC(),
        HessianFree(),
        KFAC(),
        LBFGS(),
        LevenbergMarquardt(),
        # Without a damping that follows its success it is drawn to saddles.
        Newton(AdaptiveDamping(), Backtracking()),
        SaddleFreeNewton(),
        TrustRegionNewton(),
    )
}


def optimizer_names() -> list[str]:
    """The library's own, and those of `torch.optim` that take dense gradients and no closure.

    >>> "HessianFree" in optimizer_names(), "Adam" in optimizer_names()
    (True, True)
    """
    return [*OWN, NESTEROV, *(name for name in _torch() if name not in OWN)]


def optimizer_of(name: str, *, lr: float | None = None) -> Optimizer:
    """The optimizer of that name, perhaps with arguments after a colon; the others are its defaults.

    Arguments:
        name: of a class of this folder or of `torch.optim`, like "KFAC" or "KFAC:damping=150,interval=10"; or Nesterov,
            which is SGD with a momentum of 0.9, or with `RisingMomentum` where `steps` or another of its arguments is
            given.
        lr: the rate of one of `torch.optim`; the others find their own.

    Raises:
        InputError: for another name, an argument that it does not have or whose value does not fit, or a rate for one
            that finds its own.

    >>> optimizer_of("RMSprop", lr=0.01).lr, optimizer_of("HessianFree:damping=45").damping
    (0.01, 45.0)
    >>> optimizer_of("SGD:momentum=0.9,nesterov=true").options
    {'momentum': 0.9, 'nesterov': True}
    >>> optimizer_of("Nesterov:steps=20000,largest=0.995", lr=0.01).momentum
    RisingMomentum(steps=20000, largest=0.995, last=1000, low=0.9)
    """
    kind, _, text = name.partition(":")
    arguments = _arguments(name, text)
    if kind in OWN:
        if lr is not None:
            raise InputError(f"{kind} finds its own steps, and takes no learning rate; got {lr}. Leave it out.")
        return _changed(OWN[kind], arguments)
    if kind == NESTEROV:
        return _nesterov(arguments, lr)
    method = _torch().get(kind)
    if method is None:
        raise InputError(f"the optimizer must be one of {', '.join(optimizer_names())}; got {kind!r}.")
    rate = arguments.pop("lr", lr)
    return FirstOrder(method, options=arguments) if rate is None else FirstOrder(method, lr=rate, options=arguments)


def _arguments(name: str, text: str) -> dict[str, Any]:
    """The arguments after the colon of a name."""
    found: dict[str, Any] = {}
    for pair in text.split(",") if text else ():
        key, equals, value = pair.partition("=")
        if not equals:
            raise InputError(f"arguments of an optimizer must be like KFAC:damping=150,interval=10; got {name!r}.")
        try:
            found[key.strip()] = json.loads(value)
        except ValueError:
            raise InputError(f"{key.strip()} of an optimizer must be a number, true or false; got {value!r}.") from None
    return found


def _nesterov(arguments: dict[str, Any], lr: float | None) -> FirstOrder:
    """Gradient descent with Nesterov's momentum, constant or rising."""
    rise = {name: arguments.pop(name) for name in ("steps", "largest", "last", "low") if name in arguments}
    rate, momentum = arguments.pop("lr", lr), arguments.pop("momentum", USUAL_MOMENTUM if not rise else None)
    if rise:
        if "steps" not in rise or momentum is not None:
            raise InputError(
                "a momentum that rises needs the steps of the phase, its epochs times its batches, and no constant "
                f"momentum, like Nesterov:steps=20000,largest=0.99; got {', '.join(sorted({*rise, *arguments}))}."
            )
        rise |= {name: _whole(f"{name} of {NESTEROV}", rise[name]) for name in ("steps", "last") if name in rise}
        momentum = RisingMomentum(**rise)
    options = {"nesterov": True, **arguments}
    return FirstOrder(torch.optim.SGD, lr=FirstOrder.lr if rate is None else rate, momentum=momentum, options=options)


def _whole(name: str, value: int | float) -> int:
    if value != int(value):
        raise InputError(f"{name} must be a whole number; got {value}.")
    return int(value)


def _changed(choice: Optimizer, arguments: Mapping[str, Any]) -> Optimizer:
    """The choice with other numbers; those of its parts, like a damping of several numbers, have no name here."""
    assert is_dataclass(choice)
    numbers = {name: type(value) for name, value in vars(choice).items() if isinstance(value, int | float)}
    for name, value in arguments.items():
        if name not in numbers or isinstance(value, bool) or not isinstance(value, int | float):
            known = ", ".join(numbers) or "none"
            raise InputError(f"{type(choice).__name__} takes numbers for {known}; got {name}={value}.")
    of = type(choice).__name__
    read = {name: _whole(f"{name} of {of}", v) if numbers[name] is int else float(v) for name, v in arguments.items()}
    return replace(choice, **read)


def _torch() -> dict[str, type[torch.optim.Optimizer]]:
    """Those that take a gradient for each parameter."""
    kinds = {name: kind for name, kind in vars(torch.optim).items() if inspect.isclass(kind)}
    unfit = {torch.optim.Optimizer, *UNFIT}
    return {n: kind for n, kind in kinds.items() if issubclass(kind, torch.optim.Optimizer) and kind not in unfit}
