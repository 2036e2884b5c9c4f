"""What each pixel of a picture belongs to."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted

from layerwise.data import Table
from layerwise.diagnostics import mean_intersection_over_union
from layerwise.errors import InputError
from layerwise.estimators.pictures import Floats, PictureEstimator, Sample, grey, names_of, pictures_of
from layerwise.models import SegNet, UNet
from layerwise.penalties import Fidelity, SoftmaxCrossEntropy
from layerwise.recipes import Setting
from layerwise.runtime import Precision
from layerwise.training import Phase

__all__ = ["Segmenter"]

MOST_CLASSES = 256
COLOURS = np.array(
    [[0, 0, 0], [230, 159, 0], [86, 180, 233], [0, 158, 115], [240, 228, 66], [0, 114, 178], [213, 94, 0]], np.float32
)


@final
class Segmenter(PictureEstimator):
    """Says of each pixel of a picture to which class it belongs; learns it from pictures with masks.

    `fit` and `evaluate` take pictures X as in `Denoiser`, and masks y: for each picture the class of each pixel, shape
    (height, width); any numbers or texts, from 2 to 256 different ones. Masks of another size or number than the
    pictures are an `InputError`.

    Arguments:
        widths: channels of the stages of the `SegNet`; each halves the sides.
        convolutions: of each stage.
        balanced: weighs classes by median frequency in training, so that rare ones are learned as well as others. What
            is found is the likeliest class: the weights are taken out of the scores afterwards.
        side: of the squares that it learns from, in pixels; None is 64, or whole pictures where these are as small and
            of one size.
        recipe, device, precision, random_state, verbose: as in `Denoiser`.

    Attributes:
        model_: the `SegNet`.
        classes_: the classes in the order of the network's outputs.
        metrics_: the mean intersection over union and the share of right pixels; for two classes also those of a
            threshold by Otsu; of held-out pictures where there are at least 10.
        history_, recipe_, environment_: as in `DeepAutoencoder`.

    Sources: Badrinarayanan, Kendall & Cipolla 2017, "SegNet"; median frequency: Eigen & Fergus 2015, section 6.3.2;
    out of the scores: Menon et al. 2021, "Long-tail learning via logit adjustment".

    >>> from functools import partial
    >>> from layerwise.recipes import restoration
    >>> pictures = np.random.default_rng(0).integers(0, 256, (12, 16, 16), np.uint8)
    >>> short = partial(restoration, epochs=1)
    >>> found = Segmenter(widths=(4, 8), recipe=short, random_state=0).fit(pictures, pictures > 128)
    >>> found.predict(pictures).shape
    (12, 16, 16)
    """

    def __init__(
        self,
        *,
        widths: Sequence[int] = (32, 64, 96),
        convolutions: int = 2,
        balanced: bool = True,
        side: int | None = None,
        recipe: str | Sequence[Phase] | Callable[[Setting], Sequence[Phase]] | None = None,
        device: str = "auto",
        precision: Precision = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.widths = widths
        self.convolutions = convolutions
        self.balanced = balanced
        self.side = side
        self.recipe = recipe
        self.device = device
        self.precision = precision
        self.random_state = random_state
        self.verbose = verbose

    def predict(self, X: Any) -> Any:
        """The class of each pixel: (height, width) for each picture; an array where one was given."""
        found = [self.classes_[shares.argmax(2)] for shares in self.predict_proba(X)]
        return np.stack(found) if isinstance(X, np.ndarray | Table) else found

    def predict_proba(self, X: Any) -> Any:
        """The probability of each class at each pixel: (height, width, classes) for each picture."""
        check_is_fitted(self)
        scores = self._mapped(pictures_of(X, channels=self.model_.channels))
        found = []
        for one in scores:
            shares = np.exp(one - one.max(2, keepdims=True))
            found.append(shares / shares.sum(2, keepdims=True))
        return np.stack(found) if isinstance(X, np.ndarray | Table) else found

    def score(self, X: Any, y: Any) -> float:
        """The mean intersection over union."""
        return float(self.evaluate(X, y)["mean_iou"])

    def _sample(self, X: Any, y: Any = None) -> Sample:
        pictures = pictures_of(X)
        channels = max(picture.shape[2] for picture in pictures)
        masks = _masks(y, pictures, names_of(X))
        self.classes_ = np.unique(np.concatenate([np.unique(mask) for mask in masks]))
        if not 2 <= len(self.classes_) <= MOST_CLASSES:
            raise InputError(f"masks must have from 2 to {MOST_CLASSES} classes; found {len(self.classes_)}.")
        places = [np.searchsorted(self.classes_, mask) for mask in masks]
        return Sample(pictures_of(pictures, channels=channels), places)

    def _matched(self, X: Any, y: Any) -> Sample:
        pictures = pictures_of(X, channels=self.model_.channels)
        masks = _masks(y, pictures, names_of(X))
        for name, mask in zip(names_of(X), masks, strict=True):
            unknown = np.setdiff1d(mask, self.classes_).tolist()
            if unknown:
                raise InputError(
                    f"masks must have the training classes alone; found {unknown[0]!r} in that of {name}. Leave it out."
                )
        return Sample(pictures, [np.searchsorted(self.classes_, mask) for mask in masks])

    @property
    def _corruption(self) -> None:
        return None

    def _made(self, sample: Sample, *, seed: int) -> tuple[SegNet, Fidelity]:
        assert sample.targets is not None
        count = len(self.classes_)
        model = SegNet(sample.inputs[0].shape[2], self.widths, outputs=count, convolutions=self.convolutions, seed=seed)
        return model, SoftmaxCrossEntropy(weights=self._weights(sample))

    def _weights(self, sample: Sample) -> tuple[float, ...]:
        assert sample.targets is not None
        return median_frequency(sample.targets, len(self.classes_)) if self.balanced else ()

    def _trained(self, model: SegNet | UNet, known: Sample) -> None:
        # The scores hold the logarithms of the weights: less these, the class of the highest is the likeliest.
        if weights := self._weights(known):
            model.last.bias.data -= torch.tensor(weights).log().to(model.last.bias.device)

    def _judged(self, sample: Sample, seed: int) -> tuple[dict[str, Any], list[tuple[Floats, ...]]]:
        assert sample.targets is not None
        count, truth = len(self.classes_), sample.targets
        found = [scores.argmax(2) for scores in self._mapped(sample.inputs)]
        figures: dict[str, Any] = {
            "task": "segment",
            "mean_iou": mean_intersection_over_union(found, truth, classes=count),
            "right_pixels": float(np.mean([np.mean(a == b) for a, b in zip(found, truth, strict=True)])),
        }
        if count == 2:
            by_threshold = [_otsu(grey(picture)) for picture in sample.inputs]
            figures["otsu_mean_iou"] = mean_intersection_over_union(by_threshold, truth, classes=2)
        shown: list[tuple[Floats, ...]] = [
            (picture, _painted(guess), _painted(mask))
            for picture, guess, mask in zip(sample.inputs, found, truth, strict=True)
        ]
        return figures, shown

    def _settings(self) -> dict[str, Any]:
        return {"classes": self.classes_.tolist()}

    def _take(self, settings: Mapping[str, Any]) -> None:
        self.classes_ = np.array(settings["classes"])


def median_frequency(masks: Sequence[NDArray[np.int64]], classes: int) -> tuple[float, ...]:
    """For each class the median frequency over its own, of the pictures in which it is.

    >>> median_frequency([np.array([[0, 0, 0, 1]])], 2)
    (0.6666666666666666, 2.0)
    """
    counts = np.array([np.bincount(mask.reshape(-1), minlength=classes) for mask in masks])
    room = (counts.sum(1, keepdims=True) * (counts > 0)).sum(0)
    frequencies = counts.sum(0) / np.maximum(room, 1)
    known = frequencies > 0
    weights = np.where(known, np.median(frequencies[known]) / np.where(known, frequencies, 1), 1.0)
    return tuple(float(weight) for weight in weights)


def _masks(y: Any, pictures: Sequence[Floats], names: Sequence[str]) -> list[NDArray[Any]]:
    if y is None:
        raise InputError("masks are needed: for each picture the class of each pixel; got none. Give them as y.")
    given = y.to_array() if isinstance(y, Table) else y
    masks = [np.asarray(mask) for mask in given]
    if len(masks) != len(pictures):
        raise InputError(f"there must be a mask for each of the {len(pictures)} pictures; found {len(masks)}.")
    for name, mask, picture in zip(names, masks, pictures, strict=True):
        if mask.shape != picture.shape[:2]:
            raise InputError(
                f"the mask of {name} must have its size, {picture.shape[:2]}; found the shape {mask.shape}. Correct it."
            )
    return masks


def _otsu(picture: Floats) -> NDArray[np.int64]:
    """1 for pixels above the threshold that leaves the least variance within both parts. Source: Otsu 1979."""
    counts, edges = np.histogram(picture, 256, (0, 1))
    middles = (edges[1:] + edges[:-1]) / 2
    below = counts.cumsum()
    sums = (counts * middles).cumsum()
    above = below[-1] - below
    with np.errstate(invalid="ignore", divide="ignore"):
        between = below * above * (sums / below - (sums[-1] - sums) / above) ** 2
    place = int(np.nanargmax(np.where(above > 0, between, -1)))
    return (picture[:, :, 0] > edges[place + 1]).astype(np.int64)


def _painted(mask: NDArray[np.int64]) -> Floats:
    """A colour for each class."""
    painted: Floats = COLOURS[mask % len(COLOURS)] / np.float32(255)
    return painted
