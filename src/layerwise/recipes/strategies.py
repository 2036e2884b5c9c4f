"""Ways to choose what constrains each layer of a deep autoencoder: width, sparsity, both by turns."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal, SupportsIndex

import torch

from layerwise.errors import InputError
from layerwise.optim import FirstOrder
from layerwise.penalties import KLSparsity, Penalty, WeightDecay
from layerwise.recipes.arguments import checked
from layerwise.recipes.length import layer_epochs
from layerwise.recipes.setting import Setting
from layerwise.recipes.stacked import fine_tuning, layerwise
from layerwise.recipes.trainers import Shallow
from layerwise.training import Objective, Phase, Schedule, Upto

__all__ = [
    "alternate_sparsity",
    "alternate_sparsity_combined",
    "bottleneck",
    "free_bottleneck",
    "sparse_bottleneck",
]

Layers = Literal["alternate", "all", "none"] | Sequence[SupportsIndex]
Penalties = Mapping[str, tuple[float | Schedule, Penalty]]


@checked
def bottleneck(
    setting: Setting,
    *,
    epochs: int | None = None,
    fine_tune_epochs: int | None = None,
    lr: float = 1e-3,
    batch_size: int = 128,
) -> list[Phase]:
    """Strategy A: nothing but its width constrains a layer, so that each must be narrower than what it sees.

    Arguments:
        setting: rows, objective, widths.
        epochs: for each layer; by default 10, and on fewer rows enough for 1000 steps.
        fine_tune_epochs: of the whole; by default 30, and on fewer rows enough for 3000 steps.
        lr: the rate of Adam.
        batch_size: rows of a batch.

    Raises:
        InputError: for a layer that is not narrower than the one below.

    >>> [phase.name for phase in bottleneck(Setting(5000, widths=(8, 4, 2)))]
    ['layer 1', 'layer 2', 'fine-tune']
    """
    for index in range(setting.depth):
        below, width = setting.widths[index : index + 2]
        if width >= below:
            raise InputError(
                f"phase 'layer {index + 1}': without another constraint a layer must be narrower than what it sees; "
                f"got {width} units for {below}. Use free_bottleneck or sparse_bottleneck, or other widths."
            )
    return free_bottleneck(setting, epochs=epochs, fine_tune_epochs=fine_tune_epochs, lr=lr, batch_size=batch_size)


@checked
def free_bottleneck(
    setting: Setting,
    *,
    epochs: int | None = None,
    fine_tune_epochs: int | None = None,
    lr: float = 1e-3,
    batch_size: int = 128,
) -> list[Phase]:
    """Strategy C: nothing constrains the hidden layers, which may be wider than the input; the code alone is narrow.

    Arguments: as in `bottleneck`.

    >>> [phase.name for phase in free_bottleneck(Setting(5000, widths=(8, 16, 2)))]
    ['layer 1', 'layer 2', 'fine-tune']
    """
    trainer = Shallow(FirstOrder(torch.optim.Adam, lr=lr), epochs, batch_size)
    tune = fine_tuning(setting, epochs=fine_tune_epochs, lr=lr, batch_size=batch_size)
    return layerwise(setting, trainer=trainer, fine_tune=tune)


@checked
def sparse_bottleneck(
    setting: Setting,
    *,
    epochs: int | None = None,
    fine_tune_epochs: int | None = None,
    lr: float = 1e-3,
    batch_size: int = 128,
    sparsity: float = 0.1,
    target: float = 0.05,
) -> list[Phase]:
    """Strategy B: every hidden layer, which may be wider than the input, is kept sparse; the code is narrow.

    Arguments:
        setting: rows, objective, widths; the hidden units must be in [0, 1].
        epochs, fine_tune_epochs, lr, batch_size: as in `bottleneck`.
        sparsity: weight of `KLSparsity` in the layers' phases.
        target: the mean activity that it asks for.

    >>> [sorted(phase.objective.penalties) for phase in sparse_bottleneck(Setting(5000, widths=(8, 16, 2)))]
    [['sparsity'], [], []]
    """
    plain = Shallow(FirstOrder(torch.optim.Adam, lr=lr), epochs, batch_size)
    sparse = replace(plain, penalties={"sparsity": (sparsity, KLSparsity(target))})
    tune = fine_tuning(setting, epochs=fine_tune_epochs, lr=lr, batch_size=batch_size)
    return layerwise(setting, trainer=[*[sparse] * (setting.depth - 1), plain], fine_tune=tune)


@checked
def alternate_sparsity(
    setting: Setting,
    *,
    layers: Layers = "alternate",
    sparsity: float = 0.1,
    target: float = 0.05,
    epochs: int | None = None,
    fine_tune_epochs: int | None = None,
    lr: float = 1e-3,
) -> list[Phase]:
    """Hidden layers 1, 3, 5, ... are kept sparse, while they are trained alone and in the whole; the code never is.

    The aim: a sparse layer spreads what it sees over many units, a dense one after it gathers it again. Our own
    definition; the name is that of Bhutani's thesis on deep autoencoders, whose layers and penalty are not known.

    Arguments:
        setting: rows, objective, widths; the hidden units must be in [0, 1].
        layers: "alternate"; "all" hidden layers; "none", for comparison; or numbers, 1 for the first hidden layer.
        sparsity: weight of `KLSparsity`.
        target: the mean activity that it asks for.
        epochs, fine_tune_epochs, lr: as in `bottleneck`.

    >>> recipe = alternate_sparsity(Setting(5000, widths=(8, 7, 6, 5, 2)))
    >>> [sorted(phase.objective.penalties) for phase in recipe]
    [['sparsity'], [], ['sparsity'], [], ['sparsity']]
    """
    adam = FirstOrder(torch.optim.Adam, lr=lr)
    chosen = _chosen(layers, setting)
    trainers = [
        Shallow(adam, epochs, penalties=_sparse([0] if index in chosen else [], sparsity, target))
        for index in range(setting.depth)
    ]
    tune = fine_tuning(setting, epochs=fine_tune_epochs, lr=lr)
    return layerwise(setting, trainer=trainers, fine_tune=_with(tune, _sparse(chosen, sparsity, target)))


@checked
def alternate_sparsity_combined(
    setting: Setting,
    *,
    sparsity: float = 0.1,
    target: float = 0.05,
    momentum: float = 0.9,
    weight_decay: float = 1e-5,
    epochs: int | None = None,
    fine_tune_epochs: int | None = None,
    lr: float = 0.01,
) -> list[Phase]:
    """Alternate sparsity with momentum, weight decay and intermediate fine-tuning.

    Arguments:
        setting: rows, objective, widths; the hidden units must be in [0, 1].
        sparsity, target: as in `alternate_sparsity`.
        momentum: of stochastic gradient descent, Nesterov's.
        weight_decay: weight of `WeightDecay` in every phase.
        epochs: for each layer, and for the layers so far after each that is added.
        fine_tune_epochs: of the whole.
        lr: the rate.

    >>> [phase.name for phase in alternate_sparsity_combined(Setting(5000, widths=(8, 7, 6, 2)))]
    ['layer 1', 'layer 2', 'layers 1 to 2', 'layer 3', 'fine-tune']
    """
    descent = FirstOrder(torch.optim.SGD, lr=lr, momentum=momentum, options={"nesterov": momentum > 0})
    decay: Penalties = {"weight_decay": (weight_decay, WeightDecay())}
    chosen = _chosen("alternate", setting)
    epochs = layer_epochs(setting, epochs, Shallow.batch_size)
    between = fine_tuning(replace(setting, goal=None), epochs=epochs, optimizer=descent)
    phases = []
    for index in range(setting.depth):
        alone = _sparse([0] if index in chosen else [], sparsity, target)
        phases.append(Shallow(descent, epochs, penalties={**decay, **alone}).phase(index, setting))
        if 0 < index < setting.depth - 1:
            so_far = _sparse([layer for layer in chosen if layer <= index], sparsity, target)
            tuned = replace(between, name=f"layers 1 to {index + 1}", view=Upto(index))
            phases.append(_with(tuned, {**decay, **so_far}))
    tune = fine_tuning(setting, epochs=fine_tune_epochs, optimizer=descent)
    return [*phases, _with(tune, {**decay, **_sparse(chosen, sparsity, target)})]


def _chosen(layers: Layers, setting: Setting) -> list[int]:
    """The sparse layers, from 0; never the code."""
    hidden = range(setting.depth - 1)
    if isinstance(layers, str):
        return {"alternate": [*hidden[::2]], "all": [*hidden], "none": []}[layers]
    numbers = [int(number) for number in layers]
    if wrong := [number for number in numbers if number - 1 not in hidden]:
        raise InputError(
            f"layers must be numbers of hidden layers, from 1 to {len(hidden)}; got {wrong[0]}. The code is not one."
        )
    return sorted({number - 1 for number in numbers})


def _sparse(layers: Sequence[int], sparsity: float, target: float) -> Penalties:
    """The penalty on some layers, from 0, of the part that is trained; none for no layer."""
    numbers = tuple(layer + 1 for layer in layers)
    return {"sparsity": (sparsity, KLSparsity(target, layers=numbers))} if numbers else {}


def _with(phase: Phase, penalties: Penalties) -> Phase:
    objective = phase.objective
    return replace(phase, objective=Objective(objective.fidelity, {**objective.penalties, **penalties}))
