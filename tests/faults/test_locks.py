"""Two processes and one folder: the second is refused, and the lock of a dead one is nobody's."""

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from layerwise.errors import CheckpointError
from layerwise.training import Checkpoint

WORDS = ["--code", "2", "--hidden", "30", "--checkpoint", "run", "--every-steps", "5", "--quiet", "-o", "model"]


def layerwise(folder: Path, *words: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "layerwise", "fit", "t.csv", *WORDS, *words]
    return subprocess.Popen(command, cwd=folder, stderr=subprocess.PIPE, text=True)


def wait_for(path: Path, process: subprocess.Popen[str]) -> None:
    while not path.exists():
        assert process.poll() is None, process.stderr and process.stderr.read()
        time.sleep(0.01)


def test_two_processes_and_a_dead_one(tmp_path):
    np.savetxt(tmp_path / "t.csv", np.random.default_rng(0).normal(size=(3000, 5)), delimiter=",")
    first = layerwise(tmp_path, "--epochs", "100000")
    try:
        wait_for(tmp_path / "run" / "train" / "000001", first)
        second = layerwise(tmp_path, "--epochs", "100000")
        told = second.communicate()[1]
        assert second.returncode == 1, told
        assert f"is in use by process {first.pid} on {socket.gethostname()}." in told
        with pytest.raises(CheckpointError, match=f"process {first.pid}"), Checkpoint(tmp_path / "run").locked():
            pass
    finally:
        os.kill(first.pid, signal.SIGKILL)
        first.communicate()
    third = layerwise(tmp_path, "--epochs", "100000")
    try:
        newest = max(int(name) for name in os.listdir(tmp_path / "run" / "train") if name.isdigit())
        wait_for(tmp_path / "run" / "train" / f"{newest + 1:06d}", third)
    finally:
        third.terminate()
        third.communicate()
    assert third.returncode == 143
