"""Everything a page needs, as plain values."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from layerwise.errors import InputError

__all__ = ["ReportData"]


def _nothing() -> NDArray[Any]:
    return np.zeros((0, 0), np.float32)


def _no_errors() -> NDArray[Any]:
    return np.zeros(0, np.float32)


@final
@dataclass(frozen=True, eq=False)
class ReportData:
    """What is known of a trained model and the rows it was measured on; what is empty leaves a section out.

    Arguments:
        title: heading of the page.
        source: where the rows come from, in words.
        metrics: as in the model folder's `metrics.json`.
        history: rows of the training history.
        recipe: the phases as plain JSON values.
        columns: the schema's columns as plain JSON values, each with at least "name" and "kind"; "features"
            may say how many inputs of the network a column takes (else 0 for a constant, levels + 1 for a
            categorical, 1 for others).
        shape: height, width and perhaps channels, where a row is a picture.
        codes: [m, k] codes of a sample of rows.
        errors: [m] squared error of the same rows.
        labels: [m] a label of the same rows, numbers or strings, or None.
        examples: "rows.input", "rows.reconstruction", "rows.pca", "rows.observed" [r, f] in scaled units and
            "rows.error" [r], the best third of r first, then the median, then the worst; for tables also
            "original" and "reconstructed", r lists of cells in the order of `columns`.
        environment: name -> version or description.
        prediction: as `metrics`, of a model that predicts classes or numbers.
        anomalies: of a detector: "metrics", the training "scores", and of the strangest rows "row" (its number),
            "score", "input", "expected", "observed" [r, f], "contributions" [r, columns]; for tables also "causes", r
            times for each column with features its name, its cell and the expected one.
        gaps: as `metrics`, of an imputer.
        pictures: as `metrics`, of a model from pictures to pictures; its examples are "pictures.shown", bytes of shape
            [r, 3, side, side, 3], and "pictures.size" [r, 2], what of a side is shown.
        sentences: as `metrics`, of a model that writes sentences; its "examples" have a "source", what was "found", and
            a list of what is right, "truth".
        diagnosis: the findings of `layerwise.diagnostics.diagnose`, each as `Finding.row` gives it.

    Raises:
        InputError: when codes are not two-dimensional, or errors or labels do not go with them.

    >>> ReportData("Digits", "sklearn:digits").codes.shape
    (0, 0)
    """

    title: str
    source: str
    metrics: Mapping[str, Any] = field(default_factory=dict)
    history: list[dict[str, Any]] = field(default_factory=list)
    recipe: list[dict[str, Any]] = field(default_factory=list)
    columns: list[dict[str, Any]] = field(default_factory=list)
    shape: tuple[int, ...] | None = None
    codes: NDArray[Any] = field(default_factory=_nothing)
    errors: NDArray[Any] = field(default_factory=_no_errors)
    labels: NDArray[Any] | None = None
    examples: Mapping[str, Any] = field(default_factory=dict)
    environment: Mapping[str, str] = field(default_factory=dict)
    prediction: Mapping[str, Any] = field(default_factory=dict)
    anomalies: Mapping[str, Any] = field(default_factory=dict)
    gaps: Mapping[str, Any] = field(default_factory=dict)
    pictures: Mapping[str, Any] = field(default_factory=dict)
    sentences: Mapping[str, Any] = field(default_factory=dict)
    diagnosis: list[dict[str, Any]] = field(default_factory=list)

    def __post_init__(self) -> None:
        if self.codes.ndim != 2:
            raise InputError(f"codes must be of two dimensions (rows, units); got shape {self.codes.shape}.")
        for name, values in (("errors", self.errors), ("labels", self.labels)):
            if values is not None and values.shape != (len(self.codes),):
                raise InputError(
                    f"{name} must hold one value for each of the {len(self.codes)} rows of codes; "
                    f"got shape {values.shape}."
                )
