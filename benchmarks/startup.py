"""How long does it take before anything happens?

    python -m benchmarks.startup [--quick]

Cold processes, the median of several: `layerwise --help`, and what `import layerwise` adds to an empty interpreter.
"""

import argparse
import statistics
import subprocess
import sys
import time
from collections.abc import Sequence

from benchmarks.results import keep

RUNS = 9
COMMANDS = {
    "python": [sys.executable, "-c", "pass"],
    "import layerwise": [sys.executable, "-c", "import layerwise"],
    "layerwise --help": [sys.executable, "-c", "from layerwise.cli import main; main()", "--help"],
}


def seconds(command: list[str], runs: int) -> float:
    """The median wall time of a command."""
    times = []
    for _ in range(runs):
        started = time.perf_counter()
        subprocess.run(command, check=True, stdout=subprocess.DEVNULL)
        times.append(time.perf_counter() - started)
    return statistics.median(times)


def main(words: Sequence[str] | None = None) -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true", help="each command once, nothing kept")
    arguments = parser.parse_args(words)
    figures = {name: seconds(command, 1 if arguments.quick else RUNS) for name, command in COMMANDS.items()}
    figures["import layerwise adds"] = figures["import layerwise"] - figures["python"]
    for name, value in figures.items():
        print(f"{name:24s} {value:.3f} s")
    if not arguments.quick:
        keep("startup", {"seconds": figures})


if __name__ == "__main__":
    main()
