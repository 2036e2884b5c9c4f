"""A search for the arguments of the default recipe: first the rate by a range test, then the others by trials."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, final

from layerwise.data import Table
from layerwise.data.repairs import told_once
from layerwise.errors import TrainingDiverged
from layerwise.estimators.split import LEAST_ROWS
from layerwise.recipes import RecipeFile
from layerwise.training.checkpoint import fingerprint
from layerwise.tuning.study import Budget, check_identity, ended, kept_in, open_study, sampler
from layerwise.tuning.trial import Abandoned, Wanted, validation_error

if TYPE_CHECKING:
    from optuna import Study, Trial
    from optuna.trial import FrozenTrial

__all__ = ["Found", "search"]

USUAL, RATE, RECIPE = "default", "rate", "recipe"
# As far as the rate of a range test may be from the best one.
AROUND = 3.0
# What is searched, with its limits; momentum is 1 less the "lag".
WEIGHT_DECAY, LAG, DROPOUT, NOISE = (1e-4, 1.0), (1e-3, 0.1), (0.0, 0.5), (0.0, 0.4)
USUAL_LAG = 0.1
DIGITS = 3

Tell = Callable[[str], None]


@final
@dataclass(frozen=True)
class Found:
    """What a search came to.

    Attributes:
        recipe: the best one, which may be the default; `found` in it has the figures below.
        figures: the validation errors ("validation") of the best trial and of the default, the errors on held-out rows
            that no trial has seen ("held_out") of both and of PCA, what the range test chose ("rate"), and how many
            trials ended ("trials") and how many of them early ("pruned").
    """

    recipe: RecipeFile
    figures: dict[str, Any]


@told_once()
def search(table: Table, wanted: Wanted, *, budget: Budget | None = None, tell: Tell | None = None) -> Found:
    """Search for the arguments of the default recipe.

    A trial is judged by the validation error: by cross-validation on fewer than 1000 rows, else on a tenth of them. The
    first one is the default recipe itself, so that what is found is never worse there. A study in a database goes on
    from the trials that ended, and may be shared by several processes.

    Arguments:
        table: all rows; those that `fit` would hold out are kept from all trials.
        wanted: the size of the code and what else all trials share.
        budget: trials, time and storage.
        tell: gets a line for each trial that ended.

    Raises:
        InputError: for fewer than ten rows, a storage that cannot be used, or a study that is another search.
        ResourceError: when the storage cannot be opened, or fails later.
    """
    budget = budget or Budget()
    if len(table) < LEAST_ROWS:
        raise table.origin.error(f"a search needs at least {LEAST_ROWS} rows, some of which judge; found {len(table)}.")
    study = open_study(budget, wanted.seed)
    check_identity(study, _identity(table, wanted), budget)
    with kept_in(budget.storage):
        rate = _rate(study, table, wanted)
        _try_all(study, table, wanted, budget=budget, rate=rate, tell=tell)
        return _found(study, table, wanted, rate)


def _try_all(study: "Study", table: Table, wanted: Wanted, *, budget: Budget, rate: float, tell: Tell | None) -> None:
    """Trials until the study has enough of them or the time is over, the default recipe among them."""
    usual = wanted.usual(table)
    trying = _Trying(table, wanted, budget.sampler, (min(rate / AROUND, usual["lr"]), max(rate * AROUND, usual["lr"])))

    def after(study: "Study", trial: "FrozenTrial") -> None:
        done = ended(study)
        if tell is not None:
            tell(_line(study, trial, len(done), budget.trials))
        if len(done) >= budget.trials:
            study.stop()

    def enqueue() -> None:
        study.enqueue_trial({**usual, "lag": USUAL_LAG}, user_attrs={USUAL: True})

    if not any(trial.user_attrs.get(USUAL) and trial.state.name != "FAIL" for trial in study.trials):
        enqueue()
    if len(ended(study)) < budget.trials:
        study.optimize(trying, timeout=budget.timeout, callbacks=[after])
    while _usual_value(study) is None:
        # The process that had it was killed, or the time was over.
        enqueue()
        study.optimize(trying, n_trials=1, callbacks=[after])


@final
@dataclass(frozen=True)
class _Trying:
    """A trial, as Optuna asks for it."""

    table: Table
    wanted: Wanted
    sampler: str
    rates: tuple[float, float]

    def __call__(self, trial: "Trial") -> float:
        from optuna import TrialPruned

        trial.study.sampler = sampler(self.sampler, self.wanted.seed, trial.number)
        recipe, is_usual = self.recipe(trial), bool(trial.user_attrs.get(USUAL))
        trial.set_user_attr(RECIPE, {"arguments": dict(recipe.arguments), "dropout": recipe.dropout})

        def report(step: int, value: float) -> bool:
            trial.report(value, step)
            # What all are compared with must have its value.
            return trial.should_prune() and not is_usual

        try:
            return validation_error(recipe, self.table, wanted=self.wanted, report=report)
        except Abandoned as error:
            raise TrialPruned from error
        except TrainingDiverged as error:
            if is_usual:
                raise
            raise TrialPruned from error

    def recipe(self, trial: "Trial") -> RecipeFile:
        low, high = self.rates
        lag = trial.suggest_float("lag", *LAG, log=True)
        numbers = {
            "lr": trial.suggest_float("lr", low, high, log=True),
            "weight_decay": trial.suggest_float("weight_decay", *WEIGHT_DECAY, log=True),
            "momentum": 1.0 - _short(lag),
            "noise": trial.suggest_float("noise", *NOISE),
        }
        arguments = {name: round(value, 6) if name == "momentum" else _short(value) for name, value in numbers.items()}
        return self.wanted.recipe(arguments, dropout=_short(trial.suggest_float("dropout", *DROPOUT)))


def _short(value: float) -> float:
    """A number that people can read: no digit more matters."""
    return float(f"{value:.{DIGITS}g}")


def _identity(table: Table, wanted: Wanted) -> dict[str, Any]:
    """What must be the same for trials to be comparable, under the names of the command line."""
    schema, _, _ = wanted.estimator(wanted.recipe()).plan(table)
    rows = fingerprint(schema.encode(table, told=set()))
    return {
        "data": f"{rows['rows']} rows of {len(table.names)} columns ({rows['sample'][:8]})",
        "--code": wanted.code,
        "--hidden": "auto" if wanted.hidden is None else ",".join(map(str, wanted.hidden)),
        "--epochs": wanted.epochs,
        "--seed": wanted.seed,
    }


def _rate(study: "Study", table: Table, wanted: Wanted) -> float:
    """The rate by a range test, which is made once for a study."""
    if RATE not in study.user_attrs:
        study.set_user_attr(RATE, wanted.estimator(wanted.recipe()).range_test(table, rates=wanted.rates).rate)
    return float(study.user_attrs[RATE])


def _usual_value(study: "Study") -> float | None:
    values = [trial.value for trial in study.trials if trial.user_attrs.get(USUAL) and _is_complete(trial)]
    return values[0] if values else None


def _is_complete(trial: "FrozenTrial") -> bool:
    """Whether it came to its end; what an abandoned one has for a value is of its beginning."""
    return trial.state.name == "COMPLETE"


def _line(study: "Study", trial: "FrozenTrial", done: int, trials: int) -> str:
    told = f"validation error {trial.value:.4g}" if _is_complete(trial) else "abandoned"
    best = [one.value for one in ended(study) if _is_complete(one) and one.value is not None]
    return f"{done} of {trials} trials: {told}" + (f", best {min(best):.4g}" if best else "")


def _found(study: "Study", table: Table, wanted: Wanted, rate: float) -> Found:
    best, done, usual = study.best_trial, ended(study), wanted.recipe()
    won = not best.user_attrs.get(USUAL)
    recipe = wanted.recipe(**best.user_attrs[RECIPE]) if won else usual
    held_out = wanted.figures(usual, table)
    ours = wanted.figures(recipe, table) if won else held_out
    figures = {
        "validation": {"found": best.value, "default": _usual_value(study)},
        "held_out": {
            "rows": held_out["rows"],
            "found": ours["squared_error"],
            "default": held_out["squared_error"],
            "pca": held_out["pca_squared_error"],
        },
        "rate": rate,
        "trials": len(done),
        "pruned": sum(not _is_complete(trial) for trial in done),
    }
    return Found(replace(recipe, found=figures), figures)
