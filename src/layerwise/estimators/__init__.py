"""The scikit-learn faces."""

from layerwise.estimators.transformer import DeepAutoencoder

__all__ = ["DeepAutoencoder"]
