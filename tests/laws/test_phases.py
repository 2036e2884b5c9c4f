"""What every phase owes: it moves its part and nothing else, uses every row, and is a plain value."""

import copy
import pickle

import pytest
import torch
from torch import Tensor

from layerwise.corruptions import Compose, GaussianNoise, Masking
from layerwise.data import Batch
from layerwise.models import Dense
from layerwise.optim import FirstOrder
from layerwise.penalties import L1, WeightDecay
from layerwise.training import Cosine, Objective, OneCycle, Phase, Recipe, StepDecay, Stop, TensorRows, Whole, fit
from tests.cases import CPU, FEATURES, MODELS, OPTIMIZERS, SCHEDULES, VIEWS, normal

pytestmark = pytest.mark.usefixtures("global_random_state_unchanged")
stacks = [name for name in MODELS if MODELS[name](0).depth > 1]
# Layers with a linear path beside them are trained as a whole.
parts = [(name, view) for name in stacks for view in VIEWS if view == "whole" or not MODELS[name](0).linear_path]


class Counted:
    """Rows that remember how often each was asked for, and in what portions, after the check before training."""

    def __init__(self, x: Tensor) -> None:
        self.x, self.seen, self.sizes = x, torch.zeros(len(x), dtype=torch.long), []
        self.looks = 0

    def __len__(self) -> int:
        return len(self.x)

    def batch(self, index: Tensor) -> Batch:
        self.looks += 1
        if self.looks > 1:
            self.seen.index_add_(0, index, torch.ones_like(index))
            self.sizes.append(len(index))
        return Batch(self.x[index], None)


def held(model: Dense, view: str) -> set[int]:
    """The storage of the part's parameters and running statistics."""
    return {value.data_ptr() for value in VIEWS[view].part(model).state_dict().values()}


@pytest.mark.parametrize(("name", "view"), parts)
def test_nothing_outside_the_part_moves_by_a_bit(name, view):
    model = MODELS[name](0)
    inside = held(model, view)
    before = {own: value.clone() for own, value in model.state_dict().items()}
    objective = Objective(penalties={"decay": (0.1, WeightDecay()), "sparsity": (0.1, L1())})
    phase = Phase("part", objective, OPTIMIZERS["AdamW"], epochs=2, view=VIEWS[view], batch_size=5)
    fit(model, TensorRows(normal(10, FEATURES)), [phase], runtime=CPU)
    moved = {own for own, value in model.state_dict().items() if not torch.equal(value, before[own])}
    assert moved
    assert moved <= {own for own, value in model.state_dict().items() if value.data_ptr() in inside}
    if view != "whole":
        assert len(inside) < len(before)


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_no_optimizer_moves_what_is_outside(optimizer):
    model = MODELS["deep"](0)
    before = copy.deepcopy(model.state_dict())
    fit(
        model,
        TensorRows(normal(10, FEATURES)),
        [Phase("part", Objective(), OPTIMIZERS[optimizer], epochs=2, view=VIEWS["second block"], batch_size=5)],
        runtime=CPU,
    )
    moved = {own for own, value in model.state_dict().items() if not torch.equal(value, before[own])}
    assert moved == {"encoder.1.weight", "encoder.1.bias", "decoder.2.weight", "decoder.2.bias"}


@pytest.mark.parametrize(("rows", "batch_size"), [(10, 4), (7, 3), (9, 8), (1, 4), (5, 1), (6, 100)])
def test_every_row_is_used_once_an_epoch(rows, batch_size):
    data = Counted(normal(rows, FEATURES))
    phase = Phase("count", Objective(), OPTIMIZERS["SGD"], epochs=3, batch_size=batch_size)
    history = fit(MODELS["deep"](0), data, [phase], runtime=CPU)
    assert data.seen.tolist() == [3] * rows
    assert max(data.sizes) <= batch_size
    assert max(data.sizes) - min(data.sizes) <= 1
    assert len(data.sizes) == 3 * -(-rows // batch_size)
    assert len([row for row in history.rows if row["event"] == "step"]) == len(data.sizes)


def test_batches_grow_until_one_holds_all_rows():
    data = Counted(normal(40, FEATURES))
    phase = Phase("grow", Objective(), OPTIMIZERS["SGD"], epochs=6, batch_size=5, growth=2.0)
    history = fit(MODELS["deep"](0), data, [phase], runtime=CPU)
    assert data.seen.tolist() == [6] * 40
    assert data.sizes == [5] * 8 + [10] * 4 + [20] * 2 + [40] * 3
    assert phase.steps(40) == len(data.sizes) == history.rows[0]["steps"]


def test_schedules_follow_the_epochs_where_batches_grow():
    phase = Phase("grow", Objective(), OPTIMIZERS["SGD"], epochs=4, batch_size=5, growth=2.0, schedule=Cosine())
    history = fit(MODELS["deep"](0), TensorRows(normal(20, FEATURES)), [phase], runtime=CPU)
    rates = [row["rate"] for row in history.rows if row["event"] == "step"]
    assert rates == [Cosine()(progress) for progress in (0.0, 1 / 16, 2 / 16, 3 / 16, 1 / 4, 3 / 8, 1 / 2, 3 / 4)]


@pytest.mark.parametrize("rows", [1, 2, 3, 1000])
@pytest.mark.parametrize("growth", [1.0, 1.001, 1.5, 1e300])
def test_any_growth_ends_in_one_batch_and_none_is_of_a_single_row(rows, growth):
    phase = Phase("grow", Objective(), OPTIMIZERS["SGD"], epochs=10**9, batch_size=2, growth=growth)
    assert phase.batches(rows) == max(1, rows // 2)
    assert phase.batches(rows, phase.epochs) == (phase.batches(rows) if growth == 1 else 1)


def test_rows_come_in_another_order_every_epoch():
    class Ordered(Counted):
        def batch(self, index: Tensor) -> Batch:
            self.sizes.append(index.tolist())
            return Batch(self.x[index], None)

    data = Ordered(normal(20, FEATURES))
    fit(
        MODELS["deep"](0),
        data,
        [Phase("a", Objective(), OPTIMIZERS["SGD"], epochs=2), Phase("b", Objective(), OPTIMIZERS["SGD"], epochs=1)],
        runtime=CPU,
    )
    # Before training there is one look at the first row for each phase.
    orders = data.sizes[2:]
    assert [sorted(order) for order in orders] == [list(range(20))] * 3
    assert len({tuple(order) for order in orders}) == 3


# A single row has no batch statistics.
@pytest.mark.parametrize("rows", [1, 2, 3, 4, 5])
@pytest.mark.parametrize("name", [name for name in MODELS if name != "batch norm"])
def test_any_number_of_rows_will_do(name, rows):
    model = MODELS[name](0)
    data = TensorRows(normal(rows, FEATURES))
    history = fit(model, data, [Phase("few", Objective(), OPTIMIZERS["Adam"], epochs=1)], validation=data, runtime=CPU)
    assert history.phases()[0]["reason"] == "epochs done"
    assert all(value.isfinite().all() for value in model(data.x) if isinstance(value, Tensor))


def recipe() -> Recipe:
    sparse = Objective(penalties={"sparsity": (StepDecay((0.5,), 0.1), L1("all")), "decay": (0.1, WeightDecay())})
    noise = Compose(Masking(0.1), GaussianNoise(0.2))
    phases = [
        Phase(view, sparse, FirstOrder(torch.optim.AdamW, options={"betas": (0.9, 0.98)}), 3, view=VIEWS[view])
        for view in VIEWS
    ]
    optimizers = [
        Phase(name, Objective(), OPTIMIZERS[name], 2, corruption=noise, schedule=OneCycle(), stop=Stop(3, 0.01))
        for name in OPTIMIZERS
    ]
    return [*phases, *optimizers, Phase("last", Objective(), FirstOrder(), 1, schedule=Cosine(warmup=0.1), average=0.9)]


def test_a_recipe_copies_compares_and_prints():
    first, again = recipe(), recipe()
    for other in (again, copy.deepcopy(first), pickle.loads(pickle.dumps(first))):
        assert other == first
        assert repr(other) == repr(first)
    assert "0x" not in repr(first), "a repr with an address is another one in the next run"
    assert "Compose(parts=(Masking(level=0.1), GaussianNoise(level=0.2)))" in repr(first)


def test_a_recipe_can_be_run_again():
    phases = recipe()
    before, results = copy.deepcopy(phases), []
    for _ in range(2):
        model = MODELS["deep"](0)
        fit(model, TensorRows(normal(8, FEATURES)), phases, runtime=CPU)
        results.append(model(normal(8, FEATURES)).reconstruction)
    assert torch.equal(*results)
    assert phases == before


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"epochs": 0}, "epochs of phase 'train' must be at least 1; got 0"),
        ({"batch_size": 0}, "batch_size of phase 'train' must be at least 1; got 0"),
        ({"growth": 0.9}, "growth of phase 'train' must be finite and at least 1; got 0.9"),
        ({"growth": float("nan")}, "growth of phase 'train'"),
        ({"growth": float("inf")}, "growth of phase 'train'"),
        ({"average": 1.0}, "average of phase 'train' must be at least 0 and below 1; got 1.0"),
        ({"average": -0.1}, "average of phase 'train'"),
        ({"average": float("nan")}, "average of phase 'train'"),
    ],
)
def test_impossible_arguments_are_refused(changes, message):
    arguments = {"name": "train", "objective": Objective(), "optimizer": FirstOrder(), "epochs": 1, "view": Whole()}
    Phase(**arguments)
    with pytest.raises(ValueError, match=message):
        Phase(**{**arguments, **changes})


@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_at_its_beginning_its_middle_and_its_end(name):
    schedule, values = SCHEDULES[name]
    assert [schedule(progress) for progress in (0.0, 0.25, 0.5, 1.0)] == pytest.approx(values, abs=1e-6)
