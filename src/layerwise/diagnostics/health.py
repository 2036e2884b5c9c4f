"""Units that do nothing for a model: dead, saturated and duplicate ones; and weights too small to carry a signal."""

import torch
from torch import Tensor

from layerwise.diagnostics.findings import Finding
from layerwise.diagnostics.layers import UnitsAt, has_path_beside, units_at
from layerwise.diagnostics.sparseness import activity_range
from layerwise.models import Autoencoder, relu

__all__ = ["dead_units", "duplicate_units", "saturated_units", "weight_sizes"]

DEAD, SATURATED, ALIKE = 0.5, 0.6, 0.999
MARGIN = 0.02
TINY = 0.1
RECTIFIED = relu, torch.relu


def dead_units(model: Autoencoder, x: Tensor) -> Finding:
    """The share of rectified units that are 0 for every row, in the layer with most of them.

    No gradient gets through such a unit, so that it stays dead. A unit of a convolution is a channel, which is dead
    where all its pixels are; of a model whose units cannot be seen nothing is found.

    Arguments:
        model: in evaluation during the call, and as it was after it.
        x: rows, on the model's device.

    >>> from layerwise.models import Dense, Layer
    >>> model = Dense(2, (4,), code=1, layer=Layer(relu))
    >>> _ = model.encoder[0].bias.data.fill_(-9.0)
    >>> dead_units(model, torch.ones(3, 2)).figures["largest share of a layer"]
    1.0
    """
    units = units_at(model, x)
    if not any(layer.activation for layer in units):
        return _unseen("dead units", model)
    rectified = [layer for layer in units if layer.activation in RECTIFIED]
    shares = [float((layer.outputs <= 0).all(0).double().mean()) for layer in rectified]
    figures = {"rectified layers": len(shares), "largest share of a layer": max(shares, default=0.0)}
    curves = {"layers": [layer.name for layer in rectified], "shares": shares}
    if figures["largest share of a layer"] >= DEAD:
        where = rectified[shares.index(max(shares))].name
        return Finding(
            "dead units",
            figures,
            "fault",
            f"In layer {where} {max(shares):.0%} of the rectified units are 0 for every row: start with biases of 0, "
            "lower the rate, or use leaky ReLU or SiLU units.",
            curves,
        )
    told = "No layer has many dead units." if shares else "No unit is rectified, so none can die."
    return Finding("dead units", figures, "fine", told, curves)


def saturated_units(model: Autoencoder, x: Tensor) -> Finding:
    """The share of activities of sigmoid and tanh units at an end of their range, in the layer with most of them.

    An end is the last 2 % of the range, where the slope is below a tenth of the largest one. The output is left out,
    which may have to be there.

    Arguments:
        model: in evaluation during the call, and as it was after it.
        x: rows, on the model's device.

    Source: Glorot & Bengio 2010, "Understanding the difficulty of training deep feedforward neural networks",
    section 3.

    >>> from layerwise.models import Dense, Layer, sigmoid
    >>> model = Dense(2, (4,), code=1, layer=Layer(sigmoid))
    >>> _ = model.encoder[0].bias.data.fill_(9.0)
    >>> saturated_units(model, torch.zeros(3, 2)).verdict
    'fault'
    """
    units = units_at(model, x)
    if not any(layer.activation for layer in units):
        return _unseen("saturated units", model)
    found = {layer.name: _saturated(layer) for layer in units[:-1]}
    shares = {name: share for name, share in found.items() if share is not None}
    most = max(shares.values(), default=0.0)
    figures = {"bounded layers": len(shares), "largest share of a layer": most}
    curves = {"layers": list(shares), "shares": list(shares.values())}
    if most >= SATURATED:
        where = max(shares, key=lambda name: shares[name])
        return Finding(
            "saturated units",
            figures,
            "fault",
            f"In layer {where} {most:.0%} of the activities sit at an end of their range: start with smaller weights, "
            "scale the input, or lower the rate.",
            curves,
        )
    told = "No layer is saturated." if shares else "No hidden unit has a bounded range, so none can saturate."
    return Finding("saturated units", figures, "fine", told, curves)


def _unseen(name: str, model: Autoencoder) -> Finding:
    kind = type(model).__name__
    return Finding(name, {}, "look", f"What the units of a {kind} do cannot be seen, so nothing is known of them.")


def _saturated(layer: UnitsAt) -> float | None:
    ends = None if layer.activation is None else activity_range(layer.activation)
    if ends is None:
        return None
    low, high = ends
    width = MARGIN * (high - low)
    return float(((layer.outputs < low + width) | (layer.outputs > high - width)).double().mean())


def duplicate_units(model: Autoencoder, x: Tensor) -> Finding:
    """The share of units that go up and down with another one of their layer, in the layer with most of them.

    Two units are alike where the correlation of their activities is above 0.999, either way round. Units without a
    spread are dead or silent, and count for nothing here.

    Arguments:
        model: in evaluation during the call, and as it was after it.
        x: rows, on the model's device; at least 3.

    >>> from layerwise.models import Dense
    >>> model = Dense(2, (4,), code=1)
    >>> _ = model.encoder[0].weight.data.fill_(0.5)
    >>> duplicate_units(model, torch.arange(8.0).reshape(4, 2)).figures["largest share of a layer"]
    0.75
    """
    shares = {layer.name: _duplicates(layer.outputs.double()) for layer in units_at(model, x)[:-1]}
    most = max(shares.values(), default=0.0)
    figures = {"largest share of a layer": most}
    curves = {"layers": list(shares), "shares": list(shares.values())}
    if most > DEAD / 2:
        where = max(shares, key=lambda name: shares[name])
        told = (
            f"In layer {where} {most:.0%} of the units repeat another one: a narrower layer would do, or other seeds."
        )
        return Finding("duplicate units", figures, "look", told, curves)
    return Finding("duplicate units", figures, "fine", "Hardly any unit repeats another one.", curves)


def _duplicates(values: Tensor) -> float:
    centered = values - values.mean(0)
    lengths = centered.norm(dim=0)
    alive = lengths > 1e-6 * lengths.max().clamp_min(1e-30)
    if int(alive.sum()) < 2 or len(values) < 3:
        return 0.0
    directions = centered[:, alive] / lengths[alive]
    alike = (directions.T @ directions).abs() > ALIKE
    # A unit repeats another one where one of those before it is like it.
    return float(alike.tril(-1).any(1).double().sum()) / values.shape[1]


def weight_sizes(model: Autoencoder) -> Finding:
    r"""How large the weights are, beside what keeps a signal's size: the median over the weight matrices of

    .. math:: \sqrt{\frac{m + n}{2} \cdot \frac{1}{m n} \sum_{ij} W_{ij}^2}

    which is 1 for Glorot's initialization of an m by n matrix and the gain for others. Matrices of zeros are left out:
    nothing was drawn for them.

    Arguments:
        model: any; of the linear path of a `Dense` nothing is counted.

    Source: Glorot & Bengio 2010, equation 12, for the unit.

    >>> from layerwise.models import Dense, Gaussian, Layer
    >>> weight_sizes(Dense(9, (9,), code=9, layer=Layer(initializer=Gaussian(1e-4)))).verdict
    'fault'
    """
    sizes = {
        name.removesuffix(".weight"): _size(parameter.detach())
        for name, parameter in model.named_parameters()
        if parameter.ndim > 1 and not name.startswith("linear_path.")
    }
    drawn = [size for size in sizes.values() if size > 0]
    median = float(torch.tensor(drawn).median()) if drawn else 0.0
    curves = {"layers": list(sizes), "sizes": list(sizes.values())}
    if median < TINY and has_path_beside(model):
        # They begin silent, and are no obstacle to what the path carries.
        told = f"The layers beside the linear path have weights of {median:.1g} of the usual size and say little yet."
        return Finding("tiny weights", {"size": median}, "look", told, curves)
    if not drawn:
        # That is no small size but a saddle, which is a finding of its own.
        told = "All weights are 0, so that units of a layer cannot come to differ: begin from random weights."
        return Finding("tiny weights", {"size": median}, "look", told, curves)
    if median < TINY:
        told = (
            f"The weights are {median:.1g} of the size that keeps a signal's, so nothing gets through: initialize with "
            "Glorot, He or orthogonal weights."
        )
        return Finding("tiny weights", {"size": median}, "fault", told, curves)
    return Finding("tiny weights", {"size": median}, "fine", "The weights are large enough to carry a signal.", curves)


def _size(weight: Tensor) -> float:
    matrix = weight.flatten(1)
    return float((sum(matrix.shape) / 2 * matrix.double().square().mean()).sqrt())
