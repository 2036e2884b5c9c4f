"""Optimizers by their Python names, as they come from a file or a command line."""

import inspect
from collections.abc import Mapping

import torch

from layerwise.errors import InputError
from layerwise.optim.base import Optimizer
from layerwise.optim.damping import AdaptiveDamping
from layerwise.optim.first_order import FirstOrder
from layerwise.optim.kfac import EKFAC, KFAC
from layerwise.optim.nonlinear import ConjugateGradient
from layerwise.optim.quasi_newton import LBFGS
from layerwise.optim.search import Backtracking
from layerwise.optim.second_order import HessianFree, LevenbergMarquardt, Newton, SaddleFreeNewton, TrustRegionNewton

__all__ = ["optimizer_names", "optimizer_of"]

OWN: Mapping[str, Optimizer] = {
    type(choice).__name__: choice
    for choice in (
        ConjugateGradient(),
        EKFAC(),
        HessianFree(),
        KFAC(),
        LBFGS(),
        LevenbergMarquardt(),
        # Without a damping that follows its success it is drawn to saddles.
        Newton(AdaptiveDamping(), Backtracking()),
        SaddleFreeNewton(),
        TrustRegionNewton(),
    )
}


def optimizer_names() -> list[str]:
    """The library's own, and those of `torch.optim` that take dense gradients and no closure.

    >>> "HessianFree" in optimizer_names(), "Adam" in optimizer_names()
    (True, True)
    """
    return [*OWN, *(name for name in _torch() if name not in OWN)]


def optimizer_of(name: str, *, lr: float | None = None) -> Optimizer:
    """The optimizer of that name, with its default arguments.

    Arguments:
        name: of a class of this folder or of `torch.optim`.
        lr: the rate of one of `torch.optim`; the others find their own.

    Raises:
        InputError: for another name.

    >>> optimizer_of("RMSprop", lr=0.01).lr, optimizer_of("HessianFree").damping
    (0.01, 1.0)
    """
    if name in OWN:
        return OWN[name]
    found = _torch().get(name)
    if found is None:
        raise InputError(f"the optimizer must be one of {', '.join(optimizer_names())}; got {name!r}.")
    return FirstOrder(found) if lr is None else FirstOrder(found, lr=lr)


def _torch() -> dict[str, type[torch.optim.Optimizer]]:
    """Those that work on any parameters; Muon takes matrices alone."""
    unfit = {"LBFGS", "Muon", "Optimizer", "SparseAdam"}
    return {
        name: kind
        for name, kind in vars(torch.optim).items()
        if inspect.isclass(kind) and issubclass(kind, torch.optim.Optimizer) and name not in unfit
    }
