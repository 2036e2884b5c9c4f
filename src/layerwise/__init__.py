"""Layerwise: deep autoencoders, and the art of training them layer by layer.

Everything named here is imported when it is first used, so that `import layerwise` costs nothing.
"""

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from layerwise import corruptions, data, diagnostics, models, optim, penalties, recipes, report, training
    from layerwise.data import Schema, read
    from layerwise.errors import (
        CheckpointError,
        InputError,
        LayerwiseError,
        ModelFileError,
        ResourceError,
        TrainingDiverged,
    )
    from layerwise.estimators import (
        RBM,
        AutoencoderDetector,
        AutoencoderImputer,
        Colorizer,
        DeepAutoencoder,
        DeepBeliefNetwork,
        Denoiser,
        Segmenter,
        StackedClassifier,
        StackedRegressor,
        TextAutoencoder,
        Translator,
        VariationalAutoencoder,
        compare,
    )
    from layerwise.exporting import export_onnx
    from layerwise.models import Dense, Layer
    from layerwise.optim import (
        EKFAC,
        KFAC,
        LBFGS,
        ConjugateGradient,
        FirstOrder,
        HessianFree,
        LevenbergMarquardt,
        Newton,
        Problem,
        SaddleFreeNewton,
        TorchOptimizer,
        TrustRegionNewton,
    )
    from layerwise.runtime import Runtime
    from layerwise.training import History, Objective, Phase, fit

__version__ = "0.1.0"

__all__ = [
    "EKFAC",
    "KFAC",
    "LBFGS",
    "RBM",
    "AutoencoderDetector",
    "AutoencoderImputer",
    "CheckpointError",
    "Colorizer",
    "ConjugateGradient",
    "DeepAutoencoder",
    "DeepBeliefNetwork",
    "Denoiser",
    "Dense",
    "FirstOrder",
    "HessianFree",
    "History",
    "InputError",
    "Layer",
    "LayerwiseError",
    "LevenbergMarquardt",
    "ModelFileError",
    "Newton",
    "Objective",
    "Phase",
    "Problem",
    "ResourceError",
    "Runtime",
    "SaddleFreeNewton",
    "Schema",
    "Segmenter",
    "StackedClassifier",
    "StackedRegressor",
    "TextAutoencoder",
    "TorchOptimizer",
    "TrainingDiverged",
    "Translator",
    "TrustRegionNewton",
    "VariationalAutoencoder",
    "compare",
    "corruptions",
    "data",
    "diagnostics",
    "export_onnx",
    "fit",
    "models",
    "optim",
    "penalties",
    "read",
    "recipes",
    "report",
    "training",
]

_HOMES = {
    "data": ("Schema", "read"),
    "errors": (
        "CheckpointError",
        "InputError",
        "LayerwiseError",
        "ModelFileError",
        "ResourceError",
        "TrainingDiverged",
    ),
    "estimators": (
        "RBM",
        "AutoencoderDetector",
        "AutoencoderImputer",
        "Colorizer",
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
    ),
    "exporting": ("export_onnx",),
    "models": ("Dense", "Layer"),
    "optim": (
        "EKFAC",
        "KFAC",
        "LBFGS",
        "ConjugateGradient",
        "FirstOrder",
        "HessianFree",
        "LevenbergMarquardt",
        "Newton",
        "Problem",
        "SaddleFreeNewton",
        "TorchOptimizer",
        "TrustRegionNewton",
    ),
    "runtime": ("Runtime",),
    "training": ("History", "Objective", "Phase", "fit"),
}


def __getattr__(name: str) -> Any:
    if name not in __all__:
        raise AttributeError(f"module 'layerwise' has no attribute {name!r}")
    for home, names in _HOMES.items():
        if name in names:
            return vars(importlib.import_module(f"layerwise.{home}"))[name]
    return importlib.import_module(f"layerwise.{name}")


def __dir__() -> list[str]:
    return sorted({*__all__, "__version__"})
