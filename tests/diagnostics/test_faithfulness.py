"""Means over all rows, and neighbourhoods against their definition written out."""

import math

import numpy as np
import pytest
import torch
from torch import Tensor

from layerwise.data import Batch
from layerwise.diagnostics import mean_fidelity, neighbourhoods
from layerwise.errors import InputError
from layerwise.models import Dense, Pass, RestrictedBoltzmannMachine, sigmoid
from layerwise.penalties import (
    ReverseCrossEntropy,
    contrastive_divergence,
    cross_entropy,
    reverse_cross_entropy,
    squared_error,
)
from layerwise.training import TensorRows
from tests.cases import FEATURES, rows_with_holes, uniform


def outputs(z: Tensor) -> Pass:
    return Pass(z, z, z, (), z)


def test_reverse_cross_entropy_by_hand():
    x, z = torch.tensor([[0.25, 0.5], [0.0, 1.0]]), torch.tensor([[0.75, 1.0], [1.0, 1.0]])
    first = -(0.75 * math.log(0.25) + 0.25 * math.log(0.75) + math.log(0.5))
    second = -math.log(1e-6) - math.log(1 - 1e-6)
    found = reverse_cross_entropy.rows(outputs(z), Batch(x, None))
    assert found.tolist() == pytest.approx([first, second], rel=1e-6)
    seen = torch.tensor([[True, False], [True, True]])
    found = reverse_cross_entropy.rows(outputs(z), Batch(x, seen))
    assert found.tolist() == pytest.approx([first + math.log(0.5), second], rel=1e-6)


def test_reverse_cross_entropy_exchanges_the_roles_and_clips_black_as_white():
    x, z = uniform(5, 4, seed=1, dtype=torch.float64), uniform(5, 4, seed=2, dtype=torch.float64)
    swapped = Pass(z, z, x, (), torch.logit(x))
    torch.testing.assert_close(
        reverse_cross_entropy(outputs(z), Batch(x, None)), cross_entropy(swapped, Batch(z, None))
    )
    for eps in (1e-6, 1e-3):
        ends = torch.tensor([[0.0], [1.0]])
        found = ReverseCrossEntropy(eps).rows(outputs(1 - ends), Batch(ends, None))
        assert found.tolist() == pytest.approx([-math.log(eps)] * 2, rel=1e-6)


@pytest.mark.parametrize("eps", [0.0, -1e-6, 0.5, 1.0, math.nan])
def test_an_eps_that_makes_no_sense_is_refused(eps):
    with pytest.raises(InputError, match="eps of ReverseCrossEntropy must be between 0 and"):
        ReverseCrossEntropy(eps)


@pytest.mark.parametrize("fidelity", [squared_error, cross_entropy, reverse_cross_entropy])
def test_the_mean_is_that_of_all_rows_at_once(fidelity, monkeypatch):
    monkeypatch.setattr("layerwise.diagnostics.reconstruction.CHUNK", 4)
    rows, model = rows_with_holes(11), Dense(FEATURES, (4,), code=2, output=sigmoid)
    assert rows.observed is not None
    found = mean_fidelity(model, TensorRows(rows.x, rows.observed), fidelity=fidelity)
    assert found == pytest.approx(float(fidelity(model(rows.x), rows).detach()), rel=1e-6)


def test_the_mean_of_what_needs_energies_is_that_of_a_machine():
    machine, x = RestrictedBoltzmannMachine(FEATURES, 3), uniform(9, FEATURES)
    found = mean_fidelity(machine, TensorRows(x), fidelity=contrastive_divergence)
    expected = contrastive_divergence(machine.eval()(x), Batch(x, None))
    assert found == pytest.approx(float(expected.detach()), abs=1e-5)


def test_no_rows_have_no_mean():
    with pytest.raises(InputError, match="at least 1 row"):
        mean_fidelity(Dense(3, code=1), TensorRows(torch.zeros(0, 3)), fidelity=squared_error)


def ranks(values: np.ndarray) -> np.ndarray:
    """The place of each row in the order of distance from each other, from 1 on; itself at 0."""
    distances = np.linalg.norm(values[:, None] - values[None], axis=2)
    return np.array([[int((row < other).sum()) for other in row] for row in distances])


def by_definition(near: np.ndarray, kept: np.ndarray, k: int) -> float:
    n, total = len(near), 0
    for i in range(n):
        for j in range(n):
            if j != i and near[i, j] <= k < kept[i, j]:
                total += kept[i, j] - k
    return 1 - 2 * total / (n * k * (2 * n - 3 * k - 1))


@pytest.mark.parametrize("k", [1, 5, 9])
def test_neighbourhoods_are_those_of_the_definition(k):
    draw = np.random.default_rng(0)
    inputs = draw.normal(size=(30, 4))
    codes = inputs[:, :2] + 0.3 * draw.normal(size=(30, 2))
    found = neighbourhoods(inputs, codes, k=k)
    assert found.trustworthiness == pytest.approx(by_definition(ranks(codes), ranks(inputs), k), abs=1e-12)
    assert found.continuity == pytest.approx(by_definition(ranks(inputs), ranks(codes), k), abs=1e-12)
    assert found.trustworthiness != pytest.approx(found.continuity, abs=1e-3)
    back = neighbourhoods(codes, inputs, k=k)
    assert back == (found.continuity, found.trustworthiness)


def test_what_is_torn_is_not_continuous_and_what_is_folded_not_trustworthy():
    angle = np.linspace(-np.pi, np.pi, 200, endpoint=False)[:, None]
    circle = np.hstack([np.cos(angle), np.sin(angle)])
    torn, folded = neighbourhoods(circle, angle, k=9), neighbourhoods(circle, circle[:, :1], k=9)
    assert torn.trustworthiness == pytest.approx(1, abs=0.01) and torn.continuity < torn.trustworthiness - 0.005
    assert folded.trustworthiness < 0.8 and folded.continuity > folded.trustworthiness + 0.1


@pytest.mark.parametrize(
    ("inputs", "codes", "k", "message"),
    [
        (np.zeros((9, 2)), np.zeros((8, 2)), 2, "as many rows as codes; got 9 for 8"),
        (np.zeros((9, 2)), np.full((9, 2), np.nan), 2, "codes must be finite; 18 values are not, the first in row 0"),
        (np.full((9, 2), np.inf), np.zeros((9, 2)), 2, "inputs must be finite"),
        (np.zeros((9, 2)), np.zeros((9, 2)), 0, "k must be at least 1 and below half of the rows; got 0 for 9"),
        (np.zeros((8, 2)), np.zeros((8, 2)), 4, "got 4 for 8 rows"),
        (np.zeros((0, 2)), np.zeros((0, 2)), 1, "neither of them 0"),
    ],
)
def test_neighbourhoods_of_what_makes_no_sense_are_refused_in_one_line(inputs, codes, k, message):
    with pytest.raises(InputError, match=message) as refused:
        neighbourhoods(inputs, codes, k=k)
    assert "\n" not in str(refused.value)
