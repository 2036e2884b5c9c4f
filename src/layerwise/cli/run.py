"""From the words of a command to an exit code."""

import logging
import os
import signal
import sys
from types import FrameType
from typing import NoReturn, final

from layerwise.cli.app import app
from layerwise.errors import InputError, LayerwiseError
from layerwise.terminal import VisibleFormatter, visible

__all__ = ["execute", "main"]


def main() -> None:
    """Run the command line; every expected failure is one line on standard error.

    Exit codes: 0 done, 1 it failed, 2 wrong use or unusable input, 128 + the signal's number when interrupted: 130 by
    Ctrl-C, 143 by SIGTERM, 129 by SIGHUP.
    """
    for number in signal.Signals:
        # What is ignored stays so, as under nohup.
        if number.name in ("SIGINT", "SIGTERM", "SIGHUP") and signal.getsignal(number) != signal.SIG_IGN:
            signal.signal(number, _interrupt)
    verbose = bool({"-v", "--verbose"} & set(sys.argv))
    handler = logging.StreamHandler(sys.stderr)
    handler.setFormatter(VisibleFormatter("layerwise: %(message)s"))
    logging.basicConfig(
        level=logging.INFO if verbose else logging.ERROR if "--quiet" in sys.argv else logging.WARNING,
        handlers=[handler],
    )
    sys.exit(execute(verbose=verbose))


def execute(*, verbose: bool) -> int:
    """Run the command of `sys.argv`, tell what went wrong in one line, and give the exit code."""
    from typer.exceptions import TyperException

    try:
        code = app(standalone_mode=False, prog_name="layerwise")
        return code if isinstance(code, int) else 0
    except TyperException as error:
        return _fail(error.format_message().rstrip(".") + ". See layerwise --help.", error.exit_code)
    except LayerwiseError as error:
        if verbose:
            logging.getLogger(__name__).info("%s", error, exc_info=True)
        if isinstance(error, InputError):
            first, more = error.findings[0], len(error.findings) - 1
            also = f" And {more} more finding{'s' * (more > 1)}: -v lists them." if more else ""
            return _fail(first + also, 2)
        return _fail(str(error), 1)
    except BrokenPipeError:
        # The reader of our output left; a second complaint at exit is not wanted either.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 1
    except _Interrupted as stop:
        return _fail("interrupted; nothing half-written is left.", 128 + stop.signal)
    except MemoryError:
        return _fail("not enough memory. Use fewer rows, or a smaller --batch-size and --hidden.", 1)
    except Exception as error:
        if verbose:
            logging.getLogger(__name__).info("%s", error, exc_info=True)
        reason = " ".join(str(error).split())[:300]
        advice = "" if verbose else " Run again with -v for the details."
        return _fail(f"unexpected {type(error).__name__}: {reason}.{advice}", 1)


@final
class _Interrupted(BaseException):
    """Not KeyboardInterrupt, which typer turns into an exit without a word."""

    def __init__(self, number: int) -> None:
        super().__init__(number)
        self.signal = number


def _interrupt(number: int, frame: FrameType | None) -> NoReturn:
    raise _Interrupted(number)


def _fail(message: str, code: int) -> int:
    sys.stderr.write("layerwise: " + visible(" ".join(message.split())) + "\n")
    return code
