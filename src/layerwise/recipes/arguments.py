"""The arguments of a recipe, as they come from a file or a command line."""

import functools
import inspect
import math
from collections.abc import Callable, Mapping, Sequence
from numbers import Integral, Real
from typing import Any, Literal, ParamSpec, get_args

from layerwise.corruptions import Compose, Corruption, GaussianNoise, Masking
from layerwise.errors import InputError
from layerwise.optim import Optimizer, optimizer_of
from layerwise.training import Phase

__all__ = ["TRAINERS", "TrainerName", "checked", "is_number", "is_whole", "recipe_arguments"]

P = ParamSpec("P")
TrainerName = Literal["plain", "denoising", "contractive", "sparse", "machine"]
TRAINERS: tuple[str, ...] = get_args(TrainerName)
LAYERS = "alternate", "all", "none"


def recipe_arguments(
    recipe: Callable[..., Any], values: Mapping[str, Any], *, others: Mapping[str, Callable[..., Any]] | None = None
) -> dict[str, Any]:
    """The keyword arguments of a recipe for plain values, as they come from a file or a command line.

    Arguments:
        recipe: a function of this folder. Where it takes a corruption, `noise` and `masking` make it, 0 makes none.
        values: name -> number or word; None for the recipe's own choice. An optimizer as `optimizer_of` reads it.
        others: recipes, by name, that an error tells of where they take what this one does not.

    Raises:
        InputError: names an argument that is not known, or what it must be and what was found.

    >>> from layerwise.recipes import alternate_sparsity, default, hinton2006
    >>> recipe_arguments(default, {"lr": 0.01, "noise": 0.3})
    {'lr': 0.01, 'corruption': GaussianNoise(level=0.3)}
    >>> recipe_arguments(hinton2006, {"epochs": 3})
    {'epochs': 3}
    >>> recipe_arguments(alternate_sparsity, {"layers": "1,3"})
    {'layers': (1, 3)}
    >>> recipe_arguments(hinton2006, {"optimizer": "ConjugateGradient"})
    {'optimizer': ConjugateGradient(searches=3, curvature=0.1, evaluations=20)}
    """
    taken, known = inspect.signature(recipe).parameters, _known(recipe)
    for name in values:
        if name not in known:
            takers = ", ".join(other for other, function in (others or {}).items() if name in _known(function))
            raise InputError(
                f"the recipe {recipe.__name__!r} has no argument {name!r}; it has {', '.join(known) or 'none'}."
                + (f" Recipes that have it: {takers}." if takers else "")
            )
    given = {name: _read(name, value) for name, value in values.items() if value is not None}
    if isinstance(chosen := given.get("optimizer"), str):
        rate = "fine_tune_lr" if "fine_tune_lr" in taken else "lr"
        given["optimizer"] = optimizer_of(chosen, lr=given.get(rate))
    for name, value in given.items():
        _check(name, value)
    levels = {name: given.pop(name) for name in ("noise", "masking") if name in given and "corruption" in taken}
    if not levels:
        return given
    kinds: dict[str, Callable[[float], Corruption]] = {"noise": GaussianNoise, "masking": Masking}
    parts = [kinds[name](level) for name, level in levels.items() if level]
    return {**given, "corruption": Compose(*parts) if len(parts) > 1 else parts[0] if parts else None}


def _known(recipe: Callable[..., Any]) -> list[str]:
    """The arguments that have a plain value."""
    taken = inspect.signature(recipe).parameters
    return [name for name in _RULES if name in taken] + (["noise", "masking"] if "corruption" in taken else [])


def checked(recipe: Callable[P, list[Phase]]) -> Callable[P, list[Phase]]:
    """A recipe that refuses what its arguments must not be, also where they come from Python.

    Raises:
        InputError: when it is called; names the argument, what it must be, and what was found.
    """
    defaults = {name: parameter.default for name, parameter in inspect.signature(recipe).parameters.items()}

    @functools.wraps(recipe)
    def made(*args: P.args, **kwargs: P.kwargs) -> list[Phase]:
        for name, value in kwargs.items():
            if name in _RULES and name in defaults and not (value is None and defaults[name] is None):
                _check(name, value)
        return recipe(*args, **kwargs)

    return made


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


def _check(name: str, value: object) -> None:
    test, words = _RULES[name]
    if not test(value):
        raise InputError(f"the recipe's {name} must be {words}; got {value!r}.")


def _read(name: str, value: Any) -> Any:
    """A plain value as the recipe takes it: layers come as a word, as a number, or as a text like "1,3"."""
    if name != "layers" or not isinstance(value, str | int):
        return value
    parts = [part.strip() for part in str(value).split(",")]
    return tuple(map(int, parts)) if all(part.isdecimal() for part in parts) else value


def _are_layers(value: object) -> bool:
    if isinstance(value, str):
        return value in LAYERS
    return isinstance(value, Sequence) and len(value) > 0 and all(map(is_whole, value))


_Rule = tuple[Callable[[Any], bool], str]
_WHOLE: _Rule = is_whole, "a whole number from 1 on"
_RATE: _Rule = (lambda value: is_number(value) and value > 0, "a number above 0")
_WEIGHT: _Rule = (lambda value: is_number(value) and value >= 0, "a number from 0 on")
_SHARE: _Rule = (lambda value: is_number(value) and 0 <= value < 1, "a share from 0 on and below 1")
_RULES: dict[str, _Rule] = {
    "epochs": _WHOLE,
    "fine_tune_epochs": _WHOLE,
    "batch_size": _WHOLE,
    "growth": (lambda value: is_number(value) and 1 <= value < math.inf, "a finite number from 1 on"),
    "lr": _RATE,
    "linear_lr": _RATE,
    "fine_tune_lr": _RATE,
    "weight_decay": _WEIGHT,
    "patience": _WHOLE,
    "noise": _WEIGHT,
    "masking": _SHARE,
    "layers": (
        _are_layers,
        f"one of {', '.join(LAYERS)}, or numbers of hidden layers like 1,3",
    ),
    "trainer": (lambda value: isinstance(value, str) and value in TRAINERS, f"one of {', '.join(TRAINERS)}"),
    "sparsity": _WEIGHT,
    "target": (lambda value: is_number(value) and 0 < value < 1, "a share above 0 and below 1"),
    "momentum": _SHARE,
    "contraction": _WEIGHT,
    "k": _WHOLE,
    "revival": _WEIGHT,
    "optimizer": (lambda value: isinstance(value, Optimizer), "an optimizer of layerwise.optim"),
}
