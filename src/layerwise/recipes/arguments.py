"""The arguments of a recipe, as they come from a file or a command line."""

import inspect
import math
from collections.abc import Callable, Mapping
from numbers import Integral, Real
from typing import Any

from layerwise.corruptions import Compose, Corruption, GaussianNoise, Masking
from layerwise.errors import InputError

__all__ = ["is_number", "is_whole", "recipe_arguments"]


def recipe_arguments(recipe: Callable[..., Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """The keyword arguments of a recipe for plain values, as they come from a file or a command line.

    Arguments:
        recipe: a function of this folder. Where it takes a corruption, `noise` and `masking` make it, 0 makes none.
        values: name -> number or word; None for the recipe's own choice.

    Raises:
        InputError: names an argument that is not known, or what it must be and what was found.

    >>> from layerwise.recipes import default, hinton2006
    >>> recipe_arguments(default, {"lr": 0.01, "noise": 0.3})
    {'lr': 0.01, 'corruption': GaussianNoise(level=0.3)}
    >>> recipe_arguments(hinton2006, {"epochs": 3})
    {'epochs': 3}
    """
    taken = inspect.signature(recipe).parameters
    known = [name for name in _RULES if name in taken]
    known += ["noise", "masking"] if "corruption" in taken else []
    for name, value in values.items():
        if name not in known:
            raise InputError(
                f"the recipe {recipe.__name__!r} has no argument {name!r}; it has {', '.join(known) or 'none'}."
            )
        test, words = _RULES[name]
        if value is not None and not test(value):
            raise InputError(f"the recipe's {name} must be {words}; got {value!r}.")
    given = {name: value for name, value in values.items() if value is not None}
    levels = {name: given.pop(name) for name in ("noise", "masking") if name in given and "corruption" in taken}
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


_Rule = tuple[Callable[[Any], bool], str]
_WHOLE: _Rule = is_whole, "a whole number from 1 on"
_RATE: _Rule = (lambda value: is_number(value) and value > 0, "a number above 0")
_WEIGHT: _Rule = (lambda value: is_number(value) and value >= 0, "a number from 0 on")
_SHARE: _Rule = (lambda value: is_number(value) and 0 <= value < 1, "a share from 0 on and below 1")
_LAYERS = "alternate", "all", "none"
_RULES: dict[str, _Rule] = {
    "epochs": _WHOLE,
    "fine_tune_epochs": _WHOLE,
    "batch_size": _WHOLE,
    "lr": _RATE,
    "linear_lr": _RATE,
    "fine_tune_lr": _RATE,
    "weight_decay": _WEIGHT,
    "patience": _WHOLE,
    "noise": _WEIGHT,
    "masking": _SHARE,
    "layers": (lambda value: value in _LAYERS, f"one of {', '.join(_LAYERS)}"),
    "sparsity": _WEIGHT,
    "target": (lambda value: is_number(value) and 0 < value < 1, "a share above 0 and below 1"),
    "momentum": _SHARE,
    "contraction": _WEIGHT,
    "k": _WHOLE,
    "revival": _WEIGHT,
}
