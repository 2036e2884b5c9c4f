"""The deep belief network: a stack of restricted Boltzmann machines that dreams from its top."""

from collections.abc import Sequence
from typing import Any, Literal, final

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted

from layerwise.errors import InputError
from layerwise.estimators.machine import RBM
from layerwise.models import Dense, DenseLayer, Layer, identity, sigmoid
from layerwise.recipes import is_whole
from layerwise.runtime import Precision

__all__ = ["DeepBeliefNetwork"]


@final
class DeepBeliefNetwork(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    """A stack of machines of binary hidden units, each trained on the means of the hidden units of the one below.

    The two topmost layers are a Boltzmann machine; below it the net is directed, from the top to the rows. So a row is
    dreamed by Gibbs sampling in the topmost machine, and one passage down.

    Arguments:
        hidden_layer_sizes: units of each layer, from the rows up.
        visible: of the lowest machine, as in `RBM`.
        learning_rate, batch_size, n_iter, cd_steps, n_particles, momentum, weight_decay: of each machine, as in `RBM`.
        device, precision, random_state, verbose: as in `RBM`.

    Attributes:
        machines_: the fitted `RBM` of each layer, from the rows up.
        n_features_in_, feature_names_in_: as in scikit-learn.

    Source: Hinton, Osindero & Teh 2006, "A fast learning algorithm for deep belief nets", sections 2 and 4.

    >>> from sklearn.datasets import load_digits
    >>> x = load_digits().data / 16
    >>> net = DeepBeliefNetwork((30, 10), n_iter=3, random_state=0).fit(x)
    >>> net.transform(x).shape, net.sample(3, steps=20).shape
    ((1797, 10), (3, 64))
    """

    def __init__(
        self,
        hidden_layer_sizes: Sequence[int] = (256, 256),
        *,
        visible: Literal["auto", "bernoulli", "gaussian"] = "auto",
        learning_rate: float | None = None,
        batch_size: int | None = None,
        n_iter: int = 10,
        cd_steps: int = 1,
        n_particles: int | None = None,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        device: str = "auto",
        precision: Precision = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.hidden_layer_sizes = hidden_layer_sizes
        self.visible = visible
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.n_iter = n_iter
        self.cd_steps = cd_steps
        self.n_particles = n_particles
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.device = device
        self.precision = precision
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any = None) -> "DeepBeliefNetwork":
        """Learn one machine after the other.

        Arguments:
            X: array or frame of numbers, shape (rows, columns).
            y: ignored.

        Raises:
            InputError: for arguments out of their range, and rows that `RBM` refuses.
            TrainingDiverged: when the weights stop being finite.
        """
        sizes = self.hidden_layer_sizes
        if not isinstance(sizes, Sequence) or not sizes or not all(is_whole(size) for size in sizes):
            raise InputError(
                f"hidden_layer_sizes must be one or more whole numbers from 1 on; got {self.hidden_layer_sizes!r}."
            )
        shared = {name: value for name, value in self.get_params(deep=False).items() if name not in _OWN}
        draw = None if self.random_state is None else check_random_state(self.random_state)
        machines, rows = [], X
        for place, size in enumerate(sizes):
            seed = None if draw is None else int(draw.randint(2**31 - 1))
            kind = self.visible if place == 0 else "bernoulli"
            machine = RBM(size, visible=kind, random_state=seed, **shared).fit(rows)
            rows = machine.transform(rows)
            machines.append(machine)
        self.machines_ = machines
        self.n_features_in_ = machines[0].n_features_in_
        if "feature_names_in_" in vars(machines[0]):
            self.feature_names_in_ = machines[0].feature_names_in_
        return self

    def transform(self, X: Any) -> NDArray[np.float32]:
        """The means of the topmost units, each layer being given the means of the one below.

        Raises:
            InputError: for rows that the lowest machine refuses.
        """
        check_is_fitted(self)
        for machine in self.machines_:
            X = machine.transform(X)
        return np.asarray(X)

    def inverse_transform(self, X: Any) -> NDArray[np.float32]:
        """The means of the rows given values of the topmost units, shape (rows, units), in the units of `fit`.

        Raises:
            InputError: for another width, or values that are not finite.
        """
        check_is_fitted(self)
        for machine in reversed(self.machines_):
            X = machine.inverse_transform(X)
        return np.asarray(X)

    def sample(self, n: int = 1, *, steps: int = 1000) -> NDArray[np.float32]:
        """Means of rows that the net dreams, shape (n, columns).

        Arguments:
            n: number of rows.
            steps: of Gibbs sampling in the topmost machine.

        Raises:
            InputError: for fewer than 1 row or step.
        """
        check_is_fitted(self)
        *below, top = self.machines_
        rows: Any = top.sample(n, steps=steps)
        for machine in reversed(below):
            rows = machine.inverse_transform(rows)
        return np.asarray(rows, np.float32)

    def unrolled(self) -> Dense:
        """The autoencoder whose encoder goes up the stack and whose decoder comes down, to be fine-tuned.

        Its input are rows as the lowest machine sees them: standardized where its visible units are gaussian. Source:
        Hinton & Salakhutdinov 2006, figure 1.
        """
        check_is_fitted(self)
        sizes = [machine.n_components for machine in self.machines_]
        model = Dense(
            self.n_features_in_,
            sizes[:-1],
            code=sizes[-1],
            layer=Layer(sigmoid),
            code_activation=sigmoid,
            output=sigmoid if self.machines_[0].visible_ == "bernoulli" else identity,
        )
        for up, down, machine in zip(model.encoder, reversed(model.decoder), self.machines_, strict=True):
            assert isinstance(up, DenseLayer)
            assert isinstance(down, DenseLayer)
            trained = machine.model_
            _take_over(up, trained.weight, trained.hidden_bias)
            _take_over(down, trained.weight.T, trained.visible_bias)
        return model

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    @property
    def _n_features_out(self) -> int:
        return int(self.machines_[-1].n_components)


_OWN = {"hidden_layer_sizes", "visible", "random_state"}


def _take_over(layer: DenseLayer, weight: torch.Tensor, bias: torch.Tensor) -> None:
    assert layer.bias is not None
    with torch.no_grad():
        layer.weight.copy_(weight)
        layer.bias.copy_(bias)
