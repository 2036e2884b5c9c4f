"""What every run owes: ended anywhere and begun again, it gives the same bits as one that was never ended."""

import functools
import itertools
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

from layerwise.corruptions import Corruption, GaussianNoise, Masking
from layerwise.errors import CheckpointError, InputError
from layerwise.models import Chain, Dense, Gaussian, Layer, Normalization, sigmoid, tanh
from layerwise.optim import ConjugateGradient, HessianFree, Optimizer
from layerwise.penalties import WeightDecay, contrastive_divergence
from layerwise.runtime import Runtime
from layerwise.training import (
    Block,
    Boltzmann,
    Checkpoint,
    Constant,
    Cosine,
    Event,
    History,
    Objective,
    Phase,
    Recipe,
    Stop,
    TensorRows,
    fit,
)
from tests.cases import CPU, FEATURES, MODELS, OPTIMIZERS, normal

pytestmark = pytest.mark.usefixtures("global_random_state_unchanged")

ROWS, VALIDATION = TensorRows(normal(20, FEATURES)), TensorRows(normal(6, FEATURES, seed=9))
# What is exact with three inner iterations is so with fifty.
SHORT = {"HessianFree": HessianFree(iterations=3), "ConjugateGradient": ConjugateGradient(searches=1, evaluations=2)}
QUICK = {**OPTIMIZERS, **SHORT}
BF16 = Runtime("cpu", "bf16")
SMALL = Layer(sigmoid, initializer=Gaussian(0.1))
NOISY = Layer(tanh, dropout=0.3, normalization=Normalization.BATCH)

# When the process dies: in the middle of an epoch, between epochs, between phases, in the second phase.
ENDS: dict[str, Callable[[Event], bool]] = {
    "mid-epoch": lambda event: event.event == "step" and event.phase == "one" and event.step == 7,
    "end of epoch": lambda event: event.event == "epoch" and event.phase == "one" and event.epoch == 2,
    "end of phase": lambda event: event.event == "phase" and event.phase == "one",
    "start of phase": lambda event: event.event == "start" and event.phase == "two",
    "second phase": lambda event: event.event == "step" and event.phase == "two" and event.step == 2,
    "end of run": lambda event: event.event == "phase" and event.phase == "two",
}


class Killed(BaseException):
    """Nothing in the library catches this."""


def kill_when(test: Callable[[Event], bool]) -> Callable[[Event], None]:
    def watch(event: Event) -> None:
        if test(event):
            raise Killed

    return watch


def recipe(optimizer: Optimizer, corruption: Corruption | None = None) -> Recipe:
    first = Phase("one", Objective(), optimizer, 3, view=Block(0), corruption=corruption, batch_size=5)
    return [
        first,
        Phase("two", Objective(), optimizer, 4, corruption=corruption, batch_size=7, schedule=Cosine(), average=0.8),
    ]


def machines(optimizer: Optimizer, chain: Chain) -> Recipe:
    objective = Objective(contrastive_divergence, {"decay": (1e-3, WeightDecay())})
    more: dict[str, Any] = {"stop": Stop(keep="last"), "schedule": Constant(0.05)}
    return [
        Phase("one", objective, optimizer, 3, view=Boltzmann(0, chain), batch_size=5, **more),
        Phase("two", objective, optimizer, 4, view=Boltzmann(1, chain), batch_size=7, **more),
    ]


def train(model: Dense, phases: Recipe, folder: Path | None, **more: Any) -> tuple[dict[str, torch.Tensor], list[Any]]:
    watch = more.pop("watch", ())
    history = History(watch=watch)
    checkpoint = None if folder is None else Checkpoint(folder, every_steps=more.pop("every", 2))
    fit(model, ROWS, phases, validation=VALIDATION, seed=3, history=history, checkpoint=checkpoint, **more)
    rows = [{name: value for name, value in row.items() if name != "seconds"} for row in history.rows]
    return dict(model.state_dict()), rows


def assert_same(found: tuple[dict[str, torch.Tensor], list[Any]], wanted: tuple[dict[str, torch.Tensor], list[Any]]):
    assert all(torch.equal(found[0][name], value) for name, value in wanted[0].items())
    assert found[1] == wanted[1]


@pytest.mark.parametrize("end", ["mid-epoch", "second phase"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_every_optimizer_goes_on(tmp_path, optimizer, end):
    phases = recipe(QUICK[optimizer], Masking(0.2))
    wanted = train(MODELS["dropout"](0), phases, None, runtime=CPU)
    with pytest.raises(Killed):
        train(MODELS["dropout"](0), phases, tmp_path / "run", runtime=CPU, watch=[kill_when(ENDS[end])])
    assert_same(train(MODELS["dropout"](0), phases, tmp_path / "run", runtime=CPU), wanted)


NOISES: dict[str, Callable[[Optimizer], tuple[Layer, Recipe]]] = {
    "dropout": lambda optimizer: (NOISY, recipe(optimizer)),
    "denoising": lambda optimizer: (NOISY, recipe(optimizer, GaussianNoise(0.5))),
    "contrastive divergence": lambda optimizer: (SMALL, machines(optimizer, Chain(2))),
    "persistent chains": lambda optimizer: (SMALL, machines(optimizer, Chain(2, particles=4))),
}
RUNTIMES = {"float32": CPU, "bf16": BF16}


@functools.cache
def undisturbed(noise: str, optimizer: str, precision: str) -> tuple[dict[str, torch.Tensor], list[Any]]:
    layer, phases = NOISES[noise](QUICK[optimizer])
    return train(net(layer), phases, None, runtime=RUNTIMES[precision])


def net(layer: Layer) -> Dense:
    return Dense(FEATURES, (5, 4), code=2, layer=layer, seed=1)


def assert_it_goes_on(folder: Path, noise: str, optimizer: str, *, precision: str, end: str) -> None:
    layer, phases = NOISES[noise](QUICK[optimizer])
    with pytest.raises(Killed):
        train(net(layer), phases, folder, runtime=RUNTIMES[precision], watch=[kill_when(ENDS[end])])
    found = train(net(layer), phases, folder, runtime=RUNTIMES[precision])
    assert_same(found, undisturbed(noise, optimizer, precision))


@pytest.mark.parametrize("end", ["mid-epoch", "end of epoch", "end of phase"])
@pytest.mark.parametrize("precision", RUNTIMES)
@pytest.mark.parametrize(
    ("noise", "optimizer"),
    [
        *itertools.product(["dropout", "denoising"], ["fused Adam", "HessianFree", "ConjugateGradient"]),
        ("contrastive divergence", "fused Adam"),
    ],
)
def test_noise_and_precision(tmp_path, noise, optimizer, precision, end):
    assert_it_goes_on(tmp_path / "run", noise, optimizer, precision=precision, end=end)


@pytest.mark.parametrize("end", ENDS)
@pytest.mark.parametrize("noise", ["denoising", "persistent chains"])
def test_every_end(tmp_path, noise, end):
    assert_it_goes_on(tmp_path / "run", noise, "fused Adam", precision="float32", end=end)


def test_a_run_may_be_ended_after_every_step(tmp_path):
    phases, folder = recipe(OPTIMIZERS["AdamW"], Masking(0.3)), tmp_path / "run"
    wanted = train(MODELS["batch norm"](0), phases, None, runtime=CPU)
    ends = 0
    while True:
        steps: list[int] = []

        def second(event: Event, steps: list[int] = steps) -> None:
            if event.event == "step":
                steps.append(1)
                if len(steps) == 2:
                    raise Killed

        try:
            found = train(MODELS["batch norm"](0), phases, folder, runtime=CPU, every=1, watch=[second])
            break
        except Killed:
            ends += 1
            # The newest two, and nothing else.
            assert len([name for name in os.listdir(folder) if name.isdigit()]) <= 2
    assert ends == 3 * 4 + 4 * 3 - 1
    assert_same(found, wanted)


def test_early_stopping_counts_on(tmp_path):
    phases = [Phase("one", Objective(), OPTIMIZERS["SGD"], 40, batch_size=5, stop=Stop(3), corruption=Masking(0.9))]
    wanted = train(MODELS["deep"](0), phases, None, runtime=CPU)
    assert wanted[1][-1]["reason"] == "early stopping"
    last = wanted[1][-1]["epochs"]
    watch = [kill_when(lambda event: event.event == "step" and event.epoch == last)]
    with pytest.raises(Killed):
        train(MODELS["deep"](0), phases, tmp_path / "run", runtime=CPU, watch=watch)
    assert_same(train(MODELS["deep"](0), phases, tmp_path / "run", runtime=CPU), wanted)


@pytest.fixture
def ended(tmp_path) -> Path:
    with pytest.raises(Killed):
        train(
            MODELS["deep"](0),
            recipe(OPTIMIZERS["Adam"]),
            tmp_path / "run",
            runtime=CPU,
            watch=[kill_when(ENDS["mid-epoch"])],
        )
    return tmp_path / "run"


def go_on(folder: Path, **changed: Any) -> tuple[dict[str, torch.Tensor], list[Any]]:
    phases = changed.pop("phases", recipe(OPTIMIZERS["Adam"]))
    return train(changed.pop("model", MODELS["deep"](0)), phases, folder, **{"runtime": CPU, **changed})


def test_another_run_is_refused_and_what_differs_is_named(ended):
    before = sorted(os.listdir(ended))
    with pytest.raises(CheckpointError, match=r"recipe\[0\]\.optimizer\.lr was 0\.1 and is 0\.2"):
        go_on(ended, phases=recipe(OPTIMIZERS["Adagrad"]))
    with pytest.raises(CheckpointError, match=r"model\.decoder"):
        go_on(ended, model=Dense(FEATURES, (5, 4, 3), code=1, layer=Layer(tanh)))
    with pytest.raises(CheckpointError, match=r'precision was "float32" and is "bf16"'):
        go_on(ended, runtime=BF16)
    with pytest.raises(CheckpointError, match="seed was 3 and is 4"):
        fit(MODELS["deep"](0), ROWS, recipe(OPTIMIZERS["Adam"]), validation=VALIDATION, seed=4, checkpoint=ended)
    other = TensorRows(normal(20, FEATURES, seed=1))
    with pytest.raises(CheckpointError, match=r"data\.sample"):
        fit(MODELS["deep"](0), other, recipe(OPTIMIZERS["Adam"]), validation=VALIDATION, seed=3, checkpoint=ended)
    assert sorted(os.listdir(ended)) == before


def test_fresh_starts_over(ended):
    wanted = go_on(None)
    model, history = MODELS["deep"](0), History()
    choice = Checkpoint(ended, fresh=True)
    fit(
        model,
        ROWS,
        recipe(OPTIMIZERS["Adam"]),
        validation=VALIDATION,
        seed=3,
        runtime=CPU,
        history=history,
        checkpoint=choice,
    )
    assert all(torch.equal(value, wanted[0][name]) for name, value in model.state_dict().items())
    assert [row["event"] for row in history.rows].count("start") == 2


@pytest.mark.parametrize("damage", ["cut", "bit", "missing", "empty folder"])
def test_a_damaged_checkpoint_is_passed_over(ended, damage, caplog):
    wanted = go_on(None)
    newest = ended / max(name for name in os.listdir(ended) if name.isdigit())
    path = newest / "state.safetensors"
    data = path.read_bytes()
    if damage == "empty folder":
        shutil.rmtree(newest)
        newest.mkdir()
    elif damage == "missing":
        path.unlink()
    else:
        path.write_bytes(data[:-9] if damage == "cut" else data[:-9] + bytes([data[-9] ^ 1]) + data[-8:])
    assert_same(go_on(ended), wanted)
    assert "the one before it is taken" in caplog.text


def test_what_a_killed_writer_left_is_swept(ended):
    (ended / ".000099-abc").mkdir()
    (ended / ".000099-abc" / "state.json").write_text("{")
    (ended / ".000098-abc-old").mkdir()
    go_on(ended)
    assert all(name.isdigit() or name in ("lock", "owner.json") for name in os.listdir(ended))


def test_a_folder_with_other_things_is_refused(tmp_path):
    (tmp_path / "thesis.tex").write_text("")
    with pytest.raises(InputError, match=r"nothing but checkpoints; it holds 'thesis\.tex'"):
        go_on(tmp_path)
    with pytest.raises(InputError, match="there is a file of that name"):
        go_on(tmp_path / "thesis.tex")
    assert os.listdir(tmp_path) == ["thesis.tex"]


def test_only_one_at_a_time(ended):
    with Checkpoint(ended).locked(), pytest.raises(CheckpointError, match=f"in use by process {os.getpid()} on "):
        go_on(ended)
    go_on(ended)


def test_the_state_is_readable(ended):
    newest = ended / max(name for name in os.listdir(ended) if name.isdigit())
    state = json.loads((newest / "state.json").read_text())
    assert state["identity"]["seed"] == 3
    assert (state["values"]["phase"], state["values"]["epoch"]) == (0, 2)


@pytest.mark.parametrize("interval", [{"every_seconds": 0.0}, {"every_steps": 0}])
def test_intervals_are_positive(interval, tmp_path):
    with pytest.raises(InputError, match="must be a positive time or at least one step"):
        Checkpoint(tmp_path, **interval)
