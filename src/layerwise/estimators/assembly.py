"""From an estimator's arguments to a model and a recipe for the data at hand."""

import math
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, final

import torch

from layerwise.data import Binary, Categorical, Numeric, Rows, Schema
from layerwise.errors import InputError
from layerwise.estimators.arguments import LayerChoice, layer_of
from layerwise.models import (
    Activation,
    Dense,
    Inputs,
    Layer,
    Network,
    PrincipalComponents,
    Variational,
    identity,
    sigmoid,
    start_from_rows,
)
from layerwise.penalties import Fidelity, Penalty, clipped_squared_error, cross_entropy, is_crossed
from layerwise.recipes import Architecture
from layerwise.training import Objective, Schedule

__all__ = ["Maker", "Plan", "Planned", "is_unit_range", "prepare", "usual_code"]

BOUND_SHARE = 0.01
CHUNK = 1024
FEW_ROWS = 1000
DROPOUT = 0.3

Maker = Callable[[tuple[int, ...]], Network]


class Planned(ABC):
    """What to build and what to ask of it, whatever the data."""

    @abstractmethod
    def model(self, schema: Schema, *, rows: int, seed: int) -> Network:
        """A fresh model for a schema's features and a number of training rows."""

    @abstractmethod
    def widths(self, schema: Schema) -> tuple[int, ...]:
        """The widths from the input to the code."""

    @abstractmethod
    def objective(self, schema: Schema) -> Objective:
        """Fidelity and penalties."""


@final
@dataclass(frozen=True)
class Plan(Planned):
    """An autoencoder without a distribution of codes.

    Arguments:
        code: size of the code; None is a third of the columns that vary (of the pixels), at least 2.
        hidden: widths of the encoder's hidden layers; "auto" is two of 256. Or what makes the model of pictures from
            their shape.
        layer: how hidden layers are made; None is `Layer()`, with dropout of 0.3 for fewer than 1000 rows. An
            initializer, or the name of one, changes that alone.
        linear_path: whether PCA runs beside the layers; "auto" is yes, but for tied weights and recipes by layers.
        fidelity: a fidelity, or a function that makes one for a schema, like `MixedFidelity.of`; None is the squared
            error, clipped to the range of columns that have a floor or a ceiling. `cross_entropy` needs features in
            [0, 1]; it brings a sigmoid output, and leaves the linear path out.
        penalties: name -> (weight, penalty).
        code_activation: of the code; "auto" is that of the architecture.
        architecture: what the recipe expects, where nothing else is said.
    """

    code: int | None = None
    hidden: Sequence[int] | Literal["auto"] | Maker = "auto"
    layer: LayerChoice = None
    linear_path: bool | Literal["auto"] = "auto"
    fidelity: Fidelity | Callable[[Schema], Fidelity] | None = None
    penalties: Mapping[str, tuple[float | Schedule, Penalty]] | None = None
    code_activation: Activation | Literal["auto"] = "auto"
    architecture: Architecture = Architecture()

    def model(self, schema: Schema, *, rows: int, seed: int) -> Network:
        """A fresh model for a schema's features and a number of training rows.

        Raises:
            InputError: for a code that does not fit, or a network of pictures for a table.
        """
        return self._made(schema, self.hidden) if callable(self.hidden) else self.dense(schema, rows=rows, seed=seed)

    def _made(self, schema: Schema, network: Maker) -> Network:
        if schema.pixels is None:
            raise InputError("a function for hidden_layer_sizes is for pictures; these rows are a table. Give widths.")
        shape = schema.pixels.shape
        side = math.isqrt(shape[0])
        if len(shape) == 1:
            if side * side != shape[0]:
                raise InputError(
                    f"the function for hidden_layer_sizes needs the shape of the pictures; found rows of {shape[0]} "
                    "pixels. Give an array of shape (rows, height, width) to layerwise.data.read."
                )
            shape = (side, side)
        model = network(shape)
        if not isinstance(model, Network) or model.widths[0] != schema.n_features:
            raise InputError(
                f"the function for hidden_layer_sizes must make a model of {schema.n_features} pixels from the shape "
                f"{shape}; got {type(model).__name__}. Use functools.partial(Residual, code=30), for instance."
            )
        return model

    def dense(self, schema: Schema, *, rows: int, seed: int) -> Dense:
        """A fresh model of dense layers.

        Raises:
            InputError: for a code that does not fit.
        """
        layer = layer_of(self.layer, self.architecture.layer or Layer(dropout=DROPOUT if rows < FEW_ROWS else 0.0))
        crossed, activation = is_crossed(self.target(schema)), self._activation
        usual = self.architecture.linear_path and not (layer.tied or crossed or activation is not identity)
        *hidden, code = self.widths(schema)[1:]
        return Dense(
            Inputs(schema.n_features, _embeddings(schema)),
            hidden,
            code=code,
            layer=layer,
            code_activation=activation,
            output=sigmoid if crossed else identity,
            linear_path=usual if self.linear_path == "auto" else self.linear_path,
            seed=seed,
        )

    @property
    def _activation(self) -> Activation:
        chosen = self.code_activation
        return self.architecture.code_activation if isinstance(chosen, str) else chosen

    def widths(self, schema: Schema) -> tuple[int, ...]:
        """The widths from the input to the code.

        Raises:
            InputError: for a code that does not fit.
        """
        if callable(self.hidden):
            return self._made(schema, self.hidden).widths
        hidden = (256, 256) if isinstance(self.hidden, str) else tuple(int(width) for width in self.hidden)
        return (schema.n_features, *hidden, self.code_size(schema))

    def code_size(self, schema: Schema) -> int:
        """The size of the code for a schema's columns.

        Raises:
            InputError: for a code larger than the features, unless a penalty, its activation or a classical recipe
                makes it more than a copy.
        """
        features = schema.n_features
        if self.code is None:
            return usual_code(schema)
        if not self.code >= 1:
            raise InputError(f"the code must have at least 1 unit; got {self.code}.")
        sparing = self.penalties or self.architecture.classical or self._activation is not identity
        if self.code > features and not sparing:
            raise InputError(
                f"the code must be at most {features}, the number of features; got {self.code}. Choose a smaller code, "
                "or add a penalty (a sparse code may be larger than its input)."
            )
        return int(self.code)

    def objective(self, schema: Schema) -> Objective:
        """Fidelity and penalties.

        Raises:
            InputError: for cross-entropy on features that are not scaled to [0, 1].
        """
        fidelity, outside = self.target(schema), _outside_unit_range(schema)
        if is_crossed(fidelity) and outside:
            raise InputError(
                f"cross_entropy needs features from 0 to 1; those of column {outside[0]!r} are not. Use "
                "scaling='minmax', or another fidelity."
            )
        return Objective(fidelity, dict(self.penalties or {}))

    def target(self, schema: Schema) -> Fidelity:
        """What a good reconstruction is, for a schema's features."""
        if self.fidelity is None:
            binary = self.architecture.classical and not _outside_unit_range(schema)
            return cross_entropy if binary else clipped_squared_error
        return self.fidelity if isinstance(self.fidelity, Fidelity) else self.fidelity(schema)


def usual_code(schema: Schema) -> int:
    """The size of the code where none is given: a third of the columns (of the pixels), at least 2."""
    columns = len(schema.layout) if schema.pixels is None else schema.n_features
    return min(schema.n_features, max(2, columns // 3))


def is_unit_range(schema: Schema) -> bool:
    """Whether all features are from 0 to 1."""
    return not _outside_unit_range(schema)


def _outside_unit_range(schema: Schema) -> list[str]:
    """The columns whose features are not from 0 to 1."""
    blocks = [block for block in schema.layout if block.kind != "pixels"]
    return [block.column.name for block in blocks if not _is_from_0_to_1(block.column)]


def _is_from_0_to_1(column: object) -> bool:
    if isinstance(column, Numeric):
        return column.scaling == "minmax"
    if isinstance(column, Binary):
        return (column.center, column.scale) == (0.0, 1.0)
    return isinstance(column, Categorical) and not any(column.frequencies)


def _embeddings(schema: Schema) -> tuple[tuple[int, int, int], ...]:
    return tuple(
        (block.start, block.stop, block.column.embedding)
        for block in schema.layout
        if isinstance(block.column, Categorical) and block.column.embedding is not None
    )


def prepare(model: Network, rows: Rows) -> None:
    """Start a fresh model from the training rows: PCA in its linear path, first weights, floors and ceilings."""
    if isinstance(model, Dense) and model.bounds is not None:
        model.bounds.set(*_floors_and_ceilings(rows))
    if isinstance(model, Dense) and model.linear_path is not None:
        components = PrincipalComponents.fit(rows, model.code)
        # Beyond the rank of the data there is nothing to scale.
        scales = torch.where(components.variances > 0, components.variances.sqrt(), 1.0)
        model.start_from_principal_components(components.components, components.center, scales)
    if isinstance(model, Dense | Variational):
        start_from_rows(model, rows)


def _floors_and_ceilings(rows: Rows) -> tuple[torch.Tensor, torch.Tensor]:
    """The least and the largest value of each feature where at least 1 % of its cells lie there; else infinities."""
    infinity = torch.tensor(torch.inf)
    pieces = torch.arange(len(rows)).split(CHUNK)
    low, high = infinity.repeat(rows.n_features), -infinity.repeat(rows.n_features)
    for index in pieces:
        x, observed, _ = rows.batch(index)
        low = torch.minimum(low, (x if observed is None else torch.where(observed, x, infinity)).amin(0))
        high = torch.maximum(high, (x if observed is None else torch.where(observed, x, -infinity)).amax(0))
    at_low, at_high, count = (torch.zeros(rows.n_features) for _ in range(3))
    for index in pieces:
        x, observed, _ = rows.batch(index)
        seen = torch.ones_like(x, dtype=torch.bool) if observed is None else observed
        at_low += ((x == low) & seen).sum(0)
        at_high += ((x == high) & seen).sum(0)
        count += seen.sum(0)
    least = BOUND_SHARE * count
    return torch.where(at_low >= least, low, -infinity), torch.where(at_high >= least, high, infinity)
