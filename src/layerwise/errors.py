"""The family of errors that Layerwise raises: each says what must hold, what was found and where, and what to do."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import final

__all__ = [
    "CheckpointError",
    "Findings",
    "InputError",
    "InputTypeError",
    "LayerwiseError",
    "ModelFileError",
    "ResourceError",
    "TrainingDiverged",
]

MOST_LINES = 10


class LayerwiseError(Exception):
    """The base of every error that Layerwise raises on purpose; its text is one line for people."""


class InputError(LayerwiseError, ValueError):
    """The arguments or the data are not what the function can take.

    >>> raise InputError("code must be at most 4, the number of columns; got 9. Choose a smaller code.")
    Traceback (most recent call last):
    layerwise.errors.InputError: code must be at most 4, the number of columns; got 9. Choose a smaller code.

    Attributes:
        findings: what is wrong, a line each; the text has the first ten of them.
    """

    def __init__(self, *findings: str) -> None:
        more = len(findings) - MOST_LINES
        shown = findings if more <= 0 else (*findings[: MOST_LINES - 1], f"... and {more + 1} more like these.")
        super().__init__("\n".join(shown))
        self.findings = findings


@final
class InputTypeError(InputError, TypeError):
    """A cell is of a type of which no number can be made; scikit-learn asks for a TypeError there."""


@final
class Findings:
    """Collects refusals, so that one error tells all that is wrong and not only the first.

    >>> findings = Findings()
    >>> for name in ("a", "b"):
    ...     with findings.collected():
    ...         raise InputError(f"column {name} must be finite.")
    >>> findings.tell()
    Traceback (most recent call last):
    layerwise.errors.InputError: column a must be finite.
    column b must be finite.
    """

    def __init__(self) -> None:
        self.errors: list[InputError] = []

    @contextmanager
    def collected(self) -> Iterator[None]:
        """Keep a refusal for later."""
        try:
            yield
        except InputError as error:
            self.errors.append(error)

    def tell(self) -> None:
        """Raise one error with all findings, if there are any.

        Raises:
            InputError: with a line for each finding.
        """
        if self.errors:
            raise InputError(*(line for error in self.errors for line in error.findings)) from self.errors[0]


@final
class ModelFileError(LayerwiseError, ValueError):
    """A model folder is missing, incomplete, changed or of another format version."""


@final
class CheckpointError(LayerwiseError, ValueError):
    """A checkpoint belongs to another run or cannot be read."""


@final
class TrainingDiverged(LayerwiseError, RuntimeError):
    """A loss, a gradient or a weight stopped being finite; the model keeps its last good weights."""


@final
class ResourceError(LayerwiseError, OSError):
    """The machine refused: no permission, no space, no memory or no network."""
