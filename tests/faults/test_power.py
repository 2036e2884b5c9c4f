"""Power loss at any instant: there is always a checkpoint to go on from, never older than the last acknowledged one."""

import random

import torch

from layerwise.training import Checkpoint
from layerwise.training.checkpoint import State
from tests.faults.power import Disk, lay_out


def test_power_loss(tmp_path, faults, monkeypatch):
    root = tmp_path / "run"
    disk, choice = Disk(root.resolve()), Checkpoint(root)
    with choice.opened({"seed": 0}) as saved:
        disk.record(monkeypatch.setattr)
        for number in range(faults.number(quick=6, full=40)):
            saved.save(State({"number": number}, {"x": torch.full((50,), float(number))}, [{"row": number}]))
            disk.acknowledge(number)
    monkeypatch.undo()
    chance, unreadable, older = random.Random(faults.seed), 0, 0
    count = faults.number(quick=150, full=1000)
    for _ in range(count):
        tree, told = disk.after(chance.randint(0, len(disk.operations)), chance)
        lay_out(tree, tmp_path / "disk")
        with Checkpoint(tmp_path / "disk").opened({"seed": 0}) as saved:
            state = saved.state
        if told and state is None:
            unreadable += 1
        elif told:
            assert state is not None
            number = state.values["number"]
            assert torch.equal(state.tensors["x"], torch.full((50,), float(number)))
            older += number < max(told)
    seen = f"{count} states of the disk: {unreadable} unreadable, {older} older than the last acknowledged save"
    faults.record("Power loss", f"{seen}, seed {faults.seed}")
    assert (unreadable, older) == (0, 0)
