"""The recipe of an imputer's network."""

from layerwise.recipes.adamw import adamw
from layerwise.recipes.arguments import checked
from layerwise.recipes.length import epochs_of
from layerwise.recipes.setting import Setting
from layerwise.training import Phase, Stop

__all__ = ["imputation"]

STEPS, LEAST_EPOCHS = 150, 4


@checked
def imputation(
    setting: Setting,
    *,
    epochs: int | None = None,
    batch_size: int = 512,
    lr: float = 5e-3,
    weight_decay: float = 0.05,
) -> list[Phase]:
    """One phase of AdamW, which ends early where the network no longer helps.

    Arguments:
        setting: rows (each as often as it comes with other gaps), objective or goal.
        epochs: by default enough for 150 steps, and at least 4.
        batch_size: rows of a batch.
        lr: the largest rate of the cosine schedule.
        weight_decay: of AdamW, a share of the rate.

    >>> imputation(Setting(10_000))[0].epochs
    8
    """
    enough = max(LEAST_EPOCHS, epochs_of(STEPS, setting.rows, batch_size=batch_size))
    return [
        adamw(
            setting,
            enough if epochs is None else epochs,
            batch_size=batch_size,
            lr=lr,
            weight_decay=weight_decay,
            stop=Stop(5),
            average=0.99,
        )
    ]
