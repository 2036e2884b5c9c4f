"""What a diagnosis finds of nets that predict: at rows with a target, of the loss that their fine-tuning goes down."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from sklearn.datasets import load_diabetes, load_iris
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import log_loss

from layerwise import InputError, Layer, StackedClassifier, StackedRegressor
from layerwise.diagnostics import CAUSES, Finding, named_fault
from layerwise.models import Gaussian, tanh
from layerwise.optim import FirstOrder
from layerwise.recipes import Setting
from layerwise.training import Phase, Recipe

X, Y = load_iris(return_X_y=True)
HALF = np.where(np.arange(150) % 2, -1, Y)


def quick(setting: Setting) -> Recipe:
    return [Phase("whole", setting.goal, FirstOrder(torch.optim.SGD, lr=0.1), epochs=2)]


def still(setting: Setting) -> Recipe:
    return [Phase("whole", setting.goal, FirstOrder(torch.optim.SGD, lr=1e-9), epochs=2)]


def unsupervised(setting: Setting) -> Recipe:
    return [Phase("rows", setting.objective, FirstOrder(torch.optim.SGD, lr=0.01), epochs=1)]


def classifier(**arguments: Any) -> StackedClassifier:
    return StackedClassifier((8, 6), **{"recipe": quick, "random_state": 0, **arguments})


def loss(findings: list[Finding]) -> float:
    (saddle,) = (finding for finding in findings if finding.name == "saddle")
    return saddle.figures["loss"]


def test_the_loss_is_that_of_the_target() -> None:
    fitted = classifier().fit(X, Y)
    findings = fitted.diagnose(X, Y)
    assert [finding.name for finding in findings][: len(CAUSES)] == list(CAUSES)
    assert loss(findings) == pytest.approx(log_loss(Y, fitted.predict_proba(X)), rel=1e-5)
    assert named_fault(findings) is None


def test_the_loss_of_numbers_is_their_squared_error() -> None:
    x, y = load_diabetes(return_X_y=True)
    x, y = x[:200], y[:200]
    fitted = StackedRegressor((8,), recipe=quick, random_state=0).fit(x, y)
    relative = float(np.mean((fitted.predict(x) - y) ** 2) / np.var(y))
    assert loss(fitted.diagnose(x, y)) == pytest.approx(relative, rel=0.01)


def test_rows_without_a_target_are_left_out() -> None:
    fitted = classifier().fit(X, HALF)
    expected = log_loss(Y[::2], fitted.predict_proba(X[::2]))
    assert loss(fitted.diagnose(X, HALF)) == pytest.approx(expected, rel=1e-5)
    with pytest.raises(InputError, match="rows need targets"):
        fitted.diagnose(X, np.full(150, -1))


def test_a_planted_fault_is_named() -> None:
    tiny = Layer(tanh, initializer=Gaussian(1e-4))
    fault = named_fault(classifier(layer=tiny, recipe=still).fit(X, Y).diagnose(X, Y))
    assert fault is not None
    assert fault.name == "tiny weights"


def test_a_head_that_is_no_net_is_refused() -> None:
    fitted = classifier(head=LogisticRegression(), recipe=unsupervised).fit(X, Y)
    with pytest.raises(InputError, match="its head is LogisticRegression"):
        fitted.diagnose(X, Y)


def test_the_page(run, tmp_path: Path) -> None:
    words = ("--task", "classify", "--target", "species", "--hidden", "6", "--epochs", 1, "--quiet")
    names = np.array(["setosa", "versicolor", "virginica", ""])
    lines = [f"{','.join(map(str, row))},{names[kind]}" for row, kind in zip(X, HALF, strict=True)]
    (tmp_path / "t.csv").write_text("\n".join(["a,b,c,d,species", *lines]), encoding="utf-8")
    assert run("fit", "t.csv", *words, "-o", "m")[0] == 0
    code, out, error = run("diagnose", "m", "t.csv", "-o", "d.html", "--json")
    assert (code, error) == (0, "")
    assert [row["name"] for row in json.loads(out)][: len(CAUSES)] == list(CAUSES)
    assert 'id="curvature"' in (tmp_path / "d.html").read_text(encoding="utf-8")
    (tmp_path / "u.csv").write_text("a,b,c,d\n1,2,3,4\n1,2,3,5\n", encoding="utf-8")
    code, _, error = run("diagnose", "m", "u.csv", "-o", "u.html")
    assert code == 2
    assert "column 'species' is needed" in error
    assert not (tmp_path / "u.html").exists()
