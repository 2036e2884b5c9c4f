"""What stacked classifiers and regressors share: pre-training on all rows, fine-tuning on those with a target."""

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, NamedTuple, final

import numpy as np
from numpy.typing import NDArray
from sklearn.base import (
    BaseEstimator,
    clone,
    is_classifier,
    is_regressor,
)
from sklearn.utils.validation import check_consistent_length, check_is_fitted

from layerwise.data import Rows, Schema, Table
from layerwise.data.fitting import WantedScaling
from layerwise.diagnostics import Finding
from layerwise.errors import InputError
from layerwise.estimators.arguments import LayerChoice, check_arguments, layer_of, named
from layerwise.estimators.assembly import Plan
from layerwise.estimators.base import RowsTransformer
from layerwise.estimators.diagnosis import diagnosis, write_diagnosis
from layerwise.estimators.page import report_data
from layerwise.estimators.prediction import (
    Division,
    check_stacked,
    codes,
    divide_labelled,
    judge_predictions,
    linear_baseline,
    outputs,
    train_stacked,
)
from layerwise.estimators.targets import Given, Numbers, Target
from layerwise.models import Dense, Layer, Predictor, start_from_rows
from layerwise.penalties import Fidelity
from layerwise.recipes import Setting, architecture, denoising_stack
from layerwise.report import write_report
from layerwise.runtime import Precision, Runtime
from layerwise.storage import SavedModel, environment, plain
from layerwise.training import Checkpoint, History, Objective, Phase, Recipe, Targeted, describe

__all__ = ["StackedEstimator"]


@final
class _Prepared(NamedTuple):
    """All that `fit` makes of rows and targets before it trains."""

    table: Table
    values: NDArray[Any]
    target: Target
    parts: Division
    schema: Schema
    rows: Rows
    recipe: Recipe
    autoencoder: Dense
    predictor: Predictor


class StackedEstimator(RowsTransformer, ABC):
    """What both have in common: everything but the kind of target."""

    def __init__(
        self,
        hidden_layer_sizes: Sequence[int] = (256, 256),
        *,
        layer: LayerChoice = None,
        dropout: float = 0.3,
        input_dropout: float = 0.0,
        head: BaseEstimator | None = None,
        scaling: WantedScaling = "auto",
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
        seed, told = self._seed(), set[str]()
        table, values, target, parts, schema, rows, recipe, autoencoder, predictor = self._prepared(X, y, seed, told)
        with self._run(seed, schema, history=history, checkpoint=checkpoint) as run:
            train_stacked(autoencoder, predictor, recipe, rows=rows, y=target.encode(values), parts=parts, run=run)
        self.schema_, self.model_, self.target_, self._told = schema, predictor, target, told
        self.recipe_, self.history_ = describe(recipe), run.history
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
        rows, values = self._labelled(X, y)
        predicted = self._predicted(rows)
        return plain(judge_predictions(predicted, values, target=self.target_, what="given rows", baseline=None))

    def plan(self, X: Any, y: Any = None) -> tuple[Schema, Predictor, Recipe]:
        """What `fit` makes of these rows before it trains: the schema, the model and the phases.

        Raises:
            InputError: as `fit`.
        """
        prepared = self._prepared(X, y, self._seed(), set())
        return prepared.schema, prepared.predictor, prepared.recipe

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

    def diagnose(self, X: Any, y: Any = None) -> list[Finding]:
        """What `layerwise.diagnostics.diagnose` finds of the net at rows with a target, and of its fine-tuning.

        The loss is that of the target: the cross-entropy of classes, the squared error of numbers.

        Arguments:
            X: rows as in `fit`, best those that it was fitted to; of more than 500 every n-th is looked at.
            y: their targets as in `fit`.

        Raises:
            InputError: with a head, for fewer than two rows with a target, data that do not fit, or a loss that is not
                finite.
        """
        check_is_fitted(self)
        if self.head is not None:
            raise InputError(f"to be diagnosed, a net must have learned the targets itself; its head is {self.head!r}.")
        rows, values = self._labelled(X, y)
        targeted, objective = Targeted(rows, self.target_.encode(values)), Objective(self.target_.fidelity)
        return diagnosis(self.model_, targeted, objective=objective, history=self.history_.rows)

    def diagnosis_report(
        self, path: str | os.PathLike[str], X: Any, *, y: Any = None, title: str = "Predictions"
    ) -> list[Finding]:
        """Write one self-contained HTML page of what `diagnose` finds, with the course of the training.

        Arguments:
            path: the page to write.
            X, y: as in `diagnose`.
            title: its heading.

        Raises:
            InputError: as `diagnose`.
            ResourceError: when the place cannot be written.
        """
        findings = self.diagnose(X, y)
        write_diagnosis(self.saved(), findings, X, path=path, title=title)
        return findings

    def saved(self) -> SavedModel:
        """All that a model folder holds.

        Raises:
            InputError: where the head is a scikit-learn estimator.
        """
        if self.head is not None:
            raise InputError(f"a head of scikit-learn cannot be saved without a pickle; got {self.head!r}.")
        return self._as_saved({"target": self.target_.settings()})

    def _take(self, saved: SavedModel, target: Target) -> None:
        """Be the estimator of a model folder."""
        self._restore(saved)
        self.target_ = target
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

    def _with_targets(self, X: Any, y: Any, *, reset: bool = True) -> tuple[Table, Given]:
        table, given = self._table(X, reset=reset), Given(y)
        if y is None and isinstance(X, Table) and X.labels is not None:
            y = X.labels
            if y.dtype.kind == "U":
                # The empty cells of a column of text.
                y = y.astype(object)
                y[y == ""] = None
            given = Given(y, X.label or given.name, X.origin, marked=False)
        if y is None:
            raise InputError(
                f"{type(self).__name__} requires y to be passed, but the target y is None. Give a class or a "
                "number for each row."
            )
        given = self._kind.read(given)
        check_consistent_length(table.array if table.array is not None else table.raws[0].values, given.values)
        return table, given

    def _labelled(self, X: Any, y: Any) -> tuple[Rows, NDArray[Any]]:
        """The rows with a target, encoded, and their targets."""
        check_is_fitted(self)
        table, given = self._with_targets(X, y, reset=False)
        self.target_.check(given)
        rows, values = self._encode(table), given.values
        known = np.flatnonzero(self.target_.known(values))
        if not len(known):
            raise table.origin.error(f"to judge, rows need targets; found none in column {given.name!r}. Give some.")
        return rows.take(known), values[known]

    def _prepared(self, X: Any, y: Any, seed: int, told: set[str]) -> _Prepared:
        check_arguments(self.get_params(deep=False))
        if self.head is not None and not (is_regressor if self._kind is Numbers else is_classifier)(self.head):
            kind = "regressor" if self._kind is Numbers else "classifier"
            raise InputError(f"head must be a {kind} of scikit-learn; got {self.head!r}.")
        table, given = self._with_targets(X, y)
        values, target = given.values, self._kind.of(given)
        parts = divide_labelled(
            target.strata(values),
            self.validation_fraction,
            test_fraction=0.0 if table.test is not None else self.test_fraction,
            seed=seed,
        )
        target = target.learned(values[parts.labelled.numpy()])
        schema = Schema.fit(table.take(parts.train.numpy()), scaling=self.scaling)
        rows = schema.encode(table, told=told)
        recipe = self._recipe(schema, parts, target)
        autoencoder, predictor = self._models(schema, target, len(parts.train), seed)
        for model in (autoencoder, predictor):
            start_from_rows(model, rows.take(parts.train))
        runtime = Runtime(self.device, self.precision)
        check_stacked(autoencoder, predictor, recipe, rows=rows, y=target.encode(values), parts=parts, runtime=runtime)
        return _Prepared(table, values, target, parts, schema, rows, recipe, autoencoder, predictor)

    def _plan(self) -> Plan:
        style = architecture(named(self.recipe))
        layer = layer_of(self.layer, style.layer or Layer())
        if isinstance(self.hidden_layer_sizes, str) or not self.hidden_layer_sizes:
            raise InputError(
                "hidden_layer_sizes must be one or more whole numbers from 1 on, of which the last is the code's; got "
                f"{self.hidden_layer_sizes!r}."
            )
        *hidden, code = self.hidden_layer_sizes
        return Plan(code, hidden, replace(layer, dropout=0.0), False, self.fidelity, None, layer.activation, style)

    def _models(self, schema: Schema, target: Target, rows: int, seed: int) -> tuple[Dense, Predictor]:
        plan = self._plan()
        autoencoder = plan.dense(schema, rows=rows, seed=seed)
        # What trains a layer may be tied; the whole has no mirror.
        layer = replace(autoencoder.layer, dropout=self.dropout, tied=False)
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
            before = [phase for phase in phases if not phase.objective.supervised]
            if not before:
                raise InputError(
                    "with a head the recipe must have a phase that learns without targets; all of them are for a net "
                    "that predicts. Choose one that pre-trains, or leave out the head."
                )
            return before
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
