"""The recipes that are used when none is named."""

import math
from dataclasses import replace
from typing import Literal

from layerwise.corruptions import Corruption, GaussianNoise, Masking
from layerwise.recipes.adamw import adamw, with_momentum
from layerwise.recipes.arguments import checked
from layerwise.recipes.length import epochs_of
from layerwise.recipes.setting import Setting
from layerwise.recipes.stacked import layerwise
from layerwise.recipes.trainers import Shallow
from layerwise.training import Phase, Stop

__all__ = ["default", "denoising_stack"]

FEW_ROWS = 1000
MANY_ROWS = 20_000
STEPS = {"few": 2000, "more": 6000}
LEAST_EPOCHS = {"tables": 30, "pictures": 55}
RATE = {"tables": 4e-3, "pictures": 3e-3}
WEIGHT_DECAY = {"tables": 0.01, "pictures": 0.3}
ROWS_SEEN = 3_000_000


@checked
def default(
    setting: Setting,
    *,
    corruption: Corruption | Literal["auto"] | None = "auto",
    epochs: int | None = None,
    batch_size: int | None = None,
    lr: float | None = None,
    weight_decay: float | None = None,
    momentum: float | None = None,
    patience: int | None = None,
) -> list[Phase]:
    """One phase of AdamW over the whole model, sized by the number of rows.

    Arguments:
        setting: rows (those with a target, where there are targets), objective or goal, and kind of the data.
        corruption: of the input; by default Gaussian noise of 0.05 (0.2 with fewer than 1000 rows), which keeps the
            network from copying what is noise already; none for pictures from 20,000 on.
        epochs: by default enough for about 6000 steps (2000 with fewer than 1000 rows); at least 30 (55 for
            pictures), or as many as show three million rows.
        batch_size: by default 32, 128 from 1000 rows, 256 from 20,000, 1024 from 200,000.
        lr: the largest rate of the cosine schedule; by default 0.004 (0.003 for pictures, 0.002 with fewer than 1000
            rows).
        weight_decay: of AdamW, a share of the rate; by default 0.01, for pictures 0.3: they have many more features
            than factors, and overfitting is what limits them.
        momentum: the decay of AdamW's mean of gradients; by default 0.9.
        patience: epochs without a better validation before the end; by default a third of the epochs, from 10 to 60.

    >>> phase = default(Setting(5000))[0]
    >>> phase.batch_size, phase.epochs, phase.corruption
    (128, 150, GaussianNoise(level=0.05))
    """
    rows, kind = _counted(setting), "pictures" if setting.pictures else "tables"
    few = rows < FEW_ROWS
    if batch_size is None:
        batch_size = 32 if few else 128 if rows < MANY_ROWS else 256 if rows < 10 * MANY_ROWS else 1024
    if epochs is None:
        enough = epochs_of(STEPS["few" if few else "more"], rows, batch_size=batch_size)
        epochs = max(enough, min(LEAST_EPOCHS[kind], math.ceil(ROWS_SEEN / rows)))
    if patience is None:
        patience = min(60, max(10, epochs // 3))
    if lr is None:
        lr = 2e-3 if few else RATE[kind]
    if corruption == "auto":
        corruption = None if setting.pictures and rows >= MANY_ROWS else GaussianNoise(0.2 if few else 0.05)
    if weight_decay is None:
        weight_decay = WEIGHT_DECAY[kind]
    phase = adamw(
        setting,
        epochs,
        batch_size=batch_size,
        lr=lr,
        weight_decay=weight_decay,
        stop=Stop(patience),
        corruption=corruption,
        average=0.99,
    )
    return [phase if momentum is None else with_momentum(phase, momentum)]


@checked
def denoising_stack(
    setting: Setting,
    *,
    masking: float = 0.25,
    epochs: int | None = None,
    fine_tune_epochs: int | None = None,
    batch_size: int | None = None,
    lr: float = 1e-3,
    weight_decay: float = 0.01,
) -> list[Phase]:
    """Denoising shallow autoencoders, layer by layer, and then AdamW over the whole: for classifiers and regressors.

    Arguments:
        setting: rows, how many of them are labelled, objective, widths, goal.
        masking: the share of a layer's inputs that are set to 0.
        epochs: for each layer; by default enough for 1000 steps, from 5 to 50.
        fine_tune_epochs: of the whole; by default enough for 4000 steps, from 30 to 200.
        batch_size: rows of a batch; by default 32, 128 from 1000 rows.
        lr: the largest rate, in the layers and in the whole.
        weight_decay: of AdamW, a share of the rate.

    Source: Vincent et al. 2010, "Stacked denoising autoencoders".

    >>> [phase.epochs for phase in denoising_stack(Setting(5000, widths=(8, 4, 2), labelled=500))]
    [25, 25, 200]
    """
    labelled = _counted(setting)
    few, all_rows = (batch_size or (32 if rows < FEW_ROWS else 128) for rows in (labelled, setting.rows))
    tuned = fine_tune_epochs or min(200, max(30, epochs_of(4000, labelled, batch_size=few)))
    tune = adamw(
        setting,
        tuned,
        batch_size=few,
        lr=lr,
        weight_decay=weight_decay,
        stop=Stop(max(10, tuned // 3)),
        average=0.99,
    )
    trainer = Shallow(
        tune.optimizer,
        epochs or min(50, max(5, epochs_of(1000, setting.rows, batch_size=all_rows))),
        all_rows,
        corruption=Masking(masking) if masking else None,
    )
    return layerwise(setting, trainer=trainer, fine_tune=replace(tune, name="fine-tune"))


def _counted(setting: Setting) -> int:
    """The rows that the last phase learns from."""
    return setting.rows if setting.labelled is None else setting.labelled
