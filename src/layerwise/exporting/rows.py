"""Autoencoders and imputers as graphs."""

import copy
import math
from collections.abc import Iterator
from typing import final

import torch
from torch import Tensor, nn

from layerwise.data import Table
from layerwise.estimators import AutoencoderImputer
from layerwise.estimators.loading import Encoder
from layerwise.exporting.cells import Numbers, allowed_cells, cells_of, relative, row_trials
from layerwise.exporting.columns import sink_of, source_of
from layerwise.exporting.ports import Arrays, Expected, Graph, Port, Trial, about_columns
from layerwise.models import FactorModel

__all__ = ["Coding", "Completing"]

# The logarithm of what float64 loses beside 1.
ROUNDING = 36.0


@final
class Coding(Graph):
    """The code of each row, the row as it comes back, and its error."""

    def __init__(self, estimator: Encoder) -> None:
        super().__init__()
        self.estimator, self.schema, self.model = estimator, estimator.schema_, estimator.model_
        self.source, self.sink = source_of(self.schema), sink_of(self.schema, "reconstruction")
        self.inputs = self.source.ports
        self.outputs = (Port("code", ("batch", self.model.code)), *self.sink.ports, Port("error", ("batch",)))

    def forward(self, *cells: Tensor) -> tuple[Tensor, ...]:
        """Code, reconstruction in the units of the cells, and the sum of squares over the observed features."""
        x, observed = self.source(*cells)
        run = self.model(x)
        squares = (run.reconstruction - x).double().square() * observed
        return run.code, *self.sink(run.reconstruction), squares.sum(1).float()

    def trials(self) -> Iterator[Trial]:
        """Beside `transform`, `reconstruct` and `score_samples`."""
        return row_trials(self.schema, self._expected)

    def about(self) -> dict[str, object]:
        """The columns."""
        return {"task": "reconstruct", "columns": about_columns(self.schema)}

    def _expected(self, table: Table, sizes: Numbers) -> Expected:
        found: Arrays = {"code": self.estimator.transform(table), "error": -self.estimator.score_samples(table)}
        cells = cells_of(self.schema, self.estimator.reconstruct_table(table), self.sink.ports)
        allowed = allowed_cells(self.schema, cells, self.sink.ports, sizes=sizes)
        return Expected(found | cells, relative(found, sizes) | allowed)


@final
class Completing(Graph):
    """The rows without gaps."""

    def __init__(self, estimator: AutoencoderImputer) -> None:
        super().__init__()
        self.estimator, self.schema = estimator, estimator.schema_
        self.model = copy.deepcopy(estimator.model_).double()
        self.linear = _Conditional(self.model.linear)
        self.source, self.sink = source_of(self.schema), sink_of(self.schema, "completed")
        self.inputs = self.source.ports
        self.outputs = tuple(
            port._replace(keeps=given.name if port.levels else "")
            for port, given in zip(self.sink.ports, self.inputs, strict=True)
        )

    def forward(self, *cells: Tensor) -> tuple[Tensor, ...]:
        """The cells, and in missing ones what is to be expected."""
        x, observed = self.source(*cells)
        filled = self.linear(x.double(), observed)
        found = self.sink(torch.where(observed, x, self.model.expected(filled, observed)))
        return tuple(
            torch.where(given.isnan(), new, given) if given.is_floating_point() else new
            for given, new in zip(cells, found, strict=True)
        )

    def trials(self) -> Iterator[Trial]:
        """Beside `complete`."""
        return row_trials(self.schema, self._expected)

    def about(self) -> dict[str, object]:
        """The columns."""
        return {"task": "impute", "columns": about_columns(self.schema)}

    def _expected(self, table: Table, sizes: Numbers) -> Expected:
        found = cells_of(self.schema, self.estimator.complete(table), self.sink.ports)
        return Expected(found, allowed_cells(self.schema, found, self.sink.ports, sizes=sizes))


@final
class _Conditional(nn.Module):
    """Rows as a factor model fills them, with an inverse by products alone, since graphs know no factorization.

    Newton's iteration X <- X (2 I - A X) squares the residual I - A X each time. The matrix of a row is that of no row
    with more known cells exceeds, so that the largest eigenvalue of all of them bounds the first residual, and says how
    often is enough.

    Source: Schulz 1933, "Iterative Berechnung der reziproken Matrix".
    """

    unit: Tensor

    def __init__(self, model: FactorModel) -> None:
        super().__init__()
        self.model = model
        everything = torch.ones(1, len(model.mean), dtype=torch.bool)
        precision = model.equations(model.mean.unsqueeze(0), everything).precision
        self.largest = float(torch.linalg.eigvalsh(precision).max())
        self.steps = math.ceil(math.log2(ROUNDING * self.largest))
        self.register_buffer("unit", torch.eye(precision.shape[1], dtype=precision.dtype))

    def forward(self, x: Tensor, observed: Tensor) -> Tensor:
        precision, weighted = self.model.equations(x, observed)
        inverse = self.unit / self.largest
        for _ in range(self.steps):
            inverse = inverse @ (2 * self.unit - precision @ inverse)
        factors = (inverse @ weighted).squeeze(2)
        return torch.where(observed, x, self.model.decode(factors))
