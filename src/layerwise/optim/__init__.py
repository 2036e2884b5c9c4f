"""How parameters move."""

from layerwise.optim.base import NonFinite, Optimizer, Problem, Stepper, Terms
from layerwise.optim.first_order import FirstOrder
from layerwise.optim.hessian_free import HessianFree, conjugate_gradient

__all__ = ["FirstOrder", "HessianFree", "NonFinite", "Optimizer", "Problem", "Stepper", "Terms", "conjugate_gradient"]
