"""Numbers and names as people read them."""

import math
import re
import unicodedata
from collections.abc import Mapping
from typing import Any

__all__ = [
    "as_float",
    "clean",
    "count",
    "describe",
    "duration",
    "narrow",
    "number",
    "percent",
    "plural",
    "ratio",
    "shorten",
    "width",
]

# These turn the reading order of the text around them, so that a name could disguise what follows it.
_REORDERING = frozenset("\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069")
_SUPERSCRIPTS = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")
# Letters that are nearly twice as wide as others, or half as wide.
_WIDTHS = dict.fromkeys("mwMW@%…\ufffd", 1.7) | dict.fromkeys("fijlrtI .,:;!|'()[]/", 0.6)
_TYPE_KEYS = ("class", "type", "kind")
# The full names of classes and functions that everybody knows by their last part.
_PATH = re.compile(r"(?:torch|layerwise)(?:\.\w+)+")


def clean(text: object) -> str:
    r"""One line of text that UTF-8 and XML can hold: white space becomes blanks, control characters U+FFFD.

    >>> ascii(clean("a\tb\x00"))
    "'a b\\ufffd'"
    """
    spaced = " ".join(str(text).split())
    return "".join("\ufffd" if unicodedata.category(c) in ("Cc", "Cs", "Cn") or c in _REORDERING else c for c in spaced)


def shorten(text: object, length: int = 24) -> str:
    """The text cleaned and, where longer than `length`, cut with an ellipsis; its end stays, as ends differ.

    >>> shorten("temperature_of_the_first_sensor", 20)
    'temperature_o…sensor'
    """
    whole = clean(text)
    if len(whole) <= length:
        return whole
    tail = (length - 1) // 3
    return whole[: length - 1 - tail] + "…" + whole[len(whole) - tail :]


def width(text: str) -> float:
    """About how wide a text is in a drawing, in small letters.

    >>> width("iris"), width("WIDE"), width("重さ")
    (2.8, 4.9, 4.0)
    """
    wide = (
        2.0 if unicodedata.east_asian_width(c) in "WF" else _WIDTHS.get(c, 1.3 if c.isupper() else 1.0) for c in text
    )
    return round(sum(wide), 1)


def narrow(text: object, length: int) -> str:
    """The text shortened until it is no wider than so many small letters, as a drawing has no other place for it.

    >>> narrow("temperature_of_the_first_sensor", 20), narrow("W" * 20, 10)
    ('temperature_o…sensor', 'WWW…W')
    """
    kept = length
    while kept > 1 and width(shorten(text, kept)) > length:
        kept -= 1
    return shorten(text, kept)


def as_float(value: object) -> float:
    """A number as float, whatever else (None, text) as NaN.

    >>> as_float(2), as_float(None)
    (2.0, nan)
    """
    return float(value) if isinstance(value, int | float) else math.nan


def number(value: object, digits: int = 3, *, pad: bool = False) -> str:
    """A number with so many significant digits, or a dash where there is none; `pad` keeps zeros at the end.

    >>> number(52.8312), number(1234567), number(0.0000123), number(-0.5), number(None)
    ('52.8', '1.23 × 10⁶', '1.23 × 10⁻⁵', '−0.5', '–')
    >>> number(10.0), number(10.0, pad=True)
    ('10', '10.0')
    """
    x = as_float(value)
    if math.isnan(x):
        return "–"
    sign, size = ("−" if x < 0 else ""), abs(x)
    if math.isinf(size):
        return sign + "∞"
    if size == 0:
        return "0"
    mantissa, exponent = f"{size:.{digits - 1}e}".split("e")
    power = int(exponent)
    if -4 <= power < 6:
        text = f"{float(f'{mantissa}e{exponent}'):,.{max(0, digits - 1 - power)}f}"
        return sign + (text if pad else _without_zeros(text))
    return f"{sign}{_without_zeros(mantissa)} × 10{str(power).translate(_SUPERSCRIPTS)}"


def _without_zeros(text: str) -> str:
    return text.rstrip("0").rstrip(".") if "." in text else text


def count(value: object) -> str:
    """A whole number with commas between thousands.

    >>> count(10000), count(None)
    ('10,000', '–')
    """
    x = as_float(value)
    return f"{round(x):,}" if math.isfinite(x) else "–"


def plural(value: int, one: str) -> str:
    """A count with its noun.

    >>> plural(1, "row"), plural(1200, "row")
    ('1 row', '1,200 rows')
    """
    return f"{value:,} {one if value == 1 else one + 's'}"


def ratio(value: object) -> str:
    """A ratio with two decimals, or three where two would hide its distance from 0 or 1.

    >>> ratio(0.2163), ratio(0.9981), ratio(0.0123), ratio(37.21)
    ('0.22', '0.998', '0.012', '37.2')
    """
    x = as_float(value)
    if not math.isfinite(x) or x >= 10 or 0 < x < 0.0005:
        return number(x)
    return f"{x:.3f}" if x < 0.095 or 0.985 <= x < 1.015 else f"{x:.2f}"


def percent(share: object, digits: int = 3) -> str:
    r"""A share as per cent, with one decimal or (below 1) two, never more than so many digits.

    >>> percent(0.94312), percent(0.76), percent(0.0001), percent(1.0), percent(0.324, 2)
    ('94.3\xa0%', '76.0\xa0%', '0.01\xa0%', '100\xa0%', '32\xa0%')
    """
    x = round(100 * as_float(share), 2)
    if math.isnan(x):
        return "–"
    return f"{number(x, digits, pad=1 <= abs(x) < 100)}\u00a0%"


def duration(seconds: object) -> str:
    """A time as people say it.

    >>> duration(0.314), duration(75), duration(7260)
    ('0.31 s', '1 min 15 s', '2 h 1 min')
    """
    x = as_float(seconds)
    if not math.isfinite(x):
        return "–"
    if x < 60:
        return f"{number(x, 2)} s"
    minutes, rest = divmod(round(x), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:,} h {minutes} min" if hours else f"{minutes} min {rest} s"


def describe(value: Any) -> str:
    """A plain JSON value in one line; a mapping that names its class reads as a call without empty arguments.

    >>> describe({"class": "Masking", "level": 0.05, "seed": None}), describe([1000, 500]), describe({})
    ('Masking(level=0.05)', '1,000, 500', 'none')
    """
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, int | float):
        return number(value, 4) if isinstance(value, float) else count(value)
    if isinstance(value, Mapping):
        return _call(value)
    if isinstance(value, list | tuple):
        return ", ".join(describe(item) for item in value) or "none"
    text = "none" if value is None else clean(value)
    return text.rpartition(".")[2] if _PATH.fullmatch(text) else text


def _call(value: Mapping[str, Any]) -> str:
    named = next((key for key in _TYPE_KEYS if isinstance(value.get(key), str)), "")
    filled = {k: v for k, v in value.items() if k != named and v is not None and v not in ({}, [])}
    inner = ", ".join(f"{clean(key)}={describe(item)}" for key, item in filled.items())
    if not named:
        return inner or "none"
    return clean(value[named]) + (f"({inner})" if inner else "")
