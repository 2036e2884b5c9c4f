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
from layerwise.penalties.sparsity import L1, KLSparsity
from layerwise.penalties.weights import WeightDecay

__all__ = [
    "L1",
    "ClippedSquaredError",
    "CrossEntropy",
    "Fidelity",
    "KLSparsity",
    "Layers",
    "Penalty",
    "SquaredError",
    "WeightDecay",
    "chosen_layers",
    "clipped_squared_error",
    "cross_entropy",
    "squared_error",
]
