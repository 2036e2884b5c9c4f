"""What goes into a graph and comes out of it is what the schema makes of the same cells, for every kind of column."""

import numpy as np
import pandas as pd
import pytest
import torch

from layerwise import InputError
from layerwise.data import Binary, Pixels, Schema, Table, Windows, read
from layerwise.exporting.cells import cells_of, feeds_of, table_of
from layerwise.exporting.columns import sink_of, source_of
from layerwise.exporting.ports import columns_of

ROWS = 40


def messy(rows: int = 60) -> pd.DataFrame:
    """Every kind of column, with gaps."""
    draw = np.random.default_rng(0)
    days = pd.to_timedelta(draw.integers(0, 999, rows), unit="D")
    frame = pd.DataFrame({"x": draw.normal(size=rows), "heavy": draw.standard_cauchy(rows) * 1e3})
    frame["count"] = draw.poisson(3, rows)
    frame["city"] = draw.choice(["Rome", "Oslo", "Lima"], rows)
    frame["sex"] = draw.choice(["f", "m"], rows)
    frame["grade"] = pd.Categorical(draw.integers(1, 4, rows))
    frame["pair"] = pd.Categorical(draw.choice([4, 7], rows))
    frame["flag"] = draw.random(rows) > 0.6
    frame["rare"] = np.arange(rows) == 3
    frame["when"] = pd.Timestamp("2024-01-01 12:30") + days
    frame["day"] = (pd.Timestamp("1950-01-01") + days).date
    frame["took"] = days / 7
    frame["stamp"] = 1_700_000_000 + draw.integers(0, 20_000, rows)
    frame["same"], frame["four"], frame["never"] = "always", 4.0, np.nan
    kept = ["count", "flag", "rare", "stamp", "same", "four"]
    return frame.where((draw.random(frame.shape) > 0.1) | frame.columns.isin(kept))


def arrays() -> dict[str, Table]:
    draw = np.random.default_rng(1)
    return {
        "bytes": Table.from_array(draw.integers(0, 256, (20, 5, 4), np.uint8)),
        "signed": Table.from_array(draw.integers(-100, 100, (20, 5, 4, 3)).astype(np.int8)),
        "deep": Table.from_array(draw.integers(0, 60_000, (20, 5, 4)).astype(np.uint16)),
        "fractions": Table.from_array(draw.random((20, 5, 4))),
        "wide": Table.from_array(draw.integers(0, 256, (20, 70), np.uint8)),
        "numbers": Table.from_array(draw.normal(2020, 5, (20, 3))),
        "yes and no": Table.from_array((draw.random((20, 3)) > 0.5).astype(np.int64) * 2 - 1),
    }


SCHEMAS = {
    **{scaling: Schema.fit(read(messy()), scaling=scaling) for scaling in ("standard", "minmax", "none")},
    **{name: Schema.fit(table) for name, table in arrays().items()},
}


@pytest.fixture(params=SCHEMAS)
def schema(request) -> Schema:
    return SCHEMAS[request.param]


def codes_of(schema: Schema, feeds: dict[str, np.ndarray]) -> list[torch.Tensor]:
    """The tensors inside a graph: texts are the places of their levels."""
    found = []
    for port, cells in zip(source_of(schema).ports, feeds.values(), strict=True):
        if port.levels:
            places = [{"": -1} | {text: place for place, text in enumerate(levels)} for levels in port.levels]
            codes = [
                [known.get(text, len(known) - 1) for known, text in zip(places, row, strict=True)] for row in cells
            ]
            cells = np.array(codes)
        found.append(torch.from_numpy(cells))
    return found


def test_cells_become_the_schemas_features(schema):
    feeds = feeds_of(schema, ROWS)
    rows = schema.encode(table_of(schema, feeds)).batch(slice(None))
    found = source_of(schema)(*codes_of(schema, feeds))
    known = torch.ones_like(found.observed) if rows.observed is None else rows.observed
    assert torch.equal(found.observed, known)
    assert (~known).any() or schema.pixels is not None
    # Cells of 8 bits are scaled in float32 by the schema.
    torch.testing.assert_close(found.x, rows.x, rtol=1e-6, atol=1e-7)


def test_features_become_the_schemas_cells(schema):
    x = torch.from_numpy(np.random.default_rng(2).normal(0, 1.5, (ROWS, schema.n_features)).astype(np.float32))
    x[-1] *= 40.0
    sink = sink_of(schema, "found")
    expected = cells_of(schema, schema.decode(x.numpy()), sink.ports)
    for port, cells in zip(sink.ports, sink(x), strict=True):
        wanted = expected[port.name]
        if port.levels:
            texts = [[*levels, ""] for levels in port.levels]
            cells = np.array([[texts[j][code] for j, code in enumerate(row)] for row in cells.tolist()], dtype=object)
            assert np.array_equal(cells, wanted)
        else:
            np.testing.assert_allclose(cells.numpy().astype(float), wanted.astype(float), rtol=1e-6, atol=1e-6)


def test_windows_are_the_points_one_after_the_other():
    table = Table.from_array(np.random.default_rng(0).normal(size=(30, 3)))
    schema = Schema.fit(table)
    feeds = feeds_of(schema, 12)
    expected = Windows(4).rows(schema.encode(table_of(schema, feeds))).batch(np.array([0, 4, 8]))
    found = source_of(schema, window=4)(torch.from_numpy(feeds["numbers"].reshape(3, 4, 3)))
    torch.testing.assert_close(found.x, expected.x)
    assert torch.equal(found.observed, expected.observed)


def test_each_column_is_in_the_tensor_that_can_hold_it():
    schema = SCHEMAS["standard"]
    named = {name: [schema.columns[i].name for i in places] for name, places in columns_of(schema).items()}
    assert named == {
        "numbers": ["x", "heavy", "count", "flag", "rare", "four", "never"],
        "numbers64": ["when", "day", "took", "stamp"],
        "categories": ["city", "sex", "grade", "pair", "same"],
    }
    assert columns_of(SCHEMAS["numbers"]) == {"numbers": (0, 1, 2)}
    assert isinstance(SCHEMAS["yes and no"].columns[0], Binary)
    assert isinstance(SCHEMAS["wide"].columns[0], Pixels)


def test_numbers_that_no_tensor_tells_apart_are_refused():
    schema = Schema.fit(read(pd.DataFrame({"id": 2**60 + np.arange(20) ** 2, "x": np.arange(20.0)})))
    with pytest.raises(InputError, match=r"column 'id' cannot be exported: it holds whole numbers near 1,152,921"):
        columns_of(schema)
