"""What the estimators from pictures to pictures share: pictures of any size in and out, squares for training."""

import logging
import math
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any, ClassVar, Literal, NamedTuple, Self, cast

import numpy as np
import torch
from jaxtyping import Float
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from layerwise.corruptions import Corruption
from layerwise.data import Patches, Pixels, Schema, Table
from layerwise.data.pictures import Pictures, as_bytes
from layerwise.errors import InputError, ModelFileError
from layerwise.estimators.arguments import check_arguments, named
from layerwise.estimators.base import SavedEstimator
from layerwise.estimators.page import report_data
from layerwise.models import SegNet, UNet
from layerwise.penalties import Fidelity
from layerwise.recipes import Setting, restoration
from layerwise.report import write_report
from layerwise.runtime import Runtime
from layerwise.storage import SavedModel, environment, load_model
from layerwise.training import Checkpoint, History, Objective, Phase, Recipe, describe, fit

__all__ = ["Floats", "PictureEstimator", "Sample", "grey", "like_given", "names_of", "pictures_of", "tiled"]

logger = logging.getLogger(__name__)

Floats = NDArray[np.float32]
Picture = NDArray[Any]

SMALL = 64
HELD_OUT = 0.1
LEAST_PICTURES = 10
BATCH_PIXELS = 1 << 20
# Larger pictures are computed in squares; a multiple of the network's stride.
TILE = 1 << 10
EXAMPLES, EXAMPLE_SIDE = 6, 160
# ITU-R BT.601.
LUMINANCE = np.array([0.299, 0.587, 0.114], np.float32)


class Sample(NamedTuple):
    """What training sees of the pictures, each of shape (height, width, channels), from 0 to 1.

    Attributes:
        inputs: what goes into the network.
        targets: what is to come out, where that is not the input; class numbers, or (height, width, outputs).
    """

    inputs: list[Floats]
    targets: list[NDArray[Any]] | None = None


class PictureEstimator(SavedEstimator, ABC):
    """An estimator whose network maps pictures to pictures of the same size, and learns it from squares of them."""

    turned: ClassVar[Literal["all", "mirrored"]] = "all"
    # Of small pictures of one size, the side of the squares as a share of theirs; what is asked of the usual recipe;
    # whether the result is the mean of that of a picture and that of its mirror image.
    share: ClassVar[float] = 1.0
    usual: ClassVar[Callable[[Setting], Recipe]] = staticmethod(restoration)
    both_ways: ClassVar[bool] = False

    widths: Sequence[int]
    side: int | None
    recipe: str | Sequence[Phase] | Callable[[Setting], Sequence[Phase]] | None
    model_: SegNet | UNet
    examples_: dict[str, Tensor]

    @abstractmethod
    def _sample(self, X: Any, y: Any = None) -> Sample:
        """What training sees of what `fit` is given."""

    @abstractmethod
    def _matched(self, X: Any, y: Any) -> Sample:
        """The same of other pictures, as the fitted network takes them."""

    @property
    @abstractmethod
    def _corruption(self) -> Corruption | None:
        """What is done to the input in training."""

    @abstractmethod
    def _made(self, sample: Sample, *, seed: int) -> tuple[SegNet | UNet, Fidelity]:
        """An untrained network, and what is asked of it."""

    @abstractmethod
    def _judged(self, sample: Sample, seed: int) -> tuple[dict[str, Any], list[tuple[Floats, ...]]]:
        """How good it is on these pictures; and for each input, output and truth, to be looked at."""

    @abstractmethod
    def _trained(self, model: SegNet | UNet, known: Sample) -> None:
        """What is done to the network after training."""

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        history: History | None = None,
        checkpoint: str | os.PathLike[str] | Checkpoint | None = None,
    ) -> Self:
        """Learn from pictures, all but a tenth of them where there are at least 10, and judge by the others.

        Arguments:
            X: an array (pictures, height, width[, channels]), a list of pictures of any size, or a `Table` of pictures;
                bytes, numbers of 16 bits, or numbers from 0 to 1. What is in them, the class says. One with less
                than half of the usual side is mirrored at its edges, which is told.
            y: the masks, for a `Segmenter`; others ignore it.
            history: takes the events of training as they come.
            checkpoint: as in `DeepAutoencoder.fit`.

        Raises:
            InputError: for pictures and masks that are not what the class learns from, and arguments that do not fit.
            CheckpointError: when the folder belongs to another run or is in use.
            TrainingDiverged: when the loss stops being finite.
        """
        check_arguments(self.get_params(deep=False))
        sample, seed = self._sample(X, y), self._seed()
        count = len(sample.inputs)
        held = max(1, round(HELD_OUT * count)) if count >= LEAST_PICTURES else 0
        order = np.random.default_rng(seed).permutation(count)
        known = _chosen(sample, order[held:])
        squares, self.schema_, model, recipe = self._plan(known, seed)
        with self._run(seed, self.schema_, history=history, checkpoint=checkpoint) as run:
            fit(
                model,
                squares,
                recipe,
                seed=seed,
                runtime=run.runtime,
                history=run.history,
                checkpoint=run.part("pictures"),
            )
        self._trained(model, known)
        self.model_, self.recipe_, self.history_ = model, describe(recipe), run.history
        self.environment_, self.ignored_, self._backend = environment(), (), "numpy"
        judged = _chosen(sample, order[:held]) if held else known
        self.metrics_, shown = self._judged(judged, seed)
        self.metrics_ |= {
            "pictures": count,
            "judged": len(judged.inputs),
            "held_out": "held-out pictures" if held else "training pictures",
        }
        self.examples_ = _examples(shown)
        return self

    def evaluate(self, X: Any, y: Any = None) -> dict[str, Any]:
        """The figures of `metrics_` for these pictures, with noise, if any, that is the same each time.

        Arguments:
            X, y: as in `fit`.

        Raises:
            InputError: as in `fit`, and for a class of pixels that training had not.
        """
        check_is_fitted(self)
        return self._judged(self._matched(X, y), 0)[0]

    def plan(self, X: Any, y: Any = None) -> tuple[Schema, SegNet | UNet, Recipe]:
        """What `fit` would make of these pictures: the schema, the untrained network and its phases."""
        check_arguments(self.get_params(deep=False))
        return self._plan(self._sample(X, y), self._seed())[1:]

    def _plan(self, known: Sample, seed: int) -> tuple[Patches, Schema, SegNet | UNet, Recipe]:
        side = self._side(known.inputs)
        wide = known if side is None else _widened(known, side)
        squares = Patches(wide.inputs, side, targets=wide.targets, turned=self.turned, seed=seed)
        model, fidelity = self._made(known, seed=seed)
        setting = Setting(len(squares), Objective(fidelity), pictures=True, corruption=self._corruption)
        recipe = named(self.recipe) or type(self).usual
        shape = (squares.height, squares.width, model.channels)
        schema = Schema((Pixels(shape, 0.0, 1.0, "float32"),))
        return squares, schema, model, list(recipe(setting) if callable(recipe) else recipe)

    def saved(self) -> SavedModel:
        """All that a model folder holds."""
        return self._as_saved(self._settings(), examples=self.examples_)

    def report(self, path: str | os.PathLike[str], *, title: str = "Pictures") -> None:
        """Write one self-contained HTML page with the figures of `metrics_` and some of the pictures.

        Raises:
            ResourceError: when the place cannot be written.
        """
        check_is_fitted(self)
        write_report(report_data(self.saved(), title=title, source=f"the {self.metrics_['held_out']} of fit"), path)

    @classmethod
    def load(cls, folder: str | os.PathLike[str], *, device: str = "auto") -> Self:
        """A fitted estimator from a model folder, without unpickling.

        Raises:
            ModelFileError: when the folder is missing, damaged, changed or newer, or holds what another class saved.
        """
        saved = load_model(folder)
        if saved.settings.get("class") != cls.__name__ or not isinstance(saved.model, SegNet | UNet):
            raise ModelFileError(f"{folder}: must hold what {cls.__name__} saves; found another model.")
        estimator = cls(device=device)
        estimator._restore(saved)
        estimator._take(saved.settings)
        estimator.widths, estimator.examples_ = saved.model.widths, saved.examples
        estimator.model_.to(Runtime(device, "float32").torch_device)
        return estimator

    @abstractmethod
    def _settings(self) -> dict[str, Any]:
        """What it needs beside the model to be itself again."""

    @abstractmethod
    def _take(self, settings: Mapping[str, Any]) -> None:
        """Be what gave these settings."""

    def _side(self, pictures: Sequence[Floats]) -> int | None:
        """The side of the squares; None for whole pictures, where they are small and of one size."""
        shapes = {picture.shape[:2] for picture in pictures}
        sides = [min(picture.shape[:2]) for picture in pictures]
        if self.side is None and len(shapes) == 1 and sides[0] <= SMALL:
            return None if self.share == 1 else max(1, int(self.share * sides[0]))
        usual = min(self.side or SMALL, int(np.median(sides)))
        # One tiny picture must not make all squares tiny.
        return min(usual, *(side for side in sides if 2 * side >= usual))

    @torch.no_grad()
    def _mapped(self, pictures: Sequence[Floats]) -> Iterator[Floats]:
        """What the network makes of each picture: (height, width, outputs)."""
        check_is_fitted(self)
        self.model_.eval()
        device = next(self.model_.parameters()).device
        place = 0
        while place < len(pictures):
            shape = pictures[place].shape
            most = max(1, BATCH_PIXELS // math.prod(shape[:2]))
            stop = place + 1
            while stop < len(pictures) and stop - place < most and pictures[stop].shape == shape:
                stop += 1
            x = torch.from_numpy(np.stack(pictures[place:stop])).permute(0, 3, 1, 2)
            y = tiled(self.model_, x, device=device, side=TILE)
            if self.both_ways:
                y = (y + tiled(self.model_, x.flip(3), device=device, side=TILE).flip(3)) / 2
            found = y.permute(0, 2, 3, 1).numpy()
            yield from cast("list[Floats]", [*found])
            place = stop


def tiled(
    model: SegNet | UNet, x: Float[Tensor, "batch channels height width"], *, device: torch.device, side: int
) -> Float[Tensor, "batch outputs height width"]:
    """What a network makes of pictures, computed square by square with as much around each as it depends on.

    Arguments:
        model: in evaluation mode.
        x: the pictures.
        device: where the network is.
        side: of the squares; a multiple of the network's stride.

    >>> model, x = UNet(1, (4, 8)), torch.rand(1, 1, 20, 30)
    >>> torch.equal(tiled(model, x, device=torch.device("cpu"), side=8), x)
    True
    """
    margin = -(-model.reach // model.stride) * model.stride
    found = torch.empty(len(x), model.outputs, *x.shape[2:])
    for top in range(0, x.shape[2], side):
        for left in range(0, x.shape[3], side):
            above, before = max(0, top - margin), max(0, left - margin)
            piece = x[:, :, above : top + side + margin, before : left + side + margin].to(device)
            inner = model(piece).reconstruction[:, :, top - above :, left - before :]
            found[:, :, top : top + side, left : left + side] = inner[:, :, :side, :side]
    return found


def names_of(X: Any) -> Sequence[str]:
    """What to call pictures in messages: by the names of their files, or by number.

    >>> names_of(np.zeros((2, 5, 5)))
    ['picture 0', 'picture 1']
    """
    return X.names if isinstance(X, Pictures) else [f"picture {number}" for number in range(len(X))]


def pictures_of(X: Any, *, channels: int | None = None) -> list[Floats]:
    """Pictures as numbers from 0 to 1, each of shape (height, width, channels).

    Transparency is dropped; grey pictures get three equal channels and coloured ones become grey where so many channels
    are wanted.

    Arguments:
        X: an array (pictures, height, width[, channels]), a list of pictures of any size, or a `Table` of pictures.
            Bytes are divided by 255, numbers of 16 bits by 65535; others must be from 0 to 1.
        channels: 1 or 3; None keeps what there is.

    Raises:
        InputError: for anything else; says which picture.

    >>> [picture.shape for picture in pictures_of([np.zeros((4, 5)), np.zeros((6, 4, 3))], channels=1)]
    [(4, 5, 1), (6, 4, 1)]
    """
    if isinstance(X, Table):
        if X.shape is None:
            raise X.origin.error("pictures are needed; found a table. Give a folder of pictures, or an array of them.")
        X = X.to_array()
    if isinstance(X, np.ndarray) and X.ndim not in (3, 4):
        raise InputError(
            f"pictures must be an array (pictures, height, width[, channels]) or a list; got the shape {X.shape}."
        )
    if len(X) == 0:
        raise InputError("at least one picture is needed; got none.")
    return [_one(np.asarray(picture), name, channels) for name, picture in zip(names_of(X), X, strict=True)]


def _one(picture: Picture, name: str, channels: int | None) -> Floats:
    if picture.ndim == 2:
        picture = picture[:, :, None]
    if picture.ndim != 3 or picture.shape[2] not in (1, 2, 3, 4) or min(picture.shape) < 1:
        raise InputError(
            f"{name} must have the shape (height, width) or (height, width, channels) with 1 to 4 channels; "
            f"found {picture.shape}."
        )
    # Grey with transparency, and colours with it.
    picture = picture[:, :, : {2: 1, 4: 3}.get(picture.shape[2], picture.shape[2])]
    if picture.dtype == np.bool_:
        found = picture.astype(np.float32)
    elif picture.dtype.kind == "u" and picture.dtype.itemsize <= 2:
        found = picture.astype(np.float32) / np.float32(np.iinfo(picture.dtype).max)
    elif picture.dtype.kind in "iuf":
        found = picture.astype(np.float32)
        if not (np.isfinite(found).all() and found.min() >= 0 and found.max() <= 1):
            raise InputError(
                f"{name} must hold bytes, numbers of 16 bits, or numbers from 0 to 1; found {picture.dtype} "
                f"from {found.min():.6g} to {found.max():.6g}. Scale it."
            )
    else:
        raise InputError(f"{name} must hold numbers; found {picture.dtype}.")
    if channels == 1 and found.shape[2] == 3:
        return grey(found)
    return np.repeat(found, 3, axis=2) if channels == 3 and found.shape[2] == 1 else found


def grey(picture: Floats) -> Floats:
    """The luminance of a picture, shape (height, width, 1); of a grey one itself.

    Source: ITU-R BT.601.
    """
    return (picture @ LUMINANCE)[:, :, None] if picture.shape[2] == 3 else picture


def like_given(pictures: Sequence[Floats], X: Any, *, flat: bool = True) -> Any:
    """Pictures from 0 to 1 in the type of those that were given; without channels where these had none, if `flat`."""
    given = X.to_array() if isinstance(X, Table) else X
    found: list[Picture] = []
    for picture, one in zip(pictures, given, strict=True):
        old = np.asarray(one)
        shaped: Picture = picture.mean(2) if flat and old.ndim == 2 else picture
        found.append(np.rint(shaped * np.iinfo(old.dtype).max).astype(old.dtype) if old.dtype.kind == "u" else shaped)
    return np.stack(found) if isinstance(given, np.ndarray) else found


def _chosen(sample: Sample, numbers: NDArray[np.int64]) -> Sample:
    targets = None if sample.targets is None else [sample.targets[number] for number in numbers]
    return Sample([sample.inputs[number] for number in numbers], targets)


def _widened(sample: Sample, side: int) -> Sample:
    """The same with pictures smaller than a square mirrored at their edges until it fits; told."""
    small = [picture.shape for picture in sample.inputs if min(picture.shape[:2]) < side]
    if not small:
        return sample
    logger.warning(
        "mirrored at their edges, since they are smaller than the squares of %s x %s pixels that are learned from: "
        "%s of %s pictures, the least of %s x %s.",
        *(side, side, len(small), len(sample.inputs), *min(small, key=min)[:2]),
    )

    def widened(array: NDArray[Any]) -> NDArray[Any]:
        room = [(0, max(0, side - size)) for size in array.shape[:2]]
        return np.pad(array, (*room, *[(0, 0)] * (array.ndim - 2)), mode="symmetric")

    targets = None if sample.targets is None else [widened(target) for target in sample.targets]
    return Sample([widened(picture) for picture in sample.inputs], targets)


def _examples(shown: Sequence[tuple[Floats, ...]]) -> dict[str, Tensor]:
    """The middles of the first pictures as bytes of three channels, each row what one picture is and becomes."""
    cut = []
    for pictures in shown[:EXAMPLES]:
        height, width = (min(size, EXAMPLE_SIDE) for size in pictures[0].shape[:2])
        top, left = ((size - kept) // 2 for size, kept in zip(pictures[0].shape, (height, width), strict=False))
        row = np.zeros((len(pictures), EXAMPLE_SIDE, EXAMPLE_SIDE, 3), np.uint8)
        for place, picture in enumerate(pictures):
            row[place, :height, :width] = as_bytes(picture[top : top + height, left : left + width])
        cut.append((row, height, width))
    if not cut:
        return {}
    return {
        "pictures.shown": torch.from_numpy(np.stack([row for row, _, _ in cut])),
        "pictures.size": torch.tensor([[height, width] for _, height, width in cut]),
    }
