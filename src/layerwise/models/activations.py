"""Activations, and the gain that keeps the size of a signal through a layer.

Any elementwise callable serves as an activation; those listed here have a name in model folders and on the command
line. `Maxout` is the one that changes the width: the layer before it makes `pieces` times as many numbers.
"""

import functools
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn.functional import elu, gelu, leaky_relu, relu, selu, silu, softplus

from layerwise.errors import InputError

__all__ = [
    "Activation",
    "Maxout",
    "activation_from_name",
    "activation_name",
    "elu",
    "gain",
    "gelu",
    "identity",
    "leaky_relu",
    "relu",
    "selu",
    "sigmoid",
    "silu",
    "softplus",
    "tanh",
]

Activation = Callable[[Tensor], Tensor]

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
    """The name under which an activation is written to a file, for instance "silu" or "maxout:2".

    Raises:
        InputError: for a callable that is not one of this module's.

    >>> activation_name(relu), activation_name(Maxout(3))
    ('relu', 'maxout:3')
    """
    if isinstance(activation, Maxout):
        return f"maxout:{activation.pieces}"
    for name, function in _NAMED.items():
        if function is activation:
            return name
    raise InputError(
        f"an activation that is written to a file must be one of {', '.join(_NAMED)} or Maxout; got {activation!r}."
    )


def activation_from_name(name: str) -> Activation:
    """The activation of a given name; the inverse of `activation_name`.

    Raises:
        InputError: for an unknown name.

    >>> activation_from_name("maxout:3")
    Maxout(pieces=3)
    """
    kind, _, pieces = name.partition(":")
    if kind == "maxout" and (pieces.isdecimal() or not pieces):
        return Maxout(int(pieces or 2))
    if name not in _NAMED:
        raise InputError(f"activation must be one of {', '.join(_NAMED)}, maxout:2; got {name!r}.")
    return _NAMED[name]


def expansion(activation: Activation) -> int:
    """How many linear outputs a layer makes for each unit: 1, or the pieces of a `Maxout`."""
    return activation.pieces if isinstance(activation, Maxout) else 1


# Finding the nodes costs more than all else in the making of a small model.
_quadrature = functools.cache(np.polynomial.hermite_e.hermegauss)


def gain(activation: Activation) -> float:
    r"""The factor on the weights with which a layer keeps the mean square of its signal.

    .. math:: g = \mathrm{E}[f(z)^2]^{-1/2}, \quad z \sim N(0, 1)

    which is sqrt(2) for ReLU (He et al. 2015, eq. 10) and 1 for SELU and linear units; found by Gauss-Hermite
    quadrature, so that any activation, also one of your own, gets its own.

    >>> [round(gain(f), 3) for f in (identity, relu, selu, tanh)]
    [1.0, 1.414, 1.0, 1.593]
    """
    if isinstance(activation, Maxout):
        # E[max^2] of k normal numbers, by quadrature over the density of the largest: k phi(z) Phi(z)^(k - 1).
        z = torch.linspace(-8, 8, 4001, dtype=torch.float64)
        density = torch.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
        weights = activation.pieces * density * torch.special.ndtr(z) ** (activation.pieces - 1) * (z[1] - z[0])
        return float((weights * z**2).sum() ** -0.5)
    nodes, weights_ = _quadrature(200)
    values = activation(torch.tensor(nodes)).double()
    return float(((torch.from_numpy(weights_) * values**2).sum() / math.sqrt(2 * math.pi)) ** -0.5)
