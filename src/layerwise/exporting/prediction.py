"""Detectors, classifiers and regressors as graphs."""

import copy
from collections.abc import Iterator
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor, nn

from layerwise.data import Table
from layerwise.errors import InputError
from layerwise.estimators import AutoencoderDetector, StackedClassifier, StackedRegressor
from layerwise.estimators.detection import Null
from layerwise.estimators.targets import Numbers as Standardized
from layerwise.exporting.cells import ROWS, Numbers, batched, feeds_of, relative, row_trials, table_of, ties
from layerwise.exporting.columns import source_of
from layerwise.exporting.ports import Arrays, Expected, Graph, Port, Trial, about_columns

__all__ = ["Classes", "Classifying", "Detecting", "Regressing"]

# Of the integral of the normal density: how far it is taken, and in how many points.
REACH, POINTS = 12.0, 60


@final
class Detecting(Graph):
    """How strange each row is, how likely an anomaly, and whether it is flagged; of a series the last point of each."""

    def __init__(self, estimator: AutoencoderDetector) -> None:
        super().__init__()
        self.estimator, self.schema, self.window = estimator, estimator.schema_, estimator.window
        # As the estimator itself: in float32 the last digit of a score goes by the rows beside it.
        self.model = copy.deepcopy(estimator.model_).double()
        self.source, self.null = source_of(self.schema, window=self.window), _Calibrated(estimator.null_)
        self.inputs = self.source.ports
        scores = (Port(name, ("batch",)) for name in ("anomaly_score", "anomaly_probability"))
        self.outputs = (*scores, Port("prediction", ("batch",), torch.int64))
        self.instead = {torch.ops.aten.cdist.default: _distances}

    def forward(self, *cells: Tensor) -> tuple[Tensor, ...]:
        """Score, probability, and -1 for rows that are flagged, 1 for the others."""
        x, observed = self.source(*cells)
        score = self.model(x.double(), observed)
        flagged = -score - self.estimator.offset_ < 0
        return score.float(), self.null(score).float(), torch.where(flagged, -1, 1)

    def trials(self) -> Iterator[Trial]:
        """Beside `anomaly_score`, `anomaly_probability` and `predict`."""
        if self.window is None:
            return row_trials(self.schema, self._expected)
        feeds, length = feeds_of(self.schema, ROWS * self.window), self.window
        series = [
            {name: cells[start : start + length] for name, cells in feeds.items()}
            for start in range(0, ROWS * length, length)
        ]
        found = [self._scores(table_of(self.schema, one)) for one in series]
        expected = {name: np.stack([one[name][-1] for one in found]) for name in found[0]}
        windows: Arrays = {name: cells.reshape(ROWS, length, -1) for name, cells in feeds.items()}
        return batched(windows, self._within(expected))

    def about(self) -> dict[str, object]:
        """The columns, above which score rows are flagged, and how many points each judgement needs."""
        told: dict[str, object] = {"task": "detect", "columns": about_columns(self.schema)}
        told["threshold"] = -float(self.estimator.offset_)
        return told if self.window is None else told | {"window": self.window}

    def _expected(self, table: Table, sizes: Numbers) -> Expected:
        return self._within(self._scores(table))

    def _scores(self, table: Table) -> Arrays:
        judge = self.estimator
        scores = {"anomaly_score": judge.anomaly_score(table), "anomaly_probability": judge.anomaly_probability(table)}
        return {**scores, "prediction": judge.predict(table)}

    def _within(self, found: Arrays) -> Expected:
        return Expected(found, relative({name: one for name, one in found.items() if name != "prediction"}))


@final
class Classifying(Graph):
    """The probabilities of the classes, the class, and the code of each row."""

    def __init__(self, estimator: StackedClassifier) -> None:
        super().__init__()
        _refuse_head(estimator)
        self.estimator, self.schema, self.model = estimator, estimator.schema_, estimator.model_
        self.source, self.classes = source_of(self.schema), Classes(estimator.classes_)
        self.inputs = self.source.ports
        self.outputs = (
            Port("probabilities", ("batch", self.model.outputs)),
            self.classes.port("batch"),
            Port("code", ("batch", self.model.code)),
        )

    def forward(self, *cells: Tensor) -> tuple[Tensor, ...]:
        """Of the net's own head."""
        run = self.model(self.source(*cells).x)
        return run.natural.double().softmax(1).float(), self.classes(run.natural.argmax(1)), run.code

    def trials(self) -> Iterator[Trial]:
        """Beside `predict_proba`, `predict` and `transform`."""
        return row_trials(self.schema, self._expected)

    def about(self) -> dict[str, object]:
        """The columns, and the classes in the order of their probabilities."""
        return {
            "task": "classify",
            "columns": about_columns(self.schema),
            "classes": self.estimator.classes_.tolist(),
        }

    def _expected(self, table: Table, sizes: Numbers) -> Expected:
        shares, classes = self.estimator.predict_proba(table), self.estimator.predict(table)
        found: Arrays = {"probabilities": shares, "code": self.estimator.transform(table)}
        return Expected(found | {"prediction": classes}, relative(found, sizes), {"prediction": ties(shares)})


@final
class Regressing(Graph):
    """The numbers that are predicted for each row, and its code."""

    center: Tensor
    scale: Tensor

    def __init__(self, estimator: StackedRegressor) -> None:
        super().__init__()
        _refuse_head(estimator)
        self.estimator, self.schema, self.model = estimator, estimator.schema_, estimator.model_
        target = estimator.target_
        assert isinstance(target, Standardized)
        self.flat = target.flat
        self.register_buffer("center", torch.from_numpy(target.center))
        self.register_buffer("scale", torch.from_numpy(target.scale))
        self.source = source_of(self.schema)
        self.inputs = self.source.ports
        width = () if self.flat else (self.model.outputs,)
        self.outputs = Port("prediction", ("batch", *width)), Port("code", ("batch", self.model.code))

    def forward(self, *cells: Tensor) -> tuple[Tensor, ...]:
        """Numbers in their own units."""
        run = self.model(self.source(*cells).x)
        numbers = (run.natural.double() * self.scale + self.center).float()
        return numbers[:, 0] if self.flat else numbers, run.code

    def trials(self) -> Iterator[Trial]:
        """Beside `predict` and `transform`."""
        return row_trials(self.schema, self._expected)

    def about(self) -> dict[str, object]:
        """The columns."""
        return {"task": "regress", "columns": about_columns(self.schema)}

    def _expected(self, table: Table, sizes: Numbers) -> Expected:
        predicted: Arrays = {"prediction": np.asarray(self.estimator.predict(table))}
        found: Arrays = {"code": self.estimator.transform(table)}
        unit = self.scale.numpy()[0] if self.flat else self.scale.numpy()
        return Expected(predicted | found, relative(predicted, sizes, unit=unit) | relative(found, sizes))


@final
class Classes(nn.Module):
    """From the number of a class to the class."""

    values: Tensor

    def __init__(self, classes: NDArray[np.generic]) -> None:
        super().__init__()
        kinds = {"b": torch.bool, "i": torch.int64, "u": torch.int64, "f": torch.float32}
        texts = classes.dtype.kind not in kinds
        self.levels = (tuple(map(str, classes.tolist())),) if texts else ()
        kind = torch.int64 if texts else kinds[classes.dtype.kind]
        self.register_buffer("values", torch.tensor(range(len(classes)) if texts else classes.tolist(), dtype=kind))

    def port(self, *dims: str) -> Port:
        """The output that holds a class for each element."""
        return Port("prediction", dims, self.values.dtype, self.levels)

    def forward(self, places: Tensor) -> Tensor:
        """The classes of some numbers, in any shape."""
        return self.values[places]


@final
class _Calibrated(nn.Module):
    """From scores to probabilities: see `Null`."""

    scores: Tensor
    grid: Tensor
    floor: Tensor
    points: Tensor
    weights: Tensor

    def __init__(self, null: Null) -> None:
        super().__init__()
        self.middle, self.deviation, self.least = float(null.middle), null.deviation, 1 / (null.rows + 1)
        grid = np.unique(null.scores)
        points, weights = np.polynomial.legendre.leggauss(POINTS)
        points = REACH * (points + 1) / 2
        for name, values in {
            "scores": null.scores,
            "grid": grid,
            "floor": np.concatenate([[0.0], null.probability(grid)]),
            "points": points,
            # The density of the normal distribution at z + t is that at z, times exp(-z t - t^2 / 2).
            "weights": REACH / 2 * weights * np.exp(-(points**2) / 2) / np.sqrt(2 * np.pi),
        }.items():
            self.register_buffer(name, torch.from_numpy(values))

    def forward(self, score: Tensor) -> Tensor:
        z = ((score - self.middle) / self.deviation).clamp(min=0).unsqueeze(1)
        usual = (-z.square() / 2).exp().squeeze(1) * ((-z * self.points).exp() * self.weights).sum(1)
        below = (self.scores < score.unsqueeze(1)).double().sum(1)
        seen = (1 - below / len(self.scores)).clamp(min=self.least)
        tail = torch.where(score > self.middle, 1 - (usual / seen).clamp(self.least, 1), 0.0)
        return torch.maximum(self.floor[(self.grid <= score.unsqueeze(1)).long().sum(1)], tail)


def _distances(a: Tensor, b: Tensor, power: float = 2.0, mode: int | None = None) -> Tensor:
    """Euclidean distances by products, for which float64 has digits enough; ONNX has no others."""
    squares = a.square().sum(-1, keepdim=True) + b.square().sum(-1).unsqueeze(-2) - 2 * a @ b.mT
    return squares.clamp(min=0).sqrt()


def _refuse_head(estimator: StackedClassifier | StackedRegressor) -> None:
    if estimator.head is not None:
        raise InputError(
            f"a head of scikit-learn has no place in a graph; got {estimator.head!r}. Export a model that was fitted "
            "without a head."
        )
