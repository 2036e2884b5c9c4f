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
from layerwise.models.config import (
    ConvolutionalConfig,
    DenseConfig,
    DetectorConfig,
    ImputerConfig,
    PredictorConfig,
    ResidualConfig,
)
from layerwise.models.convolutional import Convolutional, PictureAutoencoder, Residual
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
from layerwise.models.networks import Network
from layerwise.models.predictor import Predictor
from layerwise.models.principal_components import PrincipalComponents
from layerwise.models.units import BernoulliUnits, GaussianUnits, RectifiedUnits, Units, units_of

__all__ = [
    "Activation",
    "Autoencoder",
    "BernoulliUnits",
    "Bounds",
    "Chain",
    "Convolutional",
    "ConvolutionalConfig",
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
    "Network",
    "Normalization",
    "Orthogonal",
    "Part",
    "Pass",
    "PictureAutoencoder",
    "Posterior",
    "Predictor",
    "PredictorConfig",
    "PrincipalComponents",
    "RectifiedUnits",
    "Residual",
    "ResidualConfig",
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
