"""Gated recurrent units that read a sentence and write another."""

from typing import final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn

from layerwise.data.tokens import PAD
from layerwise.models.attention import Maker
from layerwise.models.sequence import SequenceModel, State, Vocabulary, bottleneck_of, check_sizes, mean_of

__all__ = ["Recurrent"]


@final
class Recurrent(SequenceModel):
    """An encoder of recurrent layers in both directions, and a decoder of recurrent layers with attention.

    The lowest layer of the decoder decides what is looked at; the layers above it, and the output, get what was seen.
    So the attention of all written tokens is computed at once in training. Layers above the first are residual.

    Arguments:
        vocabulary: how many tokens there are.
        width: numbers for each token; each direction of the encoder has half of them.
        layers: of the encoder, and of the decoder.
        heads: of the attention.
        code: numbers of the code of a sentence; None where the decoder attends to all of its tokens.
        dropout: between layers, in training.
        seed: of the first weights.

    Raises:
        InputError: for numbers below 1, a width that is no multiple of twice the heads, or a dropout outside [0, 1).

    Sources: Bahdanau, Cho & Bengio 2015 (attention); Luong, Pham & Manning 2015, eq. 5 (what was seen joins the
    output); Wu et al. 2016, section 3 (the lowest layer attends, the others are residual).

    >>> model = Recurrent(10, width=8, heads=2)
    >>> model(torch.tensor([[5, 2, 1, 7, 8]])).reconstruction.shape
    torch.Size([1, 10, 3])
    """

    network = "recurrent"

    def __init__(
        self,
        vocabulary: int,
        *,
        width: int = 256,
        layers: int = 2,
        heads: int = 4,
        code: int | None = None,
        dropout: float = 0.1,
        seed: int = 0,
    ) -> None:
        super().__init__()
        check_sizes(vocabulary, width, layers=layers, heads=heads, code=code, dropout=dropout)
        make = Maker(seed, dropout)
        self.width, self.layers, self.heads, self.probability = width, layers, heads, dropout
        self.vocabulary = Vocabulary(vocabulary, width, seed=seed)
        self.bottleneck = bottleneck_of(make, width, code)
        self.forwards = nn.ModuleList(make.recurrence(width, width // 2) for _ in range(layers))
        self.backwards = nn.ModuleList(make.recurrence(width, width // 2) for _ in range(layers))
        self.initial = make.linear(width, layers * width)
        self.lower = make.recurrence(width, width)
        self.attention = make.attention(width, heads)
        self.upper = nn.ModuleList(make.recurrence(2 * width, width) for _ in range(layers - 1))
        self.output = make.linear(2 * width, width)
        self.noise = nn.ModuleList(make.dropout() for _ in range(2 * layers + 2))

    def read(self, source: Int[Tensor, "batch source"]) -> Float[Tensor, "batch source width"]:
        """The units of both directions after each token; zeros for padding."""
        known = source != PAD
        x = self.noise[0](self.vocabulary(source))
        start = x.new_zeros(len(x), self.width // 2)
        # Each row is turned round within its own length, so that padding comes last in both directions.
        place = torch.arange(source.shape[1], device=source.device)
        last = known.sum(1, keepdim=True) - 1
        turned = torch.where(known, last - place, place).unsqueeze(2)
        for number, (there, back) in enumerate(zip(self.forwards, self.backwards, strict=True)):
            onward = there(x, start)[0]
            reverse = back(x.gather(1, turned.expand_as(x)), start)[0]
            both = torch.cat([onward, reverse.gather(1, turned.expand_as(reverse))], 2)
            both = self.noise[1 + number](both)
            x = x + both if number else both
        return x * known.unsqueeze(2)

    def begin(self, memory: Float[Tensor, "batch source width"], known: Bool[Tensor, "batch source"]) -> State:
        """Keys, values and which of them are known; then a state of each layer, from the mean of the memory."""
        layers = self.initial(mean_of(memory, known)).tanh().chunk(self.layers, 1)
        return *self.attention.remember(memory), known[:, None, None], *layers

    def write(self, tokens: Int[Tensor, "batch tokens"], state: State) -> tuple[Tensor, State]:
        """What is to be scored after each of these tokens, and the state after the last one."""
        keys, values, known, first, *others = state
        noise = iter(self.noise[self.layers + 1 :])
        x, first = self.lower(next(noise)(self.vocabulary(tokens)), first)
        seen = self.attention(x, (keys, values), known)
        left = [first]
        for layer, before in zip(self.upper, others, strict=True):
            higher, after = layer(torch.cat([x, seen], 2), before)
            x = x + next(noise)(higher)
            left.append(after)
        x = next(noise)(self.output(torch.cat([x, seen], 2)).tanh())
        return x, (keys, values, known, *left)
