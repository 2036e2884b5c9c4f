"""Sixty bad inputs, each as array, frame, CSV and Parquet: an error that names the cell, or a repair told once."""

import logging
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pyarrow as pa
import pytest

from layerwise import DeepAutoencoder, InputError, cli
from layerwise.data import Schema, read
from tests.faults.bad_inputs import CASES, FINE, ROWS, Bad, among, floats, frame

LINES = 10


class Forms:
    """Gives a frame in one of the forms, and files in a folder; keeps what was fitted to good rows."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.fitted: dict[tuple[Any, str], DeepAutoencoder] = {}

    def fit(self, good: Any, form: str) -> DeepAutoencoder:
        if (good, form) not in self.fitted:
            self.fitted[good, form] = quick().fit(self.give(good(), form))
        return self.fitted[good, form]

    def give(self, made: Any, form: str) -> Any:
        if form == "as it is":
            return made
        if isinstance(made, bytes):
            (self.folder / f"t.{form}").write_bytes(made)
            return read(self.folder / f"t.{form}")
        return getattr(self, form)(made)

    def array(self, made: pd.DataFrame) -> Any:
        return made.to_numpy()

    def pandas(self, made: pd.DataFrame) -> Any:
        return made

    def polars(self, made: pd.DataFrame) -> Any:
        return pl.from_pandas(made)

    def arrow(self, made: pd.DataFrame) -> Any:
        if made.columns.is_unique:
            return pa.Table.from_pandas(made, preserve_index=False)
        return pa.table([made.iloc[:, i].to_numpy() for i in range(made.shape[1])], names=list(made.columns))

    def csv(self, made: pd.DataFrame) -> Any:
        made.to_csv(self.folder / "t.csv", index=False)
        return read(self.folder / "t.csv")

    def parquet(self, made: pd.DataFrame) -> Any:
        made.to_parquet(self.folder / "t.parquet", index=False)
        return read(self.folder / "t.parquet")


def quick() -> DeepAutoencoder:
    """All of `fit` but the training."""
    return DeepAutoencoder(hidden_layer_sizes=(), recipe=[], validation_fraction=0.0, random_state=0)


def wrong_error(bad: Bad, forms: Forms, form: str) -> str:
    """What is wrong with the error, or nothing."""
    try:
        if bad.before is None:
            quick().fit(forms.give(bad.make(), form))
        else:
            forms.fit(bad.before, form).transform(forms.give(bad.make(), form))
    except (ValueError, TypeError) as error:
        text = str(error)
        if len(text.splitlines()) > LINES:
            return f"{len(text.splitlines())} lines"
        lacking = [part for part in bad.located(form) if part not in text]
        return f"lacks {lacking}: {text}" if lacking else ""
    return "no error"


def wrong_repair(bad: Bad, forms: Forms, form: str, log: pytest.LogCaptureFixture) -> str:
    """What is wrong with the repair, or nothing."""
    encoder = forms.fit(bad.before, form) if bad.before else quick()
    rows = forms.give(bad.make(), form)
    log.clear()
    codes = [(encoder if bad.before else encoder.fit(rows)).transform(rows), encoder.transform(rows)]
    lines = [record.getMessage() for record in log.records]
    told = [line for line in lines if all(part in line for part in bad.located(form))]
    if len(told) != 1 or len(lines) != 1:
        return f"told {len(told)} times: {lines}"
    return "" if all(np.isfinite(code).all() for code in codes) else "codes are not finite"


def test_sixty_bad_inputs(faults: Any, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    assert len(CASES) == 60
    caplog.set_level(logging.INFO, "layerwise.data.repairs")
    forms, wrong = Forms(tmp_path), []
    for name, bad in CASES.items():
        for form in bad.forms:
            found = wrong_repair(bad, forms, form, caplog) if bad.repaired else wrong_error(bad, forms, form)
            if found:
                wrong.append(f"{name} as {form}: {found}")
    assert not wrong, "\n".join(wrong)
    tried, repairs = sum(len(bad.forms) for bad in CASES.values()), sum(bad.repaired for bad in CASES.values())
    seen = f"60 of 60 in {tried} forms: {60 - repairs} errors, {repairs} repairs told once"
    faults.record("Bad inputs", f"{seen}; all name column, row and count where there is one")


def told(log: pytest.LogCaptureFixture) -> list[str]:
    lines = [record.getMessage() for record in log.records if record.name == "layerwise.data.repairs"]
    log.clear()
    return lines


@pytest.mark.parametrize("name", FINE)
def test_what_loses_nothing_is_taken_without_a_word(name: str, caplog: pytest.LogCaptureFixture) -> None:
    assert np.isfinite(quick().fit_transform(FINE[name])).all()
    assert told(caplog) == []


def test_masked_cells_are_missing() -> None:
    spoiled = frame().to_numpy(copy=True)
    spoiled[3, 1] = 1e20
    masked, gap = np.ma.masked_greater(spoiled, 1e10), frame(x1=among(frame().x1, np.nan)).to_numpy()
    assert np.array_equal(quick().fit_transform(masked), quick().fit_transform(gap))


def test_each_repair_is_told_once_between_two_fits(caplog: pytest.LogCaptureFixture) -> None:
    rows, encoder = frame(x1=among(floats(), 1e12), same=1.0), quick()
    encoder.fit_transform(rows)
    assert [line.split(",")[0] for line in told(caplog)] == ["kept out of the network", "squashed"]
    encoder.score(rows)
    encoder.reconstruct(rows)
    assert told(caplog) == []
    # Other cells are another repair.
    encoder.transform(frame(x1=among(floats(), 1e12, rows=(4,)), same=1.0))
    assert [line.partition("'x1', ")[2].partition(".")[0] for line in told(caplog)] == ["1000000000000"]
    encoder.fit(rows)
    assert len(told(caplog)) == 2


def test_many_columns_make_one_line(caplog: pytest.LogCaptureFixture) -> None:
    rows = pd.DataFrame({f"c{i}": among(floats(), 1e12) for i in range(9)})
    same = pd.DataFrame(np.ones((ROWS, 1200))).add_prefix("same")
    quick().fit(pd.concat([rows, same], axis=1))
    constant, squashed = told(caplog)
    assert "'same0', 'same1', 'same2', 'same3', 'same4' and 1,195 more." in constant
    assert squashed.count("1000000000000.0 in row 3") == 5
    assert " and 4 more columns." in squashed


def test_scaling_in_other_units_tells_no_more(caplog: pytest.LogCaptureFixture) -> None:
    encoder = DeepAutoencoder(recipe=[], validation_fraction=0.0, random_state=0, scaling="minmax")
    encoder.fit(frame(same=1.0))
    assert len(told(caplog)) == 1
    encoder.transform(frame(x1=among(floats(), 1e12), same=1.0))
    assert len(told(caplog)) == 1


@pytest.mark.parametrize("seed", range(8))
def test_a_word_among_few_numbers_is_found_wherever_it_is(seed: int) -> None:
    rows = frame(x1=among([str(i % 4) for i in range(ROWS)], "abc"))
    with pytest.raises(InputError, match=r"column 'x1' must hold one type; 97% .*'abc' in row 3"):
        DeepAutoencoder(recipe=[], random_state=seed).fit(rows)


def test_all_findings_of_all_kinds_come_in_one_error() -> None:
    rows = frame(
        x0=among(floats(), np.inf), x1=[[1]] * ROWS, x2=among(floats(), "abc"), name=[f"n{i}" for i in range(ROWS)]
    )
    with pytest.raises(InputError) as caught:
        quick().fit(rows)
    assert [line.split("'")[1] for line in caught.value.findings] == ["x0", "x1", "x2", "name"]
    with pytest.raises(InputError) as caught:
        quick().fit(np.full((9, 500), "abc", dtype=object))
    assert len(caught.value.findings) == 500
    assert len(str(caught.value).splitlines()) == LINES


def test_what_cannot_be_read_can_be_dropped(tmp_path: Path) -> None:
    frame(x1=[[1, 2]] * ROWS).to_parquet(tmp_path / "t.parquet")
    table = read(tmp_path / "t.parquet", drop=["x1"])
    assert Schema.fit(table).names == ("x0", "x2")
    with pytest.raises(InputError, match="column 'x1' must hold numbers"):
        read(tmp_path / "t.parquet").to_array()
    with pytest.raises(InputError, match="column 'x1' must hold numbers"):
        read(tmp_path / "t.parquet", label="x1")


@pytest.mark.parametrize("name", ["infinity", "a word among numbers", "names and identifiers", "latin-1", "zero bytes"])
def test_the_command_line_says_one_line(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bad = CASES[name]
    made = bad.make()
    (tmp_path / "t.csv").write_bytes(made if isinstance(made, bytes) else made.to_csv(index=False).encode())
    monkeypatch.setattr(sys, "argv", ["layerwise", "fit", str(tmp_path / "t.csv"), "-o", str(tmp_path / "model")])
    assert cli.execute(verbose=False) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert all(part in error for part in bad.located("csv")), error


def test_the_command_line_tells_repairs_and_a_count_of_findings(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    rows = frame(x1=among(floats(), 1e12), same=1.0, flag=[True, False] * (ROWS // 2))
    rows.to_csv("t.csv", index=False)
    rows.assign(x0=among(floats(), np.inf), x1=among(floats(), -np.inf)).to_csv("new.csv", index=False)
    words = ["layerwise", "fit", "t.csv", "-o", "m", "--epochs", "1", "--codes", "codes.csv"]
    done = subprocess.run([sys.executable, "-m", *words], capture_output=True, text=True, check=True)
    lines = [line for line in done.stderr.splitlines() if "t.csv" in line]
    assert [line.split(":")[:3] for line in lines] == [
        ["layerwise", " t.csv", f" {words}"]
        for words in (
            "kept out of the network, since all their cells are the same or missing",
            "taken as numbers",
            "squashed, since they lie more than 10,000 deviations away",
        )
    ]
    monkeypatch.setattr(sys, "argv", ["layerwise", "transform", "m", "new.csv", "-o", "codes.npy"])
    assert cli.execute(verbose=False) == 2
    error = capsys.readouterr().err
    assert error.startswith("layerwise: new.csv: column 'x0' must be finite; found inf in line 5. ")
    assert error.endswith("And 1 more finding: -v lists them.\n")
