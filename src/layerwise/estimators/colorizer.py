"""Colours for grey pictures."""

import logging
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, final

import numpy as np
from sklearn.base import TransformerMixin
from sklearn.utils.validation import check_is_fitted

from layerwise.data.table import listing
from layerwise.errors import InputError
from layerwise.estimators.pictures import (
    LUMINANCE,
    Floats,
    PictureEstimator,
    Sample,
    grey,
    like_given,
    names_of,
    pictures_of,
)
from layerwise.models import SegNet, UNet
from layerwise.penalties import Fidelity, prediction_error
from layerwise.recipes import Setting, restoration
from layerwise.runtime import Precision
from layerwise.training import Phase, Recipe

__all__ = ["Colorizer"]

logger = logging.getLogger(__name__)

# ITU-R BT.601: the largest differences of blue and of red from the luminance.
BLUE, RED = 2 * (1 - LUMINANCE[2]), 2 * (1 - LUMINANCE[0])


@final
class Colorizer(TransformerMixin, PictureEstimator):
    """Gives grey pictures the colours that pictures like them have.

    A convolutional network predicts the two chrominances of each pixel from the luminances around it; the luminance
    itself stays as it is.

    `fit` and `evaluate` take pictures X as in `Denoiser`, with three channels (or four: transparency is dropped); grey
    ones are left out, which is told. They ignore y.

    Arguments:
        widths: channels of the network's stages; each but the first halves the sides.
        blocks: residual blocks of each stage.
        side: of the squares that it learns from, in pixels; None is 64, or three quarters of pictures that are as small
            and of one size.
        recipe: as in `Denoiser`; None is `recipes.restoration` with a rate of 0.001 and a weight decay of 0.5.
        device, precision, random_state, verbose: as in `Denoiser`.

    Attributes:
        model_: the `UNet`.
        mean_: the mean chrominances of the training pixels.
        metrics_: the squared error of the chrominances of a pixel, and that of their means over the training pictures;
            of held-out pictures where there are at least 10.
        history_, recipe_, environment_: as in `DeepAutoencoder`.

    Source: the luminance and chrominances of ITU-R BT.601; Zhang, Isola & Efros 2016, "Colorful image colorization",
    for the task.

    >>> from functools import partial
    >>> from layerwise.recipes import restoration
    >>> pictures = np.random.default_rng(0).integers(0, 256, (12, 16, 16, 3), np.uint8)
    >>> short = partial(restoration, epochs=1)
    >>> colours = Colorizer(widths=(4, 8), recipe=short, random_state=0).fit(pictures)
    >>> colours.transform(pictures[:, :, :, 0]).shape
    (12, 16, 16, 3)
    """

    turned = "mirrored"
    # Of a small picture other parts are other pictures to learn from.
    share = 0.75
    # Most colours cannot be told for sure: what remains to be learned is learned by heart.
    usual: ClassVar[Callable[[Setting], Recipe]] = staticmethod(partial(restoration, lr=1e-3, weight_decay=0.5))
    both_ways = True

    def __init__(
        self,
        *,
        widths: Sequence[int] = (32, 64, 128),
        blocks: int = 1,
        side: int | None = None,
        recipe: str | Sequence[Phase] | Callable[[Setting], Sequence[Phase]] | None = None,
        device: str = "auto",
        precision: Precision = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.widths = widths
        self.blocks = blocks
        self.side = side
        self.recipe = recipe
        self.device = device
        self.precision = precision
        self.random_state = random_state
        self.verbose = verbose

    def transform(self, X: Any) -> Any:
        """The pictures in colour: three channels, and the type in which they came.

        Arguments:
            X: as in `fit`, or grey; of those in colour the luminance is used.

        Raises:
            InputError: for anything but pictures.
        """
        check_is_fitted(self)
        greys = pictures_of(X, channels=1)
        found = [coloured(light, colours) for light, colours in zip(greys, self._mapped(greys), strict=True)]
        return like_given(found, X, flat=False)

    @property
    def _corruption(self) -> None:
        return None

    def _sample(self, X: Any, y: Any = None) -> Sample:
        pictures = pictures_of(X)
        greys = [name for name, picture in zip(names_of(X), pictures, strict=True) if picture.shape[2] != 3]
        if len(greys) == len(pictures):
            raise InputError(f"pictures must be in colour; all {len(greys):,} are grey, first {greys[0]}. Add others.")
        if greys:
            logger.warning(
                "left out, since they are grey: %s of %s pictures (%s).", len(greys), len(pictures), listing(greys)
            )
            pictures = [picture for picture in pictures if picture.shape[2] == 3]
        return Sample([grey(picture) for picture in pictures], [chrominances(picture) for picture in pictures])

    def _matched(self, X: Any, y: Any) -> Sample:
        return self._sample(X)

    def _made(self, sample: Sample, *, seed: int) -> tuple[UNet, Fidelity]:
        assert sample.targets is not None
        self.mean_ = np.mean([target.mean((0, 1)) for target in sample.targets], axis=0, dtype=np.float32)
        model = UNet(1, self.widths, outputs=2, blocks=self.blocks, residual=False, seed=seed)
        return model, prediction_error

    def _judged(self, sample: Sample, seed: int) -> tuple[dict[str, Any], list[tuple[Floats, ...]]]:
        assert sample.targets is not None
        found = list(self._mapped(sample.inputs))
        error = np.mean([np.mean((a - b) ** 2) * 2 for a, b in zip(found, sample.targets, strict=True)])
        usual = np.mean([np.mean((self.mean_ - b) ** 2) * 2 for b in sample.targets])
        figures = {"task": "colorize", "chrominance_error": float(error), "mean_chrominance_error": float(usual)}
        shown: list[tuple[Floats, ...]] = [
            (light, coloured(light, guess), coloured(light, truth))
            for light, guess, truth in zip(sample.inputs, found, sample.targets, strict=True)
        ]
        return figures, shown

    def _trained(self, model: SegNet | UNet, known: Sample) -> None:
        """Nothing."""

    def _settings(self) -> dict[str, Any]:
        return {"mean": self.mean_.tolist()}

    def _take(self, settings: Mapping[str, Any]) -> None:
        self.mean_ = np.array(settings["mean"], np.float32)


def chrominances(picture: Floats) -> Floats:
    """How much bluer and redder each pixel is than grey, from -0.5 to 0.5; shape (height, width, 2)."""
    light = grey(picture)[:, :, 0]
    return np.stack([(picture[:, :, 2] - light) / BLUE, (picture[:, :, 0] - light) / RED], 2)


def coloured(light: Floats, colours: Floats) -> Floats:
    """The picture with a luminance, shape (height, width, 1), and chrominances, (height, width, 2), from 0 to 1."""
    blue, red = light[:, :, 0] + BLUE * colours[:, :, 0], light[:, :, 0] + RED * colours[:, :, 1]
    green = (light[:, :, 0] - LUMINANCE[0] * red - LUMINANCE[2] * blue) / LUMINANCE[1]
    return np.clip(np.stack([red, green, blue], 2), 0, 1)
