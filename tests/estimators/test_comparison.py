"""The comparison says that codes help where they do, that they do not where they do not, and never peeks."""

import numpy as np
import pandas as pd
import pytest
from scipy.stats import t as students_t
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.compose import ColumnTransformer
from sklearn.linear_model import LogisticRegression, Ridge
from sklearn.model_selection import cross_val_score
from sklearn.pipeline import make_pipeline

from layerwise import DeepAutoencoder, InputError, compare
from layerwise.data import read
from layerwise.estimators.comparison import FEATURES, corrected_interval, sparse_encoder, task_of

LINEAR = {"linear": LogisticRegression()}


def quick(code: int, seed: int) -> DeepAutoencoder:
    return sparse_encoder(code, seed).set_params(max_epochs=15)


def ring(rows: int = 500) -> tuple[np.ndarray, np.ndarray]:
    """Two classes, one around the other: no line divides them, but rectified units do."""
    x = np.random.default_rng(0).normal(size=(rows, 2))
    return x, ((x**2).sum(1) > 1.4).astype(int)


def test_codes_help_where_no_line_divides_the_classes():
    found = compare(*ring(), code=30, repeats=2, learners=LINEAR, encoder=quick)
    told = {one.features: one for one in found.findings()}
    assert (found.task, found.rows, found.metric) == ("classify", 500, "area under the ROC curve")
    assert told["raw"].score < 0.6
    assert told["codes"].score > 0.85
    assert told["codes"].verdict == told["raw + codes"].verdict == "better"
    assert told["PCA"].verdict == "no difference"
    assert told["raw"].verdict == ""
    assert told["codes"].interval[0] <= told["codes"].difference <= told["codes"].interval[1]


def test_it_says_where_codes_do_not_help():
    draw = np.random.default_rng(1)
    x = draw.normal(size=(300, 5))
    y = x[:, 0] + 0.1 * draw.normal(size=300)
    found = compare(x, y, code=3, repeats=5, learners={"ridge": Ridge()}, encoder=quick)
    assert (found.task, found.metric) == ("regress", "R2")
    told = {one.features: one.verdict for one in found.findings()}
    assert told["codes"] == "worse"
    assert {len(scores) for scores in found.scores.values()} == {10}


def test_frames_missing_cells_categories_and_rows_without_a_target(caplog):
    draw = np.random.default_rng(2)
    frame = pd.DataFrame({"size": draw.normal(size=120), "kind": draw.choice(["a", "b", "c"], 120)})
    target = np.where(frame["kind"] == "a", "yes", "no").astype(object)
    frame.loc[:9, "size"] = np.nan
    target[100:] = None
    frame["same"] = 1.0
    found = compare(frame, target, code=4, repeats=1, learners=LINEAR, encoder=quick)
    assert found.rows == 100
    assert caplog.text.count("kept out of the network") == 1
    assert found.findings()[0].score == 1.0
    table = read(frame.assign(target=target)[:100], label="target")
    again = compare(table, code=4, repeats=1, learners=LINEAR, encoder=quick)
    assert all(np.array_equal(again.scores[key], found.scores[key]) for key in found.scores)


@pytest.mark.parametrize(
    "y",
    [
        np.array(["a", "b", *[None] * 28], dtype=object),
        np.array(["a", "b", *[np.nan] * 28], dtype=object),
        np.array(["a", "b", *[pd.NA] * 28], dtype=object),
        np.array(["a", "b", *[""] * 28]),
        np.array([0.0, 1.0, *[np.nan] * 28]),
        np.array(["2020-01-01", "2020-01-02", *["NaT"] * 28], "datetime64[D]"),
    ],
    ids=["None", "NaN among texts", "NA", "empty", "NaN", "NaT"],
)
def test_rows_without_a_target_are_left_out(y):
    with pytest.raises(InputError, match="found 2 rows and 2 values"):
        compare(np.zeros((30, 2)), y)


class Memory(ClassifierMixin, BaseEstimator):
    """Knows the rows that it has seen, and nothing of others."""

    def fit(self, x, y):
        self.classes_ = np.unique(y)
        self.known_ = {row.tobytes(): label for row, label in zip(np.round(x, 6), y, strict=True)}
        return self

    def predict_proba(self, x):
        found = [self.known_.get(row.tobytes(), 0.5) for row in np.round(x, 6)]
        return np.column_stack([1 - np.array(found), found])


def test_no_fold_sees_the_rows_that_judge():
    x, y = ring(100)
    noise = np.random.default_rng(3).permutation(y)
    found = compare(x, noise, code=4, repeats=2, learners={"memory": Memory()}, encoder=quick)
    # Codes alone may be 0 in all units, for several rows.
    assert all(one.score == 0.5 for one in found.findings() if one.features != "codes")


def test_several_classes_have_the_mean_of_one_against_the_rest():
    x = np.random.default_rng(4).normal(size=(150, 3))
    y = np.digitize(x[:, 0], [-0.5, 0.5])
    found = compare(x, y, code=4, repeats=1, learners=LINEAR, encoder=quick)
    assert found.findings()[0].score > 0.8


@pytest.mark.parametrize(
    ("y", "task"),
    [
        (np.arange(30) % 10, "classify"),
        (np.arange(30) % 11, "regress"),
        (np.arange(30) % 2 / 2, "regress"),
        (np.array([18, 40, 65] * 10, object), "classify"),
        (np.arange(30) % 2 == 0, "classify"),
        (np.array([f"n{i}" for i in range(30)]), "classify"),
    ],
)
def test_a_few_whole_numbers_are_classes(y, task):
    assert task_of(y) == task


def test_the_usual_learners_are_a_line_and_boosted_trees():
    x, y = ring(120)
    found = compare(x, y, code=4, repeats=1, encoder=quick)
    learners = list(dict.fromkeys(one.learner for one in found.findings()))
    assert learners[0] == "linear"
    assert learners[1] in ("boosted trees", "XGBoost")
    assert [one.features for one in found.findings()] == [*FEATURES] * 2


def test_the_interval_is_wider_than_that_of_independent_folds():
    differences = np.random.default_rng(0).normal(size=10)
    low, high = corrected_interval(differences)
    naive = students_t.ppf(0.975, 9) * differences.std(ddof=1) / np.sqrt(10)
    assert (high - low) / 2 == pytest.approx(naive * np.sqrt(11))


def test_codes_are_features_in_a_pipeline_and_beside_columns():
    x, y = ring(200)
    codes = quick(20, 0)
    assert cross_val_score(make_pipeline(codes, LogisticRegression()), x, y, cv=2).mean() > 0.7
    both = ColumnTransformer([("codes", codes, [0, 1])], remainder="passthrough")
    wide = np.column_stack([x, np.arange(200)])
    assert both.fit_transform(wide).shape == (200, 21)
    found = codes.fit_transform(x)
    assert found.min() >= 0
    assert (found == 0).mean() > 0.2


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (lambda: compare(np.zeros((30, 2))), "needs a target for each row"),
        (
            lambda: compare(np.zeros((30, 2)), np.zeros(29)),
            r"one target for each of the 30 rows; found the shape \(29,\)",
        ),
        (lambda: compare(np.zeros((30, 2)), np.zeros(30)), "at least two values; found 30 rows and 1 values"),
        (lambda: compare(np.zeros((9, 2)), np.arange(9)), "at least 20 rows with a target"),
        (
            lambda: compare(np.zeros((30, 2)), np.array(["a"] * 15 + ["b"] * 12 + ["c"] * 3)),
            r"column 'y' must hold classes of at least 4 rows; found 'c' in row 27 \(3 such cells\)\. Leave these",
        ),
        (lambda: compare(np.zeros((30, 2)), np.array([f"n{i}" for i in range(30)])), "must hold classes that repeat"),
        (
            lambda: compare(np.zeros((30, 2)), np.array([1.0, 2.0] * 14 + ["a", None], object), task="regress"),
            "column 'y' must hold numbers; found 'a' in row 28",
        ),
        (lambda: compare(np.zeros((30, 2)), np.arange(30) / 2, task="classify"), "found 0.5 in row 1"),
        (lambda: compare(np.zeros((30, 2)), np.arange(30), task="cluster"), "task must be classify or regress"),
    ],
)
def test_bad_targets_are_refused(run, words):
    with pytest.raises(InputError, match=words):
        run()
