"""The Boltzmann machine as an estimator: scikit-learn's contract, what BernoulliRBM does, and what it does not."""

import inspect

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from scipy.sparse import coo_array, csc_matrix, csr_matrix
from scipy.special import expit, log_expit
from sklearn.base import clone
from sklearn.datasets import load_digits, load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.model_selection import GridSearchCV
from sklearn.neural_network import BernoulliRBM
from sklearn.pipeline import make_pipeline
from sklearn.utils.estimator_checks import parametrize_with_checks

from layerwise import RBM, InputError
from layerwise.diagnostics import exact_log_partition
from layerwise.models import RestrictedBoltzmannMachine

FAST = {"n_iter": 2, "device": "cpu", "precision": "float32", "random_state": 0}
DIGITS = load_digits().data / 16
IRIS = load_iris().data


@parametrize_with_checks([RBM(n_iter=2), RBM(4, hidden="rectified", cd_steps=2, n_iter=2)])
def test_scikit_learn_contract(estimator, check):
    check(estimator)


def two_prototypes(rows: int = 400) -> np.ndarray:
    """Rows that are one of two patterns, each cell flipped now and then."""
    draw = np.random.default_rng(0)
    patterns = np.array([[1, 1, 1, 0, 0, 0], [0, 0, 1, 1, 0, 1]], dtype=float)
    x = patterns[draw.integers(2, size=rows)]
    return np.where(draw.random(x.shape) < 0.03, 1 - x, x)


def test_it_takes_the_place_of_bernoulli_rbm():
    theirs = BernoulliRBM(8, n_iter=1, random_state=0).fit(DIGITS)
    ours = RBM(8, n_iter=1, learning_rate=0.1, batch_size=10, verbose=0, random_state=0, device="cpu").fit(DIGITS)
    assert set(inspect.signature(BernoulliRBM).parameters) <= set(inspect.signature(RBM).parameters)
    for name in ("components_", "intercept_hidden_", "intercept_visible_"):
        assert vars(theirs)[name].shape == getattr(ours, name).shape
    for method in ("transform", "score_samples", "gibbs"):
        found, wanted = getattr(ours, method)(DIGITS), getattr(theirs, method)(DIGITS)
        assert (found.shape, found.dtype.kind) == (wanted.shape, wanted.dtype.kind)
    assert ours.n_features_in_ == 64
    assert ours.h_samples_.shape == (20, 8)
    assert set(ours.h_samples_.ravel()) <= {0, 1} >= set(theirs.h_samples_.ravel())


@pytest.mark.parametrize("kind", [csr_matrix, coo_array, csc_matrix])
@pytest.mark.parametrize("x", [DIGITS, 10 * DIGITS], ids=["bernoulli", "gaussian"])
def test_sparse_rows_are_the_same_rows(x, kind):
    dense, sparse = (RBM(8, **FAST).fit(rows) for rows in (x, kind(x)))
    np.testing.assert_array_equal(sparse.components_, dense.components_)
    np.testing.assert_array_equal(sparse.partial_fit(kind(x)).transform(kind(x)), dense.partial_fit(x).transform(x))
    np.testing.assert_array_equal(sparse.score_samples(kind(x)), dense.score_samples(x))


def test_the_code_and_the_energy_are_those_of_the_formulas():
    machine = RBM(8, **FAST).fit(DIGITS)
    linear = DIGITS @ machine.components_.T + machine.intercept_hidden_
    np.testing.assert_allclose(machine.transform(DIGITS), expit(linear), atol=1e-5)
    energy = -DIGITS @ machine.intercept_visible_ - np.logaddexp(0, linear).sum(1)
    np.testing.assert_allclose(machine.free_energy(DIGITS), energy, rtol=1e-5, atol=1e-5)
    codes = machine.transform(DIGITS)
    back = expit(codes @ machine.components_ + machine.intercept_visible_)
    np.testing.assert_allclose(machine.inverse_transform(codes), back, atol=1e-5)


def likelihood(machine: BernoulliRBM | RBM, x: np.ndarray) -> float:
    """The exact mean log-likelihood of a small machine of either kind."""
    module = RestrictedBoltzmannMachine(machine.components_.shape[1], len(machine.components_)).double()
    with torch.no_grad():
        module.weight.copy_(torch.tensor(machine.components_))
        module.visible_bias.copy_(torch.tensor(machine.intercept_visible_))
        module.hidden_bias.copy_(torch.tensor(machine.intercept_hidden_))
        return float((-module.free_energy(torch.from_numpy(x)) - exact_log_partition(module)).mean())


@pytest.mark.parametrize("batch_size", [10, 100])
def test_the_exact_likelihood_is_higher_than_that_of_bernoulli_rbm(batch_size):
    x = (DIGITS > 0.5).astype(float)
    common = {"learning_rate": 0.1, "batch_size": batch_size, "n_iter": 10, "random_state": 0}
    theirs = BernoulliRBM(12, **common).fit(x[:1500])
    ours = RBM(12, **common, device="cpu").fit(x[:1500])
    assert likelihood(ours, x[1500:]) > likelihood(theirs, x[1500:])


def test_samples_are_like_the_rows():
    x = two_prototypes()
    machine = RBM(6, n_iter=40, device="cpu", random_state=0).fit(x)
    sample = machine.sample(400, steps=60)
    assert sample.dtype == bool
    frequent = {tuple(row) for row in x[:2].tolist()} | {(1, 1, 1, 0, 0, 0), (0, 0, 1, 1, 0, 1)}
    share = np.mean([tuple(row) in frequent for row in sample.astype(float).tolist()])
    assert share > 0.5  # Of the rows 0.83, of independent cells with their frequencies 0.06.
    np.testing.assert_allclose(sample.mean(0), x.mean(0), atol=0.25)
    assert RBM(6, n_particles=0, **FAST).fit(x).sample(3, steps=5).shape == (3, 6)


@pytest.mark.usefixtures("global_random_state_unchanged")
def test_draws_follow_the_seed_and_go_on():
    first, second = (RBM(6, **FAST).fit(DIGITS) for _ in range(2))
    once = first.gibbs(DIGITS[:5])
    np.testing.assert_array_equal(once, second.gibbs(DIGITS[:5]))
    assert not np.array_equal(once, first.gibbs(DIGITS[:5]))
    np.testing.assert_array_equal(first.components_, second.components_)
    other = RBM(6, **{**FAST, "random_state": 1}).fit(DIGITS)
    assert not np.array_equal(first.components_, other.components_)


@pytest.mark.usefixtures("global_random_state_unchanged")
def test_without_a_seed_another_machine_is_made_every_time():
    made = [RBM(3, n_iter=1, device="cpu").fit(DIGITS).components_ for _ in range(2)]
    assert not np.array_equal(*made)


@pytest.mark.parametrize("chain", [{}, {"n_particles": 0}, {"n_particles": 5, "cd_steps": 3}], ids=str)
@pytest.mark.parametrize("hidden", ["bernoulli", "gaussian", "rectified"])
@pytest.mark.parametrize(("x", "kind"), [(DIGITS[:300], "bernoulli"), (IRIS, "gaussian")], ids=["digits", "iris"])
def test_all_units_and_chains(x, kind, hidden, chain):
    machine = RBM(4, hidden=hidden, momentum=0.5, weight_decay=1e-3, **chain, **FAST).fit(x)
    assert machine.visible_ == kind
    for found in (machine.transform(x), machine.score_samples(x), machine.free_energy(x), machine.sample(4, steps=3)):
        assert np.isfinite(found).all()
    assert machine.inverse_transform(machine.transform(x)).shape == x.shape
    assert machine.gibbs(x).shape == x.shape


def test_gaussian_columns_keep_their_units():
    x = np.random.default_rng(0).normal([5, -300, 7], [0.1, 50, 0], size=(500, 3))
    machine = RBM(3, n_iter=10, device="cpu", random_state=0).fit(x)
    np.testing.assert_allclose(machine.mean_, x.mean(0))
    np.testing.assert_allclose(machine.scale_, [*x.std(0)[:2], 1])
    sample = machine.sample(2000, steps=50)
    np.testing.assert_allclose(sample.mean(0)[:2], x.mean(0)[:2], atol=0.2 * x.std(0)[:2].max())
    np.testing.assert_allclose(sample.std(0)[:2], x.std(0)[:2], rtol=0.2)
    assert abs(machine.inverse_transform(machine.transform(x)) - x).mean(0)[2] < 0.5


def test_a_row_has_one_score_and_it_is_that_of_one_flipped_unit():
    x = (DIGITS[:200] > 0.5).astype(float)
    machine = RBM(8, **FAST).fit(x)
    scores, energy = machine.score_samples(x), machine.free_energy(x)
    np.testing.assert_array_equal(machine.score_samples(x[::-1])[::-1], scores)
    flips = np.stack([np.where(np.arange(64) == unit, 1 - x, x) for unit in range(64)])
    every = np.stack([64 * log_expit(machine.free_energy(flipped) - energy) for flipped in flips])
    nearest = np.abs(every - scores).min(0)
    assert nearest.max() < 1e-2
    chosen = np.abs(every - scores).argmin(0)
    assert len(set(chosen)) > 40, "the rows choose many units"
    assert machine.score(x) == pytest.approx(scores.mean())


def test_annealing_finds_the_partition_function():
    machine = RBM(6, n_iter=20, device="cpu", random_state=0).fit(two_prototypes())
    estimate = machine.log_partition(temperatures=500)
    assert estimate.low - 0.05 < exact_log_partition(machine.model_.cpu()) < estimate.high + 0.05
    with pytest.raises(InputError, match="binary hidden units"):
        RBM(3, hidden="gaussian", **FAST).fit(DIGITS).log_partition()


def test_sparsity_and_decay_do_what_they_say():
    plain, sparse, decayed = (
        RBM(10, **{**FAST, "n_iter": 6}, batch_size=10, **more).fit(DIGITS[:600])
        for more in ({}, {"sparsity_target": 0.05, "sparsity_cost": 1.0}, {"weight_decay": 0.1})
    )
    assert sparse.transform(DIGITS).mean() < 0.2 < plain.transform(DIGITS).mean()
    assert np.abs(decayed.components_).mean() < 0.5 * np.abs(plain.components_).mean()


def test_no_pass_leaves_independent_units():
    machine = RBM(4, n_iter=0, device="cpu", random_state=0).fit(two_prototypes())
    np.testing.assert_allclose(expit(machine.intercept_visible_), two_prototypes().mean(0), atol=0.01)
    assert np.abs(machine.components_).max() < 0.1


def test_partial_fit_learns_from_parts_and_keeps_what_it_began_with():
    x = two_prototypes()
    machine = RBM(6, device="cpu", random_state=0).partial_fit(x[:40])
    before = likelihood(machine, x)
    for _ in range(10):
        for part in np.array_split(x, 10):
            assert machine.partial_fit(part) is machine
    assert likelihood(machine, x) > before + 0.5
    with pytest.raises(InputError, match=r"numbers in \[0, 1\]; found 2 in column 'x2' of row 0"):
        machine.partial_fit(2 * x[:1])
    gaussian = RBM(3, **FAST).partial_fit(IRIS)
    scale = gaussian.scale_.copy()
    np.testing.assert_array_equal(gaussian.partial_fit(IRIS[:9] * 3).scale_, scale)
    with pytest.raises(ValueError, match="features"):
        gaussian.partial_fit(IRIS[:, :2])


def test_frames_keep_names():
    frame = load_iris(as_frame=True).data
    machine = RBM(2, **FAST).set_output(transform="pandas").fit(frame)
    codes = machine.transform(frame)
    assert list(codes.columns) == ["rbm0", "rbm1"] == list(machine.get_feature_names_out())
    assert codes.index.equals(frame.index)
    assert list(machine.feature_names_in_) == list(frame.columns)
    with pytest.raises(ValueError, match="order"):
        machine.transform(frame[frame.columns[::-1]])
    assert isinstance(RBM(2, **FAST).set_output(transform="polars").fit_transform(pl.from_pandas(frame)), pl.DataFrame)


@pytest.mark.parametrize(
    ("x", "arguments", "words"),
    [
        (IRIS, {"visible": "bernoulli"}, r"numbers in \[0, 1\]; found 5.1 in column 'x0' of row 0. Scale the data"),
        (-DIGITS, {"visible": "bernoulli"}, r"numbers in \[0, 1\]; found -0.3125 in column 'x2' of row 0"),
        ([[0.1, 0.2], [0.3, np.nan]], {}, "finite number; found NaN in column 'x1' of row 1"),
        ([[0.1, 0.2], [-np.inf, 0.4]], {}, "finite number; found -inf in column 'x0' of row 1"),
        ([[0.1, 0.2], [1e300, 0.4]], {}, r"finite number; found 1e\+300 in column 'x0' of row 1"),
        (np.ma.masked_equal([[0.0, 1.0], [1.0, 0.5]], 0.5), {}, "found NaN in column 'x1' of row 1"),
        ([[0.1, "x"], [0.3, 0.4]], {}, "column 'x1' must hold numbers; found 'x' in row 0"),
        (pd.DataFrame({"a": [0.1, np.nan]}), {}, "found NaN in column 'a' of row 1"),
        (DIGITS, {"n_components": 0}, "n_components must be a whole number from 1 on; got 0"),
        (DIGITS, {"visible": "rectified"}, "visible must be 'auto', 'bernoulli' or 'gaussian'; got 'rectified'"),
        (DIGITS, {"hidden": None}, "hidden must be 'bernoulli', 'gaussian' or 'rectified'; got None"),
        (DIGITS, {"learning_rate": 0}, "learning_rate must be None or a number above 0; got 0"),
        (DIGITS, {"n_particles": -1}, "n_particles must be None or a whole number from 0 on; got -1"),
        (DIGITS, {"n_iter": True}, "n_iter must be a whole number from 0 on; got True"),
        (DIGITS, {"momentum": 1.0}, "momentum must be a number from 0 on and below 1; got 1.0"),
        (DIGITS, {"sparsity_target": 1.5}, "sparsity_target must be None or a number between 0 and 1; got 1.5"),
        (DIGITS, {"sparsity_target": 0.1, "hidden": "gaussian"}, "the mean of binary hidden units; got hidden='gaussi"),
        (DIGITS, {"device": "abacus"}, "device 'abacus' cannot be used here"),
    ],
)
def test_what_is_wrong_is_said_before_training(x, arguments, words):
    machine = RBM(**{**FAST, **arguments})
    with pytest.raises(InputError, match=words) as told:
        machine.fit(x)
    assert "\n" not in str(told.value)


def test_a_refused_fit_leaves_the_machine_as_it_was():
    machine = RBM(3, visible="bernoulli", **FAST).fit(DIGITS)
    before = machine.transform(DIGITS)
    with pytest.raises(InputError, match=r"\[0, 1\]"):
        machine.fit(3 * DIGITS)
    np.testing.assert_array_equal(machine.transform(DIGITS), before)


def test_codes_and_samples_are_refused_in_words():
    machine = RBM(3, **FAST).fit(DIGITS)
    for codes in (np.zeros((2, 4)), np.zeros(3), [[0.0, 1.0, np.nan]]):
        with pytest.raises(InputError, match=r"finite numbers of shape \(rows, 3\)"):
            machine.inverse_transform(codes)
    with pytest.raises(InputError, match="whole numbers from 1 on; got 0 and 5"):
        machine.sample(0, steps=5)


def test_rows_beyond_the_range_are_taken_where_nothing_is_learned():
    machine = RBM(3, **FAST).fit(DIGITS)
    assert np.isfinite(machine.transform(1.1 * DIGITS)).all()


def test_the_rest_of_scikit_learn():
    x, y = load_digits(return_X_y=True)
    machine = RBM(50, n_iter=10, n_particles=0, momentum=0.5, device="cpu", random_state=0)
    pipe = make_pipeline(machine, LogisticRegression(max_iter=300)).fit(x[:500] / 16, y[:500])
    assert pipe.score(x[500:700] / 16, y[500:700]) > 0.7
    search = GridSearchCV(RBM(**FAST), {"n_components": [2, 4]}, cv=2).fit(DIGITS[:100])
    assert clone(search.best_estimator_).n_components == search.best_params_["n_components"]


def test_read_only_rows_are_no_trouble():
    x = DIGITS.astype(np.float32)
    x.flags.writeable = False
    assert RBM(3, **FAST).fit(x).transform(x).shape == (len(x), 3)


def test_progress_is_shown_when_asked(capsys):
    RBM(3, **{**FAST, "n_iter": 1}, verbose=1).fit(DIGITS)
    assert "machine" in capsys.readouterr().err
