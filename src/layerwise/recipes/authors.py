"""The classical recipes, by author and year."""

import torch

from layerwise.corruptions import Masking
from layerwise.errors import InputError
from layerwise.optim import FirstOrder, Optimizer
from layerwise.penalties import Contraction, Revival, cross_entropy, is_crossed, squared_error
from layerwise.recipes.arguments import checked
from layerwise.recipes.setting import Setting
from layerwise.recipes.stacked import fine_tuning, layerwise
from layerwise.recipes.trainers import Machine, Shallow
from layerwise.training import Phase

__all__ = ["bengio2007", "hinton2006", "kramer1991", "makhzani2013", "rifai2011", "vincent2010"]


@checked
def hinton2006(
    setting: Setting,
    *,
    epochs: int | None = None,
    fine_tune_epochs: int | None = None,
    lr: float = 0.1,
    linear_lr: float = 0.001,
    fine_tune_lr: float = 1e-3,
    optimizer: Optimizer | None = None,
) -> list[Phase]:
    """A stack of restricted Boltzmann machines, unrolled into an autoencoder or a classifier, and fine-tuned.

    For a model of sigmoid layers with a linear code. Where the fidelity is the cross-entropy, the first machine has
    binary visible units, for data in [0, 1]; else linear ones with normal noise, for standardized columns.

    Arguments:
        setting: the objective and the widths.
        epochs: for each machine (50 in the paper); by default 10, and on fewer rows enough for 1000 steps.
        fine_tune_epochs: of the whole (200 in the paper); by default 60, and on fewer rows enough for 3000 steps.
        lr: the rate of the machines.
        linear_lr: that of machines with linear units. Machines above rectified layers have such units, too, and need a
            lower `lr`, like 0.001.
        fine_tune_lr: the largest rate of Adam in the fine-tuning.
        optimizer: of the fine-tuning, instead of Adam; the paper's is `ConjugateGradient(searches=3)`.

    Source: Hinton & Salakhutdinov 2006, "Reducing the dimensionality of data with neural networks", and its supporting
    material.

    >>> [phase.name for phase in hinton2006(Setting(60_000, widths=(784, 500, 30)))]
    ['machine 1', 'machine 2', 'fine-tune']
    """
    trainer = Machine(epochs=epochs, lr=lr, linear_lr=linear_lr)
    tune = fine_tuning(setting, epochs=fine_tune_epochs, lr=fine_tune_lr, optimizer=optimizer, usual=60)
    return layerwise(setting, trainer=trainer, fine_tune=tune)


@checked
def bengio2007(
    setting: Setting,
    *,
    epochs: int | None = None,
    fine_tune_epochs: int | None = None,
    lr: float = 1e-3,
    batch_size: int = 128,
) -> list[Phase]:
    """Plain shallow autoencoders, layer by layer, and then the whole.

    Arguments:
        setting: the objective and the widths.
        epochs: for each layer; by default 10, and on fewer rows enough for 1000 steps.
        fine_tune_epochs: of the whole; by default 30, and on fewer rows enough for 3000 steps.
        lr: the rate of Adam, in the layers and in the whole.
        batch_size: rows of a batch.

    Source: Bengio, Lamblin, Popovici & Larochelle 2007, "Greedy layer-wise training of deep networks".

    >>> [phase.name for phase in bengio2007(Setting(5000, widths=(8, 4, 2)))]
    ['layer 1', 'layer 2', 'fine-tune']
    """
    trainer = Shallow(FirstOrder(torch.optim.Adam, lr=lr), epochs, batch_size)
    tune = fine_tuning(setting, epochs=fine_tune_epochs, lr=lr, batch_size=batch_size)
    return layerwise(setting, trainer=trainer, fine_tune=tune)


@checked
def vincent2010(
    setting: Setting,
    *,
    masking: float = 0.25,
    epochs: int | None = None,
    fine_tune_epochs: int | None = None,
    lr: float = 1e-3,
    batch_size: int = 128,
) -> list[Phase]:
    """Denoising shallow autoencoders: each layer learns to fill in what is masked of what it sees.

    Arguments:
        setting: the objective and the widths.
        masking: the share of a layer's inputs that are set to 0.
        epochs, fine_tune_epochs, lr, batch_size: as in `bengio2007`.

    Source: Vincent, Larochelle, Lajoie, Bengio & Manzagol 2010, "Stacked denoising autoencoders", section 3; the
    layers above the first are trained with the cross-entropy where the first one is, as their units are in [0, 1].

    >>> vincent2010(Setting(5000, widths=(8, 4, 2)))[1].corruption
    Masking(level=0.25)
    """
    adam = FirstOrder(torch.optim.Adam, lr=lr)
    crossed = is_crossed(setting.objective.fidelity)
    fidelity = cross_entropy if crossed else squared_error
    trainer = Shallow(adam, epochs, batch_size, corruption=Masking(masking), fidelity=fidelity)
    tune = fine_tuning(setting, epochs=fine_tune_epochs, lr=lr, batch_size=batch_size)
    return layerwise(setting, trainer=trainer, fine_tune=tune)


@checked
def rifai2011(
    setting: Setting,
    *,
    contraction: float = 0.1,
    epochs: int | None = None,
    fine_tune_epochs: int | None = None,
    lr: float = 1e-3,
    batch_size: int = 128,
) -> list[Phase]:
    """Contractive shallow autoencoders: each layer changes little where its input changes little.

    Arguments:
        setting: the objective and the widths; sigmoid layers have the penalty in closed form.
        contraction: weight of `Contraction` in the layers' phases.
        epochs, fine_tune_epochs, lr, batch_size: as in `bengio2007`.

    Source: Rifai, Vincent, Muller, Glorot & Bengio 2011, "Contractive auto-encoders", eq. 2 and section 5.2.

    >>> sorted(rifai2011(Setting(5000, widths=(8, 4, 2)))[0].objective.penalties)
    ['contraction']
    """
    trainer = Shallow(
        FirstOrder(torch.optim.Adam, lr=lr),
        epochs,
        batch_size,
        penalties={"contraction": (contraction, Contraction())},
    )
    tune = fine_tuning(setting, epochs=fine_tune_epochs, lr=lr, batch_size=batch_size)
    return layerwise(setting, trainer=trainer, fine_tune=tune)


@checked
def makhzani2013(
    setting: Setting,
    *,
    k: int = 25,
    revival: float = 1e-3,
    epochs: int | None = None,
    fine_tune_epochs: int | None = None,
    lr: float = 1e-3,
    batch_size: int = 128,
) -> list[Phase]:
    """k-sparse shallow autoencoders, layer by layer, and then the whole.

    Arguments:
        setting: the objective and the widths, of a model whose layers have the activation `TopK(k)`.
        k: the units of a layer that are kept.
        revival: weight of `Revival`, which draws dead units back; it is not in the paper.
        epochs, fine_tune_epochs, lr, batch_size: as in `bengio2007`.

    Raises:
        InputError: for a layer with fewer than k units.

    Source: Makhzani & Frey 2013, "k-sparse autoencoders", sections 2.1 and 4.

    >>> [phase.name for phase in makhzani2013(Setting(5000, widths=(64, 100, 50)))]
    ['layer 1', 'layer 2', 'fine-tune']
    """
    for index in range(setting.depth):
        width = setting.widths[index + 1]
        if k > width:
            raise InputError(
                f"phase 'layer {index + 1}': k must be at most the layer's {width} units; got {k}. Lower k or "
                "widen the layer."
            )
    penalties = {"revival": (revival, Revival())}
    trainer = Shallow(FirstOrder(torch.optim.Adam, lr=lr), epochs, batch_size, penalties=penalties)
    tune = fine_tuning(setting, epochs=fine_tune_epochs, lr=lr, batch_size=batch_size)
    return layerwise(setting, trainer=trainer, fine_tune=tune)


@checked
def kramer1991(setting: Setting, *, epochs: int | None = None, lr: float = 1e-3, batch_size: int = 128) -> list[Phase]:
    """Non-linear principal components: five layers, sigmoid and linear by turns, trained as a whole.

    Arguments:
        setting: the objective and the widths of one hidden layer and the code.
        epochs: passes over the rows; by default 200, and on fewer rows enough for 3000 steps.
        lr: the largest rate of Adam (the paper's own training was by conjugate gradients).
        batch_size: rows of a batch.

    Raises:
        InputError: for another number of layers.

    Source: Kramer 1991, "Nonlinear principal component analysis using autoassociative neural networks", figure 2.

    >>> [phase.epochs for phase in kramer1991(Setting(5000, widths=(8, 16, 2)))]
    [200]
    """
    if setting.depth != 2:
        raise InputError(
            f"phase 'train': the five layers of kramer1991 have one hidden layer in the encoder; got "
            f"{setting.depth - 1}. Use end_to_end for other depths."
        )
    return [fine_tuning(setting, epochs=epochs, lr=lr, batch_size=batch_size, name="train", usual=200)]
