"""The deep autoencoder as a scikit-learn transformer."""

import os
from collections.abc import Callable, Mapping, Sequence
from typing import Any, Literal, final

import numpy as np

from layerwise.corruptions import Corruption
from layerwise.data import Rows, Schema
from layerwise.data.fitting import WantedScaling
from layerwise.errors import ModelFileError
from layerwise.estimators.arguments import LayerChoice, named
from layerwise.estimators.assembly import Maker, Plan
from layerwise.estimators.autoencoder import AutoencoderTransformer
from layerwise.models import Activation, Dense, Network, Variational
from layerwise.penalties import Fidelity, Penalty
from layerwise.recipes import Setting, architecture, default
from layerwise.runtime import Precision
from layerwise.storage import load_model, plain
from layerwise.training import (
    Phase,
    Recipe,
    Schedule,
)

__all__ = ["DeepAutoencoder"]

JUDGED_ROWS = 1000


@final
class DeepAutoencoder(AutoencoderTransformer):
    """A deep autoencoder: a short code for each row, and the row back from its code.

    By default it starts as PCA and improves on it: a linear path with the principal components runs beside the
    layers, a part of the rows chooses the best weights, and another part, which nothing else has seen, says in
    `metrics_` whether PCA was beaten. Cells may be missing (NaN).

    Arguments:
        n_components: size of the code; None is a third of the columns (of the pixels of a picture), at least 2.
        hidden_layer_sizes: widths from the input to the code, mirrored in the decoder; "auto" is (256, 256). For
            pictures also a function of their shape that makes the model, as `partial(Residual, code=30)`.
        layer: activation, initializer, normalization, dropout and tying; None is the recipe's (sigmoid units for the
            classical ones), else `Layer()`, with a dropout of 0.3 for fewer than 1000 rows. An initializer of
            `layerwise.models`, or its name, like "sparse:15", changes that alone.
        code_activation: of the code; "auto" is the recipe's, else linear.
        linear_path: whether PCA runs beside the layers; "auto" is yes, but for tied weights, a code that is not linear
            and the classical recipes and those by layers, which cannot have it.
        scaling: "standard" (robust), "common" (one scale for all columns), "minmax" or "none"; "auto" is minmax for
            8-bit pictures, common for the samples of a signal, else standard.
        fidelity: what a good reconstruction is, for instance `cross_entropy` or `MixedFidelity.of`; None is the squared
            error, clipped where columns have a floor or a ceiling; for the classical recipes the cross-entropy where
            all features are in [0, 1].
        corruption: of the input in training; "auto" is the recipe's own.
        penalties: name -> (weight, penalty).
        recipe: a function of `layerwise.recipes`, its name, or one that makes phases of a `Setting`; or a list of
            phases. None is `recipes.default`.
        max_epochs, batch_size, learning_rate: of the default recipe; None lets it choose by the number of rows.
        validation_fraction: share of the rows that choose the best weights; with fewer than 1000 rows 5-fold
            cross-validation chooses the number of epochs instead, and all rows train. 0 chooses nothing.
        test_fraction: share of the rows that judge at the end.
        device: "auto", "cpu", "cuda:1", "mps".
        precision: "auto", "float32" or "bf16".
        warm_start: whether `fit` goes on from the present weights.
        random_state: seed of everything random; an int gives the same weights every time on the same machine.
        verbose: 1 shows progress on standard error.

    Attributes:
        model_: the trained module.
        schema_: how columns become features, and back.
        history_: what happened in training.
        metrics_: the comparison with PCA on held-out rows.
        recipe_: the phases that were run, as plain values.
        environment_: versions, machine and date.
        examples_: some held-out rows with their codes, for the report.
        ignored_: columns of the source that are not features.
        partial_fits_: how many calls of `partial_fit` came after the last `fit`.
        components_: the `PrincipalComponents` of the training rows.
        n_features_in_, feature_names_in_: as in scikit-learn.

    Source: Hinton & Salakhutdinov 2006, "Reducing the dimensionality of data with neural networks".

    >>> from sklearn.datasets import load_iris
    >>> encoder = DeepAutoencoder(2, max_epochs=5, random_state=0)
    >>> encoder.fit_transform(load_iris().data).shape
    (150, 2)
    >>> encoder.inverse_transform(encoder.transform(load_iris().data)).shape
    (150, 4)
    """

    def __init__(
        self,
        n_components: int | None = None,
        *,
        hidden_layer_sizes: Sequence[int] | Literal["auto"] | Maker = "auto",
        layer: LayerChoice = None,
        code_activation: Activation | Literal["auto"] = "auto",
        linear_path: bool | Literal["auto"] = "auto",
        scaling: WantedScaling = "auto",
        fidelity: Fidelity | Callable[[Schema], Fidelity] | None = None,
        corruption: Corruption | Literal["auto"] | None = "auto",
        penalties: Mapping[str, tuple[float | Schedule, Penalty]] | None = None,
        recipe: str | Sequence[Phase] | Callable[[Setting], Sequence[Phase]] | None = None,
        max_epochs: int | None = None,
        batch_size: int | None = None,
        learning_rate: float | None = None,
        validation_fraction: float = 0.1,
        test_fraction: float = 0.1,
        device: str = "auto",
        precision: Precision = "auto",
        warm_start: bool = False,
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.n_components = n_components
        self.hidden_layer_sizes = hidden_layer_sizes
        self.layer = layer
        self.code_activation = code_activation
        self.linear_path = linear_path
        self.scaling = scaling
        self.fidelity = fidelity
        self.corruption = corruption
        self.penalties = penalties
        self.recipe = recipe
        self.max_epochs = max_epochs
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.validation_fraction = validation_fraction
        self.test_fraction = test_fraction
        self.device = device
        self.precision = precision
        self.warm_start = warm_start
        self.random_state = random_state
        self.verbose = verbose

    def _plan(self) -> Plan:
        return Plan(
            self.n_components,
            self.hidden_layer_sizes,
            self.layer,
            self.linear_path,
            self.fidelity,
            self.penalties,
            self.code_activation,
            architecture(named(self.recipe)),
        )

    @classmethod
    def load(cls, folder: str | os.PathLike[str], *, device: str = "auto") -> "DeepAutoencoder":
        """A fitted estimator from a model folder, without unpickling.

        Raises:
            ModelFileError: when the folder is missing, damaged, changed or newer.
        """
        saved = load_model(folder)
        model = saved.model
        if not isinstance(model, Network) or isinstance(model, Variational) or saved.components is None:
            raise ModelFileError(f"{folder}: must hold an autoencoder; found another model.")
        estimator = cls(model.code, device=device)
        if isinstance(model, Dense):
            estimator.hidden_layer_sizes = model.hidden
        estimator._open(saved)
        return estimator

    def _default(self, setting: Setting, *, epochs: int | None) -> Recipe:
        numbers = {"epochs": epochs, "batch_size": self.batch_size, "lr": self.learning_rate}
        return default(setting, corruption=self.corruption, **plain(numbers))

    @property
    def _prior(self) -> bool:
        return False

    def _measure(self, schema: Schema, rows: Rows) -> None:
        """Nothing: all its losses are in scaled units."""

    def _evidence(self, rows: Rows) -> dict[str, Any]:
        return {}

    def _settings(self) -> dict[str, Any]:
        return {}
