"""How near pictures are to what they should be."""

from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

__all__ = ["mean_intersection_over_union", "peak_signal_to_noise"]


def peak_signal_to_noise(found: NDArray[Any], truth: NDArray[Any]) -> float:
    r"""The peak signal-to-noise ratio of a picture from 0 to 1, in dB; at most 100.

    .. math:: -10 \log_{10} \frac1n \sum_i (x_i - \hat x_i)^2

    >>> round(peak_signal_to_noise(np.zeros((2, 2)), np.full((2, 2), 0.1)), 6)
    20.0
    """
    error = float(np.mean((found.astype(np.float64) - truth) ** 2))
    return -10 * float(np.log10(max(error, 1e-10)))


def mean_intersection_over_union(
    found: Sequence[NDArray[Any]], truth: Sequence[NDArray[Any]], *, classes: int
) -> float:
    r"""The mean over the classes of the pixels that are rightly in a class over those that are in it by either.

    .. math:: \frac1K \sum_k \frac{|F_k \cap T_k|}{|F_k \cup T_k|}

    over the pixels of all pictures together; classes that neither has do not count.

    >>> mean_intersection_over_union([np.array([[0, 1]])], [np.array([[1, 1]])], classes=2)
    0.25
    """
    both = np.zeros((classes, classes))
    for one, other in zip(found, truth, strict=True):
        np.add.at(both, (one.reshape(-1), other.reshape(-1)), 1)
    union = both.sum(0) + both.sum(1) - np.diag(both)
    return float(np.mean((np.diag(both) / np.maximum(union, 1))[union > 0]))
