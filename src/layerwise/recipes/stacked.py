"""Recipes that train a deep net layer by layer."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Literal

import torch

from layerwise.errors import InputError
from layerwise.optim import FirstOrder, Optimizer
from layerwise.recipes.arguments import checked
from layerwise.recipes.length import whole_epochs
from layerwise.recipes.setting import Setting
from layerwise.recipes.trainers import LayerTrainer, Shallow
from layerwise.training import Constant, Cosine, Phase, Schedule, Upto

__all__ = ["end_to_end", "fine_tuning", "intermediate_fine_tuning", "layerwise"]


def fine_tuning(
    setting: Setting,
    *,
    epochs: int | None,
    lr: float = 1e-3,
    optimizer: Optimizer | None = None,
    batch_size: int = 128,
    schedule: Schedule | None = None,
    name: str = "fine-tune",
    usual: int = 30,
) -> Phase:
    """The phase that trains the whole net for what it is for.

    Arguments:
        setting: its `end` is the objective.
        epochs: passes over the rows; None is the usual number, and on fewer rows enough for 3000 steps.
        lr: the rate of Adam, which is used where no optimizer is given.
        optimizer: another one.
        batch_size: rows of a batch.
        schedule: factor on the rate; by default half a cosine, and none for an optimizer that finds its own steps.
        name: of the phase.
        usual: the number of passes where nobody asks for one.

    >>> fine_tuning(Setting(5000), epochs=3).name
    'fine-tune'
    """
    used = FirstOrder(torch.optim.Adam, lr=lr, options={"fused": True}) if optimizer is None else optimizer
    passes = whole_epochs(setting, epochs, batch_size, usual=usual)
    schedule = schedule or (Cosine() if isinstance(used, FirstOrder) else Constant())
    return Phase(name, setting.end, used, passes, batch_size=batch_size, schedule=schedule)


@checked
def end_to_end(
    setting: Setting,
    *,
    epochs: int | None = None,
    lr: float = 1e-3,
    batch_size: int = 128,
    growth: float = 1.0,
    optimizer: Optimizer | None = None,
) -> list[Phase]:
    """No pre-training: the whole net at once, by Adam with a cosine schedule or another optimizer.

    Arguments:
        setting: rows and objective.
        epochs: passes over the rows; by default 60, and on fewer rows enough for 3000 steps.
        lr: the largest rate, of Adam.
        batch_size: rows of a batch; those of the second order want a thousand or more.
        growth: factor by which that grows from epoch to epoch, which those of the second order want too.
        optimizer: instead of Adam.

    >>> [phase.name for phase in end_to_end(Setting(5000))]
    ['train']
    """
    tune = fine_tuning(
        setting, epochs=epochs, lr=lr, optimizer=optimizer, batch_size=batch_size, name="train", usual=60
    )
    return [replace(tune, growth=growth)]


def layerwise(
    setting: Setting,
    *,
    trainer: LayerTrainer | Sequence[LayerTrainer] | None = None,
    fine_tune: Phase | Literal["auto"] | None = "auto",
) -> list[Phase]:
    """Train the layers one after the other, from the input up, and then perhaps the whole.

    Arguments:
        setting: rows, objective, widths.
        trainer: makes the phase of each layer; or one trainer for each layer. None is `Shallow()`.
        fine_tune: the last phase, on the whole model; "auto" is 30 epochs of Adam, None is no such phase.

    Raises:
        InputError: when the setting has no widths, or another number of layers than there are trainers.

    Source: Hinton, Osindero & Teh 2006; Bengio et al. 2007.

    >>> [phase.name for phase in layerwise(Setting(5000, widths=(8, 4, 2)))]
    ['layer 1', 'layer 2', 'fine-tune']
    """
    phases = [one.phase(index, setting) for index, one in enumerate(_for_each(trainer, setting))]
    if fine_tune is None:
        return phases
    return [*phases, fine_tuning(setting, epochs=30) if fine_tune == "auto" else fine_tune]


def intermediate_fine_tuning(
    setting: Setting,
    *,
    between: Phase | None = None,
    trainer: LayerTrainer | Sequence[LayerTrainer] | None = None,
    fine_tune: Phase | Literal["auto"] = "auto",
) -> list[Phase]:
    """After each layer that is added, train all layers so far on the input itself, before the next one is added.

    With k layers these are 2 k: the encoder's and their mirrors. After the first layer there is nothing new to
    train, and after the last one this is the fine-tuning of the whole.

    Arguments:
        setting: rows, objective, widths.
        between: how the layers so far are trained, on the setting's objective; its view and name are filled in. None
            is 10 epochs of Adam.
        trainer: makes the phase of each layer; or one trainer for each layer. None is `Shallow()`.
        fine_tune: the last phase, on the whole model; "auto" is 30 epochs of Adam.

    Raises:
        InputError: when the setting has no widths, or another number of layers than there are trainers.

    >>> [phase.name for phase in intermediate_fine_tuning(Setting(5000, widths=(8, 6, 4, 2)))]
    ['layer 1', 'layer 2', 'layers 1 to 2', 'layer 3', 'fine-tune']
    """
    tune = fine_tuning(replace(setting, goal=None), epochs=10) if between is None else between
    phases = []
    for index, one in enumerate(_for_each(trainer, setting)):
        phases.append(one.phase(index, setting))
        if 0 < index < setting.depth - 1:
            phases.append(replace(tune, name=f"layers 1 to {index + 1}", view=Upto(index)))
    return [*phases, fine_tuning(setting, epochs=30) if fine_tune == "auto" else fine_tune]


def _for_each(trainer: LayerTrainer | Sequence[LayerTrainer] | None, setting: Setting) -> list[LayerTrainer]:
    trainer = Shallow() if trainer is None else trainer
    trainers = [trainer] * setting.depth if isinstance(trainer, LayerTrainer) else list(trainer)
    if wrong := [one for one in trainers if not isinstance(one, LayerTrainer)]:
        raise InputError(f"a trainer must be a LayerTrainer; got {wrong[0]!r}. Give Shallow() or Machine().")
    if len(trainers) != setting.depth:
        raise InputError(f"there must be one trainer for each of {setting.depth} layers; got {len(trainers)}.")
    return trainers
