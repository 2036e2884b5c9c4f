"""The one stop flag of a run."""

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType
from typing import final

__all__ = ["StopFlag", "stop_flag"]


@final
class StopFlag:
    """Set when the user asked for the end; looked at after every step."""

    def __init__(self) -> None:
        self.is_set = False


@contextmanager
def stop_flag() -> Iterator[StopFlag]:
    """A flag that the first Ctrl-C sets; a second one interrupts at once, as without it.

    Outside the main thread signals cannot be caught, and the flag stays unset.

    >>> with stop_flag() as flag:
    ...     flag.is_set
    False
    """
    flag = StopFlag()
    if threading.current_thread() is not threading.main_thread():
        yield flag
        return
    before = signal.getsignal(signal.SIGINT)

    def handle(number: int, frame: FrameType | None) -> None:
        if flag.is_set:
            raise KeyboardInterrupt
        flag.is_set = True

    signal.signal(signal.SIGINT, handle)
    try:
        yield flag
    finally:
        signal.signal(signal.SIGINT, before)
