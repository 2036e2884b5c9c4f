"""What every network from tokens to tokens is: it reads a sentence, and writes one token after the other."""

from abc import ABC, abstractmethod
from typing import ClassVar, Literal, final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn import functional

from layerwise.data.tokens import BEGIN, PAD
from layerwise.errors import InputError
from layerwise.models.attention import Maker
from layerwise.models.base import Autoencoder, Pass
from layerwise.models.config import SequenceConfig
from layerwise.models.initializers import Gaussian
from layerwise.randomness import generator

__all__ = ["Bottleneck", "SequenceModel", "State", "Vocabulary", "bottleneck_of", "check_sizes", "mean_of"]

# All that the next token depends on: what is known of the sentence that was read, and of the tokens so far. The first
# dimension of each tensor is the batch, so that a search can choose among the rows.
State = tuple[Tensor, ...]
VOCABULARY_PLACE = -1
# To so many tokens a code is unfolded, so that the decoder can look at its parts one after the other.
SLOTS = 4


@final
class Vocabulary(nn.Module):
    """A vector for each token, used both to read it and to score it as the next one.

    Source: Press & Wolf 2017, "Using the output embedding to improve language models".

    >>> tokens = Vocabulary(10, 4, seed=0)
    >>> tokens.scores(tokens(torch.tensor([[1, 2]]))).shape
    torch.Size([1, 2, 10])
    """

    def __init__(self, tokens: int, width: int, *, seed: int) -> None:
        super().__init__()
        self.scale = width**0.5
        noise = generator(seed, VOCABULARY_PLACE)
        self.weight = nn.Parameter(Gaussian(1 / self.scale)(tokens, width, gain=1.0, generator=noise))
        self.bias = nn.Parameter(torch.zeros(tokens))

    def forward(self, tokens: Int[Tensor, "batch tokens"]) -> Float[Tensor, "batch tokens width"]:
        """The vectors of tokens, of variance 1 at the start."""
        return functional.embedding(tokens, self.weight) * self.scale

    def scores(self, x: Float[Tensor, "batch tokens width"]) -> Float[Tensor, "batch tokens vocabulary"]:
        """The logits of the next token."""
        return functional.linear(x, self.weight, self.bias)


@final
class Bottleneck(nn.Module):
    """One vector for a whole sentence, from the mean over its tokens; and back to what the decoder attends to."""

    def __init__(self, make: Maker, width: int, *, code: int) -> None:
        super().__init__()
        self.narrow, self.widen = make.linear(width, code), make.linear(code, SLOTS * width)

    def encode(
        self, memory: Float[Tensor, "batch source width"], known: Bool[Tensor, "batch source"]
    ) -> Float[Tensor, "batch code"]:
        """The code of each sentence."""
        return self.narrow(mean_of(memory, known))

    def decode(self, code: Float[Tensor, "batch code"]) -> Float[Tensor, "batch slots width"]:
        """The code as the memory of a sentence of a few tokens."""
        return self.widen(code).unflatten(1, (SLOTS, -1))


class SequenceModel(Autoencoder, ABC):
    """Reads the tokens of a sentence, and writes those of another, each from those before it.

    A row is what `SentencePairs` gives: the sentence that is read, padded, and after the mark `BEGIN` the one that is
    written. The code is what was understood of each token that was read, with zeros for padding; or, with a bottleneck,
    one vector for the whole sentence, and the model is a sequence autoencoder where both sentences are the same. The
    reconstruction of a pass is the logits of each next token, (batch, vocabulary, written).

    Sources: Sutskever, Vinyals & Le 2014; Dai & Le 2015, "Semi-supervised sequence learning" (sequence autoencoder).

    Attributes:
        network: the kind's name in files.
        vocabulary: the vectors of the tokens.
        width: numbers for each token within the network.
        layers: of the encoder, and of the decoder.
        heads: of each attention.
        probability: of dropout.
        bottleneck: makes one code of a sentence; None where the decoder sees all of its tokens.
    """

    network: ClassVar[Literal["recurrent", "transformer"]]

    vocabulary: Vocabulary
    width: int
    layers: int
    heads: int
    probability: float
    bottleneck: Bottleneck | None

    @abstractmethod
    def read(self, source: Int[Tensor, "batch source"]) -> Float[Tensor, "batch source width"]:
        """What is understood of each token of a sentence; zeros for padding."""

    @abstractmethod
    def begin(self, memory: Float[Tensor, "batch source width"], known: Bool[Tensor, "batch source"]) -> State:
        """The state before anything is written, after what was read; padding is not `known`."""

    @abstractmethod
    def write(self, tokens: Int[Tensor, "batch tokens"], state: State) -> tuple[Tensor, State]:
        """What is to be scored after each of these tokens, (batch, tokens, width), and the state after the last one."""

    @property
    def code(self) -> int:
        """Numbers of a code: for the sentence with a bottleneck, else for each token."""
        return self.width if self.bottleneck is None else self.bottleneck.narrow.weight.shape[0]

    @property
    def widths(self) -> tuple[int, ...]:
        """The vocabulary, the width and the code."""
        return len(self.vocabulary.weight), self.width, self.code

    def encode(self, x: Int[Tensor, "batch tokens"]) -> Float[Tensor, "batch *code"]:
        """The code of the sentence in each row; what follows the mark `BEGIN`, if it is there, is not looked at."""
        source = _parted(x)[0]
        memory = self.read(source)
        return memory if self.bottleneck is None else self.bottleneck.encode(memory, source != PAD)

    def start(self, code: Float[Tensor, "batch *code"]) -> State:
        """The state before anything is written, from the code."""
        if self.bottleneck is None:
            return self.begin(code, (code != 0).any(2))
        memory = self.bottleneck.decode(code)
        return self.begin(memory, torch.ones(memory.shape[:2], dtype=torch.bool, device=memory.device))

    def decode(self, code: Float[Tensor, "batch *code"]) -> Float[Tensor, "batch vocabulary"]:
        """The logits of the first token that is written: all that the code alone says."""
        first = torch.full((len(code), 1), BEGIN, device=code.device)
        return self.vocabulary.scores(self.write(first, self.start(code))[0])[:, 0]

    def forward(self, x: Int[Tensor, "batch tokens"]) -> Pass:
        """The logits of each written token's successor, from the tokens before it and the code."""
        source, written = _parted(x)
        code = self.encode(source)
        scores = self.vocabulary.scores(self.write(written, self.start(code))[0]).transpose(1, 2)
        return Pass(x, code, scores, (), scores)

    def config(self) -> SequenceConfig:
        """The description from which `model_of` makes a model of the same shape."""
        return SequenceConfig(
            network=self.network,
            vocabulary=self.widths[0],
            width=self.width,
            layers=self.layers,
            heads=self.heads,
            code=None if self.bottleneck is None else self.code,
            dropout=self.probability,
        )


def mean_of(
    memory: Float[Tensor, "batch source width"], known: Bool[Tensor, "batch source"]
) -> Float[Tensor, "batch width"]:
    """The mean over the tokens that are known; the others are 0 in the memory."""
    return memory.sum(1) / known.sum(1, keepdim=True).clamp(min=1)


def bottleneck_of(make: Maker, width: int, code: int | None) -> Bottleneck | None:
    """A bottleneck of so many numbers, or none."""
    return None if code is None else Bottleneck(make, width, code=code)


def check_sizes(vocabulary: int, width: int, *, layers: int, heads: int, code: int | None, dropout: float) -> None:
    """Refuse sizes that no network over tokens has.

    Raises:
        InputError: for numbers below 1, a width that the heads cannot share, or a dropout outside [0, 1).

    >>> check_sizes(100, 8, layers=1, heads=2, code=None, dropout=0.1)
    """
    if min(vocabulary, width, layers, heads, 1 if code is None else code) < 1 or width % (2 * heads):
        raise InputError(
            "a network over tokens needs whole numbers from 1 on, and a width that is a multiple of twice the heads; "
            f"got {vocabulary} tokens, width {width}, {layers} layers, {heads} heads, code {code}."
        )
    if not 0 <= dropout < 1:
        raise InputError(f"dropout must be at least 0 and below 1; got {dropout}.")


def _parted(x: Tensor) -> tuple[Tensor, Tensor]:
    """The sentence that is read, and the one that is written, which begins in the same place in all rows."""
    places = (x[0] == BEGIN).nonzero() if len(x) else x.new_zeros(0, 1)
    place = int(places[0]) if len(places) else x.shape[1]
    return x[:, :place], x[:, place:]
