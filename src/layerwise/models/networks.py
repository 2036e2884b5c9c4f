"""The models that an estimator may train, save and load."""

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
from layerwise.models.convolutional import Convolutional, Residual
from layerwise.models.dense import Dense
from layerwise.models.detector import Detector
from layerwise.models.imputer import Imputer
from layerwise.models.predictor import Predictor
from layerwise.models.recurrent import Recurrent
from layerwise.models.segmentation import SegNet, UNet
from layerwise.models.transformer import Transformer
from layerwise.models.variational import Variational

__all__ = ["Config", "Model", "Network", "SequenceNetwork", "model_of"]

Network = Dense | Convolutional | Residual | Variational
SequenceNetwork = Recurrent | Transformer
Model = Network | Predictor | Detector | Imputer | SegNet | UNet | SequenceNetwork
Config = (
    DenseConfig
    | ConvolutionalConfig
    | ResidualConfig
    | PredictorConfig
    | DetectorConfig
    | ImputerConfig
    | SegNetConfig
    | SequenceConfig
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
        case SequenceConfig():
            kinds: dict[str, type[Recurrent] | type[Transformer]] = {
                kind.network: kind for kind in (Recurrent, Transformer)
            }
            sizes = config.model_dump(exclude={"network", "vocabulary"})
            return kinds[config.network](config.vocabulary, **sizes)
        case UNetConfig():
            return UNet.from_config(config)
        case VariationalConfig():
            return Variational.from_config(config)
        case PredictorConfig():
            return Predictor.from_config(config)
        case DenseConfig():
            return Dense.from_config(config)
