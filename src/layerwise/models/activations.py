"""Activations, and the gain that keeps the size of a signal through a layer.

Any elementwise callable serves as an activation; those listed here have a name in model folders and on the command
line. `Maxout` is the one that changes the width: the layer before it makes `pieces` times as many numbers. `TopK`
compares the units of a row with each other.
"""

import functools
import inspect
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Float
from scipy.special import bdtr, ndtr
from torch import Tensor
from torch.nn.functional import elu, gelu, leaky_relu, relu, selu, silu, softplus

from layerwise.errors import InputError

__all__ = [
    "Activation",
    "Maxout",
    "TopK",
    "activation_from_name",
    "activation_name",
    "critical_gain",
    "elu",
    "gain",
    "gelu",
    "identity",
    "leaky_relu",
    "relu",
    "selu",
    "shown",
    "sigmoid",
    "silu",
    "softplus",
    "tanh",
]

Activation = Callable[[Tensor], Tensor]

NEAR = 1e-6  # To 0, for slopes.

sigmoid: Activation = torch.sigmoid
tanh: Activation = torch.tanh


def identity(x: Tensor) -> Tensor:
    """The linear unit: gives back its input."""
    return x


@final
@dataclass(frozen=True)
class Maxout:
    """The largest of `pieces` linear functions: h_i = max_j (W x + b)_ij.

    Source: Goodfellow et al. 2013, "Maxout networks", section 3.

    >>> Maxout(2)(torch.tensor([[1.0, 4.0, -1.0, -2.0]]))
    tensor([[ 4., -1.]])
    """

    pieces: int = 2

    def __post_init__(self) -> None:
        if self.pieces < 2:
            raise InputError(f"pieces of Maxout must be at least 2; got {self.pieces}.")

    def __call__(self, x: Float[Tensor, "batch pieces_units"]) -> Float[Tensor, "batch units"]:
        """Reduce neighbouring groups of `pieces` columns to their maximum."""
        return x.unflatten(-1, (-1, self.pieces)).amax(-1)


@final
@dataclass(frozen=True)
class TopK:
    """Keeps the `k` largest linear values of each row as they are and sets the others to 0: a sparse code.

    Exactly k are kept, of equal ones some; only they get a gradient, which leaves a unit that is never among them as
    it is (see `layerwise.penalties.Revival`). A layer with fewer than k units is refused when it is made.

    Raises:
        InputError: for k below 1.

    Source: Makhzani & Frey 2013, "k-sparse autoencoders", section 2.

    >>> TopK(2)(torch.tensor([[1.0, 4.0, -1.0, 2.0]]))
    tensor([[0., 4., 0., 2.]])
    """

    k: int

    def __post_init__(self) -> None:
        if self.k < 1:
            raise InputError(f"k of TopK must be at least 1; got {self.k}.")

    def __call__(self, x: Float[Tensor, "batch units"]) -> Float[Tensor, "batch units"]:
        """Zero all but the k largest of each row."""
        values, places = x.topk(self.k, dim=-1, sorted=False)
        return torch.zeros_like(x).scatter(-1, places, values)


_NAMED: dict[str, Activation] = {
    "identity": identity,
    "sigmoid": sigmoid,
    "tanh": tanh,
    "relu": relu,
    "leaky_relu": leaky_relu,
    "elu": elu,
    "selu": selu,
    "silu": silu,
    "gelu": gelu,
    "softplus": softplus,
}


def activation_name(activation: Activation) -> str:
    """The name under which an activation is written to a file, for instance "silu", "maxout:2" or "topk:25".

    Raises:
        InputError: for a callable that is not one of this module's.

    >>> activation_name(relu), activation_name(Maxout(3))
    ('relu', 'maxout:3')
    """
    if isinstance(activation, Maxout):
        return f"maxout:{activation.pieces}"
    if isinstance(activation, TopK):
        return f"topk:{activation.k}"
    for name, function in _NAMED.items():
        if function is activation:
            return name
    raise InputError(
        f"an activation that is written to a file must be one of {', '.join(_NAMED)}, Maxout or TopK; "
        f"got {shown(activation)}."
    )


def shown(value: object) -> str:
    """A value as a message names it: a function by its name, without its address.

    >>> shown(tanh), shown(Maxout(3))
    ('tanh', 'Maxout(pieces=3)')
    """
    return value.__name__ if inspect.isroutine(value) else repr(value)


def activation_from_name(name: str) -> Activation:
    """The activation of a given name; the inverse of `activation_name`.

    Raises:
        InputError: for an unknown name.

    >>> activation_from_name("maxout:3")
    Maxout(pieces=3)
    """
    kind, _, number = name.partition(":")
    if kind == "maxout" and (number.isdecimal() or not number):
        return Maxout(int(number or 2))
    if kind == "topk" and number.isdecimal():
        return TopK(int(number))
    if name not in _NAMED:
        raise InputError(f"activation must be one of {', '.join(_NAMED)}, maxout:2, topk:25; got {name!r}.")
    return _NAMED[name]


def expansion(activation: Activation) -> int:
    """How many linear outputs a layer makes for each unit: 1, or the pieces of a `Maxout`."""
    return activation.pieces if isinstance(activation, Maxout) else 1


# Finding the nodes costs more than all else in the making of a small model.
_quadrature = functools.cache(np.polynomial.hermite_e.hermegauss)


def gain(activation: Activation, *, units: int | None = None) -> float:
    r"""The factor on the weights with which a layer keeps the mean square of its signal.

    .. math:: g = \mathrm{E}[f(z)^2]^{-1/2}, \quad z \sim N(0, 1)

    which is sqrt(2) for ReLU (He et al. 2015, eq. 10) and 1 for SELU and linear units; found by Gauss-Hermite
    quadrature, so that any activation, also one of your own, gets its own.

    Arguments:
        units: the width of the layer; only `TopK` asks for it, whose kept values are the larger the more units compete.

    Raises:
        InputError: for `TopK` without `units`.

    >>> [round(gain(f), 3) for f in (identity, relu, selu, tanh)]
    [1.0, 1.414, 1.0, 1.593]
    >>> round(gain(TopK(25), units=1000), 3)
    2.685
    """
    if isinstance(activation, Maxout):
        return (activation.pieces * _square_of_largest(1, activation.pieces)) ** -0.5
    if isinstance(activation, TopK):
        if units is None:
            raise InputError("the gain of TopK depends on the number of units; give units.")
        return _square_of_largest(activation.k, units) ** -0.5
    nodes, weights = _quadrature(200)
    values = activation(torch.tensor(nodes)).double()
    return float(((torch.from_numpy(weights) * values**2).sum() / math.sqrt(2 * math.pi)) ** -0.5)


def critical_gain(activation: Activation, *, units: int | None = None) -> float:
    r"""The factor on the weights with which a small signal neither dies nor explodes on its way through many layers.

    .. math:: g_c = \left(\tfrac12 f'(0^-)^2 + \tfrac12 f'(0^+)^2\right)^{-1/2}

    It is `gain` for a signal near 0: the same for linear, rectified, `Maxout` and `TopK` layers, whose gain does not
    depend on the size of the signal, and 1 instead of 1.593 for tanh. With it orthogonal layers pass gradients back
    unchanged at any depth; with the larger one a deep tanh net passes on signals of a constant size, and gradients that
    grow from layer to layer.

    Arguments:
        units: as in `gain`.

    Raises:
        InputError: for `TopK` without `units`.

    Source: Saxe, McClelland & Ganguli 2013, section 4.

    >>> [round(critical_gain(f), 3) for f in (identity, relu, tanh, sigmoid)]
    [1.0, 1.414, 1.0, 4.0]
    """
    if isinstance(activation, Maxout | TopK):
        return gain(activation, units=units)
    left, middle, right = activation(torch.tensor([-NEAR, 0.0, NEAR], dtype=torch.float64)).tolist()
    slopes = (middle - left) / NEAR, (right - middle) / NEAR
    return ((slopes[0] ** 2 + slopes[1] ** 2) / 2) ** -0.5


def _square_of_largest(k: int, n: int) -> float:
    """The mean square of n normal numbers of which all but the k largest are set to 0.

    A number z is among them if at most k - 1 of the n - 1 others, each with probability 1 - Phi(z), lie above it.
    """
    z, step = np.linspace(-8, 8, 4001, retstep=True)
    density = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    return float((z**2 * density * bdtr(k - 1, n - 1, ndtr(-z))).sum() * step)
