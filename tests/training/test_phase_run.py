"""Which weights a phase leaves behind."""

import pytest
import torch

from layerwise.models import Dense, Layer, sigmoid
from layerwise.optim import FirstOrder
from layerwise.penalties import KLSparsity
from layerwise.training import Objective, Phase, StepDecay, TensorRows, fit
from tests.cases import CPU, FEATURES, uniform

pytestmark = pytest.mark.usefixtures("global_random_state_unchanged")
ADAM = FirstOrder(torch.optim.Adam, lr=0.02)


@pytest.mark.parametrize("weight", [1.0, StepDecay((0.5,), 0.5)], ids=["fixed", "scheduled"])
def test_fidelity_that_is_given_up_for_a_penalty_is_not_taken_back(weight):
    rows = TensorRows(uniform(60, FEATURES))
    model = Dense(FEATURES, code=5, layer=Layer(sigmoid), code_activation=sigmoid, output=sigmoid)
    plain = Phase("plain", Objective(), ADAM, epochs=20, batch_size=20)
    fit(model, rows, [plain], validation=rows, runtime=CPU)
    before = model(rows.x).code.mean()
    sparse = Phase("sparse", Objective(penalties={"sparsity": (weight, KLSparsity(0.05))}), ADAM, 20, batch_size=20)
    history = fit(model, rows, [sparse], validation=rows, runtime=CPU)
    epochs = [row["validation"] for row in history.rows if row["event"] == "epoch"]
    objectives = [sum(terms.values()) for terms in epochs]
    assert history.phases()[0]["best_epoch"] == objectives.index(min(objectives)) > 0
    assert epochs[-1]["squared_error"] > epochs[0]["squared_error"]
    assert model(rows.x).code.mean() < 0.5 * before
