"""What every fidelity and every penalty owes: finite values, right gradients, and no word from missing cells."""

import copy

import pytest
import torch
from torch import Tensor

from layerwise.data import Batch
from layerwise.models import Bounds, Dense, Pass, TopK, sigmoid
from layerwise.optim import Problem
from layerwise.runtime import Runtime
from layerwise.training import Objective
from tests.cases import (
    COLUMNS,
    DRAWN,
    FEATURES,
    FIDELITIES,
    FOR_TOP_K,
    PENALTIES,
    SIGMOID,
    normal,
    rows_with_holes,
)

pytestmark = pytest.mark.usefixtures("global_random_state_unchanged")
FLOAT = torch.float64

OBJECTIVES = {
    **{name: Objective(fidelity) for name, fidelity in FIDELITIES.items()},
    **{name: Objective(penalties={"penalty": (0.3, penalty)}) for name, penalty in PENALTIES.items()},
}
objectives = pytest.mark.parametrize("name", OBJECTIVES)
fidelities = pytest.mark.parametrize("name", FIDELITIES)
repeated = pytest.mark.parametrize("name", [name for name in OBJECTIVES if name not in DRAWN])
penalties = pytest.mark.parametrize("name", PENALTIES)


def network(name: str = "") -> Dense:
    """Every activity is in (0, 1), as the divergences want it, and some outputs leave their bounds.

    For penalties on top-k layers the code is one of which most units are dead.
    """
    code, activation = (6, TopK(1)) if name in FOR_TOP_K else (2, sigmoid)
    model = Dense(FEATURES, (3, 2), code=code, layer=SIGMOID, code_activation=activation, output=sigmoid, seed=5)
    model = model.double()
    assert model.bounds is not None
    model.bounds.set(torch.full((FEATURES,), 0.3), torch.full((FEATURES,), 0.7))
    return model


def test_bounds_that_come_from_a_file_clip():
    limited, free = Bounds(2), Bounds(2)
    limited.set(torch.tensor([0.0, -torch.inf]), torch.tensor([1.0, torch.inf]))
    x, open_ended = torch.tensor([[7.0, -7.0]]), copy.deepcopy(free.state_dict())
    assert torch.equal(free(x), x)
    free.load_state_dict(limited.state_dict())
    assert torch.equal(free(x), torch.tensor([[1.0, -7.0]]))
    assert torch.equal(copy.deepcopy(free)(x), torch.tensor([[1.0, -7.0]]))
    free.load_state_dict(open_ended)
    assert torch.equal(free(x), x)


def batch(rows: int = 7) -> Batch:
    return rows_with_holes(rows, dtype=FLOAT)


def value(name: str, rows: Batch) -> Tensor:
    return Problem(network(name), OBJECTIVES[name], rows).loss().detach()


@objectives
def test_the_value_is_finite(name):
    for scale in (1e-3, 1.0, 1e3):
        rows = batch()
        assert value(name, Batch(rows.x * scale, rows.observed)).isfinite()
    assert value(name, Batch(batch().x, None)).isfinite()


@objectives
def test_the_gradient_is_that_of_finite_differences(name):
    problem = Problem(network(name), OBJECTIVES[name], batch())
    leaves = [parameter.detach().requires_grad_() for parameter in problem.parameters]
    assert torch.autograd.gradcheck(lambda *moved: problem.loss(moved), leaves)


@repeated
def test_the_order_of_the_rows_does_not_matter(name):
    rows, order = batch(), torch.tensor([3, 0, 6, 1, 5, 2, 4])
    assert rows.observed is not None
    shuffled = Batch(rows.x[order], rows.observed[order])
    torch.testing.assert_close(value(name, rows), value(name, shuffled), rtol=1e-12, atol=0)


@repeated
def test_it_is_a_mean_over_the_rows(name):
    rows = batch()
    assert rows.observed is not None
    twice = Batch(rows.x.repeat(2, 1), rows.observed.repeat(2, 1))
    torch.testing.assert_close(value(name, rows), value(name, twice), rtol=1e-12, atol=0)


@objectives
def test_swapped_parameters_give_the_gradient_of_backward(name):
    model, away = network(name), 0.9
    problem = Problem(model, OBJECTIVES[name], batch())
    leaves = [(parameter * away).detach().requires_grad_() for parameter in problem.parameters]
    swapped = torch.autograd.grad(problem.loss(leaves), leaves)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter *= away
    problem.loss().backward()
    for (own, parameter), gradient in zip(model.named_parameters(), swapped, strict=True):
        assert parameter.grad is not None, own
        torch.testing.assert_close(gradient, parameter.grad, rtol=1e-12, atol=1e-15)
    for (own, parameter), gradient in zip(model.named_parameters(), problem.gradient()[1], strict=True):
        assert torch.equal(gradient, parameter.grad), own


@objectives
def test_it_says_something_to_the_parameters(name):
    alone = Problem(network(name), Objective(), batch()).gradient()[1]
    gradients = Problem(network(name), OBJECTIVES[name], batch()).gradient()[1]
    assert sum(float(g.abs().sum()) for g in gradients) > 0
    if name in PENALTIES:
        assert any(not torch.equal(a, b) for a, b in zip(alone, gradients, strict=True))


@objectives
def test_lower_precision_is_for_the_passes_only(name):
    model, rows = network(name).float(), rows_with_holes(64)
    exact = Problem(model, OBJECTIVES[name], rows).terms()
    rough = Problem(model, OBJECTIVES[name], rows, runtime=Runtime("cpu", "bf16")).terms()
    for term, expected in exact.items():
        assert rough[term].dtype == torch.float32
        torch.testing.assert_close(rough[term], expected, rtol=0.02, atol=1e-3)


def passed(outputs: list[Tensor]) -> Pass:
    """A pass whose outputs are leaves, so that gradients can be seen cell by cell."""
    code, natural = outputs
    return Pass(natural.detach(), code, natural.sigmoid().clamp(0.3, 0.7), (), natural)


@fidelities
@pytest.mark.parametrize("garbage", [0.5, 1e30, -1e30, float("nan"), float("inf")])
def test_a_missing_cell_is_silent(name, garbage):
    rows = rows_with_holes(9)
    assert rows.observed is not None
    seen = []
    for hidden in (0.0, garbage):
        target = Batch(torch.where(rows.observed, rows.x, hidden), rows.observed)
        natural = normal(9, FEATURES).requires_grad_()
        loss = FIDELITIES[name](passed([torch.zeros(9, 2), natural]), target)
        seen.append((loss.detach(), *torch.autograd.grad(loss, natural)))
    (clean, slope), (loss, found) = seen
    assert torch.equal(loss, clean)
    assert torch.equal(found, slope)
    assert not found[~rows.observed].any()
    assert bool(found[rows.observed].any())


@fidelities
def test_a_missing_output_is_silent(name):
    rows = rows_with_holes(9)
    assert rows.observed is not None
    natural = normal(9, FEATURES)
    values = [
        FIDELITIES[name](passed([torch.zeros(9, 2), torch.where(rows.observed, natural, hidden)]), rows)
        for hidden in (0.0, 1e30)
    ]
    assert torch.equal(*values)


@fidelities
def test_each_row_has_its_own_error(name):
    rows, fidelity = batch(), FIDELITIES[name]
    assert rows.observed is not None
    model = network()
    errors = fidelity.rows(model(rows.x), rows)
    assert errors.shape == (7,)
    pairs = zip(rows.x, rows.observed, strict=True)
    alone = [fidelity(model(x[None]), Batch(x[None], seen[None])) for x, seen in pairs]
    torch.testing.assert_close(errors, torch.stack(alone))
    torch.testing.assert_close(errors.mean(), fidelity(model(rows.x), rows))


@fidelities
def test_columns_add_up(name):
    rows, run = batch(), network()(batch().x)
    assert rows.observed is not None
    parts = []
    for start, stop in COLUMNS:
        only = torch.zeros_like(rows.observed)
        only[:, start:stop] = rows.observed[:, start:stop]
        parts.append(FIDELITIES[name](run, Batch(rows.x, only)))
    torch.testing.assert_close(torch.stack(parts).sum(), FIDELITIES[name](run, rows))


@fidelities
def test_a_row_without_a_cell_costs_nothing(name):
    rows, run = batch(), network()(batch().x)
    nothing = Batch(rows.x, torch.zeros_like(rows.x, dtype=torch.bool))
    assert FIDELITIES[name](run, nothing).item() == 0.0
    assert FIDELITIES[name](run, Batch(rows.x, None)).item() > 0.0


@penalties
def test_the_target_is_none_of_its_business(name):
    model, penalty = network(name), PENALTIES[name]
    run = model(batch().x)
    terms = [
        Objective(penalties={"penalty": (1.0, penalty)}).terms(run, target, model, progress=0.0)["penalty"]
        for target in (batch(), Batch(batch().x * 3, None))
    ]
    assert torch.equal(*terms)
    assert terms[0].shape == ()
    assert terms[0].item() > 0


@penalties
def test_the_weight_multiplies(name):
    model, penalty = network(name), PENALTIES[name]
    run = model(batch().x)
    single, triple = (
        Objective(penalties={"penalty": (weight, penalty)}).terms(run, batch(), model, progress=0.0)["penalty"]
        for weight in (1.0, 3.0)
    )
    torch.testing.assert_close(triple, 3 * single)
