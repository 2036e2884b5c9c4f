"""What is trained: autoencoders and their parts."""

from layerwise.models.activations import (
    Activation,
    Maxout,
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
from layerwise.models.config import DenseConfig
from layerwise.models.dense import Dense, Feedforward, Part
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
from layerwise.models.principal_components import PrincipalComponents

__all__ = [
    "Activation",
    "Autoencoder",
    "Bounds",
    "Dense",
    "DenseConfig",
    "DenseLayer",
    "Dropout",
    "Embeddings",
    "Feedforward",
    "Gaussian",
    "Glorot",
    "He",
    "Initializer",
    "Inputs",
    "Layer",
    "LinearPath",
    "Maxout",
    "Normalization",
    "Orthogonal",
    "Part",
    "Pass",
    "PrincipalComponents",
    "Stacked",
    "Stochastic",
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
]
