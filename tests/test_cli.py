"""The command line as a person uses it: every verb, and what unusable input gets."""

import gzip
import json
import os
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd
import pytest
from PIL import Image
from sklearn.datasets import load_digits

import layerwise


def messy(rows: int = 80) -> pd.DataFrame:
    """Missing cells, a text column, a constant column, dates, an integer column with gaps."""
    draw = np.random.default_rng(0)
    frame = pd.DataFrame({"x": draw.normal(size=rows), "y": draw.normal(size=rows).round(2)})
    frame["z"] = frame.x - frame.y
    frame["count"] = draw.poisson(3, rows)
    frame["city"] = draw.choice(["Rome", "Oslo", "Lima"], rows)
    frame["when"] = pd.Timestamp("2024-01-01") + pd.to_timedelta(draw.integers(0, 999, rows), unit="D")
    frame["same"] = "always"
    return frame.mask(draw.random(frame.shape) < 0.05)


@pytest.fixture
def model(run, tmp_path) -> Path:
    messy().to_csv(tmp_path / "t.csv", index=False)
    code, _, error = run("fit", "t.csv", "--code", 3, "--hidden", "8", "--epochs", 2, "-o", "model", "--quiet")
    assert code == 0, error
    return tmp_path / "model"


@pytest.mark.parametrize("ending", ["csv", "tsv", "parquet", "feather", "npy", "npz"])
def test_codes_in_every_format(run, model, ending):
    code, out, error = run("transform", "model", "t.csv", "-o", f"codes.{ending}")
    assert (code, out, error) == (0, "", "")
    readers = {
        "csv": pd.read_csv,
        "tsv": lambda path: pd.read_csv(path, sep="\t"),
        "parquet": pd.read_parquet,
        "feather": pd.read_feather,
        "npy": np.load,
        "npz": lambda path: np.load(path)["X"],
    }
    assert readers[ending](f"codes.{ending}").shape == (80, 3)


def test_reconstruction_keeps_columns_and_fills_gaps(run, model):
    assert run("reconstruct", "model", "t.csv", "-o", "back.csv")[0] == 0
    back = pd.read_csv("back.csv")
    assert list(back.columns) == list(messy().columns)
    assert back.x.notna().all()
    assert set(back.same) == {"always"}
    assert set(back.city) <= {"Rome", "Oslo", "Lima"}
    assert pd.to_datetime(back.when).between("2023-01-01", "2028-01-01").all()


def test_columns_of_a_file_are_matched_by_name(run, model, tmp_path):
    frame = pd.read_csv("t.csv")
    frame[frame.columns[::-1]].to_csv("turned.csv", index=False)
    run("transform", "model", "t.csv", "-o", "a.npy")
    assert run("transform", "model", "turned.csv", "-o", "b.npy")[0] == 0
    assert np.array_equal(np.load("a.npy"), np.load("b.npy"))


def test_evaluate_prints_the_figures(run, model):
    code, out, _ = run("evaluate", "model", "t.csv", "--json")
    figures = json.loads(out)
    assert code == 0
    assert figures["rows"] == 80
    assert figures["ratio_to_pca"] == pytest.approx(figures["squared_error"] / figures["pca_squared_error"])
    code, out, _ = run("evaluate", "model", "t.csv")
    assert code == 0
    assert len(out.strip().splitlines()) == 3


def test_report_from_held_out_and_from_given_rows(run, model):
    assert run("report", "model", "-o", "held.html")[0] == 0
    assert run("report", "model", "t.csv", "--label", "city", "-o", "given.html")[0] == 2
    assert run("report", "model", "t.csv", "-o", "given.html")[0] == 0
    for page in ("held.html", "given.html"):
        assert "city" in Path(page).read_text("utf-8")


def test_info_and_datasets(run, model):
    code, out, _ = run("info", "model", "--json")
    assert code == 0
    assert json.loads(out)["columns"] == {"numeric": 5, "categorical": 1, "constant": 1}
    assert run("info", "model")[0] == 0
    code, out, _ = run("datasets", "--json")
    assert {"sklearn:digits", "mnist", "fashion-mnist"} <= {entry["name"] for entry in json.loads(out)}
    assert run("datasets")[0] == 0


def test_fit_writes_everything_asked_for(run, tmp_path):
    messy().to_parquet("t.parquet")
    options = ["--label", "city", "--drop", "when,same", "--epochs", 1, "--codes", "c.csv", "--report", "r.html"]
    code, out, error = run("fit", "t.parquet", "--code", 2, "-o", "m", *options)
    assert code == 0, error
    assert "PCA-2" in out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["c.csv", "m", "r.html", "t.parquet"]
    history = [json.loads(line) for line in Path("m/history.jsonl").read_text().splitlines()]
    assert history[-1]["event"] == "phase"
    # The label and the dropped columns may be in the file that is transformed.
    assert run("transform", "m", "t.parquet", "-o", "again.csv")[0] == 0


@pytest.mark.parametrize("task", [(), ("--task", "generate"), ("--task", "classify", "--target", "city")])
def test_first_weights_by_name(run, task):
    messy().to_csv("t.csv", index=False)
    words = ("fit", "t.csv", *task, "--hidden", "4", "--epochs", 1, "--quiet", "--initializer")
    assert run(*words, "sparse:2", "-o", "sparse")[0] == 0
    assert run(*words, "orthogonal", "-o", "orthogonal")[0] == 0
    weights = [Path(name, "model.safetensors").read_bytes() for name in ("sparse", "orthogonal")]
    assert weights[0] != weights[1]


def test_dry_run_shows_the_recipe_and_writes_nothing(run, tmp_path):
    messy().to_csv("t.csv", index=False)
    code, out, _ = run("fit", "t.csv", "--set", "lr=0.5", "--epochs", 7, "--dry-run", "--json")
    phase = json.loads(out)["recipe"][0]
    assert code == 0
    assert (phase["epochs"], phase["optimizer"]["lr"]) == (7, 0.5)
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]
    assert run("fit", "t.csv", "--dry-run")[0] == 0


@pytest.mark.parametrize(
    ("pairs", "corruption"),
    [
        (["noise=0.5"], {"class": "GaussianNoise", "level": 0.5}),
        (["masking=0.25"], {"class": "Masking", "level": 0.25}),
        (["noise=0"], None),
    ],
)
def test_the_corruption_is_a_setting(run, pairs, corruption):
    messy().to_csv("t.csv", index=False)
    _, out, _ = run("fit", "t.csv", *(word for pair in pairs for word in ("--set", pair)), "--dry-run", "--json")
    assert json.loads(out)["recipe"][0]["corruption"] == corruption


def model_files(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in ("model.safetensors", "metrics.json", "recipe.json")}


@pytest.mark.parametrize("rows", [200, 1200], ids=["cross-validation", "validation"])
def test_the_same_command_goes_on(run, tmp_path, rows):
    messy(rows).to_csv("t.csv", index=False)
    fit = ["fit", "t.csv", "--code", 2, "--hidden", 6, "--epochs", 3]
    assert run(*fit, "-o", "whole")[0] == 0
    words = [*fit, "-o", "m", "--checkpoint", "run", "--every-steps", 4]
    ended = subprocess.run(
        [sys.executable, "-c", SLOW, "15", "late", *map(str, words)], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 143, ended.stderr
    assert model_files(Path("m")) != model_files(Path("whole"))
    assert run(*words)[0] == 0
    assert model_files(Path("m")) == model_files(Path("whole"))
    # Once more, from the end; and from the beginning.
    for more in ([], ["--fresh"]):
        assert run(*words, *more)[0] == 0
        assert model_files(Path("m")) == model_files(Path("whole"))
    code, _, error = run(*words, "--seed", 5, "--quiet")
    assert code == 1
    assert one_line(error)
    assert "holds another run" in error
    assert "--fresh" in error


def test_settings_from_a_file(run, tmp_path):
    messy().to_csv("t.csv", index=False)
    Path("recipe.toml").write_text("lr = 0.25\npatience = 3\n")
    Path("recipe.json").write_text('{"lr": 0.125}')
    Path("list.json").write_text("[1, 2]")
    Path("text.toml").write_text('lr = "fast"')
    Path("latin.toml").write_bytes(b"lr = \xff")
    for file in ("list.json", "text.toml", "latin.toml"):
        code, out, error = run("fit", "t.csv", "--config", file, "--dry-run")
        assert (code, out) == (2, "")
        assert one_line(error)
    for file, lr in (("recipe.toml", 0.25), ("recipe.json", 0.125)):
        code, out, _ = run("fit", "t.csv", "--config", file, "--dry-run", "--json")
        assert code == 0
        assert json.loads(out)["recipe"][0]["optimizer"]["lr"] == lr


@pytest.mark.parametrize("network", ["residual", "convolutional"])
def test_a_network_of_convolutions(run, network):
    np.save("p.npy", np.random.default_rng(0).integers(0, 256, (40, 8, 8), dtype=np.uint8))
    code = ("--code", 3) if network == "residual" else ()
    words = ("fit", "p.npy", "--hidden", network, "--fidelity", "cross_entropy", *code, "--epochs", 1)
    assert run(*words, "--dry-run")[0] == 0
    assert run(*words, "-o", "m", "--quiet")[0] == 0
    assert run("reconstruct", "m", "p.npy", "-o", "back.npy")[0] == 0
    assert np.load("back.npy").shape == (40, 8, 8)
    assert run("evaluate", "m", "p.npy")[0] == 0


def test_pictures_from_a_folder(run, tmp_path):
    draw = np.random.default_rng(0)
    Path("pictures").mkdir()
    for i in range(30):
        Image.fromarray(draw.integers(0, 255, (6, 5), dtype=np.uint8)).save(f"pictures/{i:02}.png")
    code, _, error = run("fit", "pictures", "--code", 3, "--epochs", 1, "-o", "m", "--report", "r.html")
    assert code == 0, error
    assert run("reconstruct", "m", "pictures", "-o", "back")[0] == 0
    assert len(list(Path("back").glob("*.png"))) == 30


def test_same_seed_writes_the_same_weights(run, tmp_path):
    messy().to_csv("t.csv", index=False)
    for name in ("a", "b"):
        assert run("fit", "t.csv", "--epochs", 2, "--seed", 3, "-o", name, "--quiet")[0] == 0
    assert Path("a/model.safetensors").read_bytes() == Path("b/model.safetensors").read_bytes()


def broken_png(folder: Path) -> None:
    folder.mkdir()
    Image.fromarray(np.zeros((5, 5), np.uint8)).save(folder / "good.png")
    (folder / "bad.png").write_bytes((folder / "good.png").read_bytes()[:40])


def two_sizes(folder: Path) -> None:
    folder.mkdir()
    for size in (5, 6):
        Image.fromarray(np.zeros((size, size), np.uint8)).save(folder / f"{size}.png")


def csv(text: str) -> "callable":
    return lambda path: path.write_text(text)


ROWS = "".join(f"{i},{i % 7}\n" for i in range(30))
BAD = {
    "missing file": (None, ["there is no such file"]),
    "empty file": (csv(""), ["empty"]),
    "no rows": (csv("a,b\n"), ["row"]),
    "one row": (csv("a,b\n1,2\n"), ["at least 2 rows"]),
    "ragged": (csv("a,b\n" + ROWS + "1,2,3\n"), ["line 32", "3"]),
    "mixed types": (csv("a,b\n" + ROWS + "oops,3\n"), ["'a'", "oops", "line 32"]),
    "infinity": (csv("a,b\n" + ROWS + "inf,3\n" + "inf,3\n"), ["'a'", "line 32", "2 such"]),
    "duplicate column": (csv("a,a\n" + ROWS), ["'a'", "2 times"]),
    "enormous": (csv("a,b\n" + ROWS + "1e30,3\n"), ["'a'", "1e+30", "line 32"]),
    "identifiers": (csv("a,b\n" + "".join(f"{i},name{i}\n" for i in range(50))), ["'b'", "--drop"]),
}


@pytest.mark.parametrize("case", BAD)
def test_unusable_tables_get_one_line(run, tmp_path, case):
    make, words = BAD[case]
    if make is not None:
        make(tmp_path / "t.csv")
    before = sorted(tmp_path.iterdir())
    code, out, error = run("fit", "t.csv", "-o", "m", "--epochs", 1)
    assert (code, out) == (2, "")
    assert one_line(error)
    for word in words:
        assert word in error
    assert sorted(tmp_path.iterdir()) == before


def test_several_findings_are_counted(run):
    frame = messy()
    frame["x"] = np.inf
    frame["y"] = np.inf
    frame.to_csv("t.csv", index=False)
    code, _, error = run("fit", "t.csv", "-o", "m")
    assert code == 2
    assert one_line(error)
    assert "'x'" in error
    assert "And 1 more finding: -v lists them." in error


@pytest.mark.parametrize(("make", "words"), [(broken_png, ["bad.png"]), (two_sizes, ["5.png", "6.png"])])
def test_unusable_pictures_get_one_line(run, tmp_path, make, words):
    make(tmp_path / "pictures")
    code, _, error = run("fit", "pictures", "-o", "m", "--epochs", 1)
    assert code == 2
    assert one_line(error)
    for word in words:
        assert word in error
    assert not (tmp_path / "m").exists()


WRONG_USE = {
    "no data": ["fit"],
    "no output": ["fit", "t.csv"],
    "unknown option": ["fit", "t.csv", "--cod", "3"],
    "unknown verb": ["fti", "t.csv"],
    "code too large": ["fit", "t.csv", "--code", "99", "-o", "m"],
    "code of zero": ["fit", "t.csv", "--code", "0", "-o", "m"],
    "code no number": ["fit", "t.csv", "--code", "three", "-o", "m"],
    "hidden": ["fit", "t.csv", "--hidden", "10,x", "-o", "m"],
    "setting": ["fit", "t.csv", "--set", "speed=3", "-o", "m"],
    "setting without value": ["fit", "t.csv", "--set", "lr", "-o", "m"],
    "config": ["fit", "t.csv", "--config", "none.toml", "-o", "m"],
    "device": ["fit", "t.csv", "--device", "abacus", "-o", "m"],
    "precision": ["fit", "t.csv", "--precision", "float8", "-o", "m"],
    "scaling": ["fit", "t.csv", "--scaling", "huge", "-o", "m"],
    "fidelity": ["fit", "t.csv", "--fidelity", "perfect", "-o", "m"],
    "initializer": ["fit", "t.csv", "--initializer", "xavier", "-o", "m"],
    "initializer of convolutions": ["fit", "t.csv", "--hidden", "residual", "--initializer", "he", "-o", "m"],
    "initializer of sentences": ["fit", "t.csv", "--task", "translate", "--initializer", "he", "-o", "m"],
    "label": ["fit", "t.csv", "--label", "nowhere", "-o", "m"],
    "epochs": ["fit", "t.csv", "--epochs", "0", "-o", "m"],
    "batch size": ["fit", "t.csv", "--batch-size", "0", "-o", "m"],
    "seed": ["fit", "t.csv", "--seed", "-1", "-o", "m"],
    "every": ["fit", "t.csv", "--checkpoint", "c", "--every", "soon", "-o", "m"],
    "every nothing": ["fit", "t.csv", "--checkpoint", "c", "--every", "0s", "-o", "m"],
    "every step": ["fit", "t.csv", "--checkpoint", "c", "--every-steps", "0", "-o", "m"],
    "codes ending": ["fit", "t.csv", "--codes", "codes.xls", "-o", "m"],
    "codes folder": ["fit", "t.csv", "--codes", ".", "-o", "m"],
    "report folder": ["fit", "t.csv", "--report", ".", "-o", "m"],
    "folder with other things": ["fit", "t.csv", "-o", "."],
    "file for a folder": ["fit", "t.csv", "-o", "t.csv"],
    "convolutions of a table": ["fit", "t.csv", "--hidden", "residual", "-o", "m"],
    "code of pooling": ["fit", "t.csv", "--hidden", "convolutional", "--code", "3", "-o", "m"],
    "unknown task": ["fit", "t.csv", "--task", "guess", "--target", "city", "-o", "m"],
    "unknown recipe": ["fit", "t.csv", "--recipe", "hinton2007", "-o", "m"],
    "target without a task": ["fit", "t.csv", "--target", "city", "-o", "m"],
    "label with a task": ["fit", "t.csv", "--task", "classify", "--target", "city", "--label", "same", "-o", "m"],
    "a task without a target": ["fit", "t.csv", "--task", "classify", "-o", "m"],
    "target that is not there": ["fit", "t.csv", "--task", "classify", "--target", "town", "-o", "m"],
    "classes that are numbers": ["fit", "t.csv", "--task", "classify", "--target", "x", "-o", "m"],
    "numbers that are text": ["fit", "t.csv", "--task", "regress", "--target", "city", "-o", "m"],
    "one class": ["fit", "t.csv", "--task", "classify", "--target", "same", "-o", "m"],
    "contamination without anomalies": ["fit", "t.csv", "--contamination", "0.1", "-o", "m"],
    "contamination of one": ["fit", "t.csv", "--task", "detect", "--contamination", "1", "-o", "m"],
    "codes of a detector": ["fit", "t.csv", "--task", "detect", "--codes", "c.csv", "-o", "m"],
    "fidelity of a detector": ["fit", "t.csv", "--task", "detect", "--fidelity", "mixed", "-o", "m"],
    "target of a detector": ["fit", "t.csv", "--task", "detect", "--target", "city", "-o", "m"],
    "code of an imputer": ["fit", "t.csv", "--task", "impute", "--code", "3", "-o", "m"],
    "a recipe's phase": ["fit", "t.csv", "--recipe", "bottleneck", "--dry-run"],
    **{
        f"setting {pair}": ["fit", "t.csv", "--set", pair, dry]
        for pair in (
            "lr=0",
            "lr=nan",
            "lr=inf",
            "lr=-1",
            "lr=x",
            "epochs=2.5",
            "epochs=0",
            "batch_size=0",
            "patience=0",
            "weight_decay=-1",
            "noise=-1",
            "masking=1",
            "=3",
            "corruption=0.1",
        )
        for dry in ("--dry-run", "--json")
    },
}


@pytest.mark.parametrize("case", WRONG_USE)
def test_wrong_use_gets_one_line_and_exit_code_2(run, tmp_path, case):
    messy().to_csv(tmp_path / "t.csv", index=False)
    code, out, error = run(*WRONG_USE[case])
    assert (code, out) == (2, "")
    assert one_line(error)
    assert [path.name for path in tmp_path.iterdir()] == ["t.csv"]


@pytest.mark.parametrize("dry", ["--dry-run", "--json"])
def test_a_task_without_a_target_is_told_which_columns_there_are(run, dry):
    messy().to_csv("t.csv", index=False)
    _, _, error = run("fit", "t.csv", "--task", "classify", "-o", "m", dry)
    assert "t.csv: --task classify needs the column to predict; there are 'x', 'y'" in error
    assert "--target" in error


@pytest.mark.parametrize("rows", [6, 60])
def test_no_remark_of_a_library_reaches_the_terminal(tmp_path, rows):
    draw = np.random.default_rng(0)
    frame = pd.DataFrame({"x": draw.normal(size=rows), "y": draw.normal(size=rows)})
    frame.assign(lab=np.arange(rows) // 2 * 3).to_csv(tmp_path / "t.csv", index=False)
    words = ["fit", "t.csv", "--task", "classify", "--target", "lab", *map(str, SHORT), "-o", "m"]
    done = subprocess.run([sys.executable, "-m", "layerwise", *words], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stderr) == (0, "")


def test_other_columns_than_in_fit(run, model):
    frame = pd.read_csv("t.csv")
    frame.drop(columns="x").to_csv("less.csv", index=False)
    frame.assign(extra=1).to_csv("more.csv", index=False)
    for file, word in (("less.csv", "missing 'x'"), ("more.csv", "'extra'")):
        code, _, error = run("transform", "model", file, "-o", "c.csv")
        assert code == 2
        assert one_line(error)
        assert word in error
        assert not Path("c.csv").exists()


def test_output_of_unknown_ending(run, model):
    code, _, error = run("transform", "model", "t.csv", "-o", "codes.xlsx")
    assert code == 2
    assert one_line(error)


def test_a_model_of_a_newer_format(run, model):
    manifest = json.loads((model / "manifest.json").read_text())
    manifest["manifest"]["format"] = 99
    (model / "manifest.json").write_text(json.dumps(manifest))
    code, _, error = run("info", "model")
    assert code == 1
    assert one_line(error)
    assert "99" in error


def test_a_place_that_cannot_be_written(run, model, tmp_path):
    Path("file").write_text("")
    before = sorted(tmp_path.iterdir())
    for arguments in (
        ["fit", "t.csv", "-o", "file/model", "--epochs", 1],
        ["transform", "model", "t.csv", "-o", "file/c.csv"],
        ["report", "model", "-o", "file/r.html"],
    ):
        code, _, error = run(*arguments)
        assert code == 1
        assert one_line(error)
        assert "file/" in error
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a file size limit as Linux has it")
def test_a_full_disk_leaves_nothing(model, tmp_path):
    script = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN);"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (20000, 20000)); sys.argv = sys.argv[1:];"
        "from layerwise.cli import main; main()"
    )
    before = {path: path.read_bytes() for path in sorted(tmp_path.rglob("*")) if path.is_file()}
    done = subprocess.run(
        [sys.executable, "-c", script, "layerwise", "fit", "t.csv", "-o", "model", "--epochs", "1", "--quiet"],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 1
    assert one_line(done.stderr)
    assert {path: path.read_bytes() for path in sorted(tmp_path.rglob("*")) if path.is_file()} == before


def test_mnist_files_are_read_from_the_given_folder(run, tmp_path):
    draw = np.random.default_rng(0)
    Path("files").mkdir()
    for part, rows in (("train", 60000), ("t10k", 10000)):
        images = draw.integers(0, 255, (rows, 1), dtype=np.uint8).repeat(784, axis=1)
        header = np.array([0x803, rows, 28, 28], ">i4").tobytes()
        Path(f"files/{part}-images-idx3-ubyte.gz").write_bytes(gzip.compress(header + images.tobytes(), 1))
        header = np.array([0x801, rows], ">i4").tobytes()
        Path(f"files/{part}-labels-idx1-ubyte.gz").write_bytes(gzip.compress(header + bytes(rows), 1))
    code, out, error = run("fit", "mnist", "--data-dir", "files", "--dry-run", "--json")
    assert code == 0, error
    assert json.loads(out)["rows"] == 60000


def test_named_data_that_is_nowhere(run, monkeypatch):
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("https_proxy", "http://127.0.0.1:9")
    monkeypatch.setenv("HOME", os.getcwd())
    monkeypatch.setenv("XDG_CACHE_HOME", os.getcwd())
    monkeypatch.delenv("LAYERWISE_DATA", raising=False)
    code, _, error = run("fit", "mnist", "-o", "m")
    assert code == 1
    assert one_line(error)
    assert "--data-dir" in error


def test_help_needs_no_torch():
    script = "import sys; from layerwise.cli import app; app(['--help'], standalone_mode=False)"
    script += "; print('torch' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip().endswith("False")
    done = subprocess.run(
        [sys.executable, "-c", "import layerwise, sys; print('torch' in sys.modules, dir(layerwise))"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout.startswith("False")


def test_verbs_that_do_not_train_need_not_wait_for_the_compiler_of_torch():
    script = "import layerwise.commands, sys; print('torch' in sys.modules, 'torch._dynamo' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["True", "False"]


VERBS = ("fit", "transform", "reconstruct", "predict", "evaluate", "report", "info", "datasets")


def test_every_verb_has_help_with_an_example(run):
    for verb in VERBS:
        for option in ("--help", "-h"):
            code, out, _ = run(verb, option)
            assert code == 0
            assert re.search(rf"Example:\s+layerwise\s+{verb}", out)
            assert "--quiet" in out


def test_without_a_verb(run):
    for words in ([], ["--help"], ["-h"]):
        code, out, error = run(*words)
        assert (code, error) == (0, "")
        assert all(verb in out for verb in VERBS)
    assert run("--version") == (0, f"layerwise {layerwise.__version__}\n", "")
    module = subprocess.run(
        [sys.executable, "-m", "layerwise", "--version"], capture_output=True, text=True, check=True
    )
    assert module.stdout == f"layerwise {layerwise.__version__}\n"


def test_another_fit_replaces_a_model_and_nothing_else(run, model):
    words = ["fit", "t.csv", "--code", 2, "--hidden", "8", "--epochs", 1, "-o", "model", "--quiet"]
    assert run(*words)[0] == 0
    (model / "notes.txt").write_text("mine")
    before = {path: path.read_bytes() for path in model.iterdir()}
    code, out, error = run(*words)
    assert (code, out) == (2, "")
    assert one_line(error)
    assert "notes.txt" in error
    assert {path: path.read_bytes() for path in model.iterdir()} == before


SLOW = """
import signal, sys
# Whatever the tests were started with: what is ignored in the background is not here.
signal.signal(signal.SIGINT, signal.default_int_handler)
signal.signal(signal.SIGTERM, signal.SIG_DFL)
signal.signal(signal.SIGHUP, signal.SIG_DFL)
number, when = int(sys.argv[1]), sys.argv[2]
sys.argv[1:] = sys.argv[3:]
from layerwise import cli, options
import layerwise.estimators.base as module

class Bar:
    def __enter__(self): return self
    def __exit__(self, *details): return None
    def __call__(self, event):
        first = "fold 2" in event.phase or "fold" not in event.phase
        if event.event == "step" and event.step == 5 and (when != "late" or first):
            signal.raise_signal(number)
            if when == "twice": signal.raise_signal(number)

module.ProgressBar = Bar
if when == "before":
    options.read = lambda *words, **more: signal.raise_signal(number)
cli.main()
"""


@pytest.mark.parametrize("number", [2, 15, 1], ids=["SIGINT", "SIGTERM", "SIGHUP"])
@pytest.mark.parametrize("when", ["before", "once", "twice"])
def test_signals_end_a_fit(tmp_path, number, when):
    pd.DataFrame(np.random.default_rng(0).normal(size=(2000, 4))).to_csv(tmp_path / "t.csv", index=False)
    words = ["fit", "t.csv", "--code", "2", "--hidden", "8", "--epochs", "9", "-o", "m"]
    done = subprocess.run(
        [sys.executable, "-c", SLOW, str(number), when, *words],
        capture_output=True,
        text=True,
        check=False,
        cwd=tmp_path,
    )
    assert done.returncode == 128 + number, done.stderr
    assert all(line.startswith("layerwise: ") for line in done.stderr.splitlines())
    if when == "once":
        assert "interrupted" in done.stderr
        assert "wrote m" in done.stderr
        assert json.loads((tmp_path / "m" / "metrics.json").read_text())["n_components"] == 2
    else:
        assert one_line(done.stderr)
        assert os.listdir(tmp_path) == ["t.csv"]


def unlabelled(rows: int = 120) -> pd.DataFrame:
    """A messy table with three things to predict, each known in half of the rows: a text, a class number, a number."""
    frame, draw = messy(rows).drop(columns=["z", "when"]), np.random.default_rng(1)
    x = frame.x.fillna(0) + (frame.city == "Rome")
    frame["kind"] = np.where(x > 0.3, "big <b>", "small")
    frame["grade"] = (x > 0.3).astype(int) + (x > 1).astype(int)
    frame["score"] = (3 * x + draw.normal(0, 0.1, rows)).round(3)
    frame.loc[1::2, ["kind", "grade", "score"]] = None
    frame["grade"] = frame.grade.astype("Int64")
    return frame


SHORT = ["--hidden", "8,6", "--set", "epochs=1", "--epochs", 2, "--quiet"]


@pytest.fixture
def fit_task(run):
    """Fit a task on one of the targets, without the others; gives the folder."""
    unlabelled().to_csv("t.csv", index=False)

    def call(task: str, target: str, *more: object) -> str:
        others = ",".join({"kind", "grade", "score"} - {target})
        words = ["fit", "t.csv", "--task", task, "--target", target, "--drop", others, *SHORT, "-o", target]
        code, out, error = run(*words, *more)
        assert (code, error) == (0, ""), error
        assert out == ""
        return target

    return call


def test_classes_from_few_labels(run, fit_task):
    folder = fit_task("classify", "kind", "--codes", "c.csv", "--report", "r.html")
    rows = {
        row["phase"]: row["rows"]
        for row in map(json.loads, Path(folder, "history.jsonl").read_text().splitlines())
        if row["event"] == "start"
    }
    # Of 60 labelled rows 6 judge at the end.
    assert rows == {"layer 1": 114, "layer 2": 114, "fine-tune": 54}
    assert run("predict", folder, "t.csv", "-o", "p.csv", "--probabilities") == (0, "", "")
    found = pd.read_csv("p.csv")
    assert list(found.columns) == ["prediction", "p(big <b>)", "p(small)"]
    assert len(found) == 120
    assert set(found.prediction) <= {"big <b>", "small"}
    assert np.allclose(found["p(big <b>)"] + found["p(small)"], 1)
    assert ((found["p(big <b>)"] > 0.5) == (found.prediction == "big <b>")).all()
    code, out, _ = run("evaluate", folder, "t.csv", "--json")
    figures = json.loads(out)
    assert (code, figures["rows"], figures["task"]) == (0, 60, "classify")
    truth = unlabelled().kind[::2]
    assert figures["error"] == pytest.approx((found.prediction[::2] != truth).mean())
    code, out, _ = run("evaluate", folder, "t.csv")
    assert (code, len(out.strip().splitlines())) == (0, 3)
    assert "60 given rows, 2 classes" in out
    assert json.loads(Path(folder, "metrics.json").read_text())["target"] == "kind"
    assert pd.read_csv("c.csv").shape == (120, 6)
    assert run("report", folder, "-o", "held.html")[0] == 0
    assert run("report", folder, "t.csv", "-o", "given.html")[0] == 0
    for page, words in (("r.html", "6 rows"), ("held.html", "6 rows"), ("given.html", "60 given rows")):
        text = Path(page).read_text("utf-8")
        assert words in text
        assert "big &lt;b&gt;" in text
        assert "big <b>" not in text
    code, out, _ = run("info", folder, "--json")
    assert (code, json.loads(out)["task"], json.loads(out)["widths"][-1]) == (0, "classify", 2)
    assert run("info", folder)[0] == 0
    assert run("transform", folder, "t.csv", "-o", "codes.npy")[0] == 0
    assert np.load("codes.npy").shape == (120, 6)


def test_rows_to_predict_need_no_targets(run, fit_task):
    folder = fit_task("classify", "kind")
    frame = unlabelled().drop(columns=["kind", "grade", "score"])
    frame[frame.columns[::-1]].to_csv("new.csv", index=False)
    for file in ("t", "new"):
        assert run("predict", folder, f"{file}.csv", "-o", f"{file}.parquet")[0] == 0
    assert pd.read_parquet("t.parquet").equals(pd.read_parquet("new.parquet"))
    for words in (["evaluate", folder, "new.csv"], ["report", folder, "new.csv", "-o", "page.html"]):
        code, out, error = run(*words)
        assert (code, out) == (2, "")
        assert one_line(error)
        assert "new.csv: to judge, column 'kind' is needed; found columns 'same', 'city'" in error
    frame.drop(columns="x").to_csv("less.csv", index=False)
    code, _, error = run("predict", folder, "less.csv", "-o", "p.csv")
    assert code == 2
    assert one_line(error)
    assert "missing 'x'" in error
    assert not Path("p.csv").exists()


def test_class_numbers_with_empty_cells_stay_whole(run, fit_task):
    folder = fit_task("classify", "grade")
    assert run("predict", folder, "t.csv", "-o", "p.csv", "--probabilities")[0] == 0
    assert list(pd.read_csv("p.csv").columns) == ["prediction", "p(0)", "p(1)", "p(2)"]
    assert set(pd.read_csv("p.csv").prediction) <= {0, 1, 2}


def test_numbers(run, fit_task):
    folder = fit_task("regress", "score", "--report", "r.html")
    assert run("predict", folder, "t.csv", "-o", "p.csv")[0] == 0
    found = pd.read_csv("p.csv")
    assert list(found.columns) == ["prediction"]
    code, out, _ = run("evaluate", folder, "t.csv", "--json")
    figures, truth = json.loads(out), unlabelled().score[::2]
    assert (code, figures["rows"]) == (0, 60)
    assert figures["rmse"] == pytest.approx(((found.prediction[::2] - truth) ** 2).mean() ** 0.5, rel=1e-5)
    code, out, _ = run("evaluate", folder, "t.csv")
    assert "root mean squared error" in out
    assert "of the variance" in Path("r.html").read_text("utf-8")
    code, _, error = run("predict", folder, "t.csv", "-o", "q.csv", "--probabilities")
    assert code == 2
    assert one_line(error)
    assert "this model predicts numbers" in error
    assert not Path("q.csv").exists()


def test_two_numbers_are_two_columns(run, tmp_path):
    x = np.random.default_rng(0).normal(size=(40, 3))
    layerwise.StackedRegressor((4,), max_epochs=1, random_state=0).fit(x, x[:, :2]).save(tmp_path / "m")
    np.save("x.npy", x)
    assert run("predict", "m", "x.npy", "-o", "p.csv") == (0, "", "")
    assert list(pd.read_csv("p.csv").columns) == ["prediction0", "prediction1"]
    assert pd.read_csv("p.csv").shape == (40, 2)


def test_verbs_for_the_other_kind_of_model(run, fit_task):
    assert run("fit", "t.csv", "--code", 2, *SHORT[:2], "--epochs", 1, "-o", "autoencoder", "--quiet")[0] == 0
    fit_task("classify", "kind")
    code, _, error = run("predict", "autoencoder", "t.csv", "-o", "p.csv")
    assert code == 2
    assert one_line(error)
    assert "predicts nothing" in error
    code, _, error = run("reconstruct", "kind", "t.csv", "-o", "b.csv")
    assert code == 2
    assert one_line(error)
    assert "does not give rows back" in error
    assert not Path("p.csv").exists()
    assert not Path("b.csv").exists()


def test_strange_rows_from_end_to_end(run, tmp_path):
    frame = messy(200).assign(strange=0)
    frame.loc[[3, 90], ["x", "strange"]] = 50.0, 1
    frame.to_csv(tmp_path / "t.csv", index=False)
    code, out, error = run(
        "fit", "t.csv", "--task", "detect", "--label", "strange", "-o", "d", "--report", "page.html", "--quiet"
    )
    assert (code, out) == (0, ""), error
    assert "Strange rows" in Path("page.html").read_text("utf-8")
    assert run("score", "d", "t.csv", "-o", "s.csv", "--causes", 2) == (0, "", "")
    scores = pd.read_csv("s.csv")
    assert list(scores.columns) == ["score", "probability", "flagged", "cause1", "cause2"]
    assert set(scores.score.nlargest(2).index) == {3, 90}
    assert scores.flagged[[3, 90]].tolist() == [1, 1]
    assert all(cause.startswith(("x (", "z (")) for cause in scores.cause1[[3, 90]])
    assert scores.cause1[scores.flagged == 1].notna().all()
    assert scores.cause1.isna().sum() >= 200 - 20 - scores.flagged.sum()
    code, out, _ = run("evaluate", "d", "t.csv", "--json")
    assert code == 0
    assert json.loads(out)["anomalies_flagged"] == 2
    assert run("score", "d", "t.csv", "-o", "none.csv", "--causes", 0)[0] == 0
    assert list(pd.read_csv("none.csv").columns) == ["score", "probability", "flagged"]
    told = json.loads(run("info", "d", "--json")[1])
    assert (told["flagged"], told["auroc"]) == (scores.flagged.sum(), 1.0)
    for verb, words in (
        ("transform", "no codes"),
        ("predict", "predicts nothing"),
        ("reconstruct", "does not give rows back"),
    ):
        code, _, error = run(verb, "d", "t.csv", "-o", "out.csv")
        assert code > 0
        assert words in error
        assert one_line(error)
    assert not Path("out.csv").exists()
    assert run("fit", "t.csv", "--task", "detect", "--dry-run")[0] == 0


def test_gaps_from_end_to_end(run, tmp_path, monkeypatch):
    messy(200).to_csv(tmp_path / "t.csv", index=False)
    short = ("--epochs", 1, "--hidden", "8", "--quiet")
    code, out, error = run("fit", "t.csv", "--task", "impute", "-o", "i", "--report", "page.html", *short)
    assert (code, out) == (0, ""), error
    assert "of the error stays" in Path("page.html").read_text("utf-8")
    assert run("impute", "i", "t.csv", "-o", "full.csv") == (0, "", "")
    given, found = pd.read_csv("t.csv"), pd.read_csv("full.csv")
    assert list(found.columns) == list(given.columns)
    assert not found.isna().any().any()
    assert all((found[name] == given[name])[given[name].notna()].all() for name in given)
    assert run("impute", "i", "t.csv", "-o", "s.csv", "--samples", 2)[0] == 0
    assert not Path("s.csv").exists()
    assert not pd.read_csv("s-1.csv").equals(pd.read_csv("s-2.csv"))

    def ended(self, table, count):
        yield table
        raise MemoryError

    with monkeypatch.context() as patch:
        patch.setattr(layerwise.AutoencoderImputer, "samples", ended)
        assert run("impute", "i", "t.csv", "-o", "z.csv", "--samples", 2)[0] == 1
    assert not list(tmp_path.glob("*z-*"))
    code, out, _ = run("evaluate", "i", "t.csv")
    assert code == 0
    assert "imputer" in out
    told = json.loads(run("info", "i", "--json")[1])
    assert 0 < told["network"] < told["mean"]
    assert run("fit", "t.csv", "--task", "impute", "--dry-run")[0] == 0
    code, _, error = run("score", "i", "t.csv", "-o", "x.csv")
    assert code == 2
    assert "is no detector. Fit one with --task detect" in error


def test_series_from_end_to_end(run, caplog):
    points = np.arange(300)
    frame = pd.DataFrame({"when": points, "a": np.sin(points / 5), "b": np.cos(points / 5)})
    frame.to_csv("series.csv", index=False)
    words = ("--task", "detect", "--window", 6, "--contamination", 0, "-o", "d", "--set", "epochs=2")
    assert run("fit", "series.csv", *words)[0] == 0
    assert "only rise like a clock: 'when'" in caplog.text
    frame.loc[200:, "b"] = 7.0
    frame.to_csv("later.csv", index=False)
    assert run("score", "d", "later.csv", "-o", "s.csv")[0] == 0
    scores = pd.read_csv("s.csv")
    assert len(scores) == 300
    assert scores.flagged[200:].all()
    assert not scores.flagged[:200].any()
    assert scores.cause1[scores.flagged == 1].str.startswith("b (").mean() > 0.9
    frame[:4].to_csv("short.csv", index=False)
    code, _, error = run("score", "d", "short.csv", "-o", "x.csv")
    assert code == 2
    assert one_line(error)
    assert "at least the 6 points of a window; found 4" in error
    code, _, error = run("fit", "series.csv", "--window", 6, "-o", "x")
    assert code == 2
    assert "--window is for --task detect alone" in error


def drawn_pictures(folder: Path, count: int, channels: int = 3) -> None:
    folder.mkdir()
    draw = np.random.default_rng(0)
    for number in range(count):
        shape = (12 + number, 16, channels)[: 2 if channels == 1 else 3]
        Image.fromarray(draw.integers(0, 256, shape, np.uint8)).save(folder / f"{number}.png")


def pixels(path: str) -> np.ndarray:
    with Image.open(path) as picture:
        return np.asarray(picture)


def test_pictures_from_end_to_end(run):
    drawn_pictures(Path("photos"), 3)
    short = ("--epochs", 1, "--hidden", "4,4", "--quiet")
    code, out, error = run("fit", "photos", "--task", "denoise", "-o", "d", "--report", "page.html", *short)
    assert (code, out) == (0, ""), error
    assert "best Gaussian filter" in Path("page.html").read_text("utf-8")
    assert run("denoise", "d", "photos", "-o", "clean") == (0, "", "")
    assert [pixels(f"clean/{number}.png").shape for number in range(3)] == [(12, 16, 3), (13, 16, 3), (14, 16, 3)]
    assert run("denoise", "d", "photos/1.png", "-o", "one.jpg")[0] == 0
    assert pixels("one.jpg").shape == (13, 16, 3)
    np.save("all.npy", np.zeros((2, 9, 9), np.uint8))
    assert run("denoise", "d", "all.npy", "-o", "found.npy")[0] == 0
    assert np.load("found.npy").shape == (2, 9, 9)
    assert run("fit", "photos", "--task", "colorize", "-o", "c", *short)[0] == 0
    drawn_pictures(Path("grey"), 2, channels=1)
    assert run("colorize", "c", "grey", "-o", "coloured")[0] == 0
    assert pixels("coloured/0.png").shape == (12, 16, 3)
    Path("masks").mkdir()
    for number in range(3):
        light = pixels(f"photos/{number}.png").mean(2)
        Image.fromarray(((light > 128) * 255).astype(np.uint8)).save(f"masks/{number}.png")
    code, _, error = run("fit", "photos", "--task", "segment", "--masks", "masks", "-o", "s", *short)
    assert (code, error) == (0, "")
    assert run("segment", "s", "photos", "-o", "found")[0] == 0
    assert {*np.unique(pixels("found/2.png"))} <= {0, 255}
    code, out, _ = run("evaluate", "s", "photos", "--masks", "masks", "--json")
    assert code == 0
    assert json.loads(out)["mean_iou"] > 0
    assert run("info", "s")[0] == run("fit", "photos", "--task", "denoise", "--dry-run")[0] == 0
    code, _, error = run("segment", "s", "photos/1.png", "-o", "lossy.jpg")
    assert code == 2
    assert "a JPEG changes the numbers of classes" in error


def test_pictures_of_16_bits_stay_so_and_masks_keep_their_classes(run):
    draw = np.random.default_rng(0)
    Path("deep").mkdir()
    Path("masks").mkdir()
    for number in range(3):
        Image.fromarray(draw.integers(0, 2**16, (12, 12), np.uint16)).save(f"deep/{number}.1.png")
        mask = Image.fromarray(draw.integers(0, 3, (12, 12), np.uint8))
        mask.putpalette([0, 0, 0, 250, 0, 0, 0, 250, 0])
        mask.save(f"masks/{number}.1.png")
    short = ("--epochs", 1, "--hidden", "4,4", "--quiet")
    assert run("fit", "deep", "--task", "denoise", "-o", "d", *short)[0] == 0
    assert run("denoise", "d", "deep", "-o", "clean") == (0, "", "")
    assert sorted(path.name for path in Path("clean").iterdir()) == ["0.1.png", "1.1.png", "2.1.png"]
    assert pixels("clean/0.1.png").dtype == np.uint16
    assert run("denoise", "d", "deep/0.1.png", "-o", "one.jpg")[0] == 0
    assert pixels("one.jpg").dtype == np.uint8
    assert run("fit", "deep", "--task", "segment", "--masks", "masks", "-o", "s", *short)[0] == 0
    assert run("segment", "s", "deep", "-o", "found")[0] == 0
    assert {*np.unique(pixels("found/2.1.png"))} <= {0, 1, 2}


def test_an_alpha_channel_is_told_and_left_out(run, caplog):
    drawn_pictures(Path("photos"), 2, channels=4)
    assert run("fit", "photos", "--task", "denoise", "-o", "d", "--epochs", 1, "--hidden", "2")[0] == 0
    assert "photos: transparency is left out, the colours beneath it stay in 2 of 2 pictures" in caplog.text
    assert run("denoise", "d", "photos/1.png", "-o", "clean.png")[0] == 0
    assert "1.png: transparency is left out, the colours beneath it stay." in caplog.text
    assert pixels("clean.png").shape == (13, 16, 3)


def test_pictures_have_no_causes_and_their_gaps_are_filled_in_a_folder(run):
    digits = load_digits().images[:120].astype(np.float32)
    np.save("digits.npy", digits)
    short = ("--epochs", 1, "--hidden", "4", "--quiet")
    assert run("fit", "digits.npy", "--task", "detect", "-o", "d", *short)[0] == 0
    assert run("score", "d", "digits.npy", "-o", "scores.csv")[0] == 0
    assert list(pd.read_csv("scores.csv").columns) == ["score", "probability", "flagged"]
    digits[:, 2:4, 2:4] = np.where(np.arange(120)[:, None, None] % 2, np.nan, digits[:, 2:4, 2:4])
    np.save("gaps.npy", digits)
    assert run("fit", "gaps.npy", "--task", "impute", "-o", "i", *short)[0] == 0
    code, _, error = run("impute", "i", "gaps.npy", "-o", "full")
    assert code == 0, error
    assert pixels("full/0119.png").shape == (8, 8)


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("fit", "photos", "--task", "segment", "-o", "x"), "masks are needed: --masks FOLDER"),
        (("fit", "photos", "--task", "segment", "--masks", "other", "-o", "x"), "a mask of its name; missing '0.png'"),
        (
            ("fit", "photos", "--task", "segment", "--masks", "photos", "-o", "x"),
            "must be grey or have a palette",
        ),
        (("fit", "photos", "--task", "segment", "--masks", "nowhere", "-o", "x"), "nowhere: there is no such file"),
        (("fit", "photos", "--task", "colorize", "--label", "z", "-o", "x"), "--label is not for --task colorize"),
        (("fit", "photos", "--task", "denoise", "--drop", "z", "-o", "x"), "--drop is not for --task denoise"),
        (("fit", "twins", "--task", "segment", "--masks", "other", "-o", "x"), "9.jpg and 9.png are both 9"),
        (("denoise", "d", "twins", "-o", "x"), "9.jpg and 9.png are both 9"),
        (("denoise", "d", "photos", "-o", "other"), "must be new or empty; it holds '9.png'. Choose"),
        (("denoise", "d", "missing.png", "-o", "x.png"), "missing.png: there is no such file"),
        (("denoise", "d", "one.bmp", "-o", "x"), "a picture must be a PNG or a JPEG; found '.bmp'"),
        (("segment", "d", "photos", "-o", "other"), "must be new or empty"),
        (("fit", "photos", "--task", "denoise", "--masks", "photos", "-o", "x"), "--masks is for --task segment alone"),
        (("fit", "photos", "--task", "colorize", "--code", 3, "-o", "x"), "--code is not for --task colorize"),
        (("fit", "photos", "--task", "denoise", "--noise", "loud", "-o", "x"), "--noise must be one of gaussian"),
        (("fit", "t.csv", "--task", "denoise", "-o", "x"), "pictures are needed; found a table"),
        (("fit", "other", "--task", "colorize", "-o", "x"), "must be in colour; all 1 are grey, first 9.png"),
        (("denoise", "d", "photos", "-o", "x.png"), "x.png takes one picture; found 2"),
        (("denoise", "d", "photos", "-o", "x.npy"), "an array needs pictures of one size; found 2"),
        (("segment", "d", "photos", "-o", "x"), "does not segment. Fit a model with --task segment"),
        (("report", "d", "photos", "-o", "x"), "the page of pictures is that of fit"),
        (("transform", "d", "photos", "-o", "x.csv"), "has no codes"),
    ],
)
def test_bad_pictures_are_refused_in_one_line(run, words, told):
    drawn_pictures(Path("photos"), 2)
    drawn_pictures(Path("other"), 1, channels=1)
    Path("other/0.png").rename("other/9.png")
    drawn_pictures(Path("twins"), 1)
    Path("twins/0.png").rename("twins/9.png")
    Image.open("twins/9.png").save("twins/9.jpg")
    Path("one.bmp").write_bytes(b"BM")
    messy().to_csv("t.csv", index=False)
    if "d" in words:
        assert run("fit", "photos", "--task", "denoise", "--epochs", 1, "--hidden", "2", "-o", "d", "--quiet")[0] == 0
    code, out, error = run(*words)
    assert (code, out) == (2, "")
    assert told in error
    assert one_line(error)
    assert not any(Path(name).exists() for name in ("x", "x.png", "x.npy", "x.csv"))


def test_a_model_is_taken_elsewhere_without_a_word(run, model, tmp_path):
    words = ["export", "model", "--to", "onnx", "-o", "new/model.onnx"]
    done = subprocess.run([sys.executable, "-m", "layerwise", *words], cwd=tmp_path, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    session = onnxruntime.InferenceSession("new/model.onnx")
    assert [given.name for given in session.get_inputs()] == ["numbers", "numbers64", "categories"]
    Path("file").write_text("")
    before = sorted(tmp_path.rglob("*"))
    for arguments, code, told in [
        (["model", "--to", "tflite", "-o", "m.onnx"], 2, "--to must be onnx; got 'tflite'"),
        (["model", "-o", "m.pb"], 2, "m.pb: the name must end in .onnx"),
        (["model", "-o", "file/m.onnx"], 1, "cannot write"),
        (["nowhere", "-o", "m.onnx"], 1, "nowhere is not a model folder"),
    ]:
        found, _, error = run("export", *arguments)
        assert (found, one_line(error)) == (code, True)
        assert told in error
    assert sorted(tmp_path.rglob("*")) == before


def test_codes_are_compared_with_raw_columns(run):
    frame = messy(80).drop(columns="when")
    frame.to_csv("t.csv", index=False)
    words = ("t.csv", "--target", "city", "--code", 5, "--repeats", 1)
    code, out, _ = run("compare", *words, "--json")
    assert code == 0
    found = json.loads(out)
    assert found["task"] == "classify"
    assert found["rows"] == int(frame["city"].notna().sum())
    assert len(found["findings"]) == 8
    code, out, _ = run("compare", *words)
    assert code == 0
    assert "area under the ROC curve on 75 rows, 2 folds of half of them; codes of 5" in out
    assert "difference" in out
    for target, task, told in (
        ("same", "auto", "at least two values"),
        ("city", "regress", "column 'city' must hold numbers"),
        ("city", "cluster", "--task must be one of auto, classify, regress; got 'cluster'"),
    ):
        code, _, error = run("compare", "t.csv", "--target", target, "--task", task)
        assert (code, one_line(error)) == (2, True)
        assert told in error


def test_only_a_detector_scores(run, model):
    code, _, error = run("score", "model", "t.csv", "-o", "s.csv")
    assert code == 2
    assert "is no detector. Fit one with --task detect" in error


def test_dry_run_shows_phases_widths_penalties_and_epochs(run):
    messy().drop(columns="when").to_csv("t.csv", index=False)
    words = ["fit", "t.csv", "--recipe", "alternate_sparsity", "--hidden", "7,6,5", "--code", 2, "--dry-run"]
    words += ["--scaling", "minmax", "--set", "sparsity=0.25", "--set", "epochs=4", "--epochs", 9]
    code, out, error = run(*words, "--json")
    assert (code, error) == (0, "")
    plan = json.loads(out)
    assert plan["widths"] == [plan["features"], 7, 6, 5, 2]
    assert [(phase["name"], phase["epochs"]) for phase in plan["recipe"]] == [
        *((f"layer {number}", 4) for number in (1, 2, 3, 4)),
        ("fine-tune", 9),
    ]
    widths = plan["widths"]
    assert [phase["widths"] for phase in plan["recipe"]] == [*(widths[i : i + 2] for i in range(4)), widths]
    sparse = [phase["objective"]["penalties"].get("sparsity") for phase in plan["recipe"]]
    assert [one is not None for one in sparse] == [True, False, True, False, True]
    assert sparse[-1][0] == 0.25
    assert sparse[-1][1]["layers"] == [1, 3]
    code, out, error = run(*words)
    assert (code, error) == (0, "")
    first, *table = out.splitlines()
    assert first == f"80 rows, {plan['features']} features, layers ({', '.join(map(str, widths))})"
    for word in ("phase", "widths", "epochs", "layer 4", "fine-tune", f"{plan['features']}-7", "5-2", "0.25 x"):
        assert any(word in line for line in table), word
    assert os.listdir() == ["t.csv"]


@pytest.mark.parametrize("task", ["classify", "regress"])
def test_dry_run_of_a_task(run, task):
    unlabelled().to_csv("t.csv", index=False)
    target = {"classify": "kind", "regress": "score"}[task]
    code, out, _ = run("fit", "t.csv", "--task", task, "--target", target, *SHORT, "--dry-run", "--json")
    plan = json.loads(out)
    assert code == 0
    assert plan["widths"][1:] == [8, 6, {"classify": 2, "regress": 1}[task]]
    assert [phase["objective"]["fidelity"]["class"] for phase in plan["recipe"]] == [
        "ClippedSquaredError",
        "SquaredError",
        {"classify": "SoftmaxCrossEntropy", "regress": "PredictionError"}[task],
    ]
    assert [phase["widths"] for phase in plan["recipe"]] == [plan["widths"][:2], [8, 6], plan["widths"][:3]]
    code, out, _ = run("fit", "t.csv", "--task", task, "--target", target, *SHORT, "--dry-run")
    assert code == 0
    assert "fine-tune" in out


def test_a_recipe_by_name_from_end_to_end(run):
    words = ["fit", "sklearn:digits", "--recipe", "hinton2006", "--set", "epochs=1", "--set", "fine_tune_epochs=1"]
    words += ["--hidden", "16", "--code", 4, "--quiet"]
    assert run(*words, "-o", "m") == (0, "", "")
    recipe = json.loads(Path("m/recipe.json").read_text())
    assert [phase["name"] for phase in recipe] == ["machine 1", "machine 2", "fine-tune"]
    assert [phase["epochs"] for phase in recipe] == [1, 1, 1]
    model = json.loads(Path("m/config.json").read_text())["model"]
    assert (model["activation"], model["output"], model["linear_path"]) == ("sigmoid", "sigmoid", False)
    assert run("evaluate", "m", "sklearn:digits", "--json")[0] == 0
    # The same way to a classifier; a named data set brings its classes.
    assert run(*words, "--task", "classify", "-o", "c") == (0, "", "")
    assert [phase["name"] for phase in json.loads(Path("c/recipe.json").read_text())] == [
        *("machine 1", "machine 2", "fine-tune")
    ]
    assert json.loads(Path("c/config.json").read_text())["model"]["hidden"] == [16, 4]
    code, out, _ = run("evaluate", "c", "sklearn:digits", "--json")
    assert (code, json.loads(out)["rows"]) == (0, 1797)


def one_line(error: str) -> bool:
    """Whether an error is one line of ours, without library frames."""
    return error.startswith("layerwise: ") and error.count("\n") == 1 and "Traceback" not in error


@pytest.fixture
def pairs(tmp_path) -> Path:
    """A file with sentences, their translations, and where they come from."""
    lines = [f"I see {a} {b}.\tJe vois {a} {b}.\tme" for a in range(8) for b in range(8)]
    (tmp_path / "pairs.tsv").write_text("\n".join(["English\tFrench\tby", *lines]) + "\n", encoding="utf-8")
    return tmp_path


FIT_PAIRS = ("fit", "pairs.tsv", "--task", "translate", "--target", "French", "--drop", "by", "--epochs", 1)


def test_sentences_are_translated(run, pairs, caplog):
    code, out, error = run(*FIT_PAIRS, "-o", "model", "--report", "page.html", "--quiet")
    assert (code, out, error) == (0, "", "")
    assert "Translations" in Path("page.html").read_text("utf-8")
    Path("new.txt").write_text('I see 3 4.\n\nHe said: "Go!"\n', encoding="utf-8")
    assert run("translate", "model", "new.txt", "-o", "out.txt", "--beam", 2) == (0, "", "")
    assert caplog.messages == ["empty, and so translated: 1 sentences, the first in line 2."]
    lines = Path("out.txt").read_text("utf-8").split("\n")
    assert len(lines) == 4
    assert (lines[1], lines[3]) == ("", "")
    assert run("translate", "model", "pairs.tsv", "-o", "out.csv", "--quiet")[0] == 0
    assert pd.read_csv("out.csv", keep_default_na=False).columns.tolist() == ["French"]
    assert run("translate", "model", "pairs.tsv", "--column", "French", "-o", "out.parquet")[0] == 0
    assert len(pd.read_parquet("out.parquet")) == 64
    code, out, _ = run("evaluate", "model", "pairs.tsv", "--json")
    assert (code, json.loads(out)["judged"]) == (0, 64)
    assert "beam of 1" in run("evaluate", "model", "pairs.tsv")[1]
    assert json.loads(run("info", "model", "--json")[1])["task"] == "translate"
    assert run("report", "model", "-o", "again.html")[0] == 0


@pytest.mark.parametrize("network", ["auto", "recurrent", "transformer"])
def test_what_would_translate_is_told(run, pairs, network):
    code, out, _ = run(*FIT_PAIRS, "--hidden", network, "--dry-run", "--json")
    plan = json.loads(out)
    assert (code, plan["rows"], plan["widths"][1]) == (0, 64, 256)
    assert plan["recipe"][0]["objective"]["fidelity"]["class"] == "SoftmaxCrossEntropy"


@pytest.mark.parametrize(
    ("words", "told"),
    [
        (("fit", "pairs.tsv", "--task", "translate", "-o", "m"), "needs the column to predict"),
        ((*FIT_PAIRS[:6], "-o", "m"), "one column; found 2: 'English', 'by'"),
        ((*FIT_PAIRS, "--hidden", "8", "-o", "m"), "--hidden must be recurrent or transformer"),
        ((*FIT_PAIRS, "--code", 3, "-o", "m"), "--code is not for --task translate"),
        (("translate", "pairs.tsv", "pairs.tsv", "-o", "o.txt"), "is not a model folder"),
        (("translate", "model", "none.txt", "-o", "o.txt"), "there is no such file"),
        (("translate", "model", "empty.txt", "-o", "o.txt"), "must hold sentences; it is empty"),
        (("translate", "model", "latin.txt", "-o", "o.txt"), "must be text in UTF-8; byte 1 is not"),
        (
            ("translate", "model", "long.txt", "-o", "o.txt"),
            "long.txt: a sentence must have at most 128 sub-words; line 2 has 10,000",
        ),
        (("translate", "model", "other.csv", "-o", "o.txt"), "there is no column 'English'"),
        (("translate", "model", "numbers.csv", "-o", "o.txt"), "column 'English' must hold sentences; it holds int64"),
        (("translate", "model", "pairs.tsv", "-o", "o.npy"), "o.npy: the name must end in .txt, .csv, .tsv, .parquet"),
        (("transform", "model", "pairs.tsv", "-o", "o.csv"), "has no codes"),
        (("denoise", "model", "pairs.tsv", "-o", "o.png"), "does not denoise"),
    ],
)
def test_sentences_that_cannot_be_taken_are_refused_in_a_line(run, translator, words, told):
    code, out, error = run(*words)
    assert (code > 0, out) == (True, "")
    assert told in error
    assert len(error.strip().splitlines()) == 1
    assert not [
        path.name for path in Path().iterdir() if path.name.startswith(("o.", "m", ".")) and path.name != "model"
    ]


@pytest.fixture
def translator(run, pairs) -> Path:
    """A model that translates, and files which it cannot."""
    assert run(*FIT_PAIRS, "-o", "model", "--quiet")[0] == 0
    Path("empty.txt").write_text("")
    Path("latin.txt").write_bytes("h\xe9".encode("latin-1"))
    Path("long.txt").write_text("short\n" + "1 " * 10_000 + "\n")
    Path("other.csv").write_text("a,b\nx,y\n")
    Path("numbers.csv").write_text("English\n1\n2\n")
    return pairs / "model"
