"""What all tests share: runtime shape checks, one thread, real data where there are some, and a guard of randomness."""

import os
import signal
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import jaxtyping
import pytest

# Before anything of layerwise is imported: shapes and types of arguments are then checked at every call. Not in the
# estimators, whose constructors must take anything and leave the checking to `fit`.
# Nor in the full set of faults, whose many processes would spend their time on it.
CHECKED = ["corruptions", "data", "diagnostics", "models", "optim", "penalties", "recipes", "training"]
if os.environ.get("LAYERWISE_FAULTS") != "full":
    jaxtyping.install_import_hook([f"layerwise.{part}" for part in CHECKED], "beartype.beartype")

import torch  # noqa: E402

from benchmarks import results  # noqa: E402
from layerwise import cli  # noqa: E402
from tests.randomness import global_random_state  # noqa: E402

ROOT = Path(__file__).parents[1]
Run = Callable[..., tuple[int, str, str]]


def pytest_configure() -> None:
    """One thread: results must not depend on the machine, and two processes test side by side."""
    torch.set_num_threads(1)


@pytest.fixture
def shared_data() -> Path:
    """The folder of real data sets beside the checkout; without it the test is skipped."""
    folder = ROOT.parent / "shared" / "data"
    if not folder.is_dir():
        pytest.skip(f"the folder of real data sets is not at {folder.relative_to(ROOT.parent)} beside the checkout")
    return folder


@pytest.fixture
def results_are_left_alone(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Iterator[None]:
    """Fails a test of a quick mode that keeps figures; they would go where nothing is lost."""
    folder = tmp_path / "results"
    monkeypatch.setattr(results, "RESULTS", folder)
    yield
    assert not folder.exists()


@pytest.fixture
def global_random_state_unchanged() -> Iterator[None]:
    """Fails a test after which another global random number would be drawn than before it."""
    before = global_random_state()
    yield
    changed = [name for name, state in global_random_state().items() if state != before[name]]
    assert not changed, f"the global random state of {', '.join(changed)} was changed; draw from a generator instead."


@pytest.fixture
def control_c() -> Iterator[None]:
    """Ctrl-C as in a terminal, whatever the tests were started with."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    signal.signal(signal.SIGINT, before)


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path) -> Run:
    """Run a command in an empty folder; gives exit code, standard output and standard error."""
    monkeypatch.chdir(tmp_path)

    def call(*arguments: object) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["layerwise", *map(str, arguments)])
        code = cli.execute(verbose=False)
        captured = capsys.readouterr()
        return code, captured.out, captured.err

    return call
