"""How far a prediction is from what was to be predicted: mean over rows."""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from layerwise.data import Batch
from layerwise.errors import InputError
from layerwise.models.base import Pass
from layerwise.penalties.fidelity import Fidelity, gaussian_slopes, softmax_slopes

__all__ = [
    "PartialError",
    "PredictionError",
    "SoftmaxCrossEntropy",
    "partial_error",
    "prediction_error",
    "softmax_cross_entropy",
]


@final
@dataclass(frozen=True)
class SoftmaxCrossEntropy(Fidelity):
    r"""Minus the log-probability of the right class, in nats, for a model whose output is a score for each class.

    .. math:: -\frac1n \sum_i \log \frac{e^{z_{i y_i}}}{\sum_k e^{z_{ik}}}

    Of pictures, with a class for each pixel, it is summed over the pixels; of sentences, with a class for each token,
    over the tokens. What has the class -100 is not counted.

    Arguments:
        smoothing: the share of the target's probability that is spread evenly over all classes.
        weights: of the classes, by which the terms of the sum are multiplied; empty is 1 each.

    Raises:
        InputError: for a smoothing outside [0, 1), or weights that are not above 0.

    Source: Bridle 1990 (softmax); Szegedy et al. 2016, section 7 (smoothing).

    >>> import torch
    >>> row = torch.zeros(1, 4)
    >>> run = Pass(row, row, row, (), row)
    >>> softmax_cross_entropy(run, Batch(row, None, torch.tensor([2])))
    tensor(1.3863)
    """

    smoothing: float = 0.0
    weights: tuple[float, ...] = ()

    name = "softmax_cross_entropy"
    supervised = True

    def __post_init__(self) -> None:
        if not 0 <= self.smoothing < 1:
            raise InputError(f"the smoothing must be at least 0 and below 1; got {self.smoothing}.")
        if not all(weight > 0 for weight in self.weights):
            raise InputError(f"the weights of classes must be above 0; got {self.weights}.")

    def rows(self, run: Pass, target: Batch) -> Float[Tensor, " batch"]:
        """The cross-entropy of each row.

        Raises:
            InputError: for rows without a class.
        """
        y = _wanted(target, self.name)
        scores, weights = run.natural, run.natural.new_tensor(self.weights) if self.weights else None
        # Of tokens, the scores of all classes lie beside each other: that is a matrix, which need not be turned round.
        if (turned := scores.movedim(1, -1)).is_contiguous():
            scores, y = turned.flatten(0, -2), y.flatten()
        terms = functional.cross_entropy(scores, y, weights, label_smoothing=self.smoothing, reduction="none")
        return terms.reshape(len(run.natural), -1).sum(1)

    def sampled(self, run: Pass, target: Batch, noise: int) -> Float[Tensor, ""]:
        """Classes drawn by their chance, where one is counted; times the root of what the row's own class weighs."""
        y, scores = _wanted(target, self.name), run.natural.movedim(1, -1)
        weights = scores.new_tensor(self.weights) if self.weights else scores.new_ones(scores.shape[-1])
        counted = (1 - self.smoothing) * weights[y.clamp(min=0)] + self.smoothing * weights.mean()
        roots = torch.where(y == IGNORED, 0.0, counted).sqrt()
        return (softmax_slopes(scores, noise) * roots.unsqueeze(-1) * scores).sum()


@final
@dataclass(frozen=True)
class PredictionError(Fidelity):
    r"""The squared error of predicted numbers: sum over the outputs.

    .. math:: \frac1n \sum_i \sum_j (y_{ij} - \hat y_{ij})^2

    >>> import torch
    >>> row = torch.zeros(1, 2)
    >>> prediction_error(Pass(row, row, row, (), row), Batch(row, None, torch.tensor([[1.0, 2.0]])))
    tensor(5.)
    """

    name = "prediction_error"
    supervised = True

    def rows(self, run: Pass, target: Batch) -> Float[Tensor, " batch"]:
        """The squared error of each row.

        Raises:
            InputError: for rows without numbers to predict.
        """
        return (run.reconstruction - _wanted(target, self.name)).square().flatten(1).sum(1)

    def sampled(self, run: Pass, target: Batch, noise: int) -> Float[Tensor, ""]:
        """Gaussian numbers of variance 1/2."""
        return (gaussian_slopes(run.reconstruction, noise) * run.reconstruction).sum()


@final
@dataclass(frozen=True)
class PartialError(Fidelity):
    r"""The squared error of those predicted numbers that are asked for: sum over the outputs; NaN asks for nothing.

    .. math:: \frac1n \sum_i \sum_{j: y_{ij} \text{ known}} (y_{ij} - \hat y_{ij})^2

    >>> import torch
    >>> row = torch.zeros(1, 2)
    >>> partial_error(Pass(row, row, row, (), row), Batch(row, None, torch.tensor([[torch.nan, 2.0]])))
    tensor(4.)
    """

    name = "partial_error"
    supervised = True

    def rows(self, run: Pass, target: Batch) -> Float[Tensor, " batch"]:
        """The squared error of each row.

        Raises:
            InputError: for rows without numbers to predict.
        """
        y = _wanted(target, self.name)
        return torch.where(y.isnan(), 0.0, run.reconstruction - y.nan_to_num()).square().sum(1)

    def sampled(self, run: Pass, target: Batch, noise: int) -> Float[Tensor, ""]:
        """Gaussian numbers of variance 1/2, where one is asked for."""
        asked = ~_wanted(target, self.name).isnan()
        return (gaussian_slopes(run.reconstruction, noise) * asked * run.reconstruction).sum()


def _wanted(target: Batch, name: str) -> Tensor:
    if target.y is None:
        raise InputError(f"{name} needs rows with something to be predicted; give Targeted(rows, y).")
    return target.y


IGNORED = -100  # What torch passes over.

softmax_cross_entropy = SoftmaxCrossEntropy()
prediction_error = PredictionError()
partial_error = PartialError()
