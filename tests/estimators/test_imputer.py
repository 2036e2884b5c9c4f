"""The imputer: exact where the truth is linear, better where it is not, and never a cell changed that was there."""

import json
from functools import partial

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from sklearn.datasets import load_digits
from sklearn.utils.estimator_checks import parametrize_with_checks

from layerwise import AutoencoderDetector, AutoencoderImputer, DeepAutoencoder, Objective
from layerwise.data import Table, read
from layerwise.data.completion import completed
from layerwise.errors import InputError, ModelFileError
from layerwise.estimators import load
from layerwise.estimators.imputation import Hiding, Masked, fit_factors
from layerwise.models import FactorModel, Imputer, Predictor
from layerwise.penalties import partial_error
from layerwise.recipes import Setting, imputation

# Not a partial function: its memory address would be part of the names of the tests.
SHORT = imputation(Setting(50, goal=Objective(partial_error)), epochs=1)
FAST = {"recipe": SHORT, "random_state": 0}


def bent(rows: int, seed: int = 0) -> np.ndarray:
    draw = np.random.default_rng(seed)
    a, b = draw.uniform(-2, 2, (2, rows))
    return np.column_stack([a, b, np.sin(2 * a), a * b, a + b]) + draw.normal(0, 0.05, (rows, 5))


def with_gaps(x: np.ndarray, share: float, seed: int = 1) -> np.ndarray:
    return np.where(np.random.default_rng(seed).random(x.shape) < share, np.nan, x)


def error(found: np.ndarray, x: np.ndarray, gaps: np.ndarray) -> float:
    return float(np.sqrt((((found - x) / x.std(0))[np.isnan(gaps)] ** 2).mean()))


@parametrize_with_checks([AutoencoderImputer(random_state=0, hidden_layer_sizes=(16,), recipe=SHORT)])
def test_scikit_learn_contract(estimator, check):
    check(estimator)


def test_what_comes_in_says_what_comes_out_and_not_what_was_fitted_to(tmp_path):
    frame = pd.DataFrame(with_gaps(bent(60), 0.2), columns=list("abcde"), index=range(5, 65))
    # As the command line fits it.
    AutoencoderImputer(**FAST).fit(read(frame)).save(tmp_path / "imputer")
    DeepAutoencoder(2, max_epochs=1, random_state=0).fit(read(frame)).save(tmp_path / "encoder")
    imputer = load(tmp_path / "imputer")
    for given in (frame, pl.from_pandas(frame)):
        for found in (imputer.transform(given), *imputer.sample(given, 1)):
            assert type(found) is type(given)
    assert imputer.transform(frame).index.equals(frame.index)
    assert type(load(tmp_path / "encoder").reconstruct(frame)) is pd.DataFrame


def test_what_is_not_linear_is_filled_better_than_by_a_linear_model():
    x = bent(1500)
    gaps = with_gaps(x, 0.2)
    imputer = AutoencoderImputer(random_state=0).fit(gaps)
    assert imputer.metrics_["network"] < 0.7 * imputer.metrics_["linear"] < 0.7 * imputer.metrics_["mean"]
    found = imputer.transform(gaps)
    assert not np.isnan(found).any()
    assert np.array_equal(found[~np.isnan(gaps)], gaps[~np.isnan(gaps)])
    assert error(found, x, gaps) < 0.6
    new = with_gaps(bent(500, 5), 0.2, 6)
    assert error(imputer.transform(new), bent(500, 5), new) < 0.6


def test_what_is_linear_is_filled_by_the_linear_model():
    draw = np.random.default_rng(0)
    x = draw.normal(size=(2000, 2)) @ draw.normal(size=(2, 6)) + draw.normal(0, 0.3, (2000, 6))
    gaps = with_gaps(x, 0.3)
    imputer = AutoencoderImputer(random_state=0).fit(gaps)
    metrics = imputer.metrics_
    assert 0.97 < metrics["network"] / metrics["linear"] < 1.001
    assert error(imputer.transform(gaps), x, gaps) < 0.6


def test_drawn_cells_hold_the_truth_as_often_as_they_say():
    x = bent(600)
    gaps = with_gaps(x, 0.3)
    imputer = AutoencoderImputer(random_state=0).fit(gaps)
    drawn = np.stack(imputer.sample(gaps, 60))
    low, high = np.quantile(drawn, [0.05, 0.95], axis=0)
    missing = np.isnan(gaps)
    inside = ((x >= low) & (x <= high))[missing].mean()
    assert 0.85 < inside < 0.96
    assert np.array_equal(drawn[3][~missing], gaps[~missing])
    again = imputer.sample(gaps, 60)
    assert np.array_equal(np.stack(again), drawn)
    assert not np.array_equal(imputer.sample(gaps, 1, random_state=1)[0], drawn[0])


def mixed(rows: int = 500) -> pd.DataFrame:
    draw = np.random.default_rng(0)
    size = draw.normal(size=rows)
    frame = pd.DataFrame(
        {
            "size": size,
            "weight": 2 * size + draw.normal(0, 0.2, rows),
            "kind": pd.Categorical(np.select([size < -0.5, size < 0.5], ["small", "middle"], "large")),
            "heavy": size > 0,
            "count": np.round(10 + 3 * size).astype(int),
            "when": pd.Timestamp("2024-01-01") + pd.to_timedelta(np.round(100 * size), unit="D"),
            "same": "always",
        }
    )
    return frame.mask(np.random.default_rng(1).random(frame.shape) < 0.15)


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_frames_keep_their_kinds(library):
    frame = mixed()
    given = frame if library == "pandas" else pl.from_pandas(frame.astype({"count": "Int64", "heavy": "boolean"}))
    recipe = partial(imputation, epochs=15)
    imputer = AutoencoderImputer(recipe=recipe, random_state=0).fit(given)
    found = imputer.transform(given)
    assert type(found) is type(given)
    assert list(found.columns) == list(given.columns)
    whole = found if library == "pandas" else found.to_pandas()
    assert not whole.isna().any().any()
    for name in frame:
        known = frame[name].notna()
        assert (whole[name][known] == frame[name][known]).all(), name
    missing = frame["kind"].isna() & frame["size"].notna()
    truth = np.select([frame["size"] < -0.5, frame["size"] < 0.5], ["small", "middle"], "large")
    assert (whole["kind"].astype(str)[missing] == truth[missing]).mean() > 0.8
    assert set(whole["same"]) == {"always"}
    assert (whole["count"] == whole["count"].round()).all()
    if library == "pandas":
        shifted = frame.set_index(frame.index + 7)
        assert (imputer.transform(shifted).index == shifted.index).all()


def test_a_column_without_any_value_stays_empty():
    x = bent(100)
    x[:, 2] = np.nan
    found = AutoencoderImputer(**FAST).fit(x).transform(x)
    assert np.isnan(found[:, 2]).all()
    assert not np.isnan(np.delete(found, 2, axis=1)).any()


def test_rows_of_gaps_get_the_usual_values():
    x = bent(300)
    found = AutoencoderImputer(**FAST).fit(x).transform(np.full((1, 5), np.nan))
    assert np.allclose(found, x.mean(0), atol=0.5)


def test_complete_rows_come_back_as_they_are():
    x = bent(100)
    imputer = AutoencoderImputer(**FAST).fit(x)
    assert np.array_equal(imputer.transform(x), x)
    assert np.array_equal(imputer.sample(x, 1)[0], x)


def test_missing_blocks_of_pictures():
    x = load_digits().data
    gaps = x.copy()
    gaps.reshape(-1, 8, 8)[:, 2:5, 2:5] = np.nan
    train = np.concatenate([x[:600], gaps[600:1200]])
    imputer = AutoencoderImputer(scaling="none", **FAST).fit(train)
    found = imputer.transform(gaps[1200:])
    hole = np.isnan(gaps[1200:])
    left = ((found - x[1200:])[hole] ** 2).mean() / ((x[:1200].mean(0) - x[1200:])[hole] ** 2).mean()
    assert left < 0.6


def test_few_rows():
    for rows in (2, 3, 6, 12):
        gaps = bent(rows)
        gaps[0, 0] = np.nan
        assert not np.isnan(AutoencoderImputer(**FAST).fit(gaps).transform(gaps)).any(), rows


def test_a_folder_holds_all_of_it(tmp_path):
    frame = mixed(200)
    imputer = AutoencoderImputer(**FAST).fit(frame)
    imputer.save(tmp_path / "model")
    for again in (AutoencoderImputer.load(tmp_path / "model"), load(tmp_path / "model")):
        pd.testing.assert_frame_equal(again.transform(frame), imputer.transform(frame))
        pd.testing.assert_frame_equal(again.sample(frame, 2)[1], imputer.sample(frame, 2)[1])
        assert again.metrics_ == json.loads(json.dumps(imputer.metrics_))
    with pytest.raises(ModelFileError, match="must hold a detector"):
        AutoencoderDetector.load(tmp_path / "model")


def test_the_report_shows_the_columns(tmp_path):
    frame = mixed(200)
    imputer = AutoencoderImputer(**FAST).fit(frame)
    imputer.report(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text("utf-8")
    assert "of the error stays" in page
    assert "weight" in page
    imputer.report(tmp_path / "given.html", frame)
    assert "the given rows" in (tmp_path / "given.html").read_text("utf-8")
    assert imputer.evaluate(frame)["network"] > 0


def test_the_factor_model_is_the_conditional_normal_distribution():
    draw = torch.Generator().manual_seed(0)
    root = torch.randn(5, 5, generator=draw, dtype=torch.float64)
    noise, mean = torch.rand(5, generator=draw, dtype=torch.float64) + 0.1, torch.randn(5, generator=draw).double()
    model = FactorModel(5, 5).double()
    model.loadings.copy_(root)
    model.noise.copy_(noise)
    model.mean.copy_(mean)
    covariance = root @ root.T + torch.diag(noise)
    x = torch.randn(1, 5, generator=draw, dtype=torch.float64)
    observed = torch.tensor([[True, False, True, True, False]])
    o, m = observed[0], ~observed[0]
    weights = covariance[m][:, o] @ torch.linalg.inv(covariance[o][:, o])
    expected = mean[m] + weights @ (x[0, o] - mean[o])
    left = covariance[m][:, m] - weights @ covariance[o][:, m]
    torch.testing.assert_close(model(x, observed)[0, m], expected)
    torch.testing.assert_close(model.deviation(x, observed)[0, m], left.diagonal().sqrt())
    assert (model.deviation(x, observed)[0, o] == 0).all()
    drawn = model.draw(x.expand(40_000, 5), observed.expand(40_000, 5), draw)[:, m]
    torch.testing.assert_close(drawn.mean(0), expected, atol=0.05, rtol=0)
    torch.testing.assert_close(drawn.T.cov(), left, atol=0.08, rtol=0.05)


def test_the_most_likely_covariance_of_rows_with_gaps():
    draw = np.random.default_rng(0)
    root = draw.normal(size=(4, 4))
    x = draw.normal(size=(8000, 4)) @ root.T
    # Missing where the first column is large: means of what is there are far from the truth.
    observed = np.ones_like(x, dtype=bool)
    observed[:, 1] = x[:, 0] < 0.5
    model = fit_factors(torch.from_numpy(np.where(observed, x, 0.0)).float(), torch.from_numpy(observed))
    covariance = (model.loadings @ model.loadings.T + torch.diag(model.noise)).numpy()
    assert np.allclose(covariance, root @ root.T, atol=0.12 * np.abs(root @ root.T).max())
    assert abs(float(model.mean[1])) < 0.1
    assert abs(x[observed[:, 1], 1].mean()) > 0.2


def test_wide_rows_have_a_factor_model_of_few_factors():
    draw = np.random.default_rng(0)
    x = draw.normal(size=(400, 3)) @ draw.normal(size=(3, 200)) + 0.1 * draw.normal(size=(400, 200))
    observed = draw.random(x.shape) > 0.3
    model = fit_factors(torch.from_numpy(np.where(observed, x, 0.0)).float(), torch.from_numpy(observed))
    assert model.loadings.shape == (200, 64)
    filled = model(torch.from_numpy(np.where(observed, x, 0.0)).float(), torch.from_numpy(observed)).numpy()
    assert ((filled - x)[~observed] ** 2).mean() < 0.05 * (x[~observed] ** 2).mean()


def test_hidden_cells_are_those_of_columns_and_their_targets_what_is_to_be_added():
    observed = torch.rand(400, 6, generator=torch.Generator().manual_seed(0)) > 0.2
    observed[:, 3:6] = observed[:, 3:4]
    hide = Hiding((1, 1, 1, 3), seed=0)
    hidden = hide(observed, 0)
    assert not (hidden & ~observed).any()
    assert (hidden[:, 3:] == hidden[:, 3:4]).all()
    assert torch.equal(hidden, hide(observed, 0))
    assert not torch.equal(hidden, hide(observed, 1))
    x, linear = torch.randn(400, 6), FactorModel(6, 2)
    rows = Masked(x, observed, linear, hide=hide, copies=3)
    assert len(rows) == 1200
    batch = rows.batch(torch.tensor([0, 400, 900]))
    known = batch.x[:, 6:].bool()
    assert torch.equal(known, rows.seen(torch.tensor([0, 400, 900])))
    assert batch.y is not None
    assert torch.equal(~batch.y.isnan(), rows.hidden[torch.tensor([0, 400, 900])])
    again = batch.x[:, :6] + batch.y
    assert torch.allclose(again[~batch.y.isnan()], x[torch.tensor([0, 0, 100])][~batch.y.isnan()])


def test_a_table_is_filled_from_another_of_its_kind():
    gaps = read(mixed(50))
    with pytest.raises(InputError, match="the same columns and rows; these two differ"):
        completed(gaps, gaps.take(slice(0, 10)))
    bytes_ = Table.from_array(np.zeros((2, 2), np.uint8))
    assert completed(bytes_, bytes_).to_array().dtype == np.uint8
    for make in (lambda x: Table.from_array(np.array(x)), lambda x: read(pd.DataFrame(x, columns=["a", "b"]))):
        filled = completed(make([[1.0, np.nan], [np.nan, np.nan]]), make([[8.6, 9.5], [2.7, 0.5]]))
        assert [filled.column(place).values.tolist() for place in range(2)] == [[1.0, 2.7], [9.5, 0.5]]


def test_columns_of_whole_numbers_are_filled_with_whole_ones_as_fit_saw_them():
    rows = bent(200)
    rows[:, 0] = rows[:, 0].round()
    imputer = AutoencoderImputer(**FAST).fit(rows)
    gaps = rows.copy()
    # What the others of these rows hold says nothing about it.
    gaps[:3] = [[np.nan, *rows[0, 1:]], [0.5, *rows[1, 1:]], [rows[2, 0], np.nan, *rows[2, 2:]]]
    found = imputer.transform(gaps)
    assert found[0, 0] == np.rint(found[0, 0])
    assert found[1, 0] == 0.5
    assert found[2, 1] != np.rint(found[2, 1])
    again = imputer.transform(np.array([[np.nan, *rows[0, 1:]]]))
    assert again[0, 0] == np.rint(again[0, 0])


def test_an_imputer_refuses_a_network_of_other_widths():
    with pytest.raises(InputError, match="twice as many inputs as outputs; got 5 and 3"):
        Imputer(2, Predictor(5, (4,), outputs=3))


def test_nothing_is_filled_beyond_what_has_been_seen():
    draw = np.random.default_rng(0)
    # Nearly all cells agree: their robust scale is tiny, and others are far away in its units.
    x = draw.normal(size=(400, 5)) @ draw.normal(size=(5, 5))
    x[:, 0] = np.where(x[:, 1] > 2, np.exp(x[:, 1]), 0.001 * x[:, 2])
    holes = np.where(draw.random(x.shape) < 0.2, np.nan, x)
    imputer = AutoencoderImputer(random_state=0).fit(holes)
    low, high = np.nanmin(holes, 0), np.nanmax(holes, 0)
    for found in (imputer.transform(holes), *imputer.sample(holes, 5)):
        assert ((np.asarray(found) >= low) & (np.asarray(found) <= high)).all()


def test_a_column_that_often_has_its_least_value_is_drawn_to_be_exactly_that():
    draw = np.random.default_rng(0)
    x = draw.normal(size=(600, 4)) @ draw.normal(size=(4, 4)) / 3
    x[:, 0] = np.maximum(x[:, 0], -0.1234567890123)
    missing = draw.random(x.shape) < 0.2
    holes = np.where(missing, np.nan, x)
    drawn = np.stack(AutoencoderImputer(random_state=0).fit(holes).sample(holes, 60))
    low, high = np.quantile(drawn, [0.05, 0.95], axis=0)
    assert 0.8 < ((x >= low) & (x <= high))[missing[:, 0], 0].mean() < 0.99
