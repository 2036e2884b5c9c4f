"""Principal components, exact and with missing cells: the baseline, and where a linear path starts."""

from collections.abc import Iterator
from typing import final

import numpy as np
import scipy.linalg
import torch
from jaxtyping import Float
from sklearn.utils.extmath import randomized_svd
from torch import Tensor

from layerwise.data import Batch, Source

__all__ = ["PrincipalComponents"]

CHUNK = 1024
EXACT_FEATURES = 3000
SAMPLE_ROWS = 20_000


@final
class PrincipalComponents:
    """The best linear autoencoder of a given code size: rows are centred, projected and put back.

    Arguments:
        components: orthonormal rows, by falling variance; zero rows beyond the rank of the data.
        center: the mean of the observed cells of each feature.
        variances: of the scores, 0 beyond the rank.

    Source: Pearson 1901; missing cells are set to their feature's mean.

    >>> from layerwise.training import TensorRows
    >>> line = torch.tensor([[0.0, 0.0], [1.0, 1.0], [2.0, 2.0]])
    >>> PrincipalComponents.fit(TensorRows(line), 1).reconstruct(line).round(decimals=4)
    tensor([[0., 0.],
            [1., 1.],
            [2., 2.]])
    """

    def __init__(
        self,
        components: Float[Tensor, "code features"],
        center: Float[Tensor, " features"],
        variances: Float[Tensor, " code"],
    ) -> None:
        self.components = components
        self.center = center
        self.variances = variances

    @classmethod
    def fit(cls, rows: Source, code: int) -> "PrincipalComponents":
        """Find them: by the exact covariance in float64 up to 3000 features, else from a sample of 20,000 rows.

        Arguments:
            rows: where the batches come from; read in pieces.
            code: how many; more than the rank of the data are filled with zeros.
        """
        center = _center(rows)
        features = len(center)
        found = min(code, features)
        if features <= EXACT_FEATURES:
            covariance = np.zeros((features, features))
            for x in _centred(rows, center):
                covariance += x.T @ x
            variances, vectors = scipy.linalg.eigh(
                covariance / len(rows), subset_by_index=(features - found, features - 1)
            )
            variances, vectors = variances[::-1], vectors[:, ::-1].T
        else:
            sample = np.concatenate(list(_centred(rows, center, SAMPLE_ROWS)))
            found = min(found, len(sample))
            _, scales, vectors = randomized_svd(sample, found, random_state=0)
            variances = scales**2 / len(sample)
        # Directions in which nothing varies are rounding noise.
        real = variances > max(float(variances.max(initial=0.0)), 1e-30) * 1e-10
        components = torch.zeros(code, features)
        components[: len(vectors)] = torch.from_numpy((vectors * real[:, None]).astype(np.float32))
        kept = torch.zeros(code)
        kept[: len(vectors)] = torch.from_numpy((variances * real).astype(np.float32))
        return cls(components, torch.from_numpy(center.astype(np.float32)), kept)

    def transform(self, x: Float[Tensor, "batch features"]) -> Float[Tensor, "batch code"]:
        """The scores of each row."""
        return (x - self.center) @ self.components.T

    def reconstruct(self, x: Float[Tensor, "batch features"]) -> Float[Tensor, "batch features"]:
        """Each row's projection on the components."""
        return self.transform(x) @ self.components + self.center

    def fill(self, batch: Batch) -> Float[Tensor, "batch features"]:
        """The rows with missing cells set to the center, as the components are found and used."""
        return batch.x if batch.observed is None else torch.where(batch.observed, batch.x, self.center)


def _batches(rows: Source, limit: int | None = None) -> Iterator[tuple[np.ndarray, np.ndarray | None]]:
    total = len(rows)
    step = 1 if limit is None else max(1, total // limit)
    for index in torch.arange(0, total, step)[:limit].split(CHUNK):
        x, observed, _ = rows.batch(index)
        yield x.double().numpy(), None if observed is None else observed.numpy()


def _center(rows: Source) -> np.ndarray:
    total: np.ndarray | float = 0.0
    count: np.ndarray | float = 0.0
    for x, observed in _batches(rows):
        total = total + (x.sum(0) if observed is None else np.where(observed, x, 0.0).sum(0))
        count = count + (float(len(x)) if observed is None else observed.sum(0))
    return np.asarray(total / np.maximum(count, 1.0))


def _centred(rows: Source, center: np.ndarray, limit: int | None = None) -> Iterator[np.ndarray]:
    for x, observed in _batches(rows, limit):
        yield x - center if observed is None else np.where(observed, x - center, 0.0)
