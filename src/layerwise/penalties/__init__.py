"""What is asked of a model: fidelities and penalties."""

from layerwise.penalties.base import Layers, Penalty, chosen_layers
from layerwise.penalties.fidelity import (
    ClippedSquaredError,
    CrossEntropy,
    Fidelity,
    SquaredError,
    clipped_squared_error,
    cross_entropy,
    squared_error,
)
from layerwise.penalties.mixed import Discrete, MixedFidelity
from layerwise.penalties.sparsity import L1, KLSparsity
from layerwise.penalties.weights import WeightDecay

__all__ = [
    "L1",
    "ClippedSquaredError",
    "CrossEntropy",
    "Discrete",
    "Fidelity",
    "KLSparsity",
    "Layers",
    "MixedFidelity",
    "Penalty",
    "SquaredError",
    "WeightDecay",
    "chosen_layers",
    "clipped_squared_error",
    "cross_entropy",
    "squared_error",
]
