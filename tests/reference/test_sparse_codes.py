"""Codes of which only the k largest are kept, and units that come back to life."""

import pytest
import torch
from torch import Tensor

from layerwise.data import Batch
from layerwise.errors import InputError
from layerwise.models import Dense, Inputs, Layer, Normalization, TopK, activation_from_name, activation_name, tanh
from layerwise.optim import FirstOrder, Problem
from layerwise.penalties import Revival, squared_error
from layerwise.training import Objective
from tests.cases import normal, seeded

UNITS, KEPT, FEATURES = 64, 4, 16


@pytest.mark.parametrize("k", [1, 3, 8])
def test_the_k_largest_stay_and_the_others_are_zero(k):
    x = normal(50, 8)
    found = TopK(k)(x)
    assert ((found != 0).sum(1) == k).all()
    assert torch.equal(found.sort(1).values[:, -k:].sum(1) > -torch.inf, torch.ones(50, dtype=torch.bool))
    least = x.sort(1).values[:, -k]
    assert torch.equal(found, torch.where(x >= least.unsqueeze(1), x, 0.0))


def test_of_equal_values_exactly_k_are_kept():
    assert (TopK(2)(torch.ones(3, 5)) == 1).sum(1).tolist() == [2, 2, 2]
    assert TopK(2)(torch.full((3, 5), torch.nan)).isnan().sum(1).tolist() == [2, 2, 2]


def test_only_what_is_kept_gets_a_gradient():
    x = normal(6, 5).requires_grad_()
    kept = TopK(2)(x)
    (slope,) = torch.autograd.grad(kept.sum(), x)
    assert torch.equal(slope, (kept != 0).float())


def test_its_name_in_a_file():
    assert activation_name(TopK(25)) == "topk:25"
    assert activation_from_name("topk:25") == TopK(25)
    for wrong in ("topk", "topk:", "topk:-1", "topk:x"):
        with pytest.raises(InputError, match="activation must be one of"):
            activation_from_name(wrong)
    with pytest.raises(InputError, match="k of TopK must be at least 1; got 0"):
        activation_from_name("topk:0")


def test_a_layer_that_is_too_narrow_is_refused_when_it_is_made():
    for make in (
        lambda: Dense(FEATURES, (8, 3), code=9, layer=Layer(TopK(4))),
        lambda: Dense(FEATURES, (8,), code=3, code_activation=TopK(4)),
    ):
        with pytest.raises(InputError, match=r"a layer with TopK\(4\) needs at least that many units; got 3\.$"):
            make()


def clusters(seed: int, rows: int = 512) -> Tensor:
    noise = seeded(seed)
    centers = 3 * torch.randn(12, FEATURES, generator=noise)
    members = torch.randint(12, (rows,), generator=noise)
    return centers[members] + 0.3 * torch.randn(rows, FEATURES, generator=noise)


def dead(model: Dense, x: Tensor) -> float:
    return (model.encode(x) == 0).all(0).double().mean().item()


def trained(seed: int, weight: float) -> tuple[float, float]:
    """The share of dead units and the error after training."""
    x, order = clusters(seed), seeded(seed + 100)
    model = Dense(FEATURES, code=UNITS, code_activation=TopK(KEPT), seed=seed)
    objective = Objective(squared_error, {"revival": (weight, Revival())})
    stepper = FirstOrder(torch.optim.Adam, lr=3e-3).start(model)
    for _ in range(200):
        rows = torch.randperm(len(x), generator=order)[:128]
        stepper.step(Problem(model, objective, Batch(x[rows], None)))
    return dead(model, x), Problem(model, Objective(), Batch(x, None)).loss().item()


def test_revival_leaves_fewer_units_dead():
    plain, revived = ([trained(seed, weight) for seed in range(3)] for weight in (0.0, 0.01))
    for (without, _), (with_it, _) in zip(plain, revived, strict=True):
        assert without > 0.15
        assert with_it < 0.05
    assert sum(error for _, error in revived) < 1.1 * sum(error for _, error in plain)


def test_revival_costs_what_the_nearest_row_misses():
    model = Dense(3, (5,), code=4, layer=Layer(TopK(2)), code_activation=TopK(1)).double()
    x = normal(3, 3, dtype=torch.float64)
    run = model(x)
    expected = 0.0
    for layer, signal, k in zip(model.encoder, (x, run.hidden[0]), (2, 1), strict=True):
        z = layer.linear(signal)
        for unit in range(z.shape[1]):
            missed = [sorted(row.tolist())[-k] - row[unit].item() for row in z]
            expected += max(0.0, min(missed))
    assert expected > 0.1
    assert Revival()(run, model).item() == pytest.approx(expected, rel=1e-12)


def test_revival_sees_embedded_inputs():
    model = Dense(Inputs(FEATURES, ((0, 10, 2),)), code=UNITS, code_activation=TopK(KEPT))
    assert Revival()(model(clusters(0)), model).item() > 0


def test_revival_needs_a_layer_that_it_can_ask():
    x = normal(4, 3)
    for model, message in [
        (Dense(3, (5,), code=2, layer=Layer(tanh)), "an encoder layer with the activation TopK"),
        (Dense(3, (5,), code=2, layer=Layer(TopK(2), normalization=Normalization.BATCH)), "batch normalization"),
    ]:
        with pytest.raises(InputError, match=message):
            Revival()(model(x), model)
