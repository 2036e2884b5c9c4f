"""Where parameters meet a signal in a pass: the rows of which Kronecker factors of the Fisher matrix are made."""

from collections.abc import Callable, Sequence
from enum import Enum
from typing import Any, NamedTuple, final

import torch
from torch import Tensor
from torch.nn import functional
from torch.overrides import TorchFunctionMode

__all__ = ["Tape", "Use", "nearest_product"]

# No side of a factor is longer: a matrix of this size takes 64 MiB, and seconds to invert.
LARGEST = 4096


_TRANSPOSE: Any = Tensor.T.__get__  # type: ignore[attr-defined]


@final
class Use(NamedTuple):
    """One use of a matrix of parameters: the gradient by it is the sum over rows of left_i right_i^T.

    Attributes:
        left: one row for each row of the batch, or for each of its positions where the parameters are shared over them.
        right: as many rows.
    """

    left: Tensor
    right: Tensor


@final
class _Kind(Enum):
    """How a parameter acts on a signal: as a matrix, as a transposed one, or as a factor for each channel."""

    MATRIX = "matrix"
    TRANSPOSED = "transposed"
    SCALE = "scale"


@final
class _Call(NamedTuple):
    """A linear map that was seen; numbers of parameters, or None; `axis` is that of the output's units."""

    kind: _Kind
    weight: int | None
    bias: int | None
    signal: Callable[[], Tensor]
    output: Tensor
    axis: int

    def slopes(self, gradient: Tensor) -> Tensor:
        """Gradients by the output, one row for each position."""
        return gradient.movedim(self.axis, -1).flatten(0, -2)

    def use(self, gradient: Tensor, *, biased: bool) -> Use:
        """That of the weight, with the bias as one more column where it belongs to the same block."""
        slopes, signal = self.slopes(gradient), self.signal()
        if self.kind is _Kind.TRANSPOSED:
            return Use(signal, slopes)
        if self.kind is _Kind.SCALE:
            return Use(slopes * signal, torch.ones_like(slopes[:, :1]))
        return Use(slopes, torch.cat([signal, torch.ones_like(signal[:, :1])], 1) if biased else signal)


@final
class Tape(TorchFunctionMode):
    """Notes every linear map of a pass that applies one of the parameters; knows neither model nor layer.

    It understands matrices (also transposed ones: tied weights), convolutions (KFC: Grosse & Martens 2016), biases, and
    the factors and shifts of batch normalization. A parameter that is also used in any other way is left to a diagonal.

    Arguments:
        parameters: the trainable ones, by whose place in the list they are known.
    """

    def __init__(self, parameters: Sequence[Tensor]) -> None:
        super().__init__()
        self.parameters = list(parameters)
        self._numbers = {id(parameter): number for number, parameter in enumerate(parameters)}
        # The views are kept, so that no other tensor gets their id.
        self._turned: dict[int, tuple[Tensor, int]] = {}
        self._calls: list[_Call] = []
        self._elsewhere: set[int] = set()
        self._known: dict[Any, Callable[..., Tensor]] = {
            functional.linear: self._linear,
            functional.conv2d: self._convolution,
            functional.batch_norm: self._batch_norm,
            torch.matmul: self._product,
            Tensor.matmul: self._product,
            Tensor.__matmul__: self._product,
        }

    def __torch_function__(
        self, func: Any, types: Any, args: tuple[Any, ...] = (), kwargs: dict[str, Any] | None = None
    ) -> Any:
        """Let a function of torch do its work, and note what it did."""
        kwargs = kwargs or {}
        if func in self._known:
            return self._known[func](*args, **kwargs)
        result = func(*args, **kwargs)
        if func == _TRANSPOSE and (number := self._numbers.get(id(args[0]))) is not None:
            self._turned[id(result)] = (result, number)
        else:
            self._note((*args, *kwargs.values()), result)
        return result

    def blocks(self) -> list[tuple[int, ...]]:
        """The parameters of each block: a matrix and its bias, a matrix, or a vector; others have none."""
        weights = self._uses_of(lambda call: call.weight)
        biases = self._uses_of(lambda call: call.bias)
        joined = {
            number: call.bias
            for number, (call, *more) in weights.items()
            if not more and call.kind is _Kind.MATRIX and call.bias in biases and len(biases[call.bias]) == 1
        }
        alone = (biases.keys() - weights.keys()) - set(joined.values())
        found = [(number,) if number not in joined else (number, joined[number]) for number in weights]
        return sorted([*found, *((number,) for number in alone)])

    def draw(self, number: Tensor, others: Sequence[int]) -> tuple[list[Tensor], list[Tensor]]:
        """The gradients of a number by the outputs of all calls, and by the parameters that have no block."""
        wanted = [*(call.output for call in self._calls), *(self.parameters[other] for other in others)]
        found = torch.autograd.grad(number, wanted, allow_unused=True)
        filled = [torch.zeros_like(w) if g is None else g for w, g in zip(wanted, found, strict=True)]
        return filled[: len(self._calls)], filled[len(self._calls) :]

    def uses(self, block: tuple[int, ...], gradients: Sequence[Tensor]) -> list[Use]:
        """All uses of a block's parameters, from the gradients that `draw` gave."""
        first, biased = block[0], len(block) > 1
        found = []
        for call, gradient in zip(self._calls, gradients, strict=True):
            if call.weight == first:
                found.append(call.use(gradient, biased=biased))
            elif call.bias == first:
                slopes = call.slopes(gradient)
                found.append(Use(slopes, torch.ones_like(slopes[:, :1])))
        return found

    def _uses_of(self, which: Callable[[_Call], int | None]) -> dict[int, list[_Call]]:
        found: dict[int, list[_Call]] = {}
        for call in self._calls:
            number = which(call)
            if number is not None and number not in self._elsewhere and self._fits(number):
                found.setdefault(number, []).append(call)
        return found

    def _fits(self, number: int) -> bool:
        shape = self.parameters[number].shape
        return max(shape[0], shape[1:].numel()) < LARGEST

    def _keep(self, call: _Call) -> None:
        if call.weight is not None or call.bias is not None:
            self._calls.append(call)

    def _note(self, given: Sequence[Any], result: Any) -> None:
        """Parameters that went into a call of which nothing is known; one without a gradient tells nothing."""
        results = result if isinstance(result, tuple | list) else (result,)
        if not any(isinstance(made, Tensor) and made.requires_grad for made in results):
            return
        for value in given:
            for inner in value if isinstance(value, tuple | list) else (value,):
                number = self._number(inner)[0]
                if number is not None:
                    self._elsewhere.add(number)

    def _number(self, value: Any) -> tuple[int | None, bool]:
        """Which parameter it is, if any, and whether it is turned round."""
        if id(value) in self._turned:
            return self._turned[id(value)][1], True
        return self._numbers.get(id(value)), False

    def _linear(self, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
        number, turned = self._number(weight)
        output = functional.linear(x, weight, bias)
        kind = _Kind.TRANSPOSED if turned else _Kind.MATRIX
        signal = x.detach().flatten(0, -2)
        self._keep(_Call(kind, number, self._numbers.get(id(bias)), lambda: signal, output, -1))
        return output

    def _product(self, x: Tensor, other: Tensor) -> Tensor:
        result = torch.matmul(x, other)
        number, turned = self._number(other)
        if number is None or other.ndim != 2 or self._number(x)[0] is not None:
            self._note((x, other), result)
        else:
            kind = _Kind.MATRIX if turned else _Kind.TRANSPOSED
            signal = x.detach().flatten(0, -2)
            self._keep(_Call(kind, number, None, lambda: signal, result, -1))
        return result

    def _convolution(self, x: Tensor, weight: Tensor, bias: Tensor | None = None, *args: Any, **kwargs: Any) -> Tensor:
        output: Tensor = functional.conv2d(x, weight, bias, *args, **kwargs)
        settings = dict(zip(("stride", "padding", "dilation", "groups"), args, strict=False)) | kwargs
        plain = settings.pop("groups", 1) == 1 and not isinstance(settings.get("padding", 0), str)
        if not plain or self._number(weight)[0] is None:
            self._note((weight, bias), output)
            return output
        kernel = weight.shape[2:]

        def patches() -> Tensor:
            return functional.unfold(x.detach(), kernel, **settings).movedim(1, -1).flatten(0, 1)

        numbers = self._numbers.get(id(weight)), self._numbers.get(id(bias))
        self._keep(_Call(_Kind.MATRIX, *numbers, patches, output, 1))
        return output

    def _batch_norm(
        self,
        x: Tensor,
        mean: Tensor | None,
        variance: Tensor | None,
        weight: Tensor | None = None,
        bias: Tensor | None = None,
        *args: Any,
        **kwargs: Any,
    ) -> Tensor:
        """Its scale and shift are applied by themselves, so that what they are applied to can be seen."""
        normal = functional.batch_norm(x, mean, variance, None, None, *args, **kwargs)
        if weight is None or bias is None:
            return normal
        shape = (-1, *[1] * (x.ndim - 2))
        output = normal * weight.view(shape) + bias.view(shape)
        numbers = self._numbers.get(id(weight)), self._numbers.get(id(bias))
        signal = normal.detach().movedim(1, -1).flatten(0, -2)
        self._keep(_Call(_Kind.SCALE, *numbers, lambda: signal, output, 1))
        return output


def nearest_product(lefts: Sequence[Tensor], rights: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    r"""The one Kronecker product that is nearest to a sum of them: the factors of a matrix that is used several times.

    .. math:: \min_{L, R} \Bigl\lVert \sum_u R_u \otimes L_u - R \otimes L \Bigr\rVert_F

    It does not change when a use's factors are scaled against each other, so that what lies on the left in one use and
    on the right in another (tied weights) can be added up. Found by alternating least squares, within the span of the
    given ones; those are positive semi-definite, and so are the two.

    Source: Van Loan & Pitsianis 1993, "Approximation with Kronecker products".

    >>> left, right = nearest_product([torch.eye(2), torch.eye(2)], [torch.ones(1, 1), torch.ones(1, 1)])
    >>> torch.kron(right, left)
    tensor([[2., 0.],
            [0., 2.]])
    """
    if len(lefts) == 1:
        return lefts[0], rights[0]
    ours, theirs = (_inner_products(factors) for factors in (lefts, rights))
    tiny = torch.finfo(ours.dtype).tiny
    some = torch.ones(len(lefts), dtype=ours.dtype, device=ours.device)
    for _ in range(50):
        others = ours @ some / (some @ ours @ some).clamp(min=tiny)
        some = theirs @ others / (others @ theirs @ others).clamp(min=tiny)
    return _combined(lefts, some), _combined(rights, others)


def _inner_products(factors: Sequence[Tensor]) -> Tensor:
    flat = torch.stack([factor.flatten() for factor in factors])
    return (flat @ flat.T).double()


def _combined(factors: Sequence[Tensor], shares: Tensor) -> Tensor:
    return torch.stack([share.to(f.dtype) * f for share, f in zip(shares, factors, strict=True)]).sum(0)
