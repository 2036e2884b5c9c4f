"""What the history of a training says about its rate."""

import math
import statistics
from collections.abc import Mapping, Sequence
from typing import Any

from layerwise.diagnostics.findings import Finding, Verdict

__all__ = ["learning_course"]

ROSE, HIGH = 3.0, 1.5
FEW = 5


def learning_course(history: Sequence[Mapping[str, Any]]) -> Finding:
    """How the loss went from step to step in the last phase: whether the rate was too large for it.

    Arguments:
        history: the rows of a `History`, or of a model folder's `history.jsonl`; without steps nothing is found.

    >>> losses = 1.0, 9.0, 8.0, 20.0, 30.0
    >>> learning_course([{"event": "step", "phase": "train", "terms": {"error": loss}} for loss in losses]).verdict
    'fault'
    """
    phases = [row["phase"] for row in history if row["event"] in ("start", "step")]
    ours = [row for row in history if phases and row.get("phase") == phases[-1]]
    losses = [math.fsum(row["terms"].values()) for row in ours if row["event"] == "step"]
    backs = sum(row["event"] == "rollback" for row in ours)
    figures: dict[str, float] = {"steps": len(losses), "roll-backs": backs}
    if len(losses) < FEW:
        return Finding("rate", figures, *_told(0.0, 0.0, backs))
    # Medians, as batches differ; but what rises at once must be seen.
    scale = max(abs(losses[0]), 1e-30)
    highest = max(statistics.median(losses[place : place + 3]) for place in range(len(losses) - 2)) / scale
    begun = max(abs(statistics.median(losses[:3])), 1e-30)
    last = statistics.median(losses[-max(FEW, len(losses) // 5) :]) / begun
    figures |= {"highest to first loss": highest, "last to first loss": last}
    return Finding("rate", figures, *_told(highest, last, backs), {"losses": losses})


def _told(highest: float, last: float, backs: int) -> tuple[Verdict, str]:
    if backs:
        return "fault", (
            f"Training went back {backs} times because a number was not finite: lower the rate, or clip gradients."
        )
    if highest > ROSE or last > HIGH:
        why = f"rose to {highest:.2g} times" if highest > ROSE else f"ended at {last:.2g} times"
        return "fault", f"The loss {why} the first one: lower the rate by a factor of 3 to 10, or warm it up."
    if last == 0:
        return "fine", "There are too few steps in the history to judge the rate by."
    if last > 0.95:
        return "look", "The loss has hardly moved: see what the other findings name, else raise the rate."
    return "fine", f"The loss fell to {last:.2g} of the first one, so the rate is not too large."
