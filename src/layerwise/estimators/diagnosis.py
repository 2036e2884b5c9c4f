"""A fitted model and rows as the problem that is diagnosed, and the page of what is found."""

import os
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import torch

from layerwise.data import Source, Table
from layerwise.diagnostics import Finding, diagnose
from layerwise.errors import InputError
from layerwise.models import Feedforward, Network, sigmoid
from layerwise.optim import Problem
from layerwise.penalties import cross_entropy, is_crossed
from layerwise.report import ReportData, write_report
from layerwise.runtime import Runtime
from layerwise.storage import SavedModel
from layerwise.training import Objective

__all__ = ["diagnosed", "diagnosis", "write_diagnosis"]

MOST_ROWS = 500


def diagnosed(objective: Objective, model: Network) -> Objective:
    """The objective, with the cross-entropy in place of another fidelity where the last layer is a sigmoid one.

    >>> from layerwise.models import Dense
    >>> diagnosed(Objective(), Dense(3, code=2, output=sigmoid)).fidelity.name
    'cross_entropy'
    """
    crossed = isinstance(model, Feedforward) and model.last.activation is sigmoid
    if crossed and not is_crossed(objective.fidelity):
        return replace(objective, fidelity=cross_entropy)
    return objective


def diagnosis(
    model: Network, rows: Source, *, objective: Objective, history: Sequence[dict[str, Any]]
) -> list[Finding]:
    """All findings of a model at some rows, with targets where it predicts, of which at most 500 are looked at.

    Raises:
        InputError: for fewer than two rows.
    """
    if len(rows) < 2:
        raise InputError(f"a diagnosis needs at least 2 rows; got {len(rows)}. Give more.")
    device = next(model.parameters()).device
    chosen = torch.arange(0, len(rows), max(1, len(rows) // MOST_ROWS))[:MOST_ROWS]
    model.eval()
    problem = Problem(model, objective, rows.batch(chosen).to(device), runtime=Runtime(str(device), "float32"))
    return diagnose(problem, history=history)


def write_diagnosis(
    saved: SavedModel, findings: Sequence[Finding], X: Any, *, path: str | os.PathLike[str], title: str
) -> None:
    """Write the page of what was found of a model at the rows X.

    Raises:
        ResourceError: when the place cannot be written.
    """
    data = ReportData(
        title=title,
        source=X.source if isinstance(X, Table) and X.source else "the given rows",
        history=saved.history,
        recipe=saved.recipe,
        diagnosis=[finding.row() for finding in findings],
        environment=saved.environment,
    )
    write_report(data, path)
