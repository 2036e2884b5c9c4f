"""A fitted estimator from a model folder, whichever it holds."""

import os

from layerwise.estimators.colorizer import Colorizer
from layerwise.estimators.denoiser import Denoiser
from layerwise.estimators.detector import AutoencoderDetector
from layerwise.estimators.imputer import AutoencoderImputer
from layerwise.estimators.segmenter import Segmenter
from layerwise.estimators.stacked import StackedClassifier, StackedRegressor
from layerwise.estimators.text_autoencoder import TextAutoencoder
from layerwise.estimators.transformer import DeepAutoencoder
from layerwise.estimators.translator import Translator
from layerwise.estimators.variational import VariationalAutoencoder
from layerwise.models import Detector, Imputer, Network, SegNet, SequenceNetwork, UNet, Variational
from layerwise.storage import load_model

__all__ = ["Encoder", "PictureModel", "RowsModel", "TextModel", "load"]


Encoder = DeepAutoencoder | VariationalAutoencoder
RowsModel = Encoder | StackedClassifier | StackedRegressor | AutoencoderDetector | AutoencoderImputer
PictureModel = Denoiser | Colorizer | Segmenter
TextModel = Translator | TextAutoencoder


def load(folder: str | os.PathLike[str], *, device: str = "auto") -> RowsModel | PictureModel | TextModel:
    """The estimator that was saved, fitted as it was; nothing is unpickled.

    Raises:
        ModelFileError: when the folder is missing, damaged, changed or newer.
    """
    saved = load_model(folder)
    if isinstance(saved.model, Variational):
        return VariationalAutoencoder.load(folder, device=device)
    if isinstance(saved.model, Network):
        return DeepAutoencoder.load(folder, device=device)
    if isinstance(saved.model, Detector):
        return AutoencoderDetector.load(folder, device=device)
    if isinstance(saved.model, Imputer):
        return AutoencoderImputer.load(folder, device=device)
    if isinstance(saved.model, SegNet):
        return Segmenter.load(folder, device=device)
    if isinstance(saved.model, UNet):
        colours = saved.settings.get("class") == Colorizer.__name__
        return (Colorizer if colours else Denoiser).load(folder, device=device)
    if isinstance(saved.model, SequenceNetwork):
        encodes = saved.settings.get("class") == TextAutoencoder.__name__
        return (TextAutoencoder if encodes else Translator).load(folder, device=device)
    classes = saved.settings.get("class") == StackedClassifier.__name__
    return (StackedClassifier if classes else StackedRegressor).load(folder, device=device)
