"""What happened and why: pure functions of a model and rows."""

from layerwise.diagnostics.dynamics import (
    Modes,
    conserved,
    deep_theory,
    end_to_end,
    learning_time,
    mode_strengths,
    modes_of,
    theory,
)
from layerwise.diagnostics.energy import energy
from layerwise.diagnostics.evidence import importance_weighted_bound
from layerwise.diagnostics.faithfulness import Neighbourhoods, mean_fidelity, neighbourhoods
from layerwise.diagnostics.likelihood import (
    LogPartition,
    annealed_log_partition,
    exact_log_partition,
    log_likelihood,
    pseudo_likelihood,
)
from layerwise.diagnostics.pictures import mean_intersection_over_union, peak_signal_to_noise
from layerwise.diagnostics.probes import classification_error, factor_recovery, linear_probe, nearest_probe
from layerwise.diagnostics.reconstruction import Comparison, compare, passes
from layerwise.diagnostics.sparseness import active_share, hoyer, jacobian_norm, saturation
from layerwise.diagnostics.translation import bleu, remembered
from layerwise.diagnostics.units import unit_activity

__all__ = [
    "Comparison",
    "LogPartition",
    "Modes",
    "Neighbourhoods",
    "active_share",
    "annealed_log_partition",
    "bleu",
    "classification_error",
    "compare",
    "conserved",
    "deep_theory",
    "end_to_end",
    "energy",
    "exact_log_partition",
    "factor_recovery",
    "hoyer",
    "importance_weighted_bound",
    "jacobian_norm",
    "learning_time",
    "linear_probe",
    "log_likelihood",
    "mean_fidelity",
    "mean_intersection_over_union",
    "mode_strengths",
    "modes_of",
    "nearest_probe",
    "neighbourhoods",
    "passes",
    "peak_signal_to_noise",
    "pseudo_likelihood",
    "remembered",
    "saturation",
    "theory",
    "unit_activity",
]
