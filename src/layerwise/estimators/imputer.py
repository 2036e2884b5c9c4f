"""The imputer as a scikit-learn transformer."""

import copy
import os
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, final

import numpy as np
import torch
from sklearn.base import OneToOneFeatureMixin, TransformerMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from layerwise.data import Rows, Schema, Table
from layerwise.data.completion import completed
from layerwise.data.fitting import WantedScaling
from layerwise.errors import ModelFileError
from layerwise.estimators.arguments import LayerChoice, check_arguments, layer_of, named
from layerwise.estimators.base import RowsEstimator
from layerwise.estimators.frames import backend_of, like
from layerwise.estimators.imputation import Found, Hiding, Masked, copies_of, found_cells, make_imputer
from layerwise.estimators.page import report_data
from layerwise.models import Imputer, Layer, Predictor
from layerwise.penalties import partial_error
from layerwise.randomness import generator
from layerwise.recipes import Setting, imputation
from layerwise.report import write_report
from layerwise.runtime import Precision
from layerwise.storage import SavedModel, environment, load_model, plain
from layerwise.training import Checkpoint, History, Objective, Phase, Recipe, describe

__all__ = ["AutoencoderImputer"]

CHUNK = 1024
MOST_ROWS, EVALUATED = 100_000, 5000
FEW_ROWS = 1000
DROPOUT = 0.2


@final
class AutoencoderImputer(OneToOneFeatureMixin, TransformerMixin, RowsEstimator):
    """Fills missing cells of numbers, yes/no columns and categories from what the row has.

    A factor model, fitted to rows with gaps as they are, says what is to be expected of a linear relation; a denoising
    network, which has to fill cells that are hidden from it, adds what is not linear, where that helps on rows that
    neither has seen. Cells that are there stay as they are.

    Arguments:
        hidden_layer_sizes: of the network.
        layer: activation, initializer, normalization and dropout; None is `Layer()`, with a dropout of 0.2 for fewer
            than 1000 rows; as in `DeepAutoencoder` an initializer or its name alone.
        scaling: "standard" (robust), "common" (one scale for all columns), "minmax" or "none"; "auto" is minmax for
            8-bit pictures, common for the samples of a signal, else standard.
        recipe: a function that makes phases of a `Setting`, a recipe's name, or phases; None is `recipes.imputation`.
        device: "auto", "cpu", "cuda:1", "mps": where the network is trained.
        precision: "auto", "float32" or "bf16".
        random_state: seed of everything random.
        verbose: 1 shows progress on standard error.

    Attributes:
        model_: the `Imputer` module.
        schema_: how columns become features, and back.
        history_, recipe_, environment_: as in `DeepAutoencoder`.
        metrics_: of each column the share of missing cells, and the mean squared error in hidden cells of rows that
            were not trained on (scaled units, sum over a category's features): of the column's mean, of the factor
            model and of the whole.
        n_features_in_, feature_names_in_: as in scikit-learn.

    Sources: Little & Rubin 2019, "Statistical analysis with missing data"; Vincent et al. 2010 (denoising); Gondara &
    Wang 2018, "MIDA: multiple imputation using denoising autoencoders".

    >>> draw = np.random.default_rng(0)
    >>> x = draw.normal(size=(200, 1)) * [1.0, 2.0, 3.0] + draw.normal(0, 0.1, (200, 3))
    >>> x[0] = [1.0, np.nan, 3.0]
    >>> AutoencoderImputer(random_state=0).fit_transform(x)[0].round()
    array([1., 2., 3.])
    """

    def __init__(
        self,
        *,
        hidden_layer_sizes: Sequence[int] = (256, 256),
        layer: LayerChoice = None,
        scaling: WantedScaling = "auto",
        recipe: str | Sequence[Phase] | Callable[[Setting], Sequence[Phase]] | None = None,
        device: str = "auto",
        precision: Precision = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.layer = layer
        self.scaling = scaling
        self.recipe = recipe
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
    ) -> "AutoencoderImputer":
        """Learn from rows, with gaps or without.

        Arguments:
            X: array, frame or `layerwise.data.Table`, shape (rows, columns), NaN where missing.
            y: ignored.
            history: takes the events of training as they come.
            checkpoint: as in `DeepAutoencoder.fit`.

        Raises:
            InputError: for fewer than two rows, or data and arguments that do not fit.
            CheckpointError: when the folder belongs to another run or is in use.
            TrainingDiverged: when the loss stops being finite.
        """
        check_arguments(self.get_params(deep=False))
        table, seed = self._table(X, reset=True), self._seed()
        schema, told = self._schema(table), set[str]()
        rows = schema.encode(table, told=told)
        chosen = torch.randperm(len(rows), generator=generator(seed, -2))[:MOST_ROWS].sort().values
        x, observed = _whole(rows.take(chosen))
        with self._run(seed, schema, history=history, checkpoint=checkpoint) as run:
            model, found = make_imputer(
                x,
                observed,
                widths=_widths(schema),
                make=partial(self._network, len(x), seed),
                recipe=self._recipe,
                run=run,
            )
        self.schema_, self.model_, self._told = schema, model, told
        self.environment_, self.ignored_ = environment(), ()
        self.history_, self.recipe_ = run.history, describe(self._recipe(len(x) * copies_of(len(x))))
        self.metrics_ = _figures(schema, found, rows, observed)
        return self

    def transform(self, X: Any) -> Any:
        """The rows without gaps: in each missing cell what is to be expected, or the most likely category.

        Columns of which `fit` saw whole numbers alone are filled with whole ones.

        Returns:
            An array for an array, a frame of the same library for a frame. A column that had no value at all in `fit`
            stays empty.

        Raises:
            InputError: for other columns than in `fit`.
        """
        check_is_fitted(self)
        return like(self.complete(self._table(X, reset=False)), X, backend_of(X))

    def complete(self, table: Table) -> Table:
        """A table without gaps."""
        return self._filled(table, Imputer.forward)

    def sample(self, X: Any, n_samples: int = 10, *, random_state: int = 0) -> list[Any]:
        """The rows, several times, with each missing cell drawn from what the others leave possible.

        Arguments:
            X: as in `transform`.
            n_samples: how many times; what differs between them is what the gaps leave unknown. Whatever is estimated
                from the rows is estimated from each of them, and pooled by Rubin's rules.
            random_state: seed of the draws.

        Raises:
            InputError: for other columns than in `fit`.
        """
        check_is_fitted(self)
        table = self._table(X, reset=False)
        return [like(one, X, backend_of(X)) for one in self.samples(table, n_samples, random_state=random_state)]

    def samples(self, table: Table, count: int, *, random_state: int = 0) -> Iterator[Table]:
        """The tables of `sample`, one after the other."""
        for number in range(count):
            yield self._filled(table, partial(Imputer.draw, generator=generator(random_state, -7, number)))

    def evaluate(self, X: Any) -> dict[str, Any]:
        """The figures of `metrics_` on these rows, of which known cells are hidden.

        Raises:
            InputError: for other columns than in `fit`.
        """
        check_is_fitted(self)
        rows = self._encode(self._table(X, reset=False))
        x, observed = _whole(rows)
        hide = Hiding(_widths(self.schema_), seed=1)
        hidden = Masked(x, observed, self.model_.linear, hide=hide, copies=max(1, EVALUATED // len(x)))
        return _figures(self.schema_, found_cells(self.model_, hidden), rows, observed)

    def plan(self, X: Any) -> tuple[Schema, Predictor, Recipe]:
        """What `fit` would make of these rows: the schema, the untrained network and its phases."""
        check_arguments(self.get_params(deep=False))
        table, seed = self._table(X, reset=True), self._seed()
        schema = self._schema(table)
        model = self._network(len(table), seed, 2 * schema.n_features, schema.n_features)
        return schema, model, self._recipe(len(table) * copies_of(len(table)))

    def report(self, path: str | os.PathLike[str], X: Any = None, *, title: str = "Gaps") -> None:
        """Write one self-contained HTML page that shows how well gaps are filled, column by column.

        Arguments:
            path: the page to write.
            X: rows of which known cells are hidden; by default those of `fit`.
            title: its heading.

        Raises:
            ResourceError: when the place cannot be written.
        """
        check_is_fitted(self)
        saved, source = self.saved(), "the rows that it was fitted to"
        if X is not None:
            table = self._table(X, reset=False)
            saved, source = replace(saved, metrics=plain(self.evaluate(table))), table.source or "the given rows"
        write_report(report_data(saved, title=title, source=source), path)

    def saved(self) -> SavedModel:
        """All that a model folder holds."""
        return self._as_saved({})

    @classmethod
    def load(cls, folder: str | os.PathLike[str], *, device: str = "auto") -> "AutoencoderImputer":
        """A fitted imputer from a model folder, without unpickling.

        Raises:
            ModelFileError: when the folder is missing, damaged, changed or newer.
        """
        saved = load_model(folder)
        if not isinstance(saved.model, Imputer):
            raise ModelFileError(f"{folder}: must hold an imputer; found another model.")
        estimator = cls(hidden_layer_sizes=saved.model.net.hidden, device=device)
        estimator._restore(saved)
        return estimator

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _schema(self, table: Table) -> Schema:
        return Schema.fit(table, scaling=self.scaling).bounded(table)

    def _network(self, rows: int, seed: int, inputs: int, outputs: int) -> Predictor:
        layer = layer_of(self.layer, Layer(dropout=DROPOUT if rows < FEW_ROWS else 0.0))
        return Predictor(inputs, self.hidden_layer_sizes, outputs=outputs, layer=layer, seed=seed)

    def _recipe(self, rows: int) -> Recipe:
        setting, recipe = Setting(rows, goal=Objective(partial_error)), named(self.recipe) or imputation
        return list(recipe(setting) if callable(recipe) else recipe)

    def _filled(self, table: Table, fill: Callable[[Imputer, Tensor, Tensor], Tensor]) -> Table:
        rows, found = self._encode(table), []
        # In float32 the factor model's equations lose the third digit of a cell, where columns nearly agree.
        exact = copy.deepcopy(self.model_).double()
        with torch.no_grad():
            for index in torch.arange(len(rows)).split(CHUNK):
                x, observed, _ = rows.batch(index)
                found.append(x if observed is None else fill(exact, x.double(), observed))
        return completed(table, self.schema_.decode(torch.cat(found).numpy()))


def _widths(schema: Schema) -> tuple[int, ...]:
    """Of the columns, whose features are missing together; of pictures the pixels."""
    if schema.pixels is not None:
        return (1,) * schema.n_features
    return tuple(block.stop - block.start for block in schema.layout)


def _figures(schema: Schema, found: Found, rows: Rows, observed: Tensor) -> dict[str, Any]:
    metrics: dict[str, Any] = {"task": "impute", "rows": len(rows), "features": schema.n_features}
    metrics["missing"] = float((~observed).float().mean())
    if schema.pixels is not None:
        return metrics | {name: float(values.nansum()) for name, values in found.errors.items()}
    metrics["columns"] = [
        {
            "name": block.column.name,
            "kind": block.kind,
            "missing": float((~observed[:, block.start]).float().mean()),
            "hidden": int(found.cells[block.start]),
            **{name: float(values[block.start : block.stop].nansum()) for name, values in found.errors.items()},
        }
        for block in schema.layout
    ]
    return metrics | {name: sum(column[name] for column in metrics["columns"]) for name in found.errors}


def _whole(rows: Rows) -> tuple[Tensor, Tensor]:
    """All rows at once, and what is known of them."""
    x, observed, _ = rows.batch(slice(None))
    return x, torch.ones_like(x, dtype=torch.bool) if observed is None else observed
