"""The models that an estimator may train, save and load."""

from layerwise.models.config import (
    ConvolutionalConfig,
    DenseConfig,
    DetectorConfig,
    ImputerConfig,
    PredictorConfig,
    ResidualConfig,
    SegNetConfig,
    UNetConfig,
    VariationalConfig,
)
from layerwise.models.convolutional import Convolutional, Residual
from layerwise.models.dense import Dense
from layerwise.models.detector import Detector
from layerwise.models.imputer import Imputer
from layerwise.models.predictor import Predictor
from layerwise.models.segmentation import SegNet, UNet
from layerwise.models.variational import Variational

__all__ = ["Config", "Model", "Network", "model_of"]

Network = Dense | Convolutional | Residual | Variational
Model = Network | Predictor | Detector | Imputer | SegNet | UNet
Config = (
    DenseConfig
    | ConvolutionalConfig
    | ResidualConfig
    | PredictorConfig
    | DetectorConfig
    | ImputerConfig
    | SegNetConfig
    | UNetConfig
    | VariationalConfig
)


def model_of(config: Config) -> Model:
    """A model of the described shape, with arbitrary weights.

    Raises:
        InputError: for an unknown activation or an impossible shape.

    >>> model_of(DenseConfig(features=4, code=2)).code
    2
    """
    match config:
        case ConvolutionalConfig():
            return Convolutional.from_config(config)
        case ResidualConfig():
            return Residual.from_config(config)
        case DetectorConfig():
            return Detector.from_config(config)
        case ImputerConfig():
            return Imputer.from_config(config)
        case SegNetConfig():
            return SegNet.from_config(config)
        case UNetConfig():
            return UNet.from_config(config)
        case VariationalConfig():
            return Variational.from_config(config)
        case PredictorConfig():
            return Predictor.from_config(config)
        case DenseConfig():
            return Dense.from_config(config)
