"""Blocks of the Fisher matrix, each of one matrix of parameters: how they are learned, damped and inverted."""

import math
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import final

import torch
from torch import Tensor

from layerwise.optim.base import NonFinite
from layerwise.optim.factors import Use, nearest_product

__all__ = ["Block", "CorrectedBlock", "DiagonalBlock", "KroneckerBlock"]


class Block(ABC):
    """The Fisher matrix of one matrix of parameters, as running means over the batches.

    Attributes:
        tensors: all that it knows, by name; a state that can be taken out and put back.
    """

    tensors: dict[str, Tensor]

    @abstractmethod
    def learn(self, uses: Sequence[Use], rows: int, *, keep: float) -> None:
        """Take in a batch of so many rows; `keep` is the share of what was known before."""

    @abstractmethod
    def renew(self) -> None:
        """Do what is done every few steps only: bring the running means into the form in which they are inverted."""

    @abstractmethod
    def damp(self, strength: float) -> None:
        """Make ready to solve with the damping strength^2; after `renew`, or again with another strength."""

    @abstractmethod
    def solve(self, gradient: Tensor) -> Tensor:
        """The inverse of the damped block times a matrix of the parameters' shape."""


@final
class KroneckerBlock(Block):
    r"""K-FAC: one Kronecker product R \otimes L, whose factors are damped and inverted each by itself.

    .. math:: (R + \pi \gamma I)^{-1} \otimes (L + \gamma / \pi I)^{-1}, \quad
        \pi^2 = \frac{\mathrm{tr} R / \dim R}{\mathrm{tr} L / \dim L}

    Source: Martens & Grosse 2015, sections 3, 5 and 6.3.
    """

    def __init__(self, tensors: dict[str, Tensor]) -> None:
        self.tensors = tensors

    def learn(self, uses: Sequence[Use], rows: int, *, keep: float) -> None:
        """Running means of the second moments of both sides of each use."""
        _learn_factors(self.tensors, uses, rows, keep)

    def renew(self) -> None:
        """The one product for all uses."""
        self.tensors["left factor"], self.tensors["right factor"] = _product(self.tensors)

    def damp(self, strength: float) -> None:
        """Invert both factors by their Cholesky factors."""
        factors = self.tensors["left factor"], self.tensors["right factor"]
        left, right = (float(factor.diagonal().mean()) for factor in factors)
        balance = (right / left) ** 0.5 if left > 0 and right > 0 else 1.0
        self.tensors["left inverse"] = _inverse(factors[0], strength / balance)
        self.tensors["right inverse"] = _inverse(factors[1], strength * balance)

    def solve(self, gradient: Tensor) -> Tensor:
        """Two products of matrices."""
        return self.tensors["left inverse"] @ gradient @ self.tensors["right inverse"]


@final
class CorrectedBlock(Block):
    r"""EKFAC: the eigenvectors of K-FAC's product, with the second moments of the gradient along each of them.

    .. math:: (U_R \otimes U_L) \, \mathrm{diag}(s + \gamma^2)^{-1} \, (U_R \otimes U_L)^T, \quad
        s = \mathrm{E}[(U_L^T \nabla U_R)^2]

    Of all matrices with these eigenvectors it is the nearest one to the true block. When the eigenvectors are renewed,
    s becomes the diagonal, along the new ones, of what was known along the old ones.

    Source: George et al. 2018, "Fast approximate natural gradient descent in a Kronecker factored eigenbasis",
    section 3.
    """

    def __init__(self, tensors: dict[str, Tensor]) -> None:
        self.tensors = tensors
        self._unread: tuple[Sequence[Use], int, float] | None = None

    def learn(self, uses: Sequence[Use], rows: int, *, keep: float) -> None:
        """Running means of the factors; and of the moments, once there are eigenvectors."""
        _learn_factors(self.tensors, uses, rows, keep)
        if "moments" in self.tensors:
            self._learn_moments(uses, rows, keep)
        else:
            self._unread = (uses, rows, keep)

    def renew(self) -> None:
        """New eigenvectors, and the moments along them."""
        (left_values, left), (right_values, right) = (_eigen(factor) for factor in _product(self.tensors))
        known = self.tensors.get("moments")
        moments = torch.outer(left_values, right_values)
        if known is not None:
            ours, theirs = left.T @ self.tensors["left vectors"], right.T @ self.tensors["right vectors"]
            moments = ours.square() @ known @ theirs.square().T
        self.tensors |= {"left vectors": left, "right vectors": right, "moments": moments}
        if self._unread is not None:
            self._learn_moments(*self._unread)
            self._unread = None

    def damp(self, strength: float) -> None:
        """Remember the strength."""
        self.tensors["damping"] = self.tensors["moments"].new_tensor(strength**2)

    def solve(self, gradient: Tensor) -> Tensor:
        """Four products of matrices."""
        left, right = self.tensors["left vectors"], self.tensors["right vectors"]
        turned = left.T @ gradient @ right
        return left @ (turned / (self.tensors["moments"] + self.tensors["damping"])) @ right.T

    def _learn_moments(self, uses: Sequence[Use], rows: int, keep: float) -> None:
        left, right = self.tensors["left vectors"], self.tensors["right vectors"]
        turned = [Use(use.left @ left, use.right @ right) for use in uses]
        total = torch.zeros_like(self.tensors["moments"])
        for number, one in enumerate(turned):
            total += one.left.square().T @ one.right.square()
            # A row's gradient is the sum over all uses; of parameters shared over positions, its parts are not paired.
            for other in turned[:number]:
                if len(one.left) == len(other.left) == rows:
                    total += 2 * (one.left * other.left).T @ (one.right * other.right)
        _average(self.tensors, "moments", total / rows, keep)


@final
class DiagonalBlock(Block):
    r"""The diagonal of the Fisher matrix, from the gradients of whole batches with drawn targets.

    .. math:: \mathrm{diag}(F) = \frac1n \, \mathrm{E}\Bigl[\Bigl(\sum_i \nabla_i\Bigr)^2\Bigr]

    for the targets of different rows are drawn independently. It needs to know nothing of how the parameters are used.

    Source: Liu et al. 2023, "Sophia", section 2.3 (Gauss-Newton-Bartlett estimator).
    """

    def __init__(self, tensors: dict[str, Tensor]) -> None:
        self.tensors = tensors

    def learn(self, uses: Sequence[Use], rows: int, *, keep: float) -> None:
        """Its one use is a sum over rows already: on the left the gradient, on the right a one."""
        _average(self.tensors, "moments", uses[0].left.square() / rows, keep)

    def renew(self) -> None:
        """A diagonal is in its form."""

    def damp(self, strength: float) -> None:
        """Remember the strength."""
        self.tensors["damping"] = self.tensors["moments"].new_tensor(strength**2)

    def solve(self, gradient: Tensor) -> Tensor:
        """Number by number."""
        return gradient / (self.tensors["moments"] + self.tensors["damping"])


def _average(tensors: dict[str, Tensor], name: str, new: Tensor, keep: float) -> None:
    tensors[name] = new if name not in tensors else keep * tensors[name] + (1 - keep) * new


def _learn_factors(tensors: dict[str, Tensor], uses: Sequence[Use], rows: int, keep: float) -> None:
    for number, use in enumerate(uses):
        # The sum over positions on one side, their mean on the other: of independent positions the exact sum.
        _average(tensors, f"left.{number}", use.left.T @ use.left / rows, keep)
        _average(tensors, f"right.{number}", use.right.T @ use.right / len(use.right), keep)


def _product(tensors: dict[str, Tensor]) -> tuple[Tensor, Tensor]:
    uses = range(sum(name.startswith("left.") for name in tensors))
    return nearest_product([tensors[f"left.{u}"] for u in uses], [tensors[f"right.{u}"] for u in uses])


def _inverse(factor: Tensor, damping: float) -> Tensor:
    """Of the damped factor, with ten times the damping as long as rounding leaves it indefinite."""
    diagonal = torch.eye(len(factor), dtype=factor.dtype, device=factor.device)
    while True:
        triangle, failed = torch.linalg.cholesky_ex(factor + damping * diagonal)
        if not failed:
            # Of one layout in memory, also after a checkpoint: products round differently by it.
            return torch.cholesky_inverse(triangle).contiguous()
        if not factor.isfinite().all():
            raise NonFinite("a factor of the Fisher matrix")
        damping *= 10


def _eigen(factor: Tensor) -> tuple[Tensor, Tensor]:
    if not factor.isfinite().all():
        raise NonFinite("a factor of the Fisher matrix")
    try:
        values, vectors = torch.linalg.eigh(factor)
    except RuntimeError:
        values = vectors = factor.new_tensor(math.nan)
    # LAPACK may fail in float32 where many eigenvalues are nearly the same, and does not always say so.
    if not (values.isfinite().all() and vectors.isfinite().all()):
        values, vectors = (found.to(factor.dtype) for found in torch.linalg.eigh(factor.double()))
    return values.clamp(min=0), vectors.contiguous()
