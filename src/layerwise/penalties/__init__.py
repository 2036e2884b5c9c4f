"""What is asked of a model: fidelities and penalties."""

from layerwise.penalties.base import Layers, Penalty, Selective, chosen_layers
from layerwise.penalties.contraction import Contraction, HigherOrderContraction
from layerwise.penalties.divergence import ContrastiveDivergence, GaussianDivergence, contrastive_divergence
from layerwise.penalties.fidelity import (
    ClippedSquaredError,
    CrossEntropy,
    Emphasized,
    Fidelity,
    ReverseCrossEntropy,
    SquaredError,
    clipped_squared_error,
    cross_entropy,
    is_crossed,
    reverse_cross_entropy,
    squared_error,
)
from layerwise.penalties.mixed import Discrete, MixedFidelity
from layerwise.penalties.prediction import (
    PartialError,
    PredictionError,
    SoftmaxCrossEntropy,
    partial_error,
    prediction_error,
    softmax_cross_entropy,
)
from layerwise.penalties.sparsity import L1, KLSparsity, Revival
from layerwise.penalties.weights import WeightDecay

__all__ = [
    "L1",
    "ClippedSquaredError",
    "Contraction",
    "ContrastiveDivergence",
    "CrossEntropy",
    "Discrete",
    "Emphasized",
    "Fidelity",
    "GaussianDivergence",
    "HigherOrderContraction",
    "KLSparsity",
    "Layers",
    "MixedFidelity",
    "PartialError",
    "Penalty",
    "PredictionError",
    "ReverseCrossEntropy",
    "Revival",
    "Selective",
    "SoftmaxCrossEntropy",
    "SquaredError",
    "WeightDecay",
    "chosen_layers",
    "clipped_squared_error",
    "contrastive_divergence",
    "cross_entropy",
    "is_crossed",
    "partial_error",
    "prediction_error",
    "reverse_cross_entropy",
    "softmax_cross_entropy",
    "squared_error",
]
