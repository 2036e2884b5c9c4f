"""The study of a search: where its trials are kept, whose they are, and what draws the next one."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

from layerwise.errors import InputError, ResourceError
from layerwise.randomness import key

if TYPE_CHECKING:
    from optuna import Study
    from optuna.pruners import BasePruner
    from optuna.samplers import BaseSampler
    from optuna.trial import FrozenTrial

__all__ = ["PRUNERS", "SAMPLERS", "Budget", "check_identity", "ended", "kept_in", "open_study", "sampler"]

SAMPLERS = ("tpe", "random")
PRUNERS = ("median", "halving", "hyperband", "none")

IDENTITY = "identity"
# How long a process waits for another one that writes to the same file.
LOCK_SECONDS = 60
# Trials before the sampler goes by their results and the pruner by their course.
FIRST_TRIALS = 5


@final
@dataclass(frozen=True)
class Budget:
    """How long a search goes on, where its trials are kept, and what draws and abandons them.

    Arguments:
        trials: ended ones in the study, those of earlier and of other processes included.
        timeout: seconds after which no trial begins; None for no limit.
        storage: URL of a database, like sqlite:///study.db; None keeps them in memory.
        study: the name of the study there.
        sampler: of Optuna: "tpe" (tree-structured Parzen estimator, Bergstra et al. 2011) or "random".
        pruner: of Optuna: "median", "halving" (successive halving, Li et al. 2020), "hyperband" (Li et al. 2018), or
            "none", which lets every trial come to its end.

    Raises:
        InputError: for fewer than one trial, a time that is not positive, or an unknown sampler or pruner.
    """

    trials: int = 20
    timeout: float | None = None
    storage: str | None = None
    study: str = "layerwise"
    sampler: str = "tpe"
    pruner: str = "median"

    def __post_init__(self) -> None:
        if self.trials < 1:
            raise InputError(f"trials must be at least 1; got {self.trials}.")
        if self.timeout is not None and not self.timeout > 0:
            raise InputError(f"timeout must be a positive time; got {self.timeout}.")
        for name, given, known in (("sampler", self.sampler, SAMPLERS), ("pruner", self.pruner, PRUNERS)):
            if given not in known:
                raise InputError(f"{name} must be one of {', '.join(known)}; got {given!r}.")


def open_study(budget: Budget, seed: int) -> "Study":
    """The study of that name, or a new one.

    Raises:
        InputError: when Optuna is not installed, or the URL is none that can be used.
        ResourceError: when the database cannot be opened.
    """
    try:
        import optuna
    except ImportError as error:
        raise InputError(
            'a search needs the package optuna, which is not installed. Run: pip install "layerwise[search]"'
        ) from error
    # It writes a line for each trial, and a traceback for one that was interrupted; what is to be told, we tell.
    optuna.logging.set_verbosity(optuna.logging.CRITICAL)
    with _told(budget.storage or ""):
        return optuna.create_study(
            storage=None if budget.storage is None else _storage(budget.storage),
            sampler=sampler(budget.sampler, seed, 0),
            pruner=_pruner(budget.pruner),
            study_name=budget.study,
            direction="minimize",
            load_if_exists=True,
        )


def sampler(name: str, seed: int, number: int) -> "BaseSampler":
    """What draws a trial of that number.

    Its randomness is keyed by the number: a search that goes on does not draw again what it drew before, nor do
    processes that share a study draw the same.
    """
    from optuna import samplers

    keyed = key(seed, number) % 2**32
    if name == "random":
        return samplers.RandomSampler(seed=keyed)
    return samplers.TPESampler(seed=keyed, n_startup_trials=FIRST_TRIALS)


def _pruner(name: str) -> "BasePruner":
    from optuna import pruners

    if name == "halving":
        return pruners.SuccessiveHalvingPruner()
    if name == "hyperband":
        return pruners.HyperbandPruner()
    if name == "none":
        return pruners.NopPruner()
    return pruners.MedianPruner(n_startup_trials=FIRST_TRIALS)


def ended(study: "Study") -> "list[FrozenTrial]":
    """The trials that came to an end, whether complete or pruned; not those whose process was killed."""
    from optuna.trial import TrialState

    return study.get_trials(deepcopy=False, states=(TrialState.COMPLETE, TrialState.PRUNED))


def check_identity(study: "Study", identity: Mapping[str, Any], budget: Budget) -> None:
    """Make a new study one of these rows and this model, and refuse one that is of others.

    Raises:
        InputError: names what differs.
    """
    with _told(budget.storage or ""):
        found = study.user_attrs.get(IDENTITY)
        if found is None and not study.trials:
            study.set_user_attr(IDENTITY, dict(identity))
            return
    where = f"study {budget.study!r}"
    if found is None:
        raise InputError(f"{where} was not made by layerwise search. Choose another --study, or another --storage.")
    differing = [
        f"{name} was {found.get(name)} and is {value}" for name, value in identity.items() if found.get(name) != value
    ]
    if differing:
        raise InputError(
            f"{where} is another search: {'; '.join(differing)}. Choose another --study, or another --storage."
        )


def _storage(url: str) -> Any:
    import optuna

    waits = {"connect_args": {"timeout": LOCK_SECONDS}} if url.startswith("sqlite") else {}
    return optuna.storages.RDBStorage(url, engine_kwargs=waits)


@contextmanager
def _told(url: str) -> Iterator[None]:
    """What a database has against us, in one line and without a password."""
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import ArgumentError, DBAPIError, NoSuchModuleError, SQLAlchemyError

    scheme = url.partition(":")[0]
    try:
        yield
    except (ImportError, ArgumentError) as error:
        # What cannot be parsed is not repeated: it may hold a password.
        unknown = isinstance(error, ImportError | NoSuchModuleError)
        # Optuna's own words do not name the driver.
        reason = error.__cause__ if isinstance(error.__cause__, ImportError) else error
        missing = ' Run: pip install "layerwise[postgresql]"' if scheme == "postgresql" and unknown else ""
        raise InputError(
            "--storage must be the URL of a database whose driver is installed, like sqlite:///study.db or "
            f"postgresql://user@host/name; got one of {scheme!r}: {_first_line(reason) if unknown else 'it is no URL'}."
            + missing
        ) from error
    except (SQLAlchemyError, StorageInternalError, RuntimeError) as error:
        cause = error.orig if isinstance(error, DBAPIError) else error
        raise ResourceError(f"cannot open --storage ({scheme} database): {_first_line(cause)}.") from error


@contextmanager
def kept_in(url: str | None) -> Iterator[None]:
    """What befalls the database while trials are under way, in one line and without a password.

    Raises:
        ResourceError: says that the trials which ended are kept.
    """
    from optuna.exceptions import StorageInternalError
    from sqlalchemy.exc import DBAPIError, SQLAlchemyError

    try:
        yield
    except (SQLAlchemyError, StorageInternalError) as error:
        told = error.__cause__ if isinstance(error, StorageInternalError) and error.__cause__ else error
        cause = told.orig if isinstance(told, DBAPIError) else told
        raise ResourceError(
            f"the database of --storage failed during the search ({(url or '').partition(':')[0]}): "
            f"{_first_line(cause)}. What it still holds is kept: mend it, and run the same command again."
        ) from error


def _first_line(error: BaseException | None) -> str:
    return str(error).strip().partition("\n")[0].rstrip(".")
