"""How long a phase is trained where nobody says so."""

import math

from layerwise.recipes.setting import Setting

__all__ = ["epochs_of", "layer_epochs", "whole_epochs"]

LAYER_STEPS, WHOLE_STEPS, MOST_EPOCHS = 1000, 3000, 300


def epochs_of(steps: int, rows: int, *, batch_size: int) -> int:
    """The epochs over so many rows that make so many steps, or just more.

    >>> epochs_of(1000, 1500, batch_size=128)
    84
    """
    return math.ceil(steps / math.ceil(max(1, rows) / batch_size))


def layer_epochs(setting: Setting, asked: int | None, batch_size: int) -> int:
    """The epochs of a layer's phase: as asked; else 10, and on fewer rows enough for 1000 steps.

    >>> [layer_epochs(Setting(rows), None, 128) for rows in (100, 1500, 60_000)]
    [300, 84, 10]
    """
    return _enough(setting.rows, asked, usual=10, steps=LAYER_STEPS, batch_size=batch_size)


def whole_epochs(setting: Setting, asked: int | None, batch_size: int, *, usual: int = 30) -> int:
    """The epochs of the last phase: as asked; else the usual ones, and on fewer rows enough for 3000 steps.

    >>> whole_epochs(Setting(60_000, labelled=1500), None, 128)
    250
    """
    rows = setting.rows if setting.labelled is None else setting.labelled
    return _enough(rows, asked, usual=usual, steps=WHOLE_STEPS, batch_size=batch_size)


def _enough(rows: int, asked: int | None, *, usual: int, steps: int, batch_size: int) -> int:
    if asked is not None:
        return asked
    return max(usual, min(MOST_EPOCHS, epochs_of(steps, rows, batch_size=batch_size)))
