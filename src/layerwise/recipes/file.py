"""A recipe that was found for some data, as a file: its name, its arguments, and the model that it trains."""

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Any, final

from layerwise.errors import InputError
from layerwise.files import atomic_file
from layerwise.models import Layer
from layerwise.recipes.architecture import RECIPES
from layerwise.recipes.arguments import is_number, is_whole, recipe_arguments

__all__ = ["RecipeFile", "read_recipe", "write_recipe"]

FORMAT, VERSION = "layerwise recipe", 1
MOST_BYTES = 1024 * 1024


@final
@dataclass(frozen=True)
class RecipeFile:
    """How to make a model and how to train it, as plain values.

    Arguments:
        recipe: the name of a function of `layerwise.recipes`.
        arguments: of it, as `recipe_arguments` takes them.
        code: size of the code.
        hidden: widths from the input to the code; None leaves them to the estimator.
        dropout: of the hidden layers; None leaves it to the estimator.
        found: how it was found, for people; plain values.

    Raises:
        InputError: for an unknown recipe, or values that it or the model cannot take.

    >>> RecipeFile("default", {"lr": 0.01}, code=5).options["n_components"]
    5
    """

    recipe: str
    arguments: Mapping[str, Any]
    code: int
    hidden: tuple[int, ...] | None = None
    dropout: float | None = None
    found: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.recipe not in RECIPES:
            raise InputError(f"the recipe must be one of {', '.join(RECIPES)}; got {self.recipe!r}.")
        recipe_arguments(RECIPES[self.recipe], self.arguments)
        if not is_whole(self.code) or not all(map(is_whole, self.hidden or ())):
            raise InputError(f"code and hidden must be whole numbers from 1 on; got {self.code!r} and {self.hidden!r}.")
        if self.dropout is not None and not (is_number(self.dropout) and 0 <= self.dropout < 1):
            raise InputError(f"dropout must be a share from 0 on and below 1; got {self.dropout!r}.")

    @property
    def options(self) -> dict[str, Any]:
        """The arguments of `DeepAutoencoder` that it stands for."""
        recipe = RECIPES[self.recipe]
        return {
            "n_components": self.code,
            "hidden_layer_sizes": "auto" if self.hidden is None else self.hidden,
            "layer": None if self.dropout is None else Layer(dropout=self.dropout),
            "recipe": partial(recipe, **recipe_arguments(recipe, self.arguments)),
        }


def write_recipe(path: str | os.PathLike[str], recipe: RecipeFile) -> None:
    """Write a recipe as JSON: all of it, or nothing.

    Raises:
        InputError: when there is a folder of that name.
        ResourceError: when the place cannot be written.
    """
    with atomic_file(path) as temporary:
        text = json.dumps({"format": FORMAT, "version": VERSION, **asdict(recipe)}, indent=1)
        temporary.write_text(text + "\n", encoding="utf-8")


def read_recipe(path: str | os.PathLike[str]) -> RecipeFile:
    """A recipe that `write_recipe` wrote, perhaps changed by hand.

    Raises:
        InputError: in one line, for a file that cannot be read, is no recipe, is of a newer version, or does not fit
            this version's recipes.

    >>> import tempfile
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     write_recipe(Path(folder) / "r.json", RecipeFile("default", {"lr": 0.01}, code=5))
    ...     read_recipe(Path(folder) / "r.json").arguments
    {'lr': 0.01}
    """
    try:
        with Path(path).open(encoding="utf-8") as file:
            values = json.loads(file.read(MOST_BYTES))
    except (OSError, ValueError, RecursionError) as error:
        reason = error.strerror if isinstance(error, OSError) else "it is no JSON"
        raise InputError(f"{path}: must be a recipe, as layerwise search writes it; {reason}.") from error
    if not isinstance(values, dict) or values.pop("format", None) != FORMAT:
        raise InputError(f"{path}: must be a recipe, as layerwise search writes it; it is other JSON.")
    if (version := values.pop("version", None)) != VERSION:
        raise InputError(f"{path}: must be a recipe of version {VERSION}; found {version!r}. Search again.")
    known, wanted = {one.name for one in fields(RecipeFile)}, {"recipe", "arguments", "code"}
    if wrong := sorted((values.keys() - known) | (wanted - values.keys())):
        raise InputError(f"{path}: must hold {', '.join(sorted(known))}; {wrong[0]!r} is unknown or missing.")
    hidden, dropout = values.pop("hidden", None), values.pop("dropout", None)
    fitting = {
        "recipe": isinstance(values["recipe"], str),
        "arguments": isinstance(values["arguments"], dict),
        "code": is_whole(values["code"]),
        "hidden": hidden is None or (isinstance(hidden, list) and all(map(is_whole, hidden))),
        "dropout": dropout is None or is_number(dropout),
        "found": isinstance(values.get("found", {}), dict),
    }
    for name, fits in fitting.items():
        if not fits:
            found = {"hidden": hidden, "dropout": dropout, **values}[name]
            raise InputError(f"{path}: {name} must not be {found!r}. Search again.")
    try:
        return RecipeFile(
            **values,
            hidden=None if not hidden else tuple(hidden),
            dropout=None if dropout is None else float(dropout),
        )
    except InputError as error:
        raise InputError(f"{path}: {error}") from error
