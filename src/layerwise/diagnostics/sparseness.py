"""How few units a code uses, how many sit at an end of their range, and how far the code moves with the input."""

from collections.abc import Callable

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import jacrev, vmap

from layerwise.data import Source
from layerwise.diagnostics.checks import check_table
from layerwise.diagnostics.reconstruction import passes
from layerwise.errors import InputError
from layerwise.models import (
    Activation,
    Autoencoder,
    BernoulliUnits,
    DenseLayer,
    Feedforward,
    Maxout,
    Pass,
    RestrictedBoltzmannMachine,
    identity,
    sigmoid,
    tanh,
)
from layerwise.penalties import Contraction

__all__ = ["active_share", "activity_range", "hoyer", "jacobian_norm", "saturation"]

CELLS = 2**24  # The numbers of one intermediate result; 64 MB in float32.
ROWS = 1024
RANGES: tuple[tuple[Activation, tuple[float, float]], ...] = ((sigmoid, (0.0, 1.0)), (tanh, (-1.0, 1.0)))


def hoyer(codes: Float[np.ndarray, "rows units"]) -> float:
    r"""The sparseness of codes: 0 where all units of a row are equally active, 1 where only one is; mean over rows.

    .. math:: \frac1n \sum_i \frac{\sqrt d - \lVert h_i \rVert_1 / \lVert h_i \rVert_2}{\sqrt d - 1}

    with d units. It does not change when a row is multiplied by a number. A row without any active unit counts as 1,
    as none can be sparser: look at `active_share` too, which tells a sparse code from a dead one.

    Raises:
        InputError: for fewer than 2 units, or a value that is not finite.

    Source: Hoyer 2004, "Non-negative matrix factorization with sparseness constraints", section 3.1.

    >>> round(hoyer(np.array([[0.0, 3.0, 4.0, 0.0], [0.0, 0.0, 0.0, -5.0]])), 4)
    0.8
    """
    sizes = np.abs(check_table("codes", codes))
    units = sizes.shape[1]
    if units < 2:
        raise InputError("the sparseness of a code needs at least 2 units; got 1.")
    largest = sizes.max(axis=1, keepdims=True)
    # Divided by the largest, so that no square gets too small or too large.
    sizes = np.divide(sizes, largest, out=np.zeros_like(sizes), where=largest > 0)
    length = np.sqrt((sizes**2).sum(axis=1))
    ratio = np.divide(sizes.sum(axis=1), length, out=np.ones_like(length), where=length > 0)
    return float(np.mean((units**0.5 - ratio) / (units**0.5 - 1)))


def active_share(codes: Float[np.ndarray, "rows units"], threshold: float = 0.0) -> float:
    r"""The share of activities that are away from 0 by more than a threshold: mean over rows and units, from 0 to 1.

    .. math:: \frac{1}{n d} \sum_{ij} [\, |h_{ij}| > t \,]

    Arguments:
        codes: activities; those of `relu` and `TopK` are exactly 0 where a unit is silent.
        threshold: t, in the units of the code; sigmoid units are never at 0, so give for instance 0.1 for them.

    Raises:
        InputError: for a value that is not finite, or a threshold that is negative or not finite.

    >>> active_share(np.array([[0.0, 3.0], [0.0, 0.0]]))
    0.25
    """
    if not 0 <= threshold < float("inf"):
        raise InputError(f"the threshold must be at least 0 and finite; got {threshold}.")
    return float((np.abs(check_table("codes", codes)) > threshold).mean())


def saturation(model: Autoencoder, rows: Source, *, margin: float = 0.05) -> tuple[float | None, ...]:
    """The share of activities near an end of their range, for each encoder layer: mean over rows and units.

    Near is within `margin` of the width of the range: with 0.05 below 0.05 and above 0.95 for `sigmoid`, beyond 0.9
    either way for `tanh`. No gradient gets through a unit that sits there for all rows.

    Arguments:
        model: in evaluation mode during the call and after it.
        rows: what the activities are computed for.
        margin: between 0 and 0.5.

    Returns:
        from the first hidden layer to the code; None for a layer of another activation.

    Raises:
        InputError: for a model whose activations are not known, no rows, or a margin out of range.

    Source: Glorot & Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks",
    section 3, for what it tells.

    >>> from layerwise.models import Dense, Layer
    >>> from layerwise.training import TensorRows
    >>> model = Dense(1, (2,), code=1, layer=Layer(sigmoid))
    >>> _ = model.encoder[0].weight.data.copy_(torch.tensor([[9.0], [0.0]]))
    >>> saturation(model, TensorRows(torch.tensor([[1.0], [-1.0], [0.0], [0.0]])))
    (0.25, None)
    """
    if not 0 < margin < 0.5:
        raise InputError(f"the margin must be between 0 and 0.5; got {margin}.")
    _check_rows(rows)
    ranges = [activity_range(activation) for activation in _activations(model)]
    near, seen = [0] * len(ranges), [0] * len(ranges)
    for _, run in passes(model, rows):
        for place, (ends, h) in enumerate(zip(ranges, (*run.hidden, run.code), strict=True)):
            if ends is not None:
                low, high = ends
                width = margin * (high - low)
                near[place] += int(((h < low + width) | (h > high - width)).sum())
                seen[place] += h.numel()
    return tuple(count / total if total else None for count, total in zip(near, seen, strict=True))


def jacobian_norm(model: Autoencoder, rows: Source) -> float:
    r"""The Frobenius norm of the encoder's Jacobian: mean over rows, units of the code per unit of the input.

    .. math:: \frac1n \sum_i \lVert J(x_i) \rVert_F, \quad J(x) = \partial h / \partial x

    computed exactly. The penalty `Contraction` is the mean of the squared norm, which is at least the square of this
    mean, and equal to it only where all rows have the same norm. An encoder of one layer costs two passes, any other as
    many as the code has units: with 784-500-250-30 1000 rows take 1 s, with 784-500-500 100 rows. Sample many rows.

    Arguments:
        model: in evaluation mode during the call and after it.
        rows: where the Jacobian is taken.

    Raises:
        InputError: for no rows.

    Source: Rifai et al. 2011, "Contractive auto-encoders", eq. 1 and table 1.

    >>> from layerwise.models import Dense
    >>> from layerwise.training import TensorRows
    >>> model, x = Dense(3, code=2), torch.zeros(4, 3)
    >>> abs(jacobian_norm(model, TensorRows(x)) ** 2 - Contraction()(model(x), model).item()) < 1e-6
    True
    """
    _check_rows(rows)
    model.eval()
    device = next(model.parameters()).device
    squares, most = _squares(model, rows.batch(torch.arange(1)).x.to(device))
    total = 0.0
    for index in torch.arange(len(rows)).split(most):
        with torch.no_grad():
            total += float(squares(rows.batch(index).x.to(device)).double().sqrt().sum())
    return total / len(rows)


def _squares(model: Autoencoder, x: Tensor) -> tuple[Callable[[Tensor], Tensor], int]:
    """What gives the squared norm for each row, and for how many rows at once; `x` is one row."""
    if _is_one_layer(model):
        # The penalty of one row is its squared norm.
        return vmap(lambda row: Contraction()(Pass(row[None], row, row, (), row), model)), ROWS
    with torch.no_grad():
        run = model(x)
    # Not forward, even for a code that is wider than the input: torch's own rules for it warn of a deprecation (2.13).
    jacobian = vmap(jacrev(lambda row: model.encode(row[None])[0]))
    widest = max(z.numel() for z in (x, run.code, *run.hidden))
    return lambda x: jacobian(x).square().flatten(1).sum(1), max(1, CELLS // (widest * run.code.numel()))


def _is_one_layer(model: Autoencoder) -> bool:
    """Whether the encoder is one layer that treats each of its units by itself."""
    if not isinstance(model, Feedforward) or model.depth > 1 or model.front or model.linear_path:
        return False
    layer = model.encoder[0]
    assert isinstance(layer, DenseLayer)
    return isinstance(layer.normalize, nn.Identity) and not isinstance(layer.activation, Maxout)


def _activations(model: Autoencoder) -> list[Activation]:
    if isinstance(model, Feedforward):
        layers = [layer for layer in model.encoder if isinstance(layer, DenseLayer)]
        return [layer.activation for layer in layers]
    if isinstance(model, RestrictedBoltzmannMachine):
        return [sigmoid if isinstance(model.hidden, BernoulliUnits) else identity]
    raise InputError(f"the activations of {type(model).__name__} are not known; give a feedforward model or a machine.")


def activity_range(activation: Activation) -> tuple[float, float] | None:
    """The ends of what an activation can give; None where it is open at an end, or another function.

    >>> activity_range(tanh)
    (-1.0, 1.0)
    """
    return next((ends for function, ends in RANGES if function is activation), None)


def _check_rows(rows: Source) -> None:
    if not len(rows):
        raise InputError("there must be at least 1 row; got none.")
