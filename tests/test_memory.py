"""How much memory is free, and what does not fit it."""

import platform
import subprocess
import sys

import pytest
import torch

from layerwise.errors import ResourceError
from layerwise.memory import free_memory
from layerwise.models import Dense
from layerwise.optim import FirstOrder
from layerwise.training import Objective, Phase, TensorRows, fit
from layerwise.training.resources import check_memory, memory_needed
from tests.cases import CPU, normal


def test_the_machine_tells():
    assert 2**20 < free_memory() < 2**50


@pytest.mark.parametrize(
    ("files", "free"),
    [
        ({"memory.max": "max\n", "memory.current": "100\n"}, 8000 * 1024),
        ({"memory.max": "5000\n", "memory.current": "2000\n"}, 3000),
        ({"memory.max": "5000\n", "memory.current": "4000\n", "memory.stat": "anon 1\ninactive_file 500\n"}, 1500),
        ({"memory.max": "5000\n", "memory.current": "9000\n"}, 0),
        ({"memory/memory.limit_in_bytes": "700\n", "memory/memory.usage_in_bytes": "100\n"}, 600),
        ({"memory.max": "nonsense", "memory.current": "1"}, 8000 * 1024),
    ],
    ids=["no limit", "limit", "caches are free", "more than the limit", "first version", "nonsense"],
)
def test_control_groups_count(tmp_path, files, free):
    (tmp_path / "meminfo").write_text("MemTotal: 9000 kB\nMemAvailable: 8000 kB\n")
    (tmp_path / "memory").mkdir()
    for name, text in files.items():
        (tmp_path / name).write_text(text)
    assert free_memory(tmp_path, tmp_path) == free


# In a process of its own and in this order: a heap with gaps has room for the tensor without any help.
PAGES = """
import resource
from pathlib import Path
import torch
from layerwise.memory import freed_memory_is_kept

def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    torch.ones(2**24)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def resident():
    return int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()

with freed_memory_is_kept(2**60):
    print(min(faults() for _ in range(20)))
before = resident()
with freed_memory_is_kept(2**26):
    print(min(faults() for _ in range(20)))
print((resident() - before) >> 20)
"""


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_what_a_large_step_frees_is_there_for_the_next_one_and_given_back_in_the_end():
    done = subprocess.run([sys.executable, "-c", PAGES], capture_output=True, text=True, check=True)
    without_room, kept, mebibytes = map(int, done.stdout.split())
    assert kept < 100 < without_room
    assert mebibytes < 32


def test_a_phase_that_does_not_fit(monkeypatch):
    model, rows = Dense(20, (50,), code=5), TensorRows(normal(4000, 20))
    phase = Phase("train", Objective(), FirstOrder(lr=0.01), 1, batch_size=4000)
    fixed, row = memory_needed(model, model, model(normal(1, 20)))
    monkeypatch.setattr("layerwise.training.resources.free_memory", lambda: fixed + 100 * row)
    before = [p.clone() for p in model.parameters()]
    with pytest.raises(ResourceError, match="A batch size of 100 would fit"):
        fit(model, rows, [phase], runtime=CPU)
    assert all(torch.equal(a, b) for a, b in zip(before, model.parameters(), strict=True))
    fit(model, rows, [Phase("train", Objective(), FirstOrder(lr=0.01), 1, batch_size=100)], runtime=CPU)
    monkeypatch.setattr("layerwise.training.resources.free_memory", lambda: fixed)
    with pytest.raises(ResourceError, match="Its weights alone do not fit"):
        fit(model, rows, [phase], runtime=CPU)
    monkeypatch.setattr("layerwise.training.resources.free_memory", lambda: None)
    check_memory("train", (2**60, 2**60), 10, torch.device("cpu"))


def test_the_estimate_is_of_the_right_size():
    model = Dense(100, (400, 400), code=10)
    fixed, row = memory_needed(model, model, model(normal(1, 100)))
    weights = sum(p.numel() * 4 for p in model.parameters())
    assert 8 * weights <= fixed <= 12 * weights
    assert row >= 4 * 4 * (100 + 2 * 400 + 10 + 2 * 400 + 100)
