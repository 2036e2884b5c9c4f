"""What the estimators that make a short code of each row, and the row back from it, share."""

import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from layerwise.data import Rows, Schema, Table
from layerwise.data.fitting import WantedScaling
from layerwise.diagnostics import Finding, passes
from layerwise.errors import InputError
from layerwise.estimators.arguments import check_arguments, named
from layerwise.estimators.assembly import Planned, prepare
from layerwise.estimators.base import RowsTransformer
from layerwise.estimators.diagnosis import diagnosed, diagnosis, write_diagnosis
from layerwise.estimators.engine import judge, train
from layerwise.estimators.frames import backend_of, like
from layerwise.estimators.generation import density_of, grid, mixture, routes
from layerwise.estimators.page import report_data
from layerwise.estimators.split import Split, divide, parts_of, schema_of
from layerwise.models import Network, PrincipalComponents
from layerwise.recipes import Setting
from layerwise.report import write_report
from layerwise.runtime import Runtime
from layerwise.storage import SavedModel, environment, plain
from layerwise.training import (
    RATES,
    Checkpoint,
    Constant,
    History,
    Phase,
    RangeTest,
    Recipe,
    check,
    describe,
    fit,
    range_test,
)

__all__ = ["AutoencoderTransformer"]

Seed = int | np.random.RandomState | None

JUDGED_ROWS, CHUNK = 1000, 2048


class AutoencoderTransformer(RowsTransformer, ABC):
    """An estimator whose model is an autoencoder of rows: trained, compared with PCA, and usable both ways."""

    scaling: WantedScaling
    validation_fraction: float
    test_fraction: float
    warm_start: bool
    model_: Network
    components_: PrincipalComponents
    examples_: dict[str, torch.Tensor]
    recipe: str | Sequence[Phase] | Callable[[Setting], Sequence[Phase]] | None
    max_epochs: int | None

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        history: History | None = None,
        checkpoint: str | os.PathLike[str] | Checkpoint | None = None,
    ) -> Self:
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
        self._measure(schema, parts["train"])
        if going_on:
            self._check_same_shape(schema)

        def make(rows: Rows) -> Network:
            return self.model_ if going_on else self._fresh(schema, rows, seed=seed)

        with self._run(seed, schema, history=history, checkpoint=checkpoint, folds=folds) as run:
            trained = train(make, partial(self._recipe, schema), schema=schema, parts=parts, run=run)
        self._take(schema, trained.model, told)
        self.components_, self.recipe_, self.history_ = trained.components, describe(trained.recipe), trained.history
        self.metrics_, self.examples_ = trained.metrics | self._evidence(trained.judged), trained.examples
        return self

    def partial_fit(self, X: Any, y: Any = None) -> Self:
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
            self._measure(schema, rows)
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
        metrics, self.examples_ = judge(self.model_, self.components_, some, schema=schema, what="training rows")
        self.metrics_ = metrics | self._evidence(some)
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
        return like(self.decode_table(X), X, self._backend)

    def decode_table(self, codes: Any) -> Table:
        """A table back from codes.

        Raises:
            InputError: for codes of another width.
        """
        check_is_fitted(self)
        codes = np.array(codes, dtype=np.float32)
        if codes.ndim != 2 or codes.shape[1] != self.model_.code:
            raise InputError(f"codes must have the shape (rows, {self.model_.code}); got {codes.shape}.")
        if not np.isfinite(codes).all():
            row = int(np.flatnonzero(~np.isfinite(codes).all(1))[0])
            raise InputError(f"codes must be finite; found {codes[row].tolist()} in row {row}.")
        return self.schema_.decode(self._decoded(codes))

    def sample(self, n_samples: int = 1, *, density: str = "auto", random_state: Seed = None) -> Any:
        """New rows: for each code that is drawn the mean of its rows, without noise; as `inverse_transform`.

        Arguments:
            n_samples, density, random_state: as in `sample_codes`.

        Raises:
            InputError: as `sample_codes`.
        """
        return self.inverse_transform(self.sample_codes(n_samples, density=density, random_state=random_state))

    def sample_codes(
        self, n_samples: int = 1, *, density: str = "auto", random_state: Seed = None
    ) -> NDArray[np.float32]:
        """New codes.

        Arguments:
            n_samples: how many.
            density: "prior" is that of a variational autoencoder; "mixture" a mixture of normal distributions, fitted
                to the codes of the rows that `fit` held out (at most 1000); "auto" is the prior where there is one.
            random_state: seed of the draws.

        Raises:
            InputError: for fewer than one, or the prior of a model that has none.
        """
        check_is_fitted(self)
        if n_samples < 1:
            raise InputError(f"n_samples must be at least 1; got {n_samples}.")
        randomness = check_random_state(random_state)
        if density_of(density, prior=self._prior) == "prior":
            drawn = randomness.standard_normal((n_samples, self.model_.code))
        else:
            found = mixture(self._known_codes(), randomness)
            drawn = randomness.permutation(found.sample(n_samples)[0])
        return np.asarray(drawn, np.float32)

    def latent_grid(self, side: int = 20) -> Any:
        """The rows of a map of a code of two units, from its top left on, line by line; as `inverse_transform`.

        Arguments:
            side: as in `latent_grid_codes`.

        Raises:
            InputError: for a code of another size.
        """
        return self.inverse_transform(self.latent_grid_codes(side))

    def latent_grid_codes(self, side: int = 20) -> NDArray[np.float32]:
        """The codes of a map of two units: equal shares of the distribution lie between them, in each direction.

        It is the standard normal one for a variational autoencoder, else that of the rows which `fit` held out.

        Arguments:
            side: how many in each direction.

        Raises:
            InputError: for fewer than two, or a code of another size.
        """
        check_is_fitted(self)
        codes = self._known_codes()
        return grid(side, np.empty((0, codes.shape[1])) if self._prior else codes)

    def interpolate(self, X: Any, steps: int = 10, *, along: str = "linear") -> Any:
        """The rows on the way from each row to the next one, through their codes; as `inverse_transform`.

        Arguments:
            X, steps, along: as in `interpolate_codes`.

        Raises:
            InputError: as `interpolate_codes`.
        """
        return self.inverse_transform(self.interpolate_codes(X, steps, along=along))

    def interpolate_codes(self, X: Any, steps: int = 10, *, along: str = "linear") -> NDArray[np.float32]:
        """The codes on the way from each row to the next one: the first row's, and for each further row `steps` - 1.

        Arguments:
            X: at least two rows, as in `fit`.
            steps: from one row to the next, both included.
            along: "linear" is a straight line; "spherical" a great circle, on which codes stay as far from the middle
                as codes are; "manifold" the shortest way over the codes of rows that `fit` held out.

        Raises:
            InputError: for fewer than two rows or steps, or another way.

        Sources: Shoemake 1985 (spherical); Tenenbaum, de Silva & Langford 2000 (along the manifold).
        """
        ends, known = self.transform(X), self._known_codes()
        center = np.zeros(self.model_.code, np.float32) if self._prior else known.mean(0)
        return routes(ends, steps, along=along, known=known, decode=self._decoded, center=center)

    def reconstruct(self, X: Any) -> Any:
        """Rows after a passage through the code, in the original columns, units and types (a frame for a frame)."""
        return like(self.reconstruct_table(self._table(X, reset=False)), X, backend_of(X))

    def reconstruct_table(self, table: Table) -> Table:
        """A table after a passage through the code."""
        rows = self._encode(table)
        outputs = [run.reconstruction for _, run in passes(self.model_, rows)]
        return self.schema_.decode(torch.cat(outputs).numpy())

    def score_samples(self, X: Any) -> NDArray[np.float64]:
        """Minus the squared error of each row: sum over its observed features, scaled units; higher is better."""
        errors = []
        for batch, run in passes(self.model_, self._rows(X), exact=True):
            squares = (run.reconstruction - batch.x).double().square()
            errors.append((squares if batch.observed is None else squares * batch.observed).sum(1))
        return -torch.cat(errors).numpy()

    def score(self, X: Any, y: Any = None) -> float:
        """The mean of `score_samples`: minus the squared error; higher is better."""
        return float(self.score_samples(X).mean())

    def evaluate(self, X: Any) -> dict[str, Any]:
        """The comparison with the column means and PCA on these rows, as in `metrics_`."""
        rows = self._rows(X)
        metrics, _ = judge(self.model_, self.components_, rows, schema=self.schema_, what="given rows")
        return metrics | self._evidence(rows)

    def plan(self, X: Any) -> tuple[Schema, Network, Recipe]:
        """What `fit` would make of these rows: the schema, the untrained model and the phases."""
        schema, rows, seed = self._training(X)
        recipe = self._recipe(schema, len(rows))
        model = self._plan().model(schema, rows=len(rows), seed=seed)
        check(model, rows, recipe=recipe, runtime=Runtime(self.device, self.precision))
        return schema, model, recipe

    def range_test(self, X: Any, *, rates: Sequence[float] = RATES) -> RangeTest:
        """Which learning rate gets furthest in the first mini-batches, on the rows by which `fit` would train.

        Arguments:
            X: as in `fit`.
            rates: from the smallest to the largest.

        Raises:
            InputError: as `layerwise.training.range_test`, for the first phase of the recipe.
        """
        schema, rows, seed = self._training(X)
        model, runtime = self._fresh(schema, rows, seed=seed), Runtime(self.device, self.precision)
        phase = self._recipe(schema, len(rows))[0]
        return range_test(model, rows, phase=phase, rates=rates, seed=seed, runtime=runtime)

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
            saved = replace(saved, metrics=plain(metrics | self._evidence(rows)), examples=examples)
            source = table.source or "the given rows"
        write_report(report_data(saved, title=title, source=source), path)

    def diagnose(self, X: Any) -> list[Finding]:
        """What `layerwise.diagnostics.diagnose` finds of the model at some rows, with the history of its training.

        The loss is that of the estimator; of a model from a folder the default one, or the cross-entropy where its last
        layer is a sigmoid one.

        Arguments:
            X: rows as in `fit`, best those that it was fitted to; of more than 500 every n-th is looked at.

        Raises:
            InputError: for fewer than two rows, other columns than in `fit`, or a loss that is not finite.
        """
        rows = self._rows(X)
        objective = diagnosed(self._plan().objective(self.schema_), self.model_)
        return diagnosis(self.model_, rows, objective=objective, history=self.history_.rows)

    def diagnosis_report(self, path: str | os.PathLike[str], X: Any, *, title: str = "Autoencoder") -> list[Finding]:
        """Write one self-contained HTML page of what `diagnose` finds, with the course of the training.

        Arguments:
            path: the page to write.
            X: as in `diagnose`.
            title: its heading.

        Raises:
            InputError: as `diagnose`.
            ResourceError: when the place cannot be written.
        """
        findings = self.diagnose(X)
        write_diagnosis(self.saved(), findings, X, path=path, title=title)
        return findings

    def saved(self) -> SavedModel:
        """All that a model folder holds."""
        return self._as_saved(self._settings(), components=self.components_, examples=self.examples_)

    @torch.no_grad()
    def _decoded(self, codes: NDArray[np.float32]) -> NDArray[np.float32]:
        """The features of codes."""
        device = next(self.model_.parameters()).device
        decoded = [self.model_.decode(part.to(device)).cpu() for part in torch.from_numpy(codes).split(CHUNK)]
        found: NDArray[np.float32] = torch.cat(decoded).numpy()
        return found

    def _known_codes(self) -> NDArray[np.float32]:
        """The codes of some rows that `fit` held out."""
        found: NDArray[np.float32] = self.examples_["codes"].numpy()
        return found

    @property
    def _n_features_out(self) -> int:
        return self.model_.code

    def _take(self, schema: Schema, model: Network, told: set[str]) -> None:
        self.schema_, self.model_, self._told = schema, model, told
        self.environment_ = environment()
        self.ignored_: tuple[str, ...] = ()
        self.partial_fits_ = 0

    def _training(self, X: Any) -> tuple[Schema, Rows, int]:
        """The schema and the training rows that `fit` would have, and its seed."""
        check_arguments(self.get_params(deep=False))
        table, seed = self._table(X, reset=True), self._seed()
        split, _ = self._split(table, seed=seed)
        schema = schema_of(table, split, scaling=self.scaling)
        rows = schema.encode(table, told=set()).take(split.train)
        self._measure(schema, rows)
        return schema, rows, seed

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

    def _recipe(self, schema: Schema, rows: int) -> Recipe:
        setting, recipe = self._setting(schema, rows), named(self.recipe)
        if recipe is None:
            return self._default(setting, epochs=self.max_epochs)
        return list(recipe(setting) if callable(recipe) else recipe)

    def _setting(self, schema: Schema, rows: int) -> Setting:
        plan = self._plan()
        pictures = schema.pixels is not None
        return Setting(rows, plan.objective(schema), pictures=pictures, widths=plan.widths(schema))

    def _open(self, saved: SavedModel) -> None:
        """Be the estimator of a model folder."""
        self._restore(saved)
        self.model_.to(Runtime(self.device, "float32").torch_device)
        assert saved.components is not None
        self.components_, self.examples_, self.partial_fits_ = saved.components, saved.examples, 0

    @property
    @abstractmethod
    def _prior(self) -> bool:
        """Whether codes have a standard normal distribution by design."""

    @abstractmethod
    def _plan(self) -> Planned:
        """What is built and asked for, whatever the data."""

    @abstractmethod
    def _default(self, setting: Setting, *, epochs: int | None) -> Recipe:
        """The phases where no recipe is named."""

    @abstractmethod
    def _measure(self, schema: Schema, rows: Rows) -> None:
        """Learn from the training rows what the objective must know of them."""

    @abstractmethod
    def _evidence(self, rows: Rows) -> dict[str, Any]:
        """What it has to say of rows beside the comparison with PCA."""

    @abstractmethod
    def _settings(self) -> dict[str, Any]:
        """What it needs beside the model to be itself again."""
