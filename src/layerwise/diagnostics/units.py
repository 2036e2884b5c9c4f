"""What the units of a network do: their spread, the dead ones and the saturated ones."""

from typing import Any

import torch
from torch import Tensor

from layerwise.data import Rows
from layerwise.diagnostics.reconstruction import passes
from layerwise.models import Autoencoder

__all__ = ["unit_activity"]

UNIT_ROWS = 2048


def unit_activity(model: Autoencoder, rows: Rows) -> dict[str, Any]:
    """The activity of code and hidden units over (at most 2048 of) the rows.

    A unit is dead when its value never moves by more than 1e-6 times the largest spread in its layer; the saturated
    share of a unit is the share of rows within 1 % of the unit's range from an end of it, where more than half of
    the rows sit there.

    Returns:
        {"code": [{"unit", "mean", "std", "dead", "saturated"}, ...],
        "hidden": [{"layer", "units", "dead", "saturated"}, ...]}
    """
    step = max(1, len(rows) // UNIT_ROWS)
    runs = [run for _, run in passes(model, rows.take(torch.arange(0, len(rows), step)[:UNIT_ROWS]))]
    code = torch.cat([run.code for run in runs]).double()
    dead, saturated = _dead(code), _saturated(code)
    units = [
        {"unit": i, "mean": float(m), "std": float(s), "dead": bool(d), "saturated": float(t)}
        for i, (m, s, d, t) in enumerate(zip(code.mean(0), code.std(0, correction=0), dead, saturated, strict=True))
    ]
    hidden = []
    for number in range(len(runs[0].hidden)):
        values = torch.cat([run.hidden[number] for run in runs])
        shares = _saturated(values)
        hidden.append(
            {
                "layer": number + 1,
                "units": values.shape[1],
                "dead": int(_dead(values).sum()),
                "saturated": int((shares > 0.5).sum()),
            }
        )
    return {"code": units, "hidden": hidden}


def _dead(values: Tensor) -> Tensor:
    spread = values.amax(0) - values.amin(0)
    return spread <= 1e-6 * spread.max().clamp_min(1e-30)


def _saturated(values: Tensor) -> Tensor:
    low, high = values.amin(0), values.amax(0)
    margin = 0.01 * (high - low)
    shares = ((values <= low + margin) | (values >= high - margin)).double().mean(0)
    return torch.where(_dead(values) | (shares <= 0.5), torch.zeros_like(shares), shares)
