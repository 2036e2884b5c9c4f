"""The quick modes of the benchmarks: they run, measure, and leave the kept figures alone."""

import ast
import gzip
import json
import math
import struct

import numpy as np
import pytest
import torch
from PIL import Image

from benchmarks import (
    anomalies,
    deep_autoencoders,
    deep_autoencoders_page,
    diagnosis,
    features,
    gaps,
    generation,
    mnist,
    pictures,
    products,
    rates,
    safety,
    search,
    startup,
    tables,
    translation,
)
from layerwise.penalties import squared_error

pytestmark = pytest.mark.usefixtures("results_are_left_alone")


def test_startup(capsys):
    startup.main(["--quick"])
    assert "import layerwise adds" in capsys.readouterr().out


@pytest.mark.filterwarnings("ignore:`torch.jit.script` is deprecated:DeprecationWarning")
def test_products(capsys):
    products.main(["--quick"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines[:2]] == ["cross_entropy", "squared_error"]
    assert "further gauss_newton" in lines[0]
    assert lines[-1].startswith("eager over compiled")
    problem, vector = products.made(squared_error, quick=True)
    for name, product in products.pure(problem, vector).items():
        ours = {"hessian": problem.hessian_product, "gauss_newton": problem.gauss_newton_product}[name](vector)
        torch.testing.assert_close(problem.flat(list(product().values())), ours, rtol=1e-4, atol=1e-5)


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
    at_random, not_at_random, *summary = capsys.readouterr().out.splitlines()
    assert "'coverage': None" in not_at_random
    assert "WDBC" in at_random
    assert [line.partition(" ")[0] for line in summary] == ["best", "over"]


def idx(path, values):
    header = struct.pack(">HBB", 0, 8, values.ndim) + struct.pack(f">{values.ndim}I", *values.shape)
    path.write_bytes(gzip.compress(header + values.tobytes(), compresslevel=1))


@pytest.fixture(scope="module")
def digits(tmp_path_factory):
    """The files of MNIST, with noise in them."""
    folder, random = tmp_path_factory.mktemp("data") / "mnist", np.random.default_rng(0)
    folder.mkdir()
    pictures = random.integers(0, 256, (100, 28, 28), dtype=np.uint8)
    for part, rows in (("train", 60_000), ("t10k", 10_000)):
        idx(folder / f"{part}-images-idx3-ubyte.gz", np.resize(pictures, (rows, 28, 28)))
        idx(folder / f"{part}-labels-idx1-ubyte.gz", random.integers(0, 10, rows, dtype=np.uint8))
    return folder


def test_mnist(digits, capsys):
    mnist.main(["--data-dir", str(digits), "--quick"])
    figures = json.loads(capsys.readouterr().out)
    assert figures["rows"] == 10_000
    assert 0 < figures["pca_squared_error"] < figures["mean_squared_error"]
    assert figures["megabytes_above_torch"] > 0


def test_deep_autoencoders(digits, capsys):
    few, nets = ["KFAC", "Nesterov"], ["mnist", "relu"]
    deep_autoencoders.main(["--data-dir", str(digits.parent), "--quick", "--only", *nets, "--optimizers", *few])
    lines = capsys.readouterr().out.splitlines()
    runs = [*few, "KFAC,"]
    assert [line.split()[:2] for line in lines] == [*(["mnist", name] for name in runs), *[["relu", "epoch"]] * 2]


def test_adams_error_is_reached_at_the_first_row_with_no_more():
    adam = [{"updates": 100, "seconds": 10.0, "examples": 20.0, "error": 1.5}]
    curve = [{"updates": n, "seconds": n / 10, "examples": 5.0 * n, "error": 6.0 / n} for n in range(1, 9)]
    shares = deep_autoencoders.as_good(curve, adam)
    assert shares == {"updates": 0.04, "seconds": pytest.approx(0.04), "examples": 1.0}
    assert deep_autoencoders.as_good(curve[:3], adam) is None


def test_the_page_of_the_deep_autoencoders_follows_the_figures(tmp_path, monkeypatch):
    curve = [{"updates": n, "seconds": n / 10, "examples": 5.0 * n, "error": 6.0 / n} for n in range(1, 9)]
    diverged = [*curve, {**curve[-1], "error": math.inf}]
    common = {"best": "the only one", "batch": 100, "growth": 1.5}
    figures = {
        "Adam": {**common, "curve": curve},
        "KFAC": {**common, "curve": curve, "as Adam": {"updates": 0.04, "seconds": 0.5}},
        "EKFAC": {**common, "curve": diverged, "as Adam": None},
        "long": {
            "optimizer": "KFAC",
            "best": "the only one",
            "curve": curve,
            "as first": {"updates": 0.031, "seconds": 0.6},
        },
        "long first": {"optimizer": "Adam", "best": "the only one", "curve": curve[:6]},
    }
    kept = {"machine": {"cores": "2"}, "decay": [1e-4, 1e-5], "cpu_seconds": 90.0, "figures": figures}
    (tmp_path / "deep_autoencoders-curves.json").write_text(json.dumps(kept), encoding="utf-8")
    full = {"machine": {"threads": "1"}, "figures": {"long": {"optimizer": "EKFAC", "curve": curve[:5]}}}
    (tmp_path / "deep_autoencoders-curves-full.json").write_text(json.dumps(full), encoding="utf-8")
    page = tmp_path / "page.md"
    for name, value in (("RESULTS", tmp_path), ("DRAWN", tmp_path / "pictures"), ("PAGE", page)):
        monkeypatch.setattr(deep_autoencoders_page, name, value)
    deep_autoencoders_page.publish()
    told = page.read_text(encoding="utf-8")
    assert "| KFAC | the only one | 100 x 1.5 | 0.75 | 8 | 1 | 4.0%, 50% |" in told
    assert "| EKFAC | the only one | 100 x 1.5 | diverged | 8 | 1 | never |" in told
    assert "**KFAC came to 0.75 in 1 s** (8 updates), of the second order, in a longer run." in told
    assert "**Adam came to 1 in 1 s** (6 updates), of the first order, in a longer run." in told
    assert "KFAC had the last error of Adam's longer run after 3.1% of Adam's updates and 60% of its time." in told
    assert "With --full (threads 1): **EKFAC came to 1.2 in 0 s** (5 updates)." in told
    assert "a weight decay of 0.0001, of 1e-05 beside the squared error, and none once" in told
    assert "All runs together took 1.5 CPU minutes." in told
    assert "MNIST" not in told
    assert (tmp_path / "pictures" / "deep-autoencoders-curves.png").stat().st_size > 10_000


def test_generation(digits, capsys):
    generation.main(["--data-dir", str(digits), "--quick"])
    figures = ast.literal_eval(capsys.readouterr().out)
    assert figures["nats"]["500 samples"] < figures["nats"]["1 samples"]


def test_features(tmp_path, capsys):
    random = np.random.default_rng(0)
    (tmp_path / "adbench").mkdir()
    x = random.normal(size=(60, 3))
    np.savez(tmp_path / "adbench" / "29_Pima.npz", X=x, y=(x**2).sum(1) > 2)
    features.main(["--data-dir", str(tmp_path), "--quick"])
    assert len(capsys.readouterr().out.splitlines()) == 8


def test_pictures(digits, capsys):
    folder, random = digits.parent, np.random.default_rng(0)
    for name in ("kodak", "cifar10-small", "nuclei"):
        (folder / name).mkdir()
    for number in range(1, 24, 2):
        photo = random.integers(0, 256, (24, 20, 3), dtype=np.uint8)
        Image.fromarray(photo).save(folder / "kodak" / f"{number:02}.png")
    small = random.integers(0, 256, (12, 16, 16, 3), dtype=np.uint8)
    np.savez(folder / "cifar10-small" / "cifar10_small.npz", x_train=small, x_test=small)
    cells = small[:8, :, :, 0]
    ids = np.array([f"{number:x}" for number in range(8)])
    np.savez(folder / "nuclei" / "nuclei.npz", images=cells, labels=cells > 128, ids=ids)
    pictures.main(["--data-dir", str(folder), "--quick"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == list(pictures.PARTS)
    assert "'non-local means'" in lines[2]


def test_translation(tmp_path, capsys):
    (tmp_path / "eng-fra").mkdir()
    lines = [f"I see {a} {b}.\tJe vois {a} {b} {c}." for a in range(10) for b in range(10) for c in range(2)]
    (tmp_path / "eng-fra" / "fra.txt").write_text("\n".join([*lines, "one " * 11 + "\tun"]) + "\n", encoding="utf-8")
    pairs = translation.pairs_of(tmp_path)
    assert len(pairs) == 200
    train, held = translation.divided(pairs, 5, seed=0)
    assert not {english for english, _ in train} & held.keys()
    assert [len(french) for french in held.values()] == [2] * 5
    assert len(train) == 190
    translation.main(["--data-dir", str(tmp_path), "--quick"])
    told = capsys.readouterr().out
    assert "held-out sentences: 20" in told
    assert "seconds of the beam of 1" in told


def test_rates(tmp_path, capsys):
    (tmp_path / "adbench").mkdir()
    np.savez(tmp_path / "adbench" / "29_Pima.npz", X=np.zeros((2, 2)))
    rates.main(["--data-dir", str(tmp_path), "--quick"])
    assert capsys.readouterr().out.splitlines()[-1].startswith("within a factor 3 on")


def test_search(sets, capsys):
    search.main(["--data-dir", str(sets), "--quick"])
    line, summary = capsys.readouterr().out.splitlines()
    assert line.startswith("1_wine")
    assert summary.startswith("the found recipe is better on")


def test_diagnosis(capsys):
    diagnosis.main(["--quick"])
    *wrong, summary = capsys.readouterr().out.splitlines()
    assert summary.startswith(f"named {6 - sum('planted' in line for line in wrong)} of 6")
    assert len(wrong) <= 1
