"""The variational autoencoder: what it says of rows, what it makes of codes, and what it refuses."""

import math

import numpy as np
import pyarrow as pa
import pytest
import torch
from sklearn.datasets import load_digits, load_iris
from sklearn.decomposition import PCA
from sklearn.utils.estimator_checks import parametrize_with_checks

from layerwise import DeepAutoencoder, InputError, Layer, ModelFileError, VariationalAutoencoder
from layerwise.data import Table, read
from layerwise.diagnostics import importance_weighted_bound
from layerwise.estimators import load
from layerwise.models import identity
from layerwise.penalties import squared_error

SMALL = {"hidden_layer_sizes": (16,), "max_epochs": 3, "random_state": 0}
IRIS = load_iris().data
DIGITS = load_digits().images.astype(np.uint8)[:300]


@pytest.fixture(scope="module")
def model():
    return VariationalAutoencoder(2, **SMALL).fit(IRIS)


@parametrize_with_checks([VariationalAutoencoder(2, **SMALL)])
def test_the_contract_of_scikit_learn(estimator, check):
    check(estimator)


def test_the_variance_of_the_noise_is_what_principal_components_leave_over():
    rows = np.random.default_rng(0).normal(size=(500, 6)) * [4, 3, 1, 1, 1, 1]
    model = VariationalAutoencoder(2, scaling="none", test_fraction=0.0, validation_fraction=0.0, **SMALL).fit(rows)
    assert model.noise_variance_ == pytest.approx(PCA(2).fit(rows).noise_variance_ * 499 / 500, rel=1e-4)
    assert VariationalAutoencoder(2, noise_variance=0.3, **SMALL).fit(rows).noise_variance_ == 0.3
    assert VariationalAutoencoder(8, **SMALL).fit(Table.from_array(DIGITS)).noise_variance_ == 1


def test_a_linear_one_finds_the_likelihood_of_probabilistic_pca():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(600, 1)) @ rng.normal(size=(1, 4)) + rng.normal(0, 0.5, (600, 4))
    model = VariationalAutoencoder(
        1,
        hidden_layer_sizes=(),
        layer=Layer(identity),
        scaling="none",
        max_epochs=60,
        batch_size=32,
        learning_rate=0.03,
        validation_fraction=0.0,
        test_fraction=0.0,
        random_state=0,
    ).fit(rows)
    x = torch.from_numpy(rows).float()
    bound = importance_weighted_bound(
        model.model_, x, samples=50, fidelity=squared_error, noise_variance=model.noise_variance_
    )
    assert float(bound.mean()) == pytest.approx(PCA(1).fit(rows).score(rows), abs=0.03)
    # The bound of an exact posterior needs no more than one sample.
    evidence = model.metrics_["evidence"]
    assert evidence["bound"] - 0.1 < evidence["elbo"] <= evidence["bound"] + 0.02
    assert evidence["active_units"] == 1


def test_a_missing_cell_has_no_part_in_the_likelihood():
    model = VariationalAutoencoder(2, **SMALL).fit(IRIS)
    x = torch.zeros(3, 4)
    seen = torch.tensor([True, True, True, False]).expand(3, 4)
    full, less = (
        importance_weighted_bound(model.model_, x, observed=one, fidelity=squared_error) for one in (None, seen)
    )
    error = model.model_.decode(model.model_.encode(x))[:, 3] ** 2
    assert torch.allclose(less - full, (error + math.log(2 * math.pi)) / 2, atol=0.3)


def test_a_strong_divergence_gives_up_units_and_free_nats_keep_them():
    longer = {**SMALL, "max_epochs": 60, "learning_rate": 0.06, "batch_size": 32, "validation_fraction": 0.0}
    strong = VariationalAutoencoder(4, beta=300.0, **longer).fit(IRIS)
    free = VariationalAutoencoder(4, beta=300.0, free_nats=0.5, **longer).fit(IRIS)
    assert strong.metrics_["evidence"]["active_units"] <= 2
    assert free.metrics_["evidence"]["active_units"] == 4


def test_a_folder_gives_the_same_model(model, tmp_path):
    model.save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert isinstance(again, VariationalAutoencoder)
    assert np.array_equal(again.transform(IRIS), model.transform(IRIS))
    assert np.array_equal(again.sample(5, random_state=1), model.sample(5, random_state=1))
    assert again.evaluate(IRIS)["evidence"] == model.evaluate(IRIS)["evidence"]
    with pytest.raises(ModelFileError, match="another model"):
        DeepAutoencoder.load(tmp_path / "model")
    DeepAutoencoder(2, hidden_layer_sizes=(4,), max_epochs=1).fit(IRIS).save(tmp_path / "plain")
    with pytest.raises(ModelFileError, match="another model"):
        VariationalAutoencoder.load(tmp_path / "plain")


def test_the_page_shows_what_is_drawn(model, tmp_path):
    model.report(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text("utf-8")
    assert "Rows that were drawn" in page
    assert "units of the code are in use" in page
    VariationalAutoencoder(2, **SMALL).fit(Table.from_array(DIGITS)).report(tmp_path / "page.html")
    assert "drawn 12" in (tmp_path / "page.html").read_text("utf-8")


def test_rows_come_back_in_their_columns_and_types():
    table = read(pa.table({"age": np.arange(40.0), "kind": ["a", "b"] * 20}))
    model = VariationalAutoencoder(2, **SMALL).fit(table)
    drawn = model.decode_table(model.sample_codes(5, random_state=0))
    assert drawn.names == ("age", "kind")
    assert {*drawn.column(1).texts()} <= {"a", "b"}


@pytest.mark.parametrize(
    ("arguments", "what"),
    [({"beta": -1.0}, "beta"), ({"noise_variance": 0.0}, "noise_variance"), ({"free_nats": -1.0}, "free")],
)
def test_what_makes_no_sense_is_refused(arguments, what):
    with pytest.raises(InputError, match=what):
        VariationalAutoencoder(2, **SMALL, **arguments).fit(IRIS)
