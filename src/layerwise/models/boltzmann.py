"""The restricted Boltzmann machine: an autoencoder with an energy, and a chain that dreams."""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.nn import functional

from layerwise.errors import InputError
from layerwise.models.base import Autoencoder, Pass
from layerwise.models.initializers import Gaussian, Initializer
from layerwise.models.units import BernoulliUnits, GaussianUnits, Units
from layerwise.randomness import generator

__all__ = ["Chain", "RestrictedBoltzmannMachine"]


@final
@dataclass(frozen=True)
class Chain:
    """How the machine's own samples are drawn in training.

    Arguments:
        steps: of Gibbs sampling between two updates (the k of CD-k).
        particles: persistent chains, which go on from update to update (Tieleman 2008); with 0 every chain starts at
            a row of the data (Hinton 2002).
        mean_visible: the visible units take their means instead of draws, which learns faster from grey pixels; only
            for chains that start at the data (Hinton 2010, "A practical guide", section 3.2).

    Raises:
        InputError: for fewer than 1 step or a negative number of particles.

    >>> Chain(steps=10).particles
    0
    """

    steps: int = 1
    particles: int = 0
    mean_visible: bool = True

    def __post_init__(self) -> None:
        if self.steps < 1 or self.particles < 0:
            raise InputError(f"a chain needs at least 1 step and 0 or more particles; got {self}.")


@final
class RestrictedBoltzmannMachine(Autoencoder):
    r"""Visible and hidden units, each connected with all of the other kind.

    .. math:: F(v) = -b^T v + \frac{[\text{Gaussian visible}]}{2} \lVert v \rVert^2 - \sum_j S(w_j^T v + c_j)

    with S the integral of the hidden units' mean (softplus for binary ones): the probability of a row is
    e^{-F(v)} / Z. The code is the mean of the hidden units, the reconstruction the mean of the visible ones given it.
    In training each pass also draws a sample by Gibbs steps. It is drawn once for each noise key and then held
    constant, so that the difference of the free energies of data and sample is a function whose gradient is that of
    contrastive divergence. It has no least value: far enough along its gradient it falls for ever.

    Arguments:
        features: number of visible units.
        code: number of hidden units.
        visible: `BernoulliUnits` for values in [0, 1], `GaussianUnits` for numbers of variance 1.
        hidden: `BernoulliUnits`, `GaussianUnits` or `RectifiedUnits`.
        chain: how samples are drawn in training.
        initializer: of the weights; the biases are 0.
        seed: of the first weights and of persistent particles.

    Raises:
        InputError: for widths below 1, or visible units that are rectified.

    Sources: Smolensky 1986; Hinton 2002; Welling, Rosen-Zvi & Hinton 2004 (Gaussian); Nair & Hinton 2010 (rectified).

    >>> machine = RestrictedBoltzmannMachine(6, 4)
    >>> run = machine(torch.rand(2, 6))
    >>> tuple(run.code.shape), [tuple(energy.shape) for energy in run.energies]
    ((2, 4), [(2,), (2,)])
    """

    def __init__(
        self,
        features: int,
        code: int,
        *,
        visible: Units = BernoulliUnits(),
        hidden: Units = BernoulliUnits(),
        chain: Chain = Chain(),
        initializer: Initializer = Gaussian(0.01),
        seed: int = 0,
    ) -> None:
        super().__init__()
        if features < 1 or code < 1:
            raise InputError(f"a machine needs at least 1 visible and 1 hidden unit; got {features} and {code}.")
        if not isinstance(visible, BernoulliUnits | GaussianUnits):
            raise InputError(f"visible units must be BernoulliUnits or GaussianUnits; got {visible}.")
        self.visible, self.hidden, self.chain = visible, hidden, chain
        weight = initializer(code, features, gain=1.0, generator=generator(seed, 0))
        self.weight = nn.Parameter(weight)
        self.visible_bias = nn.Parameter(torch.zeros(features))
        self.hidden_bias = nn.Parameter(torch.zeros(code))
        start = torch.zeros(chain.particles, code)
        self.register_buffer("particles", hidden.sample(start, generator(seed, 1)))
        self._held: tuple[int, Tensor] | None = None

    def share(self, weight: nn.Parameter, visible_bias: nn.Parameter, hidden_bias: nn.Parameter) -> None:
        """Use the parameters of a layer, shapes (code, features), (features,) and (code,), instead of own ones."""
        self.weight, self.visible_bias, self.hidden_bias = weight, visible_bias, hidden_bias

    def encode(self, x: Float[Tensor, "batch features"]) -> Float[Tensor, "batch code"]:
        """The mean of the hidden units given the visible ones."""
        return self.hidden.mean(self.up(x))

    def decode(self, code: Float[Tensor, "batch code"]) -> Float[Tensor, "batch features"]:
        """The mean of the visible units given the hidden ones."""
        return self.visible.mean(self.down(code))

    def forward(self, x: Float[Tensor, "batch features"]) -> Pass:
        """Both maps, and the free energies of the rows and of the reconstruction; in training see the class."""
        if self.training:
            return self._learning(x)
        linear = self.up(x)
        code = self.hidden.mean(linear)
        natural = self.down(code)
        reconstruction = self.visible.mean(natural)
        energies = self._energy(x, linear), self.free_energy(reconstruction.detach())
        return Pass(x, code, reconstruction, (), natural, energies)

    def up(self, x: Float[Tensor, "batch features"]) -> Float[Tensor, "batch code"]:
        """The linear values of the hidden units."""
        return functional.linear(x, self.weight, self.hidden_bias)

    def down(self, code: Float[Tensor, "batch code"]) -> Float[Tensor, "batch features"]:
        """The linear values of the visible units."""
        return torch.addmm(self.visible_bias, code, self.weight)

    def free_energy(self, x: Float[Tensor, "batch features"]) -> Float[Tensor, " batch"]:
        """F of each row, without the constants that depend on the number of units alone."""
        return self._energy(x, self.up(x))

    @torch.no_grad()
    def gibbs(
        self, linear: Float[Tensor, "batch code"], steps: int, *, noise: torch.Generator, mean_visible: bool = False
    ) -> Float[Tensor, "batch features"]:
        """The visible units after some steps of Gibbs sampling from the linear values of the hidden ones.

        Arguments:
            linear: what the first draw of the hidden units is made from.
            steps: each draws the hidden units and then the visible ones.
            noise: where the draws come from.
            mean_visible: the visible units take their means.
        """
        sample = linear
        for step in range(steps):
            linear = linear if step == 0 else self.up(sample)
            below = self.down(self.hidden.sample(_single(linear), noise))
            sample = self.visible.mean(below) if mean_visible else self.visible.sample(_single(below), noise)
        return sample

    def _learning(self, x: Tensor) -> Pass:
        """The pass of a training step, without a product that nothing learns from."""
        rows, persistent = len(x), self.chain.particles > 0
        linear = None if persistent else self.up(x)
        drawn = self._held is None or self._held[0] != self.noise_key or not bool(self._held[1].isfinite().all())
        if drawn:
            self._held = self.noise_key, self._sample(linear)
        assert self._held is not None
        sample = self._held[1]
        if linear is None:
            # One product for rows and sample, and one on the way back.
            linear = self.up(_together(x, sample))
            if drawn:
                self._move(linear[rows:])
            hidden = self._of_hidden(linear)
            linear = linear[:rows]
            energies = self._of_visible(x) + hidden[:rows], self._of_visible(sample) + hidden[rows:]
        else:
            energies = self._energy(x, linear), self.free_energy(sample)
        none = x.new_empty(0, x.shape[1])
        return Pass(x, self.hidden.mean(linear), none, (), none, energies)

    def _energy(self, x: Tensor, linear: Tensor) -> Tensor:
        return self._of_visible(x) + self._of_hidden(linear)

    # Half precision would round what must be a small difference of large numbers.

    def _of_visible(self, x: Tensor) -> Tensor:
        with torch.autocast(x.device.type, enabled=False):
            rows = -(_single(x) @ self.visible_bias)
            return rows + _single(x).square().sum(1) / 2 if isinstance(self.visible, GaussianUnits) else rows

    def _of_hidden(self, linear: Tensor) -> Tensor:
        with torch.autocast(linear.device.type, enabled=False):
            return -self.hidden.log_partition(_single(linear)).sum(1)

    @torch.no_grad()
    def _sample(self, linear: Tensor | None) -> Tensor:
        """Visible units after the chain's steps, from the rows' linear values or from the particles."""
        noise = generator(self.noise_key, 3, device=self.weight.device)
        if linear is not None:
            # In bfloat16 it would not do for a pass in float32.
            return _single(self.gibbs(linear, self.chain.steps, noise=noise, mean_visible=self.chain.mean_visible))
        sample = self.visible.sample(_single(self.down(self.get_buffer("particles"))), noise)
        return sample if self.chain.steps == 1 else self.gibbs(self.up(sample), self.chain.steps - 1, noise=noise)

    @torch.no_grad()
    def _move(self, linear: Tensor) -> None:
        """Draw the particles anew from the linear values of the hidden units."""
        noise = generator(self.noise_key, 4, device=linear.device)
        self.get_buffer("particles").copy_(self.hidden.sample(_single(linear), noise))


def _together(x: Tensor, sample: Tensor) -> Tensor:
    """Rows and samples, in the type in which they are to be multiplied: copied once."""
    device = x.device.type
    kind = torch.get_autocast_dtype(device) if torch.is_autocast_enabled(device) else x.dtype
    both = x.new_empty(len(x) + len(sample), x.shape[1], dtype=kind)
    both[: len(x)], both[len(x) :] = x, sample
    return both


def _single(x: Tensor) -> Tensor:
    return x.to(torch.promote_types(x.dtype, torch.float32))
