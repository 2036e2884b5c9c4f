"""The anomaly detector: the contract of scikit-learn, planted anomalies and their causes, and a model folder."""

import json
import warnings

import numpy as np
import pandas as pd
import pytest
import torch
from scipy.stats import chi2, norm
from sklearn.covariance import LedoitWolf
from sklearn.datasets import load_breast_cancer, load_digits
from sklearn.metrics import roc_auc_score
from sklearn.utils.estimator_checks import parametrize_with_checks

from layerwise import AutoencoderDetector, DeepAutoencoder
from layerwise.data import Schema, Table, read
from layerwise.errors import InputError, ModelFileError
from layerwise.estimators import load
from layerwise.estimators.detection import Null, divisions, usual_rows
from layerwise.estimators.labels import Labels
from layerwise.models import Dense, Detector, Judge
from layerwise.recipes import Setting, detection

FAST = {"n_members": 1, "random_state": 0}
SHORT = detection(Setting(50), epochs=2)


def related(rows: int, seed: int = 0) -> np.ndarray:
    """Six columns on a bent surface of two dimensions, with a little noise."""
    draw = np.random.default_rng(seed)
    a, b = draw.normal(size=(2, rows))
    columns = [a, b, a + b, np.sin(2 * a), a * b, a - 2 * b]
    return np.column_stack(columns) + draw.normal(0, 0.05, (rows, 6))


@parametrize_with_checks([AutoencoderDetector(random_state=0, n_members=1, recipe=SHORT)])
def test_scikit_learn_contract(estimator, check):
    check(estimator)


def test_an_altered_column_is_the_largest_cause():
    detector = AutoencoderDetector(2, random_state=0).fit(related(2000))
    x, draw = related(200, seed=1), np.random.default_rng(2)
    places = draw.integers(0, 6, 200)
    x[np.arange(200), places] += draw.choice([-1, 1], 200) * 6 * x.std(0)[places]
    found = detector.contributions(x)
    assert (found.argmax(1) == places).mean() >= 0.9
    assert (detector.predict(x) == -1).mean() > 0.7
    named = [row[0][0] for row in detector.explain(x, 1)]
    assert named == [f"x{place}" for place in found.argmax(1)]


def test_it_finds_the_rare_class_without_being_told():
    x, y = load_breast_cancer(return_X_y=True)
    strange = np.flatnonzero(y == 0)[:30]
    rows = np.sort(np.concatenate([np.flatnonzero(y == 1), strange]))
    detector = AutoencoderDetector(random_state=0).fit(x[rows])
    assert roc_auc_score(y[rows] == 0, detector.anomaly_score(x[rows])) > 0.93
    assert "auroc" not in detector.metrics_
    assert detector.evaluate(x[rows], y[rows] == 0)["auroc"] > 0.93


def test_the_training_rows_may_hold_anomalies_that_lie_together():
    x = np.random.default_rng(0).normal(size=(500, 4))
    x[:60] = 5 + 0.1 * x[:60]
    detector = AutoencoderDetector(random_state=0).fit(x)
    assert detector.anomaly_score(x)[:60].min() > detector.anomaly_score(x)[60:].max()


def test_clean_rows_are_left_alone():
    x = np.random.default_rng(0).normal(size=(2000, 5))
    detector = AutoencoderDetector(**FAST).fit(x[:1000])
    assert (detector.predict(x[1000:]) == -1).mean() < 0.02
    assert detector.anomaly_probability(x[1000:]).max() < 0.9


@pytest.mark.parametrize("share", [0.02, 0.1, 0.5])
def test_contamination_is_the_share_that_is_flagged(share):
    x = related(400)
    detector = AutoencoderDetector(contamination=share, **FAST).fit(x)
    assert (detector.predict(x) == -1).sum() == round(share * 400)
    assert np.allclose(detector.decision_function(x), detector.score_samples(x) - detector.offset_)
    assert np.array_equal(detector.score_samples(x), -detector.anomaly_score(x))


def test_other_rows_set_the_threshold(tmp_path):
    x, later = related(300), related(200, seed=1)
    detector = AutoencoderDetector(**FAST).fit(x)
    before = detector.anomaly_score(later)
    assert detector.set_threshold(later, 0.9) is detector
    assert detector.offset_ == -np.quantile(before, 0.9)
    assert (detector.predict(later) == -1).sum() == detector.metrics_["flagged"] == 20
    assert np.array_equal(detector.anomaly_score(later), before)
    assert detector.examples_["strange.row"][0] == before.argmax()
    detector.save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert np.array_equal(again.predict(x), detector.predict(x))
    again.report(tmp_path / "page.html")
    assert "rows that the threshold was set by" in (tmp_path / "page.html").read_text("utf-8")
    assert (detector.set_threshold(later, 1).predict(later) == 1).all()
    with pytest.raises(InputError, match=r"quantile must be a number from 0 to 1; got 95"):
        detector.set_threshold(later, 95)
    with pytest.raises(InputError, match="a window; found 5"):
        AutoencoderDetector(window=6, recipe=SHORT, **FAST).fit(sensors(40)).set_threshold(sensors(5))


def test_scores_of_a_row_do_not_depend_on_the_others():
    x = related(300)
    detector = AutoencoderDetector(**FAST).fit(x)
    assert np.allclose(detector.anomaly_score(x)[7], detector.anomaly_score(x[7:8])[0], atol=1e-5)


def test_missing_cells_and_categories():
    x = related(600)
    frame = pd.DataFrame(x, columns=list("abcdef"))
    frame["kind"] = np.where(x[:, 0] > 1.2, "rare", "usual")
    frame["same"] = 1
    frame = frame.mask(np.random.default_rng(0).random(frame.shape) < 0.1)
    detector = AutoencoderDetector(random_state=0).fit(frame)
    assert np.isfinite(detector.anomaly_score(frame)).all()
    found = detector.contributions(frame)
    assert found.shape == (600, 8)
    assert (found[:, 7] == 0).all()
    assert (found[:, :7][frame.iloc[:, :7].isna().to_numpy()] == 0).all()
    # One row in ten: far from the others, and yet usual.
    rare = (frame["kind"] == "rare").to_numpy()
    assert (detector.predict(frame)[rare] == -1).mean() < 0.3
    other = frame.copy()
    other.loc[0, "c"] = 40.0
    assert detector.explain(other.iloc[:1], 1)[0][0][0] == "c"


def test_a_row_of_missing_cells_is_not_strange():
    detector = AutoencoderDetector(**FAST).fit(related(300))
    assert detector.predict(np.full((1, 6), np.nan)).tolist() == [1]


def test_pictures_have_error_maps():
    x, y = load_digits(return_X_y=True)
    images = (16 * x.reshape(-1, 8, 8)).clip(0, 255).astype(np.uint8)[y != 8]
    detector = AutoencoderDetector(8, **FAST).fit(images.reshape(len(images), -1))
    spoiled = images[:40].copy()
    spoiled[:, 0, 0] = 255
    maps = detector.error_map(spoiled.reshape(40, -1))
    assert maps.shape == (40, *detector.schema_.pixels.shape)
    assert (maps.reshape(40, -1).argmax(1) == 0).mean() > 0.9
    with pytest.raises(InputError, match=r"an error map is of pictures.*Use contributions"):
        AutoencoderDetector(**FAST).fit(related(50)).error_map(related(5))


def test_a_folder_holds_all_of_it(tmp_path):
    frame = pd.DataFrame(related(300), columns=list("abcdef"))
    detector = AutoencoderDetector(n_members=2, random_state=0, contamination=0.05).fit(frame)
    detector.save(tmp_path / "model")
    for again in (AutoencoderDetector.load(tmp_path / "model"), load(tmp_path / "model")):
        for method in ("anomaly_score", "anomaly_probability", "predict", "contributions"):
            assert np.array_equal(getattr(again, method)(frame), getattr(detector, method)(frame)), method
        assert again.metrics_ == json.loads(json.dumps(detector.metrics_))
        assert all(torch.equal(again.examples_[name], value) for name, value in detector.examples_.items())
    with pytest.raises(ModelFileError, match="must hold an autoencoder"):
        DeepAutoencoder.load(tmp_path / "model")
    DeepAutoencoder(2, max_epochs=1).fit(frame).save(tmp_path / "other")
    with pytest.raises(ModelFileError, match="must hold a detector; found another model"):
        AutoencoderDetector.load(tmp_path / "other")


def test_the_same_seed_gives_the_same_bits():
    first, again, other = (AutoencoderDetector(n_members=1, random_state=seed).fit(related(200)) for seed in (1, 1, 2))
    assert np.array_equal(first.anomaly_score(related(50, 1)), again.anomaly_score(related(50, 1)))
    assert not np.array_equal(first.anomaly_score(related(50, 1)), other.anomaly_score(related(50, 1)))


def test_few_rows():
    for rows in (2, 3, 5, 12):
        detector = AutoencoderDetector(recipe=SHORT, random_state=0).fit(related(rows))
        assert np.isfinite(detector.anomaly_score(related(20, 1))).all(), rows


def test_the_report_names_the_causes(tmp_path):
    x = related(300)
    x[17, 2] = 30.0
    frame = pd.DataFrame(x, columns=["first", "second", "sum", "sine", "product", "difference"])
    detector = AutoencoderDetector(**FAST).fit(frame)
    detector.report(tmp_path / "page.html")
    page = (tmp_path / "page.html").read_text("utf-8")
    assert "Row 17, score" in page
    assert detector.examples_["strange.row"][0] == 17
    labelled = frame.assign(strange=np.arange(300) == 17)
    detector.report(tmp_path / "given.html", read(labelled, label="strange"))
    assert "area under the ROC curve" in (tmp_path / "given.html").read_text("utf-8")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ({"n_members": 0}, "n_members must be a whole number from 1 on; got 0"),
        ({"trim": 1.0}, "trim must be a number from 0 on and below 1; got 1.0"),
        ({"contamination": 0.6}, "contamination must be 'auto' or a number from 0 to 0.5; got 0.6"),
        ({"contamination": "much"}, "contamination must be 'auto'"),
    ],
)
def test_bad_arguments_are_refused(arguments, words):
    with pytest.raises(InputError, match=words):
        AutoencoderDetector(**arguments).fit(related(20))


@pytest.mark.parametrize(
    ("y", "words"),
    [
        ([0, 1, 2], r"column 'y' must hold 1 for anomalies and 0 for other rows.*found 2 in row 2\. Change these"),
        (["no", "", "yes"], r"found 'no' in row 0 \(2 such cells\)"),
        ([0, 0], r"one label for each of the 3 rows; found the shape \(2,\)"),
        (np.zeros((3, 1)), r"found the shape \(3, 1\)"),
    ],
)
def test_other_labels_are_refused_before_anything_is_learned(y, words):
    with pytest.raises(InputError, match=words):
        Labels.of(read(related(3)), y)
    if np.shape(y) == (3,):
        frame = pd.DataFrame(related(3), columns=list("abcdef")).assign(known=y)
        detector = AutoencoderDetector(recipe=lambda setting: pytest.fail("training began"))
        with pytest.raises(InputError, match="column 'known' must hold 1 for anomalies"):
            detector.fit(read(frame, label="known"))


def test_labels_of_some_rows_judge_these(caplog):
    x = related(60)
    x[:5] += 20
    detector = AutoencoderDetector(recipe=SHORT, **FAST).fit(x)
    known = np.concatenate([np.arange(0, 60, 3), [1]])
    whole = np.arange(60) < 5
    for missing in (None, np.nan, pd.NA, ""):
        y = np.full(60, missing, object)
        y[known] = whole[known]
        found = detector.evaluate(x, y)
        assert (found["labelled"], found["anomalies"], found["rows"]) == (21, 3, 60)
        assert found["auroc"] == roc_auc_score(whole[known], detector.anomaly_score(x)[known])
    assert "auroc" not in detector.evaluate(x, np.full(60, np.nan))
    # The classes of a data set were not asked for.
    assert "auroc" not in detector.evaluate(Table.from_array(x, labels=np.arange(60) % 10))
    assert "labels are not those of anomalies, and left aside; found 2 in row 2" in caplog.text


@pytest.mark.parametrize("rows", [[500], [-1], [0.5], 3, [True, False]], ids=str)
def test_rows_to_be_explained_must_be_there(rows):
    detector = AutoencoderDetector(recipe=SHORT, **FAST).fit(related(30))
    with pytest.raises(InputError, match="rows must be a list of whole numbers from 0 to 29; got"):
        detector.explain(related(30), rows=rows)
    assert detector.explain(related(30), rows=[]) == []


def encoded(x):
    table = read(x)
    schema = Schema.fit(table, scaling="standard")
    return schema.encode(table), schema


def test_the_usual_rows_are_those_of_the_concentration_steps():
    x = np.random.default_rng(0).standard_t(3, size=(200, 5))
    rows, schema = encoded(x)
    scaled = rows.batch(slice(None)).x.double().numpy()
    kept = np.arange(200)
    for _ in range(5):
        kept = np.sort(np.argsort(LedoitWolf().fit(scaled[kept]).mahalanobis(scaled))[:120])
    distances = LedoitWolf().fit(scaled[kept]).mahalanobis(scaled)
    near = distances / np.median(distances) <= chi2.ppf(0.975, 5) / chi2.ppf(0.5, 5)
    assert usual_rows(rows, schema, 0.4).tolist() == sorted({*kept.tolist(), *np.flatnonzero(near).tolist()})
    assert 120 < near.sum() < 195
    assert usual_rows(rows, schema, 0.0).tolist() == list(range(200))


def test_nearly_half_of_the_rows_may_be_strange_where_they_are_looser():
    draw = np.random.default_rng(0)
    usual, strange = draw.normal(0, 1, (110, 8)), draw.normal(8, 2, (90, 8))
    rows, schema = encoded(np.concatenate([usual, strange]))
    found = usual_rows(rows, schema, 0.4)
    assert found.max() < 110
    assert len(found) > 90
    # Of two kinds that are alike neither is the strange one, and one cloud is not two.
    for other in (draw.normal(8, 1, (90, 8)), draw.normal(0, 1, (90, 8))):
        rows, schema = encoded(np.concatenate([usual, other]))
        assert usual_rows(rows, schema, 0.4).max() >= 110


def test_a_judge_is_its_formula():
    torch.manual_seed(0)
    model = Dense(5, (4,), code=2)
    judge = Judge(model, (1, 3, 1), references=6, neighbours=2).eval()
    with torch.no_grad():
        for name in ("usual_errors", "location", "references", "metric"):
            judge.get_buffer(name).uniform_(0.5, 2)
        half = torch.rand(2, 2)
        judge.get_buffer("precision").copy_(half @ half.T)
        x = torch.rand(7, 5)
        run = model(x)
        parts = judge.strangeness(x, None)
    r, h = (run.reconstruction - x).numpy(), run.code.numpy()
    sums = np.column_stack([r[:, 0] ** 2, (r[:, 1:4] ** 2).sum(1), r[:, 4] ** 2])
    usual = judge.get_buffer("usual_errors").numpy()
    assert np.allclose(parts.errors.numpy(), sums / usual, rtol=1e-5)
    away = h - judge.get_buffer("location").numpy()
    assert np.allclose(
        parts.distance.numpy(), np.einsum("ni,ij,nj->n", away, judge.get_buffer("precision").numpy(), away)
    )
    gaps = (h[:, None] - judge.get_buffer("references").numpy()) * judge.get_buffer("metric").numpy()
    near = np.sort(np.sqrt((gaps**2).sum(2) + sums.sum(1)[:, None]), axis=1)[:, :2].mean(1)
    assert np.allclose(parts.nearness.numpy(), near, rtol=1e-5)
    seen = torch.tensor([[True, False, False, False, True]]).expand(7, 5)
    with torch.no_grad():
        assert (judge.strangeness(x, seen).errors[:, 1] == 1).all()


def test_a_kept_row_is_not_its_own_neighbour():
    x = related(100)
    detector = AutoencoderDetector(**FAST).fit(x)
    judge = detector.model_.members[0]
    rows = detector.schema_.encode(read(x)).batch(slice(None)).x
    with torch.no_grad():
        own, others = (judge.strangeness(rows, None, own=flag).nearness for flag in (True, False))
    # Usual rows alone are kept.
    assert int((own > others).sum()) == len(judge.get_buffer("references")) < 100
    assert (own >= others).all()


def test_a_judge_refuses_what_does_not_fit():
    with pytest.raises(InputError, match="columns must have 4 features together; got 3"):
        Judge(Dense(4, code=2), (1, 2))
    with pytest.raises(InputError, match="neighbours must be from 1 to 5"):
        Judge(Dense(4, code=2), references=5, neighbours=6)


def test_the_null_is_the_normal_distribution_of_usual_scores():
    draw = np.random.default_rng(0)
    scores = np.sort(np.concatenate([draw.normal(size=9500), draw.normal(6, 0.5, 500)]))
    null = Null.of(scores)
    assert len(null.scores) == 1001
    # Five in a hundred are strange: of the rows above 3, all but those of the normal distribution's end.
    end = 0.95 * norm.sf(3)
    assert abs(null.probability(np.array([3.0]))[0] - (1 - end / (0.05 + end))) < 0.1
    grid = null.probability(np.linspace(-5, 12, 500))
    assert (np.diff(grid) >= 0).all()
    assert grid[0] == 0
    assert grid[-1] > 0.999
    at = null.threshold()
    assert null.probability(np.array([at, at - 1e-3])).round(1).tolist() in ([0.5, 0.5], [0.5, 0.4], [0.6, 0.5])
    assert (scores > at).mean() > 0.05


@pytest.mark.parametrize("rows", [2, 200, 5000])
def test_no_row_is_certainly_strange(rows):
    null = Null.of(np.sort(np.random.default_rng(0).normal(size=rows)))
    far = null.probability(np.array([50.0, 1e9]))
    assert far.tolist() == pytest.approx([rows / (rows + 1)] * 2)
    assert null.probability(np.array([null.threshold()]))[0] >= 0.5


def test_the_recipe_is_short():
    detector = AutoencoderDetector(**FAST).fit(related(600))
    assert [phase["name"] for phase in detector.recipe_] == ["train"]
    schema, model, recipe = AutoencoderDetector(3, random_state=0).plan(related(600))
    assert (schema.n_features, model.widths) == (6, (6, 128, 64, 3))
    assert recipe[0].epochs * -(-420 // recipe[0].batch_size) >= 200
    assert isinstance(detector.model_, Detector)


def sensors(points: int, seed: int = 0) -> pd.DataFrame:
    """Two swinging sensors, the second of which follows the first, and a clock."""
    draw, t = np.random.default_rng(seed), np.arange(points)
    first = np.sin(t / 5) + draw.normal(0, 0.05, points)
    second = np.sin((t - 3) / 5) + draw.normal(0, 0.05, points)
    return pd.DataFrame({"when": pd.date_range("2024-01-01", periods=points, freq="min"), "a": first, "b": second})


def test_a_series_is_judged_by_windows(tmp_path):
    series, later = sensors(600), sensors(800).iloc[600:].reset_index(drop=True)
    later.loc[100:119, "b"] = later.loc[100, "b"]  # Stuck: each of its values is usual.
    detector = AutoencoderDetector(window=12, contamination=0.0, random_state=0).fit(series)
    assert not (detector.predict(series) == -1).any()
    scores, flagged = detector.anomaly_score(later), detector.predict(later) == -1
    assert len(scores) == len(later)
    assert np.ptp(scores[:12]) == 0
    assert flagged[105:120].mean() > 0.9
    assert flagged[:100].mean() < 0.05
    names = [causes[0][0] for causes in detector.explain(later, 1, rows=np.arange(106, 120))]
    assert names.count("b") >= 12
    contributions = detector.contributions(later, rows=[110])
    assert contributions.shape == (1, 3)
    assert contributions[0, 0] == 0  # The clock.
    np.testing.assert_allclose(contributions, detector.contributions(later)[110:111], atol=1e-4)
    detector.save(tmp_path / "model")
    again = load(tmp_path / "model")
    np.testing.assert_array_equal(again.anomaly_score(later), scores)
    again.report(tmp_path / "page.html", later)
    page = (tmp_path / "page.html").read_text("utf-8")
    assert "b, 2 before" in page
    rows = again.examples_["strange.row"].numpy()
    assert np.abs(np.subtract.outer(rows, rows))[~np.eye(len(rows), dtype=bool)].min() >= 12
    with pytest.raises(InputError, match="at least the 12 points of a window; found 5"):
        again.anomaly_score(later[:5])


def test_a_series_has_some_windows_to_learn_from():
    words = "at least the 69 points of 10 windows, each of 60; found 60. Give a longer series, or fit with a shorter"
    with pytest.raises(InputError, match=words):
        AutoencoderDetector(window=60).fit(sensors(60))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        detector = AutoencoderDetector(window=60, recipe=SHORT, **FAST).fit(sensors(69))
    assert len(detector.anomaly_score(sensors(60))) == 60


def test_members_are_judged_by_a_stretch_that_they_have_not_seen():
    usual = torch.arange(0, 300, 2)
    parts = divisions(300, usual, 3, window=10)
    assert torch.cat([part.judged for part in parts]).tolist() == list(range(300))
    for part in parts:
        low, high = int(part.judged[0]), int(part.judged[-1])
        assert set(part.measure.tolist()) == {row for row in usual.tolist() if low <= row <= high}
        apart = (part.core <= low - 10) | (part.core >= high + 10)
        assert apart.all()
        assert set(part.core.tolist()) <= set(usual.tolist())
    whole = divisions(300, usual, 2, window=None)
    assert [part.judged.tolist() for part in whole] == [list(range(300))] * 2
    few = divisions(20, torch.arange(20), 3, window=5)
    assert all(len(part.judged) == 20 for part in few)


def test_one_member_of_a_series_is_judged_by_a_third():
    series = sensors(300)
    detector = AutoencoderDetector(window=6, n_members=1, recipe=SHORT, random_state=0).fit(series)
    assert detector.null_.rows == 99  # Of 295 windows.
