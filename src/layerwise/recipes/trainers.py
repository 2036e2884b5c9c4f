"""Ways to train a single layer."""

from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import final

import torch

from layerwise.corruptions import Corruption
from layerwise.models import Chain
from layerwise.optim import FirstOrder, Optimizer
from layerwise.penalties import Fidelity, Penalty, WeightDecay, contrastive_divergence, is_crossed, squared_error
from layerwise.recipes.length import layer_epochs
from layerwise.recipes.setting import Setting
from layerwise.training import Block, Boltzmann, Constant, Objective, Phase, Schedule, Stop, Switch

__all__ = ["LayerTrainer", "Machine", "Shallow"]


class LayerTrainer(ABC):
    """Makes the phase that trains one encoder layer and its mirror, before they are part of a deeper net."""

    @abstractmethod
    def phase(self, index: int, setting: Setting) -> Phase:
        """The phase of encoder layer `index` (from 0)."""


@final
@dataclass(frozen=True)
class Shallow(LayerTrainer):
    """The layer as a shallow autoencoder of what the layers below make of the input.

    Arguments:
        optimizer: started anew for each layer; by default Adam with a rate of 1e-3.
        epochs: for each layer; None is 10, and on fewer rows enough for 1000 steps.
        batch_size: rows of a batch.
        corruption: of the layer's input; with one it is a denoising autoencoder (Vincent et al. 2010).
        penalties: name -> (weight, penalty), for instance a contraction (Rifai et al. 2011) or sparsity.
        fidelity: of the layers above the first, which has the setting's.
        schedule: factor on the rate.

    Source: Bengio et al. 2007, "Greedy layer-wise training of deep networks", section 3.

    >>> Shallow(epochs=3).phase(1, Setting(5000)).view
    Block(index=1)
    """

    optimizer: Optimizer = field(default_factory=FirstOrder)
    epochs: int | None = 10
    batch_size: int = 128
    corruption: Corruption | None = None
    penalties: Mapping[str, tuple[float | Schedule, Penalty]] = field(default_factory=dict)
    fidelity: Fidelity = squared_error
    schedule: Schedule = Constant()

    def phase(self, index: int, setting: Setting) -> Phase:
        """The phase of encoder layer `index` (from 0)."""
        fidelity = setting.objective.fidelity if index == 0 else self.fidelity
        return Phase(
            f"layer {index + 1}",
            Objective(fidelity, self.penalties),
            self.optimizer,
            layer_epochs(setting, self.epochs, self.batch_size),
            view=Block(index),
            corruption=self.corruption,
            batch_size=self.batch_size,
            schedule=self.schedule,
        )


@final
@dataclass(frozen=True)
class Machine(LayerTrainer):
    """The layer as a restricted Boltzmann machine.

    Arguments:
        lr: the rate of gradient descent; `linear_lr` that of a layer with linear units, whose energy has no bound.
        momentum: a number, or a function of the phase's progress.
        weight_decay: weight of `WeightDecay`.
        epochs: for each layer; None is 10, and on fewer rows enough for 1000 steps.
        batch_size: rows of a batch.
        chain: how samples are drawn.
        linear: the layers (from 0) that have linear units on one of their sides; None is the first, unless the
            objective is the cross-entropy, and the code of an autoencoder.

    Source: Hinton & Salakhutdinov 2006, supporting material.

    >>> Machine(epochs=3).phase(1, Setting(5000, widths=(8, 4, 2))).view.index
    1
    """

    lr: float = 0.1
    linear_lr: float = 0.001
    momentum: float | Schedule = Switch(0.5, 0.9, at=0.1)
    weight_decay: float = 2e-4
    epochs: int | None = 50
    batch_size: int = 100
    chain: Chain = Chain()
    linear: tuple[int, ...] | None = None

    def phase(self, index: int, setting: Setting) -> Phase:
        """The phase of encoder layer `index` (from 0)."""
        rate = self.linear_lr if index in self._linear(setting) else self.lr
        return Phase(
            f"machine {index + 1}",
            Objective(contrastive_divergence, {"weight_decay": (self.weight_decay, WeightDecay())}),
            FirstOrder(torch.optim.SGD, lr=rate, momentum=self.momentum),
            layer_epochs(setting, self.epochs, self.batch_size),
            view=Boltzmann(index, self.chain),
            batch_size=self.batch_size,
            stop=Stop(keep="last"),
        )

    def _linear(self, setting: Setting) -> tuple[int, ...]:
        if self.linear is not None:
            return self.linear
        first = () if is_crossed(setting.objective.fidelity) else (0,)
        # The code of a classifier has the units of its other layers.
        return (*first, setting.depth - 1) if setting.goal is None else first
