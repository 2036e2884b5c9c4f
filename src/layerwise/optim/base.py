"""One mini-batch as a function of the parameters, and what an optimizer is."""

import copy
import math
import warnings
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from typing import Any, Protocol, final, runtime_checkable

import torch
from jaxtyping import Float
from torch import Tensor, nn
from torch.autograd.forward_ad import dual_level, make_dual, unpack_dual
from torch.func import functional_call
from torch.nn.attention import SDPBackend, sdpa_kernel

from layerwise.corruptions import Corruption
from layerwise.data import Batch
from layerwise.errors import InputError
from layerwise.models.base import Autoencoder, Pass, Stochastic
from layerwise.optim.products import Linearized, Product, filled, hessian, pulled_back
from layerwise.randomness import generator, key
from layerwise.runtime import Runtime

__all__ = [
    "NOWHERE",
    "STILL",
    "FlatProduct",
    "NonFinite",
    "Optimizer",
    "Problem",
    "Stepper",
    "Terms",
    "TermsFunction",
    "trainable",
]

STILL = "the gradient is 0, at a minimum or a saddle, and no step was taken"
NOWHERE = "no step lowered the loss of its batch, and none was taken"

Terms = dict[str, Tensor]
FlatProduct = Callable[[Tensor], Tensor]
"""A matrix times a flat vector."""


@runtime_checkable
class TermsFunction(Protocol):
    """What a problem asks of an objective: named scalars, whose sum is the loss."""

    def terms(self, run: Pass, target: Batch, model: nn.Module, *, progress: float) -> Terms:
        """The weighted terms of one pass."""


@runtime_checkable
class DrawnTargets(TermsFunction, Protocol):
    """An objective that also knows what targets a model itself expects."""

    def sampled(self, run: Pass, target: Batch, noise: int) -> Tensor:
        """A number whose slopes by each row's output are those of a target that the model draws."""


@final
class _Evaluation(nn.Module):
    """Model and objective in one module, so that swapped parameters reach the penalties which read the weights."""

    def __init__(self, part: Autoencoder, objective: TermsFunction) -> None:
        super().__init__()
        self.part = part
        self.objective = objective

    def forward(self, x: Tensor, target: Batch, progress: float, run: Pass | None) -> tuple[Pass, Terms]:
        run = self.part(x) if run is None else run
        return run, self.objective.terms(run, target, self.part, progress=progress)


@final
class Problem:
    """A mini-batch seen as a function of the trainable parameters of a part of the model.

    The batch, its corruption and the seed of all noise inside the model are fixed when the problem is made, so
    that every evaluation sees the same function: what line searches and conjugate gradients rely on. Vectors are
    flat: all trainable parameters one after the other, in the order of `parameters`.

    Arguments:
        part: the model or the part of it that is trained.
        objective: gives the named terms whose sum is the loss.
        batch: the clean rows; the corruption leaves missing cells alone.
        corruption: what is done to the input, drawn once.
        noise: the key of the corruption and of the model's noise.
        progress: the share of the phase that is done, for scheduled penalty weights.
        runtime: device, precision and the sum over processes.
    """

    def __init__(
        self,
        part: Autoencoder,
        objective: TermsFunction,
        batch: Batch,
        *,
        corruption: Corruption | None = None,
        noise: int = 0,
        progress: float = 0.0,
        runtime: Runtime | None = None,
    ) -> None:
        self.part = part
        self.objective = objective
        self.corruption = corruption
        self.runtime = runtime or Runtime("cpu", "float32")
        self.parameters = [p for p in part.parameters() if p.requires_grad]
        self._noisy = [module for module in part.modules() if isinstance(module, Stochastic)]
        self._take(batch, noise, progress)

    def on(self, batch: Batch, *, noise: int, progress: float) -> "Problem":
        """The same question about another batch; spares a walk through the model's modules at every step."""
        problem = copy.copy(self)
        problem._take(batch, noise, progress)
        return problem

    def first(self, rows: int) -> "Problem":
        """The same question about the first rows of the batch; itself, if it has no more."""
        if rows >= len(self.batch.x):
            return self
        batch = Batch._make(None if values is None else values[:rows] for values in self.batch)
        return self.on(batch, noise=self.noise, progress=self.progress)

    def sampled(self, watch: AbstractContextManager[object]) -> Float[Tensor, ""]:
        """A number whose gradients are summed over the rows, each for a target that the model itself draws.

        It has a graph, is computed in float32, and moves no running statistics.

        Arguments:
            watch: entered for the forward pass, to see which values meet which parameters.

        Raises:
            InputError: for an objective that draws no targets.
        """
        if not isinstance(self.objective, DrawnTargets):
            raise InputError(
                "natural gradient needs an objective that draws the targets a model expects, as an Objective of "
                "layerwise does; got a function. For a mean squared error give Objective(prediction_error), for "
                "classes Objective(softmax_cross_entropy)."
            )
        with torch.enable_grad(), self._drawn():
            buffers = {name: buffer.clone() for name, buffer in self.part.named_buffers()}
            with watch:
                run = functional_call(self.part, buffers, (self.input,))
            return self.objective.sampled(run, self.batch, key(self.noise, 3))

    def _take(self, batch: Batch, noise: int, progress: float) -> None:
        if not len(batch.x):
            raise InputError("a batch must have at least one row; got none.")
        self.batch, self.noise, self.progress = batch, noise, progress
        self.input = batch.x
        if self.corruption is not None:
            self.input = self.corruption(batch.x, generator(noise, 1, device=batch.x.device))
            if batch.observed is not None:
                self.input = torch.where(batch.observed, self.input, batch.x)

    def terms(self) -> Terms:
        """The weighted terms at the present parameters, without a graph."""
        with torch.no_grad():
            return {name: term.detach() for name, term in self._evaluate(None)[1].items()}

    def loss(self, parameters: Sequence[Tensor] | None = None) -> Float[Tensor, ""]:
        """The sum of the terms, at other parameters where they are given; differentiable in these."""
        return _total(self._evaluate(parameters)[1])

    def gradient(self, *, exact: bool = False) -> tuple[Terms, tuple[Tensor, ...]]:
        """The terms and the gradient of their sum, one tensor for each parameter; in float32 where `exact`."""
        terms = self._evaluate(None, exact=exact)[1]
        gradients = torch.autograd.grad(_total(terms), self.parameters, allow_unused=True)
        return {name: term.detach() for name, term in terms.items()}, self._averaged(filled(gradients, self.parameters))

    def at(self, vector: Float[Tensor, " parameters"]) -> tuple[Float[Tensor, ""], Float[Tensor, " parameters"]]:
        """The loss and its gradient at other parameters, in float32 and without a graph: for line searches."""
        with torch.enable_grad():
            leaves = [piece.detach().requires_grad_() for piece in self.split(vector)]
            loss = _total(self._evaluate(leaves, exact=True)[1])
            found = pulled_back([loss], leaves, [torch.ones_like(loss)])
        return loss.detach(), self.flat(self._averaged(filled(found, self.parameters)))

    def measured(self) -> tuple[Terms, float, Float[Tensor, " parameters"]]:
        """The terms, their sum, and its flat gradient, in float32: what a step begins with.

        Raises:
            NonFinite: where the gradient is not finite and the sum is.
        """
        with torch.enable_grad():
            terms, gradients = self.gradient(exact=True)
        value, gradient = float(_total(terms)), self.flat(gradients)
        if math.isfinite(value) and not math.isfinite(float(gradient.norm())):
            raise NonFinite("the gradient")
        return terms, value, gradient

    def point(self) -> Float[Tensor, " parameters"]:
        """The present parameters as a flat vector of its own."""
        return self.flat([parameter.detach() for parameter in self.parameters])

    def move(self, vector: Float[Tensor, " parameters"]) -> None:
        """Give the parameters the values of a flat vector."""
        with torch.no_grad():
            for parameter, new in zip(self.parameters, self.split(vector), strict=True):
                parameter.copy_(new)

    @contextmanager
    def restored(self) -> Iterator[None]:
        """The parameters may be moved meanwhile; at the end they are as they were."""
        before = self.point().clone()
        try:
            yield
        finally:
            self.move(before)

    def value(self, vector: Float[Tensor, " parameters"]) -> float:
        """The loss at other parameters, in float32 and without a graph."""
        with torch.no_grad():
            return float(_total(self._evaluate(self.split(vector), exact=True)[1]))

    def hessian(self) -> FlatProduct:
        """Products of the Hessian of the loss with flat vectors, at the present parameters; the graph is kept."""
        with self._leaves() as leaves:
            return self._flattened(hessian(_total(self._evaluate(leaves, exact=True)[1]), leaves))

    def gauss_newton(self) -> FlatProduct:
        r"""Products of the generalized Gauss-Newton matrix with flat vectors; the graph is kept.

        .. math:: G v = J^T (\partial^2 L / \partial z^2) J v + (\partial^2 L / \partial \theta^2) v

        where z is all that the pass leaves behind and the second part comes from penalties that read the weights
        directly. Positive semi-definite where the loss is convex in z. For the squared error and the cross-entropies
        without penalties it is also the Fisher matrix of the distribution that the model gives its targets. Source:
        Schraudolph 2002, section 3; Martens 2020, "New insights and perspectives on the natural gradient method",
        section 9.2.
        """
        return self._flattened(self._linearized().gauss_newton)

    def fisher(self) -> FlatProduct:
        r"""Products of the empirical Fisher matrix with flat vectors; the graph is kept.

        .. math:: F v = \frac1n \sum_i g_i \, (g_i^T v)

        with g_i the gradient of what row i costs, as far as it comes through the outputs of the pass: penalties that
        read the weights directly are left out. It uses the targets, unlike the Fisher matrix itself, for which see
        `gauss_newton`.

        Raises:
            InputError: for a model whose outputs have not one row for each of the batch.
        """
        return self._flattened(self._linearized().fisher)

    def gradient_squares(self, probes: int) -> Float[Tensor, " parameters"]:
        """The diagonal of the empirical Fisher matrix, estimated without bias from so many draws of signs."""
        device = self.batch.x.device

        def draw(count: int) -> list[Tensor]:
            random = generator(self.noise, 3, device=device)
            coins = torch.randint(2, (probes, count), generator=random, device=device)
            return [*(2 * coins.to(self.parameters[0].dtype) - 1)]

        return self.flat(self._averaged(self._linearized().squares(draw, rows=len(self.batch.x))))

    def hessian_product(self, vector: Float[Tensor, " parameters"]) -> Float[Tensor, " parameters"]:
        """The Hessian of the loss times a flat vector, exact; for more than one product see `hessian`."""
        return self.hessian()(vector)

    def gauss_newton_product(self, vector: Float[Tensor, " parameters"]) -> Float[Tensor, " parameters"]:
        """The generalized Gauss-Newton matrix times a flat vector; for more than one product see `gauss_newton`."""
        return self.gauss_newton()(vector)

    def fisher_product(self, vector: Float[Tensor, " parameters"]) -> Float[Tensor, " parameters"]:
        """The empirical Fisher matrix times a flat vector; for more than one product see `fisher`."""
        return self.fisher()(vector)

    def gauss_newton_forms(self, vectors: Sequence[Tensor]) -> Float[Tensor, "vectors vectors"]:
        """The generalized Gauss-Newton matrix between all pairs of flat vectors: u^T G v.

        One forward pass for each vector, with its derivative, and none back through the model: several times as fast as
        products. Source: Martens & Grosse 2015, appendix C.
        """
        passes = [self._pushed(vector) for vector in vectors]
        run = passes[0][0]
        cut = {id(z): z.requires_grad_() for z in _tensors(run) if z.is_floating_point()}
        # Of a tensor that a pass holds twice, once.
        places = [[id(z) for z in _tensors(run)].index(name) for name in cut]
        with self._leaves() as leaves:
            total, points = _total(self._evaluate(leaves, run, exact=True)[1]), [*cut.values(), *leaves]
            slopes = pulled_back([total], points, [torch.ones_like(total)], create_graph=True)
            along = [[*(ts[n] for n in places), *self.split(v)] for (_, ts), v in zip(passes, vectors, strict=True)]
            images = [pulled_back(slopes, points, tangents) for tangents in along]
        forms = [_inner(tangents, image) for tangents in along for image in images]
        return torch.stack(forms).view(len(vectors), -1)

    def _pushed(self, vector: Tensor) -> tuple[Pass, list[Tensor]]:
        """A pass without a graph, and the derivatives of its tensors along a vector."""
        buffers = {name: buffer.clone() for name, buffer in self.part.named_buffers()}
        names = [name for name, p in self.part.named_parameters() if p.requires_grad]
        with torch.no_grad(), dual_level(), sdpa_kernel(SDPBackend.MATH), self._drawn():
            pairs = zip(self.parameters, self.split(vector), strict=True)
            with warnings.catch_warnings():
                # Of torch's own, when it loads its derivatives for the first time.
                warnings.simplefilter("ignore", DeprecationWarning)
                duals = [make_dual(p.detach(), piece.contiguous()) for p, piece in pairs]
            run = functional_call(self.part, {**buffers, **dict(zip(names, duals, strict=True))}, (self.input,))
            parted = [unpack_dual(z) if z.is_floating_point() else (z, None) for z in _tensors(run)]
            values = {id(z): value.detach() for z, (value, _) in zip(_tensors(run), parted, strict=True)}
            tangents = [torch.zeros_like(value) if t is None else t for value, t in parted]
            return _replaced(run, values), tangents

    def flat(self, tensors: Sequence[Tensor]) -> Float[Tensor, " parameters"]:
        """One vector of tensors shaped like the parameters."""
        return torch.cat([tensor.reshape(-1) for tensor in tensors])

    def split(self, vector: Float[Tensor, " parameters"]) -> tuple[Tensor, ...]:
        """The inverse of `flat`."""
        pieces = vector.split([p.numel() for p in self.parameters])
        return tuple(piece.view_as(p) for piece, p in zip(pieces, self.parameters, strict=True))

    def _evaluate(
        self, parameters: Sequence[Tensor] | None, run: Pass | None = None, *, exact: bool = False
    ) -> tuple[Pass, Terms]:
        with self._drawn():
            return self._passed(parameters, run, exact=exact)

    @contextmanager
    def _drawn(self) -> Iterator[None]:
        """The modules that draw noise have the problem's key."""
        for module in self._noisy:
            module.noise_key = key(self.noise, 2)
        try:
            yield
        finally:
            for module in self._noisy:
                module.noise_key = 0

    def _passed(self, parameters: Sequence[Tensor] | None, run: Pass | None, *, exact: bool) -> tuple[Pass, Terms]:
        arguments = (self.input, self.batch, self.progress, run)
        # Neither curvature nor line searches are computed in bfloat16: they would follow its rounding. Nor by the fused
        # kernels of attention, which have no second derivative.
        with sdpa_kernel(SDPBackend.MATH) if exact else self.runtime.autocast():
            if parameters is None:
                run = self.part(self.input)
                return run, self.objective.terms(run, self.batch, self.part, progress=self.progress)
            evaluation = _Evaluation(self.part, self.objective)
            names = [name for name, p in evaluation.named_parameters() if p.requires_grad]
            # Copies of the buffers: only a gradient step may move running statistics.
            swapped = {name: buffer.clone() for name, buffer in evaluation.named_buffers()}
            swapped.update(zip(names, parameters, strict=True))
            return functional_call(evaluation, swapped, arguments)

    @contextmanager
    def _leaves(self) -> Iterator[list[Tensor]]:
        with torch.enable_grad():
            yield [p.detach().requires_grad_() for p in self.parameters]

    def _linearized(self) -> Linearized:
        with self._leaves() as leaves:
            run, _ = self._evaluate(leaves, exact=True)
            outputs = list({id(z): z for z in _tensors(run) if z.requires_grad}.values())

            def loss(cut: Sequence[Tensor]) -> Tensor:
                severed = _replaced(run, {id(z): new for z, new in zip(outputs, cut, strict=True)})
                return _total(self._evaluate(leaves, severed, exact=True)[1])

            return Linearized(outputs, leaves, loss)

    def _flattened(self, product: Product) -> FlatProduct:
        return lambda vector: self.flat(self._averaged(product(self.split(vector))))

    def _averaged(self, tensors: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        # Every process holds a mean over its own rows; the mean over all rows weighs them by their number.
        if self.runtime.processes == 1:
            return tensors
        rows = self.batch.x.new_tensor([len(self.batch.x)])
        total = self.runtime.sum(torch.cat([self.flat(tensors) * rows, rows]))
        return self.split(total[:-1] / total[-1])


@final
class NonFinite(ArithmeticError):
    """A number of a step is not finite; its text says which."""


class Stepper(ABC):
    """An optimizer at work: it holds the state and moves the parameters of one part.

    Attributes:
        fall_back: why the last step was not what the method asks for, in words; empty where it was.
    """

    fall_back: str = ""

    @abstractmethod
    def check(self, problem: Problem) -> None:
        """Refuse a problem that no step could serve; costs little, and changes nothing.

        Raises:
            InputError: what must hold, and what was found.
        """

    @abstractmethod
    def step(self, problem: Problem, *, rate: float = 1.0) -> Terms:
        """Improve one problem; gives the terms before the step. `rate` scales the step, for schedules.

        Raises:
            NonFinite: where a gradient that is not finite would otherwise leave the weights as they are.
        """

    @abstractmethod
    def state(self) -> dict[str, Tensor]:
        """All that the next step depends on, beside the parameters; flat, named tensors."""

    @abstractmethod
    def restore(self, state: Mapping[str, Tensor]) -> None:
        """Take up a state that `state` gave."""


class Optimizer(ABC):
    """A frozen choice of method and constants."""

    @abstractmethod
    def start(self, part: nn.Module) -> Stepper:
        """A fresh stepper for the trainable parameters of `part`.

        Raises:
            InputError: for a part that has none.
        """


def trainable(part: nn.Module) -> dict[str, nn.Parameter]:
    """The parameters that may be moved, by name.

    Raises:
        InputError: when there is none.
    """
    found = {name: parameter for name, parameter in part.named_parameters() if parameter.requires_grad}
    if not found:
        raise InputError("at least one parameter must have requires_grad; all are frozen, or there is none.")
    return found


def _total(terms: Terms) -> Tensor:
    return torch.stack([term.reshape(()) for term in terms.values()]).sum()


def _tensors(run: Pass) -> list[Tensor]:
    return [z for field in run for z in (field if isinstance(field, tuple) else (field,))]


def _replaced(run: Pass, cut: Mapping[int, Tensor]) -> Pass:
    def swap(z: Tensor | tuple[Tensor, ...]) -> Any:
        return tuple(cut.get(id(h), h) for h in z) if isinstance(z, tuple) else cut.get(id(z), z)

    return type(run)(*(swap(z) for z in run))


def _inner(some: Sequence[Tensor], others: Sequence[Tensor | None]) -> Tensor:
    """The inner product of two vectors in pieces; a piece that is missing is zero."""
    zero = some[0].new_zeros(())
    return sum(((a * b).sum() for a, b in zip(some, others, strict=True) if b is not None), zero)
