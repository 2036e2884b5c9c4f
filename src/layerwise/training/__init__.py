"""When: objectives, phases and the loop."""

from layerwise.training.checkpoint import Checkpoint
from layerwise.training.describe import describe
from layerwise.training.history import (
    EpochEnd,
    Event,
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
from layerwise.training.phase import Block, Phase, Recipe, Stop, Upto, View, Whole
from layerwise.training.progress import ProgressBar
from layerwise.training.rows import TensorRows
from layerwise.training.schedule import Constant, Cosine, OneCycle, Schedule, StepDecay, value_at

__all__ = [
    "Block",
    "Checkpoint",
    "Constant",
    "Cosine",
    "EpochEnd",
    "Event",
    "History",
    "Objective",
    "OneCycle",
    "Phase",
    "PhaseEnd",
    "PhaseStart",
    "ProgressBar",
    "Recipe",
    "RollBack",
    "Schedule",
    "StepDecay",
    "StepEnd",
    "Stop",
    "StopPhase",
    "TensorRows",
    "Upto",
    "View",
    "Watcher",
    "Whole",
    "describe",
    "fit",
    "value_at",
]
