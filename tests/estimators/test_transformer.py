"""The scikit-learn face: its contract, its edge cases, and the way back from a folder."""

import json
import subprocess
import sys
from functools import partial

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from sklearn.base import clone
from sklearn.compose import ColumnTransformer
from sklearn.datasets import load_digits, load_iris
from sklearn.decomposition import PCA
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.estimator_checks import parametrize_with_checks

from layerwise import DeepAutoencoder, InputError, Layer, ModelFileError
from layerwise.data import Table, read
from layerwise.estimators.engine import judge
from layerwise.estimators.page import report_data
from layerwise.estimators.split import split_rows
from layerwise.models import Normalization
from layerwise.penalties import L1, MixedFidelity, cross_entropy
from layerwise.recipes import RECIPES, hinton2006
from tests.interruptions import interrupting

FAST = {"max_epochs": 2, "random_state": 0}


def mixed_frame(rows: int = 60) -> pd.DataFrame:
    """Numbers with gaps, yes/no, categories, a constant, an empty column."""
    draw = np.random.default_rng(0)
    frame = pd.DataFrame({"age": draw.normal(40, 10, rows), "height": draw.normal(170, 8, rows)})
    frame["weight"] = frame.height - 100 + draw.normal(0, 3, rows)
    frame["smoker"] = draw.random(rows) < 0.3
    frame["city"] = draw.choice(["Rome", "Oslo", "Lima"], rows)
    frame["country"] = 7
    frame["empty"] = np.nan
    frame.loc[3, "age"] = np.nan
    frame.loc[5, "city"] = None
    return frame


@parametrize_with_checks([DeepAutoencoder(max_epochs=2)])
def test_scikit_learn_contract(estimator, check):
    check(estimator)


@pytest.mark.parametrize("rows", [*range(2, 12), 19, 31])
def test_any_small_number_of_rows(rows):
    x = np.random.default_rng(rows).normal(size=(rows, 4))
    encoder = DeepAutoencoder(2, **FAST).fit(x)
    assert encoder.transform(x).shape == (rows, 2)
    assert np.isfinite(encoder.score(x))


def test_one_row_is_refused():
    with pytest.raises(ValueError, match="minimum of 2"):
        DeepAutoencoder().fit(np.zeros((1, 3)))
    with pytest.raises(InputError, match="at least 2 rows; found 1"):
        DeepAutoencoder().fit(pd.DataFrame({"a": [1.0], "b": ["x"]}))


def test_mixed_frame_comes_back_with_its_columns_types_and_index(caplog):
    frame = mixed_frame()
    frame.index = pd.Index(range(100, 160))
    encoder = DeepAutoencoder(3, **FAST).fit(frame)
    assert "'country'" in caplog.text
    assert "'empty'" in caplog.text
    back = encoder.reconstruct(frame)
    assert list(back.columns) == list(frame.columns)
    assert back.index.equals(frame.index)
    assert back.country.eq(7).all()
    assert back["empty"].isna().all()
    assert set(back.city) <= {"Rome", "Oslo", "Lima"}
    assert back.smoker.dtype == bool
    assert back.age.notna().all()


def test_polars_in_polars_out():
    frame = pl.from_pandas(mixed_frame().drop(columns="empty"))
    encoder = DeepAutoencoder(3, **FAST).set_output(transform="polars").fit(frame)
    assert isinstance(encoder.transform(frame), pl.DataFrame)
    assert isinstance(encoder.reconstruct(frame), pl.DataFrame)
    assert encoder.reconstruct(frame).columns == frame.columns


def test_frame_with_columns_in_another_order_is_refused():
    frame = mixed_frame()
    encoder = DeepAutoencoder(3, **FAST).fit(frame)
    with pytest.raises(ValueError, match="order"):
        encoder.transform(frame[frame.columns[::-1]])
    with pytest.raises(ValueError, match="age"):
        encoder.transform(frame.drop(columns="age"))


def test_a_category_never_seen_is_encoded():
    frame = mixed_frame()
    encoder = DeepAutoencoder(3, **FAST).fit(frame)
    new = frame.copy()
    new.loc[0, "city"] = "Atlantis"
    codes = encoder.transform(new)
    assert np.isfinite(codes).all()
    assert not np.array_equal(codes[0], encoder.transform(frame)[0])


def test_same_seed_same_bits():
    x = load_iris().data
    first, second, other = (DeepAutoencoder(2, max_epochs=3, random_state=seed).fit(x) for seed in (0, 0, 1))
    for name, value in first.model_.state_dict().items():
        assert torch.equal(value, second.model_.state_dict()[name]), name
    assert not np.array_equal(first.transform(x), other.transform(x))


def test_global_generators_are_untouched():
    # In a process of its own: the shape checks that are on under pytest draw from `random` themselves.
    script = """
import random, numpy as np, torch
from layerwise import DeepAutoencoder, Layer
x = np.random.default_rng(0).normal(size=(50, 4))
before = np.random.get_state()[1].tolist(), torch.get_rng_state().tolist(), random.getstate()
for seed in (0, None):
    DeepAutoencoder(2, max_epochs=2, random_state=seed, layer=Layer(dropout=0.1)).fit(x).transform(x)
assert before == (np.random.get_state()[1].tolist(), torch.get_rng_state().tolist(), random.getstate())
assert torch.get_default_dtype() == torch.float32
"""
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_the_start_is_principal_components():
    x = load_iris().data[:, :4]
    encoder = DeepAutoencoder(2, random_state=0, test_fraction=0.0, recipe=lambda setting: [])
    encoder.fit(np.vstack([x, x + 0.01]))
    scaled = encoder.schema_.encode(read(np.vstack([x, x + 0.01]))).batch(slice(None)).x
    ours = encoder.model_(scaled).natural.detach().numpy()
    pca = PCA(2).fit(scaled.numpy())
    assert np.allclose(ours, pca.inverse_transform(pca.transform(scaled.numpy())), atol=1e-5)


def test_comparison_is_on_rows_that_nothing_else_saw():
    x = load_digits().data.astype(np.uint8)
    encoder = DeepAutoencoder(8, **FAST).fit(x)
    metrics = encoder.metrics_
    assert metrics["held_out"] == "held-out rows"
    assert metrics["rows"] == 180
    assert metrics["ratio_to_pca"] == pytest.approx(metrics["squared_error"] / metrics["pca_squared_error"])
    low, high = metrics["ratio_interval"]
    assert low < metrics["ratio_to_pca"] < high


def test_evaluation_agrees_with_scikit_learns_pca():
    x = np.random.default_rng(0).normal(size=(3000, 6)) @ np.random.default_rng(1).normal(size=(6, 6))
    encoder = DeepAutoencoder(2, validation_fraction=0.1, test_fraction=0.0, **FAST).fit(x)
    metrics = encoder.evaluate(x)
    scaled = encoder.schema_.encode(read(x)).batch(slice(None)).x.numpy()
    pca = PCA(2).fit(scaled)
    error = ((pca.inverse_transform(pca.transform(scaled)) - scaled) ** 2).sum(1).mean()
    # Ours saw the training rows only, scikit-learn's all of them.
    assert metrics["pca_squared_error"] == pytest.approx(error, rel=0.01)
    assert metrics["mean_squared_error"] == pytest.approx(6, rel=0.01)
    assert -encoder.score(x) == pytest.approx(metrics["squared_error"], rel=1e-6)


def test_pca_wins_on_noise_and_it_is_said():
    x = np.random.default_rng(0).normal(size=(400, 8))
    encoder = DeepAutoencoder(3, max_epochs=20, random_state=0).fit(x)
    assert encoder.metrics_["ratio_to_pca"] == pytest.approx(1.0, abs=0.05)
    assert encoder.metrics_["verdict"] in ("tie", "pca")


def test_a_curve_is_learned_better_than_by_pca():
    t = np.random.default_rng(0).uniform(-2, 2, 1500)
    x = np.column_stack([np.sin(2 * t), np.cos(2 * t), t, t**2]) + np.random.default_rng(1).normal(0, 0.02, (1500, 4))
    encoder = DeepAutoencoder(1, hidden_layer_sizes=(32, 32), max_epochs=30, random_state=0).fit(x)
    assert encoder.metrics_["ratio_to_pca"] < 0.5
    assert encoder.metrics_["verdict"] == "autoencoder"


def test_outlier_of_a_trillion_does_not_rule():
    x = np.random.default_rng(0).normal(size=(300, 5))
    x[:, 1] = x[:, 0] + 0.1 * x[:, 1]
    clean = DeepAutoencoder(3, **FAST).fit(x)
    spoiled = x.copy()
    spoiled[7, 2] = 1e12
    encoder = DeepAutoencoder(3, **FAST).fit(spoiled)
    others = np.delete(spoiled, 7, axis=0)
    wrong = np.abs(encoder.reconstruct(others) - others).mean()
    assert wrong < 2 * np.abs(clean.reconstruct(others) - others).mean()


def test_codes_larger_than_the_input_need_a_penalty():
    x = load_iris().data
    with pytest.raises(InputError, match=r"at most 4.*got 9"):
        DeepAutoencoder(9, **FAST).fit(x)
    encoder = DeepAutoencoder(9, penalties={"sparsity": (0.01, L1())}, **FAST).fit(x)
    assert encoder.transform(x).shape == (150, 9)
    assert any("sparsity" in row["terms"] for row in encoder.history_.rows if row["event"] == "step")


@pytest.mark.parametrize(
    "arguments",
    [
        {"layer": Layer(tied=True)},
        {"layer": Layer(normalization=Normalization.BATCH, dropout=0.1)},
        {"linear_path": False},
        {"fidelity": cross_entropy, "scaling": "minmax"},
        {"fidelity": MixedFidelity.of},
        {"scaling": "none"},
        {"corruption": None},
        {"hidden_layer_sizes": ()},
        {"learning_rate": 1e-4, "batch_size": 7},
    ],
    ids=lambda arguments: "-".join(arguments),
)
def test_arguments_work_and_survive_a_folder(arguments, tmp_path):
    x = load_iris().data
    encoder = DeepAutoencoder(2, **FAST, **arguments).fit(x)
    assert np.isfinite(encoder.reconstruct(x)).all()
    encoder.save(tmp_path / "model")
    again = DeepAutoencoder.load(tmp_path / "model")
    assert np.array_equal(again.transform(x), encoder.transform(x))
    assert np.array_equal(again.inverse_transform(again.transform(x)), encoder.inverse_transform(encoder.transform(x)))


def test_cross_entropy_needs_the_unit_range():
    with pytest.raises(InputError, match="from 0 to 1"):
        DeepAutoencoder(2, fidelity=cross_entropy, **FAST).fit(load_iris().data)


def test_combines_with_the_tools_of_scikit_learn():
    x = load_iris(as_frame=True).data
    piped = make_pipeline(StandardScaler(), DeepAutoencoder(2, **FAST)).fit(x)
    assert piped.transform(x).shape == (150, 2)
    columns = ColumnTransformer([("code", DeepAutoencoder(1, **FAST), list(x.columns[:2]))], remainder="passthrough")
    assert columns.fit_transform(x).shape == (150, 3)
    search = GridSearchCV(DeepAutoencoder(**FAST), {"n_components": [1, 2]}, cv=2).fit(x)
    assert search.best_params_ == {"n_components": 2}
    assert clone(search.best_estimator_).n_components == 2


def test_set_output_gives_named_columns():
    x = load_iris(as_frame=True).data
    codes = DeepAutoencoder(2, **FAST).set_output(transform="pandas").fit_transform(x)
    assert list(codes.columns) == ["deepautoencoder0", "deepautoencoder1"]
    assert codes.index.equals(x.index)


def test_warm_start_goes_on_and_a_fresh_fit_does_not():
    x = load_iris().data
    encoder = DeepAutoencoder(2, max_epochs=3, random_state=0, warm_start=True).fit(x)
    model = encoder.model_
    assert encoder.fit(x).model_ is model
    assert encoder.set_params(warm_start=False).fit(x).model_ is not model


def test_partial_fit_learns_from_parts():
    t = np.random.default_rng(0).uniform(-2, 2, 2000)
    x = np.column_stack([np.sin(2 * t), np.cos(2 * t), t, t**2])
    encoder = DeepAutoencoder(1, random_state=0, batch_size=20, learning_rate=3e-3).partial_fit(x[:200])
    before = encoder.score(x)
    for start in [*range(200, 2000, 200)] * 3:
        encoder.partial_fit(x[start : start + 200])
    assert encoder.score(x) > 0.9 * before
    with pytest.raises(ValueError, match="features"):
        encoder.partial_fit(x[:, :3])


def test_partial_fit_gives_a_whole_estimator(tmp_path):
    x = np.random.default_rng(0).normal(size=(60, 4))
    encoder = DeepAutoencoder(2, random_state=0).partial_fit(x).partial_fit(x)
    encoder.save(tmp_path / "model")
    encoder.report(tmp_path / "page.html")
    assert encoder.evaluate(x)["squared_error"] == pytest.approx(encoder.metrics_["squared_error"])
    np.testing.assert_array_equal(DeepAutoencoder.load(tmp_path / "model").transform(x), encoder.transform(x))


def test_going_on_with_few_rows_still_has_a_validation():
    x = np.random.default_rng(0).normal(size=(300, 8))
    encoder = DeepAutoencoder(3, max_epochs=4, warm_start=True, random_state=0).fit(x)
    again = encoder.fit(x).history_.rows
    assert all("squared_error" in str(row["validation"]) for row in again if row["event"] == "epoch")


@pytest.mark.parametrize("scaling", ["auto", "minmax", "none"])
def test_with_gaps_the_model_still_starts_as_pca(scaling):
    draw = np.random.default_rng(0)
    x = draw.normal(5, 2, (300, 8)) @ draw.normal(size=(8, 8))
    x[draw.random(x.shape) < 0.2] = np.nan
    # Without a phase the model stays what it is at the start.
    encoder = DeepAutoencoder(3, scaling=scaling, recipe=[], validation_fraction=0.0, random_state=0).fit(x)
    assert encoder.metrics_["ratio_to_pca"] == pytest.approx(1.0, abs=2e-4)


def test_pictures_with_gaps_start_as_pca_too():
    x = load_digits().images / 16
    x[np.random.default_rng(0).random(x.shape) < 0.1] = np.nan
    encoder = DeepAutoencoder(8, recipe=[], validation_fraction=0.0, random_state=0).fit(Table.from_array(x))
    # Better at once, as what PCA puts below black is clipped.
    assert 0.9 < encoder.metrics_["ratio_to_pca"] <= 1
    torch.testing.assert_close(torch.tensor(encoder.schema_.means), encoder.components_.center)


def test_scales_and_levels_come_from_the_training_rows():
    x = np.random.default_rng(0).normal(size=(400, 3))
    first = DeepAutoencoder(2, recipe=[], random_state=0).fit(x)
    judged = split_rows(400, 0.0, test_fraction=0.1, seed=first._seed()).held_out.numpy()
    x[judged] *= 100
    second = DeepAutoencoder(2, recipe=[], random_state=0).fit(x)
    assert second.schema_ == first.schema_
    assert second.metrics_["squared_error"] > 100 * first.metrics_["squared_error"]


def test_labels_keep_their_names(tmp_path):
    frame = mixed_frame()
    frame["kind"] = np.where(frame.age > 40, "old", "young")
    frame.to_csv(tmp_path / "people.csv", index=False)
    encoder = DeepAutoencoder(2, **FAST).fit(read(tmp_path / "people.csv", label="kind"))
    encoder.save(tmp_path / "model")
    loaded = DeepAutoencoder.load(tmp_path / "model")
    assert loaded.metrics_["label_names"] == ["old", "young"]
    assert set(report_data(loaded.saved(), title="", source="").labels) <= {"old", "young"}


@pytest.mark.usefixtures("control_c")
def test_interruption_keeps_the_best_fold(monkeypatch):
    import layerwise.estimators.base as module

    monkeypatch.setattr(module, "ProgressBar", interrupting(lambda event: "fold 2" in event.phase))
    t = np.random.default_rng(0).uniform(-2, 2, 200)
    x = np.column_stack([np.sin(2 * t), np.cos(2 * t), t, t**2])
    encoder = DeepAutoencoder(1, max_epochs=60, random_state=0, verbose=1).fit(x)
    assert encoder.history_.interrupted
    assert encoder.metrics_["ratio_to_pca"] < 0.9


@pytest.mark.usefixtures("control_c")
def test_interruption_keeps_a_fitted_estimator(monkeypatch, caplog):
    import layerwise.estimators.base as module

    monkeypatch.setattr(module, "ProgressBar", interrupting(lambda event: event.step == 20))
    x = load_digits().data
    encoder = DeepAutoencoder(4, max_epochs=50, random_state=0, verbose=1).fit(x)
    assert encoder.history_.interrupted
    assert "interrupted" in caplog.text
    assert encoder.history_.phases()[-1]["epochs"] < 50
    assert np.isfinite(encoder.transform(x)).all()


def test_a_broken_folder_is_refused(tmp_path):
    with pytest.raises(ModelFileError, match="not a model folder"):
        DeepAutoencoder.load(tmp_path / "nothing")


def test_loading_on_frames_keeps_names(tmp_path):
    frame = mixed_frame()
    DeepAutoencoder(3, **FAST).fit(frame).save(tmp_path / "model")
    again = DeepAutoencoder.load(tmp_path / "model")
    assert list(again.feature_names_in_) == list(frame.columns)
    assert isinstance(again.inverse_transform(again.transform(frame)), pd.DataFrame)


def test_learned_embedding_of_many_categories(tmp_path):
    draw = np.random.default_rng(0)
    frame = pd.DataFrame({"code": [f"c{i}" for i in draw.integers(0, 60, 600)], "a": draw.normal(size=600)})
    frame["b"] = frame.code.str[1:].astype(int) + frame.a
    encoder = DeepAutoencoder(2, **FAST).fit(frame)
    assert encoder.model_.front is not None
    encoder.save(tmp_path / "model")
    assert np.array_equal(DeepAutoencoder.load(tmp_path / "model").transform(frame), encoder.transform(frame))


def test_judging_a_model_does_not_change_it():
    x = load_iris().data
    encoder = DeepAutoencoder(2, **FAST).fit(x)
    before = {name: value.clone() for name, value in encoder.model_.state_dict().items()}
    judge(encoder.model_, encoder.components_, encoder.schema_.encode(read(x)), schema=encoder.schema_, what="rows")
    assert all(torch.equal(before[name], value) for name, value in encoder.model_.state_dict().items())


def test_metrics_are_plain_json():
    encoder = DeepAutoencoder(2, **FAST).fit(load_iris().data)
    assert json.loads(json.dumps(encoder.saved().metrics))["n_components"] == 2


def test_a_data_sets_own_test_rows_judge():
    draw = np.random.default_rng(0)
    test = Table.from_array(draw.normal(size=(25, 3)))
    encoder = DeepAutoencoder(2, **FAST).fit(Table.from_array(draw.normal(size=(100, 3)), test=test))
    assert (encoder.metrics_["rows"], encoder.metrics_["held_out"]) == (25, "test rows")


@pytest.mark.parametrize("name", ["layerwise", "intermediate_fine_tuning", "denoising_stack"])
def test_layers_that_are_trained_one_by_one_have_no_linear_path_beside_them(name):
    x = np.random.default_rng(0).normal(size=(60, 3)) @ np.random.default_rng(1).normal(size=(3, 8))
    recipe = partial(RECIPES[name], epochs=30, fine_tune_epochs=1)
    encoder = DeepAutoencoder(3, hidden_layer_sizes=(16,), recipe=recipe, random_state=0, validation_fraction=0).fit(x)
    assert encoder.model_.linear_path is None
    assert encoder.metrics_["squared_error"] < encoder.metrics_["mean_squared_error"]
    assert DeepAutoencoder(3, hidden_layer_sizes=(16,)).plan(x)[1].linear_path is not None
    with pytest.raises(InputError, match=r"^phase 'layer 1.*': .* Use linear_path=False"):
        DeepAutoencoder(3, hidden_layer_sizes=(16,), recipe=name, linear_path=True).fit(x)


def test_the_cross_entropy_names_the_column_that_it_cannot_take():
    frame = pd.DataFrame({"b": [0, 1] * 20, "length": np.arange(40.0)})
    with pytest.raises(InputError, match=r"column '(b|length)' are not\. Use scaling='minmax'"):
        DeepAutoencoder(1, fidelity=cross_entropy, **FAST).fit(frame)


def test_cross_validation_does_not_cut_machines_by_a_value_that_says_nothing():
    recipe = partial(hinton2006, epochs=4, fine_tune_epochs=2)
    encoder = DeepAutoencoder(2, hidden_layer_sizes=(8,), scaling="minmax", recipe=recipe, random_state=0)
    encoder.fit(load_iris().data)
    whole = {row["phase"]: row["epochs"] for row in encoder.history_.phases() if "fold" not in row["phase"]}
    assert (whole["machine 1"], whole["machine 2"]) == (4, 4)
    folds = [row for row in encoder.history_.rows if row["event"] == "epoch" and "machine 1, fold" in row["phase"]]
    values = np.array([row["validation"]["contrastive_divergence"] for row in folds]).reshape(5, 5).mean(0)
    assert values.argmin() < 4, "by its value the phase would have been cut"
