"""Pairs of sentences as rows of tokens: what is read, and what is written."""

from collections.abc import Sequence
from typing import final

import numpy as np
import torch
from jaxtyping import Int
from numpy.typing import NDArray
from torch import Tensor

from layerwise.data.rows import Batch
from layerwise.data.tokens import BEGIN, END, PAD
from layerwise.errors import InputError

__all__ = ["UNCOUNTED", "SentencePairs", "padded"]

# The class that no loss counts, as torch knows it.
UNCOUNTED = -100


@final
class SentencePairs:
    """Sentences to be read, each with the one that is to be written after it; rows of whole numbers.

    A row of `x` is the sentence that is read, ended and padded, and then the one that is written after the mark
    `BEGIN`, which is at the same place in all rows of a batch. `y` is the written sentence, ended: at each place the
    token after that of `x`. What is padded is not counted (`UNCOUNTED`). A batch is as wide as its longest sentences.

    Arguments:
        sources: tokens of the sentences to be read, without marks.
        targets: tokens of the sentences to be written.

    Raises:
        InputError: when there are not as many of both.

    >>> pairs = SentencePairs([[5], [5, 6]], [[7, 8], [9]])
    >>> x, _, y = pairs.batch(torch.tensor([0, 1]))
    >>> x
    tensor([[5, 2, 0, 1, 7, 8],
            [5, 6, 2, 1, 9, 0]])
    >>> y
    tensor([[   7,    8,    2],
            [   9,    2, -100]])
    """

    def __init__(self, sources: Sequence[Sequence[int]], targets: Sequence[Sequence[int]]) -> None:
        if len(sources) != len(targets):
            raise InputError(f"there must be as many targets as sources; got {len(targets)} for {len(sources)}.")
        self.sources = [np.array([*one, END], np.int64) for one in sources]
        self.targets = [np.array([BEGIN, *one, END], np.int64) for one in targets]
        lengths = [(len(target), len(source)) for source, target in zip(self.sources, self.targets, strict=True)]
        self.lengths = torch.tensor(lengths, dtype=torch.float64).reshape(-1, 2)

    def __len__(self) -> int:
        return len(self.sources)

    def batch(self, index: Tensor) -> Batch:
        """The pairs of the given numbers."""
        numbers = index.tolist()
        source = padded([self.sources[number] for number in numbers])
        target = padded([self.targets[number] for number in numbers])
        written = torch.where(target == END, PAD, target)[:, :-1]
        y = torch.where(target == PAD, UNCOUNTED, target)[:, 1:]
        return Batch(torch.cat([source, written], 1), None, y.contiguous())

    def batches(self, count: int, generator: torch.Generator) -> list[Tensor]:
        """All rows in so many batches of pairs of nearly the same lengths, so that little is padded."""
        target, source = self.lengths.unbind(1)
        # Sources whose lengths differ by one may meet.
        jitter = 2 * torch.rand(len(self), generator=generator, dtype=torch.float64)
        order = torch.argsort(target * (source.max() + 2) + source + jitter)
        chunks = order.tensor_split(count)
        return [chunks[place] for place in torch.randperm(count, generator=generator).tolist()]


def padded(sentences: Sequence[NDArray[np.int64]]) -> Int[Tensor, "batch tokens"]:
    """Sentences of different lengths as rows, padded at their ends.

    >>> padded([np.array([5, 6]), np.array([7])])
    tensor([[5, 6],
            [7, 0]])
    """
    rows = np.full((len(sentences), max(map(len, sentences), default=0)), PAD, np.int64)
    for row, sentence in zip(rows, sentences, strict=True):
        row[: len(sentence)] = sentence
    return torch.from_numpy(rows)
