"""The one stop flag of a run."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import final

__all__ = ["StopFlag", "stop_flag"]

NAMES = ("SIGINT", "SIGTERM", "SIGHUP")


@final
class StopFlag:
    """Looked at after every step: the number of the signal which asked for the end, or 0."""

    def __init__(self) -> None:
        self.signal = 0


@contextmanager
def stop_flag() -> Iterator[StopFlag]:
    """A flag that the first Ctrl-C sets; a second one does what it does without the flag: it interrupts at once.

    SIGTERM and SIGHUP set it too where the program has a handler of its own for them, as the command line has; else
    they end the process, as ever. Outside the main thread signals cannot be caught, and the flag stays unset.

    >>> with stop_flag() as flag:
    ...     flag.signal
    0
    """
    flag = StopFlag()
    if threading.current_thread() is not threading.main_thread():
        yield flag
        return

    def handle(number: int, frame: FrameType | None) -> None:
        if flag.signal:
            before[signal.Signals(number)](number, frame)
        flag.signal = number

    present = {number: signal.getsignal(number) for number in signal.Signals if number.name in NAMES}
    before = {number: handler for number, handler in present.items() if callable(handler)}
    for number in before:
        signal.signal(number, handle)
    try:
        yield flag
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
