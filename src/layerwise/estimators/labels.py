"""Which rows are known to be anomalies, and how well scores find them."""

import logging
from dataclasses import dataclass
from typing import Any, final

import numpy as np
from numpy.typing import NDArray
from sklearn.metrics import average_precision_score, roc_auc_score

from layerwise.data import Table
from layerwise.estimators.targets import Given, has_value

__all__ = ["Labels"]

logger = logging.getLogger(__name__)


@final
@dataclass(frozen=True, eq=False)
class Labels:
    """What is known of some of the rows.

    Attributes:
        rows: the numbers of those that have a label.
        strange: of each of these, whether it is an anomaly.

    >>> labels = Labels.of(Table.from_array(np.zeros((4, 1))), [1, 0, None, 0])
    >>> labels.rows.tolist(), labels.judge(np.array([5.0, 1.0, 9.0, 7.0]), threshold=4.0)["auroc"]
    ([0, 1, 3], 0.5)
    """

    rows: NDArray[np.int64]
    strange: NDArray[np.bool_]

    @staticmethod
    def of(table: Table, y: Any = None) -> "Labels | None":
        """The labels that are given, else those that the table brings; None where there are none.

        Labels that came with a data set unasked, as the classes of digits, are left aside; a line of the log tells it.

        Arguments:
            table: the rows.
            y: 1 (or True) for anomalies, 0 for the others, None, NaN or empty where it is not known.

        Raises:
            InputError: for another number of labels, or other values.
        """
        if y is None and table.labels is None:
            return None
        values = np.asarray(table.labels if y is None else y)
        if values.shape != (len(table),):
            raise table.origin.error(
                f"there must be one label for each of the {len(table):,} rows; found the shape {values.shape}."
            )
        known = has_value(values)
        strange = known.copy()
        strange[known] = ~np.isin(values[known].astype(object), [0, 1])
        if strange.any():
            given = Given(values, table.label if y is None and table.label else "y", table.origin)
            if y is None and not table.label:
                logger.warning("labels are not those of anomalies, and left aside; found %s.", given.found(strange))
                return None
            remedy = "Change these, or leave the labels out."
            what = "must hold 1 for anomalies and 0 for other rows, or nothing where it is not known"
            raise given.refusal(strange, what, remedy=remedy)
        return Labels(np.flatnonzero(known), values[known].astype(bool))

    def judge(self, scores: NDArray[np.float64], *, threshold: float) -> dict[str, Any]:
        """How well the labelled rows are told apart; nothing where they are all of one kind.

        Arguments:
            scores: of all rows.
            threshold: beyond which a row is flagged.
        """
        found, anomalies = scores[self.rows], int(self.strange.sum())
        if not 0 < anomalies < len(found):
            return {}
        return {
            "auroc": float(roc_auc_score(self.strange, found)),
            "average_precision": float(average_precision_score(self.strange, found)),
            "labelled": len(found),
            "anomalies": anomalies,
            "anomalies_flagged": int((found > threshold)[self.strange].sum()),
        }
