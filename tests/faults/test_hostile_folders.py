"""Model folders that are damaged or forged: one clear refusal or the same model, never a changed one, nothing run."""

import io
import json
import os
import pickle
import random
import resource
import shutil
import struct
import sys
import time
from collections.abc import Callable
from pathlib import Path

import joblib
import numpy as np
import pytest
import safetensors.torch
import torch

from layerwise.errors import ModelFileError
from layerwise.manifest import MANIFEST, seal
from layerwise.storage import KIND, load_model
from tests.faults.victims import digest


def everything(folder: Path) -> str:
    """A digest of all that a folder gives."""
    saved = load_model(folder)
    plain = repr(
        (saved.settings, saved.recipe, saved.history, saved.metrics, saved.environment, saved.schema.to_json())
    )
    tensors = {**saved.model.state_dict(), **saved.examples, "center": saved.components.center}
    return digest(tensors) + plain


def peak() -> float:
    """The most memory that this process ever had, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def flip(data: bytes, chance: random.Random) -> bytes:
    place = chance.randrange(len(data))
    return data[:place] + bytes([data[place] ^ (1 << chance.randrange(8))]) + data[place + 1 :]


def cut(data: bytes, chance: random.Random) -> bytes:
    return data[: chance.randrange(len(data))]


def swap(data: bytes, chance: random.Random) -> bytes:
    a, b = sorted(chance.sample(range(len(data)), 2))
    return data[:a] + data[b : b + 1] + data[a + 1 : b] + data[a : a + 1] + data[b + 1 :]


def append(data: bytes, chance: random.Random) -> bytes:
    return data + chance.randbytes(chance.randint(1, 64))


def header(data: bytes, chance: random.Random) -> bytes:
    return data[:8].replace(data[:1], bytes([chance.randrange(256)]), 1) + data[8:]


def test_damaged_folders(tmp_path, faults, whole):
    chance, wanted = random.Random(faults.seed), everything(whole)
    refused = same = changed = 0
    slowest = 0.0
    count = faults.number(quick=60, full=500)
    before = peak()
    for number in range(count):
        folder = tmp_path / str(number)
        shutil.copytree(whole, folder)
        path = folder / chance.choice(sorted(KIND.names))
        damage: Callable[[bytes, random.Random], bytes] = chance.choice([flip, cut, swap, append, header])
        path.write_bytes(damage(path.read_bytes(), chance))
        started = time.perf_counter()
        try:
            found = everything(folder)
        except ModelFileError as error:
            refused += "\n" not in str(error)
        else:
            same += found == wanted
            changed += found != wanted
        slowest = max(slowest, time.perf_counter() - started)
        shutil.rmtree(folder)
    grown = peak() - before
    seen = f"{count} folders: {refused} refused, {same} equal, {changed} silently changed; slowest {slowest:.2f} s"
    seen += f", at most {grown:.0f} MB more memory"
    faults.record("Damaged model folders", f"{seen}, seed {faults.seed}")
    assert refused + same == count
    assert changed == 0
    assert slowest < faults.seconds(2)
    assert grown < 256


class Bomb:
    """Makes a file when it is unpickled."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self):
        return os.mkdir, (str(self.path),)


def payloads(target: Path) -> dict[str, Callable[[Path], None]]:
    """Name -> what is done to a folder before it is sealed again."""

    def written(name: str, data: bytes) -> Callable[[Path], None]:
        return lambda folder: (folder / name).write_bytes(data) and None

    def changed(name: str, change: Callable[[dict], object]) -> Callable[[Path], None]:
        def apply(folder: Path) -> None:
            values = json.loads((folder / name).read_text())
            change(values)
            (folder / name).write_text(json.dumps(values))

        return apply

    packed, saved, objects = io.BytesIO(), io.BytesIO(), io.BytesIO()
    joblib.dump(Bomb(target), packed)
    torch.save(Bomb(target), saved)
    np.save(objects, np.array([Bomb(target)], dtype=object), allow_pickle=True)
    kinds = {"pickle": pickle.dumps(Bomb(target)), "joblib": packed.getvalue(), "torch": saved.getvalue()}
    found = {f"{kind} as {name}": written(name, data) for kind, data in kinds.items() for name in sorted(KIND.files)}
    found["object array"] = written("model.safetensors", objects.getvalue())
    classes = ("os.system", "builtins.eval", "subprocess.Popen", "torch.hub.load", "layerwise.cli.main")
    for name in classes:
        found[f"activation {name}"] = changed("config.json", lambda v, name=name: v["model"].update(activation=name))
        found[f"model class {name}"] = changed("config.json", lambda v, name=name: v["model"].update({"class": name}))
        found[f"column kind {name}"] = changed("schema.json", lambda v, name=name: v["columns"][0].update(kind=name))
    return found


def test_payloads(tmp_path, faults, whole):
    target, seen = tmp_path / "ran", []
    found = payloads(target)
    watching = [True]

    def audit(event: str, arguments: tuple) -> None:
        if watching[0] and event in ("pickle.find_class", "os.system", "subprocess.Popen", "os.exec", "os.mkdir"):
            seen.append((event, arguments))

    for name, change in found.items():
        folder = tmp_path / "model"
        shutil.copytree(whole, folder)
        change(folder)
        seal(folder, KIND)
        if name == next(iter(found)):
            sys.addaudithook(audit)
        seen.clear()
        # README.md is for people: whatever it holds, it is not read as anything.
        if name.endswith("as README.md"):
            load_model(folder)
        else:
            with pytest.raises(ModelFileError):
                load_model(folder)
        assert not seen, name
        shutil.rmtree(folder)
    watching[0] = False
    assert not target.exists()
    faults.record("Payloads", f"{len(found)} of {len(found)} did not run")


def attacks(outside: Path) -> dict[str, Callable[[Path], object]]:
    """Name -> how something outside of the folder is put in the place of a file."""

    def linked(name: str, target: str) -> Callable[[Path], object]:
        return lambda folder: ((folder / name).unlink(), (folder / name).symlink_to(target))

    def hard(name: str) -> Callable[[Path], object]:
        return lambda folder: ((folder / name).unlink(), (folder / name).hardlink_to(outside / name))

    def pipe(name: str) -> Callable[[Path], object]:
        return lambda folder: ((folder / name).unlink(), os.mkfifo(folder / name))

    def named(other: str) -> Callable[[Path], object]:
        def change(folder: Path) -> None:
            text = (folder / MANIFEST).read_text()
            (folder / MANIFEST).write_text(text.replace('"schema.json"', json.dumps(other)))

        return change

    names = ("model.safetensors", "config.json", "schema.json", MANIFEST)
    found: dict[str, Callable[[Path], object]] = {}
    for name in names:
        found[f"link {name}"] = linked(name, str(outside / name))
        found[f"link up {name}"] = linked(name, f"../outside/{name}")
        found[f"device {name}"] = linked(name, "/dev/zero")
        found[f"hard link {name}"] = hard(name)
        found[f"pipe {name}"] = pipe(name)
    for other in (
        "../outside/schema.json",
        str(outside / "schema.json"),
        "/etc/passwd",
        "/dev/zero",
        "a/../schema.json",
    ):
        found[f"manifest names {other}"] = named(other)
    return found


def test_path_attacks(tmp_path, faults, whole):
    outside = tmp_path / "outside"
    shutil.copytree(whole, outside)
    found = attacks(outside)
    for name, attack in found.items():
        folder = tmp_path / "model"
        shutil.copytree(whole, folder)
        attack(folder)
        started = time.perf_counter()
        with pytest.raises(ModelFileError):
            load_model(folder)
        assert time.perf_counter() - started < faults.seconds(2), name
        shutil.rmtree(folder)
    faults.record("Path attacks", f"{len(found)} of {len(found)} refused")


def test_a_header_of_a_hundred_thousand_entries(tmp_path, faults, whole):
    folder = tmp_path / "model"
    for name in ("model.safetensors", "baseline.safetensors", "examples.safetensors"):
        shutil.copytree(whole, folder)
        entries = {f"x{i}": {"dtype": "F32", "shape": [0], "data_offsets": [0, 0]} for i in range(100_000)}
        text = json.dumps(entries).encode()
        (folder / name).write_bytes(struct.pack("<Q", len(text)) + text)
        seal(folder, KIND)
        started = time.perf_counter()
        with pytest.raises(ModelFileError):
            load_model(folder)
        assert time.perf_counter() - started < faults.seconds(2)
        shutil.rmtree(folder)


def test_tensors_that_do_not_belong_together(tmp_path, whole):
    folder = tmp_path / "model"
    shutil.copytree(whole, folder)
    baseline = safetensors.torch.load((folder / "baseline.safetensors").read_bytes())
    baseline["components"] = baseline["components"][:, :-1].contiguous()
    (folder / "baseline.safetensors").write_bytes(safetensors.torch.save(baseline))
    seal(folder, KIND)
    with pytest.raises(ModelFileError):
        load_model(folder)
