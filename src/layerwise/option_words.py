"""Values of options that come as words."""

from typing import Any

from layerwise.corruptions import NOISES, Varied
from layerwise.errors import InputError

__all__ = ["noise_of", "number_of", "row_numbers", "seconds_of", "widths_of"]


def widths_of(text: str) -> tuple[int, ...]:
    """The widths of layers; none for "auto".

    Raises:
        InputError: for anything but whole numbers from 1 on.

    >>> widths_of("64,32")
    (64, 32)
    """
    if text == "auto":
        return ()
    parts = [part for part in text.split(",") if part.strip()]
    if not parts or not all(part.strip().isdecimal() and int(part) > 0 for part in parts):
        raise InputError(
            "--hidden must be whole numbers like 1000,500,250, or to reconstruct pictures residual or "
            f"convolutional; got {text!r}."
        )
    return tuple(int(part) for part in parts)


def noise_of(text: str) -> Varied:
    """Noise of a kind, at any level up to one.

    Raises:
        InputError: for another kind, or a level that is no number.

    >>> noise_of("gaussian:0.5").high
    0.5
    """
    kind, _, level = text.partition(":")
    try:
        high = float(level or 0.3)
    except ValueError:
        high = float("nan")
    if kind not in NOISES or not high > 0:
        raise InputError(
            f"--noise must be one of {', '.join(NOISES)}, perhaps with its largest level, like gaussian:0.3; "
            f"got {text!r}."
        )
    return Varied(NOISES[kind], 0.0, high=high, bounds=(0.0, 1.0))


def row_numbers(text: str) -> tuple[int, ...]:
    """The numbers of rows.

    Raises:
        InputError: for fewer than two, or anything but whole numbers.

    >>> row_numbers("0, 7")
    (0, 7)
    """
    parts = [part.strip() for part in text.split(",")]
    if len(parts) < 2 or not all(part.isdecimal() for part in parts):
        raise InputError(f"--rows must be at least two numbers of rows, like 0,7; got {text!r}.")
    return tuple(int(part) for part in parts)


def seconds_of(text: str, option: str) -> float:
    """A time in seconds.

    Raises:
        InputError: for anything but a number, perhaps with a unit.

    >>> seconds_of("1.5h", "--every")
    5400.0
    """
    units = {"s": 1.0, "m": 60.0, "h": 3600.0}
    unit = units.get(text[-1:].lower())
    try:
        return float(text if unit is None else text[:-1]) * (unit or 1.0)
    except ValueError as error:
        raise InputError(f"{option} must be a time like 60s, 5m or 1h; got {text!r}.") from error


def number_of(text: str) -> Any:
    """A number, a truth value, None, or the text itself.

    >>> number_of("1e-3"), number_of("none"), number_of("tanh")
    (0.001, None, 'tanh')
    """
    if text.lower() == "none":
        return None
    try:
        value = float(text)
    except ValueError:
        return text
    return int(value) if value.is_integer() and not set(text) & set(".eE") else value
