"""What onnxruntime makes of an exported file is what the estimator makes of the same rows; or there is no file."""

import json
import signal
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import onnxruntime
import pandas as pd
import pytest
import torch
from sklearn.datasets import load_digits, load_iris
from sklearn.exceptions import NotFittedError
from sklearn.linear_model import LogisticRegression

import layerwise
from layerwise import (
    RBM,
    AutoencoderDetector,
    AutoencoderImputer,
    Colorizer,
    DeepAutoencoder,
    DeepBeliefNetwork,
    Denoiser,
    InputError,
    Layer,
    ResourceError,
    Segmenter,
    StackedClassifier,
    StackedRegressor,
    TextAutoencoder,
    Translator,
    VariationalAutoencoder,
    export_onnx,
)
from layerwise.data import Table
from layerwise.models import Residual
from layerwise.recipes import detection, imputation, restoration

Arrays = dict[str, np.ndarray]
NET = {"hidden_layer_sizes": (8,), "random_state": 0}
PICTURES = {"widths": (4, 6), "recipe": partial(restoration, epochs=1), "random_state": 0}
IRIS, SPECIES = load_iris(return_X_y=True)
DIGITS = (load_digits().images[:60] * (255 / 16)).astype(np.uint8)


def people(rows: int = 80) -> pd.DataFrame:
    """Numbers, whole numbers, dates, yes and no, categories and a constant column, with gaps."""
    draw = np.random.default_rng(0)
    frame = pd.DataFrame({"height": draw.normal(170, 9, rows).astype(np.float32), "children": draw.poisson(2, rows)})
    frame["weight"] = frame.height - 100 + draw.normal(0, 3, rows).astype(np.float32)
    frame["city"] = draw.choice(["Rome", "Oslo", "Lima"], rows)
    frame["sex"] = draw.choice(["f", "m"], rows)
    frame["born"] = pd.Timestamp("1980-01-01") + pd.to_timedelta(draw.integers(0, 9999, rows), unit="D")
    frame["species"] = "human"
    return frame.where((draw.random(frame.shape) > 0.1) | (frame.columns == "children"))


def tensors(frame: pd.DataFrame) -> Arrays:
    """The frame as a user of the file has it."""
    return {
        "numbers": frame[["height", "children", "weight"]].to_numpy(np.float32),
        "numbers64": (frame.born - pd.Timestamp("1970-01-01")).dt.total_seconds().to_numpy()[:, None],
        "categories": frame[["city", "sex", "species"]].astype(object).fillna("").to_numpy(str).astype(object),
    }


def cells(frame: pd.DataFrame, name: str) -> Arrays:
    return {f"{name}_{tensor}": found for tensor, found in tensors(frame).items()}


def autoencoder(
    kind: type[DeepAutoencoder] | type[VariationalAutoencoder] = DeepAutoencoder,
) -> tuple[object, Arrays, Arrays]:
    frame = people()
    estimator = kind(2, max_epochs=2, **NET).fit(frame)
    expected = {"code": estimator.transform(frame), "error": -estimator.score_samples(frame)}
    return estimator, tensors(frame), expected | cells(estimator.reconstruct(frame), "reconstruction")


def variational_autoencoder() -> tuple[object, Arrays, Arrays]:
    return autoencoder(VariationalAutoencoder)


def picture_autoencoder() -> tuple[object, Arrays, Arrays]:
    table = Table.from_array(DIGITS)
    network = partial(Residual, channels=(4,), code=5)
    estimator = DeepAutoencoder(hidden_layer_sizes=network, max_epochs=1, random_state=0).fit(table)
    expected = {"code": estimator.transform(table), "error": -estimator.score_samples(table)}
    back = estimator.reconstruct_table(table).to_array()
    return estimator, {"pictures": DIGITS}, expected | {"reconstruction": back}


def scores(estimator: AutoencoderDetector, rows: object) -> Arrays:
    return {
        "anomaly_score": estimator.anomaly_score(rows),
        "anomaly_probability": estimator.anomaly_probability(rows),
        "prediction": estimator.predict(rows),
    }


def detector() -> tuple[object, Arrays, Arrays]:
    frame, recipe = people(), partial(detection, epochs=2)
    estimator = AutoencoderDetector(2, n_members=2, recipe=recipe, **NET).fit(frame)
    return estimator, tensors(frame), scores(estimator, frame)


def detector_of_a_series() -> tuple[object, Arrays, Arrays]:
    series, recipe = np.cumsum(np.random.default_rng(0).normal(size=(90, 2)), 0) % 7, partial(detection, epochs=2)
    estimator = AutoencoderDetector(2, n_members=1, window=4, recipe=recipe, **NET).fit(series)
    windows = np.stack([series[i : i + 4] for i in range(len(series) - 3)]).astype(np.float32)
    expected = {name: found[3:] for name, found in scores(estimator, series.astype(np.float32)).items()}
    return estimator, {"numbers": windows}, expected


def imputer() -> tuple[object, Arrays, Arrays]:
    frame = people()
    estimator = AutoencoderImputer(recipe=partial(imputation, epochs=1), **NET).fit(frame)
    return estimator, tensors(frame), cells(estimator.transform(frame), "completed")


def classifier() -> tuple[object, Arrays, Arrays]:
    names = np.array(["setosa", "versicolor", "virginica"])[SPECIES]
    estimator = StackedClassifier((8,), max_epochs=2, random_state=0).fit(IRIS, names)
    rows = IRIS.astype(np.float32)
    expected = {"probabilities": estimator.predict_proba(rows), "prediction": estimator.predict(rows).astype(object)}
    return estimator, {"numbers": rows}, expected | {"code": estimator.transform(rows)}


def regressor() -> tuple[object, Arrays, Arrays]:
    estimator = StackedRegressor((8,), max_epochs=2, random_state=0).fit(IRIS[:, :2], IRIS[:, 2:])
    rows = IRIS[:, :2].astype(np.float32)
    return estimator, {"numbers": rows}, {"prediction": estimator.predict(rows), "code": estimator.transform(rows)}


def machine() -> tuple[object, Arrays, Arrays]:
    rows = DIGITS.reshape(len(DIGITS), -1).astype(np.float32) / 255
    estimator = RBM(5, n_iter=2, random_state=0).fit(rows)
    return estimator, {"numbers": rows}, {"code": estimator.transform(rows)}


def belief_network() -> tuple[object, Arrays, Arrays]:
    estimator, rows = DeepBeliefNetwork((5, 3), n_iter=2, random_state=0).fit(IRIS), IRIS.astype(np.float32)
    return estimator, {"numbers": rows}, {"code": estimator.transform(rows)}


def denoiser() -> tuple[object, Arrays, Arrays]:
    estimator, given = Denoiser(**PICTURES).fit(DIGITS), DIGITS[:, :, :7, None].astype(np.float32) / 255
    return estimator, {"pictures": given}, {"denoised": estimator.transform(given)}


def colorizer() -> tuple[object, Arrays, Arrays]:
    estimator = Colorizer(**PICTURES).fit(np.stack([DIGITS, 255 - DIGITS, DIGITS], 3))
    given = DIGITS[..., None].astype(np.float32) / 255
    return estimator, {"pictures": given}, {"colorized": estimator.transform(given)}


def segmenter() -> tuple[object, Arrays, Arrays]:
    estimator, given = Segmenter(**PICTURES).fit(DIGITS, DIGITS // 86), DIGITS[..., None].astype(np.float32) / 255
    expected = {"probabilities": estimator.predict_proba(given), "prediction": estimator.predict(given)}
    return estimator, {"pictures": given}, expected


ESTIMATORS = [
    *(
        autoencoder,
        variational_autoencoder,
        picture_autoencoder,
        detector,
        detector_of_a_series,
        imputer,
        classifier,
        regressor,
    ),
    *(machine, belief_network, denoiser, colorizer, segmenter),
]


@pytest.mark.parametrize("make", ESTIMATORS)
def test_the_file_does_what_the_estimator_does(
    make: Callable[[], tuple[object, Arrays, Arrays]], tmp_path: Path
) -> None:
    estimator, feeds, expected = make()
    path = tmp_path / "new" / "model.onnx"
    export_onnx(estimator, path)
    assert [entry.name for entry in path.parent.iterdir()] == ["model.onnx"]
    assert b"site-packages" not in path.read_bytes()
    session = onnxruntime.InferenceSession(path)
    names = [output.name for output in session.get_outputs()]
    assert sorted(names) == sorted(expected)
    for part in (slice(0, 1), slice(1, None)):
        found = session.run(names, {name: rows[part] for name, rows in feeds.items()})
        for name, one in zip(names, found, strict=True):
            wanted = expected[name][part]
            assert one.shape == wanted.shape
            if wanted.dtype.kind in "fu" and one.dtype.kind != "i":
                # Whole numbers may be rounded to either side; the others have the digits of float32.
                least = 1.0 if one.dtype == np.uint8 else 1e-5 * max(1.0, float(np.nanstd(wanted)))
                np.testing.assert_allclose(one.astype(float), wanted.astype(float), rtol=1e-5, atol=least)
            else:
                assert np.array_equal(one, wanted)
    about = session.get_modelmeta()
    assert about.producer_name == "layerwise"
    told = about.custom_metadata_map
    assert (told["layerwise"], told["estimator"]) == (layerwise.__version__, type(estimator).__name__)
    inputs = [given.name for given in session.get_inputs()]
    columns = json.loads(told.get("columns", "{}"))
    assert list(columns or feeds) == inputs == list(feeds)
    if "categories" in columns:
        assert columns["numbers64"][0]["unit"] == "seconds since 1970-01-01"
        assert columns["categories"][0]["levels"] == ["Lima", "Oslo", "Rome"]
        # A text that training had not is another category; where it is known it stays.
        feeds["categories"][0, 0] = "Quito"
        again = dict(zip(names, session.run(names, feeds), strict=True))
        assert again.get("completed_categories", feeds["categories"])[0, 0] == "Quito"


def test_an_exported_imputer_keeps_within_what_has_been_seen(tmp_path):
    draw = np.random.default_rng(0)
    x = np.maximum(draw.normal(size=(200, 3)) @ draw.normal(size=(3, 3)), -0.125).astype(np.float32)
    holes = np.where(draw.random(x.shape) < 0.3, np.nan, x).astype(np.float32)
    estimator = AutoencoderImputer(recipe=partial(imputation, epochs=1), **NET).fit(holes)
    export_onnx(estimator, tmp_path / "model.onnx")
    (found,) = onnxruntime.InferenceSession(tmp_path / "model.onnx").run(None, {"numbers": holes})
    assert found.min() == -0.125
    assert found[np.isnan(holes)].min() == -0.125


def fitted(activation: Callable[[torch.Tensor], torch.Tensor]) -> DeepAutoencoder:
    return DeepAutoencoder(2, max_epochs=1, layer=Layer(activation=activation), linear_path=False, **NET).fit(IRIS)


def beside_the_others(x: torch.Tensor) -> torch.Tensor:
    """What no layer should do: a row's output depends on the rows beside it."""
    return x - x.mean(0)


def test_a_graph_that_differs_is_not_written(tmp_path):
    with pytest.raises(InputError, match=r"DeepAutoencoder cannot be exported: \w+ of the graph must be what the est"):
        export_onnx(fitted(beside_the_others), tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


def test_what_onnx_does_not_know_is_refused_with_the_reason(tmp_path):
    with pytest.raises(InputError, match=r"DeepAutoencoder cannot be exported: No ONNX function found .*i0e"):
        export_onnx(fitted(torch.special.i0e), tmp_path / "model.onnx")
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a file size limit as Linux has it")
def test_a_full_disk_leaves_what_was_there(tmp_path):
    import resource

    path = tmp_path / "model.onnx"
    path.write_text("before")
    estimator = RBM(64, n_iter=0, random_state=0).fit(DIGITS.reshape(len(DIGITS), -1) / 255)
    before, handler = resource.getrlimit(resource.RLIMIT_FSIZE), signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (20_000, before[1]))
    try:
        with pytest.raises(ResourceError, match=f"cannot write {path}: .*Choose another place"):
            export_onnx(estimator, path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
        signal.signal(signal.SIGXFSZ, handler)
    assert [entry.name for entry in tmp_path.iterdir()] == ["model.onnx"]
    assert path.read_text() == "before"


def test_what_cannot_be_exported_is_refused_at_once(tmp_path, monkeypatch):
    net = StackedClassifier((4,), max_epochs=1, random_state=0)
    for estimator, path, told in [
        (net, "model.pb", "model.pb: the name must end in .onnx"),
        (
            LogisticRegression(max_iter=500).fit(IRIS, SPECIES),
            "m.onnx",
            "only estimators of layerwise can",
        ),
        (Translator(), "m.onnx", "Translator cannot be exported: a search writes word after word"),
        (TextAutoencoder(4), "m.onnx", "TextAutoencoder cannot be exported"),
        (StackedClassifier((4,), head=LogisticRegression(max_iter=500)).fit(IRIS, SPECIES), "m.onnx", "has no place"),
    ]:
        with pytest.raises(InputError, match=told):
            export_onnx(estimator, tmp_path / path)
    with pytest.raises(NotFittedError):
        export_onnx(net, tmp_path / "m.onnx")
    (tmp_path / "file").write_text("")
    with pytest.raises(ResourceError, match=r"cannot write .*file/m\.onnx"):
        export_onnx(net, tmp_path / "file" / "m.onnx")
    monkeypatch.setitem(sys.modules, "onnxruntime", None)
    with pytest.raises(InputError, match=r'needs the package onnxruntime, .* Run: pip install "layerwise\[export\]"'):
        export_onnx(net, tmp_path / "m.onnx")
    assert [entry.name for entry in tmp_path.iterdir()] == ["file"]
