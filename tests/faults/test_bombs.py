"""Small files that would fill the memory are refused in one line, before they have taken much."""

import json
import subprocess
import sys
from pathlib import Path

from tests.faults.bombs import bombs

ROOT = Path(__file__).parents[2]
ERRORS = ("InputError", "ResourceError", "ModelFileError")
BYTES, SECONDS = 512 * 2**20, 2.0
SMALL = 64 * 2**20


def test_bombs(tmp_path, faults, whole):
    made = {name: str(make(tmp_path)) for name, make in bombs(whole).items()}
    assert len(made) >= 15
    assert all(Path(path).stat().st_size < SMALL for path in made.values())
    command = [sys.executable, "-m", "tests.faults.refusal"]
    done = subprocess.run(command, cwd=ROOT, input=json.dumps(made), capture_output=True, text=True, timeout=900)
    assert done.returncode == 0, done.stderr
    seen = [json.loads(line) for line in done.stdout.splitlines()]
    assert [one["name"] for one in seen] == list(made), "a reader died"
    wrong = [one for one in seen if one["error"] not in ERRORS or "\n" in one["text"] or one["bytes"] >= BYTES]
    assert not wrong
    most, longest = max(one["bytes"] for one in seen), max(one["seconds"] for one in seen)
    faults.record("Bombs", f"{len(seen)} of {len(seen)} refused; at most {most / 2**20:.0f} MB, {longest:.1f} s")
    assert longest < faults.seconds(SECONDS)
