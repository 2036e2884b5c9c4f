"""The likeliest sentences that a network over tokens writes: a search that keeps several beginnings at once."""

from collections.abc import Sequence
from typing import NamedTuple, final

import torch
from jaxtyping import Float
from torch import Tensor

from layerwise.data.tokens import BEGIN, END, PAD
from layerwise.errors import InputError
from layerwise.models.sequence import SequenceModel, State

__all__ = ["LENGTH_EXPONENT", "Sentence", "beam_search"]

LENGTH_EXPONENT = 0.6


@final
class Sentence(NamedTuple):
    """What a search has found.

    Attributes:
        tokens: without marks.
        score: the log-probability of the tokens and the mark of the end, in nats, over the length penalty.
    """

    tokens: tuple[int, ...]
    score: float


@torch.no_grad()
def beam_search(
    model: SequenceModel,
    code: Float[Tensor, "batch *code"],
    *,
    longest: Sequence[int],
    beam: int = 5,
    exponent: float = LENGTH_EXPONENT,
) -> list[Sentence]:
    r"""For each code the sentence with the best score among those that the search has ended.

    .. math:: s(Y) = \log P(Y \mid X) \Big/ \Bigl(\frac{5 + |Y|}{5 + 1}\Bigr)^{\alpha}

    where the mark of the end counts as a token of Y. All beginnings are continued by all tokens, and the `beam` best
    continuations are kept; those that end leave the search, which is over when as many as `beam` have. A beam of 1
    takes the likeliest token each time. The encoder has been run before, once.

    Arguments:
        model: in evaluation.
        code: what `model.encode` gave for each sentence that was read.
        longest: how many tokens each sentence may have; then it must end.
        beam: how many beginnings are kept.
        exponent: alpha; 0 compares sums of log-probabilities, which prefers short sentences.

    Raises:
        InputError: for a beam below 1.

    Source: Wu et al. 2016, "Google's neural machine translation system", eq. 14, without its penalty on coverage.

    >>> from layerwise.models import Recurrent
    >>> model = Recurrent(6, width=8, heads=2).eval()
    >>> code = model.encode(torch.tensor([[3, 4, 2]]))
    >>> [len(found.tokens) <= 7 for found in beam_search(model, code, longest=[7])]
    [True]
    """
    if beam < 1:
        raise InputError(f"a beam must be a whole number from 1 on; got {beam}.")
    found = _Search(model, code, longest, beam, exponent)
    while len(found.rows):
        found.go_on()
    return [max(ended, key=lambda one: one.score) for ended in found.ended]


@final
class _Search:
    """A search at work.

    Attributes:
        rows: the numbers of the sentences that are still searched for.
        ended: what was found for each sentence.
        totals: the log-probability of each beginning, (rows, beam); minus infinity where there is none.
        tokens: of each beginning, (rows, beam, tokens), the mark `BEGIN` first.
        state: that of the model after all tokens but the last, for each beginning of each row.
    """

    def __init__(self, model: SequenceModel, code: Tensor, longest: Sequence[int], beam: int, exponent: float) -> None:
        self.model, self.beam, self.exponent = model, beam, exponent
        self.longest = torch.tensor(longest, device=code.device)
        self.rows = torch.arange(len(code), device=code.device)
        self.ended: list[list[Sentence]] = [[] for _ in range(len(code))]
        # At first there is one beginning.
        self.totals = torch.full((len(code), beam), -torch.inf, device=code.device)
        self.totals[:, 0] = 0.0
        self.tokens = torch.full((len(code), beam, 1), BEGIN, device=code.device)
        self.state: State = tuple(part.repeat_interleave(beam, 0) for part in model.start(code))

    def go_on(self) -> None:
        """Add a token to each beginning, and let go what has ended."""
        count = len(self.rows)
        scores, state = self._scored()
        totals = (self.totals.unsqueeze(2) + scores).flatten(1)
        # Of each beginning one continuation ends: among twice as many are enough that go on.
        best, place = totals.topk(min(2 * self.beam, totals.shape[1]), 1)
        parent, token = place // scores.shape[2], place % scores.shape[2]
        tokens = torch.cat(
            [self.tokens.gather(1, parent.unsqueeze(2).expand(-1, -1, self.tokens.shape[2])), token.unsqueeze(2)], 2
        )
        over = token == END
        self._end(best[:, : self.beam], tokens[:, : self.beam], over[:, : self.beam])
        # Those that go on, in their order, before those that do not.
        kept = over.int().argsort(dim=1, stable=True)[:, : self.beam]
        self.totals = best.masked_fill(over, -torch.inf).gather(1, kept)
        self.tokens = tokens.gather(1, kept.unsqueeze(2).expand(-1, -1, tokens.shape[2]))
        origin = torch.arange(count, device=best.device).unsqueeze(1) * self.beam + parent.gather(1, kept)
        left = self._left()
        self.rows, self.totals, self.tokens = self.rows[left], self.totals[left], self.tokens[left]
        self.state = tuple(part[origin[left].flatten()] for part in state)

    def _scored(self) -> tuple[Tensor, State]:
        """The log-probability of each next token, (rows, beam, vocabulary), and the state after the last ones."""
        outputs, state = self.model.write(self.tokens[:, :, -1].reshape(-1, 1), self.state)
        logits = self.model.vocabulary.scores(outputs)[:, 0].float()
        # Marks that only stand before and after sentences.
        logits[:, [PAD, BEGIN]] = -torch.inf
        scores = logits.log_softmax(1).unflatten(0, (-1, self.beam))
        full = self.tokens.shape[2] > self.longest[self.rows]
        others = torch.arange(scores.shape[2], device=scores.device) != END
        return scores.masked_fill(full[:, None, None] & others, -torch.inf), state

    def _end(self, totals: Tensor, tokens: Tensor, over: Tensor) -> None:
        penalty = ((5 + tokens.shape[2] - 1) / 6) ** self.exponent
        for row, place in (over & totals.isfinite()).nonzero().tolist():
            written: list[int] = tokens[row, place, 1:-1].tolist()
            self.ended[int(self.rows[row])].append(Sentence(tuple(written), float(totals[row, place]) / penalty))

    def _left(self) -> Tensor:
        """Which rows are not done: with fewer ends than the beam, and something that can go on."""
        few = [len(self.ended[row]) < self.beam for row in self.rows.tolist()]
        return torch.tensor(few, device=self.rows.device) & self.totals.isfinite().any(1)
