"""How much of the rows a model keeps: any fidelity over all rows, and how far neighbours stay neighbours."""

from typing import NamedTuple, final

import numpy as np
from jaxtyping import Float
from sklearn.manifold import trustworthiness

from layerwise.data import Source
from layerwise.diagnostics.checks import check_paired, check_table
from layerwise.diagnostics.reconstruction import passes
from layerwise.errors import InputError
from layerwise.models import Autoencoder
from layerwise.penalties import Fidelity

__all__ = ["Neighbourhoods", "mean_fidelity", "neighbourhoods"]


@final
class Neighbourhoods(NamedTuple):
    """How far neighbours in the code are neighbours in the input, and the other way round; 1 is best."""

    trustworthiness: float
    continuity: float


def mean_fidelity(model: Autoencoder, rows: Source, *, fidelity: Fidelity) -> float:
    """A fidelity of the clean rows in its own unit: sum over features, mean over rows, observed cells only.

    Arguments:
        model: in evaluation mode during the call and after it.
        rows: in portions, so that there may be any number of them.
        fidelity: for instance `squared_error`, `cross_entropy` or `reverse_cross_entropy` of `layerwise.penalties`.

    Raises:
        InputError: for no rows, and whatever the fidelity raises.

    >>> import torch
    >>> from layerwise.models import Dense
    >>> from layerwise.penalties import squared_error
    >>> from layerwise.training import TensorRows
    >>> model = Dense(3, code=3)
    >>> _ = torch.nn.init.zeros_(model.decoder[0].weight)
    >>> mean_fidelity(model, TensorRows(torch.eye(3)), fidelity=squared_error)
    1.0
    """
    if not len(rows):
        raise InputError("the mean over no rows is nothing; give at least 1 row.")
    return sum(float(fidelity.rows(run, batch).double().sum()) for batch, run in passes(model, rows)) / len(rows)


def neighbourhoods(
    inputs: Float[np.ndarray, "rows features"], codes: Float[np.ndarray, "codes units"], *, k: int = 5
) -> Neighbourhoods:
    r"""Trustworthiness and continuity of codes, both from 0 to 1 and about 1/2 for codes that know nothing.

    .. math:: T = 1 - \frac{2}{n k (2 n - 3 k - 1)} \sum_i \sum_{j \in U_i} (r(i, j) - k)

    with U_i the rows that are among the k nearest of row i in the code but not in the input, and r(i, j) the place of
    j in the order of distance from i in the input. Continuity is the same with the roles of input and code exchanged:
    it falls where neighbours are torn apart, trustworthiness where strangers are brought together. Distances are
    Euclidean. Memory grows with the square of the rows, 0.6 GB for 5000: take a sample of more.

    Arguments:
        inputs: the rows.
        codes: one for each row.
        k: the number of neighbours, below half of the number of rows.

    Raises:
        InputError: for another number of codes than rows, a value that is not finite, or k out of range.

    Source: Venna & Kaski 2001, "Neighborhood preservation in nonlinear projection methods", eq. 1 and 2.

    >>> line = np.arange(10.0)[:, None]
    >>> neighbourhoods(line, -line, k=2)
    Neighbourhoods(trustworthiness=1.0, continuity=1.0)
    """
    rows, codes = check_table("inputs", inputs), check_table("codes", codes)
    check_paired("rows", rows, codes=codes)
    if not 1 <= k < len(rows) / 2:
        raise InputError(f"k must be at least 1 and below half of the rows; got {k} for {len(rows)} rows.")
    trusted, continuous = (trustworthiness(a, b, n_neighbors=k) for a, b in ((rows, codes), (codes, rows)))
    return Neighbourhoods(float(trusted), float(continuous))
