"""Penalties on the activity of chosen layers."""

from dataclasses import dataclass
from typing import final

import torch
from jaxtyping import Float
from torch import Tensor, nn

from layerwise.errors import InputError
from layerwise.models.activations import TopK, sigmoid
from layerwise.models.base import Pass
from layerwise.models.dense import Feedforward
from layerwise.models.layers import DenseLayer
from layerwise.penalties.base import Layers, Penalty, Selective, chosen_layers, layer_numbers, refuse_batch_statistics

__all__ = ["L1", "KLSparsity", "Revival"]


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
class KLSparsity(Selective):
    r"""The divergence of each unit's mean activity from a target: sum over the chosen layers' units.

    .. math:: \sum_j \rho \log\frac{\rho}{\hat\rho_j} + (1 - \rho) \log\frac{1 - \rho}{1 - \hat\rho_j}

    with the mean activity over the batch's rows, clipped to [1e-6, 1 - 1e-6]. For units in [0, 1] (sigmoid): where a
    mean is clipped it has no gradient, and nothing would draw it back.

    Source: Ng 2011, "Sparse autoencoder", CS294A lecture notes.

    Raises:
        InputError: for a target outside (0, 1); from `check`, for units that can leave [0, 1].

    >>> run = Pass(torch.zeros(2, 3), torch.full((2, 4), 0.05), torch.zeros(2, 3), (), torch.zeros(2, 3))
    >>> bool(KLSparsity(0.05)(run, nn.Identity()).abs() < 1e-6)
    True
    """

    target: float = 0.05
    layers: Layers = "code"

    def __post_init__(self) -> None:
        if not 0 < self.target < 1:
            raise InputError(f"the target of KLSparsity must be between 0 and 1; got {self.target}.")

    def check(self, model: nn.Module) -> None:
        """Refuse units that can leave [0, 1]."""
        if not isinstance(model, Feedforward):
            return
        for number in layer_numbers(model.depth, self.layers):
            if not _in_unit_range(model, number):
                raise InputError(
                    f"KLSparsity needs units in [0, 1]; those of layer {number} can leave it. Use sigmoid units, or L1."
                )

    def __call__(self, run: Pass, model: nn.Module) -> Float[Tensor, ""]:
        """The penalty of one batch."""
        activity = torch.cat([h.flatten(1).mean(0) for h in chosen_layers(run, self.layers)]).clamp(1e-6, 1 - 1e-6)
        wanted = torch.full_like(activity, self.target)
        return (wanted * (wanted / activity).log() + (1 - wanted) * ((1 - wanted) / (1 - activity)).log()).sum()


@final
@dataclass(frozen=True)
class Revival(Selective):
    r"""How far the dead units of top-k layers are from being used at all: sum over the units of these layers.

    .. math:: \sum_j \max\bigl(0, \min_i (t_i - z_{ij})\bigr)

    where z is what `TopK` is applied to and t_i the k-th largest of row i. A unit that is among the k largest of any
    row costs nothing. Any other is drawn towards the one row of the batch that it misses by least; no fidelity moves
    it, since only kept units get a gradient. A small weight is enough: with 64 units, k = 4 and 12 clusters 0.001
    brings the share of dead units from 0.31 to 0.02, and 0.1 begins to cost reconstruction.

    Raises:
        InputError: for an encoder without a top-k layer, or with batch normalization in training.

    Source: the aim is that of Gao et al. 2024, "Scaling and evaluating sparse autoencoders", section 2.4, whose
    auxiliary loss needs the target and a memory of past batches.

    >>> from layerwise.models import Dense
    >>> model = Dense(2, code=3, code_activation=TopK(1))
    >>> with torch.no_grad():
    ...     _ = model.encoder[0].weight.copy_(torch.tensor([[1.0, 0.0], [0.0, 1.0], [0.25, 0.0]]))
    >>> Revival()(model(torch.eye(2)), model).item()
    0.75
    """

    def check(self, model: nn.Module) -> None:
        """Refuse batch normalization."""
        refuse_batch_statistics("Revival", model)

    def __call__(self, run: Pass, model: nn.Module) -> Float[Tensor, ""]:
        """The penalty of one batch."""
        if model.training:
            refuse_batch_statistics("Revival", model)
        missed = [
            (z.topk(k, dim=1).values.amin(1, keepdim=True) - z).amin(0).relu().sum()
            for k, z in _top_k_values(run, model)
        ]
        if not missed:
            raise InputError("Revival needs an encoder layer with the activation TopK.")
        return torch.stack(missed).sum()


def _in_unit_range(model: Feedforward, number: int) -> bool:
    """Whether an encoder layer's units are in [0, 1], whatever its input."""
    if number == model.depth and model.linear_path is not None:
        return False
    layer = model.encoder[number - 1]
    assert isinstance(layer, DenseLayer)
    if layer.activation is sigmoid:
        return True
    values = layer.activation(torch.linspace(-30, 30, 7).unsqueeze(1).expand(7, len(layer.weight)))
    return not bool(((values < 0) | (values > 1)).any())


def _top_k_values(run: Pass, model: nn.Module) -> list[tuple[int, Tensor]]:
    """The k and the linear values, in float32, of each encoder layer that keeps its k largest."""
    if not isinstance(model, Feedforward):
        return []
    found = []
    first = run.input if model.front is None else model.front(run.input)
    for layer, signal in zip(model.encoder, (first, *run.hidden), strict=True):
        assert isinstance(layer, DenseLayer)
        if isinstance(layer.activation, TopK):
            z = layer.linear(signal)
            found.append((layer.activation.k, z.to(torch.promote_types(z.dtype, torch.float32))))
    return found
