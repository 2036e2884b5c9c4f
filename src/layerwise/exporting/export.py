"""A fitted estimator as an ONNX file, which is checked before it is written."""

import copy
import importlib
import os
from pathlib import Path
from typing import Any

import torch
from sklearn.utils.validation import check_is_fitted

from layerwise.errors import InputError
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
    VariationalAutoencoder,
)
from layerwise.estimators.loading import PictureModel, RowsModel
from layerwise.estimators.text import TextEstimator
from layerwise.exporting.checking import check_same
from layerwise.exporting.machines import Rising
from layerwise.exporting.pictures import Repainting, Segmenting
from layerwise.exporting.ports import Graph
from layerwise.exporting.prediction import Classifying, Detecting, Regressing
from layerwise.exporting.rows import Coding, Completing
from layerwise.exporting.translation import hushed, translated
from layerwise.files import atomic_file, check_file, check_room

__all__ = ["check_onnx", "export_onnx"]

NEEDED = ("onnx", "onnxscript", "onnxruntime")

Exportable = RowsModel | PictureModel | RBM | DeepBeliefNetwork


def export_onnx(estimator: Exportable, path: str | os.PathLike[str]) -> None:
    """Write a fitted estimator as one ONNX file that takes what its user has: the cells of the columns, or pictures.

    Scaling, missing cells, the network and what is made of its output are in the graph, for batches of any size. The
    file is written only if onnxruntime gives the same as the estimator, within 1e-5 of a scaled unit, for batches of 1,
    2 and 7 rows with gaps and cells far away. See docs/how-to/export.md for the names of inputs and outputs.

    Raises:
        InputError: for an estimator that cannot be exported, another ending than .onnx, or missing packages.
        ResourceError: when the place cannot be written; what was there stays.

    >>> import tempfile
    >>> import numpy as np
    >>> import onnxruntime
    >>> x = np.random.default_rng(0).normal(size=(40, 3))
    >>> encoder = DeepAutoencoder(2, hidden_layer_sizes=(4,), max_epochs=1, random_state=0).fit(x)
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     export_onnx(encoder, f"{folder}/encoder.onnx")
    ...     session = onnxruntime.InferenceSession(f"{folder}/encoder.onnx")
    >>> code, reconstruction, error = session.run(None, {"numbers": x.astype(np.float32)})
    >>> code.shape, reconstruction.shape, error.shape
    ((40, 2), (40, 3), (40,))
    """
    check_onnx(path)
    name = type(estimator).__name__
    with hushed(), torch.no_grad():
        graph = _graph_of(estimator).eval()
        content = translated(graph, name=name).SerializeToString()
        check_same(content, graph, name=name)
    check_room(path, len(content))
    with atomic_file(path) as temporary:
        temporary.write_bytes(content)


def check_onnx(path: str | os.PathLike[str]) -> None:
    """See, before any work begins, whether a file of this name can be written, and all that is needed is there.

    Raises:
        InputError: for another ending than .onnx, or missing packages.
        ResourceError: when the place cannot be written.
    """
    if Path(path).suffix.lower() != ".onnx":
        raise InputError(f"{path}: the name must end in .onnx.")
    check_file(path)
    for name in NEEDED:
        try:
            importlib.import_module(name)
        except ImportError as error:
            raise InputError(
                f'an export needs the package {name}, which is not installed. Run: pip install "layerwise[export]"'
            ) from error


def _graph_of(estimator: Any) -> Graph:
    """All that a fitted estimator does, with a copy of its model on the processor, where the file will be used."""
    if not isinstance(estimator, Exportable):
        name = type(estimator).__name__
        if isinstance(estimator, TextEstimator):
            raise InputError(
                f"{name} cannot be exported: a search writes word after word, each by those before it, and a "
                "graph gives all at once. Use it in Python, or layerwise translate."
            )
        raise InputError(f"only estimators of layerwise can be exported; got {name}.")
    check_is_fitted(estimator)
    if isinstance(estimator, RBM | DeepBeliefNetwork):
        return Rising(estimator)
    twin = copy.copy(estimator)
    twin.model_ = copy.deepcopy(estimator.model_).cpu()
    match twin:
        case DeepAutoencoder() | VariationalAutoencoder():
            return Coding(twin)
        case AutoencoderDetector():
            return Detecting(twin)
        case AutoencoderImputer():
            return Completing(twin)
        case StackedClassifier():
            return Classifying(twin)
        case StackedRegressor():
            return Regressing(twin)
        case Segmenter():
            return Segmenting(twin)
        case Denoiser() | Colorizer():
            return Repainting(twin)
