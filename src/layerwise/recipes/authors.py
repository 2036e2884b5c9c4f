"""The classical recipes, by author and year."""

import torch

from layerwise.optim import ConjugateGradient, FirstOrder, Optimizer
from layerwise.penalties import cross_entropy
from layerwise.recipes.setting import Setting
from layerwise.recipes.stacked import layerwise
from layerwise.recipes.trainers import Machine, Shallow
from layerwise.training import Constant, Cosine, Objective, Phase, Schedule

__all__ = ["bengio2007", "hinton2006"]


def hinton2006(
    setting: Setting,
    *,
    epochs: int = 10,
    fine_tune_epochs: int = 30,
    optimizer: Optimizer = ConjugateGradient(searches=3),
    batch_size: int = 1000,
    schedule: Schedule = Constant(),
) -> list[Phase]:
    """A stack of restricted Boltzmann machines, unrolled into an autoencoder and fine-tuned with cross-entropy.

    For a model of sigmoid layers with a linear code and a sigmoid output, and data in [0, 1].

    Arguments:
        setting: the depth of the model.
        epochs: for each machine (50 in the paper).
        fine_tune_epochs: of the whole (200 in the paper).
        optimizer: of the fine-tuning; three line searches on each batch.
        batch_size: of the fine-tuning.
        schedule: factor on the rate of the fine-tuning.

    Source: Hinton & Salakhutdinov 2006, "Reducing the dimensionality of data with neural networks", and its supporting
    material.

    >>> [phase.name for phase in hinton2006(Setting(60_000, depth=2))]
    ['machine 1', 'machine 2', 'fine-tune']
    """
    trainer = Machine(epochs=epochs, linear=(setting.depth - 1,))
    tune = Phase(
        "fine-tune",
        Objective(cross_entropy),
        optimizer,
        fine_tune_epochs,
        batch_size=batch_size,
        schedule=schedule,
    )
    return layerwise(setting, trainer=trainer, fine_tune=tune)


def bengio2007(
    setting: Setting,
    *,
    epochs: int = 10,
    fine_tune_epochs: int = 30,
    lr: float = 1e-3,
    schedule: Schedule = Cosine(),
) -> list[Phase]:
    """Plain shallow autoencoders, layer by layer, and then the whole.

    Arguments:
        setting: the depth and the objective.
        epochs: for each layer.
        fine_tune_epochs: of the whole.
        lr: the rate of Adam, in the layers and in the whole.
        schedule: factor on the rate in the fine-tuning.

    Source: Bengio, Lamblin, Popovici & Larochelle 2007, "Greedy layer-wise training of deep networks".

    >>> [phase.name for phase in bengio2007(Setting(5000, depth=2))]
    ['layer 1', 'layer 2', 'fine-tune']
    """
    adam = FirstOrder(torch.optim.Adam, lr=lr)
    tune = Phase("fine-tune", setting.objective, adam, fine_tune_epochs, batch_size=128, schedule=schedule)
    return layerwise(setting, trainer=Shallow(adam, epochs), fine_tune=tune)
