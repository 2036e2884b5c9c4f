"""What the estimators from pictures to pictures do, as graphs."""

from collections.abc import Iterator
from typing import final

import numpy as np
import torch
from torch import Tensor

from layerwise.estimators import Colorizer, Denoiser, Segmenter
from layerwise.estimators.colorizer import BLUE, RED
from layerwise.estimators.pictures import LUMINANCE
from layerwise.exporting.cells import BATCHES, relative, ties
from layerwise.exporting.ports import PICTURES, Arrays, Expected, Graph, Port, Trial
from layerwise.exporting.prediction import Classes

__all__ = ["Repainting", "Segmenting"]

DIMS = ("batch", "height", "width")
# Of the trials: smaller than the network's stages, squares, and sides that they do not divide.
SIZES = ((5, 14), (16, 16), (21, 11))


@final
class Repainting(Graph):
    """Pictures without noise, or in colour, as numbers from 0 to 1."""

    def __init__(self, estimator: Denoiser | Colorizer) -> None:
        super().__init__()
        self.estimator, self.model = estimator, estimator.model_
        self.colours = isinstance(estimator, Colorizer)
        self.inputs = (_given(self.model.channels),)
        outputs = 3 if self.colours else self.model.outputs
        self.outputs = (Port("colorized" if self.colours else "denoised", (*DIMS, outputs)),)
        self.sizes = _sizes(self.model.stride)

    def forward(self, *cells: Tensor) -> tuple[Tensor, ...]:
        """The pictures."""
        (given,) = cells
        x = given.permute(0, 3, 1, 2)
        y = self.model(x).reconstruction
        if self.estimator.both_ways:
            y = (y + self.model(x.flip(3)).reconstruction.flip(3)) / 2
        found = y.permute(0, 2, 3, 1)
        return ((_coloured(given[..., 0], found) if self.colours else found).clamp(0, 1),)

    def trials(self) -> Iterator[Trial]:
        """Beside `transform`."""
        for feeds in _feeds(self.inputs[0]):
            expected: Arrays = {self.outputs[0].name: self.estimator.transform(feeds[PICTURES])}
            yield Trial(feeds, Expected(expected, relative(expected)))

    def about(self) -> dict[str, object]:
        """What the numbers are."""
        return {"task": "colorize" if self.colours else "denoise", "range": [0, 1]}


@final
class Segmenting(Graph):
    """The probabilities of the classes of each pixel, and its class."""

    def __init__(self, estimator: Segmenter) -> None:
        super().__init__()
        self.estimator, self.model, self.classes = estimator, estimator.model_, Classes(estimator.classes_)
        self.inputs = (_given(self.model.channels),)
        self.outputs = (Port("probabilities", (*DIMS, self.model.outputs)), self.classes.port(*DIMS))
        self.sizes = _sizes(self.model.stride)

    def forward(self, *cells: Tensor) -> tuple[Tensor, ...]:
        """Probabilities and classes."""
        scores = self.model(cells[0].permute(0, 3, 1, 2)).reconstruction.permute(0, 2, 3, 1)
        return scores.softmax(3), self.classes(scores.argmax(3))

    def trials(self) -> Iterator[Trial]:
        """Beside `predict_proba` and `predict`."""
        for feeds in _feeds(self.inputs[0]):
            found: Arrays = {"probabilities": self.estimator.predict_proba(feeds[PICTURES])}
            undecided = {"prediction": ties(found["probabilities"])}
            classes = self.estimator.predict(feeds[PICTURES])
            yield Trial(feeds, Expected(found | {"prediction": classes}, relative(found), undecided))

    def about(self) -> dict[str, object]:
        """What the numbers are, and the classes in the order of their probabilities."""
        return {"task": "segment", "range": [0, 1], "classes": self.estimator.classes_.tolist()}


def _given(channels: int) -> Port:
    return Port(PICTURES, (*DIMS, channels))


def _sizes(stride: int) -> dict[str, int]:
    """Of pictures that must be made larger on both sides: the path that serves all sizes."""
    return {"batch": 3, "height": 2 * stride + 1, "width": 3 * stride + 1}


def _feeds(port: Port) -> Iterator[Arrays]:
    draw = np.random.default_rng(0)
    for batch, size in zip(BATCHES, SIZES, strict=True):
        yield {PICTURES: draw.random((batch, *size, int(port.dims[-1])), np.float32)}


def _coloured(light: Tensor, colours: Tensor) -> Tensor:
    """As `coloured`, of tensors: the luminance without channels, and the chrominances."""
    blue, red = light + float(BLUE) * colours[..., 0], light + float(RED) * colours[..., 1]
    green = (light - float(LUMINANCE[0]) * red - float(LUMINANCE[2]) * blue) / float(LUMINANCE[1])
    return torch.stack([red, green, blue], -1)
