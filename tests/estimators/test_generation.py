"""New rows: where they are drawn from, and the ways between rows."""

import numpy as np
import pytest
from PIL import Image
from sklearn.datasets import load_digits, load_iris

from layerwise import DeepAutoencoder, InputError, VariationalAutoencoder
from layerwise.data import Table, write
from layerwise.data.gallery import write_gallery
from layerwise.estimators.generation import grid, mixture, routes

IRIS = load_iris().data
ENDS = np.array([[3.0, 0.0], [0.0, 1.0], [-2.0, 0.0]], np.float32)
RING = np.array([(np.cos(a), np.sin(a)) for a in np.linspace(0, 2 * np.pi, 200, endpoint=False)], np.float32)


def frames(path):
    with Image.open(path) as picture:
        return picture.n_frames


def way(along, ends=ENDS, *, steps=5, known=RING, decode=lambda codes: codes):
    return routes(ends, steps, along=along, known=known, decode=decode, center=np.zeros(2, np.float32))


def leap(codes):
    """The identity, but for a place far away in the first eighth of the ring."""
    return np.where((codes[:, 1:] > 0.3) & (codes[:, :1] > 0.7), 50, codes)


@pytest.fixture(scope="module")
def models():
    plain = DeepAutoencoder(2, hidden_layer_sizes=(16,), max_epochs=5, random_state=0).fit(IRIS)
    return plain, VariationalAutoencoder(2, hidden_layer_sizes=(16,), max_epochs=5, random_state=0).fit(IRIS)


@pytest.mark.parametrize("along", ["linear", "spherical", "manifold"])
def test_a_way_goes_through_its_ends_once(along):
    codes = way(along)
    assert codes.shape == (9, 2)
    np.testing.assert_allclose(codes[[0, 4, 8]], ENDS, atol=1e-6)


def test_a_straight_way_is_even():
    np.testing.assert_allclose(np.diff(way("linear")[:5], axis=0), np.tile((ENDS[1] - ENDS[0]) / 4, (4, 1)), atol=1e-6)


def test_on_a_sphere_angle_and_radius_change_evenly():
    codes = way("spherical")[:5]
    np.testing.assert_allclose(np.linalg.norm(codes, axis=1), np.linspace(3, 1, 5), atol=1e-6)
    np.testing.assert_allclose(np.diff(np.arctan2(codes[:, 1], codes[:, 0])), np.pi / 8, atol=1e-6)


@pytest.mark.parametrize("ends", [[[1.0, 0.0], [1.0, 0.0]], [[0.0, 0.0], [1.0, 0.0]], [[1.0, 0.0], [-1.0, 0.0]]])
@pytest.mark.parametrize("along", ["linear", "spherical", "manifold"])
def test_ends_without_an_angle_between_them_have_a_way(ends, along):
    codes = way(along, np.array(ends, np.float32))
    assert np.isfinite(codes).all()
    np.testing.assert_allclose(codes[[0, -1]], ends, atol=1e-6)


def test_along_the_manifold_the_way_stays_where_rows_are():
    codes = way("manifold", RING[[0, 70]], steps=8)
    np.testing.assert_allclose(np.linalg.norm(codes, axis=1), 1, atol=0.02)
    steps = np.linalg.norm(np.diff(codes, axis=0), axis=1)
    assert steps.max() < 1.1 * steps.min()
    # What counts is how far the reconstruction moves: where it jumps, the longer way round is the shorter one.
    jump = way("manifold", RING[[0, 70]], steps=30, decode=leap)
    assert jump[1:-1, 1].min() < -0.9


def test_no_way_over_known_codes_is_a_straight_one():
    two = np.concatenate([RING, RING + 100])
    codes = way("manifold", np.array([[1, 0], [101, 0]], np.float32), known=two)
    np.testing.assert_allclose(codes[2], [51, 0], atol=1e-4)


def test_the_density_of_codes_is_where_they_are():
    rng = np.random.default_rng(0)
    codes = np.concatenate([rng.normal(-5, 1, (300, 2)), rng.normal(5, 0.5, (300, 2))]).astype(np.float32)
    found = mixture(codes, np.random.RandomState(0))
    assert found.n_components == 2
    np.testing.assert_allclose(np.sort(found.means_[:, 0]), [-5, 5], atol=0.2)
    # More units than codes, and a unit that never changes.
    assert np.isfinite(mixture(np.zeros((3, 5), np.float32), np.random.RandomState(0)).sample(4)[0]).all()
    with pytest.raises(InputError, match="at least 2"):
        mixture(codes[:1], np.random.RandomState(0))


def test_a_map_has_equal_shares_between_its_places():
    codes = grid(4, np.random.default_rng(0).uniform(0, 8, (100_000, 2)))
    np.testing.assert_allclose(codes[:4], [[1, 7], [3, 7], [5, 7], [7, 7]], atol=0.05)
    for side, columns in ((1, 2), (4, 3)):
        with pytest.raises(InputError, match="map"):
            grid(side, np.empty((0, columns)))


def test_a_seed_gives_the_same_rows_and_another_one_others(models):
    for model in models:
        rows = model.sample(20, random_state=3)
        assert rows.shape == (20, 4)
        assert np.array_equal(rows, model.sample(20, random_state=3))
        assert not np.array_equal(rows, model.sample(20, random_state=4))
        mixed = model.sample(400, density="mixture", random_state=0)
        low, high = IRIS.min(0) - IRIS.std(0), IRIS.max(0) + IRIS.std(0)
        assert ((mixed > low) & (mixed < high)).mean() > 0.95
        assert model.latent_grid(3).shape == (9, 4)


def test_ways_of_a_model_begin_and_end_with_reconstructions(models):
    for model in models:
        for along in ("linear", "spherical", "manifold"):
            rows = model.interpolate(IRIS[[0, 100, 60]], 4, along=along)
            np.testing.assert_allclose(rows[[0, 3, 6]], model.reconstruct(IRIS[[0, 100, 60]]), rtol=1e-4)


def test_what_cannot_be_drawn_is_refused(models):
    plain, variational = models
    with pytest.raises(InputError, match="prior"):
        plain.sample(3, density="prior")
    for wrong in (lambda: variational.sample(0), lambda: variational.sample(1, density="normal")):
        with pytest.raises(InputError, match="got"):
            wrong()
    for rows, steps, along in ((IRIS[:1], 5, "linear"), (IRIS[:2], 1, "linear"), (IRIS[:2], 5, "curved")):
        with pytest.raises(InputError, match="got"):
            plain.interpolate(rows, steps, along=along)


def test_a_gallery_has_each_picture_in_its_place(tmp_path):
    pictures = np.arange(5)[:, None, None] * np.full((5, 3, 4), 50.0)
    write_gallery(tmp_path / "all.png", pictures, span=(0.0, 200.0), columns=3)
    with Image.open(tmp_path / "all.png") as picture:
        found = np.asarray(picture)
    height, width = (found.shape[0] + 1) // 2, found.shape[1] // 3
    centers = [[int(found[height * i + height // 2, width * j + width // 2]) for j in range(3)] for i in range(2)]
    assert centers == [[0, 64, 128], [191, 255, 0]]
    write_gallery(tmp_path / "all.gif", pictures, span=(0.0, 200.0))
    # There and back again.
    assert frames(tmp_path / "all.gif") == 8
    with pytest.raises(InputError, match="at most"):
        write_gallery(tmp_path / "many.png", np.zeros((2501, 1, 1)))
    assert not (tmp_path / "many.png").exists()


def test_the_verbs_write_rows_and_pictures(run, tmp_path):
    write(Table.from_array(load_digits().images.astype(np.uint8)[:60]), "digits.npy")
    options = ("--task", "generate", "--code", "2", "--hidden", "8", "--epochs", "1")
    assert run("fit", "digits.npy", *options, "-o", "model")[0] == 0
    assert run("sample", "model", "-n", "6", "-o", "new.npy")[0] == 0
    assert np.load("new.npy").shape == (6, 8, 8)
    assert run("sample", "model", "-n", "6", "--density", "mixture", "-o", "folder")[0] == 0
    assert len(list((tmp_path / "folder").iterdir())) == 6
    assert run("sample", "model", "--grid", "4", "-o", "map.png")[0] == 0
    way = ("interpolate", "model", "digits.npy", "--rows")
    assert run(*way, "0,3", "--steps", "6", "--along", "manifold", "-o", "way.gif")[0] == 0
    assert frames(tmp_path / "way.gif") == 10
    assert run("reconstruct", "model", "digits.npy", "-o", "pairs.png")[0] == 0
    for words, told in (
        ((*way, "0,60", "-o", "x.npy"), "--rows must be from 0 to 59"),
        ((*way, "one", "-o", "x.npy"), "at least two numbers"),
        (("sample", "model", "--density", "wide", "-o", "x.npy"), "density must be"),
        (("sample", "model", "-o", "x.docx"), "must end in"),
    ):
        code, _, error = run(*words)
        assert (code, told in error) == (2, True), error
    assert not (tmp_path / "x.npy").exists()


def test_a_table_is_no_picture(run, tmp_path):
    write(Table.from_array(IRIS[:50]), "iris.csv")
    assert run("fit", "iris.csv", "--task", "generate", "--hidden", "8", "--epochs", "1", "-o", "model")[0] == 0
    assert run("sample", "model", "-n", "3", "-o", "new.csv")[0] == 0
    assert len((tmp_path / "new.csv").read_text().splitlines()) == 4
    for words in (("sample", "model", "-o", "x.png"), ("reconstruct", "model", "iris.csv", "-o", "x.png")):
        code, _, error = run(*words)
        assert (code, "no pictures" in error) == (2, True), error
    assert not (tmp_path / "x.png").exists()
