"""Windows of a series: exactly the cells of the points, whatever their kinds, and no clocks."""

import logging

import numpy as np
import pandas as pd
import pytest
import torch
from numpy.lib.stride_tricks import sliding_window_view

from layerwise.data import Schema, Table, Windows, read
from layerwise.errors import InputError


def mixed(points: int = 40) -> Table:
    draw = np.random.default_rng(0)
    return read(
        pd.DataFrame(
            {
                "heat": np.where(draw.random(points) < 0.2, np.nan, draw.normal(size=points)),
                "mode": pd.Categorical.from_codes(draw.integers(0, 3, points), ["a", "b", "c"]),
                "level": draw.normal(size=points),
            }
        )
    )


@pytest.mark.parametrize("scaling", ["standard", "minmax"])
def test_a_window_holds_the_cells_of_its_points(scaling):
    table = mixed()
    schema = Schema.fit(table, scaling=scaling)
    points = schema.encode(table)
    windows = Windows(5).rows(points)
    single, found = points.batch(slice(None)), windows.batch(torch.arange(len(windows)))
    for whole, part in ((single.x, found.x), (single.observed, found.observed)):
        wanted = sliding_window_view(whole.numpy(), 5, axis=0).transpose(0, 2, 1).reshape(36, -1)
        np.testing.assert_array_equal(part.numpy(), wanted)
    some = windows.take(torch.tensor([7, 3]))
    assert torch.equal(some.batch(slice(None)).x, found.x[[7, 3]])
    assert windows.nbytes < 3 * points.nbytes * 5


def test_windows_of_some_points_are_of_these():
    series = Table.from_array(np.arange(10.0).reshape(10, 1))
    rows = Schema.fit(series, scaling="none").encode(series).take(torch.tensor([4, 2, 8]))
    assert rows.windows(2).batch(slice(None)).x.tolist() == [[4.0, 2.0], [2.0, 8.0]]


def test_the_schema_of_windows_decodes_them():
    table = mixed()
    schema = Schema.fit(table)
    windows = Windows(3)
    seen = windows.schema(schema)
    assert seen.n_features == 3 * schema.n_features
    back = seen.decode(windows.rows(schema.encode(table)).batch(slice(None)).x.numpy())
    assert back.names[::3] == ("heat, 2 before", "heat, 1 before", "heat, now")
    levels = table.column(2).values
    np.testing.assert_allclose(back.column(8).values, levels[2:], atol=1e-6)
    np.testing.assert_allclose(back.column(2).values, levels[:-2], atol=1e-6)


def test_clocks_are_left_out_and_it_is_said(caplog):
    points = np.random.default_rng(0).normal(size=(30, 2))
    frame = pd.DataFrame(points, columns=["a", "b"])
    frame["when"], frame["number"] = pd.date_range("2024-01-01", periods=30, freq="h"), np.arange(30)
    table = read(frame)
    for scaling in ("standard", "minmax"):
        schema = Schema.fit(table, scaling=scaling)
        with caplog.at_level(logging.WARNING):
            kept = Windows(4).points(schema, table)
        assert [column.width for column in kept.columns] == [1, 1, 0, 0]
        assert "only rise like a clock: 'when', 'number'" in caplog.text
        assert len(kept.means) == (2 if scaling == "minmax" else 0)
        caplog.clear()
        kept.encode(table)
        assert caplog.text == ""
    clock = read(frame[["when"]])
    schema = Schema.fit(clock)
    with pytest.raises(InputError, match="does not only rise"):
        Windows(4).points(schema, clock)


def test_what_has_no_windows_is_refused():
    with pytest.raises(InputError, match="at least 2 points; got 1"):
        Windows(1)
    with pytest.raises(InputError, match="at least the 5 points of a window; found 4"):
        Windows(5).check(Table.from_array(np.zeros((4, 2))))
    with pytest.raises(InputError, match="found pictures"):
        Windows(5).check(Table.from_array(np.zeros((9, 4, 4))))
