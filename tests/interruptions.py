"""Ctrl-C as a user would press it: a progress bar that sends it when some event comes."""

import signal
from collections.abc import Callable
from typing import Any

from layerwise.training import StepEnd


def interrupting(when: Callable[[StepEnd], bool]) -> type:
    """A class of progress bars."""

    class Interrupting:
        def __enter__(self) -> "Interrupting":
            return self

        def __exit__(self, *details: object) -> None:
            return None

        def __call__(self, event: Any) -> None:
            if isinstance(event, StepEnd) and when(event):
                signal.raise_signal(signal.SIGINT)

    return Interrupting
