"""Eigenvalues, densities and critical points against the matrices themselves."""

import pytest
import torch
from torch import Tensor

from layerwise.data import Batch
from layerwise.diagnostics import (
    critical_point,
    curvature,
    dense,
    extreme_eigenvalues,
    find_critical_point,
    random_directions,
    saddle,
    saddle_index,
    spectral_density,
)
from layerwise.diagnostics.spectrum import krylov
from layerwise.errors import InputError
from layerwise.models import Dense, Layer, tanh
from layerwise.optim import Optimizer, Problem, SaddleFreeNewton, TrustRegionNewton
from layerwise.penalties import WeightDecay, squared_error
from layerwise.training import Objective
from tests.cases import normal


def problem(code: int = 2, *, decay: float = 0.0) -> Problem:
    model = Dense(4, (3,), code=code, layer=Layer(tanh), seed=3).double().eval()
    objective = Objective(squared_error, {"decay": (decay, WeightDecay())}) if decay else Objective()
    return Problem(model, objective, Batch(normal(30, 4).double(), None))


def symmetric(size: int) -> Tensor:
    matrix = normal(size, size).double()
    return matrix + matrix.T


def test_the_dense_matrix_is_the_hessian() -> None:
    asked = problem()
    like = asked.flat(asked.parameters).detach()
    exact = torch.autograd.functional.hessian(lambda place: asked.loss(asked.split(place)), like)
    assert torch.allclose(dense(asked.hessian_product, like), exact, rtol=1e-10, atol=1e-12)


def test_the_whole_krylov_space_has_all_eigenvalues() -> None:
    matrix = symmetric(12)
    space = krylov(lambda v: matrix @ v, normal(12).double(), steps=40)
    assert torch.allclose(torch.linalg.eigvalsh(space.square), torch.linalg.eigvalsh(matrix), atol=1e-10)
    assert torch.allclose(space.basis[:12] @ space.basis[:12].T, torch.eye(12).double(), atol=1e-12)


def test_the_ends_are_within_the_bounds_that_are_told() -> None:
    matrix = symmetric(200)
    found = extreme_eigenvalues(lambda v: matrix @ v, normal(200).double(), count=3, steps=40)
    exact = torch.linalg.eigvalsh(matrix)
    # What a residual bounds is the distance to some eigenvalue, not to the one of the same place.
    for values, errors in ((found.top, found.top_error), (found.bottom, found.bottom_error)):
        nearest = (values[:, None] - exact).abs().min(1).values
        assert (nearest <= errors + 1e-9).all()
    assert abs(float(found.top[0] - exact[-1])) < 1e-3 * float(exact[-1])
    assert abs(float(found.bottom[0] - exact[0])) < 1e-3 * float(-exact[0])


def test_the_density_has_the_moments_of_the_spectrum() -> None:
    matrix = symmetric(8)
    density = spectral_density(lambda v: matrix @ v, torch.eye(8).double(), steps=8)
    for power in range(4):
        moment = float((density.weights * density.nodes**power).sum())
        assert moment == pytest.approx(float(torch.linalg.eigvalsh(matrix).pow(power).mean()), abs=1e-8)
    at, heights = density.curve(500)
    assert float(torch.trapezoid(heights, at)) == pytest.approx(1, abs=1e-3)


def test_the_index_of_a_large_matrix_is_near_the_exact_one() -> None:
    asked = problem(3)
    exact, estimated = saddle_index(asked), saddle_index(asked, exact_up_to=0, steps=40, count=40)
    assert exact.exact
    assert not estimated.exact
    values = torch.linalg.eigvalsh(dense(asked.hessian_product, asked.flat(asked.parameters).detach()))
    assert exact.share == pytest.approx(float((values < -1e-9).double().mean()))
    assert estimated.share == pytest.approx(exact.share, abs=0.08)
    assert estimated.least == pytest.approx(exact.least, rel=1e-6)


def test_curvature_tells_what_the_matrices_have() -> None:
    asked = problem()
    like = asked.flat(asked.parameters).detach()
    figures = curvature(asked).figures
    hessian, gauss_newton = (
        torch.linalg.eigvalsh(dense(product, like)) for product in (asked.hessian_product, asked.gauss_newton_product)
    )
    assert figures["largest eigenvalue"] == pytest.approx(float(hessian[-1]), rel=1e-6)
    assert figures["least eigenvalue"] == pytest.approx(float(hessian[0]), rel=1e-6)
    assert figures["largest of gauss-newton"] == pytest.approx(float(gauss_newton[-1]), rel=1e-6)
    assert 0 < figures["gauss-newton apart"] < 2


@pytest.mark.parametrize("steps", [100, 12])
def test_the_search_leads_to_a_smaller_gradient_and_moves_nothing(steps: int) -> None:
    asked = problem(decay=0.05)
    before = asked.flat(asked.parameters).detach().clone()
    found = find_critical_point(asked, iterations=4, steps=steps)
    loss, gradient = asked.at(found.parameters)
    assert found.gradient_norm == pytest.approx(float(gradient.norm()))
    assert found.loss == pytest.approx(float(loss))
    assert found.gradient_norm < float(asked.at(before)[1].norm())
    assert torch.equal(asked.flat(asked.parameters).detach(), before)


def test_of_a_quadratic_it_is_one_step_away() -> None:
    # Without a decoder that moves, the loss is quadratic in what is left: the output's bias and weights.
    model = Dense(3, code=2).double()
    for parameter in model.encoder.parameters():
        parameter.requires_grad_(False)
    asked = Problem(model, Objective(), Batch(normal(20, 3).double(), None))
    found = find_critical_point(asked, tolerance=1e-6, iterations=4)
    assert found.found
    assert saddle_index(asked).share == 0


def test_a_saddle_is_told_from_a_slope() -> None:
    asked = problem(decay=0.05)
    assert saddle(asked).verdict == "fine"
    place = torch.zeros_like(asked.flat(asked.parameters).detach())
    origin = Problem(moved(asked, place), Objective(), Batch(centered(), None))
    assert saddle(origin).figures["gain of a step"] < 1e-12


def at_zero(scale: float) -> Problem:
    """Two layers of tanh units with weights of about 0, which is a saddle."""
    model = Dense(4, code=2, code_activation=tanh, seed=3)
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(scale)
    return Problem(model, Objective(), Batch(centered().float(), None))


@pytest.mark.parametrize("optimizer", [SaddleFreeNewton(), TrustRegionNewton()], ids=["saddle-free", "trust region"])
def test_the_advice_at_a_saddle_is_one_that_helps(optimizer: Optimizer) -> None:
    exact, near = at_zero(0.0), at_zero(1e-3)
    for asked, leaves in ((exact, False), (near, True)):
        found = saddle(asked)
        assert found.verdict == "fault"
        assert ("saddle-free" in found.advice) is leaves
        before = asked.value(asked.point())
        stepper = optimizer.start(asked.part)
        for _ in range(15):
            stepper.step(asked)
        assert (asked.value(asked.point()) < 0.8 * before) is leaves
    assert "random weights" in saddle(exact).advice
    assert "noise" in saddle(exact).advice


def test_minor_components_are_a_saddle_whose_gradient_is_0_but_for_rounding() -> None:
    asked = Problem(Dense(4, code=1), Objective(), Batch(centered().float() * torch.tensor([4.0, 3.0, 2.0, 1.0]), None))
    _, _, components = torch.linalg.svd(asked.batch.x.double(), full_matrices=False)
    moved(asked, torch.cat([components[1], torch.zeros(1), components[1], torch.zeros(4)]).float())
    assert "their gradient is 0" in saddle(asked).advice


def test_a_critical_point_is_told_by_its_index() -> None:
    asked = at_zero(1e-3)
    before = asked.point().clone()
    found = critical_point(asked)
    assert torch.equal(asked.point(), before)
    assert found.verdict == "look"
    assert "The weights lie at a saddle" in found.advice
    assert found.figures["saddle index there"] > 0
    assert found.figures["distance"] == 0
    model = Dense(3, code=2).double()
    for parameter in model.encoder.parameters():
        parameter.requires_grad_(False)
    convex = Problem(model, Objective(), Batch(normal(20, 3).double(), None))
    there = critical_point(convex)
    assert there.verdict == "fine"
    assert "Near the weights is a minimum" in there.advice
    assert there.figures["saddle index there"] == 0
    assert there.figures["loss there"] < there.figures["loss here"]
    assert there.figures["gradient norm there"] < there.figures["zero below"]
    assert "No zero of the gradient" in critical_point(convex, iterations=1, steps=1).advice


def moved(asked: Problem, place: Tensor) -> Dense:
    assert isinstance(asked.part, Dense)
    with torch.no_grad():
        for parameter, value in zip(asked.parameters, asked.split(place), strict=True):
            parameter.copy_(value)
    return asked.part


def centered() -> Tensor:
    x = normal(30, 4).double()
    return x - x.mean(0)


def test_probes_are_of_length_one_and_repeat() -> None:
    asked = problem()
    first, again, other = random_directions(asked, 3), random_directions(asked, 3), random_directions(asked, 3, seed=1)
    assert torch.allclose(first.norm(dim=1), torch.ones(3).double())
    assert torch.equal(first, again)
    assert not torch.equal(first, other)


def test_what_is_not_finite_is_refused() -> None:
    asked = problem()
    with torch.no_grad():
        asked.parameters[0].fill_(torch.nan)
    with pytest.raises(InputError, match="must be finite"):
        saddle(asked)
    with pytest.raises(InputError, match="must be finite"):
        curvature(asked)
    with pytest.raises(InputError, match="at least 1 step"):
        krylov(lambda v: v, torch.ones(3), steps=0)
