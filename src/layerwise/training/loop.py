"""Train a model by a recipe."""

import logging
import os
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import Any

from layerwise.data import Source
from layerwise.models.base import Autoencoder
from layerwise.runtime import Runtime
from layerwise.training.checkpoint import Checkpoint, fingerprint
from layerwise.training.describe import describe
from layerwise.training.history import History
from layerwise.training.interrupt import stop_flag
from layerwise.training.phase import Recipe
from layerwise.training.phase_run import PhaseRun, Run
from layerwise.training.trial import check

__all__ = ["fit"]

logger = logging.getLogger(__name__)


def fit(
    model: Autoencoder,
    data: Source,
    recipe: Recipe,
    *,
    validation: Source | None = None,
    seed: int = 0,
    runtime: Runtime | None = None,
    history: History | None = None,
    checkpoint: str | os.PathLike[str] | Checkpoint | None = None,
) -> History:
    """Train a model by a recipe: phases, their epochs, their steps.

    After each phase its part has the weights that had the best objective on the validation rows (the last ones without
    such rows). Ctrl-C ends the run after the present step with the best weights so far. Where a loss or a weight stops
    being finite, the phase goes back to its last good state and on with half the rate, three times at most.

    With a checkpoint the same call goes on where an earlier one ended, whatever ended it, and gives the same bits as a
    run that was never ended (on the same machine, with the same number of threads). Only a run that had to halve its
    rate may go back to another state after it.

    Arguments:
        model: trained in place and moved to the runtime's device.
        data: the training rows.
        recipe: the phases.
        validation: rows by which the best weights are chosen and early stopping decides.
        seed: of shuffling, corruption, dropout; the first weights are the model's.
        runtime: device and precision; "auto" by default.
        history: where the events are kept and who watches them.
        checkpoint: the folder in which the state is kept, or a `Checkpoint`, which also says how often.

    Raises:
        InputError: for no rows, or a phase whose part the model does not have.
        ResourceError: when a phase does not fit the memory; names a batch size that would.
        CheckpointError: when the folder belongs to another run, or another process uses it.
        TrainingDiverged: when a number is not finite for the fourth time; names phase, step, term, layer and rows.

    >>> import torch
    >>> from layerwise.models import Dense
    >>> from layerwise.optim import FirstOrder
    >>> from layerwise.training import Objective, Phase, TensorRows
    >>> rows = TensorRows(torch.rand(20, 3, generator=torch.Generator()))
    >>> phase = Phase("train", Objective(), FirstOrder(lr=0.01), epochs=2)
    >>> fit(Dense(3, code=2), rows, [phase]).phases()[0]["reason"]
    'epochs done'
    """
    history, runtime = history or History(), runtime or Runtime()
    check(model, data, recipe=recipe, runtime=runtime)
    with ExitStack() as stack:
        flag = stack.enter_context(stop_flag())
        run = Run(model, data, validation, seed, runtime, history, flag, earlier=len(history.rows))
        if checkpoint is not None:
            choice = checkpoint if isinstance(checkpoint, Checkpoint) else Checkpoint(Path(checkpoint))
            run = replace(run, saved=stack.enter_context(choice.opened(_identity(run, recipe))))
        _go_through(run, recipe)
    model.eval()
    return history


def _go_through(run: Run, recipe: Recipe) -> None:
    state = None if run.saved is None else run.saved.state
    first = 0
    if state is not None:
        first = state.values["phase"]
        run.model.load_state_dict(state.part("model"))
        run.history.resume(state.history)
    for number in range(first, len(recipe)):
        work = PhaseRun(run, recipe[number], number)
        with run.runtime.processor(work.multiplications):
            work.complete(state if number == first else None)
        if run.flag.signal:
            logger.warning("interrupted in phase %r: the best weights so far are kept.", recipe[number].name)
            break
        run.save({"phase": number + 1}, {})
    # Also one that came when all was done: the caller must not go on as if nothing had been said.
    run.history.signal = run.flag.signal


def _identity(run: Run, recipe: Recipe) -> dict[str, Any]:
    """What must be the same for a run to be the same."""
    return {
        "recipe": describe(recipe),
        "seed": run.seed,
        "data": fingerprint(run.data),
        "validation": None if run.validation is None else fingerprint(run.validation),
        "model": {name: list(value.shape) for name, value in run.model.state_dict().items()},
        "precision": "bf16" if run.runtime.mixed else "float32",
    }
