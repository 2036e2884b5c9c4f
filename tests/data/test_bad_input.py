"""Each kind of bad input gets one clear line: what must hold, what was found and where, what to do."""

import gzip
import os
import struct
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest
import scipy.sparse
from PIL import Image

from layerwise.data import Schema, limits, read
from layerwise.errors import InputError, LayerwiseError, ResourceError


def tried(source: Any, **arguments: Any) -> None:
    table = read(source, **arguments)
    Schema.fit(table).encode(table)


def refused(source: Any, *parts: str, error: type[LayerwiseError] = InputError, **arguments: Any) -> None:
    with pytest.raises(error) as caught:
        tried(source, **arguments)
    line = str(caught.value)
    assert "\n" not in line
    for part in parts:
        assert part in line, line


def numbers_then(word: str) -> str:
    return "a,b\n" + "".join(f"{i},{i * i}\n" for i in range(9)) + f"9,{word}\n"


TEXTS: dict[str, tuple[str | bytes, list[str]]] = {
    "empty": ("", ["t.csv: ", "empty"]),
    "only blank lines": ("\n \n\n", ["empty"]),
    "only a mark": (b"\xef\xbb\xbf", ["empty"]),
    "no rows": ("a,b\n", ["at least one row", "2 columns"]),
    "a cell too many": ("a,b\n1,2\n3,4,5\n6\n", ["2 cells", "line 3 has 3 (2 such lines)", "',' between"]),
    "a cell too few": ("a\tb\n1\t2\n3\n", ["line 3 has 1", "tab between"]),
    "ragged after blank lines": ("a,b\n\n1,2\n\n3,4,5\n", ["line 5 has 3"]),
    "ragged after a line break in quotes": ('a,b\n1,"x\ny"\n3,4,5\n', ["line 4 has 3"]),
    "a name twice": ("a,b,a\n1,2,3\n2,3,4\n", ["distinct", "'a' 2 times"]),
    "no name": ("a,,c\n1,2,3\n4,5,6\n", ["needs a name", "'2'"]),
    "a word among numbers": (numbers_then("abc"), ["column 'b'", "one type", "90%", "'abc' in line 11"]),
    "infinity": ("a,b\n1,2\n2,inf\n3,-inf\n", ["column 'b' must be finite", "inf in line 3 (2 such cells)"]),
    "overflow": ("a,b\n1,2\n2,1e999\n3,4\n", ["finite", "line 3"]),
    "1e35": ("a,b\n1,2\n2,1e35\n3,4\n", ["column 'b'", "1e+30", "1e+35 in line 3"]),
    "infinity after a line break": ('t,b\n"x\ny",2\n\nx,inf\nx,3\n', ["line 5"]),
    "identifiers": (
        "id,b\n" + "".join(f"user{i},{i}\n" for i in range(30)),
        ["column 'id'", "30 distinct texts in 30 cells", "--drop"],
    ),
    "nearly identifiers": ("id,b\n" + "".join(f"u{max(i, 1)},{i}\n" for i in range(100)), ["99 distinct"]),
    "few identifiers": ("id,b\nann,1\nbob,2\ncid,3\n", ["column 'id'", "3 distinct"]),
    "dates of another style": (
        "day,b\n" + "".join(f"{i + 1}.01.2024,{i}\n" for i in range(25)),
        ["column 'day'", "2024-01-31"],
    ),
    "decimal commas": ("a;b\n1,5;2\n2,5;3\n2,5;3\n", ["column 'a'", "point", "'1,5' in line 2", "decimal=','"]),
    "latin-1": ("a,b\n1,x\n2,\xe9\n".encode("latin-1"), ["UTF-8", "column 'b' in line 3"]),
    "latin-1 names": ("a,\xe9\n1,x\n2,y\n".encode("latin-1"), ["UTF-8"]),
    "an open quote": ('a,b\n1,u\n2,"x\n3,v\n4,w\n', ["line 3", "never closed"]),
    "an open quote in the middle": ('a,b,c\n1,u,1\n2,"x,1\n3,v,1\n4,w,1\n', ["t.csv"]),
    "a spreadsheet": (b"PK\x03\x04 and more", ["Excel", "Export"]),
    "zero bytes": (b"a,b\n1,\x00\n", ["zero bytes"]),
    "only constant columns": ("a,b\n1,2\n1,2\n", ["at least one column must vary"]),
}


@pytest.mark.parametrize("case", TEXTS)
def test_text(tmp_path: Path, case: str) -> None:
    content, parts = TEXTS[case]
    (tmp_path / "t.csv").write_bytes(content if isinstance(content, bytes) else content.encode())
    refused(tmp_path / "t.csv", *parts)


def test_too_many_categories() -> None:
    frame = pd.DataFrame({"c": [f"l{i % 1200}" for i in range(6000)]})
    refused(frame, "column 'c'", "1,200")
    refused(frame.astype("category"), "column 'c'", "1,200", "at most 1,000")


@pytest.mark.parametrize(
    ("source", "parts"),
    [
        (np.zeros(3), ["shape (3,)", "reshape(-1, 1)"]),
        (np.zeros((2, 2, 2, 2, 2)), ["shape"]),
        (np.float64(3), ["data must be"]),
        (np.zeros((0, 3)), ["at least one row"]),
        (np.zeros((3, 0)), ["at least one column"]),
        (np.zeros((0, 3, 3), np.uint8), ["at least one row"]),
        (np.zeros((3, 4, 4), np.uint8), ["pictures must differ"]),
        (np.zeros((3, 2), complex), ["complex"]),
        (np.zeros((3, 2), [("a", int)]), ["real numbers"]),
        (np.zeros((3, 2), "datetime64[s]"), ["real numbers"]),
        (np.array([[1, 2.0], [np.inf, 3]]), ["column 'x0' must be finite", "row 1"]),
        (np.array([[1, 2.0], [-1e31, 3]]), ["column 'x0'", "-1e+31 in row 1"]),
        (np.array([[[1, 2.0]], [[np.inf, 3]]]), ["column 'x0'", "row 1"]),
        (np.array([[1, "a"], [2, 3]], object), ["column 'x1'", "'a' is of type str", "3 in row 1"]),
        (np.array([[1], ["b"], [2], ["c"], [3]], object), ["'b' in row 1", "(2 such cells)"]),
        (np.array([[object()], [object()]]), ["column 'x0'"]),
        (np.full((4, 2), np.nan), ["every column is constant"]),
        ([[1, 2], [3, 4]], ["got builtins.list"]),
        (None, ["data must be a path"]),
        (5, ["got builtins.int"]),
        (scipy.sparse.eye(3).tocsr(), ["sparse matrix dense"]),
        (pd.Series([1, 2]), ["got pandas.Series"]),
        (pl.LazyFrame({"a": [1]}), ["Collect a lazy frame"]),
        (pd.DataFrame(), ["at least one column"]),
        (pd.DataFrame({"a": []}), ["at least one row"]),
        (pl.DataFrame({"a": []}, schema={"a": pl.String}), ["at least one row"]),
        (pd.DataFrame([[1, 2], [3, 4]], columns=["a", "a"]), ["distinct", "'a'"]),
        (pa.table([[1], [2]], names=["a", "a"]), ["distinct", "'a'"]),
        (pd.DataFrame({"a": [1, "x", 2, "y"]}), ["column 'a'", "'x' in row 1", "(2 such cells)"]),
        (pd.DataFrame({"a": [True, False, "x"]}), ["'x' in row 2", "type str"]),
        (pd.DataFrame({"a": [1, pd.NA, "x"]}), ["'x' in row 2"]),
        (pd.DataFrame({"a": [[1], [2]]}), ["column 'a'", "list"]),
        (pd.DataFrame({"a": [1 + 2j, 2]}), ["column 'a'", "complex"]),
        (pd.DataFrame({"a": [b"x", b"y"]}), ["column 'a'", "binary"]),
        (pd.DataFrame({"a": pd.interval_range(0, 3)}), ["column 'a'", "struct"]),
        (pl.DataFrame({"a": [[1], [2]]}), ["column 'a'", "list"]),
        (pl.DataFrame({"a": [object(), object()]}), ["column 'a'"]),
        (pa.table({"a": [{"x": 1}]}), ["column 'a'", "struct"]),
        (pd.DataFrame({"a": [1.0, np.inf]}), ["column 'a' must be finite", "row 1"]),
        (pd.DataFrame({"name": ["ann", "bob", "cid"]}), ["column 'name'", "--label"]),
    ],
    ids=lambda value: None if isinstance(value, list) else type(value).__name__,
)
def test_memory(source: Any, parts: list[str]) -> None:
    refused(source, *parts)


# --- files


def npy(path: Path, change: Callable[[bytes], bytes] = lambda content: content) -> Path:
    np.save(path, np.arange(15.0).reshape(5, 3))
    path.write_bytes(change(path.read_bytes()))
    return path


def test_npy(tmp_path: Path) -> None:
    path = tmp_path / "t.npy"
    refused(npy(path, lambda b: b[:-5]), "must have 248 bytes for shape (5, 3); found 243")
    refused(npy(path, lambda b: b + b"x"), "found 249")
    refused(npy(path, lambda b: b"hello"), "must be an array saved by NumPy")
    refused(npy(path, lambda b: b.replace(b"'<f8'", b"'<q8'")), "must be an array")
    refused(npy(path, lambda b: b""), "empty")
    # A header may claim anything; nothing is allocated on its word.
    huge = b"(5, 3)", b"(1099511627776, 30)"
    refused(npy(path, lambda b: b.replace(huge[0] + b", }" + b" " * 13, huge[1] + b", }")), "2**40")
    np.save(path, np.array([1, "a"], object), allow_pickle=True)
    refused(path, "Python objects", "pickles")


def test_npz(tmp_path: Path) -> None:
    path = tmp_path / "t.npz"
    np.savez(path, p=np.zeros((2, 2)), q=np.zeros((3, 3)), r=np.zeros(3))
    refused(path, "p 2 x 2, q 3 x 3, r 3", "--member")
    refused(path, "no array 'z'", "p 2 x 2", member="z")
    np.savez(path, a=np.zeros(3))
    refused(path, "it holds a 3")
    np.savez(path, X=np.array([[1, "a"]], object))
    refused(path, "pickles")
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("readme.txt", "hello")
    refused(path, "no arrays")
    np.savez(path, X=np.eye(12))
    whole = path.read_bytes()
    path.write_bytes(whole[:300])
    refused(path, "damaged")
    changed = bytearray(whole)
    changed[200] ^= 1
    path.write_bytes(changed)
    refused(path, "damaged", "CRC")


def test_more_than_the_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(limits, "free_memory", lambda: 100)
    refused(npy(tmp_path / "t.npy"), "of memory", error=ResourceError)


@pytest.mark.parametrize("ending", ["parquet", "feather", "arrow"])
def test_arrow_files(tmp_path: Path, ending: str) -> None:
    path = tmp_path / f"t.{ending}"
    table = pa.table({"a": [1, 2, 3, 4], "s": ["u", "v", "u", "u"]})
    save = pa.parquet.write_table if ending == "parquet" else pa.feather.write_feather
    save(table, path)
    whole = path.read_bytes()
    for damaged in (whole[:-30], b"nope", b"nope" * 100):
        path.write_bytes(damaged)
        refused(path, "it is damaged", str(path))
    path.write_bytes(b"")
    refused(path, "empty")
    save(table[:0], path)
    refused(path, "at least one row")


@pytest.mark.parametrize("seed", range(30))
@pytest.mark.parametrize("ending", ["parquet", "feather"])
def test_changed_bytes_never_crash(tmp_path: Path, ending: str, seed: int) -> None:
    path = tmp_path / f"t.{ending}"
    table = pa.table({"a": list(range(40)), "s": ["u", "v", "u", "w"] * 10})
    (pa.parquet.write_table if ending == "parquet" else pa.feather.write_feather)(table, path)
    content = bytearray(path.read_bytes())
    g = np.random.default_rng(seed)
    for place in g.integers(0, len(content), 5):
        content[place] ^= int(g.integers(1, 256))
    path.write_bytes(content)
    try:
        read(path)
    except LayerwiseError as error:
        assert "\n" not in str(error)  # noqa: PT017 - most changes are found, some are in unused bytes


def idx(*sizes: int, code: int = 8, body: bytes = b"") -> bytes:
    return struct.pack(f">HBB{len(sizes)}I", 0, code, len(sizes), *sizes) + body


@pytest.mark.parametrize(
    ("content", "part"),
    [
        (b"\0\0", "damaged"),
        (b"\1\0\x08\x03" + b"\0" * 20, "first bytes"),
        (idx(2, 2, 2, code=7, body=b"\0" * 8), "first bytes"),
        (idx(2, 2, 2, body=b"\0" * 7), "2 x 2 x 2"),
        (idx(2, 2, 2, body=b"\0" * 9), "2 x 2 x 2"),
        (idx(2**31, 2**31, 2**31), "does not agree"),
        (idx(8, body=b"\0" * 8), "labels"),
        (idx(0, 2, 2), "at least one row"),
    ],
)
@pytest.mark.parametrize("packed", [False, True])
def test_idx(tmp_path: Path, content: bytes, part: str, *, packed: bool) -> None:
    path = tmp_path / ("t-ubyte.gz" if packed else "t-ubyte")
    path.write_bytes(gzip.compress(content) if packed else content)
    refused(path, part)


def test_packed_files_cut_short(tmp_path: Path) -> None:
    (tmp_path / "t.idx.gz").write_bytes(gzip.compress(idx(2, 2, 2, body=os.urandom(8)))[:-10])
    refused(tmp_path / "t.idx.gz", "damaged")
    (tmp_path / "t.csv.gz").write_bytes(gzip.compress(b"a,b\n1,2\n3,4\n")[:-6])
    refused(tmp_path / "t.csv.gz", "damaged")
    (tmp_path / "u.csv.gz").write_bytes(b"a,b\n1,2\n")
    refused(tmp_path / "u.csv.gz", "damaged")
    big = gzip.compress(b"a,b\n" + b"".join(b"%d,%d\n" % (i, i * 7 % 1001) for i in range(200_000)))
    (tmp_path / "v.csv.gz").write_bytes(big[: len(big) // 2])
    refused(tmp_path / "v.csv.gz", "v.csv.gz")


def picture(path: Path, width: int = 4, height: int = 4) -> bytes:
    Image.fromarray(np.random.default_rng(0).integers(0, 256, (height, width), dtype=np.uint8)).save(path)
    return path.read_bytes()


def test_pictures(tmp_path: Path) -> None:
    refused(tmp_path, "must hold PNG or JPEG", "none")
    content = picture(tmp_path / "1.png")
    for i in range(2, 12):
        picture(tmp_path / f"{i}.png")
    picture(tmp_path / "12.png", 5, 4)
    refused(tmp_path, "1.png is 4 x 4, 12.png is 5 x 4 (so differ 1 of 12)")
    for damaged in (b"nope", b"", content[:50], content[:-30], content[:60] + b"\0" * 20 + content[80:]):
        (tmp_path / "12.png").write_bytes(damaged)
        refused(tmp_path, "12.png", "damaged")
    (tmp_path / "12.png").unlink()
    picture(tmp_path / "12.jpg")
    jpeg = (tmp_path / "12.jpg").read_bytes()
    (tmp_path / "12.jpg").write_bytes(jpeg[: len(jpeg) // 2])
    refused(tmp_path, "12.jpg", "damaged")


def test_a_picture_that_unfolds_to_gigabytes(tmp_path: Path) -> None:
    head = b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR" + struct.pack(">IIBBBBB", 60_000, 60_000, 8, 0, 0, 0, 0)
    (tmp_path / "1.png").write_bytes(head + b"\0" * 100)
    refused(tmp_path, "1.png")


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("none.csv", ["none.csv: there is no such file", "datasets"]),
        ("preset.csv", ["did you mean", "present.csv"]),
        ("nowhere/t.csv", ["no folder"]),
        ("book.xlsx", ["must end in .csv", "Export it as CSV"]),
        ("model.pkl", ["Pickles"]),
        ("one.png", ["folder"]),
        ("thing.xyz", ["must end in .csv"]),
    ],
)
def test_names(tmp_path: Path, name: str, parts: list[str]) -> None:
    for there in ("present.csv", "book.xlsx", "model.pkl", "one.png", "thing.xyz"):
        (tmp_path / there).write_text("a,b\n1,2\n2,4\n")
    refused(tmp_path / name, *parts)


def test_columns_that_are_not_there() -> None:
    frame = pd.DataFrame({"age": [1, 2], "wage": [3, 5]})
    refused(frame, "no column 'agee'", "'age'", label="agee")
    refused(frame, "no column 'x'", drop=["x"])
    refused(frame, "at least one column", drop=["age", "wage"])


@pytest.mark.skipif(os.geteuid() == 0, reason="the superuser may read everything")
def test_no_permission(tmp_path: Path) -> None:
    for name in ("t.csv", "t.npy", "t.npz", "t.parquet", "t.feather", "t.idx"):
        (tmp_path / name).write_text("secret")
        (tmp_path / name).chmod(0)
        refused(tmp_path / name, "Permission denied", error=ResourceError)


def spoiled(columns: int) -> pd.DataFrame:
    """An infinity in row 3 of every column."""
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(30, columns))).add_prefix("c")
    frame.iloc[3] = np.inf
    return frame


@pytest.mark.parametrize(("columns", "lines"), [(1, 1), (2, 2), (10, 10), (11, 10), (500, 10)])
def test_all_findings_come_in_one_error(columns: int, lines: int) -> None:
    frame = spoiled(columns)
    schema = Schema.fit(read(spoiled(columns).replace(np.inf, 0.5)))
    for work in (lambda: Schema.fit(read(frame)), lambda: schema.encode(read(frame))):
        with pytest.raises(InputError) as told:
            work()
        text = str(told.value).splitlines()
        assert len(text) == lines
        assert len(told.value.findings) == columns
        assert all(f"column 'c{i}'" in line and "row 3" in line for i, line in enumerate(told.value.findings))
        if columns > lines:
            assert text[-1] == f"... and {columns - lines + 1} more like these."


def test_different_findings_are_all_told() -> None:
    frame = pd.DataFrame({"size": [1.0, np.inf, 3.0] * 10, "name": [f"n{i}" for i in range(30)], "fine": range(30)})
    frame["mixed"] = [*map(str, range(29)), "many"]
    with pytest.raises(InputError) as told:
        Schema.fit(read(frame))
    assert [line.split("column ")[1].split()[0] for line in told.value.findings] == ["'size'", "'name'", "'mixed'"]
