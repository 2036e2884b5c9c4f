"""Stacked classifiers and regressors: a net that is pre-trained on all rows and fine-tuned on those with a target."""

import os
from typing import Any, final

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax
from sklearn.base import ClassifierMixin, MultiOutputMixin, RegressorMixin
from sklearn.utils.metaestimators import available_if

from layerwise.estimators.prediction import codes, load_predictor, outputs
from layerwise.estimators.stacking import StackedEstimator
from layerwise.estimators.targets import Classes, Numbers, Target

__all__ = ["StackedClassifier", "StackedRegressor"]


def _probable(estimator: "StackedClassifier") -> bool:
    """Whether there are probabilities; a head without them raises an AttributeError."""
    return estimator.head is None or callable(estimator.head.predict_proba)


@final
class StackedClassifier(ClassifierMixin, StackedEstimator):
    """A deep classifier whose layers are pre-trained one by one on all rows, also those without a class.

    Unlabelled rows have y = -1, NaN or None, as in scikit-learn's semi-supervised estimators; where the only two
    values are -1 and another, both are classes. In the labels of a table -1 is a class: unlabelled cells are empty.

    Arguments:
        hidden_layer_sizes: widths of the layers; the last one is the code.
        layer: activation, initializer, normalization; None is the recipe's, else `Layer()`; as in `DeepAutoencoder` an
            initializer or its name alone.
        dropout: of the layers in the fine-tuning.
        input_dropout: of the inputs in the fine-tuning.
        head: a scikit-learn classifier that gets the codes instead of a softmax layer; the net is then not fine-tuned,
            and the recipe must have phases that pre-train.
        scaling, fidelity: as in `DeepAutoencoder`; the fidelity is that of the pre-training.
        recipe: a function of `layerwise.recipes`, its name, or one that makes phases of a `Setting`; or a list of
            phases. None is `recipes.denoising_stack`.
        max_epochs, batch_size, learning_rate: of the default recipe; the epochs are those of the fine-tuning.
        validation_fraction: share of the labelled rows that choose the best weights, from 1000 labelled rows on.
        test_fraction: share of the labelled rows that judge at the end, in `metrics_`. Both shares are those of each
            class, which always keeps a row for training.
        device, precision, random_state, verbose: as in `DeepAutoencoder`.

    Attributes:
        classes_: the classes, in the order of `predict_proba`.
        model_: the trained `Predictor`.
        head_: the fitted head, where one was given.
        schema_, history_, recipe_, environment_: as in `DeepAutoencoder`.
        metrics_: error, that of the most frequent class of the training rows and that of logistic regression, on rows
            it has not seen.
        n_features_in_, feature_names_in_: as in scikit-learn.

    Sources: Hinton & Salakhutdinov 2006; Bengio et al. 2007; Vincent et al. 2010.

    >>> from sklearn.datasets import load_iris
    >>> X, y = load_iris(return_X_y=True)
    >>> y[::2] = -1
    >>> StackedClassifier((16, 16), max_epochs=30, random_state=0).fit(X, y).classes_.tolist()
    [0, 1, 2]
    """

    @available_if(_probable)  # type: ignore[untyped-decorator]
    def predict_proba(self, X: Any) -> NDArray[np.float64]:
        """The probability of each class, shape (rows, classes).

        Raises:
            InputError: for other columns than in `fit`.
        """
        rows = self._rows(X)
        if self.head is not None:
            return np.asarray(self.head_.predict_proba(codes(self.model_, rows, self.model_.code)))
        return softmax(outputs(self.model_, rows).astype(np.float64), axis=1)

    @classmethod
    def load(cls, folder: str | os.PathLike[str], *, device: str = "auto") -> "StackedClassifier":
        """A fitted classifier from a model folder, without unpickling.

        Raises:
            ModelFileError: when the folder is missing, damaged, changed, newer, or no classifier's.
        """
        saved, model, target = load_predictor(folder, Classes, device=device)
        estimator = cls(model.hidden, device=device)
        estimator._take(saved, target)
        return estimator

    @property
    def _kind(self) -> type[Target]:
        return Classes

    def _learned(self, target: Target) -> None:
        assert isinstance(target, Classes)
        self.classes_ = target.classes


@final
class StackedRegressor(RegressorMixin, MultiOutputMixin, StackedEstimator):
    """A deep regressor whose layers are pre-trained one by one on all rows, also those whose y is NaN.

    Arguments: as in `StackedClassifier`; `head` is a scikit-learn regressor.

    Attributes:
        metrics_: R2 and root mean squared error, beside the R2 of ridge regression, on rows it has not seen.
        model_, head_, schema_, history_, recipe_, environment_, n_features_in_, feature_names_in_: as in
            `StackedClassifier`.

    >>> from sklearn.datasets import load_diabetes
    >>> X, y = load_diabetes(return_X_y=True)
    >>> StackedRegressor((16,), max_epochs=20, random_state=0).fit(X, y).predict(X).shape
    (442,)
    """

    @classmethod
    def load(cls, folder: str | os.PathLike[str], *, device: str = "auto") -> "StackedRegressor":
        """A fitted regressor from a model folder, without unpickling.

        Raises:
            ModelFileError: when the folder is missing, damaged, changed, newer, or no regressor's.
        """
        saved, model, target = load_predictor(folder, Numbers, device=device)
        estimator = cls(model.hidden, device=device)
        estimator._take(saved, target)
        return estimator

    @property
    def _kind(self) -> type[Target]:
        return Numbers

    def _learned(self, target: Target) -> None:
        """Nothing more."""
