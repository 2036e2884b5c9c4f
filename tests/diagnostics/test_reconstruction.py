"""The comparison with PCA against direct computation."""

import numpy as np
import pytest
import torch
from sklearn.decomposition import PCA

from layerwise.data import Schema, Table
from layerwise.diagnostics import compare, unit_activity
from layerwise.diagnostics.reconstruction import Comparison
from layerwise.models import Dense, Layer, PrincipalComponents, sigmoid
from layerwise.training import TensorRows


def rows_of(x: np.ndarray):
    """Encoded rows without scaling."""
    table = Table.from_array(x)
    return Schema.fit(table, scaling="none").encode(table)


@pytest.fixture
def x() -> np.ndarray:
    draw = np.random.default_rng(0)
    return draw.normal(size=(200, 3)) @ draw.normal(size=(3, 5)) + 0.1 * draw.normal(size=(200, 5)) + 2


def test_components_are_those_of_scikit_learn(x):
    ours = PrincipalComponents.fit(rows_of(x), 3)
    theirs = PCA(3).fit(x)
    assert np.allclose(np.abs(ours.components.numpy()), np.abs(theirs.components_), atol=1e-5)
    assert np.allclose(ours.variances.numpy(), theirs.explained_variance_ * 199 / 200, rtol=1e-5)
    assert np.allclose(
        ours.reconstruct(torch.tensor(x).float()).numpy(), theirs.inverse_transform(theirs.transform(x)), atol=1e-4
    )


def test_components_of_wide_data_come_from_a_sample():
    draw = np.random.default_rng(0)
    wide = TensorRows(torch.tensor(draw.normal(size=(50, 2)) @ draw.normal(size=(2, 3100))).float())
    found = PrincipalComponents.fit(wide, 2)
    assert torch.allclose(found.reconstruct(wide.x), wide.x, atol=1e-3)


def test_components_beyond_the_rank_are_zero(x):
    found = PrincipalComponents.fit(TensorRows(torch.tensor(x[:3]).float()), 5)
    assert int((found.variances > 0).sum()) == 2
    assert torch.equal(found.components[2:], torch.zeros(3, 5))


def test_missing_cells_are_filled_with_means_and_not_counted(x):
    gaps = x.copy()
    gaps[np.random.default_rng(1).random(x.shape) < 0.2] = np.nan
    rows = rows_of(gaps)
    components = PrincipalComponents.fit(rows, 2)
    assert np.allclose(components.center.numpy(), np.nanmean(gaps, axis=0), atol=1e-5)
    found = compare(Dense(5, code=2), rows, components=components)
    filled = np.where(np.isnan(gaps), np.nanmean(gaps, axis=0), gaps)
    theirs = PCA(2).fit(filled)
    squares = np.where(np.isnan(gaps), 0, theirs.inverse_transform(theirs.transform(filled)) - filled) ** 2
    assert found.errors["pca"] == pytest.approx(squares.sum(1).mean(), rel=1e-4)
    assert found.errors["mean"] == pytest.approx(np.nansum((gaps - np.nanmean(gaps, axis=0)) ** 2, 1).mean(), rel=1e-4)


def test_errors_are_sums_over_features_and_means_over_rows(x):
    rows, model = rows_of(x), Dense(5, (4,), code=2)
    found = compare(model, rows, components=PrincipalComponents.fit(rows, 2))
    batch = rows.batch(slice(None)).x
    direct = (model(batch).reconstruction - batch).square().sum(1).detach()
    assert np.allclose(found.rows["autoencoder"], direct.numpy(), rtol=1e-5)
    assert found.errors["autoencoder"] == pytest.approx(float(direct.mean()), rel=1e-5)
    assert found.features["pca"].sum() == pytest.approx(found.errors["pca"])


def made(ours: np.ndarray, theirs: np.ndarray) -> Comparison:
    """A comparison of given row errors."""
    codes = {name: np.zeros((len(ours), 1), np.float32) for name in ("pca", "autoencoder")}
    rows = {"mean": theirs + 5, "pca": theirs, "autoencoder": ours}
    return Comparison(rows, {name: v[:1] for name, v in rows.items()}, codes, np.zeros((len(ours), 2), np.float32))


def test_the_verdict_follows_the_interval():
    theirs = np.random.default_rng(0).uniform(1, 2, 500)
    noise = np.random.default_rng(1).normal(0, 0.3, 500)
    assert made(theirs * 0.5, theirs).verdict() == "autoencoder"
    assert made(theirs * 1.5, theirs).verdict() == "pca"
    assert made(theirs + noise - noise.mean(), theirs).verdict() == "tie"
    assert made(theirs, theirs * 0).verdict() == "pca"
    assert made(theirs, theirs * 0).ratio is None


def test_the_interval_covers_the_truth_as_often_as_it_says():
    draw = np.random.default_rng(0)
    covered = 0
    for _ in range(60):
        theirs = draw.exponential(1.0, 200)
        low, high = made(theirs * draw.uniform(0.4, 0.8, 200), theirs).interval()
        covered += low <= 0.6 <= high
    assert covered >= 51


def test_grouped_resampling_keeps_the_interval(monkeypatch):
    draw = np.random.default_rng(0)
    theirs = draw.exponential(1.0, 4000)
    comparison = made(theirs * draw.uniform(0.4, 0.8, 4000), theirs)
    whole = comparison.interval()
    monkeypatch.setattr("layerwise.diagnostics.reconstruction.BOOTSTRAP_GROUPS", 400)
    assert comparison.interval() == pytest.approx(whole, abs=0.005)


def test_dead_and_saturated_units_are_found():
    model = Dense(3, (4,), code=2, layer=Layer(activation=sigmoid), code_activation=sigmoid)
    with torch.no_grad():
        model.encoder[0].weight.zero_()
        model.encoder[0].weight[1] = torch.tensor([1.0, 0, 0])
        model.encoder[0].weight[2] = torch.tensor([1e4, 0, 0])
        model.encoder[0].weight[3] = torch.tensor([0, 1.0, 0])
        model.encoder[0].bias.zero_()
        model.encoder[1].weight[1].zero_()
    units = unit_activity(model, rows_of(np.random.default_rng(0).normal(size=(300, 3))))
    assert units["hidden"][0] == {"layer": 1, "units": 4, "dead": 1, "saturated": 1}
    assert [unit["dead"] for unit in units["code"]] == [False, True]
