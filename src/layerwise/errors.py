"""The family of errors that Layerwise raises: each says what must hold, what was found and where, and what to do."""

from typing import final

__all__ = [
    "CheckpointError",
    "InputError",
    "LayerwiseError",
    "ModelFileError",
    "ResourceError",
    "TrainingDiverged",
]


class LayerwiseError(Exception):
    """The base of every error that Layerwise raises on purpose; its text is one line for people."""


@final
class InputError(LayerwiseError, ValueError):
    """The arguments or the data are not what the function can take.

    >>> raise InputError("code must be at most 4, the number of columns; got 9. Choose a smaller code.")
    Traceback (most recent call last):
    layerwise.errors.InputError: code must be at most 4, the number of columns; got 9. Choose a smaller code.
    """


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
