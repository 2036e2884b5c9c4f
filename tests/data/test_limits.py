"""What is honest is read, however much of it repeats; what is forged is refused, here at a thousandth of its size."""

import gzip
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest
from PIL import Image

from layerwise.data import from_arrow, limits, read, to_arrow
from layerwise.errors import InputError, ResourceError

ROWS = 50_000
RANDOM = np.random.default_rng(0)


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """Every file here is large."""
    monkeypatch.setattr(limits, "UNFOLDED", 2**18)
    monkeypatch.setattr(limits, "STRETCH", 2**18)


def repeating() -> pa.Table:
    """Twelve columns, of which most hardly vary."""
    columns = {f"c{i}": np.full(ROWS, i) for i in range(6)}
    columns |= {f"s{i}": np.sort(RANDOM.integers(0, 5, ROWS)) for i in range(2)}
    columns |= {"country": pa.array(["a country"] * ROWS), "flag": np.arange(ROWS) % 2 == 0}
    columns |= {"missing": pa.nulls(ROWS, pa.float64()), "x": RANDOM.integers(0, 3, ROWS)}
    return pa.table(columns)


TABLE = repeating()


@pytest.mark.parametrize("codec", ["snappy", "zstd", "none"])
def test_parquet_that_repeats(tmp_path: Path, codec: str) -> None:
    pa.parquet.write_table(TABLE, tmp_path / "t.parquet", compression=codec, row_group_size=ROWS // 3)
    assert to_arrow(read(tmp_path / "t.parquet")).equals(to_arrow(from_arrow(TABLE)))


@pytest.mark.parametrize("codec", ["lz4", "zstd", "uncompressed"])
@pytest.mark.parametrize("stream", [False, True])
def test_arrow_that_repeats(tmp_path: Path, codec: str, *, stream: bool) -> None:
    path = tmp_path / "t.arrow"
    options = pa.ipc.IpcWriteOptions(compression=None if codec == "uncompressed" else codec)
    start = pa.ipc.new_stream if stream else pa.ipc.new_file
    with pa.OSFile(str(path), "wb") as file, start(file, TABLE.schema, options=options) as writer:
        writer.write_table(TABLE, max_chunksize=ROWS // 3)
    assert to_arrow(read(path)).equals(to_arrow(from_arrow(TABLE)))


def test_counts_that_are_nearly_all_0(tmp_path: Path) -> None:
    x = (RANDOM.random((5000, 100)) < 0.01).astype(np.uint8)
    np.savez_compressed(tmp_path / "t.npz", X=x.astype(np.float64))
    assert (read(tmp_path / "t.npz").to_array() == x).all()
    text = "\n".join(",".join(map(str, row)) for row in [[f"x{i}" for i in range(100)], *x.tolist()]) + "\n"
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(text.encode()))
    assert (read(tmp_path / "t.csv.gz").to_array() == x).all()
    (tmp_path / "pictures").mkdir()
    for i in range(50):
        Image.fromarray(x[100 * i : 100 * (i + 1)] * 255).save(tmp_path / "pictures" / f"{i}.png")
    assert len(read(tmp_path / "pictures")) == 50


@pytest.mark.parametrize(
    "cells", [pa.array([b"text"] * ROWS), pa.array([["text"]] * ROWS), pa.array(["text"] * ROWS)], ids=str
)
def test_texts_that_do_not_stay_folded(tmp_path: Path, cells: pa.Array) -> None:
    plain = pa.table({"a": RANDOM.integers(0, 100, ROWS), "s.t": pa.array(["x", "y"] * (ROWS // 2))})
    for given in (plain, plain.select(["a"])):
        whole = given.add_column(1, "more", cells)
        pa.parquet.write_table(whole, tmp_path / "t.parquet", row_group_size=ROWS // 3)
        found = read(tmp_path / "t.parquet")
        assert found.names == tuple(whole.column_names)
        assert to_arrow(found.drop(["more"])).equals(to_arrow(from_arrow(given)))


def test_texts_that_differ_are_held_once(tmp_path: Path) -> None:
    pa.parquet.write_table(pa.table({"id": [f"{i:0100}" for i in range(300_000)]}), tmp_path / "t.parquet")
    before = pa.default_memory_pool().max_memory()
    read(tmp_path / "t.parquet")
    # Every batch once held all texts before it: that made 200 MB of 30.
    assert pa.default_memory_pool().max_memory() - before < 150e6


@pytest.mark.parametrize("ending", ["parquet", "feather", "npz", "csv.gz", "idx.gz"])
def test_what_only_repeats(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"t.{ending}"
    if ending == "npz":
        np.savez_compressed(path, X=np.zeros((10**6, 2)))
    elif ending == "csv.gz":
        path.write_bytes(gzip.compress(b"a,b\n" + b"1,2\n" * 10**6))
    elif ending == "idx.gz":
        path.write_bytes(gzip.compress(bytes([0, 0, 8, 2, 0, 16, 0, 0, 0, 0, 0, 4]) + bytes(2**22)))
    else:
        repeats = pa.table({"a": np.zeros(10**6), "b": np.zeros(10**6)})
        save = pa.parquet.write_table if ending == "parquet" else pa.feather.write_feather
        save(repeats, path, compression="zstd")
    with pytest.raises(InputError, match="times its size") as told:
        read(path)
    assert "\n" not in str(told.value)


@pytest.mark.parametrize("ending", ["csv", "csv.gz", "parquet", "feather", "npy"])
def test_more_than_the_memory(tmp_path: Path, ending: str, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / f"t.{ending}"
    x = pa.table({"a": RANDOM.normal(size=100)})
    if ending == "npy":
        np.save(path, np.eye(30))
    elif ending in ("parquet", "feather"):
        (pa.parquet.write_table if ending == "parquet" else pa.feather.write_feather)(x, path)
    else:
        text = b"a\n" + b"".join(b"%d\n" % i for i in range(1000))
        path.write_bytes(gzip.compress(text) if ending == "csv.gz" else text)
    monkeypatch.setattr(limits, "free_memory", lambda: 500)
    with pytest.raises(ResourceError, match="GB are free"):
        read(path)


def test_columns_and_lines_have_a_limit(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text(",".join(map(str, range(70_000))) + "\n")
    with pytest.raises(InputError, match="at most 65,536 columns; found 70,000"):
        read(path)
    path.write_bytes(b"a,b\n1," + b"2" * 10**7 + b"\n")
    with pytest.raises(InputError, match=r"t\.csv"):
        read(path)
    path.write_bytes(b"a" * 10**7)
    with pytest.raises(InputError, match="at most 8,388,608 bytes"):
        read(path)
    np.save(tmp_path / "t.npy", np.zeros((1, 2**21 + 1), np.uint8))
    with pytest.raises(InputError, match="at most 2,097,152 columns"):
        read(tmp_path / "t.npy")


def test_faults_are_counted_up_to_a_thousand(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,b\n1,2\n" + "3\n" * 5000)
    with pytest.raises(InputError, match=r"line 3 has 1 \(at least 1,000 such lines\)"):
        read(tmp_path / "t.csv")


def test_a_long_cell(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text(f"a,b\n1,{'x' * 200_000}\n2,x\n3,x\n")
    assert len(read(tmp_path / "t.csv")) == 3
    (tmp_path / "t.csv").write_text(f"{'x' * 200_000},b\n1,2\n2,3\n")
    with pytest.raises(InputError, match="Shorten the cell"):
        read(tmp_path / "t.csv")
