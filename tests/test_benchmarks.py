"""The quick modes of the benchmarks: they run, measure, and leave the kept figures alone."""

import gzip
import json
import struct

import numpy as np
import pytest

from benchmarks import anomalies, gaps, mnist, safety, startup, tables

pytestmark = pytest.mark.usefixtures("results_are_left_alone")


def test_startup(capsys):
    startup.main(["--quick"])
    assert "import layerwise adds" in capsys.readouterr().out


def test_safety(capsys):
    safety.main(["--quick"])
    assert "finite check" in capsys.readouterr().out


def test_tables(tmp_path, capsys):
    random = np.random.default_rng(0)
    (tmp_path / "adbench").mkdir()
    hidden = random.normal(size=(60, 2))
    np.savez(tmp_path / "adbench" / "1_wine.npz", X=np.c_[hidden, hidden**2, hidden.sum(1)], y=hidden[:, 0] > 0)
    tables.main(["--data-dir", str(tmp_path), "--quick"])
    line, summary = capsys.readouterr().out.splitlines()
    assert line.startswith("1_wine")
    assert float(line.split("ratio")[1].split()[0]) > 0
    assert "worst" in summary


@pytest.fixture
def sets(tmp_path):
    """Two small sets as the collection has them."""
    random = np.random.default_rng(0)
    (tmp_path / "adbench").mkdir()
    hidden = random.normal(size=(80, 2))
    for name in ("1_wine", "2_WDBC"):
        x = np.c_[hidden, hidden**2, hidden.sum(1)]
        np.savez(tmp_path / "adbench" / f"{name}.npz", X=x, y=np.arange(80) % 8 == 0)
    return tmp_path


def test_anomalies(sets, capsys):
    anomalies.main(["--data-dir", str(sets), "--quick"])
    line, mean = capsys.readouterr().out.splitlines()
    assert line.startswith("1_wine")
    assert mean.startswith("mean layerwise")


def test_gaps(sets, capsys):
    gaps.main(["--data-dir", str(sets), "--quick"])
    at_random, not_at_random, summary = capsys.readouterr().out.splitlines()
    assert "'coverage': None" in not_at_random
    assert "WDBC" in at_random
    assert summary.startswith("best on")


def idx(path, values):
    header = struct.pack(">HBB", 0, 8, values.ndim) + struct.pack(f">{values.ndim}I", *values.shape)
    path.write_bytes(gzip.compress(header + values.tobytes(), compresslevel=1))


def test_mnist(tmp_path, capsys):
    random = np.random.default_rng(0)
    pictures = random.integers(0, 256, (100, 28, 28), dtype=np.uint8)
    for part, rows in (("train", 60_000), ("t10k", 10_000)):
        idx(tmp_path / f"{part}-images-idx3-ubyte.gz", np.resize(pictures, (rows, 28, 28)))
        idx(tmp_path / f"{part}-labels-idx1-ubyte.gz", random.integers(0, 10, rows, dtype=np.uint8))
    mnist.main(["--data-dir", str(tmp_path), "--quick"])
    figures = json.loads(capsys.readouterr().out)
    assert figures["rows"] == 10_000
    assert 0 < figures["pca_squared_error"] < figures["mean_squared_error"]
    assert figures["megabytes_above_torch"] > 0
