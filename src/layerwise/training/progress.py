"""A progress bar on standard error, as a watcher."""

from types import TracebackType
from typing import final

from rich.console import Console
from rich.progress import BarColumn, Progress, SpinnerColumn, TaskID, TextColumn, TimeRemainingColumn

from layerwise.training.history import EpochEnd, Event, PhaseEnd, PhaseStart, StepEnd

__all__ = ["ProgressBar"]

REFRESH_SECONDS = 0.1


@final
class ProgressBar:
    """Shows each phase with its steps a second, loss terms and time left; a context manager and a watcher.

    Arguments:
        console: where to draw; standard error by default. Nothing moves when that is not a terminal, and each
            phase then leaves one line.

    >>> import io
    >>> with ProgressBar(Console(file=io.StringIO())) as bar:
    ...     bar(PhaseStart("train", epochs=1, steps=1, rows=5))
    """

    def __init__(self, console: Console | None = None) -> None:
        self.console = console or Console(stderr=True)
        self.progress = Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(bar_width=24),
            TextColumn("epoch {task.fields[epoch]}"),
            TextColumn("{task.fields[speed]}"),
            TextColumn("{task.fields[terms]}"),
            TimeRemainingColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )
        self.task: TaskID | None = None
        self.shown = 0.0
        self.validation = ""

    def __enter__(self) -> "ProgressBar":
        self.progress.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.progress.stop()

    def __call__(self, event: Event) -> None:
        """Draw an event."""
        if isinstance(event, PhaseStart):
            self.task = self.progress.add_task(
                event.phase, total=event.steps, epoch=f"0/{event.epochs}", speed="", terms=""
            )
            self.epochs, self.shown, self.validation = event.epochs, 0.0, ""
        elif isinstance(event, StepEnd) and self.task is not None:
            # Drawing costs more than a small step does.
            if event.seconds - self.shown < REFRESH_SECONDS:
                return
            self.shown = event.seconds
            self.progress.update(
                self.task,
                completed=event.step,
                epoch=f"{event.epoch}/{self.epochs}",
                speed=f"{event.step / event.seconds:.0f} steps/s",
                terms=_terms(event.terms) + self.validation,
            )
        elif isinstance(event, EpochEnd) and event.validation:
            self.validation = f" | validation {sum(event.validation.values()):.4g}"
        elif isinstance(event, PhaseEnd):
            self._close(event)

    def _close(self, event: PhaseEnd) -> None:
        if self.task is not None:
            self.progress.remove_task(self.task)
        self.task = None
        kept = f", kept epoch {event.best_epoch}" if self.validation else ""
        self.console.print(
            f"{event.phase}: {event.reason} after {event.epochs} epochs, {event.seconds:.1f} s{kept}{self.validation}",
            highlight=False,
            markup=False,
            soft_wrap=True,
        )


def _terms(terms: dict[str, float]) -> str:
    return "  ".join(f"{name} {value:.4g}" for name, value in terms.items())
