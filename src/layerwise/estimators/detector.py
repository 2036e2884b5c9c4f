"""The anomaly detector as a scikit-learn estimator."""

import math
import os
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Literal, final

import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import OutlierMixin
from sklearn.utils import Tags
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from layerwise.data import Rows, Schema, Table, Windows
from layerwise.data.fitting import WantedScaling
from layerwise.errors import InputError, ModelFileError
from layerwise.estimators.arguments import LayerChoice, check_arguments, layer_of, named
from layerwise.estimators.assembly import Plan, prepare
from layerwise.estimators.base import RowsEstimator
from layerwise.estimators.detection import (
    LEAST_ROWS,
    Causes,
    Null,
    causes,
    divisions,
    error_maps,
    make_detector,
    strangeness,
    usual_rows,
)
from layerwise.estimators.labels import Labels
from layerwise.estimators.page import report_data
from layerwise.models import Dense, Detector, Layer
from layerwise.recipes import Setting, architecture, detection
from layerwise.report import write_report
from layerwise.runtime import Precision, Runtime
from layerwise.storage import SavedModel, environment, load_model, plain
from layerwise.training import Checkpoint, History, Phase, Recipe, check, describe

__all__ = ["AutoencoderDetector"]

# How much larger the code of each next member is.
STRIDE = 1.5
WIDTHS = (128, 64)
EXAMPLES = 12


@final
class AutoencoderDetector(OutlierMixin, RowsEstimator):
    """Finds strange rows: those which autoencoders of the usual rows do not give back, or code far from all others.

    The rows may hold anomalies already: a robust covariance finds the usual ones first, and only they train. Of each
    row are then judged the squared error of each column, over what is usual for that column; the distance of its code,
    by a robust covariance; and its distance from its nearest neighbours through the code. See `layerwise.models.Judge`.

    Arguments:
        n_components: size of the first member's code; None is a third of the columns (of the pixels of a picture), at
            least 2. Each next member's is half as large again, but for the samples of a signal.
        hidden_layer_sizes: widths from the input to the code, mirrored in the decoder; "auto" is (128, 64).
        n_members: how many autoencoders, with their own seeds and widths.
        window: the rows are the points of a series in their order, and so many of them make a window: what is judged is
            each point with those before it. None for rows that have no order. Columns that only rise, as clocks and row
            numbers do, are left out.
        trim: share of the rows that have no part in the robust covariance by which the usual rows are found. It may
            well be larger than that of the anomalies.
        contamination: share of the training rows that are flagged, from 0 (none) to 0.5; "auto" flags rows whose
            `anomaly_probability` is at least 0.5, and the strangest hundredth in any case.
        layer: activation, initializer, normalization and dropout of the hidden layers; None is `Layer()`; as in
            `DeepAutoencoder` an initializer or its name alone.
        scaling: "standard" (robust), "common" (one scale for all columns), "minmax" or "none"; "auto" is minmax for
            8-bit pictures, common for the samples of a signal, else standard.
        recipe: as in `DeepAutoencoder`; None is `recipes.detection`.
        device: "auto", "cpu", "cuda:1", "mps".
        precision: "auto", "float32" or "bf16".
        random_state: seed of everything random.
        verbose: 1 shows progress on standard error.

    Attributes:
        model_: the `Detector` module.
        schema_: how columns become features.
        offset_: `decision_function` is `score_samples` less this.
        null_: where the scores of rows lie that have nothing strange about them.
        history_, recipe_, environment_: as in `DeepAutoencoder`.
        metrics_: how many rows were seen and flagged; with labels, how well they are found. Of the rows of `fit`, or of
            `set_threshold`.
        examples_: the strangest of these rows and why, for the report.
        n_features_in_, feature_names_in_: as in scikit-learn.

    Sources: Hawkins, He, Williams & Baxter 2002 (replicator networks); Chen, Sathe, Aggarwal & Turaga 2017
    (ensembles of autoencoders); Rousseeuw & Van Driessen 1999 (concentration).

    >>> x = np.random.default_rng(0).normal(size=(300, 4))
    >>> x[0] = 9.0
    >>> detector = AutoencoderDetector(random_state=0).fit(x)
    >>> int(detector.anomaly_score(x).argmax()), int(detector.predict(x)[0])
    (0, -1)
    """

    def __init__(
        self,
        n_components: int | None = None,
        *,
        hidden_layer_sizes: Sequence[int] | Literal["auto"] = "auto",
        n_members: int = 3,
        window: int | None = None,
        trim: float = 0.3,
        contamination: float | Literal["auto"] = "auto",
        layer: LayerChoice = None,
        scaling: WantedScaling = "auto",
        recipe: str | Sequence[Phase] | Callable[[Setting], Sequence[Phase]] | None = None,
        device: str = "auto",
        precision: Precision = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.n_components = n_components
        self.hidden_layer_sizes = hidden_layer_sizes
        self.n_members = n_members
        self.window = window
        self.trim = trim
        self.contamination = contamination
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
    ) -> "AutoencoderDetector":
        """Learn what is usual from rows that may hold anomalies.

        Arguments:
            X: array, frame or `layerwise.data.Table`, shape (rows, columns), NaN where missing. A table may bring
                labels, as in `evaluate`, by which no training goes.
            y: ignored.
            history: takes the events of training as they come.
            checkpoint: as in `DeepAutoencoder.fit`.

        Raises:
            InputError: for fewer than two rows, or data, labels and arguments that do not fit.
            CheckpointError: when the folder belongs to another run or is in use.
            TrainingDiverged: when the loss stops being finite.
        """
        check_arguments(self.get_params(deep=False))
        table, seed = self._table(X, reset=True), self._seed()
        labels = Labels.of(table)
        schema, told = self._fitted_schema(table), set[str]()
        rows, seen = self._seen(schema.encode(table, told=told)), self._seen_schema(schema)
        usual = usual_rows(rows, seen, self.trim)
        parts = divisions(len(rows), usual, self.n_members, window=self.window)
        recipe = partial(self._recipe, seen)
        with self._run(seed, schema, history=history, checkpoint=checkpoint) as run:
            makers = [partial(self._fresh, seen, seed + number, code) for number, code in enumerate(self._codes(seen))]
            model, scores = make_detector(makers, recipe, schema=seen, rows=rows, parts=parts, run=run)
        self.schema_, self.model_, self._told = schema, model, told
        self.environment_, self.ignored_ = environment(), ()
        self.history_, self.recipe_ = run.history, describe(recipe(len(parts[0].core)))
        self.null_, judged = Null.of(scores), scores
        scores = strangeness(model, rows)
        # Neither by what it learned from nor by what a part of it did not learn from are more flagged than asked for.
        self.offset_ = min(self._offset(scores), self._offset(judged))
        self.metrics_, self.examples_ = self._judged(self._by_point(scores), labels), self._strangest(rows, scores)
        return self

    def set_threshold(self, X: Any, quantile: float = 0.99) -> "AutoencoderDetector":
        """Flag what is stranger than a share of rows that had no part in `fit`, instead of going by the rows of `fit`.

        `metrics_` and `examples_` are then of these rows.

        Arguments:
            X: as in `fit`; a table may bring labels.
            quantile: the share of these rows that is not flagged, from 0 to 1.

        Raises:
            InputError: for other columns than in `fit`, or another quantile.
        """
        check_is_fitted(self)
        if not 0 <= quantile <= 1:
            raise InputError(f"quantile must be a number from 0 to 1; got {quantile!r}.")
        table = self._table(X, reset=False)
        labels, rows, scores = self._looked_at(table)
        points = self._by_point(scores)
        self.offset_ = -float(np.quantile(points, quantile))
        self.metrics_ = self._judged(points, labels) | {"held_out": "rows that the threshold was set by"}
        self.examples_ = self._strangest(rows, scores)
        return self

    def anomaly_score(self, X: Any) -> NDArray[np.float64]:
        """How strange each row is; 0 is the middle of the training rows, higher is stranger.

        Raises:
            InputError: for other columns than in `fit`.
        """
        return self._scores(self._table(X, reset=False))

    def anomaly_probability(self, X: Any) -> NDArray[np.float64]:
        """The share of anomalies among rows that are as strange as each row, from 0 to 1; see `Null`."""
        scores = self.anomaly_score(X)
        return self.null_.probability(scores)

    def score_samples(self, X: Any) -> NDArray[np.float64]:
        """Minus `anomaly_score`: lower is stranger, as in scikit-learn."""
        return -self.anomaly_score(X)

    def decision_function(self, X: Any) -> NDArray[np.float64]:
        """`score_samples` less `offset_`: negative for rows that are flagged."""
        return self.score_samples(X) - self.offset_

    def predict(self, X: Any) -> NDArray[np.int64]:
        """-1 for rows that are flagged, 1 for the others."""
        return np.where(self.decision_function(X) < 0, -1, 1)

    def contributions(self, X: Any, *, rows: ArrayLike | None = None) -> NDArray[np.float64]:
        """By how much each row would be less strange if the cell of a column were what the others let one expect.

        Arguments:
            X: as in `fit`.
            rows: the numbers of those to be explained; None is all.

        Returns:
            Shape (rows, columns), in units of `anomaly_score`; 0 for missing cells and constant columns. Of pictures,
            (rows, pixels): rather use `error_map`. Of a series a column is hidden in the whole window that ends there.

        Raises:
            InputError: for other columns than in `fit`, or numbers of rows that are not there.
        """
        encoded = self._rows(X)
        chosen = np.arange(len(encoded)) if rows is None else _numbers(rows, len(encoded))
        first = 0 if self.window is None else self.window - 1
        return self._by_column(self._causes(self._seen(encoded).take(np.maximum(chosen - first, 0)), together=True))

    def error_map(self, X: Any) -> NDArray[np.float64]:
        """The squared error of each pixel over what is usual for it, shape (rows, height, width, ...).

        Raises:
            InputError: for a detector of tables, or other pictures than in `fit`.
        """
        rows = self._seen(self._rows(X))
        if self.schema_.pixels is None:
            raise InputError("an error map is of pictures; this detector was fitted to a table. Use contributions.")
        return error_maps(self.model_, rows).contributions.double().numpy().reshape(-1, *self.schema_.pixels.shape)

    def evaluate(self, X: Any, y: Any = None) -> dict[str, Any]:
        """The figures of `metrics_` on these rows.

        Arguments:
            X: as in `fit`; a `Table` may bring its labels.
            y: 1 (or True) for anomalies, 0 for the others, None or NaN where it is not known: how well they are found
                is that of the rows with a label. None leaves it out.

        Raises:
            InputError: for another number of labels, or other values.
        """
        check_is_fitted(self)
        table = self._table(X, reset=False)
        labels = Labels.of(table, y)
        return self._judged(self._scores(table), labels)

    def explain(self, X: Any, causes: int = 3, *, rows: ArrayLike | None = None) -> list[list[tuple[str, float]]]:
        """The columns that make each row strange, with their contributions; the largest first, those above 0 alone.

        Arguments:
            X: as in `fit`.
            causes: how many columns at most.
            rows: the numbers of those to be explained; None is all.

        Raises:
            InputError: for other columns than in `fit`, or numbers of rows that are not there.
        """
        names, values = self.schema_.names, self.contributions(X, rows=rows)
        order = np.argsort(-values, axis=1, kind="stable")[:, :causes]
        return [
            [(names[place], float(row[place])) for place in places if row[place] > 0]
            for row, places in zip(values, order, strict=True)
        ]

    def plan(self, X: Any) -> tuple[Schema, Dense, Recipe]:
        """What `fit` would make of these rows: the schema, the first untrained autoencoder and its phases."""
        check_arguments(self.get_params(deep=False))
        table, seed = self._table(X, reset=True), self._seed()
        schema = self._fitted_schema(table)
        rows, seen = self._seen(schema.encode(table, told=set())), self._seen_schema(schema)
        recipe = self._recipe(seen, math.ceil(len(rows) * (1 - self.trim)))
        model = self._plan(self.n_components).dense(seen, rows=len(rows), seed=seed)
        check(model, rows, recipe=recipe, runtime=Runtime(self.device, self.precision))
        return schema, model, recipe

    def report(self, path: str | os.PathLike[str], X: Any = None, *, title: str = "Anomalies") -> None:
        """Write one self-contained HTML page with the strangest rows and why they are strange.

        Arguments:
            path: the page to write.
            X: rows to show; by default those of `metrics_`. A `Table` may bring labels, as in `evaluate`.
            title: its heading.

        Raises:
            ResourceError: when the place cannot be written.
        """
        check_is_fitted(self)
        saved, source = self.saved(), f"the {self.metrics_.get('held_out', 'rows that it was fitted to')}"
        if X is not None:
            table = self._table(X, reset=False)
            labels, rows, scores = self._looked_at(table)
            metrics = plain(self._judged(self._by_point(scores), labels))
            saved = replace(saved, metrics=metrics, examples=self._strangest(rows, scores))
            source = table.source or "the given rows"
        write_report(report_data(saved, title=title, source=source), path)

    def saved(self) -> SavedModel:
        """All that a model folder holds."""
        null = {"scores": self.null_.scores.tolist(), "rows": self.null_.rows}
        settings = {"offset": float(self.offset_), "window": self.window, **null}
        return self._as_saved(settings, examples=self.examples_)

    @classmethod
    def load(cls, folder: str | os.PathLike[str], *, device: str = "auto") -> "AutoencoderDetector":
        """A fitted detector from a model folder, without unpickling.

        Raises:
            ModelFileError: when the folder is missing, damaged, changed or newer.
        """
        saved = load_model(folder)
        if not isinstance(saved.model, Detector):
            raise ModelFileError(f"{folder}: must hold a detector; found another model.")
        settings = saved.settings
        members = len(saved.model.members)
        estimator = cls(saved.model.code, n_members=members, window=settings["window"], device=device)
        estimator._restore(saved)
        estimator.model_.to(Runtime(device, "float32").torch_device)
        estimator.null_ = Null(np.array(settings["scores"]), settings["rows"])
        estimator.offset_, estimator.examples_ = settings["offset"], saved.examples
        return estimator

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        return tags

    def _fitted_schema(self, table: Table) -> Schema:
        schema = Schema.fit(table, scaling=self.scaling)
        if self.window is None:
            return schema
        windows = Windows(self.window)
        windows.check(table, least=LEAST_ROWS)
        return windows.points(schema, table)

    def _seen_schema(self, schema: Schema) -> Schema:
        """Of what the autoencoders see."""
        return schema if self.window is None else Windows(self.window).schema(schema)

    def _seen(self, rows: Rows) -> Rows:
        return rows if self.window is None else rows.windows(self.window)

    def _by_point(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        return scores if self.window is None else Windows(self.window).by_point(scores)

    def _scores(self, table: Table) -> NDArray[np.float64]:
        windows = self._windows(table)
        return self._by_point(strangeness(self.model_, windows))

    def _windows(self, table: Table) -> Rows:
        """The rows of a table as the autoencoders see them."""
        rows = self._encode(table)
        if self.window is not None:
            Windows(self.window).check(table)
        return self._seen(rows)

    def _looked_at(self, table: Table) -> tuple[Labels | None, Rows, NDArray[np.float64]]:
        """The labels of a table, its rows as the autoencoders see them, and their scores."""
        labels, rows = Labels.of(table), self._windows(table)
        return labels, rows, strangeness(self.model_, rows)

    def _offset(self, scores: NDArray[np.float64]) -> float:
        if self.contamination == "auto":
            return max(-self.null_.threshold(), float(np.percentile(-scores, 1)))
        return float(np.percentile(-scores, 100 * self.contamination))

    def _plan(self, code: int | None) -> Plan:
        hidden = WIDTHS if isinstance(self.hidden_layer_sizes, str) else self.hidden_layer_sizes
        return Plan(code, hidden, layer_of(self.layer, Layer()), architecture=architecture(named(self.recipe)))

    def _codes(self, schema: Schema) -> list[int]:
        first = self._plan(self.n_components).code_size(schema)
        # Of the samples of a signal a larger code learns the noise: they repeat each other.
        stride = 1.0 if schema.one_scale else STRIDE
        return [min(schema.n_features, max(1, round(first * stride**number))) for number in range(self.n_members)]

    def _fresh(self, schema: Schema, seed: int, code: int, rows: Rows) -> Dense:
        model = self._plan(code).dense(schema, rows=len(rows), seed=seed)
        prepare(model, rows)
        return model

    def _recipe(self, schema: Schema, rows: int) -> Recipe:
        plan = self._plan(self.n_components)
        setting = Setting(rows, plan.objective(schema), pictures=schema.pixels is not None, widths=plan.widths(schema))
        recipe = named(self.recipe) or detection
        return list(recipe(setting) if callable(recipe) else recipe)

    def _causes(self, rows: Rows, *, together: bool = False) -> Causes:
        means = torch.tensor(self._seen_schema(self.schema_).means or (0.0,) * rows.n_features)
        return causes(self.model_, rows, means, points=self.window or 1, together=together)

    def _by_column(self, found: Causes) -> NDArray[np.float64]:
        values = found.contributions.double().numpy()
        if self.schema_.pixels is not None:
            return values
        # Constant columns have no features.
        places = [place for place, column in enumerate(self.schema_.columns) if column.width]
        whole = np.zeros((len(values), len(self.schema_.columns)))
        whole[:, places] = values
        return whole

    def _strangest(self, rows: Rows, scores: NDArray[np.float64]) -> dict[str, Tensor]:
        """What the report shows: the strangest rows with their causes."""
        order = torch.from_numpy(_apart(np.argsort(-scores, kind="stable"), self.window or 1, EXAMPLES))
        some = rows.take(order)
        batch = some.batch(slice(None))
        found = self._causes(some) if self.schema_.pixels is None else error_maps(self.model_, some)
        seen = torch.ones_like(batch.x, dtype=torch.bool) if batch.observed is None else batch.observed
        return {
            "strange.row": order + (self.window or 1) - 1,
            "strange.score": torch.from_numpy(scores)[order],
            "strange.input": batch.x,
            "strange.observed": seen.to(torch.uint8),
            "strange.expected": found.expected,
            "strange.contributions": found.contributions,
        }

    def _judged(self, scores: NDArray[np.float64], labels: Labels | None) -> dict[str, Any]:
        quantiles = [0.05, 0.25, 0.5, 0.75, 0.95]
        threshold = -self.offset_
        metrics: dict[str, Any] = {
            "task": "detect",
            "rows": len(scores),
            "features": self.schema_.n_features,
            "flagged": int((scores > threshold).sum()),
            "threshold": threshold,
            "scores": {str(q): float(v) for q, v in zip(quantiles, np.quantile(scores, quantiles), strict=True)},
        }
        return metrics | ({} if labels is None else labels.judge(scores, threshold=threshold))


def _numbers(rows: ArrayLike, count: int) -> NDArray[np.int64]:
    """Numbers of rows, each of which is there."""
    found = np.asarray(rows)
    whole = found.ndim == 1 and (found.dtype.kind in "iu" or not len(found))
    if not whole or (len(found) and not 0 <= found.min() <= found.max() < count):
        raise InputError(f"rows must be a list of whole numbers from 0 to {count - 1:,}; got {rows!r}.")
    return found.astype(np.int64)


def _apart(order: NDArray[np.int64], distance: int, count: int) -> NDArray[np.int64]:
    """The first numbers that are not nearer to each other than a distance."""
    kept: list[int] = []
    for number in order.tolist():
        if len(kept) == count:
            break
        if all(abs(number - other) >= distance for other in kept):
            kept.append(number)
    return np.array(kept, np.int64)
