"""The variational autoencoder as a scikit-learn transformer."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch

from layerwise.data import Rows, Schema
from layerwise.data.fitting import WantedScaling
from layerwise.diagnostics import importance_weighted_bound
from layerwise.errors import InputError, ModelFileError
from layerwise.estimators.arguments import LayerChoice, layer_of
from layerwise.estimators.assembly import Planned, is_unit_range, usual_code
from layerwise.estimators.autoencoder import AutoencoderTransformer
from layerwise.models import Layer, PrincipalComponents, Variational, identity, sigmoid
from layerwise.penalties import Fidelity, GaussianDivergence, cross_entropy, squared_error
from layerwise.recipes import Setting, variational
from layerwise.runtime import Precision
from layerwise.storage import load_model, plain
from layerwise.training import Objective, Phase, Recipe

__all__ = ["VariationalAutoencoder"]

BOUND_ROWS, BOUND_SAMPLES = 1000, 100
LEAST_NOISE = 1e-3
ACTIVE, CHUNK = 0.01, 2048


@final
@dataclass(frozen=True)
class VariationalPlan(Planned):
    """A variational autoencoder for rows of a schema.

    Arguments:
        code: size of the code; None as in `usual_code`.
        hidden: widths of the encoder's hidden layers.
        layer: how they are made.
        beta: weight of the divergence.
        free_nats: of each unit of the code.
        noise_variance: of the rows about their reconstruction, where features are not all from 0 to 1.
    """

    code: int | None
    hidden: tuple[int, ...]
    layer: Layer
    beta: float
    free_nats: float
    noise_variance: float

    def model(self, schema: Schema, *, rows: int, seed: int) -> Variational:
        """A fresh model for a schema's features."""
        *hidden, code = self.widths(schema)[1:]
        output = sigmoid if is_unit_range(schema) else identity
        return Variational(schema.n_features, hidden, code=code, layer=self.layer, output=output, seed=seed)

    def widths(self, schema: Schema) -> tuple[int, ...]:
        """The widths from the input to the code."""
        code = usual_code(schema) if self.code is None else int(self.code)
        return (schema.n_features, *self.hidden, code)

    def objective(self, schema: Schema) -> Objective:
        """Minus the evidence lower bound for beta = 1: in nats, or times twice the variance of normal noise."""
        fidelity = likelihood(schema)
        weight = self.beta * (1.0 if fidelity is cross_entropy else 2 * self.noise_variance)
        return Objective(fidelity, {"divergence": (weight, GaussianDivergence(free_nats=self.free_nats))})


def likelihood(schema: Schema) -> Fidelity:
    """What minus the logarithm of the likelihood is, up to a factor and a constant."""
    return cross_entropy if is_unit_range(schema) else squared_error


@final
class VariationalAutoencoder(AutoencoderTransformer):
    """A variational autoencoder: a distribution of codes for each row, and new rows from codes that are drawn.

    Features from 0 to 1 (pixels, minmax scaling) have a Bernoulli likelihood, the cross-entropy; others a normal one.

    Arguments:
        n_components: size of the code; None is a third of the columns (of the pixels of a picture), at least 2. Units
            that are of no use are given up in training.
        hidden_layer_sizes: widths from the input to the code, mirrored in the decoder.
        layer: activation, initializer and normalization of the hidden layers; None is `Layer()`; as in
            `DeepAutoencoder` an initializer or its name alone.
        beta: weight of the divergence; above 1 asks for codes with fewer and more independent units, below 1 for better
            reconstructions.
        free_nats: what each unit of the code costs at the least, so that none is given up to save it.
        noise_variance: of the normal likelihood, in scaled units; None is what PCA with as many components leaves over
            (the estimate of probabilistic PCA).
        scaling, recipe, max_epochs, batch_size, learning_rate, validation_fraction, test_fraction, device, precision,
            warm_start, random_state, verbose: as in `DeepAutoencoder`; None as recipe is `recipes.variational`.

    Attributes:
        model_: the trained `Variational`.
        noise_variance_: of the normal likelihood; 1 for features from 0 to 1, which do not use it.
        metrics_: as in `DeepAutoencoder`, and under "evidence" how likely held-out rows are: the evidence lower bound
            and the importance-weighted bound with 100 samples, mean over at most 1000 rows, in nats, and how many units
            are active: whose mean varies by more than 0.01 over the rows (Burda et al. 2016, section 5.2).
        schema_, history_, recipe_, environment_, examples_, ignored_, partial_fits_, components_, n_features_in_,
            feature_names_in_: as in `DeepAutoencoder`.

    Sources: Kingma & Welling 2014; Rezende et al. 2014; beta: Higgins et al. 2017; the variance: Tipping & Bishop 1999,
    equation 8, and for these models Lucas et al. 2019.

    >>> from sklearn.datasets import load_iris
    >>> encoder = VariationalAutoencoder(2, max_epochs=5, random_state=0).fit(load_iris().data)
    >>> encoder.transform(load_iris().data).shape, encoder.sample(3, random_state=0).shape
    ((150, 2), (3, 4))
    """

    def __init__(
        self,
        n_components: int | None = None,
        *,
        hidden_layer_sizes: Sequence[int] = (500, 500),
        layer: LayerChoice = None,
        beta: float = 1.0,
        free_nats: float = 0.0,
        noise_variance: float | None = None,
        scaling: WantedScaling = "auto",
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
        self.beta = beta
        self.free_nats = free_nats
        self.noise_variance = noise_variance
        self.scaling = scaling
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

    @classmethod
    def load(cls, folder: str | os.PathLike[str], *, device: str = "auto") -> "VariationalAutoencoder":
        """A fitted estimator from a model folder, without unpickling.

        Raises:
            ModelFileError: when the folder is missing, damaged, changed or newer.
        """
        saved = load_model(folder)
        if not isinstance(saved.model, Variational) or saved.components is None:
            raise ModelFileError(f"{folder}: must hold a variational autoencoder; found another model.")
        estimator = cls(saved.model.code, hidden_layer_sizes=saved.model.hidden, device=device)
        estimator.noise_variance_ = float(saved.settings["noise_variance"])
        estimator._open(saved)
        return estimator

    @property
    def _prior(self) -> bool:
        return True

    def _measure(self, schema: Schema, rows: Rows) -> None:
        self.noise_variance_ = 1.0
        if self.noise_variance is not None:
            if not self.noise_variance > 0:
                raise InputError(f"noise_variance must be above 0; got {self.noise_variance}.")
            self.noise_variance_ = float(self.noise_variance)
        elif likelihood(schema) is squared_error:
            self.noise_variance_ = max(LEAST_NOISE, _left_over(rows, self._plan().widths(schema)[-1]))

    def _plan(self) -> VariationalPlan:
        if not self.beta >= 0:
            raise InputError(f"beta must be at least 0; got {self.beta}.")
        hidden = tuple(int(width) for width in self.hidden_layer_sizes)
        layer = layer_of(self.layer, Layer())
        return VariationalPlan(self.n_components, hidden, layer, self.beta, self.free_nats, self.noise_variance_)

    def _default(self, setting: Setting, *, epochs: int | None) -> Recipe:
        numbers = {"epochs": epochs, "batch_size": self.batch_size, "lr": self.learning_rate}
        return variational(setting, **plain({name: value for name, value in numbers.items() if value is not None}))

    @torch.no_grad()
    def _evidence(self, rows: Rows) -> dict[str, Any]:
        assert isinstance(self.model_, Variational)
        device = next(self.model_.parameters()).device
        batch = rows.batch(torch.arange(min(BOUND_ROWS, len(rows)))).to(device)
        found: dict[str, float] = {"rows": len(batch.x), "samples": BOUND_SAMPLES}
        for name, samples in (("elbo", 1), ("bound", BOUND_SAMPLES)):
            bounds = importance_weighted_bound(
                self.model_,
                batch.x,
                observed=batch.observed,
                samples=samples,
                fidelity=likelihood(self.schema_),
                noise_variance=self.noise_variance_,
            )
            found[name] = float(bounds.double().mean())
        means = self.model_.posterior(batch.x).mean
        found["active_units"] = int((means.var(0, correction=0) > ACTIVE).sum())
        return {"evidence": found}

    def _settings(self) -> dict[str, Any]:
        return {"noise_variance": self.noise_variance_}


def _left_over(rows: Rows, code: int) -> float:
    """The mean variance of a direction that PCA with so many components leaves over."""
    features = rows.n_features
    if code >= features:
        return 0.0
    components = PrincipalComponents.fit(rows, code)
    total = 0.0
    for index in torch.arange(len(rows)).split(CHUNK):
        x = components.fill(rows.batch(index))
        total += float((x - components.reconstruct(x)).double().square().sum())
    return total / (len(rows) * (features - code))
