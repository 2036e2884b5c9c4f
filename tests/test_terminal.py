"""What reaches a terminal: nothing that would act on it."""

import json
import logging
import os
import subprocess
import sys

import numpy as np
import pandas as pd
import pytest

from layerwise.terminal import VisibleFormatter, visible

# Colour, bell, a one-byte control, a carriage return, a turn of the reading order, markup of rich.
HOSTILE = "\x1b[31mred\x07\x9b2J\rx\u202e[/b][i]:smile:"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("a\x1b]0;title\x07\n\tb", "a\\x1b]0;title\\x07\n\\tb"),
        ("\x00\x7f\x9b\r\u202e\u2028\ud800\U000e0001", "\\x00\\x7f\\x9b\\r\\u202e\\u2028\\ud800\\U000e0001"),
        ("naïve 重さ 🌡 “x” –", "naïve 重さ 🌡 “x” –"),
    ],
)
def test_what_does_not_print_is_written_out(text, shown):
    assert visible(text) == shown


def test_tracebacks_are_written_out_too():
    try:
        raise ValueError(HOSTILE)
    except ValueError:
        record = logging.LogRecord("layerwise", logging.INFO, "file", 1, "%s", ("\x1b",), sys.exc_info())
    told = VisibleFormatter("layerwise: %(message)s").format(record)
    assert told.startswith("layerwise: \\x1b\nTraceback")
    assert not set(told) & set("\x1b\x07\x9b\r\u202e")


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("terminal")
    draw = np.random.default_rng(0)
    frame = pd.DataFrame({HOSTILE: draw.normal(size=60), "b": draw.normal(size=60), "c": [HOSTILE, "x"] * 30})
    for name, table in {
        "good": frame,
        HOSTILE: frame.assign(**{HOSTILE: np.inf}),
        "other": frame.rename(columns={HOSTILE: HOSTILE + "2"}),
        "level": frame.assign(c=HOSTILE + "3"),
    }.items():
        path = folder / f"{name}.parquet"
        path.parent.mkdir(exist_ok=True)
        table.to_parquet(path)
    return folder


FIT = ["fit", "good.parquet", "--code", "1", "--hidden", "4", "--epochs", "1", "-v"]
# Every way on which a name comes out: the code, and some of what is said.
COMMANDS = (
    ([*FIT, "-o", HOSTILE], 0, "squared error"),
    (["info", HOSTILE], 0, "parameters"),
    (["evaluate", HOSTILE, "level.parquet"], 0, "autoencoder / PCA"),
    (["evaluate", HOSTILE, "other.parquet"], 2, "\\x1b[31mred"),
    (["fit", f"{HOSTILE}.parquet", "-v", "-o", "m"], 2, "must be finite"),
    (["fit", f"{HOSTILE}.csv", "-o", "m"], 2, "there is no such file"),
    (["info", f"{HOSTILE}none"], 1, "is not a model folder"),
    ([*FIT, "--set", HOSTILE, "-o", "m"], 2, "NAME=VALUE"),
    ([*FIT, "--label", HOSTILE + "4", "-o", "m"], 2, "\\x1b[31mred"),
    ([HOSTILE], 2, "No such command"),
)


# All in one process, as the start takes longest.
ALL = """
import json, sys
from layerwise import cli
for words in json.loads(sys.argv[1]):
    sys.argv = ["layerwise", *words]
    try:
        cli.main()
    except SystemExit as end:
        sys.stdout.flush()
        sys.stderr.write(f"ended with {end.code}\\n")
"""


def test_nothing_raw_reaches_the_terminal(folder):
    done = subprocess.run(
        [sys.executable, "-c", ALL, json.dumps([words for words, _, _ in COMMANDS])],
        stdout=subprocess.PIPE, stderr=subprocess.STDOUT, cwd=folder, env={**os.environ, "COLUMNS": "400"}, check=True,
    )  # fmt: skip
    told = done.stdout.decode("utf-8")
    assert not set(told) & set("\x1b\x07\x9b\r\u202e")
    parts = told.split("ended with ")
    assert len(parts) == len(COMMANDS) + 1
    for (words, code, said), before, after in zip(COMMANDS, parts, parts[1:], strict=False):
        assert (int(after.splitlines()[0]), said in before) == (code, True), (words, before)
