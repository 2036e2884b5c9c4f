"""How parameters move."""

from layerwise.optim.base import NonFinite, Optimizer, Problem, Stepper, Terms
from layerwise.optim.first_order import FirstOrder
from layerwise.optim.hessian_free import HessianFree, conjugate_gradient
from layerwise.optim.line_search import Point, strong_wolfe
from layerwise.optim.nonlinear import ConjugateGradient

__all__ = [
    "ConjugateGradient",
    "FirstOrder",
    "HessianFree",
    "NonFinite",
    "Optimizer",
    "Point",
    "Problem",
    "Stepper",
    "Terms",
    "conjugate_gradient",
    "strong_wolfe",
]
