"""The scikit-learn faces."""

from layerwise.estimators.belief import DeepBeliefNetwork
from layerwise.estimators.colorizer import Colorizer
from layerwise.estimators.comparison import Comparison, compare, sparse_encoder
from layerwise.estimators.denoiser import Denoiser
from layerwise.estimators.detector import AutoencoderDetector
from layerwise.estimators.imputer import AutoencoderImputer
from layerwise.estimators.loading import load
from layerwise.estimators.machine import RBM
from layerwise.estimators.segmenter import Segmenter
from layerwise.estimators.stacked import StackedClassifier, StackedRegressor
from layerwise.estimators.text_autoencoder import TextAutoencoder
from layerwise.estimators.transformer import DeepAutoencoder
from layerwise.estimators.translator import Translator
from layerwise.estimators.variational import VariationalAutoencoder

__all__ = [
    "RBM",
    "AutoencoderDetector",
    "AutoencoderImputer",
    "Colorizer",
    "Comparison",
    "DeepAutoencoder",
    "DeepBeliefNetwork",
    "Denoiser",
    "Segmenter",
    "StackedClassifier",
    "StackedRegressor",
    "TextAutoencoder",
    "Translator",
    "VariationalAutoencoder",
    "compare",
    "load",
    "sparse_encoder",
]
