"""When: objectives, phases and the loop."""

from layerwise.training.checkpoint import Checkpoint
from layerwise.training.describe import describe
from layerwise.training.history import (
    EpochEnd,
    Event,
    Examined,
    Examiner,
    FallBack,
    Found,
    History,
    PhaseEnd,
    PhaseStart,
    RollBack,
    StepEnd,
    StopPhase,
    Watcher,
)
from layerwise.training.loop import fit
from layerwise.training.objective import Objective
from layerwise.training.phase import Block, Boltzmann, Phase, Recipe, Stop, Upto, View, Whole
from layerwise.training.progress import ProgressBar
from layerwise.training.rates import RATES, RangeTest, range_test
from layerwise.training.rows import Targeted, TensorRows
from layerwise.training.schedule import (
    Constant,
    Cosine,
    OneCycle,
    Schedule,
    StepDecay,
    Switch,
    value_at,
)
from layerwise.training.trial import check

__all__ = [
    "RATES",
    "Block",
    "Boltzmann",
    "Checkpoint",
    "Constant",
    "Cosine",
    "EpochEnd",
    "Event",
    "Examined",
    "Examiner",
    "FallBack",
    "Found",
    "History",
    "Objective",
    "OneCycle",
    "Phase",
    "PhaseEnd",
    "PhaseStart",
    "ProgressBar",
    "RangeTest",
    "Recipe",
    "RollBack",
    "Schedule",
    "StepDecay",
    "StepEnd",
    "Stop",
    "StopPhase",
    "Switch",
    "Targeted",
    "TensorRows",
    "Upto",
    "View",
    "Watcher",
    "Whole",
    "check",
    "describe",
    "fit",
    "range_test",
    "value_at",
]
