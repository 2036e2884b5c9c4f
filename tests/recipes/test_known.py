"""What every recipe with a name owes: it runs, moves the part it names, is a value, and refuses what cannot be."""

import copy
import pickle
import re
from functools import partial
from inspect import signature
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from layerwise.errors import InputError
from layerwise.models import Dense, Layer, Predictor, TopK, identity, sigmoid, tanh
from layerwise.optim import FirstOrder, HessianFree
from layerwise.penalties import CrossEntropy, KLSparsity, cross_entropy, prediction_error, softmax_cross_entropy
from layerwise.recipes import (
    RECIPES,
    Setting,
    alternate_sparsity,
    alternate_sparsity_combined,
    architecture,
    bottleneck,
    free_bottleneck,
    kramer1991,
    makhzani2013,
    recipe_arguments,
    sparse_bottleneck,
    vincent2010,
)
from layerwise.recipes.arguments import TRAINERS
from layerwise.training import (
    Block,
    Boltzmann,
    Constant,
    EpochEnd,
    Event,
    History,
    Objective,
    Phase,
    StopPhase,
    Targeted,
    TensorRows,
    Upto,
    View,
    Whole,
    fit,
)
from tests.cases import CPU, FEATURES, normal, targets, uniform

pytestmark = pytest.mark.usefixtures("global_random_state_unchanged")
recipes = pytest.mark.parametrize("name", RECIPES)
WHOLE = ("default", "detection", "end_to_end", "imputation", "kramer1991", "restoration", "translation", "variational")
# Those that choose their length in another way.
OF_THEIR_OWN = ({*WHOLE} - {"end_to_end", "kramer1991"}) | {"denoising_stack", "makhzani2013"}
BY_LAYERS = [name for name in RECIPES if name not in WHOLE]
by_layers = pytest.mark.parametrize("name", BY_LAYERS)
SHORT = {"epochs": 1, "fine_tune_epochs": 1, "batch_size": 5, "k": 2}
ROWS = 20
FIDELITIES = {"reconstruction": Objective(), "binary": Objective(cross_entropy)}
fidelities = pytest.mark.parametrize("kind", FIDELITIES)


def bound(name: str) -> Any:
    """The recipe at its shortest."""
    taken = signature(RECIPES[name]).parameters
    return partial(RECIPES[name], **{key: value for key, value in SHORT.items() if key in taken})


def hidden(name: str) -> tuple[int, ...]:
    return (8,) if name == "kramer1991" else (5, 4)


def setting(name: str, kind: str = "reconstruction", **more: Any) -> Setting:
    return Setting(ROWS, FIDELITIES[kind], **{"widths": (FEATURES, *hidden(name), 2), **more})


def model_for(name: str, kind: str = "reconstruction") -> Dense:
    """What `architecture` says of the recipe; with a linear path where it does not want the plain one."""
    style = architecture(bound(name))
    binary = kind == "binary"
    layer = style.layer or Layer(tanh)
    path = style.linear_path and not binary
    activation, output = style.code_activation, sigmoid if binary else identity
    return Dense(
        FEATURES, hidden(name), code=2, layer=layer, code_activation=activation, output=output, linear_path=path
    )


def rows_for(kind: str) -> TensorRows:
    return TensorRows(uniform(ROWS, FEATURES) if kind == "binary" else normal(ROWS, FEATURES))


def named(view: View, model: Dense) -> set[str]:
    """The tensors of the part that a view trains."""
    depth, names = model.depth, set(model.state_dict())
    if isinstance(view, Block | Boltzmann):
        layers = {f"encoder.{view.index}.", f"decoder.{depth - 1 - view.index}."}
    elif isinstance(view, Upto):
        layers = {f"encoder.{index}." for index in range(view.index + 1)}
        layers |= {f"decoder.{depth - 1 - index}." for index in range(view.index + 1)}
    else:
        layers = {""}
    return {own for own in names if own.startswith(tuple(layers))}


def brief() -> History:
    """Ends each phase after its first epoch."""

    def end(event: Event) -> None:
        if isinstance(event, EpochEnd) and event.epoch == 1:
            raise StopPhase("short")

    return History(watch=[end])


def state(model: torch.nn.Module) -> dict[str, Tensor]:
    return {own: value.clone() for own, value in model.state_dict().items()}


def moved(before: dict[str, Tensor], model: torch.nn.Module) -> set[str]:
    return {own for own, value in model.state_dict().items() if not torch.equal(value, before[own])}


@fidelities
@recipes
def test_phase_by_phase_nothing_else_moves(name, kind):
    model, recipe = model_for(name, kind), bound(name)(setting(name, kind))
    trained: set[str] = set()
    for phase in recipe:
        before = state(model)
        history = fit(model, rows_for(kind), [phase], runtime=CPU, history=brief())
        assert [row["phase"] for row in history.phases()] == [phase.name]
        inside = named(phase.view, model)
        assert moved(before, model)
        assert moved(before, model) <= inside
        assert len(inside) < len(before) or phase.view == Whole()
        trained |= moved(before, model)
    buffers = {own for own, _ in model.named_buffers()}
    assert trained == set(model.state_dict()) - buffers
    assert all(parameter.isfinite().all() for parameter in model.parameters())


@recipes
def test_all_phases_run_in_one_fit(name):
    recipe, rows = bound(name)(setting(name)), rows_for("reconstruction")
    history = fit(model_for(name), rows, recipe, validation=rows, runtime=CPU, history=brief())
    assert [row["phase"] for row in history.phases()] == [phase.name for phase in recipe]
    assert len({phase.name for phase in recipe}) == len(recipe)
    assert recipe[-1].view == Whole()


@recipes
def test_it_copies_compares_and_prints(name):
    first, again = (bound(name)(setting(name)) for _ in range(2))
    for other in (again, copy.deepcopy(first), pickle.loads(pickle.dumps(first))):
        assert other == first
        assert repr(other) == repr(first)
    assert "0x" not in repr(first), "a repr with an address is another one in the next run"
    assert first != bound(name)(setting(name, "binary"))
    assert all(isinstance(phase, Phase) for phase in first)


@pytest.mark.parametrize(
    ("name", "goal"),
    # Classes and numbers by turns.
    [(name, prediction_error if number % 2 else softmax_cross_entropy) for number, name in enumerate(RECIPES)],
)
def test_with_a_goal_it_ends_in_a_supervised_phase(name, goal):
    recipe = bound(name)(setting(name, goal=Objective(goal), labelled=10))
    assert [phase.objective.supervised for phase in recipe] == [False] * (len(recipe) - 1) + [True]
    assert recipe[-1].objective.fidelity == goal
    assert recipe[-1].view == Whole()
    # The way of a classifier: the layers by what they see, then the net by its targets.
    style = architecture(bound(name))
    layer = style.layer or Layer(tanh)
    *widths, code = *hidden(name), 2
    source = Dense(FEATURES, widths, code=code, layer=layer, code_activation=layer.activation)
    model = Predictor(FEATURES, (*widths, code), outputs=3, layer=layer)
    if recipe[:-1]:
        fit(source, rows_for("reconstruction"), recipe[:-1], runtime=CPU, history=brief())
        model.start_from(source)
    before = state(model)
    rows = Targeted(rows_for("reconstruction"), targets(goal.name, ROWS))
    fit(model, rows, recipe[-1:], runtime=CPU, history=brief())
    assert moved(before, model) >= {"decoder.0.weight", "decoder.0.bias"}


def assert_refused_before_training(model: Dense, rows: TensorRows, recipe: list[Phase], words: str) -> None:
    before, history = state(model), History()
    with pytest.raises(InputError, match=words) as told:
        fit(model, rows, recipe, runtime=CPU, history=history)
    assert "\n" not in str(told.value)
    assert history.rows == []
    assert moved(before, model) == set()


@by_layers
def test_more_layers_than_the_model_has(name):
    deeper = setting(name, widths=(FEATURES, 5, 4, 3, 2))
    words = r"^phase '(layer|machine) 4': layer must be from 0 to 2, the model's depth less one; got 3"
    assert_refused_before_training(model_for(name), rows_for("reconstruction"), bound(name)(deeper), words)


@by_layers
def test_without_widths(name):
    with pytest.raises(InputError, match="needs the widths"):
        bound(name)(Setting(ROWS))


@pytest.mark.parametrize("value", [1.5, -0.5])
def test_binary_units_on_numbers_outside_their_range(value):
    x = uniform(ROWS, FEATURES)
    x[13, 2] = value
    recipe = bound("hinton2006")(setting("hinton2006", "binary"))
    words = rf"^phase 'machine 1': binary visible units need numbers in \[0, 1\]; found {value} in feature 2 of row 13"
    assert_refused_before_training(model_for("hinton2006", "binary"), TensorRows(x), recipe, words)


def test_linear_units_take_any_numbers():
    fit(model_for("hinton2006"), TensorRows(5 * normal(ROWS, FEATURES)), bound("hinton2006")(setting("hinton2006")))


@pytest.mark.parametrize(("widths", "layer"), [((3, 9, 9), 1), ((9, 3, 9), 2), ((9, 9, 3), 3)])
def test_more_units_kept_than_there_are(widths, layer):
    with pytest.raises(
        InputError, match=f"^phase 'layer {layer}': k must be at most the layer's 3 units; got 4. Lower k or widen"
    ) as told:
        makhzani2013(Setting(ROWS, widths=(FEATURES, *widths)), k=4)
    assert "\n" not in str(told.value)
    with pytest.raises(InputError, match="at least that many units; got 3"):
        Dense(FEATURES, widths[:-1], code=widths[-1], layer=Layer(TopK(4)), code_activation=TopK(4))


def test_a_recipe_for_sparse_codes_on_a_model_without_them():
    recipe = bound("makhzani2013")(setting("makhzani2013"))
    assert_refused_before_training(
        model_for("bengio2007"), rows_for("reconstruction"), recipe, r"^phase 'layer 1': Revival needs"
    )


@pytest.mark.parametrize(("widths", "layer"), [((6, 4, 2), 1), ((5, 5, 2), 2), ((5, 4, 7), 3)])
def test_a_bottleneck_that_is_none(widths, layer):
    below = (FEATURES, *widths)[layer - 1]
    words = f"^phase 'layer {layer}': .* must be narrower than what it sees; got {widths[layer - 1]} units for {below}"
    with pytest.raises(InputError, match=words) as told:
        bottleneck(Setting(ROWS, widths=(FEATURES, *widths)))
    assert "\n" not in str(told.value)
    for other in (free_bottleneck, sparse_bottleneck):
        assert len(other(Setting(ROWS, widths=(FEATURES, *widths)))) == 4


@pytest.mark.parametrize("widths", [(2,), (8, 8, 2)])
def test_five_layers_are_five_layers(widths):
    words = (
        rf"^phase 'train': the five layers of kramer1991 have one hidden layer in the encoder; got {len(widths) - 1}"
    )
    with pytest.raises(InputError, match=words) as told:
        kramer1991(Setting(ROWS, widths=(FEATURES, *widths)))
    assert "\n" not in str(told.value)


DEEP = Setting(ROWS, widths=(8, 7, 6, 5, 4, 3, 2))


@pytest.mark.parametrize(
    ("layers", "sparse"), [("alternate", (1, 3, 5)), ("all", (1, 2, 3, 4, 5)), ("none", ())], ids=str
)
def test_which_layers_are_kept_sparse(layers, sparse):
    *alone, whole = alternate_sparsity(DEEP, layers=layers, sparsity=0.2, target=0.1)
    assert [phase.view for phase in alone] == [Block(index) for index in range(6)]
    assert [number for number, phase in enumerate(alone, 1) if phase.objective.penalties] == [*sparse]
    for phase in alone:
        assert phase.objective.penalties in ({}, {"sparsity": (0.2, KLSparsity(0.1, layers=(1,)))})
    wanted = {"sparsity": (0.2, KLSparsity(0.1, layers=sparse))} if sparse else {}
    assert whole.objective.penalties == wanted


@pytest.mark.parametrize(
    ("widths", "alternate"), [((8, 7, 6, 5, 4, 2), (1, 3)), ((8, 7, 6, 2), (1,)), ((8, 4, 2), (1,)), ((8, 2), ())]
)
def test_the_code_is_never_kept_sparse(widths, alternate):
    setting = Setting(ROWS, widths=widths)
    hidden_layers = tuple(range(1, setting.depth))
    for layers, wanted in {"alternate": alternate, "all": hidden_layers}.items():
        *alone, whole = alternate_sparsity(setting, layers=layers)
        assert tuple(number for number, phase in enumerate(alone, 1) if phase.objective.penalties) == wanted
        assert [penalty.layers for _, penalty in whole.objective.penalties.values()] == [wanted] * bool(wanted)
    last = alternate_sparsity_combined(setting)[-1].objective.penalties
    assert [last["sparsity"][1].layers] == [alternate] if alternate else "sparsity" not in last


@pytest.mark.parametrize("given", [[1, 3], (np.int64(3), 1), "1,3", "3, 1"], ids=repr)
def test_sparse_layers_by_number(given):
    arguments = recipe_arguments(alternate_sparsity, {"layers": given})
    assert alternate_sparsity(DEEP, **arguments)[-1].objective.penalties["sparsity"][1].layers == (1, 3)
    assert recipe_arguments(alternate_sparsity, {"layers": 2}) == {"layers": (2,)}
    with pytest.raises(InputError, match=r"numbers of hidden layers, from 1 to 5; got 6\. The code is not one\."):
        alternate_sparsity(DEEP, layers=[1, 6])


def test_fewer_rows_are_seen_more_often():
    for name in RECIPES:
        if name in OF_THEIR_OWN:
            continue
        small, large = (RECIPES[name](Setting(rows, widths=(8, *hidden(name), 2))) for rows in (1437, 60_000))
        least = [3000 if phase.view == Whole() else 1000 for phase in small]
        for phase, steps in zip(small, least, strict=True):
            batches = -(-1437 // phase.batch_size)
            assert phase.epochs == 300 or steps <= phase.epochs * batches
        assert all(few.epochs >= many.epochs for few, many in zip(small, large, strict=True))
        assert {phase.epochs for phase in large} <= {10, 30, 60, 200}
        for phase in RECIPES[name](Setting(3, widths=(8, *hidden(name), 2))):
            assert phase.epochs == 300


def divergence(activity: Tensor, target: float = 0.1) -> Tensor:
    mean = activity.mean(0)
    return (target * (target / mean).log() + (1 - target) * ((1 - target) / (1 - mean)).log()).sum()


@pytest.mark.parametrize("recipe", [alternate_sparsity, alternate_sparsity_combined])
def test_the_penalty_is_that_of_the_activity_of_those_layers(recipe):
    model, x = Dense(8, (7, 6, 5, 4, 3), code=2, layer=Layer(sigmoid)).eval(), normal(9, 8)
    layers = [*model(x).hidden, model(x).code]
    for phase in recipe(DEEP, sparsity=0.3, target=0.1):
        view, part = phase.view, phase.view.part(model)
        covered = {"Block": range(getattr(view, "index", 0), getattr(view, "index", 0) + 1)}
        covered |= {"Upto": range(getattr(view, "index", 0) + 1), "Whole": range(6)}
        sparse = [layer for layer in covered[type(view).__name__] if layer in (0, 2, 4)]
        fed = view.feed(model, TensorRows(x).batch(torch.arange(9)))
        found = phase.objective.terms(part(fed.x), fed, part, progress=0.0)
        assert ("sparsity" in found) == bool(sparse)
        if sparse:
            wanted = 0.3 * sum(divergence(layers[layer]) for layer in sparse)
            torch.testing.assert_close(found["sparsity"], wanted)


def test_all_together():
    recipe = alternate_sparsity_combined(DEEP, momentum=0.8, weight_decay=0.01)
    names = ["layer 1", "layer 2", "layers 1 to 2", "layer 3", "layers 1 to 3", "layer 4", "layers 1 to 4", "layer 5"]
    assert [phase.name for phase in recipe] == [*names, "layers 1 to 5", "layer 6", "fine-tune"]
    assert [phase.view for phase in recipe if phase.name.startswith("layers")] == [
        Upto(index) for index in (1, 2, 3, 4)
    ]
    descent = FirstOrder(torch.optim.SGD, lr=0.01, momentum=0.8, options={"nesterov": True})
    assert {repr(phase.optimizer) for phase in recipe} == {repr(descent)}
    assert {phase.objective.penalties["weight_decay"][0] for phase in recipe} == {0.01}
    so_far = {phase.name: phase.objective.penalties.get("sparsity") for phase in recipe}
    assert so_far["layers 1 to 2"][1].layers == (1,)
    assert so_far["layers 1 to 3"][1].layers == (1, 3)
    assert so_far["layers 1 to 5"][1].layers == (1, 3, 5) == so_far["fine-tune"][1].layers
    assert [so_far[f"layer {number}"] is None for number in range(1, 7)] == [False, True] * 3
    still = alternate_sparsity_combined(DEEP, momentum=0.0)
    assert still[0].optimizer.options["nesterov"] is False


WRONG = {
    "target": (1.0, "x"),
    "sparsity": (-1, float("nan")),
    "layers": ("odd", [], [1.0], [True], "1,,3", 2.5),
    "momentum": (1.0, 1.5),
    "epochs": (0, 2.5, "3"),
    "batch_size": (0, None),
    "lr": (0, -1.0),
    "k": (0, None),
    "masking": (1, -0.1),
    "trainer": ("rbm", None, 3),
}


@recipes
def test_arguments_are_looked_at_whoever_gives_them(name):
    for argument, values in WRONG.items():
        for value in values if argument in signature(RECIPES[name]).parameters else ():
            words = re.escape(f"the recipe's {argument} must be ") + ".*; got " + re.escape(repr(value))
            if value is not None:
                with pytest.raises(InputError, match=f"^{words}"):
                    recipe_arguments(RECIPES[name], {argument: value})
            elif signature(RECIPES[name]).parameters[argument].default is None:
                continue
            with pytest.raises(InputError, match=f"^{words}"):
                RECIPES[name](setting(name), **{argument: value})


@pytest.mark.parametrize("trainer", TRAINERS)
@pytest.mark.parametrize("name", ["layerwise", "intermediate_fine_tuning"])
def test_trainers_by_word(name, trainer):
    x, binary = uniform(ROWS, FEATURES), trainer == "machine"
    numbers = {"epochs": 2, "fine_tune_epochs": 3, "lr": 0.01, "batch_size": 7}
    recipe = partial(RECIPES[name], **recipe_arguments(RECIPES[name], {"trainer": trainer, **numbers}))
    phases = recipe(setting(name, "binary" if binary else "reconstruction"))
    assert [phase.epochs for phase in phases] == [2] * (len(phases) - 1) + [3]
    assert {phase.batch_size for phase in phases} == {7}
    style = architecture(recipe)
    model = Dense(
        FEATURES,
        hidden(name),
        code=2,
        layer=style.layer or Layer(tanh),
        code_activation=style.code_activation,
        output=sigmoid if binary else identity,
        linear_path=style.linear_path,
    )
    fit(model, TensorRows(x), phases, runtime=CPU, history=brief())
    assert all(parameter.isfinite().all() for parameter in model.parameters())


def test_denoising_above_the_first_layer():
    plain, binary = (vincent2010(setting("vincent2010", kind)) for kind in FIDELITIES)
    assert [isinstance(phase.objective.fidelity, CrossEntropy) for phase in plain] == [False] * 4
    assert [isinstance(phase.objective.fidelity, CrossEntropy) for phase in binary] == [True] * 4


@recipes
def test_it_takes_the_arguments_it_has_and_no_others(name):
    taken = signature(RECIPES[name]).parameters
    for argument in ("epochs", "fine_tune_epochs", "k", "lr"):
        if argument in taken:
            assert recipe_arguments(RECIPES[name], {argument: 3}) == {argument: 3}
            with pytest.raises(InputError, match=f"^the recipe's {argument} must be"):
                recipe_arguments(RECIPES[name], {argument: 0})
        else:
            with pytest.raises(InputError, match=f"^the recipe '{name}' has no argument '{argument}'; it has .+"):
                recipe_arguments(RECIPES[name], {argument: 3})


@pytest.mark.parametrize("name", ["end_to_end", "layerwise", "intermediate_fine_tuning", "hinton2006"])
def test_the_last_phase_takes_an_optimizer_by_name(name):
    arguments = recipe_arguments(RECIPES[name], {"optimizer": "HessianFree", "epochs": 1})
    last = RECIPES[name](setting(name), **arguments)[-1]
    assert isinstance(last.optimizer, HessianFree)
    assert last.schedule == Constant()
    rate = "fine_tune_lr" if name == "hinton2006" else "lr"
    assert recipe_arguments(RECIPES[name], {"optimizer": "SGD", rate: 0.2})["optimizer"].lr == 0.2
    with pytest.raises(InputError, match=r"^the optimizer must be one of .*; got 'adam'"):
        recipe_arguments(RECIPES[name], {"optimizer": "adam"})
