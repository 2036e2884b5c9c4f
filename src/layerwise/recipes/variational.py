"""The recipe of variational autoencoders."""

import math

import torch

from layerwise.optim import FirstOrder
from layerwise.recipes.arguments import checked
from layerwise.recipes.setting import Setting
from layerwise.training import Cosine, Phase, Stop

__all__ = ["variational"]

STEPS = 20_000
LEAST_EPOCHS, MOST_EPOCHS = 40, 1000
MANY_ROWS = 20_000


@checked
def variational(
    setting: Setting,
    *,
    epochs: int | None = None,
    batch_size: int | None = None,
    lr: float = 1e-3,
    weight_decay: float = 0.01,
    patience: int | None = None,
) -> list[Phase]:
    """One phase of AdamW over the whole model: longer than that of a plain autoencoder, for the drawn codes are noise.

    Arguments:
        setting: rows and objective.
        epochs: by default enough for about 20,000 steps, from 40 to 1000.
        batch_size: by default 64, 128 from 20,000 rows, 512 from 200,000.
        lr: the largest rate of the cosine schedule.
        weight_decay: of AdamW, a share of the rate.
        patience: epochs without a better validation before the end; by default a third of the epochs.

    Source: Kingma & Welling 2014, "Auto-encoding variational Bayes", algorithm 1.

    >>> variational(Setting(54_000))[0].epochs
    48
    """
    rows = setting.rows
    if batch_size is None:
        batch_size = 64 if rows < MANY_ROWS else 128 if rows < 10 * MANY_ROWS else 512
    if epochs is None:
        epochs = min(MOST_EPOCHS, max(LEAST_EPOCHS, math.ceil(STEPS / math.ceil(rows / batch_size))))
    optimizer = FirstOrder(torch.optim.AdamW, lr=lr, weight_decay=weight_decay, options={"fused": True})
    return [
        Phase(
            "train",
            setting.end,
            optimizer,
            epochs,
            batch_size=batch_size,
            schedule=Cosine(warmup=0.02),
            stop=Stop(max(10, epochs // 3) if patience is None else patience),
            average=0.999,
        )
    ]
