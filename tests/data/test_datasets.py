"""Named data sets: inside scikit-learn, on this machine, or fetched."""

import functools
import gzip
import hashlib
import http.server
import socket
import threading
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from layerwise.data import Schema, Table, datasets, read
from layerwise.data.datasets import mnist
from layerwise.data.idx import write_idx
from layerwise.errors import InputError, ResourceError

REAL = Path(__file__).parents[2].parent / "shared" / "data" / "mnist"


@pytest.fixture(autouse=True)
def nowhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty cache, and a network in which nobody answers."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("LAYERWISE_DATA", raising=False)
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        port = taken.getsockname()[1]
    monkeypatch.setattr(mnist, "URLS", dict.fromkeys(mnist.URLS, f"http://127.0.0.1:{port}/"))
    return tmp_path


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """The four files with a few rows."""
    monkeypatch.setattr(mnist, "ROWS", {"train": 6, "t10k": 3})
    folder = tmp_path / "files"
    folder.mkdir()
    for part, rows in mnist.ROWS.items():
        pictures = np.random.default_rng(rows).integers(0, 256, (rows, 28, 28), dtype=np.uint8)
        write_idx(folder / f"{part}-images-idx3-ubyte.gz", pictures)
        write_idx(folder / f"{part}-labels-idx1-ubyte.gz", np.arange(rows, dtype=np.uint8))
    return folder


@pytest.fixture
def served(small: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder of small files, served on this machine."""

    class Quiet(http.server.SimpleHTTPRequestHandler):
        def log_message(self, *_: object) -> None:
            """Say nothing."""

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), functools.partial(Quiet, directory=str(small)))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setattr(mnist, "URLS", dict.fromkeys(mnist.URLS, f"http://127.0.0.1:{server.server_port}/"))
    yield small
    server.shutdown()
    server.server_close()


@pytest.mark.parametrize("data_set", [d for d in datasets() if d.name.startswith("sklearn:")], ids=lambda d: d.name)
def test_builtin(data_set: object) -> None:
    (found,) = [d for d in datasets() if d is data_set]
    table = read(found.name)
    assert (len(table), len(table.names)) == (found.rows, found.features)
    assert table.labels is not None
    assert Schema.fit(table).encode(table).complete


def test_digits_are_pictures() -> None:
    table = read("sklearn:digits")
    assert table.shape == (8, 8)
    assert Schema.fit(table).pixels is not None
    assert not table.named
    assert read("sklearn:wine").named


def test_an_unknown_name_lists_the_known() -> None:
    with pytest.raises(InputError, match=r"sklearn:digits, sklearn:iris"):
        read("sklearn:digit")


def test_no_network() -> None:
    with pytest.raises(ResourceError) as caught:
        read("mnist")
    line = str(caught.value)
    assert "\n" not in line
    for part in (
        "t10k-images-idx3-ubyte.gz",
        "train-labels-idx1-ubyte.gz",
        "--data-dir",
        "cache/layerwise/mnist",
        "127.0.0.1",
    ):
        assert part in line


def test_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="no such folder"):
        read("mnist", data_dir=tmp_path / "nothing")


@pytest.mark.parametrize("name", ["mnist", "fashion-mnist"])
def test_files_on_this_machine(small: Path, name: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    table = read(name, data_dir=small)
    assert (len(table), table.shape, table.source) == (6, (28, 28), name)
    assert table.test is not None
    assert (len(table.test), table.test.labels.tolist()) == (3, [0, 1, 2])  # type: ignore[union-attr]
    monkeypatch.setenv("LAYERWISE_DATA", str(small))
    assert len(read(name)) == 6
    (tmp_path / "all").mkdir()
    small.rename(tmp_path / "all" / name)
    monkeypatch.setenv("LAYERWISE_DATA", str(tmp_path / "all"))
    assert len(read(name)) == 6
    assert len(read(name, data_dir=tmp_path / "all")) == 6


def test_unpacked_files(small: Path) -> None:
    for file in list(small.glob("*.gz")):
        write_idx(file.with_suffix(""), mnist.read_idx_array(file))
        file.unlink()
    assert len(read("mnist", data_dir=small)) == 6


def test_files_of_another_shape(small: Path) -> None:
    write_idx(small / "train-labels-idx1-ubyte.gz", np.zeros(5, np.uint8))
    with pytest.raises(InputError, match="must hold 6 bytes; found 5"):
        read("mnist", data_dir=small)


def test_a_download_is_checked_and_kept(served: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    hashes = {file.name: hashlib.sha256(file.read_bytes()).hexdigest() for file in served.iterdir()}
    monkeypatch.setattr(mnist, "SHA256", {"mnist": hashes})
    assert len(read("mnist")) == 6
    kept = tmp_path / "cache" / "layerwise" / "mnist"
    assert sorted(file.name for file in kept.iterdir()) == sorted(hashes)
    monkeypatch.setattr(mnist, "URLS", {})
    assert len(read("mnist")) == 6


@pytest.mark.usefixtures("served")
def test_another_file_is_refused_and_not_kept(tmp_path: Path) -> None:
    with pytest.raises(ResourceError) as caught:
        read("mnist")
    assert mnist.SHA256["mnist"]["t10k-images-idx3-ubyte.gz"] in str(caught.value)
    assert not [file for file in (tmp_path / "cache").rglob("*") if file.is_file()]


def test_a_file_the_server_does_not_have(served: Path) -> None:
    (served / "t10k-images-idx3-ubyte.gz").unlink()
    with pytest.raises(ResourceError, match="File not found"):
        read("mnist")


@pytest.mark.skipif(not REAL.is_dir(), reason=f"MNIST is not here ({REAL})")
def test_mnist_itself() -> None:
    table = read("mnist", data_dir=REAL.parent)
    assert isinstance(table, Table)
    assert table.test is not None
    assert table.labels is not None
    assert np.bincount(table.labels)[:3].tolist() == [5923, 6742, 5958]
    rows = Schema.fit(table).encode(table)
    assert rows.nbytes == 60_000 * 784
    assert rows.batch(slice(256)).x.max() == 1
    for file, digest in mnist.SHA256["mnist"].items():
        assert hashlib.sha256((REAL / file).read_bytes()).hexdigest() == digest


@pytest.mark.parametrize("packed", [False, True])
def test_sentences(tmp_path: Path, packed: bool) -> None:
    text = 'Go.\tVa !\tCC-BY\r\nHe said "no".\tIl dit "non".\tCC-BY\n"Yes."\tOui.\tCC-BY\n'
    (tmp_path / "eng-fra").mkdir()
    file = tmp_path / "eng-fra" / "fra.txt"
    file.with_suffix(".txt.gz" if packed else ".txt").write_bytes(
        gzip.compress(text.encode()) if packed else text.encode()
    )
    table = read("eng-fra", data_dir=tmp_path, label="French")
    assert table.names == ("English",)
    assert table.column(0).texts().tolist() == ["Go.", 'He said "no".', '"Yes."']
    assert table.labels is not None
    assert table.labels.tolist() == ["Va !", 'Il dit "non".', "Oui."]


def test_sentences_that_are_not_there_or_damaged(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"eng-fra: there are no sentences \(fra.txt\) in"):
        read("eng-fra", data_dir=tmp_path)
    (tmp_path / "fra.txt").write_text("Go.\tVa !\nStop.\n")
    with pytest.raises(InputError, match=r"fra\.txt: must be text .* \(line 2 has no tab\)"):
        read("eng-fra", data_dir=tmp_path)
    (tmp_path / "fra.txt.gz").write_bytes(b"no gzip")
    with pytest.raises(InputError, match=r"fra\.txt\.gz: "):
        read("eng-fra", data_dir=tmp_path)
