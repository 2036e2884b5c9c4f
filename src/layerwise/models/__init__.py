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
    SegNetConfig,
    SequenceConfig,
    UNetConfig,
    VariationalConfig,
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
from layerwise.models.networks import Config, Model, Network, SequenceNetwork, model_of
from layerwise.models.predictor import Predictor
from layerwise.models.principal_components import PrincipalComponents
from layerwise.models.recurrent import Recurrent
from layerwise.models.search import Sentence, beam_search
from layerwise.models.segmentation import PictureMap, SegNet, UNet
from layerwise.models.sequence import SequenceModel
from layerwise.models.transformer import Transformer
from layerwise.models.units import BernoulliUnits, GaussianUnits, RectifiedUnits, Units, units_of
from layerwise.models.variational import CodeDistribution, Variational

__all__ = [
    "Activation",
    "Autoencoder",
    "BernoulliUnits",
    "Bounds",
    "Chain",
    "CodeDistribution",
    "Config",
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
    "Model",
    "Network",
    "Normalization",
    "Orthogonal",
    "Part",
    "Pass",
    "PictureAutoencoder",
    "PictureMap",
    "Posterior",
    "Predictor",
    "PredictorConfig",
    "PrincipalComponents",
    "RectifiedUnits",
    "Recurrent",
    "Residual",
    "ResidualConfig",
    "RestrictedBoltzmannMachine",
    "SegNet",
    "SegNetConfig",
    "Sentence",
    "SequenceConfig",
    "SequenceModel",
    "SequenceNetwork",
    "Stacked",
    "Stochastic",
    "Strangeness",
    "TopK",
    "Transformer",
    "UNet",
    "UNetConfig",
    "Units",
    "Variational",
    "VariationalConfig",
    "activation_from_name",
    "activation_name",
    "beam_search",
    "elu",
    "gain",
    "gelu",
    "identity",
    "leaky_relu",
    "model_of",
    "relu",
    "selu",
    "sigmoid",
    "silu",
    "softplus",
    "tanh",
    "units_of",
]
