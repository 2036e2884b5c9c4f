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

import math
from itertools import pairwise
from typing import NamedTuple, TypeGuard, final

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from scipy.integrate import solve_ivp
from torch import Tensor, nn

from layerwise.data import Batch
from layerwise.diagnostics.findings import Finding
from layerwise.errors import InputError
from layerwise.models import Dense, DenseLayer, Feedforward, Layer, Mirrored, Orthogonal, Pass, identity
from layerwise.optim import FirstOrder, Problem, Terms, walk
from layerwise.penalties import squared_error
from layerwise.randomness import generator

__all__ = [
    "Modes",
    "conserved",
    "deep_theory",
    "end_to_end",
    "is_linear",
    "learning_dynamics",
    "learning_time",
    "mode_strengths",
    "modes_of",
    "theory",
]

TOLERANCE = 1e-9
# Of a net that is begun again: how strong modes are at first, how many are shown, how weak beside the strongest, and
# from when on one counts as learned; the step of gradient descent in units of the fastest time, and their number.
INITIAL, MODES, WEAK, LEARNED = 0.03, 4, 0.2, 0.9
STEP, STEPS = 0.1, 1000


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


def is_linear(model: nn.Module) -> TypeGuard[Mirrored]:
    """Whether an autoencoder is one chain of linear layers, of whose learning there is a theory.

    >>> from layerwise.models import Dense, Layer
    >>> is_linear(Dense(3, code=2, layer=Layer(identity))), is_linear(Dense(3, (3,), code=2))
    (True, False)
    """
    return isinstance(model, Mirrored) and not _lack(model)


def learning_dynamics(model: Mirrored, x: Float[Tensor, "rows features"], *, seed: int = 0) -> Finding:
    """How a linear autoencoder of this shape learns the modes of some rows, and which of them the model has learned.

    "measured" among the curves are the strengths of the strongest modes, at most 4, in gradient descent on the modes
    from first weights as the theory has them: small, the same in all layers, set apart by modes, without biases.
    "theory" is what `deep_theory` says of them. A mode counts as learned by the model where its strength is at least
    0.9 of 1, with which it ends.

    Arguments:
        model: of linear layers, with any weights.
        x: rows.
        seed: of the hidden layers' directions.

    Raises:
        InputError: as `end_to_end`.

    Source: Saxe et al. 2013, section 1.3.

    >>> from layerwise.models import Dense, Layer
    >>> x = torch.randn(50, 4, generator=torch.Generator().manual_seed(0))
    >>> learning_dynamics(Dense(4, code=2, layer=Layer(identity)), x).figures["room for modes"]
    2
    """
    modes = modes_of(x.double(), x.double())
    room = min(min(weight.shape) for weight in _weights(model))
    room = min(room, int((modes.strengths > TOLERANCE * modes.strengths[0]).sum()))
    present = mode_strengths(model, modes)[:room]
    shown = min(MODES, int((modes.strengths[:room] > WEAK * modes.strengths[0]).sum()))
    times, measured = _learned(_fresh(model, modes, room=room, seed=seed), modes, room=room, shown=shown)
    expected = [
        deep_theory(times, strength=strength, initial=INITIAL, layers=2 * model.depth, variance=strength)
        for strength in modes.strengths[:shown].tolist()
    ]
    missing = [number for number, strength in enumerate(present.tolist()) if strength < LEARNED]
    figures = {
        "modes learned": room - len(missing),
        "room for modes": room,
        "largest distance from the theory": float(np.abs(measured.T - np.stack(expected)).max()),
    }
    curves = {
        "times": times.tolist(),
        "measured": measured.T.tolist(),
        "theory": [curve.tolist() for curve in expected],
        "present": present[:shown].tolist(),
    }
    if not missing:
        told = f"All {room} modes that the code has room for are learned: only a wider code could learn more."
        return Finding("dynamics", figures, "fine", told, curves)
    longer = float(modes.strengths[0] / modes.strengths[missing[-1]])
    told = (
        f"{room - len(missing)} of {room} modes are learned, and by theory mode {missing[-1] + 1} takes {longer:.2g} "
        "times as long as the first: train longer, or raise the rate."
    )
    return Finding("dynamics", figures, "look", told, curves)


def _widths(model: Mirrored) -> list[int]:
    """From the input to the code."""
    weights = [_dense(layer).effective_weight for layer in model.encoder]
    return [weights[0].shape[1], *(len(weight) for weight in weights)]


def _fresh(model: Mirrored, modes: Modes, *, room: int, seed: int) -> Dense:
    """A net of the same shape, in which each mode goes its own way, with the same strength in all layers."""
    features, *widths = _widths(model)
    net = Dense(features, widths[:-1], code=widths[-1], layer=Layer(identity)).double()
    noise = generator(seed, -14)
    ways = [
        modes.inputs[:, :room],
        *(Orthogonal()(width, room, gain=1.0, generator=noise).double() for width in widths),
    ]
    size = INITIAL ** (1 / (2 * net.depth))
    for layer, (before, after) in zip((*net.encoder, *net.decoder), pairwise([*ways, *ways[-2::-1]]), strict=True):
        chosen = _dense(layer)
        assert chosen.bias is not None
        chosen.set_affine(size * after @ before.T, torch.zeros_like(chosen.bias))
        chosen.bias.requires_grad_(False)
    return net


def _learned(net: Dense, modes: Modes, *, room: int, shown: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The times and the strengths of the first modes, of shape (times, modes), until the last of them is learned."""
    layers, strengths = 2 * net.depth, modes.strengths
    # A step that every mode can follow: what is learned returns at this speed.
    step = STEP / (layers * float(strengths[0]))
    steps = min(STEPS, math.ceil(_time(INITIAL, layers=layers) / float(strengths[shown - 1]) / step))
    # One row for each mode.
    rows = (room * strengths[:room]).sqrt()[:, None] * modes.inputs[:, :room].T
    problem, descent = Problem(net, _HalfError(), Batch(rows, None)), FirstOrder(torch.optim.SGD, lr=step)
    # The net is moved along.
    curve = [mode_strengths(net, modes)[:shown] for _ in walk(problem, descent, steps=steps)]
    return step * np.arange(steps + 1, dtype=np.float64), torch.stack(curve).numpy()


@final
class _HalfError:
    """The loss of the theory."""

    def terms(self, run: Pass, target: Batch, model: nn.Module, *, progress: float) -> Terms:
        """Half the squared error: mean over the rows."""
        return {"error": squared_error(run, target) / 2}


def _time(initial: float, *, layers: int) -> float:
    """Until a mode of strength and variance 1 is learned, in units of tau: what `deep_theory` integrates."""
    place = np.linspace(np.log(initial), np.log(LEARNED), 1000)
    u = np.exp(place)
    return float(np.trapezoid(1 / (layers * u ** (1 - 2 / layers) * (1 - u)), place))


def _weights(model: Feedforward) -> list[Tensor]:
    """From the input up, in float64."""
    lack = _lack(model)
    if lack:
        raise InputError(f"the dynamics of linear nets need {lack}")
    return [_dense(layer).effective_weight.detach().double() for layer in (*model.encoder, *model.decoder)]


def _lack(model: Feedforward) -> str:
    """What a model would need to be a net of linear layers; nothing where it is one."""
    if model.front is not None or model.linear_path is not None:
        return "one chain of layers; this model has more beside it."
    for number, layer in enumerate(map(_dense, (*model.encoder, *model.decoder)), 1):
        if layer.activation is not identity or not isinstance(layer.normalize, nn.Identity):
            return f"linear layers without normalization; layer {number} is not."
    return ""


def _dense(module: nn.Module) -> DenseLayer:
    # ModuleList forgets the type of what it holds.
    assert isinstance(module, DenseLayer)
    return module


def _check_positive(strength: float, initial: float, variance: float) -> None:
    for name, value in (("strength", strength), ("initial", initial), ("variance", variance)):
        if not 0 < value < np.inf:
            raise InputError(f"{name} must be above 0 and finite; got {value}.")
