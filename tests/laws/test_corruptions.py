"""What every corruption owes: repeatability, an identity at level 0, and the input left as it is."""

import copy
import pickle

import pytest
import torch

from layerwise.errors import InputError
from tests.cases import CORRUPTIONS, normal, seeded

pytestmark = pytest.mark.usefixtures("global_random_state_unchanged")
corruptions = pytest.mark.parametrize("name", CORRUPTIONS)
X = normal(20, 30)


@corruptions
def test_it_repeats_under_its_generator(name):
    corruption = CORRUPTIONS[name](0.3)
    first, again, other = (corruption(X, seeded(seed)) for seed in (1, 1, 2))
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(first, X)


@corruptions
def test_two_batches_of_one_generator_differ(name):
    corruption, stream = CORRUPTIONS[name](0.3), seeded(1)
    assert not torch.equal(corruption(X, stream), corruption(X, stream))


@corruptions
def test_level_zero_is_the_identity(name):
    stream = seeded(1)
    before = stream.get_state()
    assert torch.equal(CORRUPTIONS[name](0.0)(X, stream), X)
    assert torch.equal(stream.get_state(), before)


@corruptions
def test_the_input_stays_as_it_is(name):
    x = X.clone()
    CORRUPTIONS[name](0.5)(x, seeded(1))
    assert torch.equal(x, X)


@corruptions
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("shape", [(4,), (1, 6), (3, 2, 5)])
def test_dtype_and_shape_stay(name, dtype, shape):
    x = normal(*shape, dtype=dtype)
    corrupted = CORRUPTIONS[name](0.5)(x, seeded(1))
    assert corrupted.dtype == dtype
    assert corrupted.shape == x.shape
    assert corrupted.isfinite().all()


@corruptions
@pytest.mark.parametrize("level", [-0.1, float("nan"), float("inf")])
def test_an_impossible_level_is_refused(name, level):
    with pytest.raises(InputError, match=r"the level of \w+ must be .*; got"):
        CORRUPTIONS[name](level)


@corruptions
def test_it_compares_copies_and_prints(name):
    corruption = CORRUPTIONS[name](0.25)
    assert corruption == CORRUPTIONS[name](0.25) != CORRUPTIONS[name](0.5)
    assert copy.deepcopy(corruption) == pickle.loads(pickle.dumps(corruption)) == corruption
    assert "0.25" in repr(corruption)
    assert hash(corruption) == hash(copy.deepcopy(corruption))
