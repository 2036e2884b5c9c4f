"""Findings during training, within a share of its time."""

import time
from collections.abc import Callable
from typing import final

from layerwise.diagnostics.diagnosis import causes
from layerwise.diagnostics.findings import Finding
from layerwise.errors import InputError
from layerwise.optim import Problem

__all__ = ["Rounds"]

STEPS = 8
# Before the first examination its cost is not known: curvature products and what goes with them, in training steps.
FIRST = 60


@final
class Rounds:
    """Takes findings during training, and skips them where that would cost more than a share of the time.

    It times itself: an examination begins when all of them, with what the dearest one so far took, stay within the
    share. What it finds depends on the weights and the batch alone; when it looks depends on the clock. The training is
    the same with it and without it. Give it to a history, `History(examiners=[Rounds()])`, among whose rows the
    findings are.

    Arguments:
        share: of the time of training that the examinations may take.
        clock: seconds.

    Raises:
        InputError: for a share that is not between 0 and 1.

    >>> Rounds(0.05).share
    0.05
    """

    def __init__(self, share: float = 0.1, *, clock: Callable[[], float] = time.perf_counter) -> None:
        if not 0 < share < 1:
            raise InputError(f"the share of the time must be between 0 and 1; got {share}.")
        self.share, self.clock = share, clock
        self.spent = self.dearest = 0.0
        self.steps = 0
        self.began: float | None = None

    def examine(self, problem: Problem) -> list[Finding]:
        """The findings about the model at the problem of a step, or none where there is no time for them."""
        now = self.clock()
        if self.began is None:
            self.began = now
            return []
        self.steps += 1
        trained = now - self.began - self.spent
        expected = self.dearest or FIRST * trained / self.steps
        if self.spent + expected > self.share * trained:
            return []
        findings = self._findings(problem)
        took = self.clock() - now
        self.spent, self.dearest = self.spent + took, max(self.dearest, took)
        return findings

    def _findings(self, problem: Problem) -> list[Finding]:
        training = problem.part.training
        problem.part.eval()
        try:
            # Of the rate there is nothing to say before the history is whole.
            return [finding for finding in causes(problem, steps=STEPS) if finding.name != "rate"]
        except InputError as error:
            # Training has its own way to deal with what is not finite.
            return [Finding("not finite", {}, "fault", str(error))]
        finally:
            problem.part.train(training)
