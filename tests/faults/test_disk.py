"""A disk that fails: what was there stays readable, nothing is left behind, and the error says what and where."""

import errno
import os
import random
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import torch

from layerwise import DeepAutoencoder
from layerwise.data import Table
from layerwise.data.write import write
from layerwise.errors import ResourceError
from layerwise.storage import load_model, save_model
from layerwise.training import Checkpoint, fit
from tests.faults.runs import RUNS
from tests.faults.victims import OPERATIONS, digest


def fail_at(patch: pytest.MonkeyPatch, number: int | None, code: int) -> list[int]:
    """From now on the n-th file operation fails; gives a list whose first entry counts them."""
    done = [0]

    def failing(original: Callable) -> Callable:
        def called(*arguments, **more):
            done[0] += 1
            if done[0] == number:
                raise OSError(code, os.strerror(code))
            return original(*arguments, **more)

        return called

    for owner, name in OPERATIONS:
        patch.setattr(owner, name, failing(vars(owner)[name]))
    return done


@pytest.fixture(scope="module")
def old(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("old") / "model"
    DeepAutoencoder(2, hidden_layer_sizes=(8,), max_epochs=1, random_state=0).fit(
        np.random.default_rng(0).normal(size=(40, 5))
    ).save(folder)
    return folder


def attempt(work: Callable[[], None]) -> str:
    """The words of the refusal; none where the operation that failed was not needed."""
    try:
        work()
    except ResourceError as error:
        return str(error)
    return ""


def state(folder: Path) -> str:
    return digest(dict(load_model(folder).model.state_dict()))


def test_saving_a_model_on_a_failing_disk(faults, old):
    saved, wanted = load_model(old), state(old)
    with torch.no_grad():
        next(saved.model.parameters()).add_(1.0)
    with pytest.MonkeyPatch.context() as patch:
        count = fail_at(patch, None, 0)
        save_model(old.parent / "other", saved)
    chance = random.Random(faults.seed)
    points = sorted(chance.sample(range(1, count[0] + 1), min(count[0], faults.number(quick=10, full=40))))
    kept = 0
    for number in points:
        code = chance.choice([errno.EIO, errno.ENOSPC, errno.EDQUOT, errno.EROFS])
        with pytest.MonkeyPatch.context() as patch:
            fail_at(patch, number, code)
            told = attempt(lambda: save_model(old, saved))
        if told:
            assert str(old) in told
            assert "\n" not in told
            assert code not in (errno.ENOSPC, errno.EDQUOT) or "bytes are free" in told
        assert sorted(entry.name for entry in old.parent.iterdir()) == ["model", "other"], number
        # After the exchange of names the new one is there; before it, the old one.
        kept += state(old) in (wanted, digest(dict(saved.model.state_dict())))
    faults.record("Disk faults while saving a model", f"{kept} of {len(points)} readable, seed {faults.seed}")
    assert kept == len(points)


@pytest.fixture
def small_disk(tmp_path) -> Iterator[Path]:
    place = tmp_path / "small"
    place.mkdir()
    done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=64k", "tmpfs", place], capture_output=True, check=False)
    if done.returncode:
        pytest.skip(f"a small disk needs the right to mount: {done.stderr.decode().strip()}")
    yield place
    subprocess.run(["umount", place], check=True)


def test_a_disk_that_is_full(small_disk, old, caplog):
    whole = load_model(old)
    save_model(small_disk / "m", whole)
    wanted = state(small_disk / "m")
    fuller = small_disk / "filling"
    fuller.write_bytes(b"x" * (shutil.disk_usage(small_disk).free - 8192))
    with pytest.raises(ResourceError, match=r"more than the [\d,]+ bytes written are needed and [\d,]+ bytes are free"):
        save_model(small_disk / "m", whole)
    with pytest.raises(ResourceError, match=r"more than the [\d,]+ bytes written are needed"):
        write(Table.from_array(np.zeros((10_000, 3))), small_disk / "codes.csv")
    assert sorted(os.listdir(small_disk)) == ["filling", "m"]
    assert state(small_disk / "m") == wanted
    model, rows, validation, recipe, runtime = RUNS["fused Adam, float32"]()
    fit(model, rows, recipe, validation=validation, runtime=runtime, checkpoint=small_disk / "run")
    assert "bytes are needed and" in caplog.text
    assert {name for name in os.listdir(small_disk / "run") if not name.isdigit()} == {"lock", "owner.json"}


def test_a_folder_that_cannot_be_written(tmp_path, old):
    """Root may write everywhere, so that the folder is one of the kernel's."""
    kernel = Path("/proc/1") if os.geteuid() == 0 else tmp_path
    if kernel == tmp_path:
        tmp_path.chmod(0o500)
    with pytest.raises(ResourceError, match=f"cannot write {kernel}/m: .*Choose another place"):
        save_model(kernel / "m", load_model(old))
    tmp_path.chmod(0o700)


def test_a_failing_disk_does_not_end_a_run(tmp_path, faults, caplog):
    def train(folder: Path | None) -> str:
        model, rows, validation, recipe, runtime = RUNS["fused Adam, float32"]()
        choice = None if folder is None else Checkpoint(folder, every_steps=3)
        fit(model, rows, recipe, validation=validation, seed=1, runtime=runtime, checkpoint=choice)
        return digest(dict(model.state_dict()))

    wanted = train(None)
    with pytest.MonkeyPatch.context() as patch:
        count = fail_at(patch, None, 0)
        train(tmp_path / "peace")
    # The first operations take the lock; without it nothing begins.
    chance = random.Random(faults.seed)
    points = sorted(chance.sample(range(12, count[0] + 1), faults.number(quick=8, full=40)))
    for number in points:
        folder = tmp_path / str(number)
        with pytest.MonkeyPatch.context() as patch:
            fail_at(patch, number, errno.ENOSPC)
            assert train(folder) == wanted
        assert train(folder) == wanted
        assert {name for name in os.listdir(folder) if not name.isdigit()} == {"lock", "owner.json"}
    assert "no checkpoint: cannot write" in caplog.text
    faults.record("Disk faults during a run", f"{len(points)} of {len(points)} runs end bit-equal, seed {faults.seed}")
