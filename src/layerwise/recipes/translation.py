"""The recipe of networks from sentences to sentences."""

import math

import torch

from layerwise.optim import FirstOrder
from layerwise.recipes.arguments import checked
from layerwise.recipes.setting import Setting
from layerwise.training import Cosine, Phase

__all__ = ["translation"]

STEPS, MOST_EPOCHS = 16_000, 100


@checked
def translation(
    setting: Setting,
    *,
    epochs: int | None = None,
    batch_size: int = 64,
    lr: float = 2e-3,
    weight_decay: float = 0.01,
) -> list[Phase]:
    """One phase of AdamW over pairs of sentences, the rate rising and falling, gradients clipped, weights averaged.

    Arguments:
        setting: how many pairs there are, and the objective.
        epochs: by default enough for 16,000 steps, but at most 100.
        batch_size: pairs of a batch.
        lr: the largest rate; half of it suits a `Transformer`.
        weight_decay: of AdamW, a share of the rate.

    >>> translation(Setting(140_000))[0].epochs, translation(Setting(500))[0].epochs
    (8, 100)
    """
    steps = math.ceil(setting.rows / batch_size)
    method = {"fused": True, "betas": (0.9, 0.98)}
    return [
        Phase(
            "train",
            setting.end,
            FirstOrder(torch.optim.AdamW, lr=lr, weight_decay=weight_decay, clip=1.0, options=method),
            min(MOST_EPOCHS, math.ceil(STEPS / steps)) if epochs is None else epochs,
            batch_size=batch_size,
            schedule=Cosine(warmup=0.05),
            average=0.999,
        )
    ]
