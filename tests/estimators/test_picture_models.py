"""The estimators from pictures to pictures: what they learn, what they keep, what they refuse."""

from functools import partial

import numpy as np
import pytest
import torch
from sklearn.base import clone
from sklearn.datasets import load_digits, load_sample_images
from sklearn.exceptions import NotFittedError

from layerwise import Colorizer, Denoiser, InputError, ModelFileError, Segmenter
from layerwise.corruptions import GaussianNoise, Masking, SaltAndPepper, SwapNoise, Varied
from layerwise.data import Table
from layerwise.data.pictures import Pictures
from layerwise.diagnostics import mean_intersection_over_union
from layerwise.estimators import load
from layerwise.estimators.colorizer import chrominances, coloured
from layerwise.estimators.pictures import grey, pictures_of, tiled
from layerwise.models import SegNet, UNet
from layerwise.recipes import restoration

SHORT = partial(restoration, epochs=1, batch_size=8)
FAST = {"widths": (4, 6), "recipe": SHORT, "random_state": 0}
BLOBS = np.random.default_rng(0)


def digits(rows: int = 400) -> np.ndarray:
    return (load_digits().images[:rows] * (255 / 16)).astype(np.uint8)


def blobs(count: int, side: int = 24) -> tuple[list[np.ndarray], list[np.ndarray]]:
    """Bright and dark discs on a slope that no threshold tells from them, and where they are."""
    pictures, masks = [], []
    draw, (rows, columns) = np.random.default_rng(1), np.mgrid[:side, :side]
    for _ in range(count):
        slope = np.linspace(0.1, 0.7, side)[None, :] + np.zeros((side, 1))
        mask = np.zeros((side, side), bool)
        for _ in range(3):
            top, left, radius = draw.uniform(4, side - 4), draw.uniform(4, side - 4), draw.uniform(2, 4)
            mask |= (rows - top) ** 2 + (columns - left) ** 2 < radius**2
        pictures.append(
            np.clip(255 * (slope + 0.25 * mask + draw.normal(0, 0.02, mask.shape)), 0, 255).astype(np.uint8)
        )
        masks.append(mask.astype(np.uint8) * 255)
    return pictures, masks


def tinted(count: int = 60) -> np.ndarray:
    """Pictures whose colour can be told from their texture: stripes are red, the others blue."""
    draw = np.random.default_rng(2)
    pictures = np.zeros((count, 16, 16, 3), np.float32)
    for number in range(count):
        light = draw.uniform(0.3, 0.6) + (0.1 * (-1) ** np.arange(16) if number % 2 else np.zeros(16))
        colours = (0.0, 0.2) if number % 2 else (0.2, 0.0)
        flat = np.tile(light.astype(np.float32)[:, None, None], (1, 16, 1))
        pictures[number] = coloured(flat, np.broadcast_to(np.float32(colours), (16, 16, 2)))
    return pictures


def test_a_denoiser_is_better_than_smoothing():
    recipe = partial(restoration, epochs=8, lr=5e-3)
    denoiser = Denoiser(GaussianNoise(0.3), widths=(16, 24), recipe=recipe, random_state=0).fit(digits(1200))
    metrics = denoiser.metrics_
    assert metrics["held_out"] == "held-out pictures"
    assert metrics["judged"] == 120
    assert metrics["psnr"] > metrics["smoothed_psnr"] + 1.5 > metrics["noisy_psnr"] + 2
    found = denoiser.transform(digits(5))
    assert found.dtype == np.uint8
    assert found.shape == (5, 8, 8)


def test_colours_are_told_from_texture():
    recipe = partial(restoration, epochs=40, batch_size=8)
    colours = Colorizer(widths=(8, 8), recipe=recipe, random_state=0).fit(tinted())
    assert colours.metrics_["chrominance_error"] < 0.3 * colours.metrics_["mean_chrominance_error"]
    found = colours.transform(tinted()[:, :, :, 0])
    assert found.shape == (60, 16, 16, 3)
    light = pictures_of(tinted(), channels=1)
    # The luminance stays, where no colour had to be cut off.
    np.testing.assert_allclose(grey(colours.transform(light)[0]), light[0], atol=0.02)


def test_a_segmenter_is_better_than_a_threshold():
    pictures, masks = blobs(60)
    recipe = partial(restoration, epochs=60, batch_size=8, lr=5e-3)
    found = Segmenter(widths=(8, 12), recipe=recipe, random_state=0).fit(pictures, masks)
    assert found.metrics_["mean_iou"] > 0.72 > found.metrics_["otsu_mean_iou"] + 0.3
    assert found.classes_.tolist() == [0, 255]
    told = found.predict(pictures)
    assert {*np.unique(told[0])} <= {0, 255}
    shares = found.predict_proba(pictures[:1])[0]
    np.testing.assert_allclose(shares.sum(2), 1, atol=1e-5)
    assert found.score(pictures, masks) == found.evaluate(pictures, masks)["mean_iou"]
    places = [mask // 255 for mask in masks]
    assert found.score(pictures, masks) == mean_intersection_over_union([one // 255 for one in told], places, classes=2)


def fitted(kind):
    pictures, masks = blobs(12)
    if kind is Segmenter:
        return Segmenter(**FAST).fit(pictures, masks)
    return kind(**FAST).fit(tinted(12) if kind is Colorizer else pictures)


@pytest.mark.parametrize("kind", [Denoiser, Colorizer, Segmenter])
def test_a_folder_gives_the_same_back_and_the_page_shows_it(kind, tmp_path):
    found = fitted(kind)
    found.save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert type(again) is kind
    assert again.metrics_ == found.metrics_
    pictures, _ = blobs(3, 30)
    use = "predict" if kind is Segmenter else "transform"
    for one, other in zip(getattr(found, use)(pictures), getattr(again, use)(pictures), strict=True):
        np.testing.assert_array_equal(one, other)
    again.report(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text("utf-8")
    assert page.count("data:image/png") == 3  # Before, after and the truth of the one picture that was held out.
    card = (tmp_path / "model" / "README.md").read_text("utf-8")
    assert found.metrics_["task"] in card
    clone(found)
    for wrong in {Denoiser, Colorizer, Segmenter} - {kind}:
        with pytest.raises(ModelFileError, match="found another model"):
            wrong.load(tmp_path / "model")


@pytest.mark.parametrize("kind", [Denoiser, Colorizer, Segmenter])
def test_the_same_seed_gives_the_same_weights(kind):
    one, same = fitted(kind), fitted(kind)
    pairs = zip(one.model_.state_dict().values(), same.model_.state_dict().values(), strict=True)
    assert all(torch.equal(a, b) for a, b in pairs)


def test_pictures_of_any_size_and_type_go_through():
    photo = load_sample_images().images[0][::8, ::8]
    denoiser = Denoiser(side=16, **FAST).fit([photo, photo[:20, :30]])
    assert denoiser.metrics_["held_out"] == "training pictures"
    assert denoiser.model_.channels == 3
    alpha = np.dstack([photo, np.full(photo.shape[:2], 255, np.uint8)])
    found = denoiser.transform(
        [photo, photo[:9, :7], photo[:, :, 0], alpha, photo.astype(np.uint16) * 257, photo / 255]
    )
    assert [one.shape for one in found] == [
        photo.shape,
        (9, 7, 3),
        photo.shape[:2],
        photo.shape,
        photo.shape,
        photo.shape,
    ]
    assert [one.dtype for one in found] == [np.uint8, np.uint8, np.uint8, np.uint8, np.uint16, np.float32]
    np.testing.assert_array_equal(found[0], found[3])
    np.testing.assert_allclose(found[4] / 65535, found[5], atol=1e-4)
    table = Table.from_array(digits(4))
    assert denoiser.transform(table).shape == (4, 8, 8)


@pytest.mark.parametrize("kind", [Denoiser, Colorizer, Segmenter])
def test_one_tiny_picture_does_not_decide_the_squares(kind, caplog):
    pictures, masks = blobs(9)
    if kind is Colorizer:
        pictures = [*tinted(9)]
    pictures, masks = [*pictures, pictures[0][:3, :2]], [*masks, masks[0][:3, :2]]
    found = kind(**FAST).fit(pictures, masks)
    side = 16 if kind is Colorizer else 24
    assert found.schema_.pixels.shape[:2] == (side, side)
    assert f"squares of {side} x {side} pixels that are learned from: 1 of" in caplog.text
    assert "the least of 3 x 2" in caplog.text
    assert found.metrics_["pictures"] == 10


@pytest.mark.parametrize(
    ("sides", "wanted", "found"),
    [
        ([20, 20], None, None),  # whole pictures
        ([20, 24, 30], None, 20),
        ([100, 100], None, 64),
        ([100, 50, 500], None, 50),
        ([100, 100, 20], None, 64),
        ([40, 44, 48, 2], 32, 32),
        ([40, 44, 48, 2], 100, 40),
    ],
)
def test_squares_are_as_large_as_ordinary_pictures_allow(sides, wanted, found):
    pictures = [np.zeros((side, side + 3), np.uint8) for side in sides]
    shape = Denoiser(widths=(2, 2), side=wanted).plan(pictures)[0].pixels.shape
    assert shape[:2] == ((sides[0], sides[0] + 3) if found is None else (found, found))


def test_grey_pictures_teach_no_colours_and_are_left_out(caplog):
    pictures = Pictures([f"{number}.png" for number in range(12)], [*tinted(11), PICTURE])
    colours = Colorizer(**FAST).fit(pictures)
    assert colours.metrics_["pictures"] == 11
    assert caplog.messages == ["left out, since they are grey: 1 of 12 pictures ('11.png')."]
    assert colours.evaluate(pictures) == colours.evaluate(tinted(11))


def test_pictures_are_called_by_the_names_of_their_files():
    for pictures, masks, words in [
        ([PICTURE, np.zeros(5)], None, r"b.png must have the shape .* found \(5,\)"),
        ([PICTURE, PICTURE], [PICTURE, np.zeros((8, 7))], "the mask of b.png must have its size"),
    ]:
        with pytest.raises(InputError, match=words):
            Segmenter().fit(Pictures(["a.png", "b.png"], pictures), masks)


@pytest.mark.parametrize(
    "noise",
    [Varied(Masking, 0.1, high=0.6, bounds=(0.0, 1.0)), Varied(GaussianNoise, 0.0, high=0.2), SaltAndPepper(0.3)],
)
def test_a_folder_knows_the_noise(noise, tmp_path):
    denoiser = Denoiser(noise, **FAST).fit(digits(20))
    denoiser.save(tmp_path / "model")
    again = Denoiser.load(tmp_path / "model")
    assert again.evaluate(digits(20)) == again.evaluate(digits(20))
    assert again.evaluate(digits(20))["noisy_psnr"] == pytest.approx(denoiser.evaluate(digits(20))["noisy_psnr"], abs=1)
    if isinstance(noise, Varied):
        assert again.noise == noise
        assert again.evaluate(digits(20)) == denoiser.evaluate(digits(20))


def test_noise_of_an_own_kind_cannot_be_saved(tmp_path):
    denoiser = Denoiser(SwapNoise(0.2), **FAST).fit(digits(20))
    with pytest.raises(InputError, match="cannot be saved without a pickle"):
        denoiser.save(tmp_path / "model")
    assert not (tmp_path / "model").exists()


@pytest.mark.parametrize(("kind", "use"), [(Denoiser, "transform"), (Colorizer, "transform"), (Segmenter, "predict")])
def test_what_is_not_fitted_says_so(kind, use):
    with pytest.raises(NotFittedError):
        getattr(kind(), use)([PICTURE])


def test_chrominances_and_back():
    picture = np.random.default_rng(0).random((4, 5, 3), np.float32)
    np.testing.assert_allclose(coloured(grey(picture), chrominances(picture)), picture, atol=1e-5)
    assert np.abs(chrominances(np.float32(np.eye(3))[None])).max() == pytest.approx(0.5)


@pytest.mark.parametrize("kind", [GaussianNoise, SaltAndPepper, Masking])
def test_noise_of_any_level_stays_in_its_bounds(kind):
    noise = Varied(kind, 0.0, high=1.0, bounds=(0.0, 1.0))
    x = torch.rand(200, 1, 6, 6, generator=torch.Generator().manual_seed(0))
    found = noise(x, torch.Generator().manual_seed(1))
    assert torch.equal(found, noise(x, torch.Generator().manual_seed(1)))
    assert 0 <= float(found.min()) <= float(found.max()) <= 1
    changed = (found != x).float().mean((1, 2, 3))
    assert torch.equal(x, torch.rand(200, 1, 6, 6, generator=torch.Generator().manual_seed(0)))
    if kind is not GaussianNoise:
        assert float(changed.std()) > 0.2  # Levels from 0 to 1, one for each row.
    with pytest.raises(InputError, match="in order"):
        Varied(kind, 0.5, high=0.1)


PICTURE = np.zeros((8, 8), np.uint8)


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (lambda: Denoiser().fit([]), "at least one picture is needed"),
        (lambda: Denoiser().fit(np.zeros((5, 6))), r"the shape \(5, 6\)"),
        (lambda: Denoiser().fit([PICTURE, np.zeros(5)]), r"picture 1 must have the shape .* found \(5,\)"),
        (lambda: Denoiser().fit([PICTURE / 255 + 3]), "picture 0 must hold bytes.*found float64 from 3 to 3"),
        (lambda: Denoiser().fit([np.full((8, 8), np.nan)]), "picture 0 must hold bytes"),
        (lambda: Denoiser().fit([np.array([["a"]])]), "picture 0 must hold numbers"),
        (lambda: Denoiser(noise=3).fit([PICTURE]), "noise must be a corruption"),
        (lambda: Denoiser(widths=()).fit([PICTURE]), "widths must be a sequence of whole numbers"),
        (lambda: Denoiser(blocks=0).fit([PICTURE]), "blocks must be a whole number"),
        (lambda: Colorizer().fit([PICTURE]), "must be in colour; all 1 are grey, first picture 0"),
        (lambda: Segmenter().fit([PICTURE], [PICTURE]), "from 2 to 256 classes; found 1"),
        (lambda: Segmenter().fit([PICTURE], [PICTURE, PICTURE]), "a mask for each of the 1 pictures; found 2"),
        (lambda: Segmenter().fit([PICTURE]), "masks are needed: .*; got none"),
        (lambda: fitted(Segmenter).evaluate([PICTURE]), "masks are needed: .*; got none"),
        (
            lambda: Segmenter().fit([PICTURE], [np.zeros((8, 7))]),
            r"the mask of picture 0 must have its size, \(8, 8\); found the shape \(8, 7\)",
        ),
        (
            lambda: fitted(Segmenter).evaluate([PICTURE], [PICTURE + 7]),
            "the training classes alone; found 7 in that of picture 0",
        ),
        (lambda: Denoiser().fit(Table.from_array(np.zeros((4, 5)))), "found a table"),
    ],
)
def test_bad_input_is_refused_in_one_line(run, words):
    with pytest.raises(InputError, match=words) as caught:
        run()
    assert "\n" not in str(caught.value)


MAPS = {
    "one stage": lambda: UNet(2, (3,)),
    "skips": lambda: UNet(2, (3, 4, 5), blocks=2),
    "pooled": lambda: SegNet(2, (3, 4), outputs=3),
    "pooled thrice": lambda: SegNet(2, (3, 4, 4), outputs=3, convolutions=3),
}


@pytest.mark.parametrize("name", MAPS)
@torch.no_grad()
def test_large_pictures_are_the_same_in_squares(name):
    model, draw = MAPS[name]().eval().double(), torch.Generator().manual_seed(0)
    for parameter in model.parameters():
        parameter.copy_(0.3 * torch.randn(parameter.shape, generator=draw) + 0.05)
    x = torch.rand(2, 2, 150, 203, generator=draw).double()
    whole = model(x).reconstruction
    squares = tiled(model, x, device=torch.device("cpu"), side=16)
    torch.testing.assert_close(squares, whole.float(), rtol=1e-6, atol=1e-6)
    # No more is looked at than what matters: of two pictures that differ in one pixel, all but its surroundings agree.
    other = x.clone()
    other[:, :, 75, 100] += 10
    differs = (model(other).reconstruction != whole).any(0).any(0).nonzero() - torch.tensor([75, 100])
    assert 0 < differs.abs().max() <= model.reach
