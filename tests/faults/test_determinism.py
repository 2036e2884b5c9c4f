"""One seed, one model: wherever it runs, whatever the language, the order of hashes, and what Python has compiled."""

import hashlib
import json
import os
import random
import subprocess
import sys

import numpy as np
import pandas as pd


def test_one_digest_for_each_number_of_threads(tmp_path, faults):
    chance = random.Random(faults.seed)
    frame = pd.DataFrame(np.random.default_rng(0).normal(size=(300, 6))).add_prefix("c")
    frame["city"] = np.random.default_rng(1).choice(["Rome", "Oslo", "Lima"], 300)
    digests: dict[str, set[str]] = {"1": set(), "2": set()}
    count = faults.number(quick=4, full=20)
    for number in range(count):
        folder = tmp_path / f"place {number}" / "nested"
        folder.mkdir(parents=True)
        frame.to_csv(folder / "t.csv", index=False)
        threads = str(1 + number % 2)
        changed = {
            "OMP_NUM_THREADS": threads,
            "MKL_NUM_THREADS": threads,
            "PYTHONHASHSEED": str(chance.randrange(2**32)),
            "LC_ALL": chance.choice(["C", "C.UTF-8", "POSIX"]),
            "TZ": chance.choice(["UTC", "Asia/Tokyo", "America/Lima"]),
        }
        if number >= count - 2 and count > 4:
            changed["PYTHONPYCACHEPREFIX"] = str(tmp_path / f"cold {number}")
        words = ["fit", "t.csv", "--code", "2", "--hidden", "300,100", "--epochs", "1", "-o", "m", "--quiet"]
        subprocess.run(
            [sys.executable, "-m", "layerwise", *words], cwd=folder, env={**os.environ, **changed}, check=True
        )
        config = json.loads((folder / "m" / "config.json").read_text())
        assert config["environment"]["threads"] == threads
        weights = (folder / "m" / "model.safetensors").read_bytes()
        digests[threads].add(hashlib.sha256(weights).hexdigest())
    seen = ", ".join(f"{len(found)} digest with {threads} threads" for threads, found in digests.items())
    faults.record("Determinism", f"{count} runs: {seen}, seed {faults.seed}")
    assert all(len(found) == 1 for found in digests.values())
