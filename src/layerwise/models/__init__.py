"""What is trained: autoencoders and their parts."""

from layerwise.models.activations import (
    Activation,
    Maxout,
    TopK,
    activation_from_name,
    activation_name,
    elu,
    gain,
    gelu,
    identity,
    leaky_relu,
    relu,
    selu,
    sigmoid,
    silu,
    softplus,
    tanh,
)
from layerwise.models.base import Autoencoder, Pass, Stacked, Stochastic
from layerwise.models.boltzmann import Chain, RestrictedBoltzmannMachine
from layerwise.models.config import DenseConfig, DetectorConfig, ImputerConfig, PredictorConfig
from layerwise.models.dense import Dense, Feedforward, Mirrored, Part
from layerwise.models.detector import Detector, Judge, Strangeness
from layerwise.models.imputer import FactorModel, Imputer, Posterior
from layerwise.models.initializers import Gaussian, Glorot, He, Initializer, Orthogonal
from layerwise.models.layers import (
    Bounds,
    DenseLayer,
    Dropout,
    Embeddings,
    Inputs,
    Layer,
    LinearPath,
    Normalization,
)
from layerwise.models.predictor import Predictor
from layerwise.models.principal_components import PrincipalComponents
from layerwise.models.units import BernoulliUnits, GaussianUnits, RectifiedUnits, Units, units_of

__all__ = [
    "Activation",
    "Autoencoder",
    "BernoulliUnits",
    "Bounds",
    "Chain",
    "Dense",
    "DenseConfig",
    "DenseLayer",
    "Detector",
    "DetectorConfig",
    "Dropout",
    "Embeddings",
    "FactorModel",
    "Feedforward",
    "Gaussian",
    "GaussianUnits",
    "Glorot",
    "He",
    "Imputer",
    "ImputerConfig",
    "Initializer",
    "Inputs",
    "Judge",
    "Layer",
    "LinearPath",
    "Maxout",
    "Mirrored",
    "Normalization",
    "Orthogonal",
    "Part",
    "Pass",
    "Posterior",
    "Predictor",
    "PredictorConfig",
    "PrincipalComponents",
    "RectifiedUnits",
    "RestrictedBoltzmannMachine",
    "Stacked",
    "Stochastic",
    "Strangeness",
    "TopK",
    "Units",
    "activation_from_name",
    "activation_name",
    "elu",
    "gain",
    "gelu",
    "identity",
    "leaky_relu",
    "relu",
    "selu",
    "sigmoid",
    "silu",
    "softplus",
    "tanh",
    "units_of",
]
