"""What the known recipes expect of the model that they train."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any, final

from layerwise.models import Activation, Gaussian, Glorot, Layer, TopK, identity, sigmoid
from layerwise.recipes.authors import bengio2007, hinton2006, kramer1991, makhzani2013, rifai2011, vincent2010
from layerwise.recipes.default import default, denoising_stack
from layerwise.recipes.detection import detection
from layerwise.recipes.imputation import imputation
from layerwise.recipes.named import intermediate_fine_tuning as intermediate_fine_tuning_by_name
from layerwise.recipes.named import layerwise as layerwise_by_name
from layerwise.recipes.restoration import restoration
from layerwise.recipes.stacked import end_to_end, intermediate_fine_tuning, layerwise
from layerwise.recipes.strategies import (
    alternate_sparsity,
    alternate_sparsity_combined,
    bottleneck,
    free_bottleneck,
    sparse_bottleneck,
)
from layerwise.recipes.translation import translation
from layerwise.recipes.variational import variational

__all__ = ["RECIPES", "Architecture", "architecture"]


@final
@dataclass(frozen=True)
class Architecture:
    """How a model is made where the user leaves it to the recipe.

    Arguments:
        layer: of the hidden layers; None leaves it to the estimator.
        code_activation: of the code.
        classical: whether the model is the plain one of the papers: the cross-entropy with a sigmoid output where all
            features are in [0, 1].
        linear_path: whether PCA may run beside the layers; not where they are trained by themselves.

    >>> Architecture().classical
    False
    """

    layer: Layer | None = None
    code_activation: Activation = identity
    classical: bool = False
    linear_path: bool = True


LOGISTIC = Layer(sigmoid, initializer=Glorot())
SMALL = Layer(sigmoid, initializer=Gaussian(0.1))


def architecture(recipe: object) -> Architecture:
    """What a recipe, perhaps with some of its arguments bound by `functools.partial`, expects of the model.

    >>> architecture(hinton2006).layer.initializer
    Gaussian(standard_deviation=0.1)
    >>> architecture(partial(makhzani2013, k=5)).code_activation
    TopK(k=5)
    """
    bound: dict[str, Any] = {}
    while isinstance(recipe, partial):
        bound = {**recipe.keywords, **bound}
        recipe = recipe.func
    for known, made in _ARCHITECTURES:
        if recipe is known:
            return made(bound)
    return Architecture()


def _logistic(code: Activation, layer: Layer = LOGISTIC) -> Callable[[Mapping[str, Any]], Architecture]:
    return lambda bound: Architecture(layer, code, classical=True, linear_path=False)


def _k_sparse(bound: Mapping[str, Any]) -> Architecture:
    kept = TopK(bound.get("k", 25))
    return Architecture(Layer(kept), kept, classical=True, linear_path=False)


def _by_trainer(bound: Mapping[str, Any]) -> Architecture:
    trainer = bound.get("trainer")
    kinds = {"contractive": LOGISTIC, "sparse": LOGISTIC, "machine": SMALL}
    if isinstance(trainer, str) and trainer in kinds:
        return _logistic(identity, kinds[trainer])(bound)
    return Architecture(linear_path=False)


_ARCHITECTURES: list[tuple[object, Callable[[Mapping[str, Any]], Architecture]]] = [
    (hinton2006, _logistic(identity, SMALL)),
    *[
        (recipe, _logistic(identity))
        for recipe in (
            alternate_sparsity,
            alternate_sparsity_combined,
            bengio2007,
            bottleneck,
            free_bottleneck,
            kramer1991,
            rifai2011,
            sparse_bottleneck,
            vincent2010,
        )
    ],
    (makhzani2013, _k_sparse),
    (denoising_stack, lambda bound: Architecture(linear_path=False)),
    *[
        (recipe, _by_trainer)
        for recipe in (
            layerwise,
            layerwise_by_name,
            intermediate_fine_tuning,
            intermediate_fine_tuning_by_name,
        )
    ],
]
RECIPES: Mapping[str, Callable[..., Any]] = {
    recipe.__name__: recipe
    for recipe in (
        default,
        denoising_stack,
        detection,
        imputation,
        restoration,
        translation,
        variational,
        end_to_end,
        layerwise_by_name,
        intermediate_fine_tuning_by_name,
        bottleneck,
        sparse_bottleneck,
        free_bottleneck,
        alternate_sparsity,
        alternate_sparsity_combined,
        hinton2006,
        bengio2007,
        vincent2010,
        rifai2011,
        makhzani2013,
        kramer1991,
    )
}
