"""Squares of pictures: the pixels of the pictures, with the targets of the same places."""

import numpy as np
import pytest
import torch

from layerwise.data import Patches
from layerwise.errors import InputError

DRAW = np.random.default_rng(0)
PICTURES = [DRAW.integers(0, 256, (20, 30, 3)).astype(np.uint8), DRAW.integers(0, 256, (40, 16, 3)).astype(np.uint8)]


def test_squares_are_cut_with_their_targets():
    targets = [picture[:, :, 0].astype(np.int64) for picture in PICTURES]
    patches = Patches(PICTURES, 8, targets=targets, count=200, seed=0)
    batch = patches.batch(torch.arange(200))
    assert batch.x.shape == (200, 3, 8, 8)
    assert batch.y is not None
    # The target is the first channel, at the same place and in the same turn.
    np.testing.assert_allclose(batch.x[:, 0].numpy() * 255, batch.y.numpy(), atol=1e-3)
    colours = Patches(PICTURES, 8, targets=PICTURES, count=50, seed=1).batch(torch.arange(50))
    np.testing.assert_allclose(colours.x.numpy() * 255, colours.y.numpy(), atol=1e-3)
    assert colours.y.dtype == torch.float32


def test_every_square_is_in_a_picture():
    patches = Patches(PICTURES, 8, count=100, turned="none", seed=3)
    for number in range(100):
        square = (patches.batch(torch.tensor([number])).x[0].permute(1, 2, 0) * 255).round().numpy()
        (top, left), picture = patches.place[number], PICTURES[patches.number[number]]
        np.testing.assert_array_equal(square, picture[top : top + 8, left : left + 8])
    tops = patches.place[patches.number == 1, 0]
    assert tops.min() < 8
    assert tops.max() > 24


@pytest.mark.parametrize(("turned", "ways"), [("all", 8), ("mirrored", 2), ("none", 1)])
def test_turns(turned, ways):
    corner = np.zeros((4, 4, 1), np.uint8)
    corner[0, 1] = 255
    patches = Patches([corner] * 200, None, turned=turned, seed=0)
    found = {tuple(x.reshape(-1).tolist()) for x in patches.batch(torch.arange(200)).x}
    assert len(found) == ways


def test_whole_pictures_that_are_no_squares_keep_their_shape():
    patches = Patches([PICTURES[0]] * 30, None, seed=0)
    assert patches.batch(torch.arange(30)).x.shape == (30, 3, 20, 30)


def test_the_same_seed_gives_the_same_squares():
    one, same, other = (Patches(PICTURES, 8, seed=seed).batch(torch.arange(9)).x for seed in (0, 0, 1))
    assert torch.equal(one, same)
    assert not torch.equal(one, other)
    assert len(Patches(PICTURES, 8, seed=0)) == 8 * (600 + 640) // 64


def test_what_has_no_squares_is_refused():
    with pytest.raises(InputError, match="at least 17 pixels a side; found 16"):
        Patches(PICTURES, 17)
    with pytest.raises(InputError, match="one size; found 2"):
        Patches(PICTURES, None)
