"""The deep autoencoder as a scikit-learn transformer."""

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal, final

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from layerwise.corruptions import Corruption
from layerwise.data import Rows, Schema, Table
from layerwise.diagnostics import passes
from layerwise.errors import InputError, ModelFileError
from layerwise.estimators.arguments import check_arguments, named
from layerwise.estimators.assembly import Maker, Plan, prepare
from layerwise.estimators.base import RowsTransformer
from layerwise.estimators.engine import judge, train
from layerwise.estimators.frames import like
from layerwise.estimators.page import report_data
from layerwise.estimators.split import Split, divide, parts_of, schema_of
from layerwise.models import Activation, Dense, Layer, Network, PrincipalComponents
from layerwise.penalties import Fidelity, Penalty
from layerwise.recipes import Setting, architecture, default
from layerwise.report import write_report
from layerwise.runtime import Precision, Runtime
from layerwise.storage import SavedModel, environment, load_model, plain
from layerwise.training import (
    Checkpoint,
    Constant,
    History,
    Phase,
    Recipe,
    Schedule,
    check,
    describe,
    fit,
)

__all__ = ["DeepAutoencoder"]

JUDGED_ROWS = 1000


@final
class DeepAutoencoder(RowsTransformer):
    """A deep autoencoder: a short code for each row, and the row back from its code.

    By default it starts as PCA and improves on it: a linear path with the principal components runs beside the
    layers, a part of the rows chooses the best weights, and another part, which nothing else has seen, says in
    `metrics_` whether PCA was beaten. Cells may be missing (NaN).

    Arguments:
        n_components: size of the code; None is a third of the columns (of the pixels of a picture), at least 2.
        hidden_layer_sizes: widths from the input to the code, mirrored in the decoder; "auto" is (256, 256). For
            pictures also a function of their shape that makes the model, as `partial(Residual, code=30)`.
        layer: activation, initializer, normalization, dropout and tying; None is the recipe's (sigmoid units for the
            classical ones), else `Layer()`, with a dropout of 0.3 for fewer than 1000 rows.
        code_activation: of the code; "auto" is the recipe's, else linear.
        linear_path: whether PCA runs beside the layers; "auto" is yes, but for tied weights, a code that is not linear
            and the classical recipes and those by layers, which cannot have it.
        scaling: "standard" (robust), "minmax" or "none"; "auto" is minmax for 8-bit pictures, else standard.
        fidelity: what a good reconstruction is, for instance `cross_entropy` or `MixedFidelity.of`; None is the squared
            error, clipped where columns have a floor or a ceiling; for the classical recipes the cross-entropy where
            all features are in [0, 1].
        corruption: of the input in training; "auto" is the recipe's own.
        penalties: name -> (weight, penalty).
        recipe: a function of `layerwise.recipes`, its name, or one that makes phases of a `Setting`; or a list of
            phases. None is `recipes.default`.
        max_epochs, batch_size, learning_rate: of the default recipe; None lets it choose by the number of rows.
        validation_fraction: share of the rows that choose the best weights; with fewer than 1000 rows 5-fold
            cross-validation chooses the number of epochs instead, and all rows train. 0 chooses nothing.
        test_fraction: share of the rows that judge at the end.
        device: "auto", "cpu", "cuda:1", "mps".
        precision: "auto", "float32" or "bf16".
        warm_start: whether `fit` goes on from the present weights.
        random_state: seed of everything random; an int gives the same weights every time on the same machine.
        verbose: 1 shows progress on standard error.

    Attributes:
        model_: the trained module.
        schema_: how columns become features, and back.
        history_: what happened in training.
        metrics_: the comparison with PCA on held-out rows.
        recipe_: the phases that were run, as plain values.
        environment_: versions, machine and date.
        examples_: some held-out rows with their codes, for the report.
        ignored_: columns of the source that are not features.
        partial_fits_: how many calls of `partial_fit` came after the last `fit`.
        components_: the `PrincipalComponents` of the training rows.
        n_features_in_, feature_names_in_: as in scikit-learn.

    Source: Hinton & Salakhutdinov 2006, "Reducing the dimensionality of data with neural networks".

    >>> from sklearn.datasets import load_iris
    >>> encoder = DeepAutoencoder(2, max_epochs=5, random_state=0)
    >>> encoder.fit_transform(load_iris().data).shape
    (150, 2)
    >>> encoder.inverse_transform(encoder.transform(load_iris().data)).shape
    (150, 4)
    """

    def __init__(
        self,
        n_components: int | None = None,
        *,
        hidden_layer_sizes: Sequence[int] | Literal["auto"] | Maker = "auto",
        layer: Layer | None = None,
        code_activation: Activation | Literal["auto"] = "auto",
        linear_path: bool | Literal["auto"] = "auto",
        scaling: Literal["auto", "standard", "minmax", "none"] = "auto",
        fidelity: Fidelity | Callable[[Schema], Fidelity] | None = None,
        corruption: Corruption | Literal["auto"] | None = "auto",
        penalties: Mapping[str, tuple[float | Schedule, Penalty]] | None = None,
        recipe: str | Sequence[Phase] | Callable[[Setting], Sequence[Phase]] | None = None,
        max_epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        validation_fraction: float = 0.1,
        test_fraction: float = 0.1,
        device: str = "auto",
        precision: Precision = "auto",
        warm_start: bool = False,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.n_components = n_components
        self.hidden_layer_sizes = hidden_layer_sizes
        self.layer = layer
        self.code_activation = code_activation
        self.linear_path = linear_path
        self.scaling = scaling
        self.fidelity = fidelity
        self.corruption = corruption
        self.penalties = penalties
        self.recipe = recipe
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.validation_fraction = validation_fraction
        self.test_fraction = test_fraction
        self.device = device
        self.precision = precision
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        history: History | None = None,
        checkpoint: str | os.PathLike[str] | Checkpoint | None = None,
    ) -> "DeepAutoencoder":
        """Learn from rows.

        Arguments:
            X: array, frame or `layerwise.data.Table`, shape (rows, columns), NaN where missing.
            y: ignored.
            history: takes the events of training as they come, for instance into a file.
            checkpoint: a folder, or a `Checkpoint`, in which the state of training is kept: the same call goes on from
                it, whatever ended the one before, and gives the same bits. It needs a `random_state`.

        Raises:
            InputError: for fewer than two rows, or data and arguments that do not fit.
            CheckpointError: when the folder belongs to another run or is in use.
            TrainingDiverged: when the loss stops being finite.
        """
        check_arguments(self.get_params(deep=False))
        table, seed = self._table(X, reset=True), self._seed()
        going_on = self.warm_start and "model_" in vars(self)
        split, folds = self._split(table, seed=seed, folds=not going_on)
        schema = self.schema_ if going_on else schema_of(table, split, scaling=self.scaling)
        told: set[str] = set()
        parts = parts_of(schema, table, split, told=told)
        if going_on:
            self._check_same_shape(schema)

        def make(rows: Rows) -> Network:
            return self.model_ if going_on else self._fresh(schema, rows, seed=seed)

        with self._run(seed, schema, history=history, checkpoint=checkpoint, folds=folds) as run:
            trained = train(make, partial(self._recipe, schema), schema=schema, parts=parts, run=run)
        self._take(schema, trained.model, told)
        self.components_, self.recipe_, self.history_ = trained.components, describe(trained.recipe), trained.history
        self.metrics_, self.examples_ = trained.metrics, trained.examples
        return self

    def partial_fit(self, X: Any, y: Any = None) -> "DeepAutoencoder":
        """Go through these rows once; the first call fixes the schema and the principal components by its rows.

        It is one phase for the whole, whatever the recipe, whose layers are not pre-trained by it.

        Arguments:
            X: as in `fit`.
            y: ignored.

        Raises:
            InputError: for data that do not fit the first call's.
        """
        check_arguments(self.get_params(deep=False))
        first = "model_" not in vars(self)
        table, seed = self._table(X, reset=first), self._seed()
        schema = Schema.fit(table, scaling=self.scaling) if first else self.schema_
        told = set() if first else self._told
        rows = schema.encode(table, told=told)
        if first:
            self._take(schema, self._fresh(schema, rows, seed=seed), told)
            self.components_ = PrincipalComponents.fit(rows, self.model_.code)
            self.history_ = History()
        self.partial_fits_ += 1
        # A schedule or an average over so few steps would only hold them back.
        usual = self._default(self._setting(schema, len(rows)), epochs=1)
        phases = [replace(phase, schedule=Constant(), average=0.0) for phase in usual]
        fit(
            self.model_,
            rows,
            phases,
            seed=seed + self.partial_fits_,
            runtime=Runtime(self.device, self.precision),
            history=self.history_,
        )
        self.recipe_ = describe(phases)
        some = rows.take(slice(0, JUDGED_ROWS))
        self.metrics_, self.examples_ = judge(self.model_, self.components_, some, schema=schema, what="training rows")
        return self

    def transform(self, X: Any) -> NDArray[np.float32]:
        """The code of each row, shape (rows, n_components).

        Raises:
            InputError: for other columns than in `fit`.
        """
        rows = self._rows(X)
        codes = [run.code for _, run in passes(self.model_, rows)]
        return torch.cat(codes).numpy() if codes else np.empty((0, self.model_.code), np.float32)

    def inverse_transform(self, X: Any) -> Any:
        """Rows back from their codes, in the original columns, units and types.

        Returns:
            An array where `fit` was given an array, a frame of the same library where it was given a frame.

        Raises:
            InputError: for codes of another width.
        """
        check_is_fitted(self)
        codes = np.array(X, dtype=np.float32)
        if codes.ndim != 2 or codes.shape[1] != self.model_.code:
            raise InputError(f"codes must have the shape (rows, {self.model_.code}); got {codes.shape}.")
        if not np.isfinite(codes).all():
            row = int(np.flatnonzero(~np.isfinite(codes).all(1))[0])
            raise InputError(f"codes must be finite; found {codes[row].tolist()} in row {row}.")
        device = next(self.model_.parameters()).device
        with torch.no_grad():
            decoded = [self.model_.decode(part.to(device)).cpu() for part in torch.from_numpy(codes).split(2048)]
        return like(self.schema_.decode(torch.cat(decoded).numpy()), X, self._backend)

    def reconstruct(self, X: Any) -> Any:
        """Rows after a passage through the code, in the original columns, units and types (a frame for a frame)."""
        return like(self.reconstruct_table(self._table(X, reset=False)), X, self._backend)

    def reconstruct_table(self, table: Table) -> Table:
        """A table after a passage through the code."""
        rows = self._encode(table)
        outputs = [run.reconstruction for _, run in passes(self.model_, rows)]
        return self.schema_.decode(torch.cat(outputs).numpy())

    def score_samples(self, X: Any) -> NDArray[np.float64]:
        """Minus the squared error of each row: sum over its observed features, scaled units; higher is better."""
        errors = []
        for batch, run in passes(self.model_, self._rows(X)):
            squares = (run.reconstruction - batch.x).double().square()
            errors.append((squares if batch.observed is None else squares * batch.observed).sum(1))
        return -torch.cat(errors).numpy()

    def score(self, X: Any, y: Any = None) -> float:
        """The mean of `score_samples`: minus the squared error; higher is better."""
        return float(self.score_samples(X).mean())

    def evaluate(self, X: Any) -> dict[str, Any]:
        """The comparison with the column means and PCA on these rows, as in `metrics_`."""
        rows = self._rows(X)
        return judge(self.model_, self.components_, rows, schema=self.schema_, what="given rows")[0]

    def plan(self, X: Any) -> tuple[Schema, Network, Recipe]:
        """What `fit` would make of these rows: the schema, the untrained model and the phases."""
        check_arguments(self.get_params(deep=False))
        table, seed = self._table(X, reset=True), self._seed()
        split, _ = self._split(table, seed=seed)
        schema = schema_of(table, split, scaling=self.scaling)
        rows = schema.encode(table, told=set()).take(split.train)
        recipe = self._recipe(schema, len(rows))
        model = self._plan().model(schema, rows=len(rows), seed=seed)
        check(model, rows, recipe=recipe, runtime=Runtime(self.device, self.precision))
        return schema, model, recipe

    def report(self, path: str | os.PathLike[str], X: Any = None, *, title: str = "Autoencoder") -> None:
        """Write one self-contained HTML page that shows how good the model is.

        Arguments:
            path: the page to write.
            X: rows to show; by default those which `fit` held out. A `Table` may bring labels for the map.
            title: its heading.

        Raises:
            ResourceError: when the place cannot be written.
        """
        check_is_fitted(self)
        saved, source = self.saved(), f"{self.metrics_.get('held_out', 'rows')} of the data it was fitted to"
        if X is not None:
            table = self._table(X, reset=False)
            rows = self._encode(table)
            metrics, examples = judge(self.model_, self.components_, rows, schema=self.schema_, what="given rows")
            saved = replace(saved, metrics=plain(metrics), examples=examples)
            source = table.source or "the given rows"
        write_report(report_data(saved, title=title, source=source), path)

    def saved(self) -> SavedModel:
        """All that a model folder holds."""
        return self._as_saved({}, components=self.components_, examples=self.examples_)

    @classmethod
    def load(cls, folder: str | os.PathLike[str], *, device: str = "auto") -> "DeepAutoencoder":
        """A fitted estimator from a model folder, without unpickling.

        Raises:
            ModelFileError: when the folder is missing, damaged, changed or newer.
        """
        saved = load_model(folder)
        if not isinstance(saved.model, Network) or saved.components is None:
            raise ModelFileError(f"{folder}: must hold an autoencoder; found another model.")
        estimator = cls(saved.model.code, device=device)
        if isinstance(saved.model, Dense):
            estimator.hidden_layer_sizes = saved.model.hidden
        estimator._restore(saved)
        estimator.model_.to(Runtime(device, "float32").torch_device)
        estimator.components_, estimator.examples_, estimator.partial_fits_ = saved.components, saved.examples, 0
        return estimator

    @property
    def _n_features_out(self) -> int:
        return self.model_.code

    def _take(self, schema: Schema, model: Network, told: set[str]) -> None:
        self.schema_, self.model_, self._told = schema, model, told
        self.environment_ = environment()
        self.ignored_: tuple[str, ...] = ()
        self.partial_fits_ = 0

    def _fresh(self, schema: Schema, rows: Rows, *, seed: int) -> Network:
        model = self._plan().model(schema, rows=len(rows), seed=seed)
        prepare(model, rows)
        return model

    def _split(self, table: Table, *, seed: int, folds: bool = True) -> tuple[Split, int]:
        return divide(table, self.validation_fraction, test_fraction=self.test_fraction, seed=seed, folds=folds)

    def _check_same_shape(self, schema: Schema) -> None:
        wanted, present = self._plan().model(schema, rows=0, seed=0).widths, self.model_.widths
        if wanted != present:
            raise InputError(f"with warm_start=True the widths must stay {present}; got {wanted}. Use a new estimator.")

    def _plan(self) -> Plan:
        return Plan(
            self.n_components,
            self.hidden_layer_sizes,
            self.layer,
            self.linear_path,
            self.fidelity,
            self.penalties,
            self.code_activation,
            architecture(named(self.recipe)),
        )

    def _recipe(self, schema: Schema, rows: int) -> Recipe:
        setting, recipe = self._setting(schema, rows), named(self.recipe)
        if recipe is None:
            return self._default(setting, epochs=self.max_epochs)
        return list(recipe(setting) if callable(recipe) else recipe)

    def _setting(self, schema: Schema, rows: int) -> Setting:
        plan = self._plan()
        pictures = schema.pixels is not None
        return Setting(rows, plan.objective(schema), pictures=pictures, widths=plan.widths(schema))

    def _default(self, setting: Setting, *, epochs: int | None) -> Recipe:
        numbers = {"epochs": epochs, "batch_size": self.batch_size, "lr": self.learning_rate}
        return default(setting, corruption=self.corruption, **plain(numbers))
