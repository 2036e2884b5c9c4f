"""Signals at every moment of a fit: the right exit code, a checkpoint, nothing half-written, and an exact going on."""

import os
import random
import signal
import sys
import time
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

import layerwise.estimators.autoencoder as autoencoder
import layerwise.estimators.engine as engine
from layerwise import cli, commands, options
from layerwise.training import checkpoint, phase_run
from tests.faults.victims import in_child

KINDS = {"SIGINT": (2,), "SIGTERM": (15,), "SIGHUP": (1,), "SIGINT twice": (2, 2)}
WORDS = ["fit", "t.csv", "--code", "2", "--hidden", "6", "--epochs", "4", "-o", "m", "--checkpoint", "run"]
WORDS += ["--every-steps", "5", "--quiet"]


def command() -> None:
    """The command line in this process, with the handlers that a terminal gives."""
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGTERM, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)
    sys.argv = ["layerwise", *WORDS]
    cli.main()


def before(owner: object, name: str, when: int, numbers: tuple[int, ...]) -> None:
    """Send the signals to this process when a function is called for the n-th time."""
    original, calls = vars(owner)[name], [0]

    def called(*arguments, **more):
        calls[0] += 1
        if calls[0] == when:
            Path("sent").write_text(str(time.monotonic()))
            for number in numbers:
                signal.raise_signal(number)
        return original(*arguments, **more)

    setattr(owner, name, called)


# Moment -> the function at whose call the signal comes, and the largest number of the call.
MOMENTS: dict[str, tuple[object, str, int]] = {
    "reading": (options, "read", 1),
    "pre-training": (autoencoder, "prepare", 5),
    "training": (phase_run.PhaseRun, "_problem", 60),
    "validation": (phase_run.PhaseRun, "_validate", 12),
    "saving": (checkpoint, "seal", 9),
    "judging": (engine, "judge", 1),
    "writing": (commands.train, "write_model", 1),
}


def weights(folder: Path) -> bytes:
    return (folder / "m" / "model.safetensors").read_bytes()


@pytest.mark.parametrize("moment", MOMENTS)
def test_signals(tmp_path, faults, monkeypatch, moment):
    chance = random.Random(f"{faults.seed} {moment}")
    monkeypatch.chdir(tmp_path)
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(120, 4)))
    wanted, count, slowest = b"", 0, 0.0
    for kind, numbers in {"": (), **KINDS}.items():
        for trial in range(1 if not kind else faults.number(quick=1, full=5)):
            folder = tmp_path / f"{kind} {trial}"
            folder.mkdir()
            frame.to_csv(folder / "t.csv", index=False)
            monkeypatch.chdir(folder)
            if kind:
                owner, name, most = MOMENTS[moment]
                when = chance.randint(1, most)
                status = in_child(lambda: (before(owner, name, when, numbers), command()))  # noqa: B023
                ended = time.monotonic()
                assert status == 128 + numbers[0], f"{kind} at {moment} ({when})"
                slowest = max(slowest, ended - float((folder / "sent").read_text()))
                assert [entry for entry in os.listdir(folder) if entry.startswith(".")] == []
                count += 1
            assert in_child(command) == 0
            wanted = wanted or weights(folder)
            assert weights(folder) == wanted
    assert slowest < faults.seconds(5)
    faults.record(
        f"Signals while {moment}", f"{count} of {count} with the right code and equal afterwards; {slowest:.1f} s"
    )
