"""What the options of the command line mean: rows, an estimator, a recipe, a checkpoint."""

import json
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from inspect import signature
from pathlib import Path
from typing import Any, Literal, final

from layerwise.data import Schema, Table, read
from layerwise.data.fitting import SCALINGS
from layerwise.errors import InputError
from layerwise.estimators import (
    AutoencoderDetector,
    AutoencoderImputer,
    Colorizer,
    DeepAutoencoder,
    Denoiser,
    Segmenter,
    StackedClassifier,
    StackedRegressor,
    Translator,
    VariationalAutoencoder,
)
from layerwise.estimators.loading import PictureModel, RowsModel
from layerwise.models import (
    Convolutional,
    Initializer,
    Network,
    Recurrent,
    Residual,
    SequenceNetwork,
    Transformer,
    identity,
    initializer_from_name,
    sigmoid,
)
from layerwise.option_words import noise_of, number_of, seconds_of, widths_of
from layerwise.penalties import Fidelity, MixedFidelity, clipped_squared_error, cross_entropy
from layerwise.recipes import RECIPES, RecipeFile, read_recipe, recipe_arguments
from layerwise.training import Checkpoint, Recipe

__all__ = [
    "PICTURE_TASKS",
    "TARGETED",
    "DataOptions",
    "Estimator",
    "FitOptions",
    "checkpoint_settings",
    "label_of",
    "recipe_file",
    "recipe_name",
    "recipe_settings",
]

Estimator = RowsModel
PREDICTORS: dict[str, type[StackedClassifier] | type[StackedRegressor]] = {
    "classify": StackedClassifier,
    "regress": StackedRegressor,
}
PICTURE_TASKS: dict[str, type[PictureModel]] = {"denoise": Denoiser, "colorize": Colorizer, "segment": Segmenter}
# Those that learn a column from the others.
TARGETED = (*PREDICTORS, "translate")
TASKS = "reconstruct", "generate", *TARGETED, "detect", "impute", *PICTURE_TASKS
DEFAULTS = {"reconstruct": "default", "generate": "variational", "detect": "detection", "impute": "imputation"}
DEFAULTS |= {"translate": "translation"}
DEFAULTS |= dict.fromkeys(PICTURE_TASKS, "restoration")
# A model of the command line says how good it is on rows that it has not seen.
TEST_FRACTION = 0.1
PICTURE_CODE = 30


@final
@dataclass(frozen=True)
class DataOptions:
    """Where rows come from."""

    source: str
    data_dir: Path | None = None
    label: str | None = None
    drop: tuple[str, ...] = ()
    member: str | None = None

    def read(self) -> Table:
        """The rows.

        Raises:
            InputError: when they cannot be read.
        """
        return read(self.source, data_dir=self.data_dir, label=self.label, member=self.member, drop=self.drop)


@final
@dataclass(frozen=True)
class FitOptions:
    """The options of `layerwise fit`, under the names of the estimator's arguments."""

    source: DataOptions
    output: Path | None = None
    code: int | None = None
    hidden: str = "auto"
    scaling: str = "auto"
    fidelity: str = "auto"
    initializer: str | None = None
    contamination: float | None = None
    window: int | None = None
    noise: str | None = None
    masks: Path | None = None
    task: str = "reconstruct"
    seed: int = 0
    device: str = "auto"
    precision: str = "auto"
    recipe: Callable[..., Recipe] = RECIPES["default"]
    found: RecipeFile | None = None
    checkpoint: Checkpoint | None = None
    codes: Path | None = None
    report: Path | None = None
    progress: bool = True

    def estimator(self) -> RowsModel | PictureModel | Translator:
        """The estimator that these options describe.

        Raises:
            InputError: for widths that are not whole numbers, or an unknown scaling or task.
        """
        self._check()
        common: dict[str, Any] = {
            "scaling": self.scaling,
            "device": self.device,
            "precision": self.precision,
            "random_state": self.seed,
            "verbose": int(self.progress),
        }
        if self.found is not None:
            self._refuse({"--recipe-file": self.task != "reconstruct", "--fidelity": self.fidelity != "auto"})
            return DeepAutoencoder(**self.found.options, **common)
        if self.task == "reconstruct":
            return DeepAutoencoder(
                self.code,
                hidden_layer_sizes=self._network() or self._widths() or "auto",
                layer=self._layer(),
                fidelity=self._fidelity(),
                recipe=self.recipe,
                **common,
            )
        if self.task in ("generate", "detect", "impute"):
            return self._of_rows(common)
        if self.task in PICTURE_TASKS:
            return self._of_pictures(common)
        if self.task == "translate":
            return self._of_sentences(common)
        widths = (*(self._widths() or (256,) * 2), *([] if self.code is None else [self.code]))
        return PREDICTORS[self.task](
            widths,
            layer=self._layer(),
            fidelity=self._fidelity(),
            recipe=self.recipe,
            test_fraction=TEST_FRACTION,
            **common,
        )

    def _check(self) -> None:
        if self.scaling not in SCALINGS:
            raise InputError(f"--scaling must be one of {', '.join(SCALINGS)}; got {self.scaling!r}.")
        if self.task not in TASKS:
            raise InputError(f"--task must be one of {', '.join(TASKS)}; got {self.task!r}.")
        for name, given, task in (
            ("--contamination", self.contamination, "detect"),
            ("--window", self.window, "detect"),
            ("--noise", self.noise, "denoise"),
            ("--masks", self.masks, "segment"),
        ):
            if given is not None and self.task != task:
                raise InputError(f"{name} is for --task {task} alone; leave it out.")

    def _of_rows(self, common: dict[str, Any]) -> VariationalAutoencoder | AutoencoderDetector | AutoencoderImputer:
        given = {"--fidelity": self.fidelity != "auto"}
        given["--codes"] = self.codes is not None and self.task != "generate"
        given["--code"] = self.code is not None and self.task == "impute"
        self._refuse(given)
        common = {"layer": self._layer(), **common}
        if self.task == "generate":
            chosen = {"hidden_layer_sizes": self._widths()} if self._widths() else {}
            return VariationalAutoencoder(self.code, recipe=self.recipe, **{**common, **chosen})
        if self.task == "impute":
            chosen = {"hidden_layer_sizes": self._widths()} if self._widths() else {}
            return AutoencoderImputer(recipe=self.recipe, **{**common, **chosen})
        share: float | Literal["auto"] = "auto" if self.contamination is None else self.contamination
        widths: tuple[int, ...] | Literal["auto"] = self._widths() or "auto"
        return AutoencoderDetector(
            self.code,
            hidden_layer_sizes=widths,
            window=self.window,
            contamination=share,
            recipe=self.recipe,
            **common,
        )

    def _of_pictures(self, common: dict[str, Any]) -> PictureModel:
        given = {"--fidelity": self.fidelity != "auto", "--codes": self.codes is not None}
        given |= {"--code": self.code is not None, "--scaling": self.scaling != "auto"}
        given["--initializer"] = self.initializer is not None
        given |= {"--label": self.source.label is not None, "--drop": bool(self.source.drop)}
        self._refuse(given)
        chosen: dict[str, Any] = {"recipe": self.recipe, **{k: v for k, v in common.items() if k != "scaling"}}
        if self._widths():
            chosen["widths"] = self._widths()
        if self.noise is not None:
            chosen["noise"] = noise_of(self.noise)
        return PICTURE_TASKS[self.task](**chosen)

    def _of_sentences(self, common: dict[str, Any]) -> Translator:
        given = {"--fidelity": self.fidelity != "auto", "--codes": self.codes is not None}
        given |= {"--code": self.code is not None, "--scaling": self.scaling != "auto"}
        given["--initializer"] = self.initializer is not None
        self._refuse(given)
        networks: dict[str, type[SequenceNetwork]] = {
            "auto": Recurrent,
            "recurrent": Recurrent,
            "transformer": Transformer,
        }
        if self.hidden not in networks:
            raise InputError(f"--hidden must be recurrent or transformer for --task translate; got {self.hidden!r}.")
        chosen = {name: value for name, value in common.items() if name != "scaling"}
        return Translator(networks[self.hidden], recipe=self.recipe, **chosen)

    def _refuse(self, given: Mapping[str, bool]) -> None:
        for name in (name for name, there in given.items() if there):
            raise InputError(f"{name} is not for --task {self.task}; leave it out.")

    def _network(self) -> Callable[..., Network] | None:
        """A network of convolutions, where one is asked for."""
        output = sigmoid if self.fidelity == "cross_entropy" else identity
        if self.hidden == "residual":
            return partial(Residual, code=self.code or PICTURE_CODE, output=output)
        if self.hidden == "convolutional":
            if self.code is not None:
                raise InputError("--hidden convolutional has the code that its pooling leaves; leave --code out.")
            return partial(Convolutional, output=output)
        return None

    def _layer(self) -> Initializer | None:
        if self.initializer is None:
            return None
        if self.hidden in ("residual", "convolutional"):
            raise InputError(f"--initializer is for dense layers, which --hidden {self.hidden} has not; leave it out.")
        return initializer_from_name(self.initializer)

    def _widths(self) -> tuple[int, ...]:
        """The widths that were asked for; none where they are left to the estimator."""
        return widths_of(self.hidden)

    def _fidelity(self) -> Fidelity | Callable[[Schema], Fidelity] | None:
        known: dict[str, Fidelity | Callable[[Schema], Fidelity] | None] = {
            "auto": None,
            "squared_error": clipped_squared_error,
            "cross_entropy": cross_entropy,
            "mixed": MixedFidelity.of,
        }
        if self.fidelity not in known:
            raise InputError(f"--fidelity must be one of {', '.join(known)}; got {self.fidelity!r}.")
        return known[self.fidelity]


def label_of(task: str, target: str | None, label: str | None) -> str | None:
    """The column that is no feature: what is predicted, what colours the map of codes, or what is 1 for anomalies.

    Raises:
        InputError: for a target without a task that predicts it, or a label beside it.

    >>> label_of("classify", "species", None)
    'species'
    """
    if target is not None and task not in TARGETED:
        raise InputError(f"--target {target} needs a task that predicts it: --task {' or '.join(TARGETED)}.")
    if label is not None and task in TARGETED:
        raise InputError(f"--task {task} predicts --target and has no use for --label {label}; --drop it instead.")
    return label if target is None else target


def recipe_name(name: str, task: str) -> str:
    """The recipe that is used for a task where none is named.

    >>> recipe_name("auto", "classify"), recipe_name("hinton2006", "classify")
    ('denoising_stack', 'hinton2006')
    """
    return DEFAULTS.get(task, "denoising_stack") if name == "auto" else name


def recipe_settings(
    name: str, pairs: Sequence[str], config: Path | None, numbers: Mapping[str, int | None]
) -> Callable[..., Recipe]:
    """A recipe with its arguments: from options of their own, a TOML or JSON file, and NAME=VALUE pairs, which win.

    Arguments:
        name: of a function of `layerwise.recipes`.
        pairs: like "lr=0.01".
        config: the file, or None.
        numbers: the values of the options; None where they were not given. Epochs are those of the last phase.

    Raises:
        InputError: for an unknown name, a value that the argument cannot take, or an unreadable file.

    >>> recipe_settings("default", ["lr=0.01", "patience=5"], None, {"epochs": 3, "batch_size": None}).keywords
    {'epochs': 3, 'lr': 0.01, 'patience': 5}
    """
    if name not in RECIPES:
        raise InputError(f"--recipe must be auto or one of {', '.join(RECIPES)}; got {name!r}.")
    recipe = RECIPES[name]
    settings: dict[str, Any] = {option: number for option, number in numbers.items() if number is not None}
    if "epochs" in settings and "fine_tune_epochs" in signature(recipe).parameters:
        settings["fine_tune_epochs"] = settings.pop("epochs")
    if config is not None:
        try:
            text = config.read_text("utf-8")
            settings.update(json.loads(text) if config.suffix == ".json" else tomllib.loads(text))
        except (OSError, ValueError, TypeError) as error:
            reason = error.strerror if isinstance(error, OSError) else error
            raise InputError(
                f"--config {config}: must be a TOML or JSON file of recipe arguments, like lr = 0.001; {reason}."
            ) from error
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not equals:
            raise InputError(f"--set must be NAME=VALUE, like lr=0.001; got {pair!r}.")
        settings[name.strip()] = number_of(value.strip())
    return partial(recipe, **recipe_arguments(recipe, settings, others=RECIPES))


def checkpoint_settings(folder: Path | None, every: str, every_steps: int | None, fresh: bool) -> Checkpoint | None:
    """Where and how often the state is kept.

    Raises:
        InputError: for a time like "soon".

    >>> checkpoint_settings(Path("run"), "5m", None, False).every_seconds
    300.0
    """
    if folder is None:
        return None
    return Checkpoint(folder, seconds_of(every, "--every"), every_steps, fresh)


def recipe_file(path: Path | None, given: Mapping[str, object]) -> RecipeFile | None:
    """The recipe of a file, beside which nothing may be given that it says itself.

    Arguments:
        path: the file, or None.
        given: option -> its value; none, nothing or "auto" where it is left out.

    Raises:
        InputError: names the option, or what is wrong with the file.
    """
    if path is None:
        return None
    for name in (name for name, value in given.items() if value not in (None, [], "auto")):
        raise InputError(f"--recipe-file {path} says what {name} would; leave one of them out.")
    return read_recipe(path)
