"""The recipe of an anomaly detector's autoencoders."""

from layerwise.corruptions import Corruption, GaussianNoise
from layerwise.recipes.adamw import adamw
from layerwise.recipes.arguments import checked
from layerwise.recipes.length import epochs_of
from layerwise.recipes.setting import Setting
from layerwise.training import Phase, Stop

__all__ = ["detection"]

STEPS, LEAST_EPOCHS = 200, 5


@checked
def detection(
    setting: Setting,
    *,
    corruption: Corruption | None = GaussianNoise(0.3),
    epochs: int | None = None,
    batch_size: int = 128,
    lr: float = 1e-3,
    weight_decay: float = 0.01,
) -> list[Phase]:
    """A short phase of AdamW with noise on the input: enough to bend the principal plane, too little for single rows.

    Arguments:
        setting: rows and objective.
        corruption: of the input; by default Gaussian noise of 0.3.
        epochs: by default enough for 200 steps, and at least 5.
        batch_size: rows of a batch.
        lr: the largest rate of the cosine schedule.
        weight_decay: of AdamW, a share of the rate.

    >>> detection(Setting(1000))[0].epochs
    25
    """
    enough = max(LEAST_EPOCHS, epochs_of(STEPS, setting.rows, batch_size=batch_size))
    return [
        adamw(
            setting,
            enough if epochs is None else epochs,
            batch_size=batch_size,
            lr=lr,
            weight_decay=weight_decay,
            stop=Stop(keep="last"),
            corruption=corruption,
        )
    ]
