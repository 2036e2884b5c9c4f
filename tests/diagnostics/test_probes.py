"""What can be read from codes that were made to tell it, and from those that were not."""

import logging

import numpy as np
import pytest
from sklearn.linear_model import LinearRegression
from sklearn.neighbors import KNeighborsRegressor

from layerwise.data.datasets import robot_arm_2d
from layerwise.diagnostics import classification_error, factor_recovery, linear_probe, nearest_probe
from layerwise.errors import InputError

pytestmark = pytest.mark.usefixtures("global_random_state_unchanged")

PROBES = pytest.mark.parametrize("probe", [linear_probe, nearest_probe])


def blobs(rows: int, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    draw = np.random.default_rng(seed)
    y = draw.integers(0, 4, rows)
    return 20 * np.eye(4)[y] + draw.normal(size=(rows, 4)), y


CODES, Y = blobs(300, seed=0)
TEST_CODES, TEST_Y = blobs(200, seed=1)


def test_the_error_is_a_share():
    assert classification_error(np.array([0, 1, 1]), np.array([0, 1, 2])) == pytest.approx(1 / 3)
    assert classification_error(np.array(["a"]), np.array(["a"])) == 0.0


@pytest.mark.parametrize(("predicted", "true"), [(np.zeros(3), np.zeros(2)), (np.zeros(0), np.zeros(0))])
def test_an_error_of_what_does_not_match_is_refused(predicted, true):
    with pytest.raises(InputError, match="one prediction for each class, and at least one"):
        classification_error(predicted, true)


@PROBES
def test_what_is_apart_is_told_apart(probe):
    assert probe(CODES, Y, test_codes=TEST_CODES, test_y=TEST_Y) == 0.0
    names = np.array(["north", "east", "south", "west"])
    found = probe(CODES.astype(np.float32), names[Y], test_codes=TEST_CODES.astype(np.float32), test_y=names[TEST_Y])
    assert found == 0.0
    wrong = names[(TEST_Y + (np.arange(200) < 50)) % 4]
    assert probe(CODES, names[Y], test_codes=TEST_CODES, test_y=wrong) == pytest.approx(0.25)


@PROBES
def test_shuffled_labels_are_found_by_chance(probe):
    shuffled = np.random.default_rng(2).permutation(Y)
    found = probe(CODES, shuffled, test_codes=TEST_CODES, test_y=np.random.default_rng(3).permutation(TEST_Y))
    assert found == pytest.approx(0.75, abs=0.1)


@PROBES
def test_a_class_that_was_not_trained_is_an_error(probe):
    assert probe(CODES[Y < 3], Y[Y < 3], test_codes=TEST_CODES, test_y=TEST_Y) == pytest.approx((TEST_Y == 3).mean())


def test_the_linear_probe_does_not_care_for_units_and_the_nearest_does():
    scales = np.array([1e4, 1.0, 1e-4, 1.0])
    codes, test = CODES * scales, TEST_CODES * scales
    assert linear_probe(codes, Y, test_codes=test, test_y=TEST_Y) == 0.0
    assert nearest_probe(codes, Y, test_codes=test, test_y=TEST_Y) > 0.3


def test_a_ring_is_for_neighbours_and_not_for_lines():
    draw = np.random.default_rng(0)
    codes = draw.normal(size=(600, 2))
    inside = np.linalg.norm(codes, axis=1) < 1.1
    parts = {"test_codes": codes[400:], "test_y": inside[400:]}
    assert nearest_probe(codes[:400], inside[:400], **parts) < 0.08
    assert linear_probe(codes[:400], inside[:400], **parts) > 0.3


def test_a_probe_that_is_not_done_is_told(monkeypatch, caplog):
    monkeypatch.setattr("layerwise.diagnostics.probes.ITERATIONS", 1)
    with caplog.at_level(logging.WARNING):
        linear_probe(CODES, Y, test_codes=TEST_CODES, test_y=TEST_Y)
    assert "the linear probe stopped after 1 steps" in caplog.text


@PROBES
@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"y": Y[:-1]}, "as many labels as codes; got 299 for 300"),
        ({"test_y": TEST_Y[:-1]}, "as many test labels as codes; got 199 for 200"),
        ({"codes": np.where(CODES > 15, np.nan, CODES)}, "codes must be finite"),
        ({"test_codes": np.full((200, 4), np.inf)}, "test codes must be finite; 800 values are not"),
        ({"test_codes": TEST_CODES[:, :3]}, "test codes must have 4 units, as the codes have; got 3"),
        ({"y": np.where(Y > 0, Y, np.nan)}, "none of them missing"),
        ({"y": np.array([None, *["a"] * 299], object)}, "all be numbers or all be names"),
    ],
)
def test_probes_of_what_does_not_match_are_refused_in_one_line(probe, change, message):
    given = {"codes": CODES, "y": Y, "test_codes": TEST_CODES, "test_y": TEST_Y, **change}
    with pytest.raises(InputError, match=message) as refused:
        probe(**given)
    assert "\n" not in str(refused.value)


def test_probes_that_make_no_sense_are_refused():
    parts = {"test_codes": TEST_CODES, "test_y": TEST_Y}
    with pytest.raises(InputError, match="at least 2 classes"):
        linear_probe(CODES, np.zeros(300, int), **parts)
    with pytest.raises(InputError, match="strength must be above 0 and finite; got 0"):
        linear_probe(CODES, Y, strength=0.0, **parts)
    for neighbors in (0, 301):
        with pytest.raises(InputError, match=f"from 1 to 300, the number of codes; got {neighbors}"):
            nearest_probe(CODES, Y, neighbors=neighbors, **parts)


@pytest.fixture
def few_landmarks(monkeypatch):
    """Faster, and enough for a handful of factors."""
    monkeypatch.setattr("layerwise.diagnostics.probes.LANDMARKS", 150)


quick = pytest.mark.usefixtures("few_landmarks")


def warped(factors: np.ndarray, *, units: int = 5, seed: int = 0) -> np.ndarray:
    """A smooth map of the factors that no line can undo."""
    draw = np.random.default_rng(seed)
    hidden = np.tanh(factors @ draw.normal(size=(factors.shape[1], 20)) + draw.normal(size=20))
    return hidden @ draw.normal(size=(20, units)) / 4


FACTORS = np.random.default_rng(0).uniform(-1, 1, (900, 3))
NAMES = ("x", "y", "size")


def recovered(codes: np.ndarray, factors: np.ndarray = FACTORS, *, names=NAMES, seed: int = 0) -> dict[str, float]:
    return factor_recovery(
        codes[:600], factors[:600], names=names, test_codes=codes[600:], test_factors=factors[600:], seed=seed
    )


def test_factors_are_read_from_a_smooth_map_of_them():
    found = recovered(warped(FACTORS))
    assert tuple(found) == NAMES
    assert min(found.values()) > 0.97


@quick
def test_the_same_seed_gives_the_same_figures_whatever_the_units():
    found = recovered(warped(FACTORS))
    assert recovered(warped(FACTORS)) == found
    assert recovered(warped(FACTORS), seed=1) != found
    assert recovered(warped(FACTORS).astype(np.float32)) == pytest.approx(found, abs=1e-3)
    moved = recovered(warped(FACTORS) * [1e-3, 1.0, 1e3, 1.0, 5.0] + 7, FACTORS * 1e3 - 5e3)
    assert moved == pytest.approx(found, abs=1e-6)


@quick
def test_nothing_is_read_from_noise_or_from_a_code_that_is_always_the_same():
    noise = np.random.default_rng(5).normal(size=(900, 5))
    for codes in (noise, np.zeros((900, 2)), np.repeat(noise[:3], 300, axis=0)):
        assert max(map(abs, recovered(codes).values())) < 0.05


@quick
def test_each_factor_has_its_own_figure():
    found = recovered(warped(FACTORS[:, :2]))
    assert min(found["x"], found["y"]) > 0.97
    assert found["size"] < 0.05


@quick
def test_the_angles_of_an_arm_are_read_from_where_its_links_end():
    angles = np.random.default_rng(1).uniform(-np.pi, np.pi, (900, 2))
    directions = angles.cumsum(axis=1)
    ends = np.hstack([np.cos(directions), np.sin(directions)]) * [0.3, 0.2, 0.3, 0.2]
    targets = np.hstack([np.sin(angles), np.cos(angles)])
    found = recovered(ends, targets, names=["sin 1", "sin 2", "cos 1", "cos 2"])
    assert min(found.values()) > 0.99


def test_another_regressor_reads_a_torn_code():
    torn = warped(FACTORS) + 3 * (FACTORS[:, :1] > 0.1)
    given = {"names": NAMES, "test_codes": torn[600:], "test_factors": FACTORS[600:]}
    found = factor_recovery(torn[:600], FACTORS[:600], regressor=KNeighborsRegressor(5), **given)
    assert tuple(found) == NAMES
    assert 0.8 < min(found.values()) < 1
    one = factor_recovery(
        torn[:600],
        FACTORS[:600, :1],
        regressor=LinearRegression(),
        **given | {"names": ["x"], "test_factors": FACTORS[600:, :1]},
    )
    line = LinearRegression().fit(torn[:600], FACTORS[:600, 0])
    assert one["x"] == pytest.approx(line.score(torn[600:], FACTORS[600:, 0]))


def test_the_targets_of_pictures_fit():
    arms = robot_arm_2d(60)
    values, names = arms.targets()
    found = factor_recovery(values[:40], values[:40], names=names, test_codes=values[40:], test_factors=values[40:])
    assert tuple(found) == names and min(found.values()) > 0.99


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"factors": FACTORS[:-1]}, "as many rows of factors as codes; got 899 for 900"),
        ({"test_factors": FACTORS[:-2]}, "as many rows of test factors as codes; got 898 for 900"),
        ({"codes": np.full((900, 5), np.nan)}, "codes must be finite"),
        ({"factors": np.where(FACTORS > 0.9, np.inf, FACTORS)}, "factors must be finite"),
        ({"factors": FACTORS * [1, 0, 1]}, "each column of factors must vary; 'y' does not"),
        ({"test_factors": FACTORS * [1, 1, 0]}, "each column of test factors must vary; 'size' does not"),
        ({"names": ("x", "y")}, "a column for each of 2 names; got 3"),
        ({"test_codes": np.zeros((900, 4))}, "test codes must have 5 units"),
    ],
)
def test_factors_that_do_not_match_are_refused_in_one_line(change, message):
    codes = warped(FACTORS)
    given = {"codes": codes, "factors": FACTORS, "names": NAMES, "test_codes": codes, "test_factors": FACTORS}
    with pytest.raises(InputError, match=message) as refused:
        factor_recovery(**{**given, **change})
    assert "\n" not in str(refused.value)
