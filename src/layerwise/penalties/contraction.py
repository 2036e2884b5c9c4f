"""Penalties on the encoder's Jacobian: how far the code moves when the input does."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.func import vjp

from layerwise.errors import InputError
from layerwise.models.activations import expansion
from layerwise.models.base import Autoencoder, Pass
from layerwise.models.dense import Feedforward
from layerwise.models.layers import DenseLayer
from layerwise.penalties.base import Selective, refuse_batch_statistics
from layerwise.randomness import generator

__all__ = ["Contraction", "HigherOrderContraction"]

# What the noise of a model is drawn for; its layers have the numbers from 0 on.
PROBES, SHIFTS = -3, -4


@final
@dataclass(frozen=True)
class Contraction(Selective):
    r"""The squared Frobenius norm of the encoder's Jacobian: sum over its entries, mean over rows.

    .. math:: \frac1n \sum_{i=1}^n \lVert J(x_i) \rVert_F^2, \quad J(x) = \partial h / \partial x

    at the (corrupted) input and in the units of the scaled features. For an encoder of one layer, without embeddings,
    linear path or normalization of its values, it is exact: \|J\|^2 = \sum_j f'(z_j)^2 \sum_k W_{jk}^2. For all others
    each row draws `probes` vectors v of random signs, with E[v v^T] = 1 and hence E \|J^T v\|^2 = \|J\|^2; the same
    ones for the same noise key of the model. A probe costs a pass back through the encoder. It is computed in float32,
    whatever the precision of the passes.

    Arguments:
        probes: None is the exact value for one layer and a single probe elsewhere. A number is the number of probes
            for any encoder; from the width of the code on they are the unit vectors, and the value is exact.

    Raises:
        InputError: for fewer than 1 probe, a model that is no autoencoder, or batch normalization in training, which
            makes a row's code depend on the other rows.

    Sources: Rifai et al. 2011, "Contractive auto-encoders", eq. 1; Hutchinson 1990 for the probes.

    >>> from layerwise.models import Dense
    >>> model, x = Dense(3, code=2), torch.zeros(1, 3)
    >>> bool(torch.isclose(Contraction()(model(x), model), model.encoder[0].weight.square().sum()))
    True
    """

    probes: int | None = None

    def __post_init__(self) -> None:
        _check_count("probes of Contraction", self.probes)

    def check(self, model: nn.Module) -> None:
        """Refuse batch normalization."""
        refuse_batch_statistics("Contraction", model)

    def __call__(self, run: Pass, model: nn.Module) -> Float[Tensor, ""]:
        """The penalty of one batch; it has a graph where gradients are wanted, and needs none to be computed."""
        jacobian, x = _jacobian("Contraction", model, self.probes), _exact(run.input)
        with torch.autocast(x.device.type, enabled=False):
            return jacobian.squares(jacobian.image(x)).mean()


@final
@dataclass(frozen=True)
class HigherOrderContraction(Selective):
    r"""How much the encoder's Jacobian changes nearby: sum over its entries, mean over rows and draws.

    .. math:: \frac1n \sum_{i=1}^n \mathrm{E}_\epsilon \lVert J(x_i) - J(x_i + \epsilon) \rVert_F^2,
        \quad \epsilon \sim N(0, \sigma^2 1)

    which divided by sigma^2 tends to the squared norm of the encoder's second derivatives as sigma goes to 0. It is
    meant to stand beside `Contraction`, as in "CAE+H", and is zero for a linear encoder. The Jacobians are compared as
    there: exactly for one layer, by random probes for others, the same probes for both of them.

    Arguments:
        level: sigma, in the units of the scaled features.
        samples: draws of epsilon for each row; the same ones for the same noise key of the model.
        probes: as in `Contraction`.

    Raises:
        InputError: for a level that is not above 0, fewer than 1 sample or probe, a model that is no autoencoder, or
            batch normalization in training.

    Source: Rifai et al. 2011, "Higher order contractive auto-encoder", the stochastic term.

    >>> from layerwise.models import Dense
    >>> model = Dense(3, code=2)
    >>> HigherOrderContraction(0.1)(model(torch.zeros(1, 3)), model).item()
    0.0
    """

    level: float
    samples: int = 4
    probes: int | None = None

    def __post_init__(self) -> None:
        if not 0 < self.level < float("inf"):
            raise InputError(f"the level of HigherOrderContraction must be above 0 and finite; got {self.level}.")
        _check_count("samples of HigherOrderContraction", self.samples)
        _check_count("probes of HigherOrderContraction", self.probes)

    def check(self, model: nn.Module) -> None:
        """Refuse batch normalization."""
        refuse_batch_statistics("HigherOrderContraction", model)

    def __call__(self, run: Pass, model: nn.Module) -> Float[Tensor, ""]:
        """The penalty of one batch; it has a graph where gradients are wanted, and needs none to be computed."""
        jacobian, x = _jacobian("HigherOrderContraction", model, self.probes), _exact(run.input)
        noise = generator(jacobian.noise_key, SHIFTS, device=x.device)
        with torch.autocast(x.device.type, enabled=False):
            here, total = jacobian.image(x), x.new_zeros(())
            for _ in range(self.samples):
                shift = self.level * torch.randn(x.shape, generator=noise, device=x.device, dtype=x.dtype)
                total = total + jacobian.squares(here - jacobian.image(x + shift)).mean()
        return total / self.samples


class _Jacobian(ABC):
    """A linear image of an encoder's Jacobian, and its squared Frobenius norm from that."""

    noise_key: int

    @abstractmethod
    def image(self, x: Tensor) -> Tensor:
        """The image of the Jacobian at each row."""

    @abstractmethod
    def squares(self, image: Tensor) -> Tensor:
        """The squared norm for each row, or an unbiased estimate of it; also of a difference of images."""


@final
@dataclass(frozen=True)
class _OneLayer(_Jacobian):
    """J = diag(f') W, of which f' is the image."""

    layer: DenseLayer
    noise_key: int

    def image(self, x: Tensor) -> Tensor:
        z = self.layer.linear(x)
        # A sum over the units has the slope of each unit as its gradient.
        return vjp(lambda z: self.layer.dropout(self.layer.activation(z)), z)[1](torch.ones_like(z))[0]

    def squares(self, image: Tensor) -> Tensor:
        return image.square() @ self.layer.effective_weight.square().sum(1)


@final
@dataclass(frozen=True)
class _Probed(_Jacobian):
    """J^T v for some vectors v."""

    model: Autoencoder
    probes: int
    noise_key: int

    def image(self, x: Tensor) -> Tensor:
        made = vjp(self.model.encode, x)
        return torch.stack([made[1](v)[0] for v in self._directions(made[0])])

    def squares(self, image: Tensor) -> Tensor:
        return image.square().flatten(2).sum(2).mean(0)

    def _directions(self, code: Tensor) -> Iterator[Tensor]:
        units = code.shape[1]
        if self.probes >= units:
            # One of them by chance would have E[v v^T] = 1, too: hence the factor.
            basis = torch.eye(units, device=code.device, dtype=code.dtype)
            yield from (units**0.5 * unit.expand_as(code) for unit in basis)
            return
        noise = generator(self.noise_key, PROBES, device=code.device)
        for _ in range(self.probes):
            yield 2.0 * torch.randint(2, code.shape, generator=noise, device=code.device, dtype=code.dtype) - 1


def _jacobian(name: str, model: nn.Module, probes: int | None) -> _Jacobian:
    if not isinstance(model, Autoencoder):
        raise InputError(f"{name} needs an autoencoder; got {type(model).__name__}.")
    if model.training:
        refuse_batch_statistics(name, model)
    layer = _only_layer(model) if probes is None else None
    return _Probed(model, probes or 1, model.noise_key) if layer is None else _OneLayer(layer, model.noise_key)


def _only_layer(model: Autoencoder) -> DenseLayer | None:
    """The layer that is the whole encoder and treats each of its units by itself."""
    if not isinstance(model, Feedforward) or model.depth > 1 or model.front or model.linear_path:
        return None
    layer = model.encoder[0]
    assert isinstance(layer, DenseLayer)
    by_unit = isinstance(layer.normalize, nn.Identity) and expansion(layer.activation) == 1
    return layer if by_unit else None


def _exact(x: Tensor) -> Tensor:
    return x.detach().to(torch.promote_types(x.dtype, torch.float32))


def _check_count(name: str, number: int | None) -> None:
    if number is not None and number < 1:
        raise InputError(f"{name} must be at least 1; got {number}.")
