r"""How deep linear nets learn: mode by mode, as the theory says and as measured.

A net of linear layers learns the map from x to y one singular vector of their correlation at a time, each along a
sigmoid: the stronger it is, the sooner. The theory holds for gradient descent with a small step on

.. math:: \tfrac12\, \mathrm{E}\, \lVert y - W_D \cdots W_1 x \rVert^2

from small first weights that lie along these vectors and are the same in all layers. Time is in units of tau, 1 over
the rate: a step of gradient descent at the rate r is a time of r, and one on the library's squared error, which has no
1/2, a time of 2 r.

Source: Saxe, McClelland & Ganguli 2013, "Exact solutions to the nonlinear dynamics of learning in deep linear neural
networks".
"""

from itertools import pairwise
from typing import NamedTuple, final

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.integrate import solve_ivp
from torch import Tensor, nn

from layerwise.errors import InputError
from layerwise.models import DenseLayer, Feedforward, identity

__all__ = [
    "Modes",
    "conserved",
    "deep_theory",
    "end_to_end",
    "learning_time",
    "mode_strengths",
    "modes_of",
    "theory",
]

TOLERANCE = 1e-9


@final
class Modes(NamedTuple):
    """What there is to learn, one mode a column, the strongest first.

    Attributes:
        outputs: left singular vectors of E[y x'], shape (outputs, modes).
        strengths: singular values, in which the map y = W x has its modes when it is learned and inputs are white.
        inputs: right singular vectors, shape (inputs, modes).
        variances: of the inputs along these; all 1 for white inputs.
    """

    outputs: Float[Tensor, "outputs modes"]
    strengths: Float[Tensor, " modes"]
    inputs: Float[Tensor, "inputs modes"]
    variances: Float[Tensor, " modes"]


def modes_of(x: Float[Tensor, "rows inputs"], y: Float[Tensor, "rows outputs"]) -> Modes:
    """The modes of the map from x to y; those of an autoencoder, y = x, are the principal components.

    Rows are taken as they are: an autoencoder without biases learns the components about 0, not about the mean.

    >>> x = 2 * torch.eye(4)[:, :2]
    >>> modes_of(x, x * torch.tensor([5.0, 3.0])).strengths
    tensor([5., 3.])
    """
    left, strengths, right = torch.linalg.svd(y.double().T @ x.double() / len(x), full_matrices=False)
    variances = (x.double() @ right.T).square().mean(0)
    return Modes(*(part.to(x.dtype) for part in (left, strengths, right.T, variances)))


def theory(
    times: Float[np.ndarray, " times"], *, strength: float, initial: float, variance: float = 1.0
) -> NDArray[np.float64]:
    r"""How strong a mode of a three-layer linear net (one hidden layer) is at some times, in closed form.

    .. math:: u(t) = \frac{u_f e^{2 s t}}{e^{2 s t} - 1 + u_f / u_0}, \quad u_f = s / \lambda

    Arguments:
        times: in units of tau.
        strength: s, the singular value of E[y x'].
        initial: u0, the strength at time 0, above 0.
        variance: lambda, of the inputs along the mode; 1 for white inputs, as the source has them. For an autoencoder
            it is s, and every mode ends at 1.

    Raises:
        InputError: for numbers that are not above 0.

    Source: Saxe et al. 2013, equation 12.

    >>> theory(np.array([0.0, 1.0, 5.0]), strength=3.0, initial=0.001).round(3).tolist()
    [0.001, 0.356, 3.0]
    """
    _check_positive(strength, initial, variance)
    end = strength / variance
    # The equation with e^(2st) divided out, which would overflow.
    decay = np.exp(-2 * strength * np.asarray(times, np.float64))
    return np.asarray(end / (1 + (end / initial - 1) * decay))


def learning_time(*, strength: float, initial: float, final_strength: float, variance: float = 1.0) -> float:
    r"""When a mode of a three-layer linear net reaches a strength, in units of tau.

    .. math:: t = \frac{1}{2 s} \ln \frac{u (u_f - u_0)}{u_0 (u_f - u)}

    Arguments:
        strength, initial, variance: as in `theory`.
        final_strength: u, below u_f = s / lambda.

    Raises:
        InputError: for numbers that are not above 0, or strengths that the mode does not go through.

    Source: Saxe et al. 2013, equation 11.

    >>> time = learning_time(strength=3.0, initial=0.001, final_strength=1.5)
    >>> theory(np.array([time]), strength=3.0, initial=0.001).round(6)
    array([1.5])
    """
    _check_positive(strength, initial, variance)
    end = strength / variance
    if not initial <= final_strength < end:
        raise InputError(
            f"the final strength must be from {initial:g} (the initial one) to below {end:g}; got {final_strength:g}."
        )
    return float(np.log(final_strength * (end - initial) / (initial * (end - final_strength))) / (2 * strength))


def deep_theory(
    times: Float[np.ndarray, " times"], *, strength: float, initial: float, layers: int, variance: float = 1.0
) -> NDArray[np.float64]:
    r"""How strong a mode of a deep linear net is at some times, integrated numerically.

    .. math:: \frac{du}{dt} = D\, u^{2 - 2/D} (s - \lambda u)

    Arguments:
        times, strength, initial, variance: as in `theory`; times from 0 on, and rising.
        layers: D, the number of weight matrices; 2 gives what `theory` gives.

    Raises:
        InputError: for numbers that are not above 0, or times that do not rise from 0 on.

    Source: Saxe et al. 2013, equation 15, where N_l = D + 1.

    >>> deep_theory(np.array([0.0, 1.0, 5.0]), strength=3.0, initial=0.001, layers=2).round(3).tolist()
    [0.001, 0.356, 3.0]
    """
    _check_positive(strength, initial, variance)
    if layers < 1:
        raise InputError(f"layers must be at least 1; got {layers}.")
    moments = np.asarray(times, np.float64)
    if not moments.size or moments[0] < 0 or (np.diff(moments) < 0).any():
        raise InputError("times must be one or more numbers from 0 on that do not fall.")
    span = 0.0, max(float(moments[-1]), TOLERANCE)

    # Of the logarithm: strengths grow over many orders of magnitude.
    def growth(_: float, logarithm: NDArray[np.float64]) -> NDArray[np.float64]:
        u = np.exp(logarithm)
        return np.asarray(layers * u ** (1 - 2 / layers) * (strength - variance * u))

    start = np.array([np.log(initial)])
    solved = solve_ivp(growth, span, start, "LSODA", t_eval=moments, rtol=TOLERANCE, atol=TOLERANCE)
    return np.asarray(np.exp(solved.y[0]))


def end_to_end(model: Feedforward) -> Float[Tensor, "outputs inputs"]:
    """The matrix W_D ... W_1 that a net of linear layers is, without its biases; in float64.

    Raises:
        InputError: for a model that is not linear, or has more than one path.

    >>> from layerwise.models import Dense, Layer
    >>> model = Dense(3, (3, 3), code=3, layer=Layer(identity), seed=0)
    >>> torch.linalg.svdvals(end_to_end(model)).round(decimals=5)
    tensor([1., 1., 1.], dtype=torch.float64)
    """
    product, *others = _weights(model)
    for weight in others:
        product = weight @ product
    return product


def mode_strengths(model: Feedforward, modes: Modes) -> Float[Tensor, " modes"]:
    r"""How strong each mode is in a net of linear layers: what is to be compared with the theory.

    .. math:: u_\alpha = l_\alpha^\top W_D \cdots W_1 r_\alpha

    It costs as much as a pass of some rows; a watcher may take it after every step of a training:
    `History(watch=[lambda event: curve.append(mode_strengths(model, modes))])`.

    Raises:
        InputError: as `end_to_end`, or for modes of other widths.

    >>> from layerwise.models import Dense, Layer
    >>> model = Dense(2, code=2, layer=Layer(identity))
    >>> x = torch.tensor([[2.0, 0.0], [0.0, 1.0]])
    >>> mode_strengths(model, modes_of(x, x)).shape
    torch.Size([2])
    """
    product = end_to_end(model)
    expected = len(modes.outputs), len(modes.inputs)
    if product.shape != expected:
        raise InputError(f"the modes are of a map with shape {expected}; the model has {tuple(product.shape)}.")
    left, right = (part.to(product) for part in (modes.outputs, modes.inputs))
    return torch.einsum("om,oi,im->m", left, product, right)


def conserved(model: Feedforward) -> list[Float[Tensor, "units units"]]:
    r"""What gradient descent with small steps never changes in a net of linear layers, for each hidden layer.

    .. math:: W_l W_l^\top - W_{l+1}^\top W_{l+1}

    Along a mode of a three-layer net it is a^2 - b^2. With steps of size r it changes, up to a given time, by an amount
    that is proportional to r. Biases break it where they learn.

    Raises:
        InputError: as `end_to_end`.

    Source: Saxe et al. 2013, section 1.2.

    >>> from layerwise.models import Dense, Layer
    >>> model = Dense(3, (3,), code=3, layer=Layer(identity), seed=0)
    >>> [bool(kept.abs().max() < 1e-6) for kept in conserved(model)]
    [True, True, True]
    """
    return [first @ first.T - second.T @ second for first, second in pairwise(_weights(model))]


def _weights(model: Feedforward) -> list[Tensor]:
    """From the input up, in float64."""
    if model.front is not None or model.linear_path is not None:
        raise InputError("the dynamics of linear nets need one chain of layers; this model has more beside it.")
    found = list[Tensor]()
    for layer in (*model.encoder, *model.decoder):
        assert isinstance(layer, DenseLayer)
        if layer.activation is not identity or not isinstance(layer.normalize, nn.Identity):
            raise InputError(
                f"the dynamics of linear nets need linear layers without normalization; layer {len(found) + 1} is not."
            )
        found.append(layer.effective_weight.detach().double())
    return found


def _check_positive(strength: float, initial: float, variance: float) -> None:
    for name, value in (("strength", strength), ("initial", initial), ("variance", variance)):
        if not 0 < value < np.inf:
            raise InputError(f"{name} must be above 0 and finite; got {value}.")
