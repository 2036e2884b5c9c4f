"""The quick modes of the experiments: they run, measure, and leave the kept figures alone."""

import csv
import re
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch

from experiments import (
    classification,
    comparison,
    critical_points,
    denoising_contractive,
    denoising_contractive_page,
    depth,
    depth_page,
    features,
    initialization,
    intermediate,
    known_factors,
    layer_trainers,
    learning_dynamics,
    overcomplete,
    overcomplete_page,
    reconstruction_2006,
    saddle,
    sparsity_placement,
    strategies,
    study,
)
from layerwise.data import Table
from layerwise.penalties import cross_entropy
from layerwise.recipes import Setting
from layerwise.training import EpochEnd, Objective, StopPhase

pytestmark = pytest.mark.usefixtures("results_are_left_alone")


def pictures(rows: int) -> np.ndarray:
    coarse = np.random.default_rng(rows).random((rows, 4, 4))
    return (coarse.repeat(7, 1).repeat(7, 2) * 255).astype(np.uint8)


def test_reconstruction_2006(monkeypatch, capsys):
    digits = Table.from_array(pictures(300), test=Table.from_array(pictures(200)))
    monkeypatch.setattr(reconstruction_2006, "read", lambda name, data_dir: digits)
    monkeypatch.setattr(reconstruction_2006, "NETS", {"mnist": ((20, 10), 30)})
    reconstruction_2006.main(["--data-dir", "nowhere", "--quick"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(",")[0] for line in lines[:-3]] == ["train", "machine 1", "machine 2", "machine 3", "fine-tune"]
    names = ["mnist, mean picture", "mnist, without pre-training", "mnist, hinton2006"]
    assert [line.split(":")[0] for line in lines[-3:]] == names


def test_classification(monkeypatch, capsys):
    digits = np.arange(300) % 3

    def made(name, data_dir):
        return pictures(300).reshape(300, -1), digits, pictures(301)[:300].reshape(300, -1), digits

    monkeypatch.setattr(classification, "rows_of", made)
    classification.main(["--quick", "--only", "mnist", "mnist-bg-rand", "few"])
    lines = capsys.readouterr().out.splitlines()
    assert [line.split(":")[0] for line in lines] == ["mnist", "mnist-bg-rand", "seed 0", "few"]
    # There is nothing to learn from noise, and a third is right by chance.
    errors = [float(re.findall(r"'error': ([\d.]+)", line)[0]) for line in lines[:2]]
    assert 40 < min(errors) <= max(errors) < 90


def fake(name: str, data_dir: Path | None) -> study.Data:
    """A few coarse pictures with a known angle; those named mnist have classes."""
    rows = [torch.from_numpy(pictures(count).reshape(count, -1)).float() / 255 for count in (60, 40)]
    angles = [np.random.default_rng(count).uniform(-2, 2, (count, 1)) for count in (60, 40)]
    factors = [np.hstack([np.sin(angle), np.cos(angle)]) for angle in angles]
    classes = [np.arange(len(part)) % 3 if name == "mnist" else None for part in rows]
    return study.Data(name, *rows, *classes, *factors, ("sin turn", "cos turn"))


@pytest.fixture
def fake_data(monkeypatch, tmp_path):
    """Pictures that are made up; and no page is written."""
    monkeypatch.setattr(study, "load", fake)
    monkeypatch.setattr(study, "FOLDER", tmp_path / "pages")
    yield
    assert not (tmp_path / "pages").exists()


@pytest.mark.usefixtures("fake_data")
@pytest.mark.parametrize(
    ("experiment", "claims"),
    [
        (layer_trainers, ["contractive autoencoders take very long", "Best for the classifier", "Best for the auto"]),
        (strategies, ["Best of the three strategies"]),
        (sparsity_placement, ["sparsity on alternate layers", "momentum and weight decay", "all combined is best"]),
        (intermediate, ["intermediate fine-tuning is better", "Multiplications of intermediate and final"]),
        (known_factors, ["trained all at once, 0 of 1", "trained growing", "robot-arm-2d"]),
    ],
    ids=lambda value: value.__name__.split(".")[-1] if hasattr(value, "__name__") else "",
)
def test_quick_studies_tell_what_they_found_and_write_nothing(experiment, claims, capsys):
    experiment.main(["--quick"])
    said = capsys.readouterr().out
    assert [claim for claim in claims if claim not in said] == []
    assert "nan" not in said


def test_the_classes_of_data_without_any_are_eighths_of_the_first_factor():
    angles = np.linspace(-3, 3, 80)[:, None]
    factors = np.hstack([np.sin(angles), np.cos(angles)])
    none = torch.zeros(80, 1)
    data = study.Data("arm", none, none[:2], None, None, factors, factors[[0, 79]], ("sin turn", "cos turn"))
    train, test = layer_trainers.classes(data)
    assert np.bincount(train).tolist() == [10] * 8
    assert test.tolist() == [0, 7]
    assert (np.diff(train) >= 0).all()


def test_rows_come_by_their_distance_along_the_surface_and_not_across_it():
    # A spiral: its turns are closer to each other than half a turn is long.
    turns = np.sort(np.random.default_rng(0).uniform(2, 12, 1500))
    spiral = np.stack([turns * np.cos(turns), turns * np.sin(turns), np.random.default_rng(1).normal(0, 1, 1500)], 1)
    order = known_factors.outwards(spiral, 2)
    assert sorted(order) == list(range(1500))
    lengths = turns**2 / 2
    away = abs(lengths - lengths[order[0]])[order]
    assert 300 < order[0] < 1200
    assert np.corrcoef(away, np.arange(1500))[0, 1] > 0.97


def test_stages_grow_to_all_rows():
    size = known_factors.Size()
    counts, epochs = zip(*known_factors.stages(size.rows, size), strict=True)
    assert counts[0] == 200
    assert all(1.1 < after / before < 1.2 for before, after in pairwise(counts))
    assert 1 < size.rows / counts[-1] <= size.growth
    assert min(epochs) == size.epochs
    assert all(
        count * many / known_factors.BATCH > 0.9 * size.least for count, many in zip(counts, epochs, strict=True)
    )


@pytest.mark.parametrize("pixels", [196, 784])
@pytest.mark.parametrize("depth", intermediate.DEPTHS)
def test_both_ways_to_fine_tune_take_as_many_multiplications(pixels, depth):
    size = intermediate.Size()
    hidden = (size.small if pixels == 196 else size.large)[: depth - 1]
    model = study.logistic_net(pixels, hidden, intermediate.CODE, seed=0)
    ways = intermediate.recipes(model, size.rows, size)
    sums = {way: study.work(ways[way], model, size.rows) for way in ways}
    assert sums[intermediate.FINAL] == pytest.approx(sums[intermediate.BETWEEN], rel=0.02)
    assert sums[intermediate.LESS] < 0.8 * sums[intermediate.FINAL]


def test_ways_that_cannot_take_as_many_multiplications_are_refused():
    model = study.logistic_net(196, (150, 120), intermediate.CODE, seed=0)
    with pytest.raises(ValueError, match="must be equal within 2%"):
        intermediate.recipes(model, 100, intermediate.Size(epochs=1, between=2, tuning=1))


def test_the_combination_takes_as_many_multiplications_as_each_of_its_parts():
    size = sparsity_placement.Size()
    model = study.logistic_net(196, size.hidden, size.code, seed=0)
    setting = Setting(size.rows, Objective(cross_entropy), widths=model.widths)
    plain = sparsity_placement.descent(setting, size, rate=0.1, added=())
    combined = sparsity_placement.combined(setting, size, model, rate=0.1)
    sums = [study.work(recipe, model, size.rows) for recipe in (plain, combined)]
    assert sums[0] == pytest.approx(sums[1], rel=0.02)


def ways(**errors: list[float]) -> list[study.Row]:
    return [
        {"data": "a", "way": way, "seed": seed, "error": value}
        for way, values in errors.items()
        for seed, value in enumerate(values)
    ]


def test_a_difference_is_clear_where_it_is_larger_than_its_spread_over_the_seeds():
    rows = ways(old=[1.0, 2.0, 3.0], new=[0.5, 1.5, 2.4], other=[2.0, 1.0, 3.0])
    gap = comparison.difference(rows, "error", {"way": "new"}, {"way": "old"})
    assert gap.than("old") == "0.533 ± 0.058 lower than old"
    assert gap.mean == pytest.approx(-1.6 / 3)
    assert comparison.difference(rows, "error", {"way": "other"}, {"way": "old"}).than("old").endswith("not clear")
    order = comparison.ranking(rows, "error", by="way", ways=["old", "new", "other"])
    assert (order.first, order.leads["a"].second) == ("new", "old")
    assert comparison.won(rows, "error", by="way", one="new", other="old") == (1, 0)
    assert comparison.won(rows, "error", by="way", one="old", other="new") == (0, 1)


def test_a_single_seed_makes_nothing_clear():
    assert not comparison.difference(ways(old=[1.0], new=[0.1]), "error", {"way": "new"}, {"way": "old"}).clear


def test_a_way_is_judged_by_the_choice_that_is_best_on_rows_kept_apart():
    rows = [
        {"data": "a", "part": "descent", "way": "plain", "choice": choice, "seed": seed, "kept_cross_entropy": value}
        for choice, values in {0.1: (3.0, 1.0), 0.3: (1.5, 1.5)}.items()
        for seed, value in enumerate(values)
    ]
    assert [row["choice"] for row in sparsity_placement.chosen(rows)] == [0.3, 0.3]


def test_a_page_holds_the_finding_the_figure_and_every_run(monkeypatch, tmp_path):
    monkeypatch.setattr(study, "FOLDER", tmp_path)
    rows = ways(old=[1.0, 2.0], new=[0.5, 1.4])
    figure, axes = study.axes(1)
    comparison.bars(axes[0], rows, "error", by="way", colours={"old": study.BLUE, "new": study.RED}, relative="old")
    heights = [bar.get_height() for bar in axes[0].patches]
    assert heights == pytest.approx([1.0, 0.6])
    shown = study.table(rows, ("way",), ("error",))
    study.publish("page", rows, figure, title="Title?", setting="Setting.", finding="Found.", shown=shown)
    page = (tmp_path / "page.md").read_text()
    assert "| new | 0.95 ± 0.64 |" in page
    assert page.startswith("# Title?\n\nFound.\n")
    with (tmp_path / "page.csv").open() as file:
        assert [row["error"] for row in csv.DictReader(file)] == ["1", "2", "0.5", "1.4"]
    assert (tmp_path / "page.png").stat().st_size > 1000


@pytest.mark.usefixtures("fake_data")
@pytest.mark.parametrize(
    ("experiment", "claims"),
    [
        (depth, ["Erhan et al. 2010 found", "Bengio et al. 2007 held", "Autoencoders with 20 code units"]),
        (denoising_contractive, ["pairs stand in the published order", "contractive ones take very long"]),
        (overcomplete, ["that it copies", "Percent of dead units", "The linear probe errs"]),
    ],
    ids=lambda value: value.__name__.split(".")[-1] if hasattr(value, "__name__") else "",
)
def test_quick_studies_of_features_tell_what_they_found_and_write_nothing(experiment, claims, capsys):
    experiment.main(["--quick"])
    said = capsys.readouterr().out
    assert [claim for claim in claims if claim not in said] == []
    assert "nan" not in said


def nets(higher: float) -> list[study.Row]:
    """Runs in which pre-training adds to the training loss, and takes some of the test loss and of its spread."""
    plan = [
        *[("classify", "wide", number, optimizer) for number in (1, 3) for optimizer in ("SGD", "Adam")],
        ("classify", "narrow", 3, "SGD"),
        ("reconstruct", "narrow", 2, "Adam"),
    ]
    rows = []
    for task, top, number, optimizer in plan:
        for way, gain in (("none", 0.0), ("plain", 1.0), ("denoising", 1.0)):
            for seed in range(3):
                names = {"task": task, "top": top, "depth": number, "pre-training": way, "optimizer": optimizer}
                loss = 0.5 + 0.01 * seed
                test = {"test loss": loss - 0.1 * gain, "test error": 9 - 0.5 * gain + seed * (1 - 0.5 * gain)}
                level = {"test loss at level": loss - 0.1 * gain, "training error": 1.0}
                rows.append({**names, "seed": seed, "training loss": loss + higher * gain, **test, **level})
    return rows


def test_what_is_said_of_pre_training_follows_the_figures():
    regularizes, optimizes = depth_page.finding(nets(0.1)), depth_page.finding(nets(-0.1))
    assert (
        "test loss at the end clearly lower at every depth, the training loss at the end clearly higher at every"
        in (regularizes)
    )
    assert "spread of the test error smaller at every depth" in regularizes
    assert "(narrow top), none (wide top); so this did not hold" in regularizes
    assert "clearly higher at no depth and clearly lower at every depth" in optimizes
    assert "plain and denoising (narrow top), plain and denoising (wide top); so this held in part" in optimizes


def test_the_test_loss_at_a_training_loss_lies_between_two_epochs():
    curve = np.array([[1.0, 2.0], [0.01, 1.0], [0.001, 5.0]], np.float32)
    assert depth.at_level(curve) == pytest.approx(1.5)
    assert depth.at_level(curve[:1] / 20) == pytest.approx(0.1)
    assert np.isnan(depth.at_level(curve[:1]))


@pytest.mark.parametrize(("sign", "pairs", "held"), [(1, 15, "held"), (-1, 0, "did not hold")])
def test_what_is_said_of_jacobians_follows_the_figures(sign, pairs, held):
    errors = {"random": 20.0, **denoising_contractive_page.PUBLISHED_ERRORS}
    places = ["random", *denoising_contractive_page.PUBLISHED]
    rows = [
        {"method": name, "level": level, "seed": seed, "seconds": 1.0, "validation error": level}
        | {"Jacobian norm": 10 + sign * (places.index(name) + level), "squared error": 1.0}
        | {"test error": errors[name], "probe error": errors[name]}
        for name in places
        for level in (0.1, 0.5)
        for seed in range(2)
    ]
    said = denoising_contractive_page.finding(rows)
    assert f"{pairs} of 15 pairs stand in the published order" in said
    assert f"That CAE has the smallest norm {held}" in said
    assert "(15 of 15 pairs in the published order), from random weights 20" in said


@pytest.mark.parametrize(("error", "held"), [(5.0, "held"), (50.0, "did not hold")])
def test_what_is_said_of_copying_follows_the_figures(error, held):
    rows = [
        {"data": data, "units": 9, "regularization": way, "seed": seed, "error": 1.0, "error on strangers": error}
        | {"dead": 30.0 * (way == "top-k"), "duplicates": 0.0, "error with noise": 1.0, "Hoyer": 0.5, "locality": 0.5}
        | {"probe error": 3.0 - (way == "KL")}
        for data in ("patches", "mnist")
        for way in overcomplete_page.COLOURS
        for seed in range(2)
    ]
    said = overcomplete_page.finding(rows)
    assert said.count(f"that it copies {held};") == 2
    assert "30 with top-k and 0 with revival (clearly fewer)" in said
    assert "clearly fewer than plain: KL." in said


def test_idle_units_are_dead_or_duplicates():
    random = np.random.default_rng(0)
    live = random.random((50, 3)).astype(np.float32)
    units = np.hstack([live, 2 * live[:, :1], -live[:, 1:2], np.full((50, 3), 0.5, np.float32)])
    assert overcomplete.idle(units) == {"dead": 37.5, "duplicates": 40.0}


def test_filters_become_pictures_each_in_its_own_range():
    filters = np.array([[2.0, 0.0, 0.0, -1.0], [0.0, 0.0, 0.0, 0.0]], np.float32)
    expected = [[1, 0, 1, 0, 0], [0, -0.5, 1, 0, 0]]
    assert features.tiles(filters, columns=2).tolist() == expected
    assert [features.listed(things) for things in ([], [1], [1, 2, 3])] == ["none", "1", "1, 2 and 3"]


def test_saddle(capsys):
    saddle.main(["--quick"])
    said = capsys.readouterr().out
    assert "came to rest there: Newton;" in said


@pytest.mark.usefixtures("fake_data")
@pytest.mark.parametrize(
    ("experiment", "claims"),
    [
        (initialization, ["From orthogonal matrices 3 layers took", "Epochs of relu nets to a training loss of 0.2"]),
        (
            learning_dynamics,
            ["of these 3. From small random weights", "orthogonal matrices of 100 x 100 differ from 1"],
        ),
    ],
    ids=["initialization", "learning_dynamics"],
)
def test_quick_studies_of_deep_nets_tell_what_they_found_and_write_nothing(experiment, claims, capsys):
    experiment.main(["--quick"])
    said = capsys.readouterr().out
    assert [claim for claim in claims if claim not in said] == []
    assert "nan" not in said


def test_the_fastest_rate_is_found_from_either_side():
    asked = []

    def epochs(rate, most):
        asked.append(rate)
        return 10 / rate if rate <= 2 else initialization.NEVER

    for start in (0.5, 8.0):
        found, rate = initialization.fastest(epochs, start)
        assert 2 / initialization.FINER < rate <= 2
        assert found == 10 / rate
    assert initialization.fastest(lambda rate, most: initialization.NEVER, 1.0)[0] == initialization.NEVER
    assert len(asked) < 30


def test_between_two_epochs_the_loss_falls_along_a_line_in_its_logarithm():
    until = initialization.Until(0.1)
    until(EpochEnd("train", 1, 1, {"loss": 1.0}, {}, True, 0.0))
    with pytest.raises(StopPhase, match="reached"):
        until(EpochEnd("train", 2, 2, {"loss": 0.01}, {}, True, 0.0))
    assert until.epochs == pytest.approx(1.5)
    with pytest.raises(StopPhase, match="diverged"):
        until(EpochEnd("train", 3, 3, {"loss": 1000.0}, {}, True, 0.0))


@pytest.mark.parametrize(("late", "held"), [(12.0, "times held"), (20.0, "did not hold")])
def test_what_is_said_of_first_weights_follows_the_figures(late, held):
    rows = [
        {"net": net, "start": way, "depth": number, "seed": seed, "epochs": value if way == "orthogonal" else never}
        for net in initialization.NETS
        for way in initialization.WAYS[: 3 if net in initialization.LEFT else 4]
        for number, value, never in ((5, 10.0, 10.0), (40, late, initialization.NEVER))
        for seed in range(2)
    ]
    said = initialization.finding(rows)
    assert f"that it is at most 1.3 {held}" in said or f"that it is at most 1.3 times {held}" in said
    assert "Gaussian 5; Glorot/He 5; orthogonal 40; pre-trained 5" in said
    assert "Gaussian 10, never" in said
    assert f"Until 99 % are learned they took {late / 10:.3g}" in said


def test_critical_points(monkeypatch, capsys):
    digits = torch.from_numpy(pictures(60)).flatten(1).float() / 255
    made = study.Data("mnist", digits, digits, None, None)
    monkeypatch.setattr(study, "load", lambda name, data_dir: made)
    rows = critical_points.main(["--quick"])
    assert "critical points from 4 starts" in capsys.readouterr().out
    assert any(row["found"] for row in rows)
    assert len(critical_points.different([rows[0], {**rows[0], "error": rows[0]["error"] * (1 + 1e-9)}])) == 1
    spread = [{"index": 0.1 * i, "error": float(i), "least": -1.0} for i in range(5)]
    assert critical_points.correlation(spread) == pytest.approx(1)
    assert "It held" in critical_points.told(spread, 6)
    assert critical_points.bands(spread).count("\n") == 5
    assert len(critical_points.draw(spread).axes) == 2
