"""The fidelity of a row whose columns are of several kinds."""

from dataclasses import dataclass
from typing import final

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor
from torch.nn import functional

from layerwise.data import Batch, Binary, Categorical, Schema
from layerwise.models.base import Pass
from layerwise.penalties.fidelity import (
    Fidelity,
    bernoulli_slopes,
    gaussian_slopes,
    observed,
    present,
    softmax_slopes,
)
from layerwise.randomness import key

__all__ = ["Discrete", "MixedFidelity"]

SLOPE = 4.0


@final
@dataclass(frozen=True)
class Discrete:
    """The features of one binary column (one feature) or categorical column (one for each level).

    Attributes:
        start, stop: the features.
        center, scale: an encoded x stands for t = x scale + center, which is 1 for the present level and else 0.
        entropy: of the column's frequencies in nats: the loss of always guessing by them.
    """

    start: int
    stop: int
    center: tuple[float, ...]
    scale: float
    entropy: float


@final
@dataclass(frozen=True)
class MixedFidelity(Fidelity):
    r"""Squared error of numbers, cross-entropy of yes/no and of categories, each column divided by its own uncertainty.

    .. math:: \sum_{\text{numeric}} (x - z)^2 + \sum_{\text{binary}} \frac{\mathrm{CE}(t, \sigma(4 (s - 1/2)))}{H}
        + \sum_{\text{categorical}} \frac{\mathrm{CE}(t, \mathrm{softmax}(4 s))}{H}

    Numeric columns have variance 1 and H is the entropy of a column's frequencies, so that a column which is guessed by
    its mean or frequencies costs 1, whatever its kind: no kind drowns another. The model's output before clipping is
    read as scores s, 0 to 1 in a linear model such as PCA; the factor 4 makes the sigmoid agree with them to first
    order at 1/2. Missing cells cost nothing.

    Arguments:
        blocks: the discrete columns; all other features are numeric. `MixedFidelity.of` takes them from a schema.

    >>> block = Discrete(1, 2, center=(0.5,), scale=0.5, entropy=0.6931)
    >>> z = torch.tensor([[0.0, 0.0]])
    >>> run = Pass(z, torch.zeros(1, 1), z, (), z)
    >>> MixedFidelity((block,))(run, Batch(torch.tensor([[1.0, 1.0]]), None)).round(decimals=2)
    tensor(2.)
    """

    blocks: tuple[Discrete, ...] = ()

    name = "mixed"

    @classmethod
    def of(cls, schema: Schema) -> "MixedFidelity":
        """The fidelity for the columns of a schema."""
        blocks: list[Discrete] = []
        for block in schema.layout:
            column = block.column
            if isinstance(column, Binary):
                center: tuple[float, ...] = (column.center,)
                shares = np.array([1 - column.center, column.center])
            elif isinstance(column, Categorical):
                center, shares = (*column.frequencies, 0.0), np.array(column.frequencies)
            else:
                continue
            positive = shares[(shares > 0) & (shares < 1)]
            # Without frequencies (no standardizing) the uncertainty is that of a fair guess.
            entropy = float(-(positive * np.log(positive)).sum()) or float(np.log(max(2, len(center))))
            blocks.append(Discrete(block.start, block.stop, center, column.scale, entropy))
        return cls(tuple(blocks))

    def rows(self, run: Pass, target: Batch) -> Float[Tensor, " batch"]:
        """The sum over each row's observed columns."""
        numeric = self._numeric(run.natural)
        total = target.x.new_zeros(len(target.x))
        for block in self.blocks:
            total = total + self._discrete(block, run.natural, target)
        squares = (run.natural - present(target)).square()
        mask = None if target.observed is None else target.observed[:, numeric]
        return total + observed(squares[:, numeric], mask).sum(1)

    def sampled(self, run: Pass, target: Batch, noise: int) -> Float[Tensor, ""]:
        """Gaussian numbers of variance 1/2; truths and levels drawn by their chance, each times the root of 1/H."""
        numeric = self._numeric(run.natural)
        mask = None if target.observed is None else target.observed[:, numeric]
        slopes = torch.zeros_like(run.natural)
        slopes[:, numeric] = observed(gaussian_slopes(run.natural[:, numeric], noise), mask)
        for number, block in enumerate(self.blocks):
            logits, truth, seen = _compared(block, run.natural, target)
            single = block.stop - block.start == 1
            drawn = (bernoulli_slopes if single else softmax_slopes)(logits, key(noise, number))
            # The shares of a category add up to 1 in every encoded row.
            weight = 1.0 if single else truth.sum(1, keepdim=True).clamp(min=0).sqrt()
            scaled = drawn * weight * (SLOPE * block.scale / block.entropy**0.5)
            slopes[:, block.start : block.stop] = scaled if seen is None else scaled * seen.unsqueeze(1)
        return (slopes * run.natural).sum()

    def _numeric(self, natural: Tensor) -> Tensor:
        numeric = torch.ones(natural.shape[1], dtype=torch.bool, device=natural.device)
        for block in self.blocks:
            numeric[block.start : block.stop] = False
        return numeric

    @staticmethod
    def _discrete(block: Discrete, natural: Tensor, target: Batch) -> Tensor:
        logits, truth, mask = _compared(block, natural, target)
        if block.stop - block.start == 1:
            terms = functional.binary_cross_entropy_with_logits(logits, truth, reduction="none").squeeze(1)
        else:
            terms = -(truth * functional.log_softmax(logits, dim=1)).sum(1)
        return observed(terms / block.entropy, mask)


def _compared(block: Discrete, natural: Tensor, target: Batch) -> tuple[Tensor, Tensor, Tensor | None]:
    """The logits of a column, its truth, and which of its rows are observed."""
    center = natural.new_tensor(block.center)
    part = slice(block.start, block.stop)
    mask = None if target.observed is None else target.observed[:, part].all(1)
    truth = target.x[:, part] * block.scale + center
    # A missing row's target is arbitrary; a fixed one keeps its terms finite before they are dropped.
    truth = truth if mask is None else torch.where(mask.unsqueeze(1), truth, 0.0)
    scores = natural[:, part] * block.scale + center
    return SLOPE * (scores - 0.5 if block.stop - block.start == 1 else scores), truth, mask
