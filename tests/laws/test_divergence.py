"""What every run owes when a number stops being finite: it is caught in its step, undone, told, and never kept."""

import contextlib

import pytest
import torch
from torch import Tensor

from layerwise.corruptions import Masking
from layerwise.data import Batch
from layerwise.errors import TrainingDiverged
from layerwise.models import Dense
from layerwise.optim import FirstOrder, Optimizer
from layerwise.runtime import Runtime
from layerwise.training import Checkpoint, Event, History, Objective, Phase, TensorRows, fit
from layerwise.training.checkpoint import Saved
from tests.cases import CPU, FEATURES, MODELS, OPTIMIZERS, normal

pytestmark = pytest.mark.usefixtures("global_random_state_unchanged")
ROWS = TensorRows(normal(20, FEATURES))
FIRST = {name: optimizer for name, optimizer in OPTIMIZERS.items() if isinstance(optimizer, FirstOrder)}


class Poisoned:
    """Rows of which one is not finite from the n-th look on; after `until` looks it is well again."""

    def __init__(self, value: float, *, row: int = 7, start: int = 0, until: int = 10**9) -> None:
        self.value, self.row, self.start, self.until, self.looks = value, row, start, until, 0

    def __len__(self) -> int:
        return 20

    def batch(self, index: Tensor) -> Batch:
        self.looks += 1
        x = ROWS.x[index].clone()
        if self.start < self.looks <= self.until:
            x[index == self.row, 2] = self.value
        return Batch(x, None)


def run(
    data: object,
    optimizer: Optimizer,
    model: Dense | None = None,
    *,
    checkpoint: Checkpoint | None = None,
    **more: object,
) -> tuple[Dense, History]:
    model = model or MODELS["deep"](0)
    history = History(**more)
    phase = Phase("train", Objective(), optimizer, 4, batch_size=5, corruption=Masking(0.1))
    validation = TensorRows(normal(6, FEATURES))
    fit(model, data, [phase], validation=validation, history=history, runtime=CPU, checkpoint=checkpoint)
    return model, history


def finite_by_nature(tensors: dict[str, Tensor]) -> list[Tensor]:
    """All but the bounds of the output, which are infinite where there are none."""
    return [value for name, value in tensors.items() if "bounds." not in name]


def finite(model: Dense) -> bool:
    return all(bool(value.isfinite().all()) for value in model.parameters())


@pytest.fixture(params=[0, 3], ids=["at once", "three steps ahead"], autouse=True)
def ahead(request, monkeypatch):
    """Processors look at every step; GPUs are some steps ahead."""
    monkeypatch.setattr(Runtime, "ahead", request.param)


@pytest.mark.parametrize("value", [torch.nan, torch.inf, -torch.inf])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_bad_row_is_named(optimizer, value):
    model, before = MODELS["deep"](0), MODELS["deep"](0).state_dict()
    with pytest.raises(TrainingDiverged, match=r"^phase 'train', epoch 1, step \d+: ") as told:
        run(Poisoned(value), OPTIMIZERS[optimizer], model)
    assert "with the training rows 7." in str(told.value)
    assert "'squared_error' is" in str(told.value)
    assert "\n" not in str(told.value)
    assert finite(model)
    # Epoch 0 was the last good one.
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_nothing_that_is_not_finite_is_saved(tmp_path, monkeypatch, optimizer):
    saved = []
    save = Saved.save

    def noted(self, state):
        saved.append(state)
        save(self, state)

    monkeypatch.setattr(Saved, "save", noted)
    # The second look is that of the fingerprint.
    poisoned = Poisoned(torch.nan, start=6)
    with pytest.raises(TrainingDiverged):
        run(poisoned, OPTIMIZERS[optimizer], checkpoint=Checkpoint(tmp_path / "run", every_steps=1))
    assert len(saved) >= 2
    assert all(bool(value.isfinite().all()) for state in saved for value in finite_by_nature(state.tensors))


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_a_passing_fault_costs_half_the_rate_and_is_told(optimizer):
    # The first look is that of the check before training; the fourth and the fifth are steps.
    model, history = run(Poisoned(torch.nan, start=3, until=5), OPTIMIZERS[optimizer])
    told = [row for row in history.rows if row["event"] == "rollback"]
    assert finite(model)
    assert 1 <= len(told) <= 3
    assert told[0]["to"] == 0
    assert told[0]["factor"] == 0.5
    assert history.phases()[0]["reason"] == "epochs done"
    assert [row for row in history.rows if row["event"] == "step"][-1]["rate"] == 0.5 ** len(told)


@pytest.mark.parametrize("optimizer", FIRST)
def test_a_broken_weight_is_found_in_its_step(optimizer):
    model = MODELS["deep"](0)
    seen = []

    def break_it(event: Event) -> None:
        if event.event == "step":
            seen.append(event.step)
            if len(seen) == 6:
                with torch.no_grad():
                    next(model.parameters())[0, 0] = torch.nan

    history = run(ROWS, FIRST[optimizer], model, watch=[break_it])[1]
    told = [row for row in history.rows if row["event"] == "rollback"]
    # Steps ahead of the watcher are done with the old weights: at most to the end of the epoch.
    assert [row["step"] for row in told] == [9 if Runtime.ahead else 7]
    assert "encoder" in told[0]["cause"]
    assert finite(model)


def test_a_rate_a_million_times_too_large():
    wild = FirstOrder(torch.optim.SGD, lr=1e6)
    model = MODELS["deep"](0)
    with pytest.raises(TrainingDiverged, match="Half the rate did not help 3 times"):
        run(ROWS, FirstOrder(torch.optim.SGD, lr=1e30), model)
    assert finite(model)
    with contextlib.suppress(TrainingDiverged):
        run(ROWS, wild, model)
    assert finite(model)


def test_a_gradient_that_is_not_finite_without_a_loss_that_is_not():
    class Cliff(torch.autograd.Function):
        @staticmethod
        def forward(context, x):
            return x.clone()

        @staticmethod
        def backward(context, slope):
            return slope * torch.inf

    def edge(x: Tensor) -> Tensor:
        return Cliff.apply(x)

    for optimizer in OPTIMIZERS.values():
        model = Dense(FEATURES, (4,), code=2, code_activation=edge)
        with pytest.raises(TrainingDiverged, match=r"step \d+: the (weights|gradient)"):
            run(ROWS, optimizer, model)
        assert finite(model)


def test_bfloat16_that_overflows():
    model = MODELS["deep"](0)
    rows = TensorRows(normal(20, FEATURES) * 1e30)
    phase = Phase("train", Objective(), FirstOrder(torch.optim.SGD, lr=1.0), 2, batch_size=5)
    with pytest.raises(TrainingDiverged):
        fit(model, rows, [phase], runtime=Runtime("cpu", "bf16"))
    assert finite(model)
