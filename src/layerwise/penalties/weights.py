"""Penalties on the weights themselves."""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from layerwise.models.base import Pass
from layerwise.penalties.base import Penalty

__all__ = ["WeightDecay"]


@final
@dataclass(frozen=True)
class WeightDecay(Penalty):
    r"""Half the sum of squared weights: all matrices, no biases.

    .. math:: \frac12 \sum_{l} \lVert W_l \rVert_F^2

    so that a weight of `c` on the penalty pulls every matrix entry w with the force c w.

    >>> layer = nn.Linear(2, 1)
    >>> _ = nn.init.ones_(layer.weight)
    >>> run = Pass(torch.zeros(1, 2), torch.zeros(1, 1), torch.zeros(1, 2), (), torch.zeros(1, 2))
    >>> WeightDecay()(run, layer).item()
    1.0
    """

    def __call__(self, run: Pass, model: nn.Module) -> Float[Tensor, ""]:
        """The penalty; it does not depend on the batch."""
        squares = [parameter.square().sum() for parameter in model.parameters() if parameter.ndim > 1]
        return 0.5 * torch.stack(squares).sum()
