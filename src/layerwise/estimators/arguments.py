"""The arguments of an estimator, checked when `fit` begins, as scikit-learn asks."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from sklearn.base import BaseEstimator

from layerwise.corruptions import Corruption
from layerwise.data.fitting import SCALINGS
from layerwise.data.tokens import vocabulary_size
from layerwise.errors import InputError
from layerwise.models import Initializer, Layer, initializer_from_name
from layerwise.models.activations import shown
from layerwise.models.initializers import INITIALIZER_WORDS
from layerwise.penalties import Penalty
from layerwise.recipes import RECIPES, is_number, is_whole
from layerwise.training import Phase

__all__ = ["LayerChoice", "check_arguments", "layer_of", "named"]

LayerChoice = Layer | Initializer | str | None

OF_THE_RECIPE = {"max_epochs": None, "batch_size": None, "learning_rate": None, "corruption": "auto"}


def check_arguments(arguments: Mapping[str, Any]) -> None:
    """Refuse the first argument that is not what it must be.

    Arguments:
        arguments: name -> value; names without a rule are let through.

    Raises:
        InputError: names the argument, what it must be, and what was found.

    >>> check_arguments({"n_components": 2.5})
    Traceback (most recent call last):
    layerwise.errors.InputError: n_components must be None or a whole number from 1 on; got 2.5.
    """
    for name, value in arguments.items():
        if name in _RULES and not _RULES[name][0](value):
            raise InputError(f"{name} must be {_RULES[name][1]}; got {shown(value)}.")
    if arguments.get("recipe") is None:
        return
    for name, usual in OF_THE_RECIPE.items():
        # Corruptions and the like may be compared with text.
        if arguments.get(name, usual) is not usual and arguments[name] != usual:
            raise InputError(f"{name} is an argument of the default recipe; leave it out, or give it to your recipe.")


def named(recipe: Any) -> Any:
    """A recipe as it is, or the one of that name.

    >>> named("hinton2006").__name__
    'hinton2006'
    """
    return RECIPES[recipe] if isinstance(recipe, str) else recipe


def layer_of(given: LayerChoice, usual: Layer) -> Layer:
    """The layer that is meant: the given one, or the usual one, perhaps with a given initializer or one of that name.

    Raises:
        InputError: for an unknown name.

    >>> chosen = layer_of("sparse", Layer(dropout=0.3))
    >>> chosen.initializer, chosen.dropout
    (Sparse(connections=15, standard_deviation=1.0), 0.3)
    """
    if isinstance(given, Layer):
        return given
    if given is None:
        return usual
    return replace(usual, initializer=initializer_from_name(given) if isinstance(given, str) else given)


def _is_initializer(name: str) -> bool:
    try:
        initializer_from_name(name)
    except InputError:
        return False
    return True


def _widths(value: object) -> bool:
    return (
        value == "auto"
        or callable(value)
        or (isinstance(value, Sequence) and not isinstance(value, str) and all(is_whole(width) for width in value))
    )


def _phases(value: object) -> bool:
    if isinstance(value, str):
        return value in RECIPES
    return callable(value) or (isinstance(value, Sequence) and all(isinstance(phase, Phase) for phase in value))


def _penalties(value: object) -> bool:
    return isinstance(value, Mapping) and all(
        isinstance(pair, tuple)
        and len(pair) == 2
        and (is_number(pair[0]) or callable(pair[0]))
        and isinstance(pair[1], Penalty)
        for pair in value.values()
    )


Rule = tuple[Callable[[Any], bool], str]


def _or_none(test: Callable[[Any], bool], words: str) -> Rule:
    return lambda value: value is None or test(value), f"None or {words}"


def _one_of(*words: object) -> Rule:
    return lambda value: any(value is word or (type(value) is type(word) and value == word) for word in words), (
        f"one of {', '.join(map(repr, words))}"
    )


_COUNT = _or_none(is_whole, "a whole number from 1 on")
_SHARE: Rule = (lambda value: is_number(value) and 0 <= value < 1, "a number from 0 on and below 1")
_RULES: dict[str, Rule] = {
    "n_components": _COUNT,
    "hidden_layer_sizes": (
        _widths,
        "'auto', a sequence of whole numbers from 1 on, or for pictures a function that makes the model",
    ),
    "layer": _or_none(
        lambda value: isinstance(value, Layer | Initializer) or (isinstance(value, str) and _is_initializer(value)),
        f"a Layer or an initializer of layerwise.models, or one of {INITIALIZER_WORDS}",
    ),
    "code_activation": (
        lambda value: value == "auto" or callable(value),
        "'auto' or an activation of layerwise.models",
    ),
    "linear_path": _one_of("auto", True, False),
    "scaling": _one_of(*SCALINGS),
    "fidelity": _or_none(callable, "a fidelity of layerwise.penalties, or a function of a schema that makes one"),
    "corruption": _or_none(
        lambda value: value == "auto" if isinstance(value, str) else isinstance(value, Corruption),
        "'auto' or a corruption of layerwise.corruptions",
    ),
    "penalties": _or_none(_penalties, "a mapping of names to pairs of a weight and a penalty"),
    "recipe": _or_none(
        _phases, f"a sequence of phases, a function of a setting that makes one, or one of {', '.join(RECIPES)}"
    ),
    "max_epochs": _COUNT,
    "batch_size": _COUNT,
    "learning_rate": _or_none(lambda value: is_number(value) and value > 0, "a number above 0"),
    "widths": (
        lambda value: _widths(value) and len(value) > 0 and not callable(value) and value != "auto",
        "a sequence of whole numbers from 1 on",
    ),
    "blocks": (is_whole, "a whole number from 1 on"),
    "convolutions": (is_whole, "a whole number from 1 on"),
    "side": _COUNT,
    "network": (callable, "a network of layerwise.models over tokens, like Recurrent, or a function that makes one"),
    "vocabulary": (
        lambda value: is_whole(value) and value >= vocabulary_size(()),
        f"a whole number from {vocabulary_size(())} on",
    ),
    "max_tokens": (is_whole, "a whole number from 1 on"),
    "beam": (is_whole, "a whole number from 1 on"),
    "balanced": _one_of(True, False),
    "noise": (lambda value: isinstance(value, Corruption), "a corruption of layerwise.corruptions"),
    "n_members": (is_whole, "a whole number from 1 on"),
    "window": _or_none(lambda value: is_whole(value) and value > 1, "a whole number from 2 on"),
    "trim": _SHARE,
    "contamination": (
        lambda value: value == "auto" if isinstance(value, str) else is_number(value) and 0 <= value <= 0.5,
        "'auto' or a number from 0 to 0.5",
    ),
    "dropout": _SHARE,
    "input_dropout": _SHARE,
    "head": _or_none(lambda value: isinstance(value, BaseEstimator), "an estimator of scikit-learn"),
    "validation_fraction": _SHARE,
    "test_fraction": _SHARE,
    "device": (lambda value: isinstance(value, str), "a text like 'auto', 'cpu' or 'cuda:1'"),
    "warm_start": _one_of(True, False),
}
