"""The phase that the recipes of today share."""

from dataclasses import replace

import torch

from layerwise.corruptions import Corruption
from layerwise.optim import FirstOrder
from layerwise.recipes.setting import Setting
from layerwise.training import Cosine, Phase, Stop

__all__ = ["adamw", "with_momentum"]

SQUARES = 0.999


def adamw(
    setting: Setting,
    epochs: int,
    *,
    batch_size: int,
    lr: float,
    weight_decay: float,
    stop: Stop,
    corruption: Corruption | None = None,
    average: float = 0.0,
) -> Phase:
    """The whole model by AdamW, the rate rising for a twentieth of the phase and then falling as a cosine.

    Arguments:
        setting: its `end` is the objective.
        epochs, batch_size, stop, corruption, average: as in `Phase`.
        lr: the largest rate.
        weight_decay: of AdamW, a share of the rate.

    Source: Loshchilov & Hutter 2019, "Decoupled weight decay regularization".

    >>> adamw(Setting(5000), 3, batch_size=128, lr=1e-3, weight_decay=0.01, stop=Stop()).name
    'train'
    """
    return Phase(
        "train",
        setting.end,
        FirstOrder(torch.optim.AdamW, lr=lr, weight_decay=weight_decay, options={"fused": True}),
        epochs,
        corruption=corruption,
        batch_size=batch_size,
        schedule=Cosine(warmup=0.05),
        stop=stop,
        average=average,
    )


def with_momentum(phase: Phase, momentum: float) -> Phase:
    """A phase of AdamW with another decay of the mean of its gradients, which is 0.9 else.

    >>> phase = adamw(Setting(5000), 3, batch_size=128, lr=1e-3, weight_decay=0.01, stop=Stop())
    >>> with_momentum(phase, 0.95).optimizer.options["betas"]
    (0.95, 0.999)
    """
    assert isinstance(phase.optimizer, FirstOrder)
    options = {**phase.optimizer.options, "betas": (momentum, SQUARES)}
    return replace(phase, optimizer=replace(phase.optimizer, options=options))
