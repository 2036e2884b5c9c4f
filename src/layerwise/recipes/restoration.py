"""The recipe of networks from pictures to pictures."""

from layerwise.recipes.adamw import adamw
from layerwise.recipes.arguments import checked
from layerwise.recipes.length import epochs_of
from layerwise.recipes.setting import Setting
from layerwise.training import Phase, Stop

__all__ = ["restoration"]

STEPS = 1500


@checked
def restoration(
    setting: Setting,
    *,
    epochs: int | None = None,
    batch_size: int = 32,
    lr: float = 2e-3,
    weight_decay: float = 1e-4,
) -> list[Phase]:
    """One phase of AdamW over squares of pictures, the rate falling as a cosine, the weights averaged.

    Arguments:
        setting: how many squares there are, the objective, and what is done to the input.
        epochs: by default enough for 1500 steps.
        batch_size: squares of a batch.
        lr: the largest rate.
        weight_decay: of AdamW, a share of the rate.

    >>> restoration(Setting(4800))[0].epochs
    10
    """
    return [
        adamw(
            setting,
            epochs_of(STEPS, setting.rows, batch_size=batch_size) if epochs is None else epochs,
            batch_size=batch_size,
            lr=lr,
            weight_decay=weight_decay,
            stop=Stop(keep="last"),
            corruption=setting.corruption,
            average=0.99,
        )
    ]
