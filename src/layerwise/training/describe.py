"""A recipe, or any frozen choice, as plain values for files and pages."""

import dataclasses
from collections.abc import Mapping
from enum import Enum
from types import FunctionType
from typing import Any

import numpy as np

from layerwise.training.phase import Recipe

__all__ = ["describe"]


def describe(recipe: Recipe) -> list[dict[str, Any]]:
    """The phases as plain values: a dataclass becomes its fields with its class's name, a class its full name.

    >>> from layerwise.optim import FirstOrder
    >>> from layerwise.training import Objective, Phase
    >>> phase = describe([Phase("train", Objective(), FirstOrder(lr=0.1), epochs=2)])[0]
    >>> phase["epochs"], phase["optimizer"]["method"], phase["view"]
    (2, 'torch.optim.adam.Adam', {'class': 'Whole'})
    """
    return [_plain(phase) for phase in recipe]


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        fields = {field.name: _plain(vars(value)[field.name]) for field in dataclasses.fields(value)}
        return {"class": type(value).__name__, **fields}
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, type | FunctionType):
        return f"{value.__module__}.{value.__qualname__}"
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, np.generic):
        return value.item()
    if value is None or isinstance(value, bool | int | float | str):
        return value
    return repr(value)
