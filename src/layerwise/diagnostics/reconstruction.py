"""How faithful a reconstruction is, beside the column means and PCA, on the same rows and the same code size."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.manifold import trustworthiness
from torch import Tensor

from layerwise.data import Batch, Rows, Source
from layerwise.models import Autoencoder, Pass, PrincipalComponents
from layerwise.runtime import doubled

__all__ = ["Comparison", "compare", "passes"]

CHUNK = 1024
RESAMPLES = 1000
BOOTSTRAP_GROUPS = 10_000
TRUST_ROWS = 1000
NEIGHBORS = 5
EQUAL = 1e-3
UNIT = "sum over features, mean over rows, scaled units, observed cells"


@final
@dataclass(frozen=True)
class Comparison:
    """Squared errors of three reconstructions of the same rows, in scaled units and over observed cells.

    Attributes:
        rows: name -> error of each row (sum over its features), for "mean", "pca" and "autoencoder".
        features: name -> mean over the rows of each feature's squared error.
        codes: name -> codes of the first rows (at most 1000), for "pca" and "autoencoder".
        inputs: the same first rows themselves.
    """

    rows: dict[str, NDArray[np.float64]]
    features: dict[str, NDArray[np.float64]]
    codes: dict[str, NDArray[np.float32]]
    inputs: NDArray[np.float32]

    @property
    def errors(self) -> dict[str, float]:
        """Name -> mean over the rows."""
        return {name: float(values.mean()) for name, values in self.rows.items()}

    @property
    def ratio(self) -> float | None:
        """The autoencoder's error over PCA's; None where PCA is exact, which leaves nothing to divide by."""
        errors = self.errors
        return errors["autoencoder"] / errors["pca"] if errors["pca"] > 1e-10 * errors["mean"] else None

    def interval(self, level: float = 0.95) -> tuple[float, float] | None:
        """A percentile bootstrap interval of the ratio, rows resampled in pairs (Efron & Tibshirani 1993, ch. 13)."""
        if self.ratio is None:
            return None
        # Rows beyond 10,000 are resampled in random groups, which leaves the interval as it is and bounds the work.
        randomness = np.random.default_rng(0)
        order = randomness.permutation(len(self.rows["pca"]))
        groups = np.array_split(order, min(len(order), BOOTSTRAP_GROUPS))
        sums = np.array([[self.rows[name][group].sum() for name in ("autoencoder", "pca")] for group in groups])
        ratios = []
        for _ in range(RESAMPLES):
            weights = np.bincount(randomness.integers(0, len(sums), len(sums)), minlength=len(sums))
            ours, theirs = weights @ sums
            ratios.append(ours / theirs if theirs > 0 else np.inf)
        low, high = np.quantile(ratios, [(1 - level) / 2, (1 + level) / 2])
        return float(low), float(high)

    def verdict(self) -> str:
        """Either "autoencoder" or "pca" where the whole interval is on one side of 1 by 0.1 % or more, else "tie"."""
        interval = self.interval()
        if interval is None:
            return "pca"
        return "autoencoder" if interval[1] < 1 - EQUAL else "pca" if interval[0] > 1 + EQUAL else "tie"

    def metrics(self) -> dict[str, Any]:
        """All figures as plain values."""
        errors, interval = self.errors, self.interval()
        quantiles = [0.05, 0.25, 0.5, 0.75, 0.95]
        return {
            "rows": len(self.rows["pca"]),
            "n_components": int(self.codes["autoencoder"].shape[1]),
            "features": len(self.features["pca"]),
            "unit": UNIT,
            "mean_squared_error": errors["mean"],
            "pca_squared_error": errors["pca"],
            "squared_error": errors["autoencoder"],
            "ratio_to_pca": self.ratio,
            "ratio_interval": None if interval is None else list(interval),
            "verdict": self.verdict(),
            "row_quantiles": {
                name: {str(q): float(v) for q, v in zip(quantiles, np.quantile(values, quantiles), strict=True)}
                for name, values in self.rows.items()
            },
            "trustworthiness": self.trust(),
        }

    def trust(self) -> dict[str, Any]:
        """How far neighbours in the code are neighbours in the input, from 0 to 1 (Venna & Kaski 2001, eq. 2)."""
        rows = len(self.inputs)
        neighbors = min(NEIGHBORS, (rows - 1) // 2)
        if neighbors < 1:
            return {"rows": rows, "neighbors": 0}
        values = {
            name: float(trustworthiness(self.inputs, codes, n_neighbors=neighbors))
            for name, codes in self.codes.items()
        }
        return {"rows": rows, "neighbors": neighbors, **values}


def compare(model: Autoencoder, rows: Rows, *, components: PrincipalComponents) -> Comparison:
    """Reconstruct the rows by their column means, by PCA and by the autoencoder, in pieces.

    Arguments:
        model: in evaluation mode during the call.
        rows: held-out rows.
        components: PCA of the training rows; its center stands for the column means.
    """
    names, done = ("mean", "pca", "autoencoder"), 0
    # Made first: what is kept between the pieces would break up the memory that they share.
    by_row = {name: torch.zeros(len(rows), dtype=torch.float64) for name in names}
    by_feature = {name: torch.zeros(rows.n_features, dtype=torch.float64) for name in names}
    codes: dict[str, list[Tensor]] = {"pca": [], "autoencoder": []}
    inputs: list[Tensor] = []
    for batch, run in passes(model, rows):
        filled = components.fill(batch)
        reconstructions = {
            "mean": components.center.expand_as(filled),
            "pca": components.reconstruct(filled),
            "autoencoder": run.reconstruction,
        }
        for name, reconstruction in reconstructions.items():
            squares = (reconstruction - batch.x).double().square()
            if batch.observed is not None:
                squares = squares * batch.observed
            by_row[name][done : done + len(squares)] = squares.sum(1)
            by_feature[name] += squares.sum(0)
        done += len(filled)
        if sum(map(len, inputs)) < TRUST_ROWS:
            inputs.append(filled)
            codes["pca"].append(components.transform(filled))
            codes["autoencoder"].append(run.code)
    return Comparison(
        {name: errors.numpy() for name, errors in by_row.items()},
        {name: (total / len(rows)).numpy() for name, total in by_feature.items()},
        {name: torch.cat(parts)[:TRUST_ROWS].float().numpy() for name, parts in codes.items()},
        torch.cat(inputs)[:TRUST_ROWS].numpy(),
    )


def passes(model: Autoencoder, rows: Source, *, exact: bool = False) -> Iterator[tuple[Batch, Pass]]:
    """Batches of rows with the model's pass over each, on the processor, in float32 and without a graph.

    With `exact` in float64, where the device has it: in float32 the last digits go by the rows beside a row.
    """
    model = doubled(model) if exact else model
    first = next(model.parameters())
    model.eval()
    for index in torch.arange(len(rows)).split(CHUNK):
        batch = rows.batch(index)
        batch = batch._replace(x=batch.x.to(first.dtype))
        with torch.no_grad():
            run = model(batch.x.to(first.device))
        hidden, energies = (tuple(z.cpu() for z in several) for several in (run.hidden, run.energies))
        yield batch, Pass(batch.x, run.code.cpu(), run.reconstruction.cpu(), hidden, run.natural.cpu(), energies)
