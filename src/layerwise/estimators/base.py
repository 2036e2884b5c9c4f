"""What every estimator over rows shares: arrays, frames and tables in, encoded rows out, and a model folder."""

import os
from abc import ABC, abstractmethod
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor

from layerwise.data import Rows, Schema, Table, read
from layerwise.errors import InputError
from layerwise.estimators.arrays import explain, unmasked
from layerwise.estimators.cross_validation import Run
from layerwise.estimators.frames import backend_of, is_frame
from layerwise.models import PrincipalComponents
from layerwise.runtime import Precision, Runtime
from layerwise.storage import SavedModel, plain, save_model
from layerwise.training import Checkpoint, History, ProgressBar

__all__ = ["RowsEstimator", "RowsTransformer", "SavedEstimator"]


class SavedEstimator(BaseEstimator, ABC):
    """What every estimator shares: a seed, a run that may be watched and kept, and a model folder.

    Attributes:
        schema_: how what it was fitted to becomes features, and back.
    """

    device: str
    precision: Precision
    random_state: int | np.random.RandomState | None
    verbose: int
    model_: Any
    schema_: Schema
    recipe_: list[dict[str, Any]]
    history_: History
    metrics_: dict[str, Any]
    environment_: dict[str, str]
    ignored_: tuple[str, ...]
    _told: set[str]
    _backend: str

    @abstractmethod
    def saved(self) -> SavedModel:
        """All that a model folder holds."""

    def save(self, folder: str | os.PathLike[str]) -> None:
        """Write a model folder: all of it, or nothing.

        Raises:
            InputError: for a model with a part that could only be pickled.
            ResourceError: when the place cannot be written.
        """
        check_is_fitted(self)
        save_model(folder, self.saved())

    @contextmanager
    def _run(
        self,
        seed: int,
        schema: Schema,
        *,
        history: History | None,
        checkpoint: str | os.PathLike[str] | Checkpoint | None,
        folds: int = 0,
    ) -> Iterator[Run]:
        """What a fit goes by; within it the progress is shown and the checkpoints are locked."""
        with ExitStack() as stack:
            history = history or History()
            if self.verbose:
                history.watch = (*history.watch, stack.enter_context(ProgressBar()))
            kept = None if checkpoint is None else stack.enter_context(self._kept(checkpoint, schema))
            yield Run(seed, Runtime(self.device, self.precision), history, folds, kept)

    def _as_saved(
        self,
        settings: dict[str, Any],
        *,
        components: PrincipalComponents | None = None,
        examples: dict[str, Tensor] | None = None,
    ) -> SavedModel:
        """What every estimator has to save, with settings of its own."""
        common = {"class": type(self).__name__, "backend": self._backend, "ignored": list(self.ignored_)}
        return SavedModel(
            self.model_,
            self.schema_,
            components,
            settings=common | settings,
            recipe=self.recipe_,
            history=self.history_.rows,
            metrics=plain(self.metrics_),
            examples=examples or {},
            environment=self.environment_,
        )

    def _restore(self, saved: SavedModel) -> None:
        """Be the fitted estimator of a model folder, but for what it has beside the others."""
        self.schema_, self.model_, self._told = saved.schema, saved.model, set()
        self.metrics_, self.recipe_, self.environment_ = saved.metrics, saved.recipe, saved.environment
        self.history_ = History()
        self.history_.rows.extend(saved.history)
        self._backend, self.ignored_ = saved.settings["backend"], tuple(saved.settings["ignored"])
        self.n_features_in_ = len(saved.schema.names)
        if saved.schema.named:
            self.feature_names_in_ = np.array(saved.schema.names, dtype=object)

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


class RowsEstimator(SavedEstimator, ABC):
    """An estimator whose rows go through a schema."""

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


class RowsTransformer(ClassNamePrefixFeaturesOutMixin, TransformerMixin, RowsEstimator, ABC):
    """An estimator that makes a float32 code of each row."""

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.allow_nan = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags
