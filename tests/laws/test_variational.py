"""The variational autoencoder against what is known exactly: linear ones have a normal distribution of rows."""

import math

import pytest
import torch
from torch.distributions import MultivariateNormal, Normal, kl_divergence

from layerwise.data import Batch
from layerwise.diagnostics import importance_weighted_bound
from layerwise.errors import InputError
from layerwise.models import Dense, Layer, Variational, identity, model_of, sigmoid
from layerwise.optim import FirstOrder, Problem
from layerwise.penalties import GaussianDivergence, cross_entropy, squared_error
from layerwise.training import Objective, Phase, TensorRows, fit
from tests.cases import VARIATIONAL

every = pytest.mark.parametrize("make", VARIATIONAL.values(), ids=VARIATIONAL)
LINEAR = Layer(identity)


def rows(count: int = 7, features: int = 6) -> torch.Tensor:
    return torch.rand(count, features, generator=torch.Generator().manual_seed(0))


@every
def test_in_training_a_code_is_drawn_and_else_it_is_the_mean(make):
    model, x = make(seed=1), rows()
    model.train()
    model.noise_key = 5
    one, same = model(x), model(x)
    assert torch.equal(one.code, same.code)
    model.noise_key = 6
    assert not torch.equal(model(x).code, one.code)
    model.eval()
    model.noise_key = 0
    run = model(x)
    assert torch.equal(run.code, run.posterior[0])
    assert torch.equal(run.code, model.encode(x))
    assert torch.equal(run.reconstruction, model.decode(run.code))


@every
def test_validation_draws_codes_too_and_leaves_the_model_as_it_was(make):
    model, x = make(seed=1).eval(), rows()
    with torch.no_grad():
        for part in model.log_variance.parameters():
            part.add_(0.5)
    before = model(x).reconstruction
    objective = Objective(squared_error)
    one, same, other = (Problem(model, objective, Batch(x, None), noise=noise).terms() for noise in (1, 1, 2))
    assert one == same
    assert one != other
    assert one["squared_error"] != squared_error(model(x), Batch(x, None))
    assert torch.equal(model(x).reconstruction, before)


@every
def test_every_weight_learns_and_a_config_gives_the_same_model(make):
    model, x = make(seed=1), rows()
    objective = Objective(cross_entropy, {"divergence": (1.0, GaussianDivergence())})
    model.train()
    sum(objective.terms(model(x), Batch(x, None), model, progress=0.0).values()).backward()
    assert all(p.grad is not None and bool(p.grad.abs().sum() > 0) for p in model.parameters())
    again = model_of(type(model.config()).model_validate_json(model.config().model_dump_json()))
    again.load_state_dict(model.state_dict())
    assert torch.equal(again.eval()(x).reconstruction, model.eval()(x).reconstruction)
    assert model.config().least_bytes() <= 4 * sum(p.numel() for p in model.parameters())


def test_the_divergence_is_that_of_the_distributions():
    model = Variational(6, (5,), code=3, seed=1).eval()
    for parameter in model.parameters():
        parameter.data += 0.3 * torch.randn(parameter.shape, generator=torch.Generator().manual_seed(2))
    with torch.no_grad():
        run = model(rows(50))
    mean, log_variance = run.posterior
    exact = kl_divergence(Normal(mean, (log_variance / 2).exp()), Normal(0.0, 1.0)).sum(1).mean()
    assert float(GaussianDivergence()(run, model)) == pytest.approx(float(exact), rel=1e-5)
    free = GaussianDivergence(free_nats=10.0)(run, model)
    assert float(free) == 30.0


def linear(noise: float = 1.0) -> tuple[Variational, MultivariateNormal]:
    """A linear model whose encoder is the exact posterior, and the distribution of its rows."""
    model = Variational(4, code=2, layer=LINEAR, seed=0).double()
    draw = torch.Generator().manual_seed(3)
    weights = torch.randn(4, 2, generator=draw, dtype=torch.float64)
    # Columns at right angles make the units of the exact posterior independent.
    weights = torch.linalg.qr(weights).Q * torch.tensor([2.0, 0.7], dtype=torch.float64)
    center = torch.randn(4, generator=draw, dtype=torch.float64)
    precision = torch.eye(2, dtype=torch.float64) + weights.T @ weights
    with torch.no_grad():
        model.last.weight.copy_(weights)
        model.last.bias.copy_(center)
        gain = torch.linalg.inv(precision) @ weights.T
        model.mean.weight.copy_(gain)
        model.mean.bias.copy_(-gain @ center)
        variance = torch.diag(torch.linalg.inv(precision)) * noise
        # The inverse of the smooth limit.
        model.log_variance.bias.copy_(12 * torch.atanh(variance.log() / 12))
    return model, MultivariateNormal(center, weights @ weights.T + torch.eye(4, dtype=torch.float64))


def test_with_the_exact_posterior_the_bound_is_the_likelihood():
    model, exact = linear()
    x = exact.sample((20,))
    for samples in (1, 10):
        bound = importance_weighted_bound(model, x, samples=samples, fidelity=squared_error)
        torch.testing.assert_close(bound, exact.log_prob(x), rtol=0, atol=1e-9)


def test_with_another_posterior_more_samples_come_nearer_from_below():
    model, exact = linear(noise=1.6)
    x = exact.sample((400,))
    truth = float(exact.log_prob(x).mean())
    bounds = [
        float(importance_weighted_bound(model, x, samples=samples, fidelity=squared_error).mean())
        for samples in (1, 10, 1000)
    ]
    assert bounds[0] < bounds[1] < bounds[2] < truth + 0.01
    assert truth - bounds[2] < 0.02 < truth - bounds[0]


def test_training_raises_the_bound():
    draw = torch.Generator().manual_seed(0)
    codes = torch.randn(400, 1, generator=draw)
    x = torch.bernoulli(torch.sigmoid(3 * codes @ torch.randn(1, 8, generator=draw)), generator=draw)
    model = Variational(8, (16,), code=2, output=sigmoid)
    before = float(importance_weighted_bound(model, x).mean())
    objective = Objective(cross_entropy, {"divergence": (1.0, GaussianDivergence())})
    fit(model, TensorRows(x), [Phase("train", objective, FirstOrder(lr=0.01), epochs=30)])
    after = float(importance_weighted_bound(model, x).mean())
    assert after > before + 0.5
    p = x.mean(0).clamp(0.01, 0.99)
    alone = float((x * p.log() + (1 - x) * (1 - p).log()).sum(1).mean())
    assert after > alone + 0.3


def test_what_has_no_distribution_is_refused():
    with pytest.raises(InputError, match="a model whose codes have a distribution"):
        GaussianDivergence().check(Dense(3, code=2))
    with pytest.raises(InputError, match="at least 0; got -1"):
        GaussianDivergence(free_nats=-1.0)
    with pytest.raises(InputError, match="at least one sample"):
        importance_weighted_bound(Variational(3, code=2), rows(2, 3), samples=0)
    with pytest.raises(InputError, match="widths from 1 on"):
        Variational(3, (0,), code=2)
    assert math.isfinite(float(importance_weighted_bound(Variational(3, code=2), torch.full((1, 3), 0.5))[0]))
