"""Findings during training, and the page of a diagnosis."""

import json
from pathlib import Path

import pytest
import torch

from layerwise.data import Batch
from layerwise.diagnostics import CAUSES, Finding, Rounds, diagnose, named_fault
from layerwise.diagnostics import rounds as rounds_module
from layerwise.errors import InputError
from layerwise.models import Dense, Layer, Normalization, identity
from layerwise.optim import FirstOrder, Problem
from layerwise.report import ReportData
from layerwise.report.page import render
from layerwise.training import History, Objective, Phase, TensorRows, fit
from tests.cases import normal


class Clock:
    """Goes on by a second each time it is looked at."""

    def __init__(self) -> None:
        self.seconds = 0.0

    def __call__(self) -> float:
        self.seconds += 1.0
        return self.seconds


def trained(rounds: list[Rounds]) -> tuple[Dense, History]:
    layer = Layer(normalization=Normalization.BATCH, dropout=0.2)
    model, history = Dense(5, (4,), code=2, layer=layer, seed=1), History(examiners=rounds)
    phase = Phase("train", Objective(), FirstOrder(lr=0.01), epochs=40, batch_size=10)
    fit(model, TensorRows(normal(50, 5)), [phase], history=history)
    return model, history


def test_training_is_the_same_with_findings_and_without() -> None:
    rounds = Rounds(0.5, clock=Clock())
    (watched, history), (alone, _) = trained([rounds]), trained([])
    assert all(
        torch.equal(a, b) for a, b in zip(watched.state_dict().values(), alone.state_dict().values(), strict=True)
    )
    found = [row for row in history.rows if row["event"] == "findings"]
    assert found
    assert [finding["name"] for finding in found[0]["findings"]] == [name for name in CAUSES if name != "rate"]
    assert json.loads(json.dumps(found)) == found


@pytest.mark.parametrize("share", [0.05, 0.1, 0.4])
def test_findings_take_no_more_than_their_share(share: float, monkeypatch: pytest.MonkeyPatch) -> None:
    # What is counted is the clock's time, whatever is looked at.
    monkeypatch.setattr(rounds_module, "causes", lambda problem, steps: [Finding("saddle", {}, "fine", "Go on.")])
    clock = Clock()
    rounds = Rounds(share, clock=clock)
    asked = Problem(Dense(3, code=2), Objective(), Batch(torch.eye(3), None))
    taken = sum(bool(rounds.examine(asked)) for _ in range(2000))
    assert taken > 0
    assert rounds.spent <= share * (clock.seconds - 1 - rounds.spent)


def test_what_is_not_finite_does_not_end_the_training() -> None:
    model = Dense(3, code=2)
    asked = Problem(model, Objective(), Batch(torch.eye(3), None))
    rounds = Rounds(0.5, clock=Clock())
    with torch.no_grad():
        model.encoder[0].weight.fill_(torch.nan)
    found = next(found for _ in range(500) if (found := rounds.examine(asked)))
    assert [finding.name for finding in found] == ["not finite"]


@pytest.mark.parametrize("share", [0.0, 1.0, -1.0])
def test_a_share_is_a_share(share: float) -> None:
    with pytest.raises(InputError, match="between 0 and 1"):
        Rounds(share)


def test_the_first_cause_is_named() -> None:
    findings = [Finding(name, {}, "fault", "Do.") for name in reversed(CAUSES)]
    assert named_fault(findings) is findings[-1]
    assert named_fault([Finding("rate", {}, "look", "Do."), Finding("isometry", {}, "fault", "Do.")]) is None


def test_findings_are_plain_values_with_a_sentence_of_advice() -> None:
    problem = Problem(Dense(3, code=2), Objective(), Batch(torch.eye(3), None))
    findings = diagnose(problem)
    assert json.loads(json.dumps([finding.row() for finding in findings]))
    for finding in findings:
        assert finding.advice.endswith(".")
        assert ". " not in finding.advice
        assert all(isinstance(value, int | float) for value in finding.figures.values())


def test_the_page_of_a_diagnosis(run, tmp_path: Path) -> None:
    assert run("fit", "sklearn:digits", "--code", 3, "--hidden", "8", "--epochs", 1, "-o", "m", "--quiet")[0] == 0
    code, out, error = run("diagnose", "m", "sklearn:digits", "-o", "d.html", "--json")
    assert (code, error) == (0, "")
    assert [row["name"] for row in json.loads(out)][: len(CAUSES)] == list(CAUSES)
    page = (tmp_path / "d.html").read_text(encoding="utf-8")
    for anchor in ("diagnosis", "units", "signals", "curvature", "critical", "landscape", "training"):
        assert f'id="{anchor}"' in page
    assert "The path of an optimizer" in page
    assert 'id="dynamics"' not in page
    assert run("fit", "sklearn:iris", "--task", "impute", "--epochs", 1, "-o", "i", "--quiet")[0] == 0
    code, _, error = run("diagnose", "i", "sklearn:iris", "-o", "i.html")
    assert code == 2
    assert "cannot be diagnosed" in error
    assert not (tmp_path / "i.html").exists()


def test_the_page_of_a_linear_net_has_its_dynamics() -> None:
    model = Dense(3, code=2, layer=Layer(identity))
    rows = [finding.row() for finding in diagnose(Problem(model, Objective(), Batch(normal(30, 3), None)))]
    assert rows[-1]["name"] == "dynamics"
    page = render(ReportData("Linear", "rows", diagnosis=rows))
    assert 'id="dynamics"' in page
    assert "Modes of a linear net" in page
