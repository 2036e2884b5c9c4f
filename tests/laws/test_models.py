"""What every model owes: gradients, determinism, its dtype, its shapes, its weights and nobody else's."""

import copy

import pytest
import torch
from safetensors.torch import load, save

from layerwise.data import Batch
from layerwise.models import Dense, Pass
from layerwise.optim import Problem
from layerwise.randomness import key
from layerwise.training import Objective
from tests.cases import FEATURES, MODELS, normal, rows_with_holes
from tests.passes import fields, noisy, same, weights

pytestmark = pytest.mark.usefixtures("global_random_state_unchanged")
models = pytest.mark.parametrize("name", MODELS)
stacks = pytest.mark.parametrize("name", [name for name in MODELS if MODELS[name](0).depth > 1])


# Batch statistics of the decoder take the origin of a linear code out again.
UNHEARD = {"batch norm": ["encoder.1.bias"]}


@models
def test_every_parameter_gets_a_gradient(name):
    model = MODELS[name](0).double()
    problem = Problem(model, Objective(), rows_with_holes(9, dtype=torch.float64))
    heard = {name: False for name, _ in model.named_parameters()}
    # A silent branch passes nothing back at the start; one step gives it a voice.
    for _ in range(2):
        _, gradients = problem.gradient()
        size = max(float(g.abs().max()) for g in gradients)
        for (own, parameter), gradient in zip(model.named_parameters(), gradients, strict=True):
            heard[own] |= float(gradient.abs().max()) > 1e-9 * size
            parameter.data -= 0.1 * gradient
    assert [own for own, is_heard in heard.items() if not is_heard] == UNHEARD.get(name, [])


@models
def test_only_a_silent_branch_waits_for_its_first_gradient(name):
    model = MODELS[name](0).double()
    _, gradients = Problem(model, Objective(), rows_with_holes(9, dtype=torch.float64)).gradient()
    waiting = [own for (own, _), g in zip(model.named_parameters(), gradients, strict=True) if not g.any()]
    assert bool(waiting) == (model.linear_path is not None)


@models
def test_evaluation_is_deterministic(name):
    model, x = MODELS[name](0).eval(), normal(5, FEATURES)
    first = model(x)
    for module in noisy(model):
        module.noise_key = 9
    assert same(first, model(x))
    assert torch.equal(model.encode(x), first.code)
    assert torch.equal(model.decode(first.code), first.reconstruction)


@models
def test_evaluation_does_not_depend_on_the_other_rows(name):
    model, x = MODELS[name](0).eval(), normal(5, FEATURES)
    torch.testing.assert_close(model(x[:1]).reconstruction, model(x).reconstruction[:1])


@models
def test_training_repeats_under_its_noise_key(name):
    model, x = MODELS[name](0).train(), normal(5, FEATURES)

    def run(noise: int) -> Pass:
        for module in noisy(model):
            module.noise_key = noise
        return model(x)

    assert same(run(1), run(1))
    assert same(run(1), run(2)) == (not noisy(model))


def test_two_dropout_layers_draw_their_own_noise():
    model, ones = MODELS["dropout"](0).train(), torch.ones(50, 4)
    first, second, *_ = noisy(model)
    assert not torch.equal(first(ones), second(ones))


@models
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_what_goes_in_decides_the_dtype(name, dtype):
    model = MODELS[name](0).to(dtype)
    run = model(normal(4, FEATURES, dtype=dtype))
    assert {value.dtype for value in fields(run)} == {dtype}
    assert torch.get_default_dtype() == torch.float32


@models
@pytest.mark.parametrize("rows", [2, 5])
def test_shapes_of_a_pass(name, rows):
    model, x = MODELS[name](0), normal(rows, FEATURES)
    run = model(x)
    assert run.input is x
    assert run.code.shape == (rows, model.code)
    assert run.reconstruction.shape == run.natural.shape == (rows, FEATURES)
    assert [h.shape for h in run.hidden] == [(rows, width) for width in model.hidden]
    assert model.depth == len(run.hidden) + 1
    assert model.widths == (FEATURES, *model.hidden, model.code)


@models
def test_the_state_has_no_shared_tensors(name):
    state = MODELS[name](0).state_dict()
    assert len({value.data_ptr() for value in state.values() if value.numel()}) == len(state)
    assert {value.is_contiguous() for value in state.values()} == {True}


@models
def test_the_state_goes_round_through_a_file(name):
    model, other, x = MODELS[name](0).eval(), MODELS[name](1).eval(), normal(5, FEATURES)
    assert not same(model(x), other(x))
    other.load_state_dict(load(save(model.state_dict())))
    assert same(model(x), other(x))


@models
def test_a_deep_copy_is_equal_and_independent(name):
    model, x = MODELS[name](0).eval(), normal(5, FEATURES)
    before, twin = model(x), copy.deepcopy(model)
    assert same(before, twin(x))
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter += 0.5
    assert not same(before, twin(x))
    assert same(before, model(x))


@models
def test_the_seed_decides_the_first_weights(name):
    first, again, other = (weights(MODELS[name](seed)) for seed in (3, 3, 4))
    assert all(torch.equal(first[own], again[own]) for own in first)
    drawn = [own for own, value in first.items() if value.ndim > 1 and value.any()]
    assert drawn
    assert not [own for own in drawn if torch.equal(first[own], other[own])]


@stacks
@pytest.mark.parametrize("kind", ["block", "upto"])
def test_a_part_shares_its_parameters_with_the_whole(name, kind):
    model = MODELS[name](0)
    whole = {id(parameter) for parameter in model.parameters()}
    for index in range(model.depth):
        part = model.block(index) if kind == "block" else model.upto(index)
        assert {id(parameter) for parameter in part.parameters()} <= whole
        before, x = (
            weights(model),
            normal(4, part.encoder[0].effective_weight.shape[1] if kind == "block" else FEATURES),
        )
        x = normal(4, FEATURES) if index == 0 else x
        assert part(x).reconstruction.shape == x.shape
        with torch.no_grad():
            for parameter in part.parameters():
                parameter += 1
        moved = [own for own, value in model.named_parameters() if not torch.equal(value, before[own])]
        assert len(moved) == len(list(part.parameters())) > 0


@stacks
def test_the_blocks_together_are_the_layers(name):
    model = MODELS[name](0)
    beside = [] if model.linear_path is None else list(model.linear_path.parameters())
    for parts in ([model.block(i) for i in range(model.depth)], [model.upto(model.depth - 1)]):
        held = {id(parameter) for part in parts for parameter in [*part.parameters(), *beside]}
        assert held == {id(parameter) for parameter in model.parameters()}


@models
def test_all_layers_are_the_whole_model(name):
    model, x = MODELS[name](0).eval(), normal(5, FEATURES)
    whole, part = model(x), model.upto(model.depth - 1)(x)
    # A part has neither linear path nor bounds.
    if model.linear_path is None:
        assert torch.equal(whole.natural, part.natural)
        assert torch.equal(whole.code, part.code)
    else:
        assert not torch.equal(whole.natural, part.natural)


@models
@pytest.mark.parametrize("index", [-1, 9])
def test_a_part_that_is_not_there_is_refused(name, index):
    model: Dense = MODELS[name](0)
    for part in (model.block, model.upto):
        with pytest.raises(ValueError, match=f"layer must be from 0 to {model.depth - 1}.*got {index}"):
            part(index)


@models
def test_the_description_makes_a_model_of_the_same_shape(name):
    model = MODELS[name](0).eval()
    again = Dense.from_config(model.config()).eval()
    assert {own: value.shape for own, value in again.state_dict().items()} == {
        own: value.shape for own, value in model.state_dict().items()
    }
    again.load_state_dict(model.state_dict())
    x = normal(3, FEATURES)
    assert same(model(x), again(x))
    assert model.config().least_bytes() <= sum(4 * parameter.numel() for parameter in model.parameters())


@models
def test_another_point_of_view_leaves_the_running_statistics(name):
    model = MODELS[name](0).train()
    problem = Problem(model, Objective(), Batch(normal(6, FEATURES), None), noise=key(1))
    before = weights(model)
    problem.loss([parameter.detach() * 2 for parameter in problem.parameters])
    problem.hessian_product(torch.ones(sum(parameter.numel() for parameter in problem.parameters)))
    assert all(torch.equal(value, before[own]) for own, value in model.state_dict().items())
