"""What happened and why: pure functions of a model and rows."""

from layerwise.diagnostics.energy import energy
from layerwise.diagnostics.likelihood import (
    LogPartition,
    annealed_log_partition,
    exact_log_partition,
    log_likelihood,
    pseudo_likelihood,
)
from layerwise.diagnostics.reconstruction import Comparison, compare, passes
from layerwise.diagnostics.units import unit_activity

__all__ = [
    "Comparison",
    "LogPartition",
    "annealed_log_partition",
    "compare",
    "energy",
    "exact_log_partition",
    "log_likelihood",
    "passes",
    "pseudo_likelihood",
    "unit_activity",
]
