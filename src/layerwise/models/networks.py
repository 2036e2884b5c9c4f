"""The autoencoders that an estimator may train, save and load."""

from layerwise.models.convolutional import Convolutional, Residual
from layerwise.models.dense import Dense

__all__ = ["Network"]

Network = Dense | Convolutional | Residual
