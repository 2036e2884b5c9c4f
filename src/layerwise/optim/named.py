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
from layerwise.optim.first_order import FirstOrder
from layerwise.optim.kfac import EKFAC, KFAC
from layerwise.optim.nonlinear import ConjugateGradient
from layerwise.optim.quasi_newton import LBFGS
from layerwise.optim.search import Backtracking
from layerwise.optim.second_order import HessianFree, LevenbergMarquardt, Newton, SaddleFreeNewton, TrustRegionNewton

__all__ = ["optimizer_names", "optimizer_of"]

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
    return [*OWN, *(name for name in _torch() if name not in OWN)]


def optimizer_of(name: str, *, lr: float | None = None) -> Optimizer:
    """The optimizer of that name, perhaps with arguments after a colon; the others are its defaults.

    Arguments:
        name: of a class of this folder or of `torch.optim`, like "KFAC" or "KFAC:damping=150,interval=10".
        lr: the rate of one of `torch.optim`; the others find their own.

    Raises:
        InputError: for another name, an argument that it does not have or whose value does not fit, or a rate for one
            that finds its own.

    >>> optimizer_of("RMSprop", lr=0.01).lr, optimizer_of("HessianFree:damping=45").damping
    (0.01, 45.0)
    >>> optimizer_of("SGD:momentum=0.9,nesterov=true").options
    {'momentum': 0.9, 'nesterov': True}
    """
    kind, _, text = name.partition(":")
    arguments = _arguments(name, text)
    if kind in OWN:
        if lr is not None:
            raise InputError(f"{kind} finds its own steps, and takes no learning rate; got {lr}. Leave it out.")
        return _changed(OWN[kind], arguments)
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


def _changed(choice: Optimizer, arguments: Mapping[str, Any]) -> Optimizer:
    """The choice with other numbers; those of its parts, like a damping of several numbers, have no name here."""
    assert is_dataclass(choice)
    numbers = {name: type(value) for name, value in vars(choice).items() if isinstance(value, int | float)}
    for name, value in arguments.items():
        if name not in numbers or isinstance(value, bool) or not isinstance(value, int | float):
            known = ", ".join(numbers) or "none"
            raise InputError(f"{type(choice).__name__} takes numbers for {known}; got {name}={value}.")
        if numbers[name] is int and value != int(value):
            raise InputError(f"{name} of {type(choice).__name__} must be a whole number; got {value}.")
    return replace(choice, **{name: numbers[name](value) for name, value in arguments.items()})


def _torch() -> dict[str, type[torch.optim.Optimizer]]:
    """Those that work on any parameters; Muon takes matrices alone."""
    unfit = {"LBFGS", "Muon", "Optimizer", "SparseAdam"}
    return {
        name: kind
        for name, kind in vars(torch.optim).items()
        if inspect.isclass(kind) and issubclass(kind, torch.optim.Optimizer) and name not in unfit
    }
