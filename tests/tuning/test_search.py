"""Searches: studies in a real database, interrupted, shared and refused."""

import json
import os
import signal
import sqlite3
import subprocess
import sys

import numpy as np
import optuna
import pytest

from layerwise.data import Table
from layerwise.errors import InputError, ResourceError
from layerwise.recipes import read_recipe
from layerwise.tuning import Budget, Wanted, search
from layerwise.tuning.trial import validation_error
from tests.architecture import ROOT

WANTED = Wanted(2, (6,), epochs=2, rates=(1e-3, 1e-2))


def values(rows: int = 30) -> np.ndarray:
    random = np.random.default_rng(0)
    hidden = random.normal(size=(rows, 2))
    return np.c_[hidden, hidden**2, hidden.sum(1)] + 0.1 * random.normal(size=(rows, 5))


@pytest.fixture
def table() -> Table:
    return Table.from_array(values())


def budget(folder, trials: int, **changes: object) -> Budget:
    return Budget(trials, storage=f"sqlite:///{folder}/study.db", **changes)


def loaded(folder) -> optuna.Study:
    return optuna.load_study(study_name="layerwise", storage=f"sqlite:///{folder}/study.db")


def test_the_first_trial_is_the_default_and_the_same_seed_finds_the_same(table):
    told: list[str] = []
    found = search(table, WANTED, budget=Budget(3), tell=told.append)
    again = search(table, WANTED, budget=Budget(3))
    assert found == again
    assert len(told) == found.figures["trials"] == 3
    assert found.figures["validation"]["found"] <= found.figures["validation"]["default"]
    assert set(found.figures["held_out"]) == {"rows", "found", "default", "pca"}


def test_the_trial_of_the_default_is_the_default(table):
    found = search(table, WANTED, budget=Budget(1))
    usual = validation_error(WANTED.recipe(), table, wanted=WANTED, report=lambda step, value: False)
    assert found.figures["validation"]["default"] == pytest.approx(usual, rel=1e-6)
    assert found.recipe.arguments == {"epochs": 2}


def test_a_study_goes_on_and_is_over_when_it_has_its_trials(table, tmp_path):
    search(table, WANTED, budget=budget(tmp_path, 2))
    before = [trial.params for trial in loaded(tmp_path).trials]
    search(table, WANTED, budget=budget(tmp_path, 4))
    after = [trial.params for trial in loaded(tmp_path).trials]
    assert after[:2] == before
    assert len(after) == 4
    assert len({json.dumps(params) for params in after}) == 4
    told: list[str] = []
    search(table, WANTED, budget=budget(tmp_path, 3), tell=told.append)
    assert told == []


SHARED = """
import sys
import numpy as np
from layerwise.data import Table
from layerwise.tuning import Budget, Wanted, search
from layerwise.tuning.trial import validation_error
wanted = Wanted(2, (6,), epochs=int(sys.argv[3]), rates=(1e-3, 1e-2))
search(Table.from_array(np.load(sys.argv[1])), wanted, budget=Budget(int(sys.argv[4]), storage=sys.argv[2]),
       tell=lambda line: print(line, flush=True))
"""


def process(folder, epochs: int, trials: int) -> subprocess.Popen[str]:
    np.save(folder / "x.npy", values())
    words = [folder / "x.npy", f"sqlite:///{folder}/study.db", epochs, trials]
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src"), "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(
        [sys.executable, "-c", SHARED, *map(str, words)], stdout=subprocess.PIPE, text=True, env=environment
    )


def test_a_killed_search_goes_on_from_its_finished_trials(table, tmp_path):
    started = process(tmp_path, epochs=2, trials=1000)
    assert started.stdout is not None
    for _ in range(2):
        assert started.stdout.readline()
    started.kill()
    assert started.wait() == -signal.SIGKILL
    started.stdout.close()
    done = [trial for trial in loaded(tmp_path).trials if trial.state.is_finished()]
    assert len(done) >= 2
    found = search(table, WANTED, budget=budget(tmp_path, len(done) + 1))
    trials = loaded(tmp_path).trials
    assert [trials[one.number].params for one in done] == [one.params for one in done]
    assert found.figures["trials"] == len(done) + 1


def test_processes_share_a_study(table, tmp_path):
    search(table, WANTED, budget=budget(tmp_path, 1))
    both = [process(tmp_path, epochs=2, trials=6) for _ in range(2)]
    lines = [one.communicate()[0].splitlines() for one in both]
    assert [one.returncode for one in both] == [0, 0]
    trials = loaded(tmp_path).trials
    assert 6 <= len(trials) <= 7
    assert sum(map(len, lines)) == len(trials) - 1
    assert len({json.dumps(trial.params) for trial in trials}) == len(trials)


def test_what_is_remarked_about_columns_is_remarked_once(caplog):
    search(Table.from_array(np.c_[values(), np.ones(30)]), WANTED, budget=Budget(2))
    assert sum("kept out of the network" in record.getMessage() for record in caplog.records) == 1


def test_trials_without_prospects_are_abandoned(tmp_path):
    """A rate that is much too small is seen to be so before all folds are through."""
    found = search(
        Table.from_array(values()), Wanted(2, (6,), epochs=3, rates=(1e-7, 1e-6)), budget=budget(tmp_path, 14)
    )
    states = [trial.state.name for trial in loaded(tmp_path).trials]
    assert states[0] == "COMPLETE"
    assert found.figures["pruned"] == states.count("PRUNED") > 0


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"code": 3}, "--code was 2 and is 3"),
        ({"hidden": None}, "--hidden was 6 and is auto"),
        ({"seed": 1}, "--seed was 0 and is 1"),
        ({"epochs": 1}, "--epochs was 2 and is 1"),
    ],
)
def test_a_study_of_another_model_is_refused(studied, table, changes, told):
    with pytest.raises(InputError, match=told):
        search(table, Wanted(**{**vars(WANTED), **changes}), budget=budget(studied, 2))


def test_a_study_of_other_data_is_refused(studied):
    with pytest.raises(InputError, match=r"data was 30 rows of 5 columns .* and is 29 rows of 5 columns"):
        search(Table.from_array(values(29)), WANTED, budget=budget(studied, 2))
    with pytest.raises(InputError, match="data was"):
        search(Table.from_array(values() ** 3), WANTED, budget=budget(studied, 2))


def test_a_study_of_others_is_refused(table, tmp_path):
    study = optuna.create_study(study_name="layerwise", storage=f"sqlite:///{tmp_path}/study.db")
    study.optimize(lambda trial: trial.suggest_float("x", 0, 1), n_trials=1)
    with pytest.raises(InputError, match="not made by layerwise search"):
        search(table, WANTED, budget=budget(tmp_path, 2))


@pytest.fixture(scope="module")
def studied(tmp_path_factory):
    """A folder with a study of one trial."""
    folder = tmp_path_factory.mktemp("studied")
    search(Table.from_array(values()), WANTED, budget=budget(folder, 1))
    return folder


@pytest.mark.parametrize(
    ("url", "error"),
    [
        ("study.db", InputError),
        ("colour://x", InputError),
        ("sqlite:///no/such/folder/study.db", ResourceError),
    ],
)
def test_a_storage_that_cannot_be_opened_is_told_in_one_line(table, url, error):
    with pytest.raises(error, match="--storage") as caught:
        search(table, WANTED, budget=Budget(1, storage=url))
    assert len(str(caught.value).splitlines()) == 1


def test_a_password_is_not_shown(table):
    with pytest.raises((InputError, ResourceError)) as caught:
        search(table, WANTED, budget=Budget(1, storage="postgresql://ada:secret@localhost:1/x"))
    assert "secret" not in str(caught.value)


def test_a_driver_that_is_missing_is_told(table, monkeypatch):
    monkeypatch.setitem(sys.modules, "psycopg", None)
    words = r"got one of 'postgresql': .*psycopg.* pip install .layerwise\[postgresql\]"
    with pytest.raises(InputError, match=words) as caught:
        search(table, WANTED, budget=Budget(1, storage="postgresql://ada@localhost/x"))
    assert len(str(caught.value).splitlines()) == 1


def test_a_database_that_fails_on_the_way_is_told_in_one_line(table, tmp_path):
    def tell(_: str) -> None:
        (tmp_path / "study.db").write_bytes(b"no database" * 1000)

    with pytest.raises(ResourceError, match=r"failed during the search \(sqlite\): .* run the same command") as caught:
        search(table, WANTED, budget=budget(tmp_path, 3), tell=tell)
    assert len(str(caught.value).splitlines()) == 1


def test_a_file_that_is_no_database_is_left_alone(table, tmp_path):
    (tmp_path / "study.db").write_bytes(b"no database" * 100)
    with pytest.raises(ResourceError, match="not a database"):
        search(table, WANTED, budget=budget(tmp_path, 1))
    assert (tmp_path / "study.db").read_bytes() == b"no database" * 100


@pytest.mark.parametrize(("sampler", "pruner"), [("random", "halving"), ("random", "hyperband"), ("tpe", "none")])
def test_trials_are_drawn_and_abandoned_as_is_asked(table, tmp_path, sampler, pruner):
    found = search(table, WANTED, budget=budget(tmp_path, 4, sampler=sampler, pruner=pruner))
    again = search(table, WANTED, budget=Budget(4, sampler=sampler, pruner=pruner))
    assert found == again
    drawn = [trial.params["dropout"] for trial in loaded(tmp_path).trials[1:]]
    assert len(set(drawn)) == 3
    if pruner == "none":
        assert found.figures["pruned"] == 0


@pytest.mark.parametrize(
    "changes",
    [
        {"trials": 0},
        {"timeout": 0.0},
        {"timeout": float("nan")},
        {"sampler": "grid"},
        {"pruner": "shears"},
    ],
)
def test_a_budget_that_is_none_is_refused(changes):
    with pytest.raises(InputError, match="must be"):
        Budget(**changes)


def test_too_few_rows_are_refused(tmp_path):
    with pytest.raises(InputError, match="at least 10 rows"):
        search(Table.from_array(values(9)), WANTED, budget=budget(tmp_path, 1))
    assert not (tmp_path / "study.db").exists()


def test_the_command_writes_a_recipe_that_fit_takes(run, tmp_path):
    np.save("x.npy", values())
    search(Table.from_array(values()), WANTED, budget=budget(tmp_path, 1))
    words = ["x.npy", "--code", 2, "--hidden", 6, "--epochs", 2, "--storage", f"sqlite:///{tmp_path}/study.db"]
    code, out, error = run("search", *words, "--trials", 2, "-o", "r.json")
    assert code == 0, error
    assert "2 of 2 trials" in error
    assert "on 3 held-out rows that no trial has seen: PCA-2" in out
    recipe = read_recipe("r.json")
    assert (recipe.code, recipe.hidden) == (2, (6,))
    code, out, error = run("fit", "x.npy", "--recipe-file", "r.json", "-o", "m", "--quiet")
    assert code == 0, error
    told = json.loads((tmp_path / "m" / "metrics.json").read_text("utf-8"))
    assert told["squared_error"] == pytest.approx(recipe.found["held_out"]["found"], rel=1e-5)
    code, _, error = run("fit", "x.npy", "--recipe-file", "r.json", "--code", 3, "-o", "m")
    assert (code, error.count("\n")) == (2, 1)
    assert "--code" in error
    code, _, error = run("fit", "x.npy", "--recipe-file", "r.json", "--task", "detect", "-o", "m")
    assert (code, error.count("\n")) == (2, 1)
    code, _, error = run("search", *words, "--trials", 2, "-o", tmp_path / "m")
    assert code == 2
    code, _, error = run("search", *words[:2], 3, *words[3:], "--trials", 2, "-o", "other.json")
    assert (code, error.count("\n")) == (2, 1)
    assert "--code was 2 and is 3" in error
    assert not (tmp_path / "other.json").exists()
    with sqlite3.connect(tmp_path / "study.db") as database:
        assert database.execute("select count(*) from trials").fetchone() == (2,)
