"""The recipe that is used when none is named."""

import math

import torch

from layerwise.corruptions import Corruption, Masking
from layerwise.optim import FirstOrder
from layerwise.training import Cosine, Objective, Phase, Stop

__all__ = ["default"]

STEPS = 6000
LEAST_EPOCHS = 30
FEW_ROWS = 1000
FEW_ROWS_STEPS = 2000


def default(
    rows: int,
    *,
    objective: Objective = Objective(),
    corruption: Corruption | None = Masking(0.05),
    epochs: int | None = None,
    batch_size: int | None = None,
    lr: float = 2e-3,
    patience: int | None = None,
) -> list[Phase]:
    """One phase of AdamW over the whole model, sized by the number of rows.

    Arguments:
        rows: of the training data.
        objective: fidelity and penalties.
        corruption: of the input; a little masking keeps the network from copying noise.
        epochs: by default enough for about 6000 steps (2000 with fewer than 1000 rows), at least 30.
        batch_size: by default a thirtieth of the rows, between 32 and 256.
        lr: the largest rate of the cosine schedule.
        patience: epochs without a better validation before the end; by default a third of the epochs, from 10 to 60.

    >>> [phase.name for phase in default(1000)]
    ['train']
    """
    if batch_size is None:
        batch_size = min(256, max(32, rows // 30))
    if epochs is None:
        wanted = FEW_ROWS_STEPS if rows < FEW_ROWS else STEPS
        epochs = max(LEAST_EPOCHS, math.ceil(wanted * batch_size / rows))
    if patience is None:
        patience = min(60, max(10, epochs // 3))
    optimizer = FirstOrder(torch.optim.AdamW, lr=lr, weight_decay=0.01, options={"fused": True})
    return [
        Phase(
            "train",
            objective,
            optimizer,
            epochs,
            corruption=corruption,
            batch_size=batch_size,
            schedule=Cosine(warmup=0.05),
            stop=Stop(patience),
            average=0.99,
        )
    ]
