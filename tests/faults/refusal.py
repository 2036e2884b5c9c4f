"""A process of its own that reads what it is told to, each in a child, and tells what that took."""

import json
import os
import resource
import signal
import sys
import time
from pathlib import Path

import pyarrow.compute
import pyarrow.csv
import pyarrow.feather
import pyarrow.parquet
from PIL import Image, JpegImagePlugin, PngImagePlugin

from layerwise.data import read
from layerwise.errors import LayerwiseError
from layerwise.storage import load_model

READY = (pyarrow.compute, pyarrow.csv, pyarrow.feather, pyarrow.parquet, Image, JpegImagePlugin, PngImagePlugin)
# What blows up is stopped before it takes the machine with it.
MOST_BYTES, MOST_SECONDS = 6 * 2**30, 120


def peak() -> int:
    """The most bytes that this process has held."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def attempt(name: str, path: Path) -> None:
    """Try to read, and write one line about it."""
    resource.setrlimit(resource.RLIMIT_AS, (MOST_BYTES, MOST_BYTES))
    signal.alarm(MOST_SECONDS)
    before, started = peak(), time.perf_counter()
    kind, text = "none", ""
    try:
        (load_model if (path / "manifest.json").exists() else read)(path)
    except LayerwiseError as error:
        kind, text = type(error).__name__, str(error)
    except BaseException as error:
        kind, text = f"a bare {type(error).__name__}", str(error)
    seen = {"seconds": time.perf_counter() - started, "bytes": peak() - before}
    os.write(1, (json.dumps({"name": name, "error": kind, "text": text, **seen}) + "\n").encode())


if __name__ == "__main__":
    for name, path in json.loads(sys.stdin.read()).items():
        if (child := os.fork()) == 0:
            attempt(name, Path(path))
            os._exit(0)
        os.waitpid(child, 0)
