"""The arguments of the default recipe, as they come from a file or a command line."""

import math
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any

from layerwise.corruptions import Compose, Corruption, GaussianNoise, Masking
from layerwise.errors import InputError

__all__ = ["default_arguments", "is_number", "is_whole"]


def default_arguments(values: Mapping[str, Any]) -> dict[str, Any]:
    """The keyword arguments of `default` for plain values; `noise` and `masking` make its corruption, 0 makes none.

    Arguments:
        values: name -> number; None for the recipe's own choice.

    Raises:
        InputError: names an argument that is not known, or what it must be and what was found.

    >>> default_arguments({"lr": 0.01, "noise": 0.3})
    {'lr': 0.01, 'corruption': GaussianNoise(level=0.3)}
    """
    for name, value in values.items():
        if name not in _RULES:
            raise InputError(f"the recipe has no argument {name!r}; it has {', '.join(_RULES)}.")
        test, words = _RULES[name]
        if value is not None and not test(value):
            raise InputError(f"the recipe's {name} must be {words}; got {value!r}.")
    given = {name: value for name, value in values.items() if value is not None}
    levels = {name: given.pop(name) for name in ("noise", "masking") if name in given}
    if not levels:
        return given
    kinds: dict[str, Callable[[float], Corruption]] = {"noise": GaussianNoise, "masking": Masking}
    parts = [kinds[name](level) for name, level in levels.items() if level]
    return {**given, "corruption": Compose(*parts) if len(parts) > 1 else parts[0] if parts else None}


def is_whole(value: object) -> bool:
    """Whether a value is a whole number from 1 on, of Python or NumPy.

    >>> is_whole(3), is_whole(True), is_whole(0)
    (True, False, False)
    """
    return isinstance(value, Integral) and not isinstance(value, bool) and int(value) >= 1


def is_number(value: object) -> bool:
    """Whether a value is a finite number, of Python or NumPy.

    >>> is_number(0.5), is_number(float("nan")), is_number("1")
    (True, False, False)
    """
    return isinstance(value, Real) and not isinstance(value, bool) and math.isfinite(value)


_WHOLE = is_whole, "a whole number from 1 on"
_RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "epochs": _WHOLE,
    "batch_size": _WHOLE,
    "lr": (lambda value: is_number(value) and value > 0, "a number above 0"),
    "weight_decay": (lambda value: is_number(value) and value >= 0, "a number from 0 on"),
    "patience": _WHOLE,
    "noise": (lambda value: is_number(value) and value >= 0, "a number from 0 on"),
    "masking": (lambda value: is_number(value) and 0 <= value < 1, "a share from 0 on and below 1"),
}
