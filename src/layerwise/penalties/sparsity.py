"""Penalties on the activity of chosen layers."""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from layerwise.errors import InputError
from layerwise.models.base import Pass
from layerwise.penalties.base import Layers, Penalty, chosen_layers

__all__ = ["L1", "KLSparsity"]


@final
@dataclass(frozen=True)
class L1(Penalty):
    r"""The absolute activity: sum over the chosen layers' units, mean over rows.

    .. math:: \frac1n \sum_{i=1}^n \sum_j |h_{ij}|

    >>> run = Pass(torch.zeros(2, 3), torch.ones(2, 4), torch.zeros(2, 3), (), torch.zeros(2, 3))
    >>> L1()(run, nn.Identity())
    tensor(4.)
    """

    layers: Layers = "code"

    def __call__(self, run: Pass, model: nn.Module) -> Float[Tensor, ""]:
        """The penalty of one batch."""
        return torch.stack([h.abs().flatten(1).sum(1).mean() for h in chosen_layers(run, self.layers)]).sum()


@final
@dataclass(frozen=True)
class KLSparsity(Penalty):
    r"""The divergence of each unit's mean activity from a target: sum over the chosen layers' units.

    .. math:: \sum_j \rho \log\frac{\rho}{\hat\rho_j} + (1 - \rho) \log\frac{1 - \rho}{1 - \hat\rho_j}

    with the mean activity over the batch's rows, clipped to [1e-6, 1 - 1e-6]. For units in [0, 1] (sigmoid).

    Source: Ng 2011, "Sparse autoencoder", CS294A lecture notes.

    Raises:
        InputError: for a target outside (0, 1).

    >>> run = Pass(torch.zeros(2, 3), torch.full((2, 4), 0.05), torch.zeros(2, 3), (), torch.zeros(2, 3))
    >>> bool(KLSparsity(0.05)(run, nn.Identity()).abs() < 1e-6)
    True
    """

    target: float = 0.05
    layers: Layers = "code"

    def __post_init__(self) -> None:
        if not 0 < self.target < 1:
            raise InputError(f"the target of KLSparsity must be between 0 and 1; got {self.target}.")

    def __call__(self, run: Pass, model: nn.Module) -> Float[Tensor, ""]:
        """The penalty of one batch."""
        activity = torch.cat([h.flatten(1).mean(0) for h in chosen_layers(run, self.layers)]).clamp(1e-6, 1 - 1e-6)
        wanted = torch.full_like(activity, self.target)
        return (wanted * (wanted / activity).log() + (1 - wanted) * ((1 - wanted) / (1 - activity)).log()).sum()
