"""Processes that are killed: small trainings in forked children, which die at an instant or at a file operation."""

import hashlib
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

import torch

from layerwise import files, manifest
from layerwise.training import Checkpoint, fit
from tests.faults.runs import RUNS

# What a save consists of; a child may be killed before or after any of them.
OPERATIONS = (
    (os, "fsync"),
    (os, "open"),
    (Path, "replace"),
    (Path, "write_bytes"),
    (manifest, "sha256"),
    (files, "_sync"),
)


def digest(weights: dict[str, torch.Tensor]) -> str:
    """A hash of all weights."""
    found = hashlib.sha256()
    for name, value in sorted(weights.items()):
        found.update(name.encode() + value.contiguous().numpy().tobytes())
    return found.hexdigest()


def train(name: str, folder: Path) -> str:
    """Train the run of that name, going on from the folder; gives the digest of the weights."""
    model, rows, validation, recipe, runtime = RUNS[name]()
    choice = Checkpoint(folder / "checkpoints", every_steps=3)
    fit(model, rows, recipe, validation=validation, seed=1, runtime=runtime, checkpoint=choice)
    return digest(dict(model.state_dict()))


def in_child(work: Callable[[], None], *, kill_after: float | None = None) -> int:
    """Run something in a forked child, perhaps kill it after some seconds; gives its status, -9 when killed."""
    sys.stdout.flush()
    sys.stderr.flush()
    child = os.fork()
    if child == 0:
        try:
            work()
            os._exit(0)
        except SystemExit as end:
            os._exit(int(end.code or 0))
        except BaseException as error:
            os.write(2, f"{type(error).__name__}: {error}\n".encode())
            os._exit(1)
    if kill_after is not None:
        time.sleep(kill_after)
        os.kill(child, signal.SIGKILL)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def at_operation(number: int | None, count: Callable[[int], None] = lambda number: None) -> None:
    """From now on this process dies at its n-th file operation: before an even one, after an odd one."""
    done = [0]
    for owner, name in OPERATIONS:
        original = vars(owner)[name]

        def counted(*arguments, original=original, **more):
            done[0] += 1
            here = done[0]
            count(here)
            if number is not None and here == number and number % 2 == 0:
                os.kill(os.getpid(), signal.SIGKILL)
            result = original(*arguments, **more)
            if number is not None and here == number:
                os.kill(os.getpid(), signal.SIGKILL)
            return result

        setattr(owner, name, counted)
