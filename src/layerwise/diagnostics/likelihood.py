"""How likely a restricted Boltzmann machine finds rows: its partition function, exactly or by annealing."""

import itertools
import math
from typing import NamedTuple, final

import torch
from jaxtyping import Float, Int
from torch import Tensor
from torch.nn.functional import logsigmoid, softplus

from layerwise.errors import InputError
from layerwise.models import BernoulliUnits, GaussianUnits, RestrictedBoltzmannMachine
from layerwise.randomness import generator

__all__ = ["LogPartition", "annealed_log_partition", "exact_log_partition", "log_likelihood", "pseudo_likelihood"]

MOST_UNITS = 24
CHUNK = 2**14
HALF_LOG_TWO_PI = 0.5 * math.log(2 * math.pi)


@final
class LogPartition(NamedTuple):
    """An estimate of log Z in nats, and the ends of an interval of three standard errors around Z."""

    value: float
    low: float
    high: float


@torch.no_grad()
def exact_log_partition(machine: RestrictedBoltzmannMachine) -> float:
    r"""The logarithm of the partition function, Z = sum or integral of e^{-F(v)}, in nats.

    Sums over all states of the hidden units, or of the visible ones where these are binary and fewer.

    Raises:
        InputError: for more than 24 binary units on the smaller side.

    >>> exact_log_partition(RestrictedBoltzmannMachine(6, 4).double()) > 6 * math.log(2)
    True
    """
    code, features = machine.weight.shape
    binary = {
        "hidden": code if isinstance(machine.hidden, BernoulliUnits) else MOST_UNITS + 1,
        "visible": features if isinstance(machine.visible, BernoulliUnits) else MOST_UNITS + 1,
    }
    side = min(binary, key=lambda name: binary[name])
    if binary[side] > MOST_UNITS:
        raise InputError(
            f"an exact sum needs at most {MOST_UNITS} binary hidden or visible units; the machine has {code} hidden "
            f"and {features} visible ones. Use annealed_log_partition."
        )
    totals = []
    for states in _states(binary[side], machine.weight):
        if side == "visible":
            totals.append(-machine.free_energy(states))
        else:
            totals.append(states @ machine.hidden_bias + _visible_partition(machine, machine.down(states)))
    return float(torch.cat(totals).logsumexp(0))


@torch.no_grad()
def annealed_log_partition(
    machine: RestrictedBoltzmannMachine,
    base: Float[Tensor, " features"] | None = None,
    *,
    chains: int = 100,
    temperatures: int = 10_000,
    seed: int = 0,
) -> LogPartition:
    r"""An estimate of log Z by annealed importance sampling.

    Chains go from independent visible units with biases `base` (\beta = 0) to the machine (\beta = 1):

    .. math:: \log p^*_\beta(v) = (1 - \beta) a^T v + \beta b^T v + \sum_j \log(1 + e^{\beta (w_j^T v + c_j)}) + \dots

    Arguments:
        machine: with binary hidden units.
        base: biases a of the visible units; good ones give the mean of the data (`log_odds` of it for binary units).
            By default the machine's own.
        chains: independent runs.
        temperatures: values of \beta; the first half of them is spent on the first tenth of the way.
        seed: of the draws.

    Raises:
        InputError: for hidden units that are not binary, fewer than 2 chains, or than 3 temperatures.

    Source: Neal 2001; Salakhutdinov & Murray 2008, "On the quantitative analysis of deep belief networks", section 4.1.

    >>> machine = RestrictedBoltzmannMachine(6, 4)
    >>> bool(abs(annealed_log_partition(machine, temperatures=10).value - exact_log_partition(machine)) < 0.1)
    True
    """
    if not isinstance(machine.hidden, BernoulliUnits):
        raise InputError(f"annealing needs binary hidden units; got {machine.hidden}.")
    if chains < 2 or temperatures < 3:
        raise InputError(f"at least 2 chains and 3 temperatures are needed; got {chains} and {temperatures}.")
    weight, bias = machine.weight, machine.visible_bias
    base = bias if base is None else base.to(weight)
    noise = generator(seed, device=weight.device)
    slow = temperatures // 2
    steps = torch.cat([torch.linspace(0, 0.1, slow + 1)[:-1], torch.linspace(0.1, 1, temperatures - slow)]).tolist()
    v = machine.visible.sample(base.expand(chains, -1), noise)
    weights = torch.zeros(chains, dtype=torch.float64, device=weight.device)
    for before, now in itertools.pairwise(steps):
        linear, tilt = machine.up(v), v @ (bias - base)
        hidden = softplus(now * linear).sum(1) - softplus(before * linear).sum(1)
        weights += (hidden + (now - before) * tilt).double()
        h = machine.hidden.sample(now * linear, noise)
        v = machine.visible.sample((1 - now) * base + now * bias + now * (h @ weight), noise)
    start = len(machine.hidden_bias) * math.log(2) + float(_visible_partition(machine, base[None]))
    return _summary(weights, start)


def log_likelihood(
    machine: RestrictedBoltzmannMachine, x: Float[Tensor, "rows features"], *, log_partition: float
) -> Float[Tensor, " rows"]:
    """The log-probability (or density) of each row in nats, given log Z.

    >>> machine = RestrictedBoltzmannMachine(6, 4)
    >>> log_likelihood(machine, torch.zeros(1, 6), log_partition=exact_log_partition(machine)).shape
    torch.Size([1])
    """
    with torch.no_grad():
        return -machine.free_energy(x) - log_partition


@torch.no_grad()
def pseudo_likelihood(
    machine: RestrictedBoltzmannMachine,
    x: Float[Tensor, "rows features"],
    *,
    seed: int | None = None,
    units: Int[Tensor, " rows"] | None = None,
) -> Float[Tensor, " rows"]:
    r"""The sum over visible units of the log-probability of each given all others, in nats.

    .. math:: \sum_i \log \sigma(F(v^{(i)}) - F(v)), \quad v^{(i)} = v \text{ with unit } i \text{ flipped}

    Arguments:
        machine: with binary visible units.
        x: binary rows.
        seed: draws one unit for each row and counts it for all: unbiased, and as fast as one pass; None takes all.
        units: the one unit of each row, where the caller draws it.

    Raises:
        InputError: for visible units that are not binary.

    Source: Besag 1975; with one drawn unit as in scikit-learn's BernoulliRBM.

    >>> pseudo_likelihood(RestrictedBoltzmannMachine(6, 4, seed=1), torch.zeros(1, 6)).round()
    tensor([-4.])
    """
    if not isinstance(machine.visible, BernoulliUnits):
        raise InputError(f"the pseudo-likelihood needs binary visible units; got {machine.visible}.")
    rows, features = x.shape
    if seed is not None:
        units = torch.randint(features, (rows,), generator=generator(seed))
    linear = machine.up(x)
    hidden = machine.hidden.log_partition(linear).sum(1)

    def flipped(units: Tensor) -> Tensor:
        # A flip changes the linear values of the hidden units by one column of the weights.
        change = 1 - 2 * x.gather(1, units[:, None])
        moved = machine.hidden.log_partition(linear + change * machine.weight.T[units]).sum(1)
        return logsigmoid(hidden - moved - change[:, 0] * machine.visible_bias[units])

    if units is not None:
        return features * flipped(units.to(x.device))
    return torch.stack([flipped(torch.full((rows,), unit, device=x.device)) for unit in range(features)]).sum(0)


def _states(units: int, like: Tensor) -> list[Tensor]:
    """All binary vectors, in portions."""
    powers = torch.arange(units, device=like.device)
    numbers = torch.arange(2**units, device=like.device)
    return [((part[:, None] >> powers) & 1).to(like.dtype) for part in numbers.split(CHUNK)]


def _visible_partition(machine: RestrictedBoltzmannMachine, linear: Tensor) -> Tensor:
    """The logarithm of the sum, or of the integral, over the visible units with given linear values."""
    total = machine.visible.log_partition(linear).sum(1)
    return total + linear.shape[1] * HALF_LOG_TWO_PI if isinstance(machine.visible, GaussianUnits) else total


def _summary(weights: Tensor, start: float) -> LogPartition:
    mean = float(weights.logsumexp(0)) - math.log(len(weights))
    # The standard error of the mean weight, relative to it; three of them either way.
    error = float((weights - mean).exp().std()) / math.sqrt(len(weights))
    low = math.log(1 - 3 * error) if 3 * error < 1 else -math.inf
    return LogPartition(start + mean, start + mean + low, start + mean + math.log(1 + 3 * error))
