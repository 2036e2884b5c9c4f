"""Data sets with known factors: the laws that hold for all, and what each of them promises."""

import dataclasses
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from scipy.io import savemat
from scipy.spatial import ConvexHull, Delaunay
from scipy.spatial.distance import cdist
from torch.nn.functional import binary_cross_entropy_with_logits

from experiments import data_sets
from layerwise import commands
from layerwise.data import Schema, Table, datasets, read
from layerwise.data.datasets import (
    Pictures,
    big_and_small_digits,
    convex,
    curves,
    face_patches,
    mnist,
    named,
    photo_patches,
    places,
    rectangles,
    robot_arm_2d,
    robot_arm_3d,
    square_and_room,
    varied_digits,
    with_factors,
)
from layerwise.data.datasets.resampling import Photographs
from layerwise.data.datasets.shapes import coverage
from layerwise.data.idx import write_idx
from layerwise.errors import InputError

NAMED = [data_set.name for data_set in named.DATA_SETS]


def digits(rows: int = 200, side: int = 28) -> Table:
    """Blots in the middle of a picture, each another."""
    random = np.random.default_rng(0)
    images = np.zeros((rows, side, side), np.uint8)
    images[:, 8:20, 9:19] = random.integers(0, 256, (rows, 6, 5), dtype=np.uint8).repeat(2, 1).repeat(2, 2)
    return Table.from_array(images, labels=np.arange(rows) % 10)


def photos() -> list[np.ndarray]:
    """One with texture, and one half of which has almost none."""
    random = np.random.default_rng(1)
    textured = random.integers(0, 256, (60, 90), dtype=np.uint8)
    half = random.integers(0, 256, (70, 64), dtype=np.uint8)
    half[:, :32] = 100 + half[:, :32] % 4
    return [textured, half]


def faces() -> np.ndarray:
    return np.random.default_rng(2).integers(0, 256, (5, 64, 64), dtype=np.uint8)


CASES: dict[str, Callable[..., Pictures]] = {
    "curves": curves,
    "two factors": lambda rows, **how: square_and_room(rows, factors=2, **how),
    "three factors": lambda rows, **how: square_and_room(rows, factors=3, **how),
    "square and room": square_and_room,
    "two joints": robot_arm_2d,
    "three joints": lambda rows, **how: robot_arm_2d(rows, joints=3, **how),
    "in space": robot_arm_3d,
    "rectangles": rectangles,
    "filled rectangles": lambda rows, **how: rectangles(rows, photos=photos(), **how),
    "convex": convex,
    "big and small": lambda rows, **how: big_and_small_digits(rows, digits(), **how),
    "plain digits": lambda rows, **how: varied_digits(rows, digits(), **how),
    "turned digits": lambda rows, **how: varied_digits(rows, digits(), turned=True, **how),
    "noisy digits": lambda rows, **how: varied_digits(rows, digits(), noisy=True, **how),
    "digits on photos": lambda rows, **how: varied_digits(rows, digits(), photos=photos(), **how),
    "all at once": lambda rows, **how: varied_digits(rows, digits(), turned=True, noisy=True, photos=photos(), **how),
    "faces": lambda rows, **how: face_patches(rows, faces(), **how),
    "photos": lambda rows, **how: photo_patches(rows, photos(), **how),
}
SIZED = [name for name in CASES if "digits" not in name and name != "all at once"]
# They change by leaps: numbers of digits and photographs, whole pixels of photographs, keys of noise.
LEAPS = {"digit", "noise", "photo"} | {
    f"{part} {name}" for part in ("inner", "outer") for name in ("photo", "left", "top")
}

every = pytest.mark.parametrize("make", CASES.values(), ids=CASES)


@every
@pytest.mark.usefixtures("global_random_state_unchanged")
def test_what_they_are(make: Callable[..., Pictures]) -> None:
    pictures = make(40)
    rows, height, width = pictures.images.shape
    assert (len(pictures), rows, height) == (40, 40, width)
    assert pictures.images.dtype == np.uint8
    assert np.ptp(pictures.images) > 100
    assert pictures.factors.shape == (40, len(pictures.names))
    assert np.isfinite(pictures.factors).all()
    assert len(set(pictures.names)) == len(pictures.names)
    assert set(pictures.angles) <= set(pictures.names)
    assert pictures.labels is None or pictures.labels.shape == (40,)
    values, names = pictures.targets()
    assert values.shape == (40, len(names)) == (40, len(pictures.names) + len(pictures.angles))


@every
def test_the_seed_decides_and_the_number_of_rows_does_not(make: Callable[..., Pictures]) -> None:
    few, many, others = make(20, seed=3), make(150, seed=3), make(20, seed=4)
    for field in ("images", "factors", "labels"):
        first, second = (dataclasses.asdict(pictures)[field] for pictures in (few, many))
        assert first is None or np.array_equal(first, second[:20])
    assert not np.array_equal(few.factors, others.factors)
    assert len(np.unique(many.images, axis=0)) == len(many)


@every
def test_the_factors_determine_the_picture(make: Callable[..., Pictures]) -> None:
    pictures = make(140)
    drawn = pictures.draw(pictures.factors)
    assert drawn.dtype == np.float32
    assert drawn.min() >= 0
    assert drawn.max() <= 1
    assert np.array_equal(np.rint(drawn * np.float32(255)), pictures.images)
    assert np.array_equal(drawn[[130]], pictures.draw(pictures.factors[[130]]))


@every
def test_a_small_change_of_a_factor_changes_the_picture_little(make: Callable[..., Pictures]) -> None:
    pictures = make(30)
    before = pictures.draw(pictures.factors)
    whole = LEAPS | ({"left", "top"} if "photo" in pictures.names else set())
    for column, name in enumerate(pictures.names):
        if name in whole or name.startswith("set "):
            continue
        spread = np.ptp(pictures.factors[:, column])
        changes = []
        for step in (1e-4, 1e-2):
            moved = pictures.factors.copy()
            moved[:, column] += step * spread
            changes.append(np.abs(pictures.draw(moved) - before).max((1, 2)))
        assert changes[0].max() < 0.02, name
        assert np.median(changes[1]) > 0, name


@pytest.mark.parametrize("name", SIZED)
def test_sizes(name: str) -> None:
    assert CASES[name](3, size=20 if name == "faces" else 33).images.shape[1] in (20, 33)


@pytest.mark.parametrize("arm", ["two joints", "three joints", "in space"])
def test_the_nearest_picture_of_an_arm_has_the_nearest_angles(arm: str) -> None:
    pictures = CASES[arm](1500)
    flat = pictures.images.reshape(1500, -1).astype(np.float32)
    distances = (flat**2).sum(1) - 2 * flat[:200] @ flat.T
    distances[np.arange(200), np.arange(200)] = np.inf
    gaps = np.abs(pictures.factors[distances.argmin(1)] - pictures.factors[:200])
    assert np.median(gaps / np.ptp(pictures.factors, axis=0)) < 0.04


def test_a_curve_goes_from_its_first_to_its_last_point_and_is_as_far_as_it_is() -> None:
    pictures = curves(12, size=56)
    drawn = pictures.draw(pictures.factors)
    t = np.linspace(0, 1, 1001)[:, None]
    centres = np.stack(np.meshgrid(np.arange(56), np.arange(56)), axis=-1).reshape(-1, 2) / 56 + 0.5 / 56
    for picture, (p1, p2, p3) in zip(drawn, pictures.factors.reshape(-1, 3, 2), strict=True):
        for x, y in (p1, (p1 + 2 * p2 + p3) / 4, p3):
            assert picture[int(y * 56), int(x * 56)] > 0.8
        path = (1 - t) ** 2 * p1 + 2 * t * (1 - t) * p2 + t**2 * p3
        nearest = cdist(centres, path).min(axis=1).reshape(56, 56)
        assert picture == pytest.approx(np.maximum(0, 1 - 14 * nearest), abs=0.02)


def test_curves_are_as_easy_for_linear_methods_as_those_of_2006() -> None:
    flat = torch.tensor(curves(6000).images.reshape(6000, -1) / 255, dtype=torch.float32)
    x, test = flat[:5000], flat[5000:]
    mean, vectors = x.mean(0), torch.linalg.svd(x - x.mean(0), full_matrices=False)[2]
    left = (test - mean) @ (torch.eye(784) - vectors[:18].T @ vectors[:18])
    assert float(left.square().sum(1).mean()) == pytest.approx(5.9, rel=0.1)
    encoder, decoder, bias = 0.5 * vectors[:6].T, 4 * vectors[:6], mean.clamp(0.01, 0.99).logit()
    weights = [encoder.contiguous().requires_grad_(), decoder.requires_grad_(), bias.requires_grad_()]
    optimizer = torch.optim.Adam(weights, lr=0.05)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, 600)
    for step in range(600):
        rows = x[step % 25 :: 25]
        logits = torch.addmm(weights[2], (rows - mean) @ weights[0], weights[1])
        binary_cross_entropy_with_logits(logits, rows, reduction="sum").div(200).backward()
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
    with torch.no_grad():
        found = torch.addmm(weights[2], (test - mean) @ weights[0], weights[1]).sigmoid()
    assert float((found - test).square().sum(1).mean()) == pytest.approx(7.64, rel=0.1)


def test_coverage_is_the_share_of_a_pixel() -> None:
    edge = np.linspace(-0.5, 1.5, 4, dtype=np.float32)
    distance = np.broadcast_to((edge[None, None] - 0.375) / 4, (1, 4, 4)).astype(np.float32)
    assert coverage(distance)[0, 0].tolist() == pytest.approx(np.clip(0.875 - edge, 0, 1).tolist())


def test_a_square_has_its_area() -> None:
    pictures = square_and_room(20, size=64)
    room = pictures.draw(np.array([[0.5, 0.5, 0.0, 0.0]]))
    covered = ((pictures.draw(pictures.factors) - room) / (1 - room)).mean((1, 2))
    assert covered == pytest.approx(pictures.factors[:, 2] ** 2, rel=0.02)


def test_rectangles_are_tall_or_wide() -> None:
    outlines = rectangles(300)
    *_, width, height = outlines.factors.T
    assert np.array_equal(outlines.labels, height > width)
    assert (np.abs(height - width) >= 3).all()
    assert set(np.unique(outlines.images)) == {0, 255}
    assert np.array_equal((outlines.images > 0).sum((1, 2)), 2 * (width + height) - 4)
    filled = rectangles(300, photos=photos()).factors
    share = filled[:, 2] * filled[:, 3] / 784
    assert share.min() >= 0.25
    assert share.max() <= 0.75
    assert np.abs(filled[:, 2] - filled[:, 3]).min() >= 5


def test_convex_regions_are_and_others_are_not() -> None:
    regions = convex(60)
    assert regions.labels is not None
    centres = np.stack(np.meshgrid(np.arange(28), np.arange(28)), axis=-1).reshape(-1, 2)
    for picture, label in zip(regions.images.reshape(60, -1), regions.labels, strict=True):
        inside = centres[picture >= 128]
        hull = Delaunay(inside[ConvexHull(inside).vertices])
        filled = (hull.find_simplex(centres) >= 0).sum()
        # A pixel whose centre an edge goes through may be on either side.
        assert (filled <= len(inside) + 1) == bool(label)


def test_convexity_is_not_told_by_the_area() -> None:
    regions = convex(2000)
    area = regions.images.mean((1, 2)) / 255
    assert regions.labels is not None
    assert area[regions.labels == 1].mean() == pytest.approx(area[regions.labels == 0].mean(), abs=0.03)


def test_a_small_digit_has_a_quarter_of_the_ink() -> None:
    pictures = big_and_small_digits(40, digits())
    ink = pictures.images.sum((1, 2), dtype=np.int64)
    number, scale, *_ = pictures.factors.T
    whole = digits().to_array()[number.astype(int)].sum((1, 2), dtype=np.int64)
    assert set(scale) == {0.5, 1}
    assert ink == pytest.approx(whole * scale**2, rel=0.03)


def test_turned_digits() -> None:
    pictures = varied_digits(2, digits(), turned=True)
    plain = digits().to_array() / 255
    turned = pictures.draw(np.array([[4, 0], [5, np.pi / 2]]))
    assert turned[0] == pytest.approx(plain[4], abs=1e-6)
    assert turned[1] == pytest.approx(np.rot90(plain[5]), abs=1e-4)


def test_each_digit_once_before_any_again() -> None:
    number = varied_digits(240, digits(120)).factors[:, 0]
    assert np.array_equal(np.sort(number[:120]), np.arange(120))
    assert np.array_equal(np.sort(number[120:]), np.arange(120))


def test_backgrounds_are_behind() -> None:
    pictures = varied_digits(50, digits(), noisy=True)
    plain = digits().to_array()[pictures.factors[:, 0].astype(int)]
    assert (pictures.images >= plain).all()
    assert pictures.images[plain == 0].mean() == pytest.approx(127.5, abs=1)
    behind = varied_digits(50, digits(), photos=photos())
    for row, (_, photo, left, top) in zip(behind.images, behind.factors.astype(int), strict=True):
        piece = photos()[photo][top : top + 28, left : left + 28]
        assert (row >= piece).all()
        assert piece.std() >= 25


def test_pieces_without_texture_are_not_taken() -> None:
    places = Photographs(photos(), size=8, texture=25.0).places(np.random.default_rng(0).random((400, 2)))
    assert places[places[:, 0] == 1, 1].min() >= 24
    assert set(places[:, 0]) == {0, 1}


def test_a_patch_lies_where_it_says() -> None:
    x, y = np.arange(64), np.arange(64)[:, None]
    ramp = np.broadcast_to(2 * x + y, (1, 64, 64)).astype(np.uint8)
    pictures = face_patches(30, ramp)
    _, x, y, turn, scale = pictures.factors.T[:, :, None, None]
    step = np.arange(25) - 12
    across = x + scale * (np.cos(turn) * step - np.sin(turn) * step[:, None])
    down = y + scale * (np.sin(turn) * step + np.cos(turn) * step[:, None])
    assert across.min() >= 0
    assert down.max() <= 63
    inner = (np.minimum(across, down) > 3) & (np.maximum(across, down) < 60)
    assert (pictures.draw(pictures.factors) * 255)[inner] == pytest.approx((2 * across + down)[inner], abs=0.01)


@pytest.mark.parametrize(
    ("wrong", "line"),
    [
        (lambda: curves(0), "rows must be at least 1; got 0"),
        (lambda: curves(5, size=5), "size must be at least 14 pixels; got 5"),
        (lambda: square_and_room(5, factors=5), "2, 3 or 4 factors; got 5"),
        (lambda: robot_arm_2d(5, joints=4), "2 or 3 joints; got 4"),
        (lambda: curves(5).draw(np.zeros((2, 5))), "must hold 6 factors, 'x1', 'y1', .* found 5"),
        (lambda: varied_digits(5, digits()).draw(np.array([[500.0]])), "that are there; index 500 is out of bounds"),
        (lambda: varied_digits(5, Table.from_array(np.zeros((4, 3)))), "square grey pictures of bytes; found a table"),
        (lambda: varied_digits(5, digits(), photos=[]), "at least one photograph; found none"),
        (lambda: photo_patches(5, [np.zeros((9, 4), np.uint8)]), r"number 0 has shape \(9, 4\)"),
        (lambda: rectangles(5, photos=[np.zeros((40, 40), np.uint8)]), "photograph 0 has no piece of 28 x 28"),
        (lambda: face_patches(5, np.zeros((2, 32, 32), np.uint8)), "at least 63 x 63 for patches of 25 x 25"),
        (lambda: with_factors("mnist"), "factors of 'mnist' are not known; there are curves, "),
    ],
)
def test_refusals(wrong: Callable[[], object], line: str) -> None:
    with pytest.raises(InputError, match=line) as caught:
        wrong()
    assert "\n" not in str(caught.value)


@pytest.fixture
def few_rows(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """Named data sets of 30 and 20 rows, and nothing on this machine."""
    monkeypatch.setattr(named, "ROWS", dict.fromkeys(named.ROWS, (30, 20)))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("LAYERWISE_DATA", raising=False)


@pytest.fixture
def folder(few_rows: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with small files of each kind."""
    monkeypatch.setattr(mnist, "ROWS", {"train": 40, "t10k": 30})
    root = tmp_path / "data"
    for name in ("mnist", "kodak", "olivetti"):
        (root / name).mkdir(parents=True)
    for part, rows in mnist.ROWS.items():
        blots = digits().to_array()[slice(40) if part == "train" else slice(40, 70)]
        write_idx(root / "mnist" / f"{part}-images-idx3-ubyte.gz", blots)
        write_idx(root / "mnist" / f"{part}-labels-idx1-ubyte.gz", (np.arange(rows) % 10).astype(np.uint8))
    for number, photo in enumerate(photos()):
        Image.fromarray(photo).save(root / "kodak" / f"{number:02}.png")
    columns = np.random.default_rng(3).integers(0, 256, (4096, 400), dtype=np.uint8)
    savemat(root / "olivetti" / "olivettifaces.mat", {"faces": columns})
    return root


@pytest.mark.parametrize("name", NAMED)
def test_by_name(name: str, folder: Path) -> None:
    (data_set,) = [found for found in datasets() if found.name == name]
    table = read(name, data_dir=folder)
    assert (len(table), len(table.names), table.source) == (30, data_set.features, name)
    assert table.test is not None
    training, test = with_factors(name, data_dir=folder)
    for rows, pictures in ((table, training), (table.test, test)):
        assert np.array_equal(rows.to_array(), pictures.images)
        assert rows.labels is not None
        assert rows.labels.shape == (len(pictures),)
    assert len(np.unique(np.concatenate([training.images, test.images]), axis=0)) == 50
    assert Schema.fit(table).pixels is not None


def test_the_list_has_them() -> None:
    listed = {entry["name"]: entry["rows"] for entry in commands.list_datasets()}
    assert listed["curves"] == 20_000
    assert listed["mnist-rot"] == 12_000
    assert set(NAMED) <= set(listed)


def test_photographs_lie_in_the_folder_or_in_kodak(folder: Path) -> None:
    assert len(read("photo-patches", data_dir=folder / "kodak")) == 30
    Image.new("L", (4, 4)).save(folder / "other.png")
    assert len(read("photo-patches", data_dir=folder)) == 30


@pytest.mark.parametrize(
    ("name", "what"),
    [
        ("photo-patches", "kodak: there are no PNG or JPEG photographs in "),
        ("mnist-bg-img", "kodak: there are no PNG or JPEG photographs in "),
        ("rect-img", "kodak: there are no PNG or JPEG photographs in "),
        ("face-patches", "olivetti: there are no faces (olivettifaces.mat) in "),
    ],
)
@pytest.mark.usefixtures("few_rows")
def test_missing_files_are_told_in_a_line(name: str, what: str, tmp_path: Path) -> None:
    with pytest.raises(InputError) as caught:
        read(name, data_dir=tmp_path)
    line = str(caught.value)
    assert line.startswith(what)
    assert "--data-dir" in line
    assert "\n" not in line


def test_damaged_files(folder: Path) -> None:
    file = folder / "olivetti" / "olivettifaces.mat"
    savemat(file, {"faces": np.zeros((4096, 3), np.uint8)})
    with pytest.raises(InputError, match="must be 4096 x 400 bytes"):
        read("face-patches", data_dir=folder)
    file.write_bytes(b"nothing")
    with pytest.raises(InputError, match="it is damaged"):
        read("face-patches", data_dir=folder)
    (folder / "kodak" / "00.png").write_bytes(b"nothing")
    with pytest.raises(InputError, match="it is damaged"):
        read("photo-patches", data_dir=folder)


@pytest.mark.usefixtures("few_rows")
def test_real_files(shared_data: Path) -> None:
    found = places.photos(shared_data)
    assert {photo.shape for photo in found} == {(512, 768), (768, 512)}
    training, test = with_factors("face-patches", data_dir=shared_data)
    # The left and right halves of an upright face are alike; of one on its side they are not.
    upright = places.faces(shared_data).mean(0)
    assert np.abs(upright - upright[:, ::-1]).mean() < np.abs(upright - upright[::-1]).mean() / 2
    assert training.images.shape == (30, 25, 25)
    pictures, test = with_factors("mnist-bg-img-rot", data_dir=shared_data)
    assert not set(pictures.factors[:, 0]) & set(test.factors[:, 0])
    assert test.labels is not None


def test_the_pictures_of_the_documentation(folder: Path, tmp_path: Path) -> None:
    data_sets.main(["--data-dir", str(folder), "curves", "mnist-bg-rand"], folder=tmp_path / "docs")
    for name in ("curves", "mnist-bg-rand"):
        with Image.open(tmp_path / "docs" / f"{name}.png") as picture:
            assert picture.size == (578, 578)
    kept = data_sets.FOLDER
    assert sorted(file.stem for file in kept.glob("*.png")) == sorted(NAMED)
    assert max(file.stat().st_size for file in kept.glob("*.png")) < 60_000
