"""What happened and why: pure functions of a model and rows."""

from layerwise.diagnostics.course import learning_course
from layerwise.diagnostics.critical import (
    CriticalPoint,
    SaddleIndex,
    critical_point,
    find_critical_point,
    saddle,
    saddle_index,
)
from layerwise.diagnostics.diagnosis import CAUSES, causes, diagnose, named_fault
from layerwise.diagnostics.dynamics import (
    Modes,
    conserved,
    deep_theory,
    end_to_end,
    is_linear,
    learning_dynamics,
    learning_time,
    mode_strengths,
    modes_of,
    theory,
)
from layerwise.diagnostics.energy import energy
from layerwise.diagnostics.evidence import importance_weighted_bound
from layerwise.diagnostics.faithfulness import Neighbourhoods, mean_fidelity, neighbourhoods
from layerwise.diagnostics.findings import Finding
from layerwise.diagnostics.gradients import gradient_flow, gradient_sizes
from layerwise.diagnostics.health import dead_units, duplicate_units, saturated_units, weight_sizes
from layerwise.diagnostics.isometry import JacobianSpectrum, isometry, jacobian_spectra
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
from layerwise.diagnostics.rounds import Rounds
from layerwise.diagnostics.slices import (
    LossSlice,
    PathPlane,
    filter_normalized,
    landscape,
    loss_slice,
    optimizer_path,
    path_plane,
)
from layerwise.diagnostics.sparseness import active_share, hoyer, jacobian_norm, saturation
from layerwise.diagnostics.spectrum import (
    Density,
    ExtremeEigenvalues,
    curvature,
    dense,
    extreme_eigenvalues,
    random_directions,
    spectral_density,
)
from layerwise.diagnostics.translation import bleu, remembered
from layerwise.diagnostics.units import unit_activity

__all__ = [
    "CAUSES",
    "Comparison",
    "CriticalPoint",
    "Density",
    "ExtremeEigenvalues",
    "Finding",
    "JacobianSpectrum",
    "LogPartition",
    "LossSlice",
    "Modes",
    "Neighbourhoods",
    "PathPlane",
    "Rounds",
    "SaddleIndex",
    "active_share",
    "annealed_log_partition",
    "bleu",
    "causes",
    "classification_error",
    "compare",
    "conserved",
    "critical_point",
    "curvature",
    "dead_units",
    "deep_theory",
    "dense",
    "diagnose",
    "duplicate_units",
    "end_to_end",
    "energy",
    "exact_log_partition",
    "extreme_eigenvalues",
    "factor_recovery",
    "filter_normalized",
    "find_critical_point",
    "gradient_flow",
    "gradient_sizes",
    "hoyer",
    "importance_weighted_bound",
    "is_linear",
    "isometry",
    "jacobian_norm",
    "jacobian_spectra",
    "landscape",
    "learning_course",
    "learning_dynamics",
    "learning_time",
    "linear_probe",
    "log_likelihood",
    "loss_slice",
    "mean_fidelity",
    "mean_intersection_over_union",
    "mode_strengths",
    "modes_of",
    "named_fault",
    "nearest_probe",
    "neighbourhoods",
    "optimizer_path",
    "passes",
    "path_plane",
    "peak_signal_to_noise",
    "pseudo_likelihood",
    "random_directions",
    "remembered",
    "saddle",
    "saddle_index",
    "saturated_units",
    "saturation",
    "spectral_density",
    "theory",
    "unit_activity",
    "weight_sizes",
]
