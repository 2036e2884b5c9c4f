"""What every Boltzmann machine owes: chains by key, a difference of energies, and the layer that it trains."""

import copy
from dataclasses import replace

import pytest
import torch
from torch import Tensor

from layerwise.data import Batch
from layerwise.errors import InputError
from layerwise.models import (
    BernoulliUnits,
    Chain,
    Dense,
    Gaussian,
    GaussianUnits,
    Layer,
    Normalization,
    RectifiedUnits,
    RestrictedBoltzmannMachine,
    Units,
    identity,
    relu,
    sigmoid,
    tanh,
)
from layerwise.optim import FirstOrder, Problem
from layerwise.penalties import contrastive_divergence
from layerwise.training import Boltzmann, Cosine, Objective, Phase, Stop, Switch, TensorRows, fit
from tests.cases import CPU, FEATURES, normal, seeded, uniform

pytestmark = pytest.mark.usefixtures("global_random_state_unchanged")
OBJECTIVE = Objective(contrastive_divergence)
UNITS: dict[str, tuple[Units, Units]] = {
    f"{visible}, {hidden}": (VISIBLE, HIDDEN)
    for visible, VISIBLE in (("binary", BernoulliUnits()), ("Gaussian", GaussianUnits()))
    for hidden, HIDDEN in (("binary", BernoulliUnits()), ("Gaussian", GaussianUnits()), ("rectified", RectifiedUnits()))
}
CHAINS = {"CD-1": Chain(), "CD-3, drawn": Chain(3, mean_visible=False), "persistent": Chain(2, particles=7)}


def machine(units: str, chain: str = "CD-1", dtype: torch.dtype = torch.float32) -> RestrictedBoltzmannMachine:
    visible, hidden = UNITS[units]
    made = RestrictedBoltzmannMachine(
        FEATURES, 4, visible=visible, hidden=hidden, chain=CHAINS[chain], initializer=Gaussian(0.3), seed=1
    )
    return made.to(dtype)


@pytest.mark.parametrize("units", UNITS)
def test_the_slope_of_the_energy_is_the_way_back(units):
    """dF/dv = (v - b or -b) - W^T mean(h): the mean of the hidden units is the slope of their part."""
    made, x = machine(units, dtype=torch.float64), normal(5, FEATURES, dtype=torch.float64).requires_grad_()
    (slope,) = torch.autograd.grad(made.free_energy(x).sum(), x)
    natural = made.down(made.encode(x))
    wanted = x - natural if units.startswith("Gaussian") else -natural
    torch.testing.assert_close(slope, wanted, rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("units", UNITS)
def test_a_key_gives_one_sample_and_evaluation_none(units, chain):
    made = machine(units, chain).train()
    batch = Batch(uniform(7, FEATURES), None)
    problem = Problem(made, OBJECTIVE, batch, noise=4)
    first, gradient = problem.gradient()
    particles = made.get_buffer("particles").clone()
    again, same = problem.gradient()
    assert first["contrastive_divergence"] == again["contrastive_divergence"]
    assert all(torch.equal(a, b) for a, b in zip(gradient, same, strict=True))
    assert torch.equal(particles, made.get_buffer("particles")), "a chain moves once for each key"
    other = problem.on(batch, noise=5, progress=0.0).gradient()[0]
    assert other != first
    twin = machine(units, chain).eval()
    assert all(torch.equal(a, b) for a, b in zip(twin(batch.x).energies, twin(batch.x).energies, strict=True))


@pytest.mark.parametrize("chain", CHAINS)
@pytest.mark.parametrize("units", UNITS)
def test_the_gradient_is_that_of_the_difference_with_the_sample_held(units, chain):
    made = machine(units, chain, torch.float64).train()
    problem = Problem(made, OBJECTIVE, Batch(uniform(7, FEATURES, dtype=torch.float64), None), noise=4)
    gradient = problem.flat(problem.gradient()[1])
    place = problem.flat([parameter.detach() for parameter in problem.parameters])
    way = normal(len(place), seed=3, dtype=torch.float64)
    ahead, behind = (float(problem.at(place + sign * 1e-6 * way)[0]) for sign in (1, -1))
    assert (ahead - behind) / 2e-6 == pytest.approx(float(gradient @ way), rel=1e-6)


def net(output=sigmoid, **layer) -> Dense:
    choice = Layer(**{"activation": sigmoid, "initializer": Gaussian(0.1), **layer})
    return Dense(FEATURES, (5, 4), code=2, layer=choice, output=output)


LAST = Stop(keep="last")


def phase(index: int, epochs: int = 2, *, chain: Chain = Chain(), lr: float = 0.1) -> Phase:
    optimizer = FirstOrder(torch.optim.SGD, lr=lr, momentum=Switch(0.5, 0.9, at=0.5))
    view = Boltzmann(index, chain)
    return Phase(f"machine {index}", OBJECTIVE, optimizer, epochs, view=view, batch_size=5, stop=LAST)


@pytest.mark.parametrize("index", [0, 1, 2])
def test_it_trains_its_layer_and_hands_the_transpose_to_the_decoder(index):
    model = net()
    before = copy.deepcopy(model.state_dict())
    fit(model, TensorRows(uniform(20, FEATURES)), [phase(index)], runtime=CPU)
    moved = {name for name, value in model.state_dict().items() if not torch.equal(value, before[name])}
    mirror = 2 - index
    layers = (f"encoder.{index}", f"decoder.{mirror}")
    assert moved == {f"{layer}.{part}" for layer in layers for part in ("weight", "bias")}
    encoder, decoder = (model.get_submodule(layer) for layer in layers)
    assert torch.equal(decoder.weight, encoder.weight.T)


def test_tied_weights_are_their_own_transpose():
    model = net(tied=True)
    fit(model, TensorRows(uniform(20, FEATURES)), [phase(0)], runtime=CPU)
    x = uniform(3, FEATURES)
    machine = model.machine(0)
    torch.testing.assert_close(model.upto(0).eval()(x).reconstruction, machine.eval()(x).reconstruction)


def likelihood(made: RestrictedBoltzmannMachine, x: Tensor) -> float:
    states = torch.cartesian_prod(*[torch.tensor([0.0, 1.0])] * FEATURES)
    with torch.no_grad():
        return float((-made.free_energy(x) - (-made.free_energy(states)).logsumexp(0)).mean())


@pytest.mark.parametrize(
    "chain",
    [Chain(mean_visible=False), Chain(3, mean_visible=False), Chain(1, particles=50)],
    ids=["CD-1", "CD-3", "persistent"],
)
def test_training_raises_the_exact_likelihood(chain):
    prototypes = torch.bernoulli(torch.full((2, FEATURES), 0.5), generator=seeded(3))
    x = prototypes[torch.randint(2, (200,), generator=seeded(1))]
    x = torch.where(uniform(200, FEATURES, seed=2) < 0.05, 1 - x, x)
    model = net()
    before = likelihood(model.machine(0), x)
    fit(model, TensorRows(x), [replace(phase(0, 60, chain=chain, lr=0.02), schedule=Cosine())], runtime=CPU)
    after = likelihood(model.machine(0), x)
    assert before < -4.1
    assert after > -2.5


@pytest.mark.parametrize(
    ("model", "index", "x", "words"),
    [
        (net(), 0, normal(20, FEATURES), r"phase 'machine 0': binary visible units need numbers in \[0, 1\]; found "),
        (net(activation=tanh), 1, uniform(20, FEATURES), "phase 'machine 1': .*tanh"),
        (
            net(normalization=Normalization.BATCH),
            0,
            uniform(20, FEATURES),
            "phase 'machine 0': .*without normalization",
        ),
        (net(dropout=0.1), 1, uniform(20, FEATURES), "phase 'machine 1': .*without normalization, dropout"),
        (net(), 3, uniform(20, FEATURES), "phase 'machine 3': layer must be from 0 to 2"),
    ],
    ids=["data", "activation", "batch norm", "dropout", "depth"],
)
def test_what_does_not_fit_is_refused_before_training(model, index, x, words):
    before = copy.deepcopy(model.state_dict())
    phases = [Phase("first", Objective(), FirstOrder(), 1), phase(index)]
    with pytest.raises(InputError, match=words) as told:
        fit(model, TensorRows(x), phases, runtime=CPU)
    assert "\n" not in str(told.value)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


def test_a_rectified_layer_below_makes_gaussian_visible_units():
    model = net(activation=relu)
    fit(model, TensorRows(uniform(20, FEATURES)), [phase(0), phase(1)], runtime=CPU)
    machine = model.machine(1)
    assert (machine.visible, machine.hidden) == (GaussianUnits(), RectifiedUnits())
    assert all(parameter.isfinite().all() for parameter in model.parameters())


def test_linear_outputs_make_gaussian_visible_units():
    made = net(output=identity).machine(0)
    assert (made.visible, made.hidden) == (GaussianUnits(), BernoulliUnits())
