"""Batches: equal to the dense encoding, in any order, for any index."""

import numpy as np
import pandas as pd
import pytest
import torch

from layerwise.data import Rows, Schema, Table, read


def frame(rows: int = 90, *, holes: bool = True) -> pd.DataFrame:
    g = np.random.default_rng(2)
    hole = (g.random(rows) < 0.15) & holes
    return pd.DataFrame(
        {
            "c": np.where(hole, None, g.choice(list("abc"), rows)),
            "n": g.normal(size=rows),
            "b": pd.array(np.where(hole, None, g.random(rows) < 0.4), "boolean"),
            "d": g.choice(list("uvwxyz"), rows),
            "m": np.where(np.roll(hole, 3), np.nan, g.normal(size=rows)),
            "u": g.integers(0, 100, rows).astype(np.uint8),
        }
    )


def dense(data: pd.DataFrame) -> tuple[np.ndarray, np.ndarray]:
    """The same encoding, written out column by column from the definition."""
    blocks, masks = [], []
    for name in data:
        cells = data[name]
        known = cells.notna().to_numpy()
        if cells.dtype == object or str(cells.dtype) in ("str", "string"):
            levels = sorted(set(cells.dropna()))
            shares = np.array([(cells == level)[known].mean() for level in levels])
            hot = np.array([[cell == level for level in levels] for cell in cells], dtype=float)
            block = np.column_stack([hot - shares, np.zeros(len(cells))]) / np.sqrt(1 - (shares**2).sum())
        else:
            values = cells.astype(float).to_numpy(na_value=np.nan)
            block = ((values - np.nanmean(values)) / np.nanstd(values))[:, None]
        blocks.append(np.where(known[:, None], block, 0))
        masks.append(np.repeat(known[:, None], block.shape[1], axis=1))
    return np.column_stack(blocks), np.column_stack(masks)


def encode(data: pd.DataFrame) -> Rows:
    table = read(data)
    return Schema.fit(table).encode(table)


def test_batches_equal_the_dense_encoding() -> None:
    data = frame()
    rows = encode(data)
    x, observed, _ = rows.batch(slice(None))
    expected, mask = dense(data)
    np.testing.assert_allclose(x, expected, atol=2e-5)
    assert observed is not None
    assert (observed.numpy() == mask).all()
    assert len({type(store) for store in rows.stores}) == 3


@pytest.mark.parametrize(
    "index",
    [
        slice(3, 20, 2),
        np.array([5, 5, 0, 89]),
        torch.tensor([88, 1]),
        np.array([], dtype=np.int64),
        torch.arange(90) % 7 == 0,
        np.array([-1]),
    ],
)
def test_any_index(index: slice | np.ndarray | torch.Tensor) -> None:
    rows = encode(frame())
    x, observed, _ = rows.batch(slice(None))
    part = rows.batch(index)
    assert observed is not None
    assert part.observed is not None
    place = index if isinstance(index, slice) else torch.as_tensor(index)
    assert torch.equal(part.x, x[place])
    assert torch.equal(part.observed, observed[place])
    assert part.x.dtype == torch.float32


def test_taken_rows_are_those_rows_without_a_copy() -> None:
    table = Table.from_array(np.arange(60.0).reshape(20, 3), labels=np.arange(20))
    rows = Schema.fit(table).encode(table)
    some = rows.take(np.array([7, 3, 3])).take(torch.tensor([2, 0]))
    assert some.labels is not None
    assert some.labels.tolist() == [3, 7]
    assert torch.equal(some.batch(slice(None)).x, rows.batch(np.array([3, 7])).x)
    assert some.stores is rows.stores
    assert len(some) == 2


def test_nothing_missing_means_no_mask() -> None:
    rows = encode(frame(holes=False))
    assert rows.complete
    assert rows.batch(slice(3)).observed is None
    assert not encode(frame()).complete
    # Also in a batch that happens to miss nothing.
    holes = encode(frame())
    full = holes.batch(slice(None)).observed
    assert full is not None
    place = int(full.all(1).nonzero()[0, 0])
    assert holes.batch(slice(place, place + 1)).observed is not None


def test_a_batch_may_be_changed_without_changing_the_rows() -> None:
    g = np.random.default_rng(0)
    for data in (g.normal(size=(9, 2)), g.integers(0, 256, (9, 64), dtype=np.uint8)):
        table = Table.from_array(data)
        rows = Schema.fit(table).encode(table)
        before = rows.batch(slice(None)).x.clone()
        rows.batch(slice(None)).x.zero_()
        assert torch.equal(rows.batch(slice(None)).x, before)


def test_read_only_and_strange_arrays() -> None:
    array = np.random.default_rng(0).integers(0, 256, (40, 100), dtype=np.uint8)
    frozen = array.copy()
    frozen.flags.writeable = False
    expected = Schema.fit(Table.from_array(array)).encode(Table.from_array(array)).batch(slice(None)).x
    for given in (frozen, np.asfortranarray(array), array[:, ::1]):
        table = Table.from_array(given)
        assert torch.equal(Schema.fit(table).encode(table).batch(slice(None)).x, expected)
    floats = array[:, :5].astype(np.float64)
    reference = Schema.fit(Table.from_array(floats)).encode(Table.from_array(floats)).batch(slice(None)).x
    for given in (
        np.asfortranarray(floats),
        floats.astype(">f8"),
        floats.astype(np.longdouble),
        floats.astype(np.float16),
    ):
        table = Table.from_array(given)
        np.testing.assert_allclose(Schema.fit(table).encode(table).batch(slice(None)).x, reference, atol=1e-5)
