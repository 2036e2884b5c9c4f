"""What every predictor and every supervised fidelity owes, and the way from an encoder to a predictor."""

import copy
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load, save
from scipy.special import log_softmax
from torch import Tensor

from layerwise.data import Batch
from layerwise.errors import CheckpointError, InputError
from layerwise.models import (
    Dense,
    Inputs,
    Layer,
    Normalization,
    Pass,
    Predictor,
    TopK,
    identity,
    sigmoid,
    tanh,
)
from layerwise.optim import Problem
from layerwise.penalties import L1, SoftmaxCrossEntropy, WeightDecay, prediction_error, softmax_cross_entropy
from layerwise.runtime import Runtime
from layerwise.training import (
    Block,
    Boltzmann,
    Checkpoint,
    Cosine,
    Event,
    History,
    Objective,
    Phase,
    Recipe,
    Targeted,
    TensorRows,
    Upto,
    fit,
)
from tests.cases import CPU, FEATURES, OPTIMIZERS, OUTPUTS, PREDICTORS, SUPERVISED, normal, targets
from tests.passes import fields, noisy, same, weights

pytestmark = pytest.mark.usefixtures("global_random_state_unchanged")
FLOAT = torch.float64
predictors = pytest.mark.parametrize("name", PREDICTORS)
fidelities = pytest.mark.parametrize("fidelity", SUPERVISED)
# One score has no other to lose against.
PAIRS = [(name, key) for name in PREDICTORS for key in SUPERVISED if name != "one output" or "softmax" not in key]
pairs = pytest.mark.parametrize(("name", "fidelity"), PAIRS)


def network(name: str) -> Predictor:
    """Away from its start, where the head is silent."""
    model = PREDICTORS[name](0).double()
    for number, parameter in enumerate(model.parameters()):
        parameter.data += 0.1 * normal(*parameter.shape, seed=number, dtype=FLOAT)
    return model


def batch(fidelity: str, rows: int = 7, *, outputs: int = OUTPUTS) -> Batch:
    return Batch(normal(rows, FEATURES, dtype=FLOAT), None, targets(fidelity, rows, outputs=outputs, dtype=FLOAT))


def problem_of(name: str, fidelity: str, rows: Batch | None = None) -> Problem:
    model = network(name)
    rows = batch(fidelity, outputs=model.outputs) if rows is None else rows
    return Problem(model, Objective(SUPERVISED[fidelity]), rows, noise=5)


@predictors
def test_the_first_prediction_is_the_same_for_all_rows(name):
    model = PREDICTORS[name](0).eval()
    assert not model(normal(5, FEATURES)).natural.any()
    assert model.encode(normal(5, FEATURES)).std(0).any()


@pairs
def test_every_parameter_gets_a_gradient(name, fidelity):
    model = PREDICTORS[name](0).double()
    rows = batch(fidelity, 9, outputs=model.outputs)
    problem = Problem(model, Objective(SUPERVISED[fidelity]), rows)
    heard = {own: False for own, _ in model.named_parameters()}
    # The silent head passes nothing back at the start; one step gives it a voice.
    for step in range(2):
        _, gradients = problem.gradient()
        for (own, parameter), gradient in zip(model.named_parameters(), gradients, strict=True):
            assert step or own.startswith("decoder") or not gradient.any()
            heard[own] |= bool(gradient.any())
            parameter.data -= 0.1 * gradient
    assert [own for own, is_heard in heard.items() if not is_heard] == []


@predictors
def test_evaluation_is_deterministic_and_row_by_row(name):
    model, x = network(name).eval(), normal(5, FEATURES, dtype=FLOAT)
    first = model(x)
    for module in noisy(model):
        module.noise_key = 9
    assert same(first, model(x))
    assert torch.equal(model.encode(x), first.code)
    assert torch.equal(model.decode(first.code), first.reconstruction)
    torch.testing.assert_close(model(x[:1]).natural, first.natural[:1])


@predictors
def test_training_repeats_under_its_noise_key(name):
    model, x = network(name).train(), normal(5, FEATURES, dtype=FLOAT)

    def run(noise: int) -> Pass:
        for module in noisy(model):
            module.noise_key = noise
        return model(x)

    assert same(run(1), run(1))
    assert same(run(1), run(2)) == (not noisy(model))


def test_inputs_and_layers_are_dropped_by_their_own_noise():
    layers, ones = noisy(PREDICTORS["dropout"](0).train()), torch.ones(50, 4)
    kept = [layer(ones) > 0 for layer in layers]
    assert len(layers) == 3
    assert all(not torch.equal(kept[i], kept[j]) for i in range(3) for j in range(i))
    assert abs(float(kept[0].double().mean()) - 0.8) < 0.1


@predictors
def test_shapes_and_dtypes_of_a_pass(name):
    for dtype in (torch.float32, FLOAT):
        model = PREDICTORS[name](0).to(dtype)
        run = model(normal(4, FEATURES, dtype=dtype))
        assert run.code.shape == (4, model.code)
        assert run.reconstruction.shape == run.natural.shape == (4, model.outputs)
        assert [h.shape[1] for h in run.hidden] == [*model.hidden[:-1]]
        assert {value.dtype for value in fields(run)} == {dtype}
    assert model.depth == len(model.hidden) == len(run.hidden) + 1
    assert model.widths == (FEATURES, *model.hidden, model.outputs)


@predictors
def test_the_state_goes_round_through_a_file_and_shares_nothing(name):
    model, x = network(name).float().eval(), normal(5, FEATURES)
    state = model.state_dict()
    assert len({value.data_ptr() for value in state.values() if value.numel()}) == len(state)
    again = Predictor.from_config(model.config()).eval()
    assert not same(model(x), again(x))
    again.load_state_dict(load(save(state)))
    assert same(model(x), again(x))
    assert model.config().least_bytes() <= sum(4 * parameter.numel() for parameter in model.parameters())


@predictors
def test_a_deep_copy_is_equal_and_independent(name):
    model, x = network(name).eval(), normal(5, FEATURES, dtype=FLOAT)
    before, twin = model(x), copy.deepcopy(model)
    assert same(before, twin(x))
    with torch.no_grad():
        for parameter in twin.parameters():
            parameter += 0.5
    assert same(before, model(x))
    assert not same(before, twin(x))


@predictors
def test_the_seed_decides_the_first_weights(name):
    first, again, other = (weights(PREDICTORS[name](seed)) for seed in (3, 3, 4))
    assert all(torch.equal(first[own], again[own]) for own in first)
    drawn = [own for own, value in first.items() if value.ndim > 1 and value.any()]
    assert drawn
    assert not [own for own in drawn if torch.equal(first[own], other[own])]


@pytest.mark.parametrize(
    "arguments",
    [
        {"hidden": ()},
        {"hidden": (4, 0)},
        {"outputs": 0},
        {"layer": Layer(tied=True)},
        {"layer": Layer(TopK(5))},
    ],
    ids=["no layer", "no units", "no outputs", "tied", "top-k"],
)
def test_impossible_predictors_are_refused(arguments):
    with pytest.raises(InputError, match=r"needs at least (one layer|that many units)"):
        Predictor(FEATURES, **{"hidden": (4,), "outputs": 2, **arguments})


def autoencoder(model: Predictor, **changed: Any) -> Dense:
    """One whose encoder the predictor can take over, but for what is changed."""
    *hidden, code = model.hidden
    choice = {"hidden": hidden, "code": code, "layer": model.layer, "code_activation": model.layer.activation}
    choice = {"features": model.inputs, **choice, "seed": 7, **changed}
    return Dense(choice.pop("features"), choice.pop("hidden"), **choice)


@predictors
def test_it_takes_over_an_encoder_to_the_last_bit(name):
    model = PREDICTORS[name](0)
    source = autoencoder(model)
    before = weights(source)
    head = weights(model.decoder)
    assert not torch.equal(source.encoder[0].weight, model.encoder[0].weight)
    model.start_from(source)
    x = normal(5, FEATURES)
    assert torch.equal(model.eval().encode(x), source.eval().encode(x))
    found = weights(model.encoder)
    assert all(torch.equal(value, found[own]) for own, value in weights(source.encoder).items())
    assert all(torch.equal(value, head[own]) for own, value in weights(model.decoder).items())
    with torch.no_grad():
        for parameter in model.parameters():
            parameter += 1
    assert all(torch.equal(value, before[own]) for own, value in weights(source).items()), "nothing is shared"


# Of a predictor whose code is linear, so that a linear path beside the layers is possible.
OTHERS: dict[str, dict[str, Any]] = {
    "features": {"features": FEATURES + 1},
    "embeddings": {"features": Inputs(FEATURES, ((1, 4, 2),))},
    "hidden": {"hidden": (6,)},
    "depth": {"hidden": (5, 5)},
    "code": {"code": 3},
    "layer": {"layer": Layer(tanh)},
    "code activation": {"code_activation": sigmoid},
    "normalization": {"layer": Layer(identity, normalization=Normalization.LAYER)},
    "weight norm": {"layer": Layer(identity, normalization=Normalization.WEIGHT)},
    "linear path": {"linear_path": True},
}


@pytest.mark.parametrize("other", OTHERS)
def test_it_refuses_another_encoder_and_stays_as_it_is(other):
    model = Predictor(FEATURES, (5, 4), outputs=2, layer=Layer(identity))
    before = weights(model)
    with pytest.raises(InputError, match="must have the predictor's widths, activations"):
        model.start_from(autoencoder(model, **OTHERS[other]))
    assert all(torch.equal(value, before[own]) for own, value in weights(model).items())


@pairs
def test_the_gradient_is_that_of_finite_differences(name, fidelity):
    problem = problem_of(name, fidelity)
    leaves = [parameter.detach().requires_grad_() for parameter in problem.parameters]
    assert torch.autograd.gradcheck(lambda *moved: problem.loss(moved), leaves, fast_mode=True)


@pairs
def test_the_order_and_the_number_of_the_rows_do_not_matter(name, fidelity):
    model, order = network(name).eval(), torch.tensor([3, 0, 6, 1, 5, 2, 4])
    rows = batch(fidelity, outputs=model.outputs)
    objective = Objective(SUPERVISED[fidelity])
    value = Problem(model, objective, rows).loss()
    shuffled = Batch(rows.x[order], None, rows.y[order])
    torch.testing.assert_close(Problem(model, objective, shuffled).loss(), value, rtol=1e-12, atol=0)
    twice = Batch(torch.cat([rows.x, rows.x]), None, torch.cat([rows.y, rows.y]))
    torch.testing.assert_close(Problem(model, objective, twice).loss(), value, rtol=1e-12, atol=0)


@fidelities
def test_each_row_has_its_own_error(fidelity):
    model, rows = network("deep").eval(), batch(fidelity)
    chosen = SUPERVISED[fidelity]
    errors = chosen.rows(model(rows.x), rows)
    alone = [chosen(model(x[None]), Batch(x[None], None, y[None])) for x, y in zip(rows.x, rows.y, strict=True)]
    torch.testing.assert_close(errors, torch.stack(alone))
    torch.testing.assert_close(errors.mean(), chosen(model(rows.x), rows))


@fidelities
@pytest.mark.parametrize("scale", [1e-3, 1.0, 1e3, 1e15])
def test_the_value_is_finite_and_the_gradient_too(fidelity, scale):
    natural = (normal(5, OUTPUTS) * scale).requires_grad_()
    target = Batch(natural.detach(), None, targets(fidelity, 5))
    value = SUPERVISED[fidelity](Pass(natural, natural, natural, (), natural), target)
    assert value.isfinite()
    assert torch.autograd.grad(value, natural)[0].isfinite().all()


@fidelities
def test_lower_precision_is_for_the_passes_only(fidelity):
    model = network("deep").float()
    rows = Batch(normal(64, FEATURES), None, targets(fidelity, 64))
    objective = Objective(SUPERVISED[fidelity], {"sparsity": (0.1, L1("all"))})
    exact = Problem(model, objective, rows).terms()
    rough = Problem(model, objective, rows, runtime=Runtime("cpu", "bf16")).terms()
    for term, expected in exact.items():
        assert rough[term].dtype == torch.float32
        torch.testing.assert_close(rough[term], expected, rtol=0.02, atol=1e-3)


@fidelities
def test_without_targets_it_is_refused_before_training(fidelity):
    objective = Objective(SUPERVISED[fidelity])
    rows = Batch(normal(4, FEATURES, dtype=FLOAT), None)
    with pytest.raises(InputError, match=f"^{SUPERVISED[fidelity].name} needs rows with something to be predicted"):
        Problem(network("deep"), objective, rows).loss()
    phase = Phase("fine-tune", objective, OPTIMIZERS["Adam"], 1)
    with pytest.raises(InputError, match=r"^phase 'fine-tune': .* needs rows with something") as told:
        fit(PREDICTORS["deep"](0), TensorRows(normal(4, FEATURES)), [phase], runtime=CPU)
    assert "\n" not in str(told.value)


def test_classes_as_numpy_counts_them():
    scores, y = normal(9, OUTPUTS, dtype=FLOAT), targets("softmax", 9)
    run, rows = Pass(scores, scores, scores, (), scores), Batch(scores, None, y)
    logs = log_softmax(scores.numpy(), axis=1)
    right = logs[np.arange(9), y.numpy()]
    assert softmax_cross_entropy(run, rows).item() == pytest.approx(-right.mean(), rel=1e-12)
    # A share of 0.2 goes evenly to all classes, the right one among them.
    wanted = -(0.8 * right + 0.2 * logs.mean(1)).mean()
    assert SoftmaxCrossEntropy(0.2)(run, rows).item() == pytest.approx(wanted, rel=1e-12)


def test_numbers_as_numpy_counts_them():
    found, y = normal(9, OUTPUTS, dtype=FLOAT), targets("numbers", 9, dtype=FLOAT)
    run = Pass(found, found, found, (), found)
    wanted = ((found.numpy() - y.numpy()) ** 2).sum(1).mean()
    assert prediction_error(run, Batch(found, None, y)).item() == pytest.approx(wanted, rel=1e-12)


@pytest.mark.parametrize("smoothing", [-0.1, 1.0, float("nan")])
def test_an_impossible_smoothing_is_refused(smoothing):
    with pytest.raises(InputError, match="smoothing must be at least 0 and below 1; got"):
        SoftmaxCrossEntropy(smoothing)


def test_as_many_targets_as_rows():
    with pytest.raises(InputError, match="as many targets as rows; got 2 for 3"):
        Targeted(TensorRows(torch.eye(3)), torch.zeros(2))


@pytest.mark.parametrize("view", [Block(0), Upto(0), Boltzmann(0)], ids=str)
def test_a_predictor_has_no_layers_to_train_one_by_one(view):
    model = PREDICTORS["deep"](0)
    phase = Phase("layer 1", Objective(softmax_cross_entropy), OPTIMIZERS["Adam"], 1, view=view)
    with pytest.raises(InputError, match=r"^phase 'layer 1': Predictor has no layers") as told:
        fit(model, rows_for("softmax"), [phase], runtime=CPU)
    assert "\n" not in str(told.value)


def rows_for(fidelity: str, rows: int = 20) -> Targeted:
    return Targeted(TensorRows(normal(rows, FEATURES)), targets(fidelity, rows))


def recipe(fidelity: str, optimizer: str) -> Recipe:
    objective = Objective(SUPERVISED[fidelity], {"decay": (1e-3, WeightDecay())})
    chosen = OPTIMIZERS[optimizer]
    return [
        Phase("one", objective, chosen, 2, batch_size=5),
        Phase("two", objective, chosen, 3, batch_size=7, schedule=Cosine(), average=0.8),
    ]


class Killed(BaseException):
    """Nothing in the library catches this."""


def train(
    model: Predictor, phases: Recipe, rows: Targeted, *, folder: Path | None = None, end: Any = None
) -> tuple[dict[str, Tensor], list[Any]]:
    def watch(event: Event) -> None:
        if end is not None and end(event):
            raise Killed

    history = History(watch=[watch])
    checkpoint = None if folder is None else Checkpoint(folder, every_steps=2)
    validation = Targeted(TensorRows(normal(6, FEATURES, seed=9)), rows.y[:6])
    fit(model, rows, phases, validation=validation, seed=3, history=history, checkpoint=checkpoint, runtime=CPU)
    told = [{own: value for own, value in row.items() if own != "seconds"} for row in history.rows]
    return weights(model), told


@fidelities
def test_training_lowers_the_fidelity(fidelity):
    told = train(PREDICTORS["dropout"](0), recipe(fidelity, "Adam"), rows_for(fidelity))[1]
    terms = [row["terms"][SUPERVISED[fidelity].name] for row in told if row["event"] == "epoch" and row["terms"]]
    assert terms[-1] < terms[0]


ENDS = {
    "mid-epoch": lambda event: event.event == "step" and event.phase == "one" and event.step == 3,
    "end of phase": lambda event: event.event == "phase" and event.phase == "one",
    "second phase": lambda event: event.event == "step" and event.phase == "two" and event.step == 5,
}


# Dropout, embeddings and running statistics; the network with each in turn, the fidelities in turn.
@pytest.mark.parametrize(
    ("name", "fidelity", "end"),
    [
        ("dropout", "softmax cross entropy", "mid-epoch"),
        ("embeddings", "prediction error", "second phase"),
        ("batch norm", "smoothed softmax cross entropy", "end of phase"),
        ("batch norm", "prediction error", "mid-epoch"),
        ("dropout", "prediction error", "second phase"),
    ],
)
def test_a_run_that_was_ended_goes_on_to_the_same_bits(tmp_path, name, fidelity, end):
    rows, phases = rows_for(fidelity), recipe(fidelity, "fused Adam")
    wanted = train(PREDICTORS[name](0), phases, rows)
    with pytest.raises(Killed):
        train(PREDICTORS[name](0), phases, rows, folder=tmp_path / "run", end=ENDS[end])
    found = train(PREDICTORS[name](0), phases, rows, folder=tmp_path / "run")
    assert all(torch.equal(found[0][own], value) for own, value in wanted[0].items())
    assert found[1] == wanted[1]


def test_a_run_with_other_targets_is_another_run(tmp_path):
    rows, phases = rows_for("softmax cross entropy"), recipe("softmax cross entropy", "Adam")
    with pytest.raises(Killed):
        train(PREDICTORS["deep"](0), phases, rows, folder=tmp_path / "run", end=ENDS["second phase"])
    other = Targeted(rows.rows, rows.y.flip(0))
    assert not torch.equal(other.y, rows.y)
    with pytest.raises(CheckpointError, match=r"data\.sample"):
        train(PREDICTORS["deep"](0), phases, other, folder=tmp_path / "run")
