"""What every estimator over rows shares: arrays, frames and tables in, encoded rows out."""

import os
from abc import ABC
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data

from layerwise.data import Rows, Schema, Table, read
from layerwise.errors import InputError
from layerwise.estimators.arrays import explain, unmasked
from layerwise.estimators.frames import backend_of, is_frame
from layerwise.training import Checkpoint

__all__ = ["RowsEstimator"]


class RowsEstimator(BaseEstimator, ABC):
    """An estimator whose rows are arrays, frames or tables, with a schema that is fitted once.

    Attributes:
        schema_: how columns become features, and back.
    """

    random_state: int | np.random.RandomState | None
    schema_: Schema
    _told: set[str]
    _backend: str

    @contextmanager
    def _kept(self, checkpoint: str | os.PathLike[str] | Checkpoint, schema: Schema) -> Iterator[Checkpoint]:
        """The checkpoints of a fit, locked."""
        if self.random_state is None:
            raise InputError("checkpoint needs a random_state: without one another seed is drawn every time.")
        choice = checkpoint if isinstance(checkpoint, Checkpoint) else Checkpoint(Path(checkpoint))
        choice = replace(choice, about={"columns": {column.name: column.kind for column in schema.columns}})
        with choice.locked():
            yield choice

    def _seed(self) -> int:
        if self.random_state is None:
            # Not NumPy's global generator: nobody else's numbers change because a model was fitted.
            return int(np.random.SeedSequence().entropy) % 2**31  # type: ignore[arg-type]
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def _table(self, X: Any, *, reset: bool) -> Table:
        if isinstance(X, Table):
            table = X
        elif is_frame(X):
            table = read(X)
            validate_data(self, X, reset=reset, skip_check_array=True)
        else:
            table = Table.from_array(self._array(unmasked(X), reset))
        if reset:
            self._backend = backend_of(X)
            if isinstance(X, Table):
                self.n_features_in_ = len(table.names)
        if reset and len(table) < 2:
            raise table.origin.error("training needs at least 2 rows; found 1. Give more rows.")
        return table

    def _array(self, X: Any, reset: bool) -> NDArray[Any]:
        # 8-bit numbers stay as they are; everything else becomes floating point.
        kind = None if isinstance(X, np.ndarray) and X.dtype.kind in "uib" and X.dtype.itemsize == 1 else "numeric"
        try:
            least = 2 if reset else 1
            return validate_data(self, X, reset=reset, dtype=kind, ensure_all_finite=False, ensure_min_samples=least)
        except (ValueError, TypeError):
            explain(X)
            raise

    def _rows(self, X: Any) -> Rows:
        check_is_fitted(self)
        return self._encode(self._table(X, reset=False))

    def _encode(self, table: Table) -> Rows:
        check_is_fitted(self)
        return self.schema_.encode(table, ordered=not table.source, told=self._told)
