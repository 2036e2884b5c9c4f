"""Classifiers and regressors with pre-trained layers: scikit-learn's contract, unlabelled rows, figures, folders."""

import json
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from scipy.stats import binomtest
from sklearn.base import clone
from sklearn.datasets import load_diabetes, load_digits, load_iris
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.metrics import confusion_matrix, r2_score
from sklearn.model_selection import GridSearchCV
from sklearn.neighbors import KNeighborsRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.svm import SVC
from sklearn.utils.estimator_checks import parametrize_with_checks

from layerwise import DeepAutoencoder, InputError, Layer, ModelFileError, StackedClassifier, StackedRegressor
from layerwise.commands import summary
from layerwise.data import Table, read
from layerwise.estimators import load
from layerwise.estimators.prediction import divide_labelled, judge_predictions
from layerwise.estimators.targets import Classes, Given, Numbers
from layerwise.manifest import seal
from layerwise.models import Normalization, sigmoid, tanh
from layerwise.optim import FirstOrder
from layerwise.penalties import KLSparsity, softmax_cross_entropy
from layerwise.recipes import Setting, denoising_stack, end_to_end, layerwise, vincent2010
from layerwise.storage import KIND
from layerwise.training import Event, History, Objective, Phase, Recipe, StepEnd, describe
from tests.interruptions import interrupting

X, Y = load_iris(return_X_y=True)
NUMBERS = load_diabetes().data[:200], load_diabetes().target[:200]


@dataclass(frozen=True)
class Quick:
    """A short recipe whose text is the same in every process, as the names of the tests must be."""

    def __call__(self, setting: Setting) -> Recipe:
        return denoising_stack(setting, epochs=1, fine_tune_epochs=6, lr=0.02)


QUICK = Quick()
SLOW = partial(denoising_stack, epochs=1, fine_tune_epochs=1, lr=1e-6)
# The whole default, short.
FAST: dict[str, Any] = {"recipe": partial(denoising_stack, epochs=1, fine_tune_epochs=3, lr=0.01), "random_state": 0}
KINDS = {"classify": StackedClassifier, "regress": StackedRegressor}
both = pytest.mark.parametrize("kind", KINDS)


def rows_of(kind: str) -> tuple[np.ndarray, np.ndarray]:
    return (X, Y) if kind == "classify" else NUMBERS


def classifier(**arguments: Any) -> StackedClassifier:
    return StackedClassifier((8, 6), **{**FAST, **arguments})


def regressor(**arguments: Any) -> StackedRegressor:
    return StackedRegressor((8, 6), **{**FAST, **arguments})


def made(kind: str, **arguments: Any) -> Any:
    return KINDS[kind]((8, 6), **{**FAST, **arguments})


def half(y: Any, marker: Any, dtype: Any = object) -> np.ndarray:
    """Every second row without a target."""
    return np.array([marker if row % 2 else value for row, value in enumerate(np.asarray(y).tolist())], dtype=dtype)


def rows_in(history: History) -> dict[str, int]:
    """Phase -> the rows that it was trained on."""
    return {row["phase"]: row["rows"] for row in history.rows if row["event"] == "start"}


# One layer, as there are more than a hundred checks; the others here have two.
@parametrize_with_checks([StackedClassifier((8,), recipe=QUICK), StackedRegressor((16,), recipe=QUICK)])
def test_scikit_learn_contract(estimator, check):
    check(estimator)


NAMES = np.array(["setosa", "versicolor", "virginica"])
UNLABELLED = {
    "-1": half(Y, -1, int),
    "-1.0": half(Y, -1.0, float),
    "NaN": half(Y, np.nan, float),
    "None": half(Y, None),
    "NA": pd.Series(half(Y, None), dtype="Int64"),
    "polars": pl.Series(half(Y, None).tolist()),
    "text, None": half(NAMES[Y], None),
    "text, NaN": half(NAMES[Y], np.nan),
    "text, NA": pd.Series(half(NAMES[Y], None), dtype="string"),
    "categories": pd.Series(half(NAMES[Y], None)).astype("category"),
    "None among -1": np.array([None if row % 4 == 1 else -1 if row % 4 == 3 else y for row, y in enumerate(Y)]),
}


@pytest.fixture(scope="module")
def half_labelled() -> StackedClassifier:
    return classifier().fit(X, UNLABELLED["-1"])


@pytest.mark.parametrize("marker", UNLABELLED)
def test_unlabelled_rows_train_the_layers_and_not_the_whole(half_labelled, marker):
    found = classifier().fit(X, UNLABELLED[marker])
    assert rows_in(found.history_) == {"layer 1": 150, "layer 2": 150, "fine-tune": 75}
    wanted = NAMES.tolist() if "text" in marker or marker == "categories" else [0, 1, 2]
    assert found.classes_.tolist() == wanted
    assert found.classes_.dtype.kind == ("O" if wanted[0] == "setosa" else "f" if marker == "-1.0" else "i")
    assert np.array_equal(found.predict_proba(X), half_labelled.predict_proba(X))


@pytest.mark.parametrize("marker", [np.nan, None, pd.NA], ids=str)
def test_unlabelled_rows_of_a_regressor(marker):
    x, y = NUMBERS
    given = pd.Series(half(y, marker), dtype="Float64") if marker is pd.NA else half(y, marker)
    found = regressor().fit(x, given)
    assert rows_in(found.history_) == {"layer 1": 200, "layer 2": 200, "fine-tune": 100}
    assert np.array_equal(found.predict(x), regressor().fit(x, half(y, np.nan, float)).predict(x))
    assert found.target_.center == pytest.approx(y[::2].mean())


def test_in_a_table_only_empty_cells_are_unlabelled(caplog, tmp_path):
    frame = pd.DataFrame(X, columns=list("abcd")).assign(lab=Y - 1)
    for name, marks in (("all", frame.lab), ("some", half(frame.lab, None))):
        frame.assign(lab=marks).to_csv(tmp_path / f"{name}.csv", index=False)
        table = read(tmp_path / f"{name}.csv", label="lab")
        found = classifier().fit(table)
        assert found.classes_.tolist() == [-1, 0, 1]
        assert rows_in(found.history_)["fine-tune"] == (150 if name == "all" else 75)
        assert found.evaluate(table)["rows"] == found.metrics_["rows"]
    assert "unlabelled" not in caplog.text
    two = classifier().fit(X, Y - 1)
    assert two.classes_.tolist() == [0, 1]
    assert "taken as unlabelled, since their class is -1: 50 of 150 rows." in caplog.text
    with pytest.raises(InputError, match=r"column 'lab' must hold classes that fit has seen; found -1 in line 2"):
        two.evaluate(read(tmp_path / "all.csv", label="lab"))


@pytest.mark.parametrize(
    ("values", "task", "words"),
    [
        (
            np.where(Y > 0, "a", "b"),
            "regress",
            r"t.csv: column 'lab' must hold numbers; found 'b' in line 2 \(150 such",
        ),
        (X[:, 0], "classify", r"t.csv: column 'lab' must hold classes, .*; found 5.1 in line 2 .*--task regress"),
        (
            np.where(Y > 0, "inf", "1"),
            "regress",
            r"t.csv: column 'lab' must be finite; found inf in line 52 \(100 such",
        ),
        (
            np.where(Y > 0, "inf", "1"),
            "classify",
            r"t.csv: column 'lab' must be finite; found inf in line 52 \(100 such",
        ),
        (
            np.full(150, "a"),
            "classify",
            r"t.csv: .*two classes; found 1 class in column 'lab', 'a' in line 2 \(150 such",
        ),
        (np.arange(150), "classify", r"t.csv: column 'lab' must hold classes that repeat, .*found 0 in line 2"),
        (np.full(150, ""), "regress", r"t.csv: a regressor needs rows with numbers .* none in column 'lab'"),
    ],
    ids=["text", "fractions", "inf numbers", "inf classes", "one class", "names", "empty"],
)
def test_a_refused_target_is_found_in_its_file(tmp_path, values, task, words):
    frame = pd.DataFrame(X, columns=list("abcd")).assign(lab=values)
    frame.to_csv(tmp_path / "t.csv", index=False)
    with pytest.raises(InputError, match=words) as told:
        made(task).fit(read(tmp_path / "t.csv", label="lab"))
    assert "\n" not in str(told.value)


def test_one_row_of_each_class_among_unlabelled_ones():
    y = np.full(150, np.nan)
    y[[0, 60, 120]] = 0, 1, 2
    assert classifier().fit(X, y).classes_.tolist() == [0, 1, 2]


def test_the_layers_learn_from_unlabelled_rows():
    more = classifier().fit(X, UNLABELLED["-1"])
    fewer = classifier().fit(X[::2], Y[::2])
    assert rows_in(fewer.history_)["layer 1"] == 75
    assert not np.array_equal(more.transform(X), fewer.transform(X))


def test_unlabelled_rows_neither_validate_nor_judge():
    known = np.arange(3000) < 2000
    parts = divide_labelled(np.where(known, 0, -1), 0.1, test_fraction=0.2, seed=3)
    assert [len(part) for part in vars(parts).values()] == [2400, 1400, 200, 400]
    assert all(known[part].all() for part in (parts.labelled, parts.validation, parts.held_out))
    together = np.concatenate([parts.train, parts.validation, parts.held_out])
    assert np.array_equal(np.sort(together), np.arange(3000))
    assert set(parts.labelled.tolist()) == set(parts.train.tolist()) & set(range(2000))


@pytest.mark.parametrize(
    ("y", "classes"),
    [
        (np.where(Y > 0, 1, -1), [-1, 1]),
        (np.where(Y > 0, 1.0, -1.0), [-1.0, 1.0]),
        (np.where(np.arange(150) % 3 > 0, np.where(Y > 0, 1.0, -1.0), np.nan), [-1, 1]),
        (NAMES[Y], NAMES.tolist()),
        (Y > 0, [False, True]),
        (half(Y > 0, None), [False, True]),
        (Y * 1000 - 7, [-7, 993, 1993]),
        (pd.Series(NAMES[Y], dtype="category"), NAMES.tolist()),
        (np.where(Y > 0, "-1", "1"), ["-1", "1"]),
    ],
    ids=lambda value: str(value) if isinstance(value, list) else "",
)
def test_kinds_of_classes(tmp_path, y, classes):
    found = classifier().fit(X, y)
    assert found.classes_.tolist() == classes
    predicted = found.predict(X)
    assert set(predicted.tolist()) <= set(classes)
    shares = found.predict_proba(X)
    assert np.allclose(shares.sum(1), 1)
    assert np.array_equal(found.classes_[shares.argmax(1)], predicted)
    found.save(tmp_path / "model")
    again = StackedClassifier.load(tmp_path / "model")
    assert again.classes_.tolist() == classes
    assert again.predict(X).tolist() == predicted.tolist()


@pytest.mark.parametrize(
    ("y", "words"),
    [
        (np.zeros(150), "at least two classes; found 1 class"),
        (np.full(150, -1), "at least two classes; found 1 class"),
        (np.full(150, np.nan), "at least two classes; found 0 class"),
        (
            X[:, 0],
            r"must hold classes, texts or whole numbers; found 5.1 in row 0 \(133 such cells\).*continuous.*regress",
        ),
        (
            np.where(Y > 0, np.inf, 1.0),
            r"must be finite; found inf in row 50 \(100 such cells\). Input y contains infin",
        ),
        (np.arange(150), r"must hold classes that repeat, and has 150 in 150 rows, as an identifier; found 0 in row 0"),
        (np.arange(150).astype(str), "must hold classes that repeat"),
        (np.stack([Y, Y], 1), "one class for each row: y should be a 1d array"),
        (np.array(["a", 1] * 75, dtype=object), "all texts or all whole numbers"),
        (None, "requires y to be passed"),
    ],
    ids=["one", "-1", "NaN", "numbers", "infinity", "rows", "names", "two columns", "mixed", "none"],
)
def test_what_are_no_classes(y, words):
    estimator = classifier()
    with pytest.raises(InputError, match=words) as told:
        estimator.fit(X, y)
    assert "\n" not in str(told.value)
    assert not hasattr(estimator, "model_")


@pytest.mark.parametrize(
    ("y", "words"),
    [
        (NAMES[Y], r"must hold numbers; found 'setosa' in row 0 \(150 such cells\).*classify"),
        (np.array([None, "a"] * 75, dtype=object), r"must hold numbers; found 'a' in row 1 \(75 such cells\)"),
        (
            np.where(Y > 0, np.inf, 1.0),
            r"must be finite; found inf in row 50 \(100 such cells\). Input y contains infin",
        ),
        (np.full(150, np.nan), "needs rows with numbers to predict; found none"),
        (None, "requires y to be passed"),
    ],
    ids=["text", "text and None", "infinity", "NaN", "none"],
)
def test_what_are_no_numbers(y, words):
    with pytest.raises(InputError, match=words) as told:
        regressor().fit(X, y)
    assert "\n" not in str(told.value)


def test_each_part_has_its_share_of_each_class_and_training_some():
    strata = np.repeat([0, 1, 2, 3, -1], [2000, 1000, 20, 1, 500])
    for seed in range(3):
        parts = divide_labelled(strata, 0.1, test_fraction=0.2, seed=seed)
        counts = {name: np.bincount(strata[part.numpy()] + 1, minlength=5)[1:] for name, part in vars(parts).items()}
        assert np.allclose(counts["held_out"], [400, 200, 4, 0], atol=1)
        assert np.allclose(counts["validation"], [200, 100, 2, 0], atol=1)
        assert counts["labelled"][3] == 1
        parts = divide_labelled(strata, 0.0, test_fraction=0.99999, seed=seed)
        assert np.bincount(strata[parts.labelled.numpy()]).tolist() == [1, 1, 1, 1]


def test_a_head_knows_every_class():
    y = half(NAMES[Y], None)
    y[4:50], y[104:] = None, None
    found = classifier(test_fraction=0.9, head=LogisticRegression()).fit(X, y)
    assert found.head_.classes_.tolist() == NAMES.tolist()
    assert found.predict_proba(X).shape == (150, 3)


WRONG: list[dict[str, Any]] = [
    {"hidden_layer_sizes": "auto"},
    {"hidden_layer_sizes": ()},
    {"hidden_layer_sizes": (8, 0)},
    {"hidden_layer_sizes": 8},
    {"dropout": 1.0},
    {"input_dropout": -0.1},
    {"head": "svc"},
    {"recipe": "unknown"},
    {"max_epochs": 0},
    {"layer": "relu"},
]


@pytest.mark.parametrize("arguments", WRONG, ids=str)
@both
@pytest.mark.parametrize("method", ["fit", "plan"])
def test_a_wrong_argument_is_named(kind, method, arguments):
    estimator = KINDS[kind](**arguments)
    with pytest.raises(InputError, match=f"^{next(iter(arguments))} must be .*; got ") as told:
        getattr(estimator, method)(*rows_of(kind))
    assert "\n" not in str(told.value)
    assert not hasattr(estimator, "model_")


def test_an_argument_of_the_default_recipe_beside_another():
    with pytest.raises(InputError, match=r"^max_epochs is an argument of the default recipe"):
        classifier(max_epochs=3).fit(X, Y)


@both
def test_a_recipe_without_a_phase_for_the_targets_needs_a_head(kind):
    def silent(setting: Any) -> list[Phase]:
        return layerwise(setting, fine_tune=None)

    history = History()
    with pytest.raises(InputError, match="no phase that learns the targets; give it one, or a head"):
        made(kind, recipe=silent).fit(*rows_of(kind), history=history)
    assert history.rows == []
    head = LogisticRegression() if kind == "classify" else Ridge()
    found = made(kind, recipe=partial(silent), head=head).fit(*rows_of(kind))
    assert [*rows_in(found.history_)] == ["layer 1", "layer 2"]


@pytest.mark.parametrize("method", ["fit", "plan"])
def test_a_head_needs_a_phase_without_targets_and_the_right_kind(method):
    for recipe in (partial(end_to_end, epochs=3), "end_to_end"):
        with pytest.raises(InputError, match="with a head the recipe must have a phase that learns without targets"):
            getattr(classifier(head=SVC(), recipe=recipe), method)(X, Y)
    with pytest.raises(InputError, match=r"^head must be a classifier of scikit-learn; got Ridge\(\)"):
        getattr(classifier(head=Ridge()), method)(X, Y)
    with pytest.raises(InputError, match=r"^head must be a regressor of scikit-learn; got SVC\(\)"):
        getattr(regressor(head=SVC()), method)(*NUMBERS)


def test_tied_weights_train_the_layers():
    estimator = classifier(layer=Layer(sigmoid, tied=True), head=LogisticRegression())
    _, fresh, _ = estimator.plan(X, Y)
    found = estimator.fit(X, Y)
    assert [*rows_in(found.history_)] == ["layer 1", "layer 2"]
    for mine, first in zip(found.model_.encoder, fresh.encoder, strict=True):
        assert not torch.equal(mine.weight, first.weight)
    whole = classifier(layer=Layer(sigmoid, tied=True)).fit(X, Y)
    assert [*rows_in(whole.history_)] == ["layer 1", "layer 2", "fine-tune"]


def test_what_cannot_end_does_not_begin():
    """A last phase that does not fit is refused before the first one, and named."""

    def wrong(setting: Any) -> list[Phase]:
        far = Objective(softmax_cross_entropy, {"sparsity": (0.1, KLSparsity(layers=(9,)))})
        return [*layerwise(setting, fine_tune=None), Phase("last", far, FirstOrder(), epochs=1)]

    history = History()
    with pytest.raises(InputError, match=r"^phase 'last': layers must be"):
        classifier(recipe=wrong).plan(X, Y)
    with pytest.raises(InputError, match=r"^phase 'last': layers must be .*numbers from 1 to 2") as told:
        classifier(recipe=wrong).fit(X, Y, history=history)
    assert "\n" not in str(told.value)
    assert history.rows == []


def test_heads_with_and_without_probabilities():
    found = classifier(head=LogisticRegression()).fit(X, half(NAMES[Y], None))
    assert [*rows_in(found.history_)] == ["layer 1", "layer 2"]
    known = np.arange(150) % 2 == 0
    alone = LogisticRegression().fit(found.transform(X[known]), NAMES[Y[known]])
    assert np.array_equal(found.predict_proba(X), alone.predict_proba(found.transform(X)))
    assert np.array_equal(found.predict(X), alone.predict(found.transform(X)))
    assert found.head_ is not found.head
    svc = classifier(head=SVC()).fit(X, Y)
    assert not hasattr(svc, "predict_proba")
    with pytest.raises(AttributeError):
        svc.predict_proba(X)
    assert svc.score(X, Y) > 0.8
    assert hasattr(classifier(), "predict_proba")


def test_the_head_of_a_regressor():
    x, y = NUMBERS
    found = regressor(head=KNeighborsRegressor()).fit(x, half(y, np.nan, float))
    alone = KNeighborsRegressor().fit(found.transform(x[::2]), y[::2])
    assert np.array_equal(found.predict(x), alone.predict(found.transform(x)))


@pytest.mark.parametrize("y", [half(Y, None), half(Y, -1), half(Y > 0, None), UNLABELLED["text, NA"]], ids=str)
def test_a_head_gets_classes_of_one_kind(y):
    found = classifier(head=LogisticRegression()).fit(X, y)
    assert found.head_.classes_.tolist() == found.classes_.tolist()


def test_a_head_cannot_be_saved(tmp_path):
    found = classifier(head=LogisticRegression()).fit(X, Y)
    with pytest.raises(InputError, match=r"cannot be saved without a pickle; got LogisticRegression\(\)"):
        found.save(tmp_path / "model")
    assert not (tmp_path / "model").exists()


def test_combines_with_the_tools_of_scikit_learn():
    piped = make_pipeline(StandardScaler(), classifier(recipe=QUICK)).fit(X, Y)
    assert piped.score(X, Y) > 0.7
    features = make_pipeline(regressor(), Ridge()).fit(*NUMBERS)
    assert features.predict(NUMBERS[0]).shape == (200,)
    search = GridSearchCV(classifier(), {"recipe": [SLOW, QUICK]}, cv=2).fit(X, Y)
    assert search.best_params_ == {"recipe": QUICK}
    twin = clone(search.best_estimator_)
    assert twin.recipe == QUICK
    assert not hasattr(twin, "model_")
    nested = clone(classifier(head=SVC(C=2.0))).set_params(head__C=3.0)
    assert nested.head.C == 3.0


def test_codes_have_names():
    frame = load_iris(as_frame=True).data
    codes = classifier().set_output(transform="pandas").fit_transform(frame, Y)
    assert list(codes.columns) == [f"stackedclassifier{place}" for place in range(6)]
    assert codes.index.equals(frame.index)


def mixed(rows: int = 160) -> tuple[pd.DataFrame, np.ndarray]:
    """Numbers with gaps, yes/no, categories, and so many levels that they are embedded."""
    draw = np.random.default_rng(0)
    frame = pd.DataFrame({"age": draw.normal(40, 10, rows), "smoker": draw.random(rows) < 0.3})
    frame["city"] = draw.choice(["Rome", "Oslo", "Lima"], rows)
    frame["street"] = [f"s{place % 60}" for place in range(rows)]
    y = np.where((frame.city == "Rome") | (frame.age > 50), "yes", "no")
    frame.loc[3, "age"], frame.loc[5, "city"] = np.nan, None
    return frame, y


@pytest.mark.parametrize(("kind", "library"), [("classify", "pandas"), ("regress", "polars")])
def test_frames_with_categories_and_gaps(tmp_path, kind, library):
    frame, y = mixed(320)
    y = y if kind == "classify" else np.where(y == "yes", 1.0, 0.0)
    given = pl.from_pandas(frame) if library == "polars" else frame
    found = made(kind, input_dropout=0.1).fit(given, y)
    assert found.model_.inputs.embeddings
    assert found.feature_names_in_.tolist() == list(frame.columns)
    predicted = found.predict(given)
    found.save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert type(again) is KINDS[kind]
    assert np.array_equal(again.predict(given), predicted)
    assert again.feature_names_in_.tolist() == list(frame.columns)
    new = frame.copy()
    new.loc[0, "city"] = "Atlantis"
    assert len(found.predict(new if library == "pandas" else pl.from_pandas(new))) == 320
    with pytest.raises(ValueError, match="age"):
        found.predict(given[given.columns[1:]] if library == "pandas" else given.drop("age"))


def test_missing_cells_everywhere():
    x = X.copy()
    x[np.random.default_rng(0).random(x.shape) < 0.3] = np.nan
    found = classifier(recipe=QUICK).fit(x, Y)
    assert found.score(x, Y) > 0.7
    assert np.isfinite(found.predict_proba(np.full((1, 4), np.nan))).all()


@both
def test_a_folder_gives_the_same_estimator(tmp_path, kind):
    x, y = rows_of(kind)
    found = made(kind, layer=Layer(tanh, normalization=Normalization.BATCH), test_fraction=0.2).fit(x, y)
    found.save(tmp_path / "model")
    again = KINDS[kind].load(tmp_path / "model")
    assert np.array_equal(again.predict(x), found.predict(x))
    assert np.array_equal(again.transform(x), found.transform(x))
    assert (again.metrics_, again.recipe_) == (found.metrics_, found.recipe_)
    assert again.history_.rows == found.history_.rows
    assert again.evaluate(x, y) == found.evaluate(x, y)
    card = (tmp_path / "model" / "README.md").read_text()
    assert f"{KINDS[kind].__name__}.load" in card
    assert f"| {'error' if kind == 'classify' else 'R2'} |" in card
    again.save(tmp_path / "again")
    assert np.array_equal(load(tmp_path / "again").predict(x), found.predict(x))


def test_binary_columns_are_from_0_to_1_too():
    """A table of zeros and ones has binary units and the cross-entropy, as the recipe expects it of such data."""
    x = (load_digits().data[:100, 10:30] > 8).astype(float)
    y = load_digits().target[:100]
    _, _, phases = StackedClassifier((8, 6), recipe="vincent2010", scaling="minmax").plan(x, y)
    assert [type(phase.objective.fidelity).__name__ for phase in phases[:2]] == ["CrossEntropy"] * 2
    _, _, phases = StackedClassifier((8, 6), recipe="vincent2010", scaling="standard").plan(x, y)
    assert [type(phase.objective.fidelity).__name__ for phase in phases[:1]] == ["ClippedSquaredError"]


def test_a_folder_knows_the_most_frequent_class_and_an_older_one_does_not(tmp_path):
    y = np.where(Y == 0, 1, Y)
    found = classifier().fit(X, y)
    few = np.flatnonzero(y == 2)[:10]
    found.save(tmp_path / "model")
    again = StackedClassifier.load(tmp_path / "model")
    assert again.evaluate(X[few], y[few])["majority_error"] == found.evaluate(X[few], y[few])["majority_error"] == 1.0
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    del config["settings"]["target"]["majority"]
    (tmp_path / "model" / "config.json").write_text(json.dumps(config))
    seal(tmp_path / "model", KIND)
    older = StackedClassifier.load(tmp_path / "model")
    figures = older.evaluate(X[few], y[few])
    assert figures["majority_error"] is None
    assert "most frequent class unknown" in summary(figures)
    older.report(tmp_path / "page.html", Table.from_array(X[few], labels=y[few]))


def test_another_kind_of_folder_is_refused(tmp_path):
    classifier().fit(X, Y).save(tmp_path / "classifier")
    regressor().fit(*NUMBERS).save(tmp_path / "regressor")
    DeepAutoencoder(2, hidden_layer_sizes=(4,), max_epochs=1, random_state=0).fit(X).save(tmp_path / "autoencoder")
    for wrong, kind, words in [
        ("regressor", StackedClassifier, "task 'classify'; found 'regress'"),
        ("autoencoder", StackedClassifier, "task 'classify'; found 'reconstruct'"),
        ("classifier", StackedRegressor, "task 'regress'; found 'classify'"),
        ("autoencoder", StackedRegressor, "task 'regress'; found 'reconstruct'"),
        ("classifier", DeepAutoencoder, "must hold an autoencoder"),
        ("nothing", StackedClassifier, "not a model folder"),
    ]:
        with pytest.raises(ModelFileError, match=words) as told:
            kind.load(tmp_path / wrong)
        assert "\n" not in str(told.value)
    assert [type(load(tmp_path / name)) for name in ("classifier", "regressor", "autoencoder")] == [
        StackedClassifier,
        StackedRegressor,
        DeepAutoencoder,
    ]


@pytest.mark.parametrize(
    "target",
    [
        {"task": "classify", "classes": [0, 1]},
        {"task": "classify", "classes": [[0], [1], [2]]},
        {"task": "classify", "classes": [0, None, {}]},
        {"task": "classify"},
        {"task": "classify", "classes": [0, 1, 2], "majority": 3},
        {"task": "classify", "classes": [0, 1, 2], "majority": []},
        {"task": "os.system"},
        {},
        "classify",
        None,
    ],
    ids=str,
)
def test_a_forged_target_is_refused(tmp_path, half_labelled, target):
    half_labelled.save(tmp_path / "model")
    config = json.loads((tmp_path / "model" / "config.json").read_text())
    config["settings"]["target"] = target
    (tmp_path / "model" / "config.json").write_text(json.dumps(config))
    seal(tmp_path / "model", KIND)
    with pytest.raises(ModelFileError) as told:
        StackedClassifier.load(tmp_path / "model")
    assert str(tmp_path / "model") in str(told.value)
    assert "\n" not in str(told.value)


@both
@pytest.mark.usefixtures("global_random_state_unchanged")
def test_same_seed_same_bits(kind):
    x, y = rows_of(kind)
    first, second, other = (made(kind, random_state=seed).fit(x, y) for seed in (0, 0, 1))
    state = second.model_.state_dict()
    assert all(torch.equal(value, state[name]) for name, value in first.model_.state_dict().items())
    assert not np.array_equal(first.transform(x), other.transform(x))


class Killed(BaseException):
    """Nothing in the library catches this."""


@pytest.mark.parametrize(
    ("kind", "phase"), [("classify", "layer 1"), ("regress", "layer 2"), ("classify", "fine-tune")]
)
def test_a_fit_that_was_ended_goes_on_to_the_same_bits(tmp_path, kind, phase):
    x, y = rows_of(kind)

    def kill(event: Event) -> None:
        if isinstance(event, StepEnd) and event.phase == phase and event.step == 4:
            raise Killed

    wanted = made(kind).fit(x, y)
    with pytest.raises(Killed):
        made(kind).fit(x, y, history=History(watch=[kill]), checkpoint=tmp_path / "run")
    # It goes on, and once more from the end.
    for one in [made(kind).fit(x, y, checkpoint=tmp_path / "run") for _ in range(2)]:
        assert np.array_equal(one.predict(x), wanted.predict(x))
        assert rows_in(one.history_) == rows_in(wanted.history_)
        assert one.metrics_ == wanted.metrics_
    with pytest.raises(InputError, match="checkpoint needs a random_state"):
        made(kind, random_state=None).fit(x, y, checkpoint=tmp_path / "run")


@pytest.mark.usefixtures("control_c")
@pytest.mark.parametrize("phase", ["layer 2", "fine-tune"])
def test_an_interruption_keeps_what_there_is_and_the_same_call_goes_on(monkeypatch, caplog, tmp_path, phase):
    import layerwise.estimators.base as module

    wanted = classifier().fit(X, Y)
    with monkeypatch.context() as patched:
        patched.setattr(module, "ProgressBar", interrupting(lambda event: event.phase == phase and event.step == 4))
        found = classifier(verbose=1).fit(X, Y, checkpoint=tmp_path / "run")
    assert found.history_.interrupted
    assert f"interrupted in phase '{phase}'" in caplog.text
    assert ("it predicts nothing yet" in caplog.text) == (phase == "layer 2")
    assert found.predict(X).shape == (150,)
    shares = found.predict_proba(X)
    assert (shares == shares[0]).all() == (phase == "layer 2")
    on = classifier().fit(X, Y, checkpoint=tmp_path / "run")
    assert np.array_equal(on.predict_proba(X), wanted.predict_proba(X))
    assert not on.history_.interrupted


def scaled(estimator: Any, x: np.ndarray) -> np.ndarray:
    return estimator.schema_.encode(read(x)).batch(slice(None)).x.numpy()


def test_figures_of_classes_by_hand():
    y = half(NAMES[Y], None)
    found = classifier(recipe=QUICK, test_fraction=0.4).fit(X, y)
    metrics = found.metrics_
    parts = divide_labelled(found.target_.strata(y), 0.1, test_fraction=0.4, seed=found._seed())
    held, labelled = parts.held_out.numpy(), parts.labelled.numpy()
    truth, predicted = NAMES[Y[held]], found.predict(X[held])
    wrong = int((predicted != truth).sum())
    assert (metrics["task"], metrics["rows"], metrics["held_out"]) == ("classify", 30, "held-out rows")
    assert metrics["error"] == wrong / 30
    names, counts = np.unique(NAMES[Y[labelled]], return_counts=True)
    assert metrics["majority_error"] == pytest.approx((truth != names[counts.argmax()]).mean())
    interval = binomtest(wrong, 30).proportion_ci(method="wilson")
    assert metrics["error_interval"] == pytest.approx([*interval], abs=1e-4)
    assert metrics["confusion"] == confusion_matrix(truth, predicted, labels=NAMES).tolist()
    assert metrics["classes"] == NAMES.tolist()
    x = scaled(found, X)
    linear = LogisticRegression(max_iter=200).fit(x[labelled], NAMES[Y[labelled]])
    assert metrics["linear_error"] == pytest.approx((linear.predict(x[held]) != truth).mean())
    assert metrics["linear_rows"] == len(labelled) == 45
    assert json.loads(json.dumps(found.saved().metrics)) == found.saved().metrics


def test_figures_of_numbers_by_hand():
    x, y = NUMBERS
    found = regressor(recipe=QUICK, test_fraction=0.25).fit(x, y)
    parts = divide_labelled(np.zeros(200, int), 0.1, test_fraction=0.25, seed=found._seed())
    held, labelled = parts.held_out.numpy(), parts.labelled.numpy()
    predicted = found.predict(x[held])
    assert found.metrics_["rows"] == 50
    assert found.metrics_["rmse"] == pytest.approx(np.sqrt(((predicted - y[held]) ** 2).mean()))
    assert found.metrics_["r2"] == pytest.approx(r2_score(y[held], predicted))
    z = scaled(found, x)
    ridge = Ridge().fit(z[labelled], y[labelled])
    assert found.metrics_["linear_r2"] == pytest.approx(r2_score(y[held], ridge.predict(z[held])), rel=1e-3)
    assert found.metrics_["linear_rows"] == 150


@pytest.mark.parametrize(("wrong", "rows"), [(0, 1), (0, 30), (3, 30), (30, 30), (1, 1000)])
def test_the_interval_of_an_error(wrong, rows):
    predicted, y = np.zeros(rows, int), np.arange(rows) < wrong
    target = Classes(np.array([0, 1]))
    metrics = judge_predictions(predicted, y.astype(int), target=target, what="rows", baseline=None)
    low, high = metrics["error_interval"]
    z, share = 1.96, wrong / rows
    # The shares at which what was seen is z standard errors away: the two roots of a quadratic (Wilson 1927).
    roots = np.roots([1 + z * z / rows, -(2 * share + z * z / rows), share * share])
    assert [low, high] == pytest.approx(sorted(roots.real), abs=1e-7)
    assert 0 <= low <= share <= high <= 1


def test_rows_it_was_fitted_to_have_no_linear_model_beside_them():
    metrics = classifier().fit(X, Y).metrics_
    assert (metrics["held_out"], metrics["rows"]) == ("training rows", 150)
    assert (metrics["linear_error"], metrics["linear_rows"]) == (None, 0)


def test_a_class_of_which_all_rows_are_held_out():
    few = [0, 1, 50, 51]
    for seed in range(6):
        metrics = classifier(test_fraction=0.5, random_state=seed).fit(X[few], Y[few]).metrics_
        assert 0 <= metrics["linear_error"] <= 1


def test_a_slow_linear_model_is_no_warning():
    draw = np.random.default_rng(0)
    x = draw.normal(size=(300, 40)) * np.logspace(0, 4, 40)
    y = (x @ draw.normal(size=40) > 0).astype(int)
    # Warnings are errors here.
    classifier(scaling="none", test_fraction=0.2).fit(x, y)


def test_a_data_sets_own_test_rows_judge():
    test = Table.from_array(X[1::2], labels=half(Y[1::2], np.nan, float))
    found = classifier(test_fraction=0.3).fit(Table.from_array(X[::2], labels=Y[::2], test=test))
    assert rows_in(found.history_)["fine-tune"] == 75
    assert (found.metrics_["rows"], found.metrics_["held_out"]) == (38, "test rows")
    wrong = (found.predict(X[1::2][::2]) != Y[1::2][::2]).mean()
    assert found.metrics_["error"] == pytest.approx(wrong)


def test_a_table_brings_its_labels(tmp_path):
    frame = pd.DataFrame(X, columns=list("abcd")).assign(kind=half(NAMES[Y], None), number=half(Y, None))
    frame.to_csv(tmp_path / "iris.csv", index=False)
    texts = read(tmp_path / "iris.csv", label="kind", drop=["number"])
    found = classifier().fit(texts)
    assert found.classes_.tolist() == NAMES.tolist()
    assert rows_in(found.history_)["fine-tune"] == 75
    figures = found.evaluate(texts)
    assert figures["rows"] == 75
    assert figures["error"] == pytest.approx((found.predict(X[::2]) != NAMES[Y[::2]]).mean())
    numbers = classifier().fit(read(tmp_path / "iris.csv", label="number", drop=["kind"]))
    assert numbers.classes_.dtype.kind == "i", "whole numbers with gaps stay whole numbers"


def test_evaluation_skips_unlabelled_rows_and_needs_some():
    found = classifier().fit(X, Y)
    figures = found.evaluate(X, half(Y, -1, int))
    assert (figures["rows"], figures["held_out"], figures["linear_error"]) == (75, "given rows", None)
    with pytest.raises(InputError, match="to judge, rows need targets; found none in column 'y'"):
        found.evaluate(X, np.full(150, -1))


@pytest.mark.parametrize("flat", [True, False])
def test_one_number_in_a_column_or_flat(flat):
    x, y = NUMBERS
    shaped = y if flat else y[:, None]
    found = regressor().fit(x, shaped)
    assert found.predict(x).shape == shaped.shape
    figures = [found.evaluate(x, given) for given in (y, y[:, None])]
    assert figures[0] == figures[1]
    assert figures[0]["rmse"] == pytest.approx(np.sqrt(((found.predict(x).ravel() - y) ** 2).mean()))


def test_two_outputs(tmp_path):
    x, y = NUMBERS
    wide = np.column_stack([y, 1000 - 2 * y])
    wide[::4, 1] = np.nan
    found = regressor(recipe=QUICK).fit(x, wide)
    assert rows_in(found.history_)["fine-tune"] == 150, "a row counts where all its numbers are known"
    assert found.predict(x).shape == (200, 2)
    known = np.isfinite(wide).all(1)
    assert found.metrics_["r2"] == pytest.approx(r2_score(wide[known], found.predict(x[known])))
    found.save(tmp_path / "model")
    assert np.array_equal(StackedRegressor.load(tmp_path / "model").predict(x), found.predict(x))
    with pytest.raises(ValueError, match="output"):
        found.evaluate(x, y)


def test_constant_numbers_are_predicted():
    found = regressor().fit(X, np.full(150, 7.0))
    assert found.predict(X) == pytest.approx(np.full(150, 7.0), abs=0.5)
    assert Numbers.of(Given(np.full(5, 7.0))).scale.tolist() == [1.0]


@pytest.mark.parametrize(("name", "first"), [("hinton2006", "machine 1"), ("vincent2010", "layer 1")])
def test_recipes_by_name(name, first):
    digits = load_digits()
    x, y = digits.data[:100] / 16, half(digits.target[:100], -1, int)
    found = StackedClassifier((32, 16), recipe=name, scaling="minmax", random_state=0).fit(x, y)
    rows = rows_in(found.history_)
    assert rows == {first: 100, first.replace("1", "2"): 100, "fine-tune": 50}
    assert [row["phase"] for row in found.history_.phases()] == [*rows]
    pre_training = found.recipe_[0]["objective"]["fidelity"]["class"]
    assert pre_training == ("ContrastiveDivergence" if name == "hinton2006" else "CrossEntropy")
    assert found.model_.layer.activation is sigmoid


def test_a_net_with_pre_trained_layers_learns_digits():
    digits = load_digits()
    x, y = digits.data / 16, half(digits.target, -1, int)
    recipe = partial(vincent2010, epochs=2, fine_tune_epochs=8, lr=0.01, batch_size=32)
    found = StackedClassifier((64, 32), recipe=recipe, scaling="minmax", random_state=0).fit(x, y)
    assert found.score(x[1::2], digits.target[1::2]) > 0.85


@pytest.mark.parametrize("name", ["default", "end_to_end"])
def test_without_pre_training(name):
    recipe = partial(end_to_end, epochs=3) if name == "end_to_end" else "default"
    estimator = classifier(recipe=recipe)
    _, _, phases = estimator.plan(X, Y)
    assert [phase.objective.supervised for phase in phases] == [True]
    if name == "end_to_end":
        assert [*rows_in(estimator.fit(X, Y).history_)] == ["train"]


@both
def test_the_plan_is_that_of_the_fit(kind):
    x, y = rows_of(kind)
    estimator = made(kind)
    schema, model, phases = estimator.plan(x, y)
    assert not hasattr(estimator, "model_")
    found = estimator.fit(x, y)
    assert schema == found.schema_
    assert model.widths == found.model_.widths == (x.shape[1], 8, 6, 3 if kind == "classify" else 1)
    assert describe(phases) == found.recipe_


@both
def test_the_plan_divides_as_the_fit_does(kind):
    """The recipe goes by the number of rows: those that are held out must not count."""
    seen: list[tuple[int, int | None]] = []

    def noting(setting: Setting) -> Recipe:
        seen.append((setting.rows, setting.labelled))
        return QUICK(setting)

    x, y = rows_of(kind)
    estimator = made(kind, recipe=noting, test_fraction=0.2, random_state=5)
    schema, model, _ = estimator.plan(x, y)
    found = estimator.fit(x, y)
    assert schema == found.schema_
    assert seen[0] == seen[1] == (len(x) * 4 // 5,) * 2
    same = made(kind, recipe=noting, test_fraction=0.2, random_state=5).plan(x, y)[1]
    assert all(torch.equal(one, other) for one, other in zip(model.parameters(), same.parameters(), strict=True))


def test_many_labelled_rows_choose_the_best_weights():
    draw = np.random.default_rng(0)
    x = draw.normal(size=(1300, 3))
    y = np.where(np.arange(1300) < 1200, x[:, 0] > 0, np.nan)
    found = classifier().fit(x, y)
    assert rows_in(found.history_) == {"layer 1": 1180, "layer 2": 1180, "fine-tune": 1080}
    epochs = [row for row in found.history_.rows if row["event"] == "epoch" and row["phase"] == "fine-tune"]
    assert all("softmax_cross_entropy" in row["validation"] for row in epochs)
    assert (found.metrics_["rows"], found.metrics_["held_out"]) == (1080, "training rows")


def test_the_page(tmp_path):
    found = classifier(test_fraction=0.2).fit(X, NAMES[Y])
    found.report(tmp_path / "given.html", Table.from_array(X, labels=NAMES[Y]))
    assert "150 given rows" in (tmp_path / "given.html").read_text()
    regressor(test_fraction=0.2).fit(*NUMBERS).report(tmp_path / "numbers.html", title="Diabetes")
    page = (tmp_path / "numbers.html").read_text()
    assert "40 rows" in page
    assert "<title>Diabetes" in page
    assert "of the variance" in page


def test_classes_that_fit_has_not_seen_are_not_passed_over_in_silence():
    found = classifier(recipe=QUICK).fit(X[:100], Y[:100])
    with pytest.raises(InputError, match=r"must hold classes that fit has seen; found 2 in row 100 \(50 such cells\)"):
        found.evaluate(X, Y)
    assert found.evaluate(X, np.where(Y == 2, np.nan, Y))["rows"] == 100
