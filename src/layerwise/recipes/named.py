"""The recipes that take trainers and phases, as they go by name: with numbers and words."""

from collections.abc import Sequence
from dataclasses import replace

import torch

from layerwise.corruptions import Masking
from layerwise.optim import FirstOrder, Optimizer
from layerwise.penalties import Contraction, KLSparsity
from layerwise.recipes import stacked
from layerwise.recipes.arguments import TrainerName, checked
from layerwise.recipes.length import layer_epochs
from layerwise.recipes.setting import Setting
from layerwise.recipes.trainers import LayerTrainer, Machine, Shallow
from layerwise.training import Phase

__all__ = ["intermediate_fine_tuning", "layerwise"]


@checked
def layerwise(
    setting: Setting,
    *,
    trainer: TrainerName = "plain",
    epochs: int | None = None,
    fine_tune_epochs: int | None = None,
    lr: float = 1e-3,
    batch_size: int = 128,
    optimizer: Optimizer | None = None,
) -> list[Phase]:
    """Train the layers one after the other, from the input up, and then the whole.

    Arguments:
        setting: rows, objective, widths.
        trainer: of each layer: "plain"; "denoising", with a quarter of its inputs masked; "contractive", as in
            `rifai2011`; "sparse", all but the code, as in `sparse_bottleneck`; "machine", as in `hinton2006`.
        epochs: for each layer; by default 10, and on fewer rows enough for 1000 steps.
        fine_tune_epochs: of the whole; by default 30, and on fewer rows enough for 3000 steps.
        lr: the rate of Adam, in the layers and in the whole; machines have their own.
        batch_size: rows of a batch.
        optimizer: of the whole, instead of Adam.

    >>> [phase.name for phase in layerwise(Setting(5000, widths=(8, 4, 2)), trainer="machine")]
    ['machine 1', 'machine 2', 'fine-tune']
    """
    return stacked.layerwise(
        setting,
        trainer=_trainers(trainer, setting, epochs=epochs, lr=lr, batch_size=batch_size),
        fine_tune=stacked.fine_tuning(
            setting, epochs=fine_tune_epochs, lr=lr, optimizer=optimizer, batch_size=batch_size
        ),
    )


@checked
def intermediate_fine_tuning(
    setting: Setting,
    *,
    trainer: TrainerName = "plain",
    epochs: int | None = None,
    fine_tune_epochs: int | None = None,
    lr: float = 1e-3,
    batch_size: int = 128,
    optimizer: Optimizer | None = None,
) -> list[Phase]:
    """After each layer that is added, train all layers so far on the input itself, before the next one is added.

    Arguments:
        setting, trainer, lr, batch_size: as in `layerwise`.
        epochs: for each layer, and for the layers so far after each that is added.
        fine_tune_epochs: of the whole.
        optimizer: of the whole, instead of Adam.

    >>> [phase.name for phase in intermediate_fine_tuning(Setting(5000, widths=(8, 6, 4, 2)))]
    ['layer 1', 'layer 2', 'layers 1 to 2', 'layer 3', 'fine-tune']
    """
    epochs = layer_epochs(setting, epochs, batch_size)
    return stacked.intermediate_fine_tuning(
        setting,
        between=stacked.fine_tuning(replace(setting, goal=None), epochs=epochs, lr=lr, batch_size=batch_size),
        trainer=_trainers(trainer, setting, epochs=epochs, lr=lr, batch_size=batch_size),
        fine_tune=stacked.fine_tuning(
            setting, epochs=fine_tune_epochs, lr=lr, optimizer=optimizer, batch_size=batch_size
        ),
    )


def _trainers(
    name: TrainerName, setting: Setting, *, epochs: int | None, lr: float, batch_size: int
) -> Sequence[LayerTrainer]:
    plain = Shallow(FirstOrder(torch.optim.Adam, lr=lr), epochs, batch_size)
    kinds: dict[str, LayerTrainer] = {
        "plain": plain,
        "denoising": replace(plain, corruption=Masking(0.25)),
        "contractive": replace(plain, penalties={"contraction": (0.1, Contraction())}),
        "sparse": replace(plain, penalties={"sparsity": (0.1, KLSparsity())}),
        "machine": Machine(epochs=epochs, batch_size=batch_size),
    }
    return [*[kinds[name]] * (setting.depth - 1), plain if name == "sparse" else kinds[name]]
