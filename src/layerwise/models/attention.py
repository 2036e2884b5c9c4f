"""The parts of networks over tokens: maps of each token, attention, and a recurrent layer."""

import itertools
from typing import final

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn
from torch.nn import functional

from layerwise.models.initializers import Glorot, Orthogonal
from layerwise.models.layers import Dropout
from layerwise.randomness import generator

__all__ = ["Attention", "Linear", "Maker", "Recurrence"]


@final
class Maker:
    """Makes the parts of one network; each has first weights and noise of its own.

    Arguments:
        seed: of the first weights.
        dropout: the probability with which a number is set to 0 in training, where `dropout` is asked for.
    """

    def __init__(self, seed: int, dropout: float) -> None:
        self.seed, self.probability = seed, dropout
        self.places = itertools.count()

    def linear(self, inputs: int, outputs: int) -> "Linear":
        """A linear map of each token."""
        return Linear(inputs, outputs, place=(self.seed, next(self.places)))

    def attention(self, width: int, heads: int) -> "Attention":
        """Attention with so many heads."""
        return Attention([self.linear(width, width) for _ in range(4)], heads)

    def recurrence(self, inputs: int, units: int) -> "Recurrence":
        """A recurrent layer."""
        return Recurrence(inputs, units, place=(self.seed, next(self.places)))

    def dropout(self) -> Dropout:
        """Noise in training."""
        return Dropout(self.probability, place=next(self.places))


@final
class Linear(nn.Module):
    """A linear map of the last dimension, with bias.

    >>> Linear(3, 8)(torch.zeros(2, 5, 3)).shape
    torch.Size([2, 5, 8])
    """

    def __init__(self, inputs: int, outputs: int, *, place: tuple[int, int] = (0, 0)) -> None:
        super().__init__()
        self.weight = nn.Parameter(Glorot()(outputs, inputs, gain=1.0, generator=generator(*place, 0)))
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Float[Tensor, "*batch inputs"]) -> Float[Tensor, "*batch outputs"]:
        """The mapped numbers."""
        return functional.linear(x, self.weight, self.bias)


@final
class Attention(nn.Module):
    r"""Scaled dot-product attention with several heads.

    .. math:: \operatorname{softmax}(Q K^T / \sqrt{d}) V

    for each head, where Q is a linear map of the tokens that look, and K and V are maps of those that are looked at.

    Source: Vaswani et al. 2017, "Attention is all you need", section 3.2.

    Arguments:
        maps: for queries, keys, values, and the heads' outputs together.
        heads: how many; they share the width evenly.
    """

    def __init__(self, maps: list[Linear], heads: int) -> None:
        super().__init__()
        self.query, self.key, self.value, self.output = maps
        self.heads = heads

    def remember(self, x: Float[Tensor, "batch seen width"]) -> tuple[Tensor, Tensor]:
        """Keys and values of tokens that are looked at, each of shape (batch, heads, seen, width / heads)."""
        return self._split(self.key(x)), self._split(self.value(x))

    def forward(
        self,
        x: Float[Tensor, "batch tokens width"],
        seen: tuple[Tensor, Tensor],
        known: Bool[Tensor, "#batch #heads #tokens seen"],
    ) -> Float[Tensor, "batch tokens width"]:
        """What each token sees of what is remembered, where that is `known`."""
        keys, values = seen
        found = functional.scaled_dot_product_attention(self._split(self.query(x)), keys, values, attn_mask=known)
        return self.output(found.transpose(1, 2).flatten(2))

    def _split(self, x: Tensor) -> Tensor:
        return x.unflatten(2, (self.heads, -1)).transpose(1, 2)


@final
class Recurrence(nn.Module):
    """A layer of gated recurrent units.

    Source: Cho et al. 2014, "Learning phrase representations using RNN encoder-decoder", eq. 5 to 8; as in torch the
    reset gate is applied after the multiplication.

    >>> layer = Recurrence(3, 4)
    >>> layer(torch.zeros(2, 5, 3), torch.zeros(2, 4))[0].shape
    torch.Size([2, 5, 4])
    """

    def __init__(self, inputs: int, units: int, *, place: tuple[int, int] = (0, 0)) -> None:
        super().__init__()
        noise = generator(*place, 0)
        first = [Glorot()(units, inputs, gain=1.0, generator=noise) for _ in range(3)]
        again = [Orthogonal()(units, units, gain=1.0, generator=noise) for _ in range(3)]
        self.units = units
        # Named and ordered as those of torch.
        self.weight_ih = nn.Parameter(torch.cat(first))
        self.weight_hh = nn.Parameter(torch.cat(again))
        self.bias_ih = nn.Parameter(torch.zeros(3 * units))
        self.bias_hh = nn.Parameter(torch.zeros(3 * units))

    def forward(
        self, x: Float[Tensor, "batch tokens inputs"], state: Float[Tensor, "batch units"]
    ) -> tuple[Float[Tensor, "batch tokens units"], Float[Tensor, "batch units"]]:
        """The units after each token, and after the last one, from a state before the first one."""
        weights = (self.weight_ih, self.weight_hh, self.bias_ih, self.bias_hh)
        outputs, last = torch.gru(x, state.unsqueeze(0), weights, True, 1, 0.0, self.training, False, True)
        return outputs, last[0]
