"""Fidelities and divergences against SciPy, PyTorch and their formulas written out."""

import math

import numpy as np
import pytest
import torch
from scipy.special import rel_entr
from scipy.stats import bernoulli
from torch import Tensor, nn
from torch.nn import functional

from layerwise.data import Batch, Schema, Table
from layerwise.errors import InputError
from layerwise.models import Pass
from layerwise.penalties import (
    L1,
    Discrete,
    Emphasized,
    KLSparsity,
    MixedFidelity,
    WeightDecay,
    clipped_squared_error,
    cross_entropy,
    squared_error,
)
from tests.cases import normal, rows_with_holes, uniform

FLOAT = torch.float64
NOBODY = nn.Identity()
X, SEEN, _ = rows_with_holes(8, dtype=FLOAT)
Z = normal(8, 6, seed=5, dtype=FLOAT)


def a_pass(natural: Tensor, *, reconstruction: Tensor | None = None, code: Tensor | None = None, hidden=()) -> Pass:
    code = natural.new_zeros(len(natural), 1) if code is None else code
    return Pass(natural, code, natural if reconstruction is None else reconstruction, tuple(hidden), natural)


def test_squared_error_is_the_sum_over_observed_features():
    found = squared_error.rows(a_pass(Z), Batch(X, SEEN))
    expected = [sum((x - z) ** 2 for x, z, s in zip(*row, strict=True) if s) for row in zip(X, Z, SEEN, strict=True)]
    torch.testing.assert_close(found, torch.tensor(expected, dtype=FLOAT))


def test_cross_entropy_is_pytorchs():
    found = cross_entropy(a_pass(Z, reconstruction=Z.sigmoid()), Batch(X, None))
    expected = functional.binary_cross_entropy(Z.sigmoid(), X, reduction="sum") / len(X)
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)


def test_cross_entropy_is_the_formula_over_observed_cells():
    p = Z.sigmoid()
    cells = -(X * p.log() + (1 - X) * (1 - p).log())
    found = cross_entropy(a_pass(Z, reconstruction=p), Batch(X, SEEN))
    torch.testing.assert_close(found, cells[SEEN].sum() / len(X), rtol=1e-12, atol=0)


def test_cross_entropy_is_least_at_the_entropy_of_the_target():
    found = cross_entropy(a_pass(torch.logit(X.clamp(1e-6, 1 - 1e-6))), Batch(X, SEEN))
    assert SEEN is not None
    entropy = bernoulli(X.numpy()).entropy()[SEEN.numpy()].sum() / len(X)
    assert found.item() == pytest.approx(float(entropy), rel=1e-5)


@pytest.mark.parametrize("logit", [100.0, 1e4])
def test_cross_entropy_is_exact_where_the_sigmoid_is_full(logit):
    z = torch.full((1, 1), logit)
    assert z.sigmoid().item() == 1.0
    assert cross_entropy(a_pass(z), Batch(torch.zeros(1, 1), None)).item() == logit


def test_clipped_squared_error_lies_above_the_squared_error():
    target, low, high = X.round(), 0.0, 1.0
    run = a_pass(3 * Z, reconstruction=(3 * Z).clamp(low, high))
    clipped, plain = (f.rows(run, Batch(target, None)) for f in (clipped_squared_error, squared_error))
    assert (clipped >= plain).all()
    assert (clipped > plain).any()
    unbounded = a_pass(3 * Z)
    torch.testing.assert_close(
        clipped_squared_error.rows(unbounded, Batch(target, SEEN)), squared_error.rows(unbounded, Batch(target, SEEN))
    )


@pytest.mark.parametrize(
    ("target", "z", "expected"),
    [(0.0, -2.0, 0.0), (0.0, 0.5, 0.25), (0.0, 3.0, 9.0), (0.25, -2.0, 2.25**2), (1.0, 3.0, 0.0), (1.0, -2.0, 9.0)],
)
def test_clipped_squared_error_cell_by_cell(target, z, expected):
    natural = torch.tensor([[z]], requires_grad=True)
    run = a_pass(natural, reconstruction=natural.clamp(0, 1))
    loss = clipped_squared_error(run, Batch(torch.tensor([[target]]), None))
    assert loss.item() == expected
    assert torch.autograd.grad(loss, natural)[0].item() == 2 * (z - target) * (expected > 0)


@pytest.mark.parametrize("target", [0.05, 0.5, 0.9])
def test_the_divergence_is_scipys(target):
    code, hidden = uniform(9, 4, dtype=FLOAT), uniform(9, 3, seed=1, dtype=FLOAT)
    run = a_pass(Z, code=code, hidden=[hidden])
    for layers, activity in (("code", code), ("alternate", hidden), ("all", torch.cat([hidden, code], 1))):
        mean = activity.mean(0).numpy()
        expected = (rel_entr(target, mean) + rel_entr(1 - target, 1 - mean)).sum()
        assert KLSparsity(target, layers)(run, NOBODY).item() == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("activity", [0.0, 1.0, -0.5])
def test_the_divergence_of_dead_and_full_units_is_finite(activity):
    value = KLSparsity(0.1)(a_pass(Z, code=torch.full((3, 2), activity)), NOBODY).item()
    assert math.isfinite(value)
    assert value > 0.1


def test_l1_is_the_sum_over_units_and_the_mean_over_rows():
    code, first, second = (normal(5, width, seed=width, dtype=FLOAT) for width in (2, 3, 4))
    run = a_pass(Z, code=code, hidden=[first, second])
    sizes = [np.abs(layer.numpy()).sum(1).mean() for layer in (first, second, code)]
    for layers, chosen in [
        ("code", [2]),
        ("all", [0, 1, 2]),
        ("alternate", [0]),
        ((1, 2), [0, 1]),
        ([3], [2]),
    ]:
        expected = sum(sizes[number] for number in chosen)
        assert L1(layers)(run, NOBODY).item() == pytest.approx(expected, rel=1e-12)


def test_weight_decay_pulls_each_matrix_entry_by_itself():
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 4)).double()
    WeightDecay()(a_pass(Z), model).backward()
    for layer in model:
        assert torch.equal(layer.weight.grad, layer.weight)
        assert layer.bias.grad is None


def test_the_mixed_error_is_the_sum_over_kinds():
    yes_no = Discrete(0, 1, center=(0.3,), scale=0.4, entropy=0.61)
    kinds = Discrete(1, 4, center=(0.5, 0.5, 0.0), scale=0.7, entropy=0.69)
    truth = torch.tensor([[1.0, 0.0, 1.0, 0.0], [0.0, 1.0, 0.0, 0.0]], dtype=FLOAT)
    centers, scales = torch.tensor([0.3, 0.5, 0.5, 0.0], dtype=FLOAT), torch.tensor([0.4, 0.7, 0.7, 0.7], dtype=FLOAT)
    x = torch.cat([(truth - centers) / scales, X[:2, :1]], 1)
    z = normal(2, 5, seed=6, dtype=FLOAT)
    scores = 4 * (z[:, :4] * scales + centers)
    expected = (
        functional.binary_cross_entropy_with_logits(scores[:, 0] - 2, truth[:, 0], reduction="none") / 0.61
        + functional.cross_entropy(scores[:, 1:], truth[:, 1:].argmax(1), reduction="none") / 0.69
        + (x[:, 4] - z[:, 4]) ** 2
    )
    torch.testing.assert_close(MixedFidelity((yes_no, kinds)).rows(a_pass(z), Batch(x, None)), expected)


def test_guessing_costs_one_a_column():
    """With the frequencies as scores the logits are not those of the frequencies: by a little more than 1."""
    draw = np.random.default_rng(0)
    columns = {
        "number": draw.normal(3, 2, 500),
        "half": draw.random(500) < 0.5,
        "word": draw.choice(["a", "b", "c"], 500),
    }
    import pandas as pd

    from layerwise.data import from_frame

    table: Table = from_frame(pd.DataFrame(columns))
    schema = Schema.fit(table)
    fidelity = MixedFidelity.of(schema)
    assert [(block.stop - block.start) for block in fidelity.blocks] == [1, 4]
    rows = schema.encode(table).batch(slice(None))
    guess = torch.zeros_like(rows.x)
    for name, block in zip(("number", "half", "word"), schema.layout, strict=True):
        only = torch.zeros_like(rows.x, dtype=torch.bool)
        only[:, block.start : block.stop] = True
        assert fidelity(a_pass(guess), Batch(rows.x, only)).item() == pytest.approx(1.0, rel=0.35), name
    levels = torch.ones_like(rows.x, dtype=torch.bool)
    levels[:, 0] = False
    exact = fidelity(a_pass(10 * rows.x), Batch(rows.x, levels))
    assert exact.item() < 0.01


CORRUPTED = torch.where(normal(8, 6, seed=9) > 0.4, 0.5, X)  # X is nowhere 0.5.
YES_NO_AND_KINDS = MixedFidelity((Discrete(0, 1, (0.3,), 0.4, 0.61), Discrete(1, 4, (0.5, 0.5, 0.0), 0.7, 0.69)))


def emphasized_pass() -> Pass:
    return a_pass(Z)._replace(input=CORRUPTED)


@pytest.mark.parametrize("seen", [SEEN, None])
@pytest.mark.parametrize(("corrupted", "others"), [(1.0, 0.5), (2.0, 0.0), (0.0, 3.0)])
def test_corrupted_cells_count_with_their_own_weight(corrupted, others, seen):
    mask = torch.ones_like(X) if seen is None else seen
    weights = torch.where(CORRUPTED != X, corrupted, others) * mask
    cells = {
        squared_error: (X - Z).square(),
        cross_entropy: -(X * Z.sigmoid().log() + (1 - X) * (1 - Z.sigmoid()).log()),
    }
    for fidelity, cell in cells.items():
        found = Emphasized(fidelity, corrupted, others).rows(emphasized_pass(), Batch(X, seen))
        torch.testing.assert_close(found, (weights * cell).sum(1), rtol=1e-12, atol=1e-12)


def test_a_category_is_corrupted_as_a_whole():
    columns = [(0, 1), (1, 4), (4, 5), (5, 6)]
    expected = torch.zeros(8, dtype=FLOAT)
    for start, stop in columns:
        only = torch.zeros(8, 6, dtype=torch.bool)
        only[:, start:stop] = True
        weights = torch.where((CORRUPTED != X)[:, start:stop].any(1), 1.0, 0.25)
        expected += weights * YES_NO_AND_KINDS.rows(a_pass(Z), Batch(X, only))
    partly = (CORRUPTED != X)[:, 1:4].sum(1)
    assert ((partly > 0) & (partly < 3)).any()
    found = Emphasized(YES_NO_AND_KINDS, 1.0, 0.25).rows(emphasized_pass(), Batch(X, None))
    torch.testing.assert_close(found, expected, rtol=1e-12, atol=0)


@pytest.mark.parametrize("fidelity", [squared_error, cross_entropy, YES_NO_AND_KINDS])
def test_equal_weights_and_clean_rows_are_the_plain_fidelity(fidelity):
    target = Batch(X, SEEN)
    plain = fidelity.rows(a_pass(Z), target)
    torch.testing.assert_close(Emphasized(fidelity, 1.0, 1.0).rows(emphasized_pass(), target), plain)
    clean = a_pass(Z)._replace(input=X)
    for others in (0.0, 0.5):
        assert torch.equal(Emphasized(fidelity, others=others).rows(clean, target), plain)


@pytest.mark.parametrize("weights", [(-1.0, 1.0), (1.0, -0.1), (0.0, 0.0), (math.inf, 1.0), (1.0, math.nan)])
def test_weights_of_emphasis_that_make_no_sense_are_refused(weights):
    with pytest.raises(InputError, match="weights of Emphasized"):
        Emphasized(squared_error, *weights)


def test_layers_by_number_are_those_and_nothing_else():
    code, first, second = (normal(5, width, seed=width, dtype=FLOAT) for width in (2, 3, 4))
    run = a_pass(Z, code=code, hidden=[first, second])
    for chosen in ([1, 3], (np.int64(1), np.int32(3))):
        assert L1(chosen)(run, NOBODY) == L1((1,))(run, NOBODY) + L1((3,))(run, NOBODY)
    for wrong in ([], [True], [0], [4]):
        with pytest.raises(ValueError, match=r"^layers must be whole numbers from 1 to 3 .*; got"):
            L1(wrong)(run, NOBODY)
