"""Pictures without their noise."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any, final

import numpy as np
import torch
from scipy.ndimage import gaussian_filter
from sklearn.base import TransformerMixin
from sklearn.utils.validation import check_is_fitted

from layerwise.corruptions import NOISES, Corruption, GaussianNoise, Varied
from layerwise.diagnostics import peak_signal_to_noise
from layerwise.errors import InputError
from layerwise.estimators.pictures import Floats, PictureEstimator, Sample, like_given, pictures_of
from layerwise.models import SegNet, UNet
from layerwise.penalties import Fidelity, squared_error
from layerwise.randomness import generator
from layerwise.recipes import Setting
from layerwise.runtime import Precision
from layerwise.training import Phase

__all__ = ["Denoiser"]

WIDTHS = (0.0, 0.3, 0.5, 0.7, 1.0, 1.4, 2.0, 2.8, 4.0)


@final
class Denoiser(TransformerMixin, PictureEstimator):
    """Takes the noise from pictures, however much of it there is; learns to from clean ones.

    A convolutional network learns what must be added to a noisy picture, from squares of clean pictures that get noise
    of a kind, at any level. It then works on pictures of any size.

    `fit` and `evaluate` take clean pictures X: an array (pictures, height, width[, channels]) or a list of pictures of
    any size; bytes, numbers of 16 bits, or numbers from 0 to 1. It works in colour where one that it learns from is in
    colour. They ignore y.

    Arguments:
        noise: what the clean pictures get in training, as numbers from 0 to 1.
        widths: channels of the network's stages; each but the first halves the sides.
        blocks: residual blocks of each stage.
        side: of the squares in pixels; None is 64, or whole pictures where these are as small and of one size.
        recipe: phases, a function of a `Setting` that makes them, or the name of one; None is `recipes.restoration`.
        device: "auto", "cpu", "cuda:1", "mps".
        precision: "auto", "float32" or "bf16".
        random_state: seed of everything random.
        verbose: 1 shows progress on standard error.

    Attributes:
        model_: the `UNet`.
        metrics_: the peak signal-to-noise ratio of noisy pictures, of the denoised ones, and of the best Gaussian
            filter, in dB; of held-out pictures where there are at least 10.
        history_, recipe_, environment_: as in `DeepAutoencoder`.

    Sources: Vincent et al. 2010 (denoising autoencoders); Zhang et al. 2017, "Beyond a Gaussian denoiser" (blind, by
    the noise).

    >>> from functools import partial
    >>> from layerwise.recipes import restoration
    >>> pictures = np.random.default_rng(0).integers(0, 256, (12, 16, 16), np.uint8)
    >>> short = partial(restoration, epochs=1)
    >>> Denoiser(widths=(4, 8), recipe=short, random_state=0).fit(pictures).transform(pictures).shape
    (12, 16, 16)
    """

    def __init__(
        self,
        noise: Corruption = Varied(GaussianNoise, 0.0, high=0.3, bounds=(0.0, 1.0)),
        *,
        widths: Sequence[int] = (32, 64),
        blocks: int = 1,
        side: int | None = None,
        recipe: str | Sequence[Phase] | Callable[[Setting], Sequence[Phase]] | None = None,
        device: str = "auto",
        precision: Precision = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.noise = noise
        self.widths = widths
        self.blocks = blocks
        self.side = side
        self.recipe = recipe
        self.device = device
        self.precision = precision
        self.random_state = random_state
        self.verbose = verbose

    def transform(self, X: Any) -> Any:
        """The pictures without noise, in the shape and type in which they came.

        Raises:
            InputError: for anything but pictures.
        """
        check_is_fitted(self)
        found = self._mapped(pictures_of(X, channels=self.model_.channels))
        return like_given([np.clip(picture, 0, 1) for picture in found], X)

    def _sample(self, X: Any, y: Any = None) -> Sample:
        pictures = pictures_of(X)
        return Sample(pictures_of(pictures, channels=max(picture.shape[2] for picture in pictures)))

    def _matched(self, X: Any, y: Any) -> Sample:
        return Sample(pictures_of(X, channels=self.model_.channels))

    @property
    def _corruption(self) -> Corruption:
        return self.noise

    def _made(self, sample: Sample, *, seed: int) -> tuple[UNet, Fidelity]:
        return UNet(sample.inputs[0].shape[2], self.widths, blocks=self.blocks, seed=seed), squared_error

    def _trained(self, model: SegNet | UNet, known: Sample) -> None:
        """Nothing."""

    def _judged(self, sample: Sample, seed: int) -> tuple[dict[str, Any], list[tuple[Floats, ...]]]:
        noisy = [self._noisy(picture, seed, number) for number, picture in enumerate(sample.inputs)]
        found = [np.clip(picture, 0, 1) for picture in self._mapped(noisy)]
        smooth = max(_quality([_smoothed(x, width) for x in noisy], sample.inputs) for width in WIDTHS)
        figures = {
            "task": "denoise",
            "noisy_psnr": _quality(noisy, sample.inputs),
            "psnr": _quality(found, sample.inputs),
            "smoothed_psnr": smooth,
        }
        return figures, list(zip(noisy, found, sample.inputs, strict=True))

    def _noisy(self, picture: Floats, seed: int, number: int) -> Floats:
        x = torch.from_numpy(picture).unsqueeze(0)
        return np.clip(self.noise(x, generator(seed, -5, number))[0].numpy(), 0, 1)

    def _settings(self) -> dict[str, Any]:
        for name, kind in NOISES.items():
            if isinstance(self.noise, Varied) and self.noise.kind is kind:
                levels = {"low": self.noise.low, "high": self.noise.high, "bounds": self.noise.bounds}
                return {"noise": {"kind": name, **levels}}
            if isinstance(self.noise, kind):
                level = self.noise.level
                return {"noise": {"kind": name, "low": level, "high": level, "bounds": None}}
        raise InputError(
            f"noise of another kind than {', '.join(NOISES)} cannot be saved without a pickle; got {self.noise!r}."
        )

    def _take(self, settings: Mapping[str, Any]) -> None:
        noise = settings["noise"]
        bounds = None if noise["bounds"] is None else (noise["bounds"][0], noise["bounds"][1])
        self.noise = Varied(NOISES[noise["kind"]], noise["low"], high=noise["high"], bounds=bounds)


def _smoothed(picture: Floats, width: float) -> Floats:
    smooth: Floats = gaussian_filter(picture, (width, width, 0))
    return smooth


def _quality(found: Sequence[Floats], truth: Sequence[Floats]) -> float:
    return float(np.mean([peak_signal_to_noise(x, y) for x, y in zip(found, truth, strict=True)]))
