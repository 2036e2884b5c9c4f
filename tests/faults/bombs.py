"""Small files that would fill the memory: each is made in a moment, by what its format allows to be said twice."""

import base64
import bz2
import gzip
import json
import shutil
import struct
import zlib
from collections.abc import Callable
from io import BytesIO
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.feather
import pyarrow.parquet
from PIL import Image

from layerwise.data.ipc import Flat
from layerwise.manifest import seal
from layerwise.storage import KIND

GIGABYTE = 2**30
ZSTD = pa.Codec("zstd")


def repeated(block: bytes, times: int, rest: bytes = b"") -> bytes:
    """A raw deflate stream of a block, again and again: after a full flush it begins anew."""
    packer = zlib.compressobj(9, zlib.DEFLATED, -15)
    once = packer.compress(block) + packer.flush(zlib.Z_FULL_FLUSH)
    end = zlib.compressobj(9, zlib.DEFLATED, -15)
    return once * times + end.compress(rest) + end.flush()


# --- Parquet


class Wide(int):
    """A whole number that is written as one of 64 bits."""


def varint(number: int) -> bytes:
    found = b""
    while number > 127:
        found, number = found + bytes([number & 127 | 128]), number >> 7
    return found + bytes([number])


def thrift(value: object) -> tuple[int, bytes]:
    """Type and bytes of a value in Thrift's compact protocol; dictionaries are structures by field number."""
    if isinstance(value, int):
        return 6 if isinstance(value, Wide) else 5, varint(value << 1 if value >= 0 else ~(value << 1))
    if isinstance(value, bytes):
        return 8, varint(len(value)) + value
    if isinstance(value, list):
        kinds = [thrift(element) for element in value] or [(12, b"")]
        return 9, bytes([0xF0 | kinds[0][0]]) + varint(len(value)) + b"".join(data for _, data in kinds)
    assert isinstance(value, dict)
    found, last = b"", 0
    for number in sorted(value):
        kind, data = thrift(value[number])
        found, last = found + bytes([(number - last) << 4 | kind]) + data, number
    return 12, found + b"\0"


def parquet(
    path: Path, *, body: bytes = b"", columns: int = 1, groups: int = 0, chunk: dict | None = None, more: bytes = b""
) -> Path:
    """A Parquet file of whole numbers with a summary of any kind; all columns and row groups have the same chunk."""
    field = thrift({1: 2, 3: 0, 4: b"a"})[1]
    group = thrift({1: [chunk or {}], 2: Wide(8), 3: Wide(1)})[1]
    if chunk is None:
        # Fewer bytes cannot describe a chunk.
        group = b"\x19\xfc" + varint(columns) + thrift({2: Wide(1)})[1] * columns + b"\x16\x10\x16\x02\0"
    root = thrift({4: b"", 5: columns})[1]
    schema = b"\x19\xfc" + varint(columns + 1) + root + field * columns
    listed = b"\x19\xfc" + varint(groups) + group * groups
    footer = b"\x15\x02" + schema + b"\x16\x02" + listed + more + b"\0"
    path.write_bytes(b"PAR1" + body + footer + struct.pack("<I", len(footer)) + b"PAR1")
    return path


def runs(folder: Path) -> Path:
    """A run of one value, and a summary that lists its row group 2048 times: 2**31 rows."""
    path = folder / "runs.parquet"
    pa.parquet.write_table(pa.table({"a": np.zeros(2**20, np.int64)}), path, row_group_size=2**20)
    summary = pa.parquet.read_metadata(path)
    again = pa.parquet.read_metadata(path)
    for _ in range(2047):
        summary.append_row_groups(again)
    packed = BytesIO()
    summary.write_metadata_file(packed)
    path.write_bytes(path.read_bytes() + packed.getvalue()[4:])
    return path


def page(folder: Path) -> Path:
    """A page of a gigabyte, of which the summary says that it has one row in 100 bytes."""
    content = ZSTD.compress(bytes(2**24), asbytes=True) * 64
    head = thrift({1: 0, 2: GIGABYTE, 3: len(content), 5: {1: 1, 2: 0, 3: 3, 4: 3}})[1]
    size = len(head) + len(content)
    about = {1: 2, 2: [0], 3: [b"a"], 4: 6, 5: Wide(1), 6: Wide(100), 7: Wide(size), 9: Wide(4)}
    return parquet(folder / "page.parquet", body=head + content, groups=1, chunk={2: Wide(4), 3: about})


def text(folder: Path, kind: str) -> Path:
    """A text of a megabyte in each of many rows, folded in a dictionary; in a list nothing stays folded."""
    rows = 1_000_000
    column = pa.DictionaryArray.from_arrays(np.zeros(rows, np.int32), pa.array(["z" * 2**20]))
    if kind == "list":
        column = pa.ListArray.from_arrays(np.arange(rows + 1, dtype=np.int32), column)
    path = folder / f"{kind}.{'feather' if kind == 'feather' else 'parquet'}"
    if kind == "feather":
        pa.feather.write_feather(pa.table({"a": column}), path, compression="zstd")
    else:
        options = {"write_statistics": False, "store_schema": False, "dictionary_pagesize_limit": 2**24}
        pa.parquet.write_table(pa.table({"a": column}), path, compression="zstd", **options)
    return path


def shared() -> bytes:
    """The message of a schema of some kilobytes with millions of columns: each has twenty times the same one inside."""
    kind = pa.int8()
    for _ in range(5):
        kind = pa.struct([(f"c{i}", pa.int8() if i else kind) for i in range(20)])
    # Arrow's reader lets a header have eight parts a byte.
    data = bytearray(pa.schema([("a", kind)], {"pad": "x" * 1_000_000}).serialize().to_pybytes())
    flat = Flat(bytes(data[8:]))
    field = flat.tables(flat.follow(flat.number("I", 0), 2), 1)[0]
    while inner := flat.tables(field, 5):
        start, count = flat.vector(field, 5)
        field = min(inner, key=lambda one: -len(flat.tables(one, 5)))
        for at in range(start, start + 4 * count, 4):
            struct.pack_into("<I", data, 8 + at, field - at)
    return bytes(data)


def columns_in_columns(folder: Path) -> Path:
    """Millions of columns by one that is shared, in an Arrow stream."""
    (folder / "shared.arrow").write_bytes(shared())
    return folder / "shared.arrow"


def columns_in_a_note(folder: Path) -> Path:
    """The same in the note of a Parquet file that says what its types were in Arrow."""
    note = thrift({5: [{1: b"ARROW:schema", 2: base64.b64encode(shared())}]})[1]
    # Within the summary the field before it is the fourth.
    return parquet(folder / "note.parquet", more=bytes([0x19]) + note[1:-1])


# --- Arrow


def packed_arrow(folder: Path, codec: str) -> Path:
    """Four gigabytes of zeros."""
    path = folder / f"{codec}.arrow"
    options = pa.ipc.IpcWriteOptions(compression=codec)
    batch = pa.record_batch({"a": np.zeros(2**24, np.int64)})
    stream = BytesIO()
    with pa.ipc.new_stream(stream, batch.schema, options=options) as writer:
        writer.write_batch(batch)
        head = stream.tell()
        writer.write_batch(batch)
        content = stream.getvalue()
    path.write_bytes(content[:head] + content[head:] * 31)
    return path


def nothing(folder: Path) -> Path:
    """Rows of a type that takes no place."""
    path = folder / "null.feather"
    batch = pa.record_batch({"a": pa.nulls(2**30)})
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, batch.schema) as writer:
        writer.write_batch(batch)
    return path


def listed_again(folder: Path) -> Path:
    """A batch of a megabyte which the end of the file lists 20,000 times."""
    path = folder / "listed.arrow"
    batch = pa.record_batch({"a": np.zeros(2**17)})
    with pa.OSFile(str(path), "wb") as file, pa.ipc.new_file(file, batch.schema) as writer:
        for _ in range(2):
            writer.write_batch(batch)
    data = path.read_bytes()
    start = len(data) - 10 - int.from_bytes(data[-10:-6], "little")
    flat = Flat(data[start:-10])
    footer = flat.number("I", 0)
    at, block = flat.slot(footer, 3), flat.vector(footer, 3)[0]
    # The list moves to the end, where there is room.
    end = bytearray(flat.data + b"\0" * (-(len(flat.data) + 4) % 8))
    struct.pack_into("<I", end, at, len(end) - at)
    end += struct.pack("<I", 20_000) + flat.data[block : block + 24] * 20_000
    path.write_bytes(data[:start] + end + struct.pack("<I", len(end)) + b"ARROW1")
    return path


# --- text


def members(folder: Path) -> Path:
    """Eight gigabytes of text: one packed member again and again."""
    once = gzip.compress(b"1,2\n" * 2**22)
    (folder / "members.csv.gz").write_bytes(gzip.compress(b"a,b\n") + once * 512)
    return folder / "members.csv.gz"


def empty_members(folder: Path) -> Path:
    """A million members in which there is nothing."""
    (folder / "empty.csv.gz").write_bytes(gzip.compress(b"") * 1_000_000)
    return folder / "empty.csv.gz"


def one_line(folder: Path) -> Path:
    """A line of a gigabyte."""
    (folder / "line.csv.gz").write_bytes(gzip.compress(b"a,b\n1,") + gzip.compress(b"2" * 2**24) * 64)
    return folder / "line.csv.gz"


def many_columns(folder: Path) -> Path:
    """A million columns."""
    text = ",".join(f"x{i}" for i in range(1_000_000)) + ("\n" + "1," * 999_999 + "1") * 3
    (folder / "columns.csv.gz").write_bytes(gzip.compress(text.encode(), 1))
    return folder / "columns.csv.gz"


# --- NumPy


def npy(shape: str, kind: str = "<f8", *, size: int | None = None) -> bytes:
    """The header of an array; it may say that it is longer."""
    text = f"{{'descr': '{kind}', 'fortran_order': False, 'shape': {shape}, }}".encode()
    return b"\x93NUMPY\x02\0" + struct.pack("<I", len(text) if size is None else size) + text


def archive(path: Path, stream: bytes, *, size: int, method: int = 8, times: int = 1) -> Path:
    """A zip file with an array X, packed already; its list of members says whatever is wanted."""
    about = struct.pack("<HHHHHIIIHH", 20, 0, method, 0, 33, 0, len(stream), size, 5, 0)
    entry = b"PK\x01\x02" + struct.pack("<H", 20) + about + struct.pack("<HHHII", 0, 0, 0, 0, 0) + b"X.npy"
    body = b"PK\x03\x04" + about + b"X.npy" + stream
    listed = entry * times
    counts = (0, 0, min(times, 65_535), min(times, 65_535), len(listed), len(body), 0)
    path.write_bytes(body + listed + b"PK\x05\x06" + struct.pack("<HHHHIIH", *counts))
    return path


def zeros(folder: Path) -> Path:
    """An array of two gigabytes of zeros."""
    head = npy(f"({2**24}, 16)")
    block = zlib.compressobj(9, zlib.DEFLATED, -15)
    start = block.compress(head) + block.flush(zlib.Z_FULL_FLUSH)
    return archive(folder / "zeros.npz", start + repeated(b"\0" * 2**20, 2048), size=len(head) + 2 * GIGABYTE)


def long_header(folder: Path) -> Path:
    """A header that says it is a gigabyte long, and is."""
    head = zlib.compressobj(9, zlib.DEFLATED, -15)
    start = head.compress(npy("(1, 2)", size=GIGABYTE)) + head.flush(zlib.Z_FULL_FLUSH)
    return archive(folder / "header.npz", start + repeated(b" " * 2**20, 1024), size=2 * GIGABYTE)


def at_once(folder: Path) -> Path:
    """An array packed by bzip2, which is unpacked without a limit."""
    return archive(folder / "bzip2.npz", bz2.compress(b"\0" * 2**20) * 1024, size=GIGABYTE, method=12)


def list_of_members(folder: Path) -> Path:
    """A million members, all of them the same."""
    return archive(folder / "members.npz", b"", size=0, method=0, times=1_000_000)


def no_rows(folder: Path) -> Path:
    """No rows of a million million columns: nothing takes no place, but each column has a name."""
    (folder / "rows.npy").write_bytes(npy(f"(0, {10**12})"))
    return folder / "rows.npy"


# --- pictures and IDX


def idx(folder: Path) -> Path:
    """A header that says more than there is."""
    (folder / "idx-ubyte").write_bytes(struct.pack(">HBB3I", 0, 8, 3, 60_000, 2**16, 2**8) + bytes(100))
    return folder / "idx-ubyte"


def idx_packed(folder: Path) -> Path:
    """A header that says four gigabytes, and they are there."""
    head = gzip.compress(struct.pack(">HBB3I", 0, 8, 3, 2**22, 32, 32))
    (folder / "packed-ubyte.gz").write_bytes(head + gzip.compress(b"\0" * 2**24) * 256)
    return folder / "packed-ubyte.gz"


def png(width: int, height: int, *chunks: bytes) -> bytes:
    """A picture in colour, all black."""

    def chunk(content: bytes) -> bytes:
        return struct.pack(">I", len(content) - 4) + content + struct.pack(">I", zlib.crc32(content))

    size = (1 + 4 * width) * height
    times, rest = divmod(size, 2**16)
    stream = b"\x78\xda" + repeated(bytes(2**16), times, bytes(rest)) + struct.pack(">HH", size % 65_521, 1)
    head = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 6, 0, 0, 0)
    parts = (head, *chunks, b"IDAT" + stream, b"IEND")
    return b"\x89PNG\r\n\x1a\n" + b"".join(map(chunk, parts))


def picture(folder: Path, name: str, content: bytes) -> Path:
    """A folder with one picture."""
    (folder / Path(name).stem).mkdir()
    (folder / Path(name).stem / name).write_bytes(content)
    return folder / Path(name).stem


def notes() -> list[bytes]:
    """Notes of 64 megabytes each in a picture, as a text, and as a profile of its colours."""
    stream = zlib.compress(b" " * 2**26, 9)
    return [b"iCCPa\0\0" + stream, b"zTXta\0\0" + stream, b"iTXta\0\x01\0\0\0" + stream]


def scans() -> bytes:
    """A progressive JPEG with the same scan 50,000 times."""
    file = BytesIO()
    Image.new("L", (1000, 1000)).save(file, "JPEG", progressive=True)
    data = file.getvalue()
    last = data.rindex(b"\xff\xda")
    return data[:last] + data[last:-2] * 50_000 + data[-2:]


def another_format() -> bytes:
    """A GIF of 65,000 x 65,000 that calls itself a PNG."""
    file = BytesIO()
    Image.new("L", (8, 8)).save(file, "GIF")
    return file.getvalue().replace(struct.pack("<HH", 8, 8), struct.pack("<HH", 65_000, 65_000))


def huge_jpeg() -> bytes:
    """A JPEG that says it has 65,500 x 65,500 pixels."""
    file = BytesIO()
    Image.new("RGB", (8, 8)).save(file, "JPEG")
    return file.getvalue().replace(struct.pack(">HH", 8, 8), struct.pack(">HH", 65_500, 65_500))


def black(folder: Path) -> Path:
    """A thousand black pictures of a million pixels, all names of one file."""
    (folder / "black").mkdir()
    first = folder / "black" / "0.png"
    first.write_bytes(png(700, 700))
    for i in range(1, 1000):
        (folder / "black" / f"{i}.png").hardlink_to(first)
    return folder / "black"


# --- model folders


def tensors(folder: Path, whole: Path, name: str) -> Path:
    """A header of 100,000 entries."""
    entry = '{"dtype": "F32", "shape": [0], "data_offsets": [0, 0]}'
    text = ("{" + ", ".join(f'"x{i}": {entry}' for i in range(100_000)) + "}").encode()
    return sealed(folder, whole, name, struct.pack("<Q", len(text)) + text)


def layers(folder: Path, whole: Path) -> Path:
    """A description of layers of a million units each."""
    config = json.loads((whole / "config.json").read_text())
    config["model"]["hidden"] = [1_000_000] * 3
    return sealed(folder, whole, "config.json", json.dumps(config).encode())


def sealed(folder: Path, whole: Path, name: str, content: bytes) -> Path:
    """A model folder with another file in it, as if it had been saved so."""
    made = folder / f"{name}-model"
    shutil.copytree(whole, made)
    (made / name).write_bytes(content)
    seal(made, KIND)
    return made


def bombs(whole: Path) -> dict[str, Callable[[Path], Path]]:
    """Name -> what makes a file or folder in the given folder; `whole` is a model that can be read."""
    listed: dict[str, Callable[[Path], Path]] = {
        "Parquet: 2**31 rows of one value": runs,
        "Parquet: a page of a gigabyte, denied": page,
        "Parquet: a text of a megabyte in a million rows": lambda folder: text(folder, "parquet"),
        "Parquet: a text of a megabyte in a million lists": lambda folder: text(folder, "list"),
        "Parquet: half a million columns": lambda folder: parquet(folder / "columns.parquet", columns=500_000),
        "Parquet: a million chunks": lambda f: parquet(f / "chunks.parquet", columns=50_000, groups=20),
        "Parquet: shared columns in a note": columns_in_a_note,
        "Arrow: shared columns": columns_in_columns,
        "Arrow: zstd": lambda folder: packed_arrow(folder, "zstd"),
        "Arrow: lz4": lambda folder: packed_arrow(folder, "lz4"),
        "Arrow: rows of nothing": nothing,
        "Arrow: a batch 20,000 times": listed_again,
        "Arrow: a text of a megabyte in a million rows": lambda folder: text(folder, "feather"),
        "gzip: a member 512 times": members,
        "gzip: a million empty members": empty_members,
        "gzip: a line of a gigabyte": one_line,
        "gzip: a million columns": many_columns,
        "npz: zeros": zeros,
        "npz: a header of a gigabyte": long_header,
        "npz: bzip2": at_once,
        "npz: a million members": list_of_members,
        "npy: a million million columns": no_rows,
        "IDX: a header without content": idx,
        "IDX: packed zeros": idx_packed,
        "PNG: zeros": lambda folder: picture(folder, "zeros.png", png(9000, 9000)),
        "PNG: a thousand black pictures": black,
        "PNG: another format": lambda folder: picture(folder, "gif.png", another_format()),
        "JPEG: 4 billion pixels": lambda folder: picture(folder, "huge.jpg", huge_jpeg()),
        "JPEG: 50,000 scans": lambda folder: picture(folder, "scans.jpg", scans()),
        "model: layers of a million units": lambda folder: layers(folder, whole),
    }
    for note in notes():
        kind = note[:4].decode()
        listed[f"PNG: {kind}"] = lambda f, note=note: picture(f, f"{note[:4].decode()}.png", png(8, 8, note))  # type: ignore[misc]
    for name in ("model.safetensors", "baseline.safetensors", "examples.safetensors"):
        listed[f"model: 100,000 entries in {name}"] = lambda f, name=name: tensors(f, whole, name)  # type: ignore[misc]
    return listed
