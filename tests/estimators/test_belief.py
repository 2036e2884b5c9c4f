"""The deep belief network: its contract, its way up, its way down, and what it dreams."""

import numpy as np
import pytest
import torch
from sklearn.utils.estimator_checks import parametrize_with_checks

from layerwise import DeepBeliefNetwork, InputError


def prototypes(rows: int, *, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Noisy copies of four patterns of 16 bits, and the patterns."""
    draw = np.random.default_rng(seed)
    patterns = np.kron(np.eye(4), np.ones(4))
    flips = draw.random((rows, 16)) < 0.03
    return np.abs(patterns[draw.integers(0, 4, rows)] - flips), patterns


@pytest.fixture(scope="module")
def net() -> DeepBeliefNetwork:
    return DeepBeliefNetwork((12, 8), learning_rate=1.0, n_iter=20, batch_size=20, random_state=0).fit(
        prototypes(300)[0]
    )


@parametrize_with_checks([DeepBeliefNetwork((4, 3), n_iter=2)])
def test_the_contract_of_scikit_learn(estimator, check):
    check(estimator)


def test_its_dreams_are_like_the_rows(net):
    _, patterns = prototypes(1)
    dreams = net.sample(200, steps=200) > 0.5
    distances = np.abs(dreams[:, None] - patterns).sum(2)
    assert (distances.min(1) <= 2).mean() > 0.9
    # All of the patterns are dreamed, not one of them.
    assert len(np.unique(distances.argmin(1))) == 4


def test_it_gives_rows_back(net):
    x, _ = prototypes(200, seed=1)
    back = net.inverse_transform(net.transform(x))
    assert np.abs(back - x).mean() < 0.1 < np.abs(x.mean(0) - x).mean()


def test_unrolled_it_maps_as_the_stack_does(net):
    x, _ = prototypes(50, seed=2)
    model = net.unrolled().eval()
    with torch.no_grad():
        run = model(torch.from_numpy(x).float())
    np.testing.assert_allclose(run.code.numpy(), net.transform(x), atol=1e-5)
    np.testing.assert_allclose(run.reconstruction.numpy(), net.inverse_transform(net.transform(x)), atol=1e-5)


def test_rows_beyond_the_unit_interval_have_gaussian_units():
    x = np.random.default_rng(0).normal(5, 3, (100, 4))
    net = DeepBeliefNetwork((6, 3), n_iter=2, random_state=0).fit(x)
    assert [machine.visible_ for machine in net.machines_] == ["gaussian", "bernoulli"]
    assert 0 < net.inverse_transform(net.transform(x)).mean() < 10


def test_the_same_seed_gives_the_same_bits():
    x, _ = prototypes(40)
    one, other = (DeepBeliefNetwork((5, 3), n_iter=2, random_state=0).fit(x) for _ in range(2))
    for mine, theirs in zip(one.machines_, other.machines_, strict=True):
        assert np.array_equal(mine.components_, theirs.components_)


@pytest.mark.parametrize("sizes", [(), (0,), (4, 2.5), "auto", 5, None])
def test_sizes_that_are_none_are_refused(sizes):
    with pytest.raises(InputError, match="hidden_layer_sizes must be"):
        DeepBeliefNetwork(sizes).fit(np.zeros((5, 3)))
