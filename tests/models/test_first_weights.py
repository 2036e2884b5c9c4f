"""First weights that are learned from rows, against what they promise; and initializers by name."""

import math
import re
from pathlib import Path

import pytest
import torch

from layerwise.errors import InputError
from layerwise.models import (
    Dense,
    DenseLayer,
    He,
    Identity,
    Inputs,
    Layer,
    LayerSequentialUnitVariance,
    Normalization,
    Orthogonal,
    Predictor,
    PrincipalComponents,
    PrincipalDirections,
    Sparse,
    Variational,
    activation_from_name,
    critical_gain,
    gain,
    identity,
    initializer_from_name,
    relu,
    start_from_rows,
    tanh,
)
from layerwise.training import TensorRows
from tests.cases import ACTIVATIONS, INITIALIZERS, normal, seeded, uniform

pytestmark = pytest.mark.usefixtures("global_random_state_unchanged")
X = normal(300, 10) @ normal(10, 10, seed=1) + 3
ROWS = TensorRows(X)
LSUV, PCA = LayerSequentialUnitVariance(), PrincipalDirections()


def linear_outputs(model: torch.nn.Module, x: torch.Tensor) -> list[torch.Tensor]:
    """What comes before the activation of every layer, in the order in which they compute."""
    found: list[torch.Tensor] = []
    layers = [layer for layer in model.modules() if isinstance(layer, DenseLayer)]
    hooks = [layer.normalize.register_forward_pre_hook(lambda _, given: found.append(given[0])) for layer in layers]
    with torch.no_grad():
        model.eval()(x)
    for hook in hooks:
        hook.remove()
    return found


@pytest.mark.parametrize("activation", [identity, tanh, relu])
@pytest.mark.parametrize("normalization", Normalization)
def test_every_layer_starts_with_unit_variance(activation, normalization):
    model = Dense(10, (12, 8), code=5, layer=Layer(activation, LSUV, normalization=normalization))
    start_from_rows(model, ROWS)
    assert model.training
    variances = [values.var(correction=0).item() for values in linear_outputs(model, X)]
    assert variances == pytest.approx([1.0] * 6, rel=1e-4)


def test_so_do_those_of_other_models():
    models = [
        Predictor(10, (12, 8), outputs=3, layer=Layer(relu, LSUV)),
        Variational(10, (12, 8), code=5, layer=Layer(relu, LSUV)),
    ]
    for model in models:
        start_from_rows(model, ROWS)
        variances = [values.var(correction=0).item() for values in linear_outputs(model, X)]
        # The head and the variances of codes have no voice yet.
        assert [v for v in variances if v] == pytest.approx([1.0] * (len(variances) - 1), rel=1e-4)


def test_a_linear_autoencoder_starts_as_principal_components():
    known = PrincipalComponents.fit(ROWS, 3)
    for hidden in ((), (6,), (10, 5)):
        model = Dense(10, hidden, code=3, layer=Layer(identity, PCA))
        start_from_rows(model, ROWS)
        torch.testing.assert_close(model(X).reconstruction, known.reconstruct(X), atol=1e-3, rtol=1e-3)


def test_the_first_layer_of_others_has_the_principal_directions():
    known = PrincipalComponents.fit(ROWS, 4)
    for layer in (Layer(tanh, PCA), Layer(tanh, PCA, tied=True), Layer(relu, PCA, dropout=0.2)):
        model = Dense(10, (4,), code=2, layer=layer)
        start_from_rows(model, ROWS)
        weight = model.encoder[0].weight
        cosines = (weight @ known.components.T) / weight.norm(dim=1, keepdim=True)
        torch.testing.assert_close(cosines, torch.eye(4), atol=1e-4, rtol=0)


def test_units_beyond_the_rank_keep_their_weights():
    x = torch.outer(torch.arange(20.0), torch.tensor([1.0, 2.0, 0.0]))
    model = Dense(3, (5,), code=2, layer=Layer(tanh, PCA))
    drawn = model.encoder[0].weight.detach().clone()
    start_from_rows(model, TensorRows(x))
    now = model.encoder[0].weight.detach()
    cosines = torch.cosine_similarity(now, drawn)
    torch.testing.assert_close(cosines[1:], torch.ones(4))
    assert torch.isfinite(model(x).reconstruction).all()


@pytest.mark.parametrize("initializer", [LSUV, PCA])
def test_a_silent_branch_stays_silent_and_rows_that_say_nothing_do_no_harm(initializer):
    beside = Dense(10, (6,), code=3, layer=Layer(tanh, initializer), linear_path=True)
    before = beside(X).reconstruction
    start_from_rows(beside, ROWS)
    torch.testing.assert_close(beside(X).reconstruction, before)
    constant = Dense(10, (6,), code=3, layer=Layer(relu, initializer))
    start_from_rows(constant, TensorRows(torch.zeros(4, 10)))
    assert all(torch.isfinite(parameter).all() for parameter in constant.parameters())
    embedded = Dense(Inputs(6, ((1, 4, 2),)), (4,), code=2, layer=Layer(tanh, initializer))
    start_from_rows(embedded, TensorRows(uniform(30, 6)))
    assert torch.isfinite(embedded(uniform(30, 6)).reconstruction).all()


def test_other_initializers_leave_the_model_as_it_is():
    model, same = (Dense(10, (6,), code=3, seed=2) for _ in range(2))
    start_from_rows(model, ROWS)
    assert all(torch.equal(a, b) for a, b in zip(model.parameters(), same.parameters(), strict=True))


@pytest.mark.parametrize(("outputs", "inputs"), [(200, 300), (7, 9), (5, 1)])
def test_each_unit_has_so_many_connections(outputs, inputs):
    weight = Sparse()(outputs, inputs, gain=1.0, generator=seeded(0))
    assert (weight.count_nonzero(dim=1) == min(15, inputs)).all()
    if outputs == 200:
        values = weight[weight != 0]
        assert values.std().item() == pytest.approx(1.0, abs=5 * (2 * len(values)) ** -0.5)
        # Every input has the same chance.
        assert weight.count_nonzero(dim=0).float().var().item() == pytest.approx(10 * (1 - 15 / 300), rel=0.5)


@pytest.mark.parametrize(("outputs", "inputs"), [(4, 4), (3, 8), (9, 4)])
def test_the_identity_is_folded_into_an_isometry(outputs, inputs):
    weight = Identity(0.0)(outputs, inputs, gain=2.0, generator=seeded(0))
    torch.testing.assert_close(torch.linalg.svdvals(weight), torch.ones(min(outputs, inputs)))
    noisy = Identity(0.3)(outputs, inputs, gain=2.0, generator=seeded(0)) - weight
    assert 0.03 < noisy.std().item() * math.sqrt(inputs) < 0.6


def test_the_critical_gain_keeps_a_small_signal():
    model = Dense(64, (64,) * 60, code=64, layer=Layer(tanh, Orthogonal(critical=True)))
    x = 1e-4 * normal(50, 64)
    assert model(x).code.square().mean().item() == pytest.approx(x.square().mean().item(), rel=1e-2)


def test_the_table_of_gains_is_right():
    page = (Path(__file__).parents[2] / "docs" / "initialization.md").read_text("utf-8")
    table = re.findall(r"^\| `([\w:]+)`(?: of (\d+) units)? \| ([\d.]+) \| ([\d.]+) \|$", page, re.MULTILINE)
    assert {name.partition(":")[0] for name, *_ in table} == {name.partition(":")[0] for name in ACTIVATIONS}
    for name, units, kept, critical in table:
        activation, width = activation_from_name(name), int(units) if units else None
        assert kept == f"{gain(activation, units=width):.3f}"
        assert critical == f"{critical_gain(activation, units=width):.3f}"


def test_the_table_of_initializers_has_all_of_them():
    page = (Path(__file__).parents[2] / "docs" / "initialization.md").read_text("utf-8")
    rows = re.findall(r"^\| `([\w:.]+)` \| `(\w+)\(", page, re.MULTILINE)
    assert {kind for _, kind in rows} == {type(made).__name__ for made in INITIALIZERS.values()}
    assert all(type(initializer_from_name(name)).__name__ == kind for name, kind in rows)


@pytest.mark.parametrize(
    ("name", "initializer"),
    [
        ("orthogonal:critical", Orthogonal(critical=True)),
        ("lsuv", LSUV),
        ("pca", PCA),
        ("sparse", Sparse()),
        ("sparse:3", Sparse(3)),
        ("identity:0.5", Identity(0.5)),
        ("he:0.5", He(0.5)),
    ],
)
def test_names(name, initializer):
    assert initializer_from_name(name) == initializer


@pytest.mark.parametrize(
    "name", ["xavier", "sparse:many", "glorot:2", "gaussian:nan", "sparse:0", "identity:-1", "lsuv:1"]
)
def test_unknown_names_are_refused(name):
    with pytest.raises(InputError, match="must be one of glorot"):
        initializer_from_name(name)
