"""Recipes that train a deep net layer by layer."""

from dataclasses import replace

from layerwise.errors import InputError
from layerwise.recipes.setting import Setting
from layerwise.recipes.trainers import LayerTrainer, Shallow
from layerwise.training import Phase, Upto

__all__ = ["intermediate_fine_tuning", "layerwise"]


def layerwise(setting: Setting, *, trainer: LayerTrainer = Shallow(), fine_tune: Phase | None = None) -> list[Phase]:
    """Train the layers one after the other, from the input up, and then perhaps the whole.

    Arguments:
        setting: rows, objective, depth.
        trainer: makes the phase of each layer.
        fine_tune: the last phase, on the whole model; None for none.

    Raises:
        InputError: when the setting does not say how deep the model is.

    Source: Hinton, Osindero & Teh 2006; Bengio et al. 2007.

    >>> [phase.name for phase in layerwise(Setting(5000, depth=2))]
    ['layer 1', 'layer 2']
    """
    phases = [trainer.phase(index, setting) for index in range(_depth(setting))]
    return phases if fine_tune is None else [*phases, fine_tune]


def intermediate_fine_tuning(
    setting: Setting, *, between: Phase, trainer: LayerTrainer = Shallow(), fine_tune: Phase | None = None
) -> list[Phase]:
    """After each layer that is added, train all layers so far on the input itself, before the next one is added.

    With k layers these are 2 k: the encoder's and their mirrors. After the first layer there is nothing new to
    train, and after the last one this is the fine-tuning of the whole.

    Arguments:
        setting: rows, objective, depth.
        between: how the layers so far are trained; its view and name are filled in.
        trainer: makes the phase of each layer.
        fine_tune: the last phase, on the whole model; by default `between`.

    Raises:
        InputError: when the setting does not say how deep the model is.

    >>> from layerwise.optim import FirstOrder
    >>> from layerwise.training import Objective
    >>> tune = Phase("fine-tune", Objective(), FirstOrder(), epochs=5)
    >>> [phase.name for phase in intermediate_fine_tuning(Setting(5000, depth=3), between=tune)]
    ['layer 1', 'layer 2', 'layers 1 to 2', 'layer 3', 'fine-tune']
    """
    depth = _depth(setting)
    phases = []
    for index in range(depth):
        phases.append(trainer.phase(index, setting))
        if 0 < index < depth - 1:
            phases.append(replace(between, name=f"layers 1 to {index + 1}", view=Upto(index)))
    return [*phases, between if fine_tune is None else fine_tune]


def _depth(setting: Setting) -> int:
    if setting.depth < 1:
        raise InputError("a recipe by layers needs the number of encoder layers; give Setting(..., depth=...).")
    return setting.depth
