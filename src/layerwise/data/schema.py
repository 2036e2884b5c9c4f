"""What the columns are, fitted once on the training rows: from a table to the network's input and back."""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import Annotated, Any, Literal, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from layerwise.data.columns import Column, Constant, Numeric, Pixels, Text
from layerwise.data.encoding import Cells, encoded, encoded_pixels, refuse_unbounded
from layerwise.data.fitting import Scaling, WantedScaling, check_scaling, fit_column, fit_pixels, is_picture
from layerwise.data.numbers import numbers
from layerwise.data.repairs import Repair, Repairs, repairs_of
from layerwise.data.rows import Rows
from layerwise.data.signals import in_common, is_signal
from layerwise.data.table import Raw, Table, listing
from layerwise.errors import Findings, InputError, ModelFileError

__all__ = ["Block", "Scaling", "Schema"]

VERSION = 1
CHUNK = 4096


class Block(NamedTuple):
    """The features of one column: `start` to `stop` of the network's input."""

    kind: str
    start: int
    stop: int
    column: Column


@final
@dataclass(frozen=True)
class Schema:
    """The columns of a table, each with its kind, scale and levels.

    Attributes:
        columns: in the table's order; one `Pixels` alone for pictures, one `Text` for sentences.
        named: whether the source had names for its columns.
        means: of each feature over the observed training cells, which missing cells get; empty where all are 0.

    >>> table = Table.from_array(np.array([[1.0, 7.0], [2.0, 7.0], [3.0, 7.0], [6.0, 7.0]]))
    >>> schema = Schema.fit(table)
    >>> [column.kind for column in schema.columns], schema.n_features
    (['numeric', 'constant'], 1)
    >>> x = schema.encode(table).batch(slice(None)).x.numpy()
    >>> schema.decode(x).to_array()[3].round(4)
    array([6., 7.])
    """

    columns: tuple[Column, ...]
    named: bool = False
    means: tuple[float, ...] = ()

    @staticmethod
    def fit(
        table: Table,
        *,
        scaling: WantedScaling = "auto",
        categories: Sequence[str] | Literal["auto"] = "auto",
    ) -> "Schema":
        """Find each column's kind and scale.

        Constant columns stay out of the network. A line of the log names them, one names the columns that are no plain
        numbers but are taken as such, and one the whole numbers that float32 cannot tell apart (docs/input.md).

        Arguments:
            table: the training rows.
            scaling: "standard" (mean 0, variance 1), "common" (mean 0, one scale for all numbers), "minmax" ([0, 1]),
                "none"; "auto" is "minmax" for pictures, "common" where the columns are like samples of one signal
                (`signals.is_signal`), and "standard" for other tables. A wide uint8 array that reaches 128 counts as
                pictures.
            categories: columns to be taken as categories though they hold numbers; "auto" takes text only.

        Raises:
            InputError: for infinities, numbers beyond 1e30, identifier-like text, text among numbers, a name
                that is not there; and when every column is constant.
        """
        check_scaling(scaling)
        if is_picture(table) and scaling in ("auto", "minmax", "none"):
            refuse_unbounded(table)
            return _with_means(Schema((fit_pixels(table, scaling=scaling),), table.named), table)
        chosen = set() if categories == "auto" else {table.index(name) for name in categories}
        kind: Scaling = scaling if scaling in ("minmax", "none") else "standard"
        found: list[tuple[Column, Raw]] = []
        findings = Findings()
        for i in range(len(table.names)):
            with findings.collected():
                raw = table.column(i)
                found.append((fit_column(raw, scaling=kind, categorical=i in chosen), raw))
        findings.tell()
        columns = tuple(column for column, _ in found)
        if all(isinstance(column, Constant) for column in columns):
            raise table.origin.error(
                f"at least one column must vary; every column is constant or empty, like {columns[0].name!r}. "
                "Give rows that differ."
            )
        repairs_of(found, table.origin).tell()
        if scaling == "common" or (scaling == "auto" and is_signal(found)):
            columns = in_common(columns)
        schema = Schema(columns, table.named)
        return schema if kind == "standard" else _with_means(schema, table)

    @property
    def pixels(self) -> Pixels | None:
        """The one column of pictures; None for tables."""
        return self.columns[0] if isinstance(self.columns[0], Pixels) else None

    @property
    def text(self) -> Text | None:
        """The one column of sentences; None for tables and pictures."""
        return self.columns[0] if isinstance(self.columns[0], Text) else None

    @property
    def one_scale(self) -> bool:
        """Whether the columns are numbers of one unit, two at least: those of a signal."""
        scales = [column.scale for column in self.columns if isinstance(column, Numeric)]
        return len(scales) > 1 and len(scales) == len(self.layout) and len(set(scales)) == 1

    @property
    def names(self) -> tuple[str, ...]:
        """The source's columns; a picture has one a pixel."""
        if self.pixels is None:
            return tuple(column.name for column in self.columns)
        return self.pixels.names or tuple(f"x{i}" for i in range(self.pixels.width))

    @property
    def n_features(self) -> int:
        """The width of the network's input."""
        return sum(column.width for column in self.columns)

    @property
    def layout(self) -> tuple[Block, ...]:
        """Where each column's features are; constant columns have none."""
        blocks, start = [], 0
        for column in self.columns:
            if column.width:
                blocks.append(Block(column.kind, start, start + column.width, column))
            start += column.width
        return tuple(blocks)

    def encode(self, table: Table, *, ordered: bool = False, told: set[str] | None = None) -> Rows:
        """The rows in the network's units; missing cells are marked, unknown categories become "another".

        A line of the log tells each kind of cell that is not taken as it is: categories that training had none of,
        numbers far away, and values of columns that were constant (docs/input.md).

        Arguments:
            table: rows with the columns of the training rows, matched by name where both have names.
            ordered: refuse columns in another order, as scikit-learn does.
            told: lines that are not logged again; gets the new ones.

        Raises:
            InputError: for missing or further columns, another number of them or another picture size; for
                infinities, numbers beyond 1e30 and text where numbers were.
        """
        repairs = Repairs(table.origin)
        rows = self._encoded(table, self._matched(table, ordered), repairs)
        repairs.tell(told)
        return rows

    def _encoded(self, table: Table, places: list[int], repairs: Repairs) -> Rows:
        index, fill = np.arange(len(table)), np.array(self.means, dtype=np.float32) if self.means else None
        if self.pixels is not None:
            refuse_unbounded(table)
            flat = table.to_array().reshape(len(table), self.n_features)
            flat = flat if places == list(range(len(places))) else flat[:, places]
            stores = [encoded_pixels(self.pixels, flat)]
            return Rows(stores, self.n_features, labels=table.labels, index=index, fill=fill)
        cells, start, findings = [], 0, Findings()
        for column, place in zip(self.columns, places, strict=True):
            with findings.collected():
                raw = table.column(place)
                if isinstance(column, Constant):
                    repairs.cells(Repair.UNSEEN, raw, column.others(raw))
                else:
                    cells.append(Cells(column, start, raw))
            start += column.width
        findings.tell()
        return Rows(encoded(cells, repairs), self.n_features, labels=table.labels, index=index, fill=fill)

    def bounded(self, table: Table) -> "Schema":
        """The schema by which columns decode to what the known cells of a table could be.

        Numbers lie between the least and the largest, and are whole where all are.

        >>> table = Table.from_array(np.array([[1.0, 0.5], [3.0, 1.0]]))
        >>> Schema.fit(table).bounded(table).decode(np.array([[0.1, 0.1], [0.1, 9.0]])).to_array().round(3)
        array([[2.   , 0.775],
               [2.   , 1.   ]])
        """
        columns = tuple(
            _bounded(column, table.column(place)) if isinstance(column, Numeric) else column
            for place, column in enumerate(self.columns)
        )
        return replace(self, columns=columns)

    def decode(self, x: NDArray[Any]) -> Table:
        """Network units back to the source's: names, types and units restored, categories by their name.

        Arguments:
            x: shape (rows, n_features).

        Raises:
            InputError: for another shape.
        """
        if x.ndim != 2 or x.shape[1] != self.n_features:
            raise InputError(f"rows to decode must have shape (rows, {self.n_features}); got {x.shape}.")
        if self.pixels is not None:
            pictures = self.pixels.decode(x.astype(np.float64))
            table = Table.from_array(pictures)
            return Table(self.names, array=table.array, named=self.named, shape=table.shape)
        raws, start = [], 0
        for column in self.columns:
            assert not isinstance(column, Pixels | Text)
            raws.append(column.decode(x[:, start : start + column.width].astype(np.float64)))
            start += column.width
        return Table(self.names, tuple(raws), named=self.named)

    def to_json(self) -> dict[str, Any]:
        """The schema as plain values."""
        return {
            "version": VERSION,
            "named": self.named,
            "columns": [asdict(column) for column in self.columns],
            "means": list(self.means),
        }

    @staticmethod
    def from_json(values: Any) -> "Schema":
        """The schema that `to_json` wrote.

        Raises:
            ModelFileError: where a field is missing, unknown or of another type, or the version is newer.

        >>> schema = Schema.fit(Table.from_array(np.eye(4)))
        >>> Schema.from_json(schema.to_json()) == schema
        True
        """
        # Imported here: it is needed for files alone, and takes a tenth of a second.
        from pydantic import ConfigDict, Field, ValidationError, create_model

        version = values.get("version") if isinstance(values, dict) else None
        if version != VERSION:
            raise ModelFileError(f"schema.json must be of version {VERSION}; found {version!r}.")
        column = Annotated[Column, Field(discriminator="kind")]
        file = create_model(
            "SchemaFile",
            __config__=ConfigDict(extra="forbid"),
            version=(int, ...),
            named=(bool, ...),
            columns=(tuple[column, ...], ...),
            means=(tuple[float, ...], ()),
        )
        try:
            found = dict(file.model_validate(values))
        except ValidationError as error:
            first = error.errors()[0]
            place = ".".join(str(part) for part in first["loc"])
            raise ModelFileError(f"schema.json is not valid at {place}: {first['msg']}.") from error
        columns = found["columns"]
        if not columns or (len(columns) > 1 and any(isinstance(one, Pixels | Text) for one in columns)):
            raise ModelFileError("schema.json must hold one or more columns, or one of pixels or text alone.")
        schema = Schema(columns, found["named"], found["means"])
        if len(schema.means) not in (0, schema.n_features):
            raise ModelFileError(f"schema.json must hold no means or {schema.n_features}; found {len(schema.means)}.")
        return schema

    def _matched(self, table: Table, ordered: bool) -> list[int]:
        """The place in the table of each of our columns."""
        if self.pixels is not None and table.shape is not None and table.shape != self.pixels.shape:
            sizes = [" x ".join(map(str, shape)) for shape in (self.pixels.shape, table.shape)]
            if len(self.pixels.shape) > 1 or len(self.names) != len(table.names):
                raise table.origin.error(f"pictures must have the training size {sizes[0]}; found {sizes[1]}. Resize.")
        if not (self.named and table.named):
            if len(table.names) != len(self.names):
                raise table.origin.error(
                    f"rows must have the training rows' {len(self.names)} columns; found {len(table.names)}. "
                    "Give the same columns, in their order."
                )
            return list(range(len(self.names)))
        if table.names == self.names:
            return list(range(len(self.names)))
        missing = [name for name in self.names if name not in set(table.names)]
        extra = [name for name in table.names if name not in set(self.names)]
        if missing or extra:
            found = [f"missing {listing(missing)}"] if missing else []
            found += [f"not known {listing(extra)}"] if extra else []
            raise table.origin.error(
                f"columns must be those of the training rows; {', and '.join(found)}. "
                "Add or rename what is missing, and leave out the rest."
            )
        if ordered:
            wrong = [i for i, name in enumerate(table.names) if name != self.names[i]]
            raise table.origin.error(
                f"columns must be in the order of the training rows; found {table.names[wrong[0]]!r} where "
                f"{self.names[wrong[0]]!r} was ({len(wrong):,} such columns). Reorder them."
            )
        places = {name: i for i, name in enumerate(table.names)}
        return [places[name] for name in self.names]


def _with_means(schema: Schema, table: Table) -> Schema:
    """The schema with its features' means over the observed cells; without, where pictures have no holes."""
    rows = schema._encoded(table, list(range(len(table.names))), Repairs())
    if schema.pixels is not None and rows.complete:
        return schema
    sums, counts = np.zeros(rows.n_features), np.zeros(rows.n_features)
    for start in range(0, len(rows), CHUNK):
        x, observed, _ = rows.batch(slice(start, start + CHUNK))
        seen = np.ones(x.shape, dtype=bool) if observed is None else observed.numpy()
        sums += np.where(seen, x.numpy().astype(np.float64), 0.0).sum(0)
        counts += seen.sum(0)
    return replace(schema, means=tuple((sums / np.maximum(counts, 1)).tolist()))


def _bounded(column: Numeric, raw: Raw) -> Numeric:
    known = numbers(raw, column.origin)
    return replace(column, whole=_whole(raw), bounds=(float(np.fmin.reduce(known)), float(np.fmax.reduce(known))))


def _whole(raw: Raw) -> bool:
    """Whether numbers of a type with fractions have none."""
    if raw.levels is not None or raw.values.dtype.kind != "f":
        return False
    present = raw.values[raw.present()]
    return bool((present == np.rint(present)).all())
