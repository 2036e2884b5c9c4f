"""How far a reconstruction is from its target: sum over features, mean over rows, observed cells only."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from layerwise.data import Batch
from layerwise.errors import InputError
from layerwise.models.base import Pass
from layerwise.randomness import generator

__all__ = [
    "ClippedSquaredError",
    "CrossEntropy",
    "Emphasized",
    "Fidelity",
    "ReverseCrossEntropy",
    "SquaredError",
    "clipped_squared_error",
    "cross_entropy",
    "is_crossed",
    "reverse_cross_entropy",
    "squared_error",
]


class Fidelity(ABC):
    """Compares a pass with its clean target; a frozen choice without state.

    Attributes:
        name: of the term in the history.
        supervised: whether the target is `Batch.y`, what is to be predicted, and not the row itself.
    """

    name: str
    supervised: bool = False

    @abstractmethod
    def rows(self, run: Pass, target: Batch) -> Float[Tensor, " batch"]:
        """The sum over each row's observed features."""

    @abstractmethod
    def sampled(self, run: Pass, target: Batch, noise: int) -> Float[Tensor, ""]:
        r"""A number whose slope by each row's output is a random vector of mean 0 and of the fidelity's curvature.

        .. math:: \sum_i v_i^T z_i, \quad \mathrm{E}[v_i v_i^T] = \partial^2 \ell_i / \partial z_i^2

        Where the fidelity is minus a log-likelihood, v_i is its slope at a target that the model itself draws, so that
        gradients of the number by the weights are samples for the Fisher matrix; it is 0 where the fidelity is straight
        in the output. The same noise key draws the same numbers. Source: Martens & Grosse 2015, section 5.
        """

    def __call__(self, run: Pass, target: Batch) -> Float[Tensor, ""]:
        """The mean over the rows."""
        return self.rows(run, target).mean()


@final
@dataclass(frozen=True)
class SquaredError(Fidelity):
    r"""The squared error, in the units of the scaled features.

    .. math:: \frac1n \sum_{i=1}^n \sum_j m_{ij} (x_{ij} - \hat x_{ij})^2

    with m the mask of observed cells. It is not divided by the number of features, and has no factor 1/2, as in
    Hinton & Salakhutdinov 2006.

    >>> run = Pass(torch.zeros(2, 3), torch.zeros(2, 1), torch.ones(2, 3), (), torch.ones(2, 3))
    >>> squared_error(run, Batch(torch.zeros(2, 3), None))
    tensor(3.)
    """

    name = "squared_error"

    def rows(self, run: Pass, target: Batch) -> Float[Tensor, " batch"]:
        """The squared error of each row."""
        squares = functional.mse_loss(run.reconstruction, present(target), reduction="none")
        return observed(squares, target.observed).flatten(1).sum(1)

    def sampled(self, run: Pass, target: Batch, noise: int) -> Float[Tensor, ""]:
        """Gaussian targets of variance 1/2."""
        return (observed(gaussian_slopes(run.reconstruction, noise), target.observed) * run.reconstruction).sum()


@final
@dataclass(frozen=True)
class CrossEntropy(Fidelity):
    r"""The binary cross-entropy in nats, for targets in [0, 1] and a sigmoid output.

    .. math:: -\frac1n \sum_i \sum_j m_{ij} [x_{ij} \log \hat x_{ij} + (1 - x_{ij}) \log(1 - \hat x_{ij})]

    computed from the logits, so that it stays exact for saturated outputs. For grey targets its least value is
    the entropy of the target, not 0.

    >>> run = Pass(torch.zeros(1, 2), torch.zeros(1, 1), torch.full((1, 2), 0.5), (), torch.zeros(1, 2))
    >>> round(float(cross_entropy(run, Batch(torch.zeros(1, 2), None))), 4)
    1.3863
    """

    name = "cross_entropy"

    def rows(self, run: Pass, target: Batch) -> Float[Tensor, " batch"]:
        """The cross-entropy of each row."""
        terms = functional.binary_cross_entropy_with_logits(run.natural, present(target), reduction="none")
        return observed(terms, target.observed).flatten(1).sum(1)

    def sampled(self, run: Pass, target: Batch, noise: int) -> Float[Tensor, ""]:
        """Bernoulli targets."""
        return (observed(bernoulli_slopes(run.natural, noise), target.observed) * run.natural).sum()


@final
@dataclass(frozen=True)
class ReverseCrossEntropy(Fidelity):
    r"""The cross-entropy with the roles of target and output exchanged, in nats, for outputs in [0, 1].

    .. math:: -\frac1n \sum_i \sum_j m_{ij} [\hat x_{ij} \log x_{ij} + (1 - \hat x_{ij}) \log(1 - x_{ij})]

    with the target x clipped to [eps, 1 - eps]. It is a straight line in each output, so its least value is at 0 or 1
    and not at the target, and an output that should be black costs up to -log eps if it is white (13.8 nats). Made to
    be reported beside `CrossEntropy`: Gauss-Newton products of it are 0, and eps decides its size.

    Arguments:
        eps: the least probability of a target.

    Raises:
        InputError: for eps outside (0, 0.5).

    Source: our own definition of the measure that Bhutani names in "Alternate Layer Sparsity and Intermediate
    Fine-tuning for Deep Autoencoders", where only its name is known.

    >>> run = Pass(torch.zeros(1, 2), torch.zeros(1, 1), torch.tensor([[1.0, 0.5]]), (), torch.zeros(1, 2))
    >>> round(float(reverse_cross_entropy(run, Batch(torch.tensor([[0.25, 0.5]]), None))), 4)
    2.0794
    """

    eps: float = 1e-6

    name = "reverse_cross_entropy"

    def __post_init__(self) -> None:
        if not 0 < self.eps < 0.5:
            raise InputError(f"eps of ReverseCrossEntropy must be between 0 and 0.5; got {self.eps}.")

    def rows(self, run: Pass, target: Batch) -> Float[Tensor, " batch"]:
        """The reverse cross-entropy of each row."""
        x, z = present(target), run.reconstruction
        # 1 - x is clipped by itself: 1 - (1 - eps) is not eps in float32.
        white, black = (p.clamp(self.eps, 1 - self.eps).log() for p in (x, 1 - x))
        return observed(-(z * white + (1 - z) * black), target.observed).flatten(1).sum(1)

    def sampled(self, run: Pass, target: Batch, noise: int) -> Float[Tensor, ""]:
        """Nothing: it is straight in the output."""
        return (0 * run.reconstruction).sum()


@final
@dataclass(frozen=True)
class ClippedSquaredError(Fidelity):
    r"""The squared error of a model whose output is clipped to a range, with a gradient that does not die there.

    .. math:: \frac1n \sum_i \sum_j m_{ij} (x_{ij} - z_{ij})^2 \, [\, x_{ij} \neq \hat x_{ij} \,]

    with z the output before clipping and \hat x after it. A target at the bound beyond which z lies costs nothing, as
    the reconstruction is exact there; every other target pulls z itself, so it is never stuck outside the range. It
    is convex in z, never below the squared error of the reconstruction, and equal to `SquaredError` without bounds.

    >>> run = Pass(torch.zeros(1, 2), torch.zeros(1, 1), torch.zeros(1, 2), (), torch.full((1, 2), -2.0))
    >>> clipped_squared_error(run, Batch(torch.tensor([[0.0, 1.0]]), None))
    tensor(9.)
    """

    name = "squared_error"

    def rows(self, run: Pass, target: Batch) -> Float[Tensor, " batch"]:
        """The error of each row."""
        errors = torch.where(run.reconstruction == target.x, 0.0, run.natural - present(target))
        return observed(errors.square(), target.observed).flatten(1).sum(1)

    def sampled(self, run: Pass, target: Batch, noise: int) -> Float[Tensor, ""]:
        """Gaussian targets of variance 1/2, where the error of the row's own target is not 0 for the clip."""
        slopes = torch.where(run.reconstruction == target.x, 0.0, gaussian_slopes(run.natural, noise))
        return (observed(slopes, target.observed) * run.natural).sum()


@final
@dataclass(frozen=True)
class Emphasized(Fidelity):
    r"""Another fidelity that counts corrupted and other cells with weights of their own.

    .. math:: \frac1n \sum_i \Bigl( \alpha \sum_{j \in C_i} \ell_{ij} + \beta \sum_{j \notin C_i} \ell_{ij} \Bigr)

    where C_i are the cells in which the model's input differs from the target, and l_ij is what a cell costs in the
    other fidelity. A categorical column of `MixedFidelity` is corrupted as a whole. In a batch without any corrupted
    cell there is nothing to emphasize, and all cells count once: so validation, on clean rows, is that of the other
    fidelity, also where beta is 0.

    Arguments:
        fidelity: compares the cells.
        corrupted: alpha.
        others: beta; 0 is the full emphasis.

    Raises:
        InputError: for a weight that is negative or not finite, or two that are 0.

    Source: Vincent et al. 2010, "Stacked denoising autoencoders", section 3.4, "emphasis on corrupted dimensions".

    >>> zeros, ones = torch.zeros(1, 3), torch.ones(1, 3)
    >>> run = Pass(torch.tensor([[0.0, 1.0, 1.0]]), torch.zeros(1, 1), zeros, (), zeros)
    >>> Emphasized(squared_error, corrupted=4.0, others=0.5)(run, Batch(ones, None))
    tensor(5.)
    """

    fidelity: Fidelity
    corrupted: float = 1.0
    others: float = 0.5

    name = "emphasized"

    def __post_init__(self) -> None:
        if not (0 <= self.corrupted < float("inf") and 0 <= self.others < float("inf")):
            raise InputError(f"the weights of Emphasized must be at least 0 and finite; got {self}.")
        if self.corrupted == self.others == 0:
            raise InputError("one of the weights of Emphasized must be above 0.")

    def rows(self, run: Pass, target: Batch) -> Float[Tensor, " batch"]:
        """The weighted sum over each row's observed cells."""
        corrupted, intact = self._parted(run, target)
        everything = self.fidelity.rows(run, target)
        # Fidelities add up over columns, and count a column only where all its cells are observed.
        rest = self.fidelity.rows(run, intact)
        weighted = self.corrupted * everything + (self.others - self.corrupted) * rest
        return torch.where(corrupted, weighted, everything)

    def sampled(self, run: Pass, target: Batch, noise: int) -> Float[Tensor, ""]:
        """Those of the other fidelity, each times the root of its weight."""
        corrupted, intact = self._parted(run, target)
        # The same key draws the same numbers for both, so that the difference is that of the corrupted columns.
        everything, rest = (self.fidelity.sampled(run, seen, noise) for seen in (target, intact))
        weighted = self.corrupted**0.5 * (everything - rest) + self.others**0.5 * rest
        return torch.where(corrupted, weighted, everything)

    @staticmethod
    def _parted(run: Pass, target: Batch) -> tuple[Tensor, Batch]:
        """Whether any cell is corrupted, and the target of which only the others are observed."""
        corrupted = run.input != target.x
        intact = ~corrupted
        if target.observed is not None:
            corrupted, intact = corrupted & target.observed, intact & target.observed
        return corrupted.any(), target._replace(observed=intact)


squared_error = SquaredError()
clipped_squared_error = ClippedSquaredError()
cross_entropy = CrossEntropy()
reverse_cross_entropy = ReverseCrossEntropy()


def present(target: Batch) -> Tensor:
    """The target with 0 in missing cells: 0 times the slope at a NaN would be a NaN."""
    return observed(target.x, target.observed)


def observed(terms: Tensor, mask: Tensor | None) -> Tensor:
    """The terms of observed cells; a missing one contributes exactly 0, to the value and to the gradient."""
    return terms if mask is None else torch.where(mask, terms, torch.zeros((), dtype=terms.dtype, device=terms.device))


def gaussian_slopes(output: Tensor, noise: int) -> Tensor:
    """Slopes of the squared error at targets that are drawn around the output with variance 1/2."""
    random = generator(noise, device=output.device)
    return 2**0.5 * torch.randn(output.shape, generator=random, dtype=output.dtype, device=output.device)


def bernoulli_slopes(logits: Tensor, noise: int) -> Tensor:
    """Slopes of the cross-entropy, by the logits, at targets of 0 or 1 that are drawn with the output's chance."""
    random = generator(noise, device=logits.device)
    chances = logits.detach().sigmoid()
    return chances - torch.bernoulli(chances, generator=random)


def softmax_slopes(scores: Tensor, noise: int) -> Tensor:
    """Slopes of the cross-entropy, by the scores of shape (..., classes), at classes drawn with the output's chance."""
    random = generator(noise, device=scores.device)
    chances = scores.detach().softmax(-1)
    drawn = torch.multinomial(chances.flatten(0, -2), 1, generator=random).view(chances.shape[:-1])
    return chances - functional.one_hot(drawn, chances.shape[-1])


def is_crossed(fidelity: Fidelity) -> bool:
    """Whether a fidelity is the cross-entropy, or one that emphasizes cells of it: it asks for outputs in [0, 1].

    >>> is_crossed(cross_entropy)
    True
    """
    inner = fidelity.fidelity if isinstance(fidelity, Emphasized) else fidelity
    return isinstance(inner, CrossEntropy)
