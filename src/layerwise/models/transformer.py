"""A transformer that reads a sentence and writes another."""

from collections.abc import Sequence
from typing import final

import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor, nn
from torch.nn.functional import gelu

from layerwise.data.tokens import PAD
from layerwise.models.attention import Maker
from layerwise.models.layers import RowNormalization
from layerwise.models.sequence import SequenceModel, State, Vocabulary, bottleneck_of, check_sizes

__all__ = ["Transformer"]

EXPANSION = 4
# Tensors of a layer's state.
PARTS = 4
LONGEST_WAVE = 10_000.0


@final
class _Thought(nn.Module):
    """Two linear maps of each token with units between them, on normalized input, added to it."""

    def __init__(self, make: Maker, width: int) -> None:
        super().__init__()
        self.normalize = RowNormalization(width)
        self.up, self.down = make.linear(width, EXPANSION * width), make.linear(EXPANSION * width, width)
        self.noise = make.dropout()

    def forward(self, x: Float[Tensor, "batch tokens width"]) -> Float[Tensor, "batch tokens width"]:
        return x + self.noise(self.down(gelu(self.up(self.normalize(x)))))


@final
class _Look(nn.Module):
    """Attention of normalized tokens, added to them: to each other, or to what was read."""

    def __init__(self, make: Maker, width: int, heads: int) -> None:
        super().__init__()
        self.normalize = RowNormalization(width)
        self.attention = make.attention(width, heads)
        self.noise = make.dropout()

    def remember(self, x: Tensor) -> tuple[Tensor, Tensor]:
        """Keys and values of tokens that look at each other."""
        return self.attention.remember(self.normalize(x))

    def forward(
        self,
        x: Float[Tensor, "batch tokens width"],
        seen: tuple[Tensor, Tensor],
        known: Bool[Tensor, "#batch #heads #tokens seen"],
    ) -> Float[Tensor, "batch tokens width"]:
        return x + self.noise(self.attention(self.normalize(x), seen, known))


@final
class _Reader(nn.Module):
    def __init__(self, make: Maker, width: int, heads: int) -> None:
        super().__init__()
        self.look, self.think = _Look(make, width, heads), _Thought(make, width)

    def forward(self, x: Tensor, known: Tensor) -> Tensor:
        return self.think(self.look(x, self.look.remember(x), known))


@final
class _Writer(nn.Module):
    def __init__(self, make: Maker, width: int, heads: int) -> None:
        super().__init__()
        self.look_back, self.look = _Look(make, width, heads), _Look(make, width, heads)
        self.think = _Thought(make, width)

    def begin(self, memory: Tensor) -> list[Tensor]:
        """Keys and values of what was read, and of the tokens so far, of which there are none."""
        keys, values = self.look.attention.remember(memory)
        return [keys, values, keys[:, :, :0], values[:, :, :0]]

    def forward(
        self, x: Tensor, state: Sequence[Tensor], known: Tensor, earlier: Tensor
    ) -> tuple[Tensor, list[Tensor]]:
        """What is thought of the tokens, and the state after them."""
        read, written = state[:2], state[2:]
        keys, values = (torch.cat([a, b], 2) for a, b in zip(written, self.look_back.remember(x), strict=True))
        x = self.look_back(x, (keys, values), earlier)
        return self.think(self.look(x, (read[0], read[1]), known)), [*read, keys, values]


@final
class Transformer(SequenceModel):
    """Layers of attention and of linear maps, on normalized input and added to it; sines tell the places of tokens.

    Arguments:
        vocabulary: how many tokens there are.
        width: numbers for each token; within a layer four times as many.
        layers: of the encoder, and of the decoder.
        heads: of each attention.
        code: numbers of the code of a sentence; None where the decoder attends to all of its tokens.
        dropout: of what each half of a layer adds, in training.
        seed: of the first weights.

    Raises:
        InputError: for numbers below 1, a width that is no multiple of twice the heads, or a dropout outside [0, 1).

    Sources: Vaswani et al. 2017, "Attention is all you need"; Xiong et al. 2020 (normalized before, not after).

    >>> model = Transformer(10, width=8, heads=2)
    >>> model(torch.tensor([[5, 2, 1, 7, 8]])).reconstruction.shape
    torch.Size([1, 10, 3])
    """

    network = "transformer"

    def __init__(
        self,
        vocabulary: int,
        *,
        width: int = 256,
        layers: int = 3,
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
        self.readers = nn.ModuleList(_Reader(make, width, heads) for _ in range(layers))
        self.writers = nn.ModuleList(_Writer(make, width, heads) for _ in range(layers))
        self.read_noise, self.written_noise = make.dropout(), make.dropout()
        self.normalize_read, self.normalize_written = RowNormalization(width), RowNormalization(width)

    def read(self, source: Int[Tensor, "batch source"]) -> Float[Tensor, "batch source width"]:
        """What the last layer says of each token; zeros for padding."""
        known = source != PAD
        x = self.read_noise(self._placed(source, 0))
        for layer in self.readers:
            x = layer(x, known[:, None, None])
        return self.normalize_read(x) * known.unsqueeze(2)

    def begin(self, memory: Float[Tensor, "batch source width"], known: Bool[Tensor, "batch source"]) -> State:
        """Which tokens are known; then for each layer keys and values of what was read, and of the tokens so far."""
        return known[:, None, None], *(part for layer in self._writers() for part in layer.begin(memory))

    def write(self, tokens: Int[Tensor, "batch tokens"], state: State) -> tuple[Tensor, State]:
        """What is to be scored after each of these tokens, and the state after the last one."""
        known, *parts = state
        before, count = parts[2].shape[2], tokens.shape[1]
        # Each token sees those before it and itself.
        earlier = torch.ones(count, before + count, dtype=torch.bool, device=tokens.device).tril(before)[None, None]
        x, left = self.written_noise(self._placed(tokens, before)), [known]
        for number, layer in enumerate(self._writers()):
            x, after = layer(x, parts[PARTS * number : PARTS * (number + 1)], known, earlier)
            left += after
        return self.normalize_written(x), tuple(left)

    def _writers(self) -> list[_Writer]:
        return [layer for layer in self.writers if isinstance(layer, _Writer)]

    def _placed(self, tokens: Tensor, start: int) -> Tensor:
        """The vectors of tokens plus sines of their places, from `start` on."""
        x = self.vocabulary(tokens)
        place = torch.arange(start, start + tokens.shape[1], device=x.device, dtype=x.dtype).unsqueeze(1)
        wave = torch.arange(0, self.width, 2, device=x.device, dtype=x.dtype) / self.width
        angle = place / LONGEST_WAVE**wave
        return x + torch.cat([angle.sin(), angle.cos()], 1)
