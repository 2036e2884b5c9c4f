"""How parameters move."""

from layerwise.optim.as_torch import TorchOptimizer
from layerwise.optim.base import NonFinite, Optimizer, Problem, Stepper, Terms
from layerwise.optim.conjugate import conjugate_gradient
from layerwise.optim.curvature import Curvature, Fisher, GaussNewton, Hessian
from layerwise.optim.damping import AdaptiveDamping, Damping, FixedDamping, TrustRegion
from layerwise.optim.first_order import FirstOrder, RisingMomentum
from layerwise.optim.kfac import EKFAC, KFAC
from layerwise.optim.line_search import Point, strong_wolfe
from layerwise.optim.named import optimizer_names, optimizer_of
from layerwise.optim.nonlinear import ConjugateGradient
from layerwise.optim.problems import Problems
from layerwise.optim.quasi_newton import LBFGS
from layerwise.optim.search import Backtracking, FullStep, Search, StrongWolfe
from layerwise.optim.second_order import (
    HessianFree,
    LevenbergMarquardt,
    Newton,
    SaddleFreeNewton,
    SecondOrder,
    TrustRegionNewton,
)
from layerwise.optim.solvers import Cholesky, ConjugateGradients, Eigenvalues, Lanczos, Solver, Steihaug
from layerwise.optim.walk import walk

__all__ = [
    "EKFAC",
    "KFAC",
    "LBFGS",
    "AdaptiveDamping",
    "Backtracking",
    "Cholesky",
    "ConjugateGradient",
    "ConjugateGradients",
    "Curvature",
    "Damping",
    "Eigenvalues",
    "FirstOrder",
    "Fisher",
    "FixedDamping",
    "FullStep",
    "GaussNewton",
    "Hessian",
    "HessianFree",
    "Lanczos",
    "LevenbergMarquardt",
    "Newton",
    "NonFinite",
    "Optimizer",
    "Point",
    "Problem",
    "Problems",
    "RisingMomentum",
    "SaddleFreeNewton",
    "Search",
    "SecondOrder",
    "Solver",
    "Steihaug",
    "Stepper",
    "StrongWolfe",
    "Terms",
    "TorchOptimizer",
    "TrustRegion",
    "TrustRegionNewton",
    "conjugate_gradient",
    "optimizer_names",
    "optimizer_of",
    "strong_wolfe",
    "walk",
]
