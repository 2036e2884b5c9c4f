"""Products with matrices of curvature at one point, whose graph is kept: each further product costs a sweep or two."""

from collections.abc import Callable, Iterable, Sequence
from typing import final

import torch
from torch import Tensor

from layerwise.errors import InputError

__all__ = ["Linearized", "Product", "filled", "hessian", "pulled_back"]

Product = Callable[[Sequence[Tensor]], tuple[Tensor, ...]]
"""A matrix times a vector, both as one tensor for each parameter."""


def pulled_back(
    outputs: Iterable[Tensor | None], leaves: Sequence[Tensor], vectors: Iterable[Tensor], *, create_graph: bool = False
) -> tuple[Tensor | None, ...]:
    """The transposed Jacobian times a vector: one tensor for each leaf, None where nothing depends on it.

    The graph is kept. Outputs that are None, or depend on no leaf, count as constant.

    >>> x = torch.tensor(3.0, requires_grad=True)
    >>> pulled_back([x * x], [x], [torch.tensor(2.0)])
    (tensor(12.),)
    """
    some = [(z, v) for z, v in zip(outputs, vectors, strict=True) if z is not None and z.requires_grad]
    if not some:
        return (None,) * len(leaves)
    return torch.autograd.grad(
        [z for z, _ in some],
        leaves,
        [v for _, v in some],
        create_graph=create_graph,
        retain_graph=True,
        allow_unused=True,
    )


def hessian(loss: Tensor, leaves: Sequence[Tensor]) -> Product:
    """Products with the second derivative of a scalar: the gradient of the slope along the vector (Pearlmutter 1994).

    >>> x = torch.tensor(3.0, requires_grad=True)
    >>> hessian(x**3, [x])([torch.tensor(1.0)])
    (tensor(18.),)
    """
    slopes = pulled_back([loss], leaves, [torch.ones_like(loss)], create_graph=True)
    return lambda vectors: filled(pulled_back(slopes, leaves, vectors), leaves)


@final
class Linearized:
    """A loss of outputs and leaves, near one point: the outputs linear in the leaves, the loss as it is.

    Arguments:
        outputs: tensors that depend on the leaves, each with a row of the batch in its first dimension.
        leaves: what the products are with respect to.
        loss: of tensors like `outputs`, and of the leaves where it reads these directly.
    """

    def __init__(
        self, outputs: Sequence[Tensor], leaves: Sequence[Tensor], loss: Callable[[Sequence[Tensor]], Tensor]
    ) -> None:
        cut = [z.detach().requires_grad_() for z in outputs]
        value = loss(cut)
        both = [*cut, *leaves]
        slopes = pulled_back([value], both, [torch.ones_like(value)], create_graph=True)
        # What the loss does not look at costs no sweep.
        live = [index for index in range(len(cut)) if slopes[index] is not None]
        self.leaves, self.outputs, self.cut = leaves, [outputs[i] for i in live], [cut[i] for i in live]
        self.slopes = [slope for i in live if (slope := slopes[i]) is not None]
        self.direct = slopes[len(cut) :]
        self._dummies = [torch.zeros_like(z, requires_grad=True) for z in self.outputs]
        self._pulled = pulled_back(self.outputs, leaves, self._dummies, create_graph=True)

    def gauss_newton(self, vectors: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """The Gauss-Newton matrix times a vector."""
        through = [*self._pushed(vectors), *vectors]
        both = [*self.cut, *self.leaves]
        curved = filled(pulled_back([*self.slopes, *self.direct], both, through), both)
        bent, straight = curved[: len(self.cut)], curved[len(self.cut) :]
        pulled = filled(pulled_back(self.outputs, self.leaves, bent), self.leaves)
        return tuple(a + b for a, b in zip(pulled, straight, strict=True))

    def fisher(self, vectors: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """The mean over the rows of the outer product of each row's gradient with itself, times a vector."""
        rows = self._rows()
        pairs = zip(self.slopes, self._pushed(vectors), strict=True)
        along = [(slope.detach() * z).reshape(rows, -1).sum(1) for slope, z in pairs]
        # The slopes are those of a mean: a row's own is `rows` times as large.
        return self._weighted(rows * torch.stack(along).sum(0) if along else torch.zeros(rows))

    def squares(self, draw: Callable[[int], Sequence[Tensor]], *, rows: int) -> tuple[Tensor, ...]:
        r"""The diagonal of that matrix, by random signs of the rows: n times the mean of (\sum_i s_i g_i / n)^2.

        Arguments:
            draw: gives vectors of so many signs.
            rows: n; outputs that have another number of rows are drawn with the first signs or with more.
        """
        drawn = [self._weighted(signs) for signs in draw(max([rows, *(len(z) for z in self.outputs)]))]
        return tuple(rows / len(drawn) * torch.stack(each).square().sum(0) for each in zip(*drawn, strict=True))

    def _rows(self) -> int:
        counts = {z.shape[0] if z.dim() else 0 for z in self.outputs}
        if len(counts) > 1 or 0 in counts:
            raise InputError(
                f"the Fisher matrix needs outputs with one row for each of the batch; found {sorted(counts)} rows. "
                "Use the Gauss-Newton matrix, and HessianFree(exponent=0)."
            )
        return next(iter(counts), 0)

    def _weighted(self, weights: Tensor) -> tuple[Tensor, ...]:
        """The gradient with each row's part multiplied by its weight."""
        vectors = [s.detach() * weights[: len(s)].view(-1, *[1] * (s.dim() - 1)) for s in self.slopes]
        return filled(pulled_back(self.outputs, self.leaves, vectors), self.leaves)

    def _pushed(self, vectors: Sequence[Tensor]) -> tuple[Tensor, ...]:
        """The Jacobian of the outputs times a vector: the gradient of u^T J v with respect to u."""
        return filled(pulled_back(self._pulled, self._dummies, vectors), self._dummies) if self._dummies else ()


def filled(found: Sequence[Tensor | None], like: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Gradients in the layout of their leaves, with zeros for those on which nothing depends.

    Convolutions of one channel give transposed ones, which the fused optimizers of torch 2.13 read in the wrong order.
    """
    return tuple(_laid_out(gradient, leaf) for gradient, leaf in zip(found, like, strict=True))


def _laid_out(gradient: Tensor | None, leaf: Tensor) -> Tensor:
    if gradient is None:
        return torch.zeros_like(leaf)
    if gradient.stride() == leaf.stride():
        return gradient
    return torch.empty_like(leaf, requires_grad=False).copy_(gradient)
