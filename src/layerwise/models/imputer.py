"""Gaps filled by a factor model, and by a network that knows better where columns do not depend on them linearly."""

from typing import NamedTuple, final

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from layerwise.errors import InputError
from layerwise.models.config import ImputerConfig
from layerwise.models.predictor import Predictor

__all__ = ["Equations", "FactorModel", "Imputer", "Posterior", "regressed"]

# The largest residual of a row in `nearly`, as a share of the right-hand side; what keeps quotients finite.
NEARLY, TINY = 1e-3, 1e-30


class Posterior(NamedTuple):
    """What the known cells of each row say about its factors: a normal distribution.

    Attributes:
        mean: of the factors.
        scale: lower triangular; its product with a standard normal vector is the factors' deviation from the mean.
    """

    mean: Float[Tensor, "batch factors"]
    scale: Float[Tensor, "batch factors factors"]


class Equations(NamedTuple):
    """Linear equations whose solution is the mean of each row's factors.

    Attributes:
        precision: the inverse of the factors' covariance; positive definite, at least the unit matrix.
        weighted: the right-hand side.
    """

    precision: Float[Tensor, "batch factors factors"]
    weighted: Float[Tensor, "batch factors 1"]


@final
class FactorModel(nn.Module):
    r"""Rows as linear functions of a few normal factors, with noise: a linear autoencoder that knows what is missing.

    .. math:: x = \mu + W z + e, \qquad z \sim N(0, I), \quad e_j \sim N(0, \psi_j); \qquad
        \operatorname{Cov}[z | x_o]^{-1} = I + W_o^\top \Psi_o^{-1} W_o, \quad
        E[z | x_o] = \operatorname{Cov}[z | x_o] W_o^\top \Psi_o^{-1} (x_o - \mu_o)

    With as many factors as features it is any normal distribution whose least variance is that of the noise.

    Source: Bartholomew, Knott & Moustaki 2011, "Latent variable models and factor analysis", section 3.3.

    >>> model = FactorModel(2, 1)
    >>> _ = model.loadings.fill_(1.0), model.noise.fill_(1.0)
    >>> model(torch.tensor([[3.0, 0.0]]), torch.tensor([[True, False]]))
    tensor([[3.0000, 1.5000]])
    """

    mean: Tensor
    loadings: Tensor
    noise: Tensor

    def __init__(self, features: int, factors: int) -> None:
        super().__init__()
        self.register_buffer("mean", torch.zeros(features))
        self.register_buffer("loadings", torch.zeros(features, factors))
        self.register_buffer("noise", torch.ones(features))

    def forward(
        self, x: Float[Tensor, "batch features"], observed: Bool[Tensor, "batch features"]
    ) -> Float[Tensor, "batch features"]:
        """The rows with what is to be expected in their unknown cells."""
        precision, weighted = self.equations(x, observed)
        factors = torch.cholesky_solve(weighted, torch.linalg.cholesky(precision)).squeeze(2)
        return torch.where(observed, x, self.decode(factors))

    def nearly(
        self, x: Float[Tensor, "batch features"], observed: Bool[Tensor, "batch features"]
    ) -> Float[Tensor, "batch features"]:
        """What `forward` gives, to the third digit, in a fraction of the time where there are as many factors."""
        if self.loadings.shape[1] < len(self.mean):
            return self(x, observed)
        covariance = self.loadings @ self.loadings.T + torch.diag(self.noise)
        return torch.where(observed, x, self.mean + regressed(x - self.mean, observed, covariance=covariance))

    def posterior(self, x: Float[Tensor, "batch features"], observed: Bool[Tensor, "batch features"]) -> Posterior:
        """The factors of each row."""
        precision, weighted = self.equations(x, observed)
        root = torch.linalg.cholesky(precision)
        mean = torch.cholesky_solve(weighted, root).squeeze(2)
        # The inverse of the transposed root: its product with itself is the covariance.
        unit = torch.eye(root.shape[1], dtype=x.dtype, device=x.device).expand_as(root)
        return Posterior(mean, torch.linalg.solve_triangular(root.mT, unit, upper=True))

    def equations(self, x: Float[Tensor, "batch features"], observed: Bool[Tensor, "batch features"]) -> Equations:
        """Those which the factors of each row solve."""
        weights, factors = observed.to(x.dtype) / self.noise, self.loadings.shape[1]
        precision = (weights @ self._outer).unflatten(1, (factors, factors))
        unit = torch.eye(factors, dtype=x.dtype, device=x.device)
        return Equations(precision + unit, (((x - self.mean) * weights) @ self.loadings).unsqueeze(2))

    def decode(self, factors: Float[Tensor, "batch factors"]) -> Float[Tensor, "batch features"]:
        """The expected row for some factors."""
        return self.mean + factors @ self.loadings.T

    def draw(
        self,
        x: Float[Tensor, "batch features"],
        observed: Bool[Tensor, "batch features"],
        generator: torch.Generator,
    ) -> Float[Tensor, "batch features"]:
        """The rows with their unknown cells drawn from what the known ones leave possible."""
        found = self.posterior(x, observed)
        normal = torch.randn(found.mean.shape, generator=generator).to(x)
        factors = found.mean + (found.scale @ normal.unsqueeze(2)).squeeze(2)
        noise = torch.randn(x.shape, generator=generator).to(x) * self.noise.sqrt()
        return torch.where(observed, x, self.decode(factors) + noise)

    def deviation(
        self, x: Float[Tensor, "batch features"], observed: Bool[Tensor, "batch features"]
    ) -> Float[Tensor, "batch features"]:
        """The standard deviation of each unknown cell; 0 for known ones."""
        scale = self.posterior(x, observed).scale
        variance = (scale @ scale.mT).flatten(1) @ self._outer.T + self.noise
        return variance.clamp(min=0).sqrt() * ~observed

    @property
    def _outer(self) -> Float[Tensor, "features squares"]:
        """Of each feature the outer product of its loadings: sums over features become one product for all rows."""
        return (self.loadings.unsqueeze(2) * self.loadings.unsqueeze(1)).flatten(1)


@final
class Imputer(nn.Module):
    """A factor model, and a network that adds to what it expects.

    The network sees each row as the factor model fills it, and which cells were known; it starts silent.

    Arguments:
        factors: of the factor model.
        net: from twice the features (filled cells, then 1 for known ones) to what is added to each feature.

    Attributes:
        spread: of each feature, by how much the deviations of the factor model are too small.
        low, high: of each feature, between which it is filled: what has been seen of it.

    Raises:
        InputError: for a network of other widths.
    """

    spread: Tensor
    low: Tensor
    high: Tensor

    def __init__(self, factors: int, net: Predictor) -> None:
        super().__init__()
        features = net.outputs
        if net.inputs.width != 2 * features:
            raise InputError(
                f"the network must have twice as many inputs as outputs; got {net.inputs.width} and {features}."
            )
        self.linear, self.net = FactorModel(features, factors), net
        self.register_buffer("spread", torch.ones(features))
        self.register_buffer("low", torch.full((features,), -torch.inf))
        self.register_buffer("high", torch.full((features,), torch.inf))

    @property
    def code(self) -> int:
        """The width of the network's last layer."""
        return self.net.code

    @property
    def widths(self) -> tuple[int, ...]:
        """Of the network."""
        return self.net.widths

    def forward(
        self, x: Float[Tensor, "batch features"], observed: Bool[Tensor, "batch features"]
    ) -> Float[Tensor, "batch features"]:
        """The completed rows; known cells stay as they are."""
        return torch.where(observed, x, self.expected(self.linear(x, observed), observed))

    def expected(
        self, filled: Float[Tensor, "batch features"], observed: Bool[Tensor, "batch features"]
    ) -> Float[Tensor, "batch features"]:
        """What is to be expected in each cell of rows that the factor model has filled."""
        output: Tensor = self.net(torch.cat([filled, observed.to(filled.dtype)], 1)).reconstruction
        return (filled + output).clamp(self.low, self.high)

    def draw(
        self,
        x: Float[Tensor, "batch features"],
        observed: Bool[Tensor, "batch features"],
        generator: torch.Generator,
    ) -> Float[Tensor, "batch features"]:
        """The rows completed at random, as far as the known cells leave that open."""
        filled = self.linear(x, observed)
        away = self.linear.draw(x, observed, generator) - filled
        drawn = self.expected(filled, observed) + away * self.spread
        return torch.where(observed, x, drawn.clamp(self.low, self.high))

    def config(self) -> ImputerConfig:
        """The description from which `from_config` makes one of the same shape."""
        return ImputerConfig(factors=self.linear.loadings.shape[1], net=self.net.config())

    @classmethod
    def from_config(cls, config: ImputerConfig) -> "Imputer":
        """One of the described shape, with arbitrary weights.

        Raises:
            InputError: for an unknown activation or impossible widths.
        """
        return cls(config.factors, Predictor.from_config(config.net))


def regressed(
    x: Float[Tensor, "batch features"],
    observed: Bool[Tensor, "batch features"],
    *,
    covariance: Float[Tensor, "features features"],
    residual: float = NEARLY,
) -> Float[Tensor, "batch features"]:
    r"""The expectation of each row given its known cells, of a normal distribution with mean 0.

    .. math:: E[x | x_o] = \Sigma_{\cdot o} a, \qquad \Sigma_{oo} a = x_o

    By conjugate gradients for all rows at once, whose products are one matrix product a step: rows miss different
    cells, so that no two of them share a factorization.

    Arguments:
        x: less the mean.
        observed: which cells are known.
        covariance: of the features, positive definite.
        residual: the largest of a row's equations, as a share of their right-hand side.

    Source: Hestenes & Stiefel 1952, "Methods of conjugate gradients for solving linear systems".

    >>> x, observed = torch.tensor([[2.0, 0.0]]), torch.tensor([[True, False]])
    >>> regressed(x, observed, covariance=torch.tensor([[2.0, 1.0], [1.0, 2.0]]))
    tensor([[2., 1.]])
    """
    known = observed.to(x.dtype)
    rest = x * known
    solution, direction = torch.zeros_like(rest), rest
    size = rest.square().sum(1, keepdim=True)
    goal = residual**2 * size
    for _ in range(2 * x.shape[1]):
        if bool((size <= goal).all()):
            break
        image = (direction @ covariance) * known
        length = size / (direction * image).sum(1, keepdim=True).clamp(min=TINY)
        solution, rest = solution + length * direction, rest - length * image
        size, old = rest.square().sum(1, keepdim=True), size
        direction = rest + (size / old.clamp(min=TINY)) * direction
    return solution @ covariance
