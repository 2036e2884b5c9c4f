"""What stacked classifiers and regressors share: pre-training on all rows, fine-tuning on those with a target."""

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import replace
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray
from sklearn.base import (
    BaseEstimator,
    ClassNamePrefixFeaturesOutMixin,
    TransformerMixin,
    clone,
)
from sklearn.utils import Tags
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from layerwise.data import Rows, Schema, Table
from layerwise.errors import InputError
from layerwise.estimators.arguments import check_arguments, named
from layerwise.estimators.assembly import Plan
from layerwise.estimators.base import RowsEstimator
from layerwise.estimators.cross_validation import Run
from layerwise.estimators.page import report_data
from layerwise.estimators.prediction import (
    Division,
    codes,
    divide_labelled,
    judge_predictions,
    linear_baseline,
    outputs,
    train_stacked,
)
from layerwise.estimators.targets import Numbers, Target
from layerwise.models import Dense, Layer, Predictor
from layerwise.penalties import Fidelity
from layerwise.recipes import Setting, architecture, denoising_stack
from layerwise.report import write_report
from layerwise.runtime import Precision, Runtime
from layerwise.storage import SavedModel, environment, plain, save_model
from layerwise.training import Checkpoint, History, Objective, Phase, ProgressBar, Recipe, describe

__all__ = ["StackedEstimator"]


class StackedEstimator(ClassNamePrefixFeaturesOutMixin, TransformerMixin, RowsEstimator, ABC):
    """What both have in common: everything but the kind of target."""

    def __init__(
        self,
        hidden_layer_sizes: Sequence[int] = (256, 256),
        *,
        layer: Layer | None = None,
        dropout: float = 0.3,
        input_dropout: float = 0.0,
        head: BaseEstimator | None = None,
        scaling: Literal["auto", "standard", "minmax", "none"] = "auto",
        fidelity: Fidelity | Callable[[Schema], Fidelity] | None = None,
        recipe: str | Sequence[Phase] | Callable[[Setting], Sequence[Phase]] | None = None,
        max_epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        validation_fraction: float = 0.1,
        test_fraction: float = 0.0,
        device: str = "auto",
        precision: Precision = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.layer = layer
        self.dropout = dropout
        self.input_dropout = input_dropout
        self.head = head
        self.scaling = scaling
        self.fidelity = fidelity
        self.recipe = recipe
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.validation_fraction = validation_fraction
        self.test_fraction = test_fraction
        self.device = device
        self.precision = precision
        self.random_state = random_state
        self.verbose = verbose

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        history: History | None = None,
        checkpoint: str | os.PathLike[str] | Checkpoint | None = None,
    ) -> Any:
        """Pre-train on all rows, then train on those with a target.

        Arguments:
            X: array, frame or `layerwise.data.Table`, shape (rows, columns), NaN where missing.
            y: the targets, shape (rows,), for a regressor also (rows, outputs); None takes a table's labels.
            history: takes the events of training as they come, for instance into a file.
            checkpoint: as in `DeepAutoencoder.fit`.

        Raises:
            InputError: for data, targets and arguments that do not fit.
            CheckpointError: when the folder belongs to another run or is in use.
            TrainingDiverged: when the loss stops being finite.
        """
        check_arguments(self.get_params(deep=False))
        table, values = self._with_targets(X, y)
        seed, target = self._seed(), self._kind.of(values)
        parts = divide_labelled(
            target.known(values),
            self.validation_fraction,
            test_fraction=0.0 if table.test is not None else self.test_fraction,
            seed=seed,
        )
        if not len(parts.labelled):
            raise InputError("training needs rows with a target; all of them are held out or unlabelled.")
        schema = Schema.fit(table.take(parts.train.numpy()), scaling=self.scaling)
        self._told: set[str] = set()
        rows = schema.encode(table, told=self._told)
        recipe = self._recipe(schema, parts, target)
        autoencoder, predictor = self._models(schema, target, len(parts.train), seed)
        with ExitStack() as stack:
            history = history or History()
            if self.verbose:
                history.watch = (*history.watch, stack.enter_context(ProgressBar()))
            kept = None if checkpoint is None else stack.enter_context(self._kept(checkpoint, schema))
            run = Run(seed, Runtime(self.device, self.precision), history, 0, kept)
            train_stacked(autoencoder, predictor, recipe, rows=rows, y=target.encode(values), parts=parts, run=run)
        self.schema_, self.model_, self.target_ = schema, predictor, target
        self.recipe_, self.history_ = describe(recipe), history
        self.environment_, self.ignored_ = environment(), ()
        if self.head is not None:
            known = rows.take(parts.labelled)
            wanted = values[parts.labelled.numpy()].astype(target.dtype)
            self.head_ = clone(self.head).fit(codes(predictor, known, predictor.code), wanted)
        self._learned(target)
        self.metrics_ = self._judged(table, rows, values, parts)
        return self

    def predict(self, X: Any) -> NDArray[Any]:
        """The class, or the numbers, of each row.

        Raises:
            InputError: for other columns than in `fit`.
        """
        return self._predicted(self._rows(X))

    def transform(self, X: Any) -> NDArray[np.float32]:
        """The code of each row, shape (rows, width of the last layer): what the head sees.

        Raises:
            InputError: for other columns than in `fit`.
        """
        rows = self._rows(X)
        return codes(self.model_, rows, self.model_.code)

    def evaluate(self, X: Any, y: Any = None) -> dict[str, Any]:
        """The figures of `metrics_` on these rows, those with a target; without a linear model beside them.

        Raises:
            InputError: where no row has a target, or one has a class that `fit` has not seen.
        """
        check_is_fitted(self)
        table, values = self._with_targets(X, y, reset=False)
        self.target_.check(values)
        rows = self._encode(table)
        known = np.flatnonzero(self.target_.known(values))
        if not len(known):
            raise InputError("rows can be judged only where their targets are known; found none.")
        predicted = self._predicted(rows.take(known))
        return plain(judge_predictions(predicted, values[known], target=self.target_, what="given rows", baseline=None))

    def plan(self, X: Any, y: Any = None) -> tuple[Schema, Predictor, Recipe]:
        """What `fit` would make of these rows: the schema, the untrained model and the phases."""
        check_arguments(self.get_params(deep=False))
        table, values = self._with_targets(X, y)
        target = self._kind.of(values)
        parts = divide_labelled(target.known(values), self.validation_fraction, test_fraction=0.0, seed=0)
        schema = Schema.fit(table, scaling=self.scaling)
        return schema, self._models(schema, target, len(table), 0)[1], self._recipe(schema, parts, target)

    def report(self, path: str | os.PathLike[str], X: Any = None, *, title: str = "Predictions") -> None:
        """Write one self-contained HTML page that shows how good the model is.

        Arguments:
            path: the page to write.
            X: a `Table` with labels to judge on; by default the rows that `fit` judged on.
            title: its heading.

        Raises:
            ResourceError: when the place cannot be written.
        """
        saved, source = self.saved(), f"{self.metrics_.get('held_out', 'rows')} of the data it was fitted to"
        if X is not None:
            saved, source = replace(saved, metrics=self.evaluate(X)), "the given rows"
        write_report(report_data(saved, title=title, source=source), path)

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write a model folder: all of it, or nothing.

        Raises:
            InputError: where the head is a scikit-learn estimator, which could only be pickled.
            ResourceError: when the place cannot be written.
        """
        check_is_fitted(self)
        save_model(folder, self.saved())

    def saved(self) -> SavedModel:
        """All that a model folder holds.

        Raises:
            InputError: where the head is a scikit-learn estimator.
        """
        if self.head is not None:
            raise InputError(f"a head of scikit-learn cannot be saved without a pickle; got {self.head!r}.")
        settings = {
            "class": type(self).__name__,
            "backend": self._backend,
            "ignored": list(self.ignored_),
            "target": self.target_.settings(),
        }
        return SavedModel(
            self.model_,
            self.schema_,
            None,
            settings=settings,
            recipe=self.recipe_,
            history=self.history_.rows,
            metrics=plain(self.metrics_),
            environment=self.environment_,
        )

    def _take(self, saved: SavedModel, model: Predictor, target: Target) -> None:
        """Be the estimator of a model folder."""
        self.model_, self.schema_, self.target_, self._told = model, saved.schema, target, set()
        self.metrics_, self.recipe_, self.environment_ = saved.metrics, saved.recipe, saved.environment
        self.history_ = History()
        self.history_.rows.extend(saved.history)
        self._backend, self.ignored_ = saved.settings["backend"], tuple(saved.settings["ignored"])
        self.n_features_in_ = len(saved.schema.names)
        if saved.schema.named:
            self.feature_names_in_ = np.array(saved.schema.names, dtype=object)
        self._learned(target)

    @property
    @abstractmethod
    def _kind(self) -> type[Target]:
        """What is predicted."""

    @abstractmethod
    def _learned(self, target: Target) -> None:
        """Set what scikit-learn expects to find after `fit`."""

    @property
    def _n_features_out(self) -> int:
        return self.model_.code

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        tags.target_tags.required = True
        tags.target_tags.multi_output = self._kind is Numbers
        return tags

    def _with_targets(self, X: Any, y: Any, *, reset: bool = True) -> tuple[Table, NDArray[Any]]:
        table = self._table(X, reset=reset)
        if y is None and isinstance(X, Table):
            y = X.labels
            if y is not None and y.dtype.kind == "U":
                # The empty cells of a column of text.
                y = np.where(y == "", None, y)
        if y is None:
            raise InputError(
                f"{type(self).__name__} requires y to be passed, but the target y is None. Give a class or a "
                "number for each row (--target)."
            )
        values = self._kind.read(y)
        check_consistent_length(table.array if table.array is not None else table.raws[0].values, values)
        return table, values

    def _plan(self) -> Plan:
        style = architecture(named(self.recipe))
        layer = self.layer or style.layer or Layer()
        if isinstance(self.hidden_layer_sizes, str) or not self.hidden_layer_sizes:
            raise InputError(
                "hidden_layer_sizes must be one or more whole numbers from 1 on, of which the last is the code's; got "
                f"{self.hidden_layer_sizes!r}."
            )
        *hidden, code = self.hidden_layer_sizes
        return Plan(code, hidden, replace(layer, dropout=0.0), False, self.fidelity, None, layer.activation, style)

    def _models(self, schema: Schema, target: Target, rows: int, seed: int) -> tuple[Dense, Predictor]:
        plan = self._plan()
        autoencoder = plan.model(schema, rows=rows, seed=seed)
        layer = replace(autoencoder.layer, dropout=self.dropout)
        predictor = Predictor(
            autoencoder.inputs,
            (*autoencoder.hidden, autoencoder.code),
            outputs=target.outputs,
            layer=layer,
            input_dropout=self.input_dropout,
            seed=seed,
        )
        return autoencoder, predictor

    def _recipe(self, schema: Schema, parts: Division, target: Target) -> Recipe:
        plan, recipe = self._plan(), named(self.recipe)
        setting = Setting(
            len(parts.train),
            plan.objective(schema),
            pictures=schema.pixels is not None,
            widths=plan.widths(schema),
            labelled=len(parts.labelled),
            goal=Objective(target.fidelity),
        )
        if recipe is None:
            numbers = {"fine_tune_epochs": self.max_epochs, "batch_size": self.batch_size, "lr": self.learning_rate}
            given: dict[str, Any] = {name: value for name, value in numbers.items() if value is not None}
            phases = denoising_stack(setting, **given)
        else:
            phases = list(recipe(setting) if callable(recipe) else recipe)
        if self.head is not None:
            return [phase for phase in phases if not phase.objective.supervised]
        if not any(phase.objective.supervised for phase in phases):
            raise InputError("the recipe has no phase that learns the targets; give it one, or a head.")
        return phases

    def _predicted(self, rows: Rows) -> NDArray[Any]:
        if self.head is not None:
            return np.asarray(self.head_.predict(codes(self.model_, rows, self.model_.code)))
        return self.target_.predict(outputs(self.model_, rows))

    def _judged(self, table: Table, rows: Rows, values: NDArray[Any], parts: Division) -> dict[str, Any]:
        """The figures on test rows, else on those held out, else on the training rows."""
        what, judged, y = "held-out rows", rows.take(parts.held_out), values[parts.held_out.numpy()]
        if table.test is not None and table.test.labels is not None:
            what, judged, y = "test rows", self._encode(table.test), table.test.labels
            known = np.flatnonzero(self.target_.known(y))
            judged, y = judged.take(known), y[known]
        if not len(y):
            what, judged, y = "training rows", rows.take(parts.labelled), values[parts.labelled.numpy()]

        def baseline() -> tuple[NDArray[Any], int]:
            return linear_baseline(self.target_, rows.take(parts.labelled), values[parts.labelled.numpy()], judged)

        known_before = what == "training rows"
        predicted = self._predicted(judged)
        target, shown = self.target_, None if known_before else baseline
        return judge_predictions(predicted, y, target=target, what=what, baseline=shown)
