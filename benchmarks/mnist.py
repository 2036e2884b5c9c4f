"""How good, how fast and how large is the default on MNIST at 784-1000-500-250-30?

    python -m benchmarks.mnist --data-dir DATA/mnist [--quick]

Runs `layerwise fit` as a process of its own and reads the model folder it leaves. The squared error is the sum over
pixels in [0, 1] and the mean over the 10,000 test images, as in Hinton & Salakhutdinov 2006, who got 3.00 (PCA 13.87).
Memory is the peak of the process above one that only imports torch.
"""

import argparse
import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.results import keep

# Not resource.getrusage: its peak is that of the parent where the parent was larger.
PEAK = """
import re, sys
sys.stderr.write(re.search(r"VmHWM:\\s*(\\d+) kB", open("/proc/self/status").read())[1])
"""


def peak_megabytes(code: str, *arguments: str) -> float:
    """The peak memory of a Python process that runs some code; on Linux."""
    done = subprocess.run(
        [sys.executable, "-c", f"{code}\n{PEAK}", *arguments], check=True, stderr=subprocess.PIPE, text=True
    )
    return int(done.stderr.split()[-1]) / 1024


def main(words: Sequence[str] | None = None) -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--quick", action="store_true", help="one small layer, one epoch, nothing kept")
    arguments = parser.parse_args(words)
    with tempfile.TemporaryDirectory() as folder:
        model = Path(folder) / "model"
        options = ["mnist", "--data-dir", str(arguments.data_dir), "--code", "30"]
        options += ["-o", str(model), "--quiet"]
        options += ["--hidden", "16", "--epochs", "1"] if arguments.quick else ["--hidden", "1000,500,250"]
        started = time.perf_counter()
        run = "import sys; from layerwise.cli import app; app(['fit', *sys.argv[1:]], standalone_mode=False)"
        peak = peak_megabytes(run, *options)
        seconds = time.perf_counter() - started
        metrics = json.loads((model / "metrics.json").read_text())
    keys = ("rows", "held_out", "squared_error", "pca_squared_error", "mean_squared_error", "ratio_to_pca")
    figures = {key: metrics[key] for key in keys}
    figures |= {"seconds": seconds, "megabytes_above_torch": peak - peak_megabytes("import torch")}
    print(json.dumps(figures, indent=1))
    if not arguments.quick:
        keep("mnist", figures)


if __name__ == "__main__":
    main()
