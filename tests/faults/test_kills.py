"""Kill -9 at any instant: the run goes on, and ends with the bits of a run that was never killed."""

import os
import random
import time
from pathlib import Path

import pytest

from tests.faults.runs import RUNS
from tests.faults.victims import at_operation, in_child, train


def result(name: str, folder: Path) -> None:
    """What the child leaves behind when it gets to the end."""
    (folder / "digest").write_text(train(name, folder))


def undisturbed(name: str, folder: Path) -> tuple[str, float, int]:
    """The digest, the seconds and the number of file operations of a run in peace."""
    folder.mkdir()

    def work() -> None:
        counts = [0]
        at_operation(None, lambda number: counts.__setitem__(0, number))
        result(name, folder)
        (folder / "operations").write_text(str(counts[0]))

    started = time.perf_counter()
    assert in_child(work) == 0
    seconds = time.perf_counter() - started
    return (folder / "digest").read_text(), seconds, int((folder / "operations").read_text())


def die_at(number: int, name: str, folder: Path) -> None:
    """Train until the n-th file operation."""
    at_operation(number)
    result(name, folder)


def test_kills(tmp_path, faults):
    chance = random.Random(faults.seed)
    kills = ends = equal = 0
    names = chance.sample(sorted(RUNS), len(RUNS))
    peace: dict[str, tuple[str, float, int]] = {}
    while kills < faults.number(quick=4, full=200):
        name = names[ends % len(names)]
        if name not in peace:
            peace[name] = undisturbed(name, tmp_path / f"{ends}-peace")
        wanted, seconds, operations = peace[name]
        folder = tmp_path / f"{ends}-killed"
        folder.mkdir()
        for _ in range(chance.randint(2, 4)):
            if chance.random() < 0.5:
                number = chance.randint(1, operations)
                status = in_child(lambda: die_at(number, name, folder))  # noqa: B023
            else:
                status = in_child(lambda: result(name, folder), kill_after=chance.uniform(0, seconds))  # noqa: B023
            assert status in (0, -9)
            kills += status == -9
        assert in_child(lambda: result(name, folder)) == 0, "a killed run must go on"  # noqa: B023
        equal += (folder / "digest").read_text() == wanted
        ends += 1
        left = set(os.listdir(folder / "checkpoints"))
        assert {entry for entry in left if not entry.isdigit()} == {"lock", "owner.json"}, "leftovers are swept"
    faults.record(
        "Kills with -9", f"{kills} kills in {ends} runs; {equal} of {ends} runs end bit-equal, seed {faults.seed}"
    )
    assert equal == ends


@pytest.mark.parametrize("name", ["fused Adam, float32"])
def test_every_file_operation_of_a_run(tmp_path, faults, name):
    wanted, _, operations = undisturbed(name, tmp_path / "peace")
    chosen = range(1, operations + 1, faults.number(quick=60, full=3))
    for number in chosen:
        folder = tmp_path / str(number)
        folder.mkdir()
        assert in_child(lambda: die_at(number, name, folder)) == -9  # noqa: B023
        assert in_child(lambda: result(name, folder)) == 0  # noqa: B023
        assert (folder / "digest").read_text() == wanted
    faults.record("Kills at file operations", f"{len(chosen)} of {len(chosen)} runs end bit-equal")
