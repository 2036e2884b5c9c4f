"""Each corruption does what its formula says, as often as its level says."""

import pytest
import torch

from layerwise.corruptions import Compose, GaussianNoise, Masking, SaltAndPepper, SwapNoise
from layerwise.errors import InputError
from tests.cases import normal, seeded

ROWS, COLUMNS = 200, 300
CELLS = ROWS * COLUMNS
X = normal(ROWS, COLUMNS)


def margin(share: float) -> float:
    """Five standard deviations of an observed share."""
    return 5 * (share * (1 - share) / CELLS) ** 0.5


@pytest.mark.parametrize("level", [0.02, 0.3, 0.9])
def test_the_expected_share_is_masked(level):
    masked = Masking(level)(X, seeded(0))
    changed = masked != X
    assert abs(changed.float().mean().item() - level) < margin(level)
    assert not masked[changed].any()


def test_masks_of_neighbours_are_independent():
    kept = (Masking(0.5)(torch.ones(ROWS, COLUMNS), seeded(0)) - 0.5) * 2
    assert abs((kept[:, 1:] * kept[:, :-1]).mean().item()) < 5 / CELLS**0.5
    assert abs((kept[1:] * kept[:-1]).mean().item()) < 5 / CELLS**0.5


def test_full_masking_leaves_nothing():
    assert not Masking(1.0)(X, seeded(0)).any()


@pytest.mark.parametrize("level", [0.1, 2.5])
def test_noise_is_normal_and_of_its_level(level):
    noise = (GaussianNoise(level)(X.double(), seeded(0)) - X) / level
    assert abs(noise.mean().item()) < 5 / CELLS**0.5
    assert abs(noise.square().mean().item() - 1) < 5 * (2 / CELLS) ** 0.5
    assert abs(noise.pow(4).mean().item() - 3) < 5 * (96 / CELLS) ** 0.5


@pytest.mark.parametrize("level", [0.1, 0.6])
def test_half_of_the_changed_cells_is_salt(level):
    x = normal(ROWS, COLUMNS).clamp(-1, 2)
    corrupted = SaltAndPepper(level)(torch.where(x.abs() == 2, 0.0, x), seeded(0))
    changed = corrupted != torch.where(x.abs() == 2, 0.0, x)
    inner = (x > -1) & (x < 2)
    low, high = ((corrupted == bound) & changed for bound in (-1, corrupted.max()))
    assert torch.equal(low | high, changed)
    for part in (low, high):
        share = part[inner].float().mean().item()
        assert abs(share - level / 2) < 2 * margin(level / 2)


def test_salt_and_pepper_take_the_ends_of_the_batch():
    x = torch.tensor([[-3.0, 0.0, 5.0, 1.0]]).repeat(100, 1)
    assert SaltAndPepper(1.0)(x, seeded(0)).unique().tolist() == [-3.0, 5.0]


@pytest.mark.parametrize("level", [0.2, 1.0])
def test_swapped_cells_come_from_other_rows_of_the_same_feature(level):
    # The whole part of a cell is its feature.
    x = torch.arange(COLUMNS) + torch.arange(ROWS).unsqueeze(1) / ROWS
    corrupted = SwapNoise(level)(x, seeded(0))
    assert torch.equal(corrupted.floor(), x.floor())
    share = (corrupted != x).float().mean().item()
    assert abs(share - level * (1 - 1 / ROWS)) < 2 * margin(level * (1 - 1 / ROWS)) + 1e-6


def test_composition_is_one_after_the_other():
    first, second = Masking(0.3), GaussianNoise(0.2)
    stream = seeded(4)
    expected = second(first(X, stream), stream)
    assert torch.equal(Compose(first, second)(X, seeded(4)), expected)
    assert not torch.equal(Compose(second, first)(X, seeded(4)), expected)


def test_an_empty_composition_is_the_identity():
    assert torch.equal(Compose()(X, seeded(0)), X)


@pytest.mark.parametrize("kind", [Masking, SaltAndPepper, SwapNoise])
def test_a_probability_ends_at_one(kind):
    kind(1.0)
    with pytest.raises(InputError, match=f"the level of {kind.__name__} must be from 0 to 1; got 1.01"):
        kind(1.01)


def test_noise_may_be_larger_than_the_signal():
    assert GaussianNoise(3.0).level == 3.0
