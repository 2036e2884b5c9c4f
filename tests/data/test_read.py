"""What comes in, from every kind of file, with the mess that real files have."""

import gzip
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
import pytest
from PIL import Image

from layerwise.data import Schema, Table, check_output, from_arrow, limits, read, to_arrow, write
from layerwise.data.pictures import read_each
from layerwise.errors import InputError, ResourceError

REAL = Path(__file__).parents[2].parent / "shared" / "data"
real = pytest.mark.skipif(not REAL.is_dir(), reason=f"the real data sets are not here ({REAL})")
randomness = np.random.default_rng(0)


def text(path: Path, content: str | bytes) -> Table:
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return read(path)


@pytest.mark.parametrize(
    "content",
    [
        "a,b\n1,x\n2,\n,y\n",
        "\ufeffa,b\n1,x\n2,\n,y\n",
        "a;b\r\n1;x\r\n2;\r\n;y\r\n",
        "a\tb\n1\tx\n2\tNA\n?\ty\n",
        "a|b\n1|x\n2|NULL\nnan|y\n",
        '"a","b"\n"1","x"\n"2",""\n"","y"\n',
        "a,b\n1,x\n\n2,\n\n,y",
        "a,b,\n1,x,\n2,,\n,y,\n",
        ",a,b\n0,1,x\n1,2,\n2,,y\n",
        "a,b\n1,x\n2,\n,y\n".encode("utf-16"),
        b"\xff\xfe" + "a,b\n1,x\n2,\n,y\n".encode("utf-16-le"),
    ],
)
def test_text_in_every_dress(tmp_path: Path, content: str | bytes) -> None:
    table = text(tmp_path / "t.csv", content)
    assert to_arrow(table).to_pydict() == {"a": [1, 2, None], "b": ["x", None, "y"]}
    assert table.named


def test_names_and_cells_to_the_letter(tmp_path: Path) -> None:
    table = text(tmp_path / "t.csv", 'one,"two\t"," three ","a ""b"", c"\n1,"x, y","line\nbreak",é\n2,z,"q""q",ü\n')
    assert table.names == ("one", "two\t", " three ", 'a "b", c')
    assert table.column(1).texts().tolist() == ["x, y", "z"]
    assert table.column(2).texts().tolist() == ["line\nbreak", 'q"q']
    assert table.column(3).texts().tolist() == ["é", "ü"]


def test_types_of_text(tmp_path: Path) -> None:
    content = "i,f,big,flag,day,time,zone,clock,none,both\n" + "".join(
        f"{i},{i / 4},{2**62 + i},{i % 2 == 0},2024-01-{i + 1:02},2024-01-01 10:00:{i:02},"
        f"2024-01-01T10:00:{i:02}Z,10:{i:02},,{'' if i % 3 else i}\n"
        for i in range(12)
    )
    table = text(tmp_path / "t.csv", content)
    types = [table.column(i).dtype for i in range(10)]
    assert types == [
        "int64",
        "float64",
        "int64",
        "bool",
        "date",
        "timestamp[s]",
        "timestamp[s, UTC]",
        "time[s]",
        "null",
        "int64",
    ]
    assert table.column(9).present() is not None
    schema = Schema.fit(table)
    assert [column.kind for column in schema.columns] == [
        *["numeric"] * 3,
        "binary",
        *["numeric"] * 4,
        "constant",
        "numeric",
    ]


@pytest.mark.parametrize(
    ("content", "names"),
    [
        ("1,2\n3,4\n", ("x0", "x1")),
        ("1.5,NA\n3,4\n", ("x0", "x1")),
        ("0,1,2\n5,6,7\n5,6,8\n", ("0", "1", "2")),
        (",0,1\n0,6,7\n1,6,8\n", ("0", "1")),
        ("a,1\n3,4\n", ("a", "1")),
        ("lonely\n3\n", ("lonely",)),
    ],
)
def test_header_or_not(tmp_path: Path, content: str, names: tuple[str, ...]) -> None:
    table = text(tmp_path / "t.csv", content)
    assert table.names == names
    assert table.named == (names[0] != "x0")


@pytest.mark.parametrize("name", ["t.tsv", "t.txt", "t.data", "T.CSV", "t.csv.gz", "t.tsv.gz"])
def test_endings_of_text(tmp_path: Path, name: str) -> None:
    delimiter = "\t" if "tsv" in name else ","
    content = f"a,b{delimiter}c\n1{delimiter}x\n2{delimiter}y,z\n" if delimiter == "\t" else "a,c\n1,x\n2,y\n"
    table = text(tmp_path / name, gzip.compress(content.encode()) if name.endswith("gz") else content)
    assert len(table.names) == 2
    assert len(table) == 2


def test_label_and_drop(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_text("a,who,y,when\n1,ann,u,2024-01-01\n2,bob,,2024-01-02\n4,cid,v,\n")
    table = read(tmp_path / "t.csv", label="y", drop=["who", "when"])
    assert table.names == ("a",)
    assert table.labels is not None
    assert table.labels.tolist() == ["u", "", "v"]
    assert read(tmp_path / "t.csv", label="when").labels.tolist() == ["2024-01-01", "2024-01-02", ""]  # type: ignore[union-attr]
    assert read(tmp_path / "t.csv", label="a").labels.tolist() == [1, 2, 4]  # type: ignore[union-attr]
    numbers = read(pd.DataFrame({"a": [1, 2], "y": pd.array([5, None], "Int64")}), label="y").labels
    assert numbers is not None
    assert np.isnan(numbers[1])
    assert numbers[0] == 5


# --- round trips through every format


def sample() -> Table:
    return from_arrow(
        pa.table(
            {
                "n": [1.5, None, -2.0],
                "i": [1, 2, None],
                "s": ["x", None, "y, z"],
                "c": pa.array(["u", "v", "u"]).dictionary_encode(),
                "b": [True, None, False],
                "t": pa.array([0, 10**6, None], pa.timestamp("us", "UTC")),
                "d": pa.array([0, 1, None], pa.date32()),
                "dec": pa.array([1, 2, None], pa.decimal128(10, 2)),
                "span": pa.array([0, 1500, None], pa.duration("ms")),
            }
        )
    )


@pytest.mark.parametrize("ending", ["csv", "tsv", "parquet", "feather", "arrow", "ipc"])
def test_tables_round_trip(tmp_path: Path, ending: str) -> None:
    table = sample()
    write(table, tmp_path / f"t.{ending}")
    again = read(tmp_path / f"t.{ending}")
    assert again.names == table.names
    old, new = to_arrow(table).to_pydict(), to_arrow(again).to_pydict()
    plain = ("n", "i", "s", "c", "b", "t", "d")
    assert {name: new[name] for name in plain} == {name: old[name] for name in plain}
    if ending not in ("csv", "tsv"):
        assert new == old
        assert again.column(2).dtype == "string"
        assert again.column(3).dtype == "category"


@pytest.mark.parametrize("ending", ["npy", "npz", "idx", "idx.gz"])
@pytest.mark.parametrize("dtype", ["uint8", "int16", "float32", "float64"])
@pytest.mark.parametrize("shape", [(5, 3), (5, 4, 3), (5, 4, 3, 2)])
def test_arrays_round_trip(tmp_path: Path, ending: str, dtype: str, shape: tuple[int, ...]) -> None:
    array = randomness.integers(0, 100, shape).astype(dtype)
    write(Table.from_array(array, labels=np.arange(5)), tmp_path / f"t.{ending}")
    again = read(tmp_path / f"t.{ending}")
    assert (again.to_array() == array).all()
    assert again.to_array().dtype == dtype
    assert again.shape == (None if len(shape) == 2 else shape[1:])
    if ending == "npz":
        assert again.labels is not None
        assert again.labels.tolist() == list(range(5))


@pytest.mark.parametrize("shape", [(12, 5, 4), (12, 5, 4, 3)])
def test_pictures_round_trip(tmp_path: Path, shape: tuple[int, ...]) -> None:
    array = randomness.integers(0, 256, shape, dtype=np.uint8)
    write(Table.from_array(array), tmp_path / "pictures")
    assert sorted(file.name for file in (tmp_path / "pictures").iterdir())[-1] == "0011.png"
    again = read(tmp_path / "pictures")
    assert (again.to_array() == array).all()
    assert again.labels is None


def test_reconstructed_pictures_may_be_fractions(tmp_path: Path) -> None:
    write(Table.from_array(np.linspace(0, 1, 48).reshape(3, 4, 4)), tmp_path / "p")
    assert read(tmp_path / "p").to_array().max() == 255


def test_pictures_in_natural_order_with_classes(tmp_path: Path) -> None:
    for i, kind in ((10, "cat"), (9, "cat"), (1, "dog")):
        (tmp_path / kind).mkdir(exist_ok=True)
        Image.fromarray(np.full((4, 3), i, np.uint8)).save(tmp_path / kind / f"{i}.png")
    (tmp_path / "Thumbs.db").write_text("nothing")
    (tmp_path / ".hidden.png").write_text("nothing")
    table = read(tmp_path)
    assert table.to_array()[:, 0, 0].tolist() == [9, 10, 1]
    assert table.labels is not None
    assert table.labels.tolist() == ["cat", "cat", "dog"]


def test_modes_of_pictures(tmp_path: Path) -> None:
    grey = randomness.integers(0, 256, (6, 6), dtype=np.uint8)
    Image.fromarray(grey).save(tmp_path / "1.png")
    Image.fromarray(grey).convert("1").save(tmp_path / "2.png")
    assert read(tmp_path).shape == (6, 6)
    Image.fromarray(np.dstack([grey] * 4)).save(tmp_path / "3.png")
    Image.fromarray(grey).convert("P").save(tmp_path / "4.png")
    Image.fromarray(np.dstack([grey] * 3)).save(tmp_path / "5.JPG")
    assert read(tmp_path).shape == (6, 6, 3)
    (tmp_path / "deep").mkdir()
    deep = randomness.integers(0, 65_536, (6, 6), dtype=np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep" / "1.png")
    assert (read(tmp_path / "deep").to_array()[0] == deep).all()


def test_masks_keep_their_numbers(tmp_path: Path) -> None:
    grey = randomness.integers(0, 4, (6, 5), dtype=np.uint8)
    coloured = Image.fromarray(grey)
    coloured.putpalette([250, 0, 0, 0, 250, 0, 0, 0, 250, 9, 9, 9])
    coloured.save(tmp_path / "palette.png")
    Image.fromarray(grey.astype(np.uint16) * 300).save(tmp_path / "deep.png")
    Image.fromarray(np.dstack([grey] * 3)).save(tmp_path / "equal.png")
    Image.fromarray(np.dstack([grey] * 4)).save(tmp_path / "alpha.png")
    masks = read_each(tmp_path, masks=True)
    found = dict(zip(masks.names, masks.arrays, strict=True))
    assert (found.pop("deep.png") == grey.astype(np.uint16) * 300).all()
    assert len(found) == 3
    assert all((mask == grey).all() for mask in found.values())
    Image.fromarray(grey).save(tmp_path / "lossy.png", format="JPEG")
    with pytest.raises(InputError, match=r"lossy.png: a mask must be a PNG; a JPEG changes the numbers"):
        read_each(tmp_path, masks=True)


def test_what_of_a_picture_is_left_out_is_told(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    pixels = randomness.integers(0, 256, (6, 6, 4), dtype=np.uint8)
    Image.fromarray(pixels[:, :, :3]).save(tmp_path / "1.png")
    Image.fromarray(pixels).save(tmp_path / "2.png")
    line = f"{tmp_path}: transparency is left out, the colours beneath it stay in 1 of 2 pictures, first 2.png."
    assert (read_each(tmp_path).arrays[1] == pixels[:, :, :3]).all()
    assert read(tmp_path).shape == (6, 6, 3)
    assert caplog.messages == [line, line]


def test_large_and_missing_pictures_are_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    Image.fromarray(np.zeros((1500, 2000), np.uint8)).save(tmp_path / "large.png")
    with pytest.raises(InputError, match=r"at most 2,097,152 pixels; found 3,000,000 \(2,000 x 1,500\)"):
        read(tmp_path)
    # One by one, a network takes them in squares.
    assert read_each(tmp_path).arrays[0].shape == (1500, 2000)
    monkeypatch.setattr("layerwise.data.pictures.PICTURE_PIXELS", 2_000_000)
    with pytest.raises(InputError, match=r"at most 2,000,000 pixels; found 3,000,000 \(2,000 x 1,500\)"):
        read_each(tmp_path)
    with pytest.raises(InputError, match=r"lerge.png: there is no such file; did you mean .*large.png"):
        read_each(tmp_path / "lerge.png")
    (tmp_path / "one.bmp").write_bytes(b"BM")
    with pytest.raises(InputError, match=r"one.bmp: a picture must be a PNG or a JPEG; found '.bmp'. Save it as PNG."):
        read(tmp_path / "one.bmp")
    Image.fromarray(np.zeros((50, 50), np.uint8)).save(tmp_path / "large.png")
    monkeypatch.setattr(limits, "free_memory", lambda: 4 * 2500 - 1)
    with pytest.raises(ResourceError, match="of memory"):
        read_each(tmp_path)


def test_parquet_of_pandas_and_an_arrow_stream(tmp_path: Path) -> None:
    pd.DataFrame({"a": [1, 2], "b": ["x", "y"]}, index=[7, 9]).to_parquet(tmp_path / "t.parquet")
    assert read(tmp_path / "t.parquet").names == ("a", "b")
    batch = pa.record_batch({"a": [1, 2]})
    with pa.OSFile(str(tmp_path / "t.arrow"), "wb") as file, pa.ipc.new_stream(file, batch.schema) as stream:
        stream.write_batch(batch)
    assert len(read(tmp_path / "t.arrow")) == 2


def test_a_small_parquet_file_with_much_text(tmp_path: Path) -> None:
    table = pa.table({"s": pa.array(["z" * 2000, "y" * 2000] * 10_000).dictionary_encode()})
    table = table.cast(pa.schema({"s": pa.large_string()}))
    pa.parquet.write_table(table, tmp_path / "t.parquet")
    column = read(tmp_path / "t.parquet").column(0)
    assert column.levels is not None
    assert len(column.levels) == 2
    assert column.dtype == "string"


def test_npz_chooses_its_array(tmp_path: Path) -> None:
    path = tmp_path / "t.npz"
    np.savez(path, X=np.eye(3), y=np.arange(3), other=np.eye(2))
    assert read(path).labels is not None
    assert len(read(path, member="other")) == 2
    np.savez_compressed(path, data=np.eye(4), names=np.array(["a", "b"]))
    assert len(read(path)) == 4


def test_arrays_of_other_kinds() -> None:
    objects = np.array([[1, "u", None], [2.5, "v", 3], [None, "u", 4]], dtype=object)
    assert to_arrow(read(objects)).to_pydict() == {"x0": [1, 2.5, None], "x1": ["u", "v", "u"], "x2": [None, 3, 4]}
    assert read(np.array([["a", "b"], ["c", "d"]])).column(0).dtype == "string"
    masked = np.ma.masked_equal(np.array([[1, 2], [3, 2]]), 2)
    assert np.isnan(read(masked).to_array()[:, 1]).all()
    assert read(np.ones((2, 2), dtype=np.longdouble)).column(0).dtype == "float64"
    assert read(pd.DataFrame({0: [1, 2], "b": [3, 4]})).names == ("x0", "x1")
    assert not read(pd.DataFrame({0: [1, 2]})).named
    table = read(np.eye(2))
    assert read(table) is table


def test_tables_are_sliced_and_errors_keep_their_row() -> None:
    array = np.ones((6, 2))
    array[4, 1] = np.inf
    table = Table.from_array(array, labels=np.arange(6)).take(np.array([5, 4, 3]))
    assert table.labels is not None
    assert table.labels.tolist() == [5, 4, 3]
    with pytest.raises(InputError, match="row 4"):
        Schema.fit(table.take(slice(1, None)))


# --- writing


@pytest.mark.parametrize("name", ["t.xlsx", "t", "t.pkl"])
def test_unknown_endings_are_not_written(tmp_path: Path, name: str) -> None:
    with pytest.raises(InputError, match=r"must end in \.csv"):
        write(sample(), tmp_path / name)
    with pytest.raises(InputError):
        check_output(tmp_path / name)
    assert not list(tmp_path.iterdir())


def test_what_an_array_cannot_hold_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "t.npy").write_text("old")
    with pytest.raises(InputError, match="column 's' holds string"):
        write(sample(), tmp_path / "t.npy")
    with pytest.raises(InputError, match="IDX holds"):
        write(Table.from_array(np.zeros((2, 2), np.uint64)), tmp_path / "t.idx")
    assert [file.name for file in tmp_path.iterdir()] == ["t.npy"]
    assert (tmp_path / "t.npy").read_text() == "old"


# --- imports


def test_importing_costs_no_extras() -> None:
    program = (
        "import sys, layerwise.data; "
        "print([m for m in ('pandas', 'polars', 'PIL', 'sklearn', 'pydantic', 'matplotlib') if m in sys.modules])"
    )
    source = str(Path(__file__).parents[2] / "src")
    done = subprocess.run(
        [sys.executable, "-c", f"import sys; sys.path.insert(0, {source!r}); {program}"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.strip() == "[]"


# --- real files


@real
def test_students_dropout() -> None:
    table = read(REAL / "students-dropout" / "data.csv", label="Target")
    assert (len(table), len(table.names)) == (4424, 36)
    assert "Daytime/evening attendance\t" in table.names
    assert table.names[0] == "Marital status"
    assert table.labels is not None
    assert np.unique(table.labels, return_counts=True)[1].tolist() == [1421, 794, 2209]
    x = Schema.fit(table).encode(table).batch(slice(None)).x
    assert x.var(0, correction=0) == pytest.approx(np.ones(36), abs=1e-3)
    assert x.mean(0).abs().max() < 1e-4


@real
@pytest.mark.parametrize("path", sorted((REAL / "adbench").glob("*.npz")), ids=lambda path: path.stem)
def test_adbench(path: Path) -> None:
    table = read(path)
    assert table.labels is not None
    schema = Schema.fit(table)
    rows = schema.encode(table)
    x = rows.batch(slice(None)).x
    assert x.var(0, correction=0) == pytest.approx(np.ones(x.shape[1]), abs=1e-2)
    back = schema.decode(x.numpy()).to_array()
    given = table.to_array()
    np.testing.assert_allclose(back, given, atol=2e-5 * np.abs(given).max())


@real
def test_pictures_of_two_sizes() -> None:
    with pytest.raises(InputError, match=r"01.png is 768 x 512, 19.png is 512 x 768"):
        read(REAL / "kodak")


@real
def test_a_folder_of_idx_files() -> None:
    with pytest.raises(InputError, match="layerwise fit mnist --data-dir"):
        read(REAL / "mnist")
    assert read(REAL / "mnist" / "t10k-images-idx3-ubyte.gz").shape == (28, 28)
    with pytest.raises(InputError, match="labels"):
        read(REAL / "mnist" / "t10k-labels-idx1-ubyte.gz")


@real
def test_colour_pictures_and_traces() -> None:
    with pytest.raises(InputError, match="x_train 3000 x 32 x 32 x 3"):
        read(REAL / "cifar10-small" / "cifar10_small.npz")
    assert read(REAL / "cifar10-small" / "cifar10_small.npz", member="x_test").shape == (32, 32, 3)
    assert Schema.fit(read(REAL / "ecg5000" / "ecg5000.npz", member="X_test")).n_features == 140
    with pytest.raises(InputError, match="'Datetime'"):
        Schema.fit(read(REAL / "nasa-bearing" / "2nd_test_10min.csv"))
    bearing = read(REAL / "nasa-bearing" / "2nd_test_10min.csv", drop=["Datetime"])
    assert bearing.names == ("Bearing 1", "Bearing 2", "Bearing 3", "Bearing 4")
