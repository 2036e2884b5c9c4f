"""Laws of the schema: what comes in comes out, every column counts the same, nothing is lost in its file."""

import datetime as dt
import decimal
import json
import logging
import warnings

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest
import torch
from hypothesis import example, given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from layerwise.data import (
    Binary,
    Categorical,
    Constant,
    Numeric,
    Pixels,
    Schema,
    Table,
    read,
    to_arrow,
)
from layerwise.data.columns import squashed, unsquashed
from layerwise.data.fitting import check_scaling
from layerwise.errors import InputError, ModelFileError

randomness = np.random.default_rng(0)


def mixed(rows: int = 60) -> pd.DataFrame:
    """A frame with a column of every kind and missing cells in most of them."""
    g = np.random.default_rng(1)
    hole = g.random(rows) < 0.2
    days = np.datetime64("2024-01-01") + g.integers(0, 900, rows).astype("timedelta64[D]")
    return pd.DataFrame(
        {
            "float64": np.where(hole, np.nan, g.normal(5, 3, rows)),
            "float32": g.normal(size=rows).astype(np.float32),
            "int64": g.integers(-1000, 1000, rows),
            "big": 2**60 + g.integers(0, 100, rows),
            "uint8": g.integers(0, 200, rows).astype(np.uint8),
            "int8": g.integers(-100, 100, rows).astype(np.int8),
            "Int32": pd.array(np.where(hole, None, g.integers(0, 50, rows)), "Int32"),
            "bool": g.random(rows) < 0.3,
            "boolean": pd.array(np.where(hole, None, g.random(rows) < 0.5), "boolean"),
            "two texts": np.where(g.random(rows) < 0.7, "yes", "no"),
            "text": pd.array(np.where(hole, None, g.choice(["a", "b", "c", "d"], rows)), "string"),
            "category": pd.Categorical(g.choice(["x", "y", "z"], rows)),
            "codes": pd.Categorical(g.choice([3, 5, 8], rows)),
            "arrow": pd.array(np.where(hole, None, g.normal(size=rows)), "double[pyarrow]"),
            "decimal": [decimal.Decimal(int(i)) / 100 for i in g.integers(0, 10_000, rows)],
            "day": days.astype(object),
            "time": pd.to_datetime(np.where(hole, np.datetime64("NaT"), days)).as_unit("us"),
            "zone": pd.to_datetime(days).as_unit("ns").tz_localize("Europe/Berlin"),
            "span": pd.to_timedelta(g.integers(0, 10_000, rows), unit="s").as_unit("us"),
            "clock": [dt.time(int(i) // 60, int(i) % 60) for i in g.integers(0, 1440, rows)],
            "outliers": np.where(np.arange(rows) == 7, 1e12, g.normal(size=rows)),
            "same": 7,
            "same text": "only",
            "empty": [None] * rows,
        }
    )


def round_trip(table: Table, **arguments: object) -> tuple[Schema, Table]:
    schema = Schema.fit(table, **arguments)  # type: ignore[arg-type]
    rows = schema.encode(table)
    x, observed, _ = rows.batch(slice(None))
    assert x.dtype.is_floating_point
    assert x.element_size() == 4
    assert x.isfinite().all()
    if observed is not None:
        means = x.new_tensor(schema.means or [0.0] * schema.n_features).expand_as(x)
        assert torch.equal(x[~observed], means[~observed])
        seen = torch.where(observed, x.double(), 0.0).sum(0) / observed.sum(0).clamp(min=1)
        # Large numbers of both signs leave of a small mean what their own digits hold.
        largest = torch.where(observed, x.double().abs(), 0.0).amax(0)
        assert ((seen - means[0]).abs() <= 1e-5 * (1 + seen.abs()) + 1e-12 * largest).all()
    return schema, schema.decode(x.numpy())


def test_every_kind_comes_back() -> None:
    frame = mixed()
    table = read(frame)
    schema, back = round_trip(table)
    assert back.names == table.names == tuple(frame.columns)
    for i, column in enumerate(schema.columns):
        before, after = table.column(i), back.column(i)
        assert after.dtype == before.dtype, column.name
        present = before.present()
        kept = slice(None) if present is None else present
        old, new = before.texts()[kept], after.texts()[kept]
        if before.levels is None and before.values.dtype.kind == "f":
            # float32 in scaled units: the outlier's error is relative to itself.
            np.testing.assert_allclose(new.astype(float), old.astype(float), rtol=2e-5, atol=1e-5)
        elif before.values.dtype.kind == "M":
            spans = np.abs(after.values[kept] - before.values[kept]) / np.timedelta64(1, "s")
            assert spans.max() <= 20, column.name
        elif before.values.dtype.kind == "m":
            assert np.abs((after.values[kept] - before.values[kept]) / np.timedelta64(1, "s")).max() < 0.05
        else:
            assert list(new) == list(old), column.name


def test_kinds_and_units() -> None:
    frame = mixed(200)
    table = read(frame)
    schema = Schema.fit(table)
    kinds = {column.name: type(column) for column in schema.columns}
    assert {name for name, kind in kinds.items() if kind is Binary} == {"bool", "boolean", "two texts"}
    assert {name for name, kind in kinds.items() if kind is Categorical} == {"text", "category", "codes"}
    assert {name for name, kind in kinds.items() if kind is Constant} == {"same", "same text", "empty"}
    x, observed, _ = schema.encode(table).batch(slice(None))
    assert observed is not None
    for block in schema.layout:
        part, known = x[:, block.start : block.stop].double(), observed[:, block.start : block.stop]
        assert (known == known[:, :1]).all()
        part = part[known[:, 0]]
        # Each source column has mean 0 and a variance of 1 in all, however many features it became.
        assert part.mean(0).abs().max() < 1e-5, block.column.name
        assert part.var(0, correction=0).sum() == pytest.approx(1, abs=1e-4), block.column.name
    assert schema.layout[-1].stop == schema.n_features == x.shape[1]


@settings(max_examples=60, deadline=None)
@example(np.array([[0.0], [5e-324]]), "auto")
@example(np.array([[9e29], [-9e29], [1.0], [np.nan]]), "none")
@given(
    hnp.arrays(
        np.float64,
        st.tuples(st.integers(2, 30), st.integers(1, 4)),
        elements=st.one_of(
            st.floats(-1e30, 1e30, exclude_min=True, exclude_max=True), st.integers(-3, 3).map(float), st.just(np.nan)
        ),
    ),
    st.sampled_from(["auto", "standard", "minmax", "none"]),
)
def test_any_numbers_stay_finite_and_come_back(array: np.ndarray, scaling: str) -> None:
    table = Table.from_array(array)
    if all(len(np.unique(column[~np.isnan(column)])) < 2 for column in array.T):
        with pytest.raises(InputError, match="every column is constant"):
            Schema.fit(table)
        return
    schema, back = round_trip(table, scaling=scaling)
    x = schema.encode(table).batch(slice(None)).x.double()
    if scaling in ("auto", "standard"):
        assert (x.square().mean(0) < 1.01).all()
    known = ~np.isnan(array)
    new = back.to_array()
    for i, column in enumerate(schema.columns):
        if isinstance(column, Numeric) and scaling != "none":
            z = np.abs(squashed((array[known[:, i], i] - column.center) / column.scale))
            # One float32 step in x moves z by this much, and a squashed cell by as much of itself.
            step = 2e-7 * (np.abs((z - column.shift) / column.spread) + 1) * column.spread + 1e-12
            error = np.abs(new[known[:, i], i] - array[known[:, i], i]) / column.scale
            assert (error <= 4 * step * np.maximum(1, np.abs(unsquashed(z)))).all()


@settings(max_examples=50, deadline=None)
@given(hnp.arrays(np.float64, st.integers(0, 20), elements=st.floats(-1e200, 1e200)))
def test_squashing_is_monotone_and_inverts(z: np.ndarray) -> None:
    w = squashed(z)
    assert (np.abs(w) <= np.maximum(30 + np.log1p(np.abs(z)), np.abs(z))).all()
    assert (np.diff(w[np.argsort(z)]) >= 0).all()
    np.testing.assert_allclose(unsquashed(w), z, rtol=1e-10)


def test_ordinary_numbers_are_exactly_standardized() -> None:
    array = randomness.normal(50, 7, (500, 3))
    schema = Schema.fit(Table.from_array(array))
    for i, column in enumerate(schema.columns):
        assert isinstance(column, Numeric)
        assert column.center == pytest.approx(array[:, i].mean(), rel=1e-12)
        assert column.scale == pytest.approx(array[:, i].std(), rel=1e-12)
        assert (column.shift, column.spread) == (0, 1)


@pytest.mark.parametrize("size", [1e3, 1e9, 1e29])
def test_an_outlier_leaves_the_others_apart(size: float) -> None:
    column = randomness.normal(size=(1000, 1))
    column[5] = size
    table = Table.from_array(column)
    x = Schema.fit(table).encode(table).batch(slice(None)).x.numpy()[:, 0]
    others = np.delete(x, 5)
    assert np.std(others) > 0.2
    assert others.max() < x[5] < 60
    assert np.corrcoef(others, np.delete(column, 5))[0, 1] > 0.999


def test_zero_quartiles_and_tiny_and_huge_scales() -> None:
    sparse = np.zeros(1000)
    sparse[:30] = randomness.normal(3, 1, 30)
    columns = np.column_stack(
        [
            sparse,
            randomness.normal(size=1000) * 1e-300,
            randomness.normal(size=1000) * 1e29,
            np.linspace(0, 1e-310, 1000),
        ]
    )
    schema, back = round_trip(Table.from_array(columns))
    x = schema.encode(Table.from_array(columns)).batch(slice(None)).x
    assert x.var(0) == pytest.approx(np.ones(4), abs=0.01)
    np.testing.assert_allclose(back.to_array()[:, 2], columns[:, 2], rtol=1e-4, atol=1e24)


def test_integers_beyond_float64_and_nanoseconds() -> None:
    small = np.arange(40) % 7
    table = pa.table(
        {
            "int64": pa.array(2**62 + small),
            "uint64": pa.array((2**64 - 100 + small.astype(object)).tolist(), pa.uint64()),
            "least": pa.array((-(2**63) + small).tolist(), pa.int64()),
            "both": pa.array([-(2**63), 2**63 - 1] * 20, pa.int64()),
            "ns": pa.array(1_700_000_000 * 10**9 + small * 1000, pa.timestamp("ns")),
        }
    )
    back = to_arrow(round_trip(read(table))[1])
    for name in ("int64", "uint64", "least", "ns", "both"):
        assert back[name].to_pylist() == table[name].to_pylist(), name


def test_a_value_outside_the_training_range() -> None:
    g = np.random.default_rng(3)
    schema = Schema.fit(Table.from_array(np.column_stack([g.normal(size=50), g.integers(0, 2, 50).astype(float)])))
    new = np.array([[1e25, 5.0], [-1e25, 0.5], [np.nan, np.nan]])
    rows = schema.encode(Table.from_array(new))
    x, observed, _ = rows.batch(slice(None))
    assert observed is not None
    assert x.isfinite().all()
    assert x.abs().max() < 100
    assert observed.tolist() == [[True, True], [True, True], [False, False]]
    binary = schema.columns[1]
    assert isinstance(binary, Binary)
    assert x[0, 1] == pytest.approx((5 - binary.center) / binary.scale, rel=1e-5)
    assert schema.decode(x.numpy()).to_array()[0, 0] == pytest.approx(1e25, rel=1e-3)


def test_an_unseen_category_is_another() -> None:
    frame = pd.DataFrame({"c": list("aabbc") * 4, "n": range(20)})
    schema = Schema.fit(read(frame))
    rows = schema.encode(read(pd.DataFrame({"c": ["a", "never seen", None], "n": [1, 2, 3]})))
    x, observed, _ = rows.batch(slice(None))
    assert observed is not None
    block = schema.layout[0]
    assert observed[:, block.start].tolist() == [True, True, False]
    assert x[1, block.stop - 1] > 0
    assert x[0, block.stop - 1] == 0
    assert schema.decode(x.numpy()).column(0).texts().tolist()[:2] == ["a", None]


def test_an_unseen_text_of_two_is_missing(caplog: pytest.LogCaptureFixture) -> None:
    schema = Schema.fit(read(pd.DataFrame({"c": list("aab") * 4, "n": range(12)})))
    with caplog.at_level(logging.WARNING):
        x, observed, _ = schema.encode(read(pd.DataFrame({"c": ["b", "?!"], "n": [1, 2]}))).batch(slice(None))
    assert observed is not None
    assert observed[:, 0].tolist() == [True, False]
    assert x[1, 0] == 0
    assert "'c'" in caplog.text


def test_levels_that_a_file_reads_as_numbers() -> None:
    schema = Schema.fit(read(pd.DataFrame({"c": ["1", "2", "A", "A", "B"] * 5, "n": range(25)})))
    x = schema.encode(read(pd.DataFrame({"c": [2, 1], "n": [0, 1]}))).batch(slice(None)).x
    assert schema.decode(x.numpy()).column(0).texts().tolist() == ["2", "1"]


def test_many_levels_get_an_embedding_and_chosen_numbers_are_categories() -> None:
    frame = pd.DataFrame({"many": [f"l{i % 60:02}" for i in range(600)], "code": [i % 7 for i in range(600)]})
    many, code = Schema.fit(read(frame), categories=["code"]).columns
    assert isinstance(many, Categorical)
    assert many.embedding == 16
    assert many.width == 61
    assert isinstance(code, Categorical)
    assert code.embedding is None
    assert code.levels == tuple(range(7))
    _, back = round_trip(read(frame), categories=["code"])
    assert back.column(1).values.dtype == np.int64
    assert back.column(1).values.tolist() == frame["code"].tolist()


@pytest.mark.parametrize("scaling", ["minmax", "none"])
def test_other_scalings_leave_levels_0_and_1(scaling: str) -> None:
    frame = pd.DataFrame({"c": list("abc") * 8, "b": [True, False] * 12, "n": np.arange(24.0)})
    schema, back = round_trip(read(frame), scaling=scaling)
    x = schema.encode(read(frame)).batch(slice(None)).x
    assert x[:, :5].unique().tolist() == [0, 1]
    assert x[:, 5].max() == (1 if scaling == "minmax" else 23)
    again = to_arrow(back).to_pydict()
    assert (again["c"], again["b"]) == (frame["c"].tolist(), frame["b"].tolist())
    np.testing.assert_allclose(again["n"], frame["n"], atol=1e-5)


def test_constant_columns_are_named_once_and_given_back(caplog: pytest.LogCaptureFixture) -> None:
    table = read(mixed())
    with caplog.at_level(logging.WARNING):
        schema, back = round_trip(table)
    lines = [record.getMessage() for record in caplog.records]
    assert [line.split(",")[0].split(":")[0] for line in lines] == [
        "kept out of the network",
        "taken as numbers",
        "squashed",
    ]
    assert "'same', 'same text', 'empty'" in lines[0]
    arrow = to_arrow(back)
    assert set(arrow["same"].to_pylist()) == {7}
    assert set(arrow["same text"].to_pylist()) == {"only"}
    assert arrow["empty"].null_count == len(table)
    assert schema.n_features == len(schema.layout) + sum(b.stop - b.start - 1 for b in schema.layout)


@pytest.mark.parametrize(
    "values",
    [
        np.array(["2024-02-29", "2024-02-29"], "datetime64[us]"),
        np.array([86_400_000_001, 86_400_000_001], "timedelta64[us]"),
    ],
)
def test_constant_times_come_back(values: np.ndarray) -> None:
    table = read(pa.table({"t": values, "n": [1.0, 2.0]}))
    assert (round_trip(table)[1].column(0).values == values).all()


def test_wild_reconstructions_are_cells_of_their_type() -> None:
    schema = Schema.fit(read(mixed()))
    for size in (1e2, 1e4, 3e38):
        for sign in (1, -1):
            table = schema.decode(np.full((3, schema.n_features), sign * size, dtype=np.float32))
            frame = to_arrow(table).to_pandas()
            assert len(frame) == 3
            assert pl.from_arrow(to_arrow(table)).shape == frame.shape


# --- pictures


def test_pictures_stay_bytes_and_are_not_copied() -> None:
    array = randomness.integers(0, 256, (50, 6, 5), dtype=np.uint8)
    table = Table.from_array(array)
    schema, back = round_trip(table)
    assert schema.columns == (Pixels((6, 5)),)
    assert table.shape == (6, 5)
    rows = schema.encode(table)
    assert rows.nbytes == array.nbytes
    assert np.shares_memory(rows.stores[0].values, array)  # type: ignore[attr-defined]
    x = rows.batch(np.arange(50)).x.numpy()
    assert (x == array.reshape(50, 30).astype(np.float32) / np.float32(255)).all()
    assert (back.to_array() == array).all()
    assert back.to_array().dtype == np.uint8


def test_only_wide_bright_bytes_are_pictures() -> None:
    dark = randomness.integers(0, 100, (30, 64), dtype=np.uint8)
    bright = dark.copy()
    bright[0, 0] = 200
    assert Schema.fit(Table.from_array(dark)).pixels is None
    assert Schema.fit(Table.from_array(bright[:, :63])).pixels is None
    assert Schema.fit(Table.from_array(bright)).pixels == Pixels((64,))
    assert Schema.fit(Table.from_array(bright), scaling="standard").pixels is None


@pytest.mark.parametrize(
    ("array", "low", "high"),
    [
        (np.arange(48).reshape(3, 4, 4).astype(np.uint16) * 1000, 0, 47_000),
        (np.linspace(0, 0.9, 48).reshape(3, 4, 4), 0, 1),
        (np.linspace(-3, 5, 48).reshape(3, 4, 4).astype(np.float32), -3, 5),
        (np.arange(-24, 24).reshape(3, 4, 4).astype(np.int8), -24, 23),
        (np.array([True, False] * 24).reshape(3, 4, 4), 0, 1),
        (np.where(np.arange(48) == 5, np.nan, np.arange(48.0)).reshape(3, 4, 4), 0, 47),
    ],
)
def test_other_pixels(array: np.ndarray, low: float, high: float) -> None:
    schema, back = round_trip(Table.from_array(array))
    pixels = schema.pixels
    assert pixels is not None
    assert (pixels.low, pixels.high) == (low, high)
    assert pixels.dtype == array.dtype.name
    new = back.to_array().astype(float)
    known = ~np.isnan(array.astype(float))
    np.testing.assert_allclose(new[known], array.astype(float)[known], rtol=1e-5, atol=1e-5)


def test_eight_bits_stay_eight_bits() -> None:
    g = np.random.default_rng(0)
    array = g.integers(0, 50, (1000, 12), dtype=np.uint8)
    table = Table.from_array(array)
    rows = Schema.fit(table).encode(table)
    assert rows.nbytes == array.nbytes
    signed = Table.from_array(array.astype(np.int8) - 25)
    signed_rows = Schema.fit(signed).encode(signed)
    assert signed_rows.nbytes == array.nbytes
    np.testing.assert_allclose(signed_rows.batch(slice(9)).x, rows.batch(slice(9)).x, atol=1e-5)
    flags = read(pd.DataFrame({"a": g.random(1000) < 0.1, "b": g.choice(["u", "v"], 1000)}))
    assert Schema.fit(flags).encode(flags).nbytes == 2000
    # 255 among zeros and ones is an outlier to be squashed, which bytes cannot say.
    rare = (g.random((1000, 1)) < 0.5).astype(np.uint8)
    rare[3] = 255
    table = Table.from_array(rare)
    assert Schema.fit(table).encode(table).batch(slice(None)).x.abs().max() < 40


# --- the file


def everything() -> list[Schema]:
    pictures = Table.from_array(randomness.integers(0, 256, (9, 4, 4, 3), dtype=np.uint8))
    many = read(pd.DataFrame({"m": [f"l{i % 60}" for i in range(600)], "big": 2**62 + np.arange(600)}))
    return [Schema.fit(read(mixed())), Schema.fit(pictures), Schema.fit(many, categories=["m"])]


@pytest.mark.parametrize("place", range(3))
def test_json_round_trip(place: int) -> None:
    schema = everything()[place]
    again = Schema.from_json(json.loads(json.dumps(schema.to_json(), allow_nan=False)))
    assert again == schema
    for old, new in zip(schema.columns, again.columns, strict=True):
        assert repr(old) == repr(new)


@pytest.mark.parametrize(
    ("change", "part"),
    [
        (lambda v: v.update(version=2), "version 1"),
        (lambda v: v.pop("columns"), "columns"),
        (lambda v: v.update(columns=[]), "one or more"),
        (lambda v: v["columns"][0].update(scale=0.0), "positive"),
        (lambda v: v["columns"][0].update(scale=float("nan")), "finite"),
        (lambda v: v["columns"][0].pop("center"), "center"),
        (lambda v: v["columns"][0].update(kind="mystery"), "mystery"),
        (lambda v: v["columns"][0].update(code="import os"), "code"),
        (lambda v: v["columns"][0].update(center="a"), "center"),
        (lambda v: v["columns"].append({"kind": "pixels", "shape": [2, 2]}), "alone"),
        (lambda v: v["columns"][1].update(levels=["a"]), "levels"),
        (lambda v: v["columns"][1].update(frequencies=[0.5]), "frequency"),
        (lambda v: v["columns"][0].update(dtype="object"), "dtype"),
    ],
)
def test_a_forged_schema_is_refused(change: object, part: str) -> None:
    schema = Schema.fit(read(pd.DataFrame({"n": np.arange(30.0), "c": list("abc") * 10})))
    values = json.loads(json.dumps(schema.to_json()))
    change(values)  # type: ignore[operator]
    with pytest.raises(ModelFileError) as caught:
        Schema.from_json(values)
    assert part in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("values", [None, [], "x", {}])
def test_a_schema_must_be_an_object(values: object) -> None:
    with pytest.raises(ModelFileError):
        Schema.from_json(values)


# --- other columns than in training


def two() -> tuple[pd.DataFrame, Schema]:
    frame = pd.DataFrame({"a": np.arange(12.0), "b": np.arange(12.0) ** 2})
    return frame, Schema.fit(read(frame))


def test_columns_are_matched_by_name_and_order_may_count() -> None:
    frame, schema = two()
    swapped = read(frame[["b", "a"]])
    x = schema.encode(swapped).batch(slice(None)).x
    assert (x == schema.encode(read(frame)).batch(slice(None)).x).all()
    with pytest.raises(InputError, match="order"):
        schema.encode(swapped, ordered=True)
    assert (schema.encode(read(frame.to_numpy())).batch(slice(None)).x == x).all()


@pytest.mark.parametrize(
    ("frame", "part"),
    [
        (pd.DataFrame({"a": [1.0]}), "missing 'b'"),
        (pd.DataFrame({"a": [1.0], "b": [1.0], "c": [1.0]}), "not known 'c'"),
        (pd.DataFrame({"a": [1.0], "c": [1.0]}), "missing 'b', and not known 'c'"),
        (np.zeros((1, 3)), "2 columns; found 3"),
        (
            pd.DataFrame({"a": ["word"], "b": [1.0]}),
            "column 'a' must hold numbers, as in training; found 'word' in row 0",
        ),
        (pd.DataFrame({"a": [np.inf], "b": [1.0]}), "finite"),
    ],
)
def test_other_columns_are_refused(frame: object, part: str) -> None:
    with pytest.raises(InputError) as caught:
        two()[1].encode(read(frame))
    assert part in str(caught.value)


def test_other_pictures_are_refused_and_flat_ones_taken() -> None:
    array = randomness.integers(0, 256, (9, 8, 8), dtype=np.uint8)
    schema = Schema.fit(Table.from_array(array))
    with pytest.raises(InputError, match="8 x 8; found 4 x 16"):
        schema.encode(Table.from_array(array.reshape(9, 4, 16)))
    flat = Table.from_array(array.reshape(9, 64).astype(np.float64))
    x = schema.encode(Table.from_array(array)).batch(slice(None)).x
    assert (schema.encode(flat).batch(slice(None)).x - x).abs().max() < 1e-6
    with pytest.raises(InputError, match=r"shape \(rows, 64\)"):
        schema.decode(np.zeros((3, 65)))


def test_numbers_as_text_are_numbers_again() -> None:
    _, schema = two()
    x = schema.encode(read(pd.DataFrame({"a": ["1", " 2.5 "], "b": [1, 2]}))).batch(slice(None)).x
    np.testing.assert_allclose(schema.decode(x.numpy()).to_array(), [[1, 1], [2.5, 2]], atol=1e-4)


def test_unknown_arguments() -> None:
    frame, _ = two()
    with pytest.raises(InputError, match="scaling must be one of"):
        check_scaling("robust")
    with pytest.raises(InputError, match="no column 'z'"):
        Schema.fit(read(frame), categories=["z"])


@pytest.mark.parametrize("library", ["pandas", "polars", "arrow"])
def test_every_frame_library_reads_alike(library: str) -> None:
    frame = mixed().drop(columns=["clock", "day", "codes", "decimal", "zone"])
    arrow = pa.Table.from_pandas(frame, preserve_index=False)
    given = {"pandas": frame, "arrow": arrow, "polars": pl.from_arrow(arrow)}[library]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        table = read(given)
    reference = read(arrow)
    for i in range(len(reference.names)):
        one, other = reference.column(i), table.column(i)
        assert one.texts().tolist() == other.texts().tolist() or one.values.dtype.kind == "f", one.name
        assert one.dtype == other.dtype


def test_a_rare_level_is_the_same_beside_any_other_cells():
    column = (np.arange(2000) == 7).astype(float)[:, None]
    schema = Schema.fit(Table.from_array(column))
    alone = schema.encode(Table.from_array(np.array([[1.0]]))).batch(slice(None)).x
    beside = schema.encode(Table.from_array(np.array([[1.0], [0.5]]))).batch(slice(None)).x
    assert alone[0] == pytest.approx(beside[0])
    assert alone > 40


@pytest.mark.parametrize(
    ("fitted", "later", "told"),
    [
        (np.full(4, 7), [7, 7, 99999, 8], "'k', 99999 in row 2 (2 such cells)"),
        (np.full(4, 7), [7.0, np.nan, 7.0, 7.0], ""),
        (np.full(4, 0.1), np.full(4, 0.1, np.float32), ""),
        (np.full(4, np.nan), [np.nan, 3.0, np.nan, np.nan], "'k', 3.0 in row 1"),
        (["a"] * 4, ["a", "b", None, "a"], "'k', 'b' in row 1"),
        ([True] * 4, [True, True, True, False], "'k', False in row 3"),
        (pd.to_datetime(["2024-01-01"] * 4), pd.to_datetime([*["2024-01-01"] * 3, "2024-01-02"]), "in row 3"),
    ],
    ids=["whole", "missing", "float32", "empty", "text", "bool", "time"],
)
def test_another_value_of_a_constant_column_is_told(fitted, later, told, caplog):
    x = np.arange(4.0)
    schema = Schema.fit(read(pd.DataFrame({"x": x, "k": fitted})))
    caplog.clear()
    schema.encode(read(pd.DataFrame({"x": x, "k": fitted})))
    assert caplog.text == ""
    rows = schema.encode(read(pd.DataFrame({"x": x, "k": later})))
    assert (told in caplog.text) if told else caplog.text == ""
    assert ("seen by no network" in caplog.text) == bool(told)
    assert rows.n_features == 1
    assert Schema.from_json(schema.to_json()) == schema


def waves(rows: int = 60, columns: int = 30) -> np.ndarray:
    """Curves of random phases and sizes, in samples: neighbours go together."""
    draw = np.random.default_rng(0)
    turns = np.linspace(0, 4, columns) + draw.uniform(0, 6, (rows, 1))
    return np.sin(turns) * draw.uniform(1, 2, (rows, 1)) + 0.05 * draw.normal(size=(rows, columns))


def test_samples_of_a_signal_share_a_scale() -> None:
    x = waves() * np.linspace(1, 2, 30)
    schema = Schema.fit(Table.from_array(x))
    assert schema.one_scale
    encoded = schema.encode(Table.from_array(x)).batch(slice(None)).x.numpy()
    np.testing.assert_allclose(encoded.mean(0), 0, atol=1e-5)
    np.testing.assert_allclose(encoded.var(0).mean(), 1, rtol=1e-5)
    # Their sizes beside each other stay.
    np.testing.assert_allclose(encoded.std(0) / encoded.std(0)[0], x.std(0) / x.std(0)[0], rtol=1e-4)
    np.testing.assert_allclose(schema.decode(encoded).to_array(), x, atol=1e-4)
    # With gaps too.
    holes = np.where(np.random.default_rng(1).random(x.shape) < 0.2, np.nan, x)
    assert Schema.fit(Table.from_array(holes)).one_scale


@pytest.mark.parametrize(
    "x",
    [
        waves()[:, ::3],
        waves()[:, np.random.default_rng(3).permutation(30)],
        waves() * 3.0 ** np.arange(30),
        np.random.default_rng(0).normal(size=(60, 30)),
        np.c_[waves(), np.random.default_rng(0).integers(0, 2, 60)],
    ],
    ids=["few columns", "out of order", "other units", "noise", "a column of two values"],
)
def test_other_columns_keep_their_own_scales(x: np.ndarray) -> None:
    assert not Schema.fit(Table.from_array(x)).one_scale


def test_a_common_scale_can_be_chosen() -> None:
    x = np.random.default_rng(0).normal(size=(60, 4)) * [1, 2, 3, 4]
    schema = Schema.fit(Table.from_array(np.c_[x, np.ones(60)]), scaling="common")
    assert schema.one_scale
    numbers = [column for column in schema.columns if isinstance(column, Numeric)]
    np.testing.assert_allclose([column.scale for column in numbers], np.sqrt((x.std(0) ** 2).mean()))
