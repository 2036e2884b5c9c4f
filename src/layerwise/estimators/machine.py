"""The restricted Boltzmann machine as a scikit-learn transformer."""

import copy
from collections.abc import Callable
from contextlib import ExitStack
from typing import Any, Literal, NamedTuple, final

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.sparse import csr_array, csr_matrix
from sklearn.base import BaseEstimator, ClassNamePrefixFeaturesOutMixin, TransformerMixin
from sklearn.utils import Tags, check_random_state
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor

from layerwise.diagnostics import LogPartition, annealed_log_partition, pseudo_likelihood
from layerwise.errors import InputError
from layerwise.estimators.arrays import explain, unmasked
from layerwise.models import BernoulliUnits, Chain, GaussianUnits, RectifiedUnits, RestrictedBoltzmannMachine, Units
from layerwise.optim import FirstOrder
from layerwise.penalties import KLSparsity, Penalty, WeightDecay, contrastive_divergence
from layerwise.randomness import generator
from layerwise.recipes import is_number, is_whole
from layerwise.runtime import Precision, Runtime
from layerwise.training import (
    Constant,
    History,
    Objective,
    Phase,
    ProgressBar,
    Schedule,
    StepDecay,
    Stop,
    TensorRows,
    fit,
)

__all__ = ["RBM"]

CHUNK = 4096
PARTICLES = 20
# Of units without an upper bound on neither, one or both sides.
RATES = (0.1, 0.01, 0.001)
KINDS = ("auto", "bernoulli", "gaussian")
UNITS: dict[str, Units] = {
    "bernoulli": BernoulliUnits(),
    "gaussian": GaussianUnits(),
    "rectified": RectifiedUnits(),
}


@final
class RBM(ClassNamePrefixFeaturesOutMixin, TransformerMixin, BaseEstimator):
    r"""A restricted Boltzmann machine: a model of how likely rows are, whose hidden units are features of them.

    .. math:: p(v) = e^{-F(v)} / Z, \quad F(v) = -b^T v - \sum_j \log(1 + e^{w_j^T v + c_j})

    for binary units. It takes the place of scikit-learn's `BernoulliRBM`, with its arguments, methods and attributes.
    Rows are arrays or frames of numbers without missing cells; they are learned from in float32. Sparse matrices are
    taken too, and made dense: that needs twelve bytes a cell.

    Arguments:
        n_components: number of hidden units.
        visible: "bernoulli" for numbers in [0, 1], "gaussian" for any others, whose columns are standardized; "auto"
            is bernoulli where all the rows of `fit` (of the first `partial_fit`) are in [0, 1], else gaussian.
        hidden: "bernoulli", "gaussian" or "rectified" units.
        learning_rate: of gradient descent; None is 0.1 for binary units, 0.01 for gaussian or rectified ones on one
            side, and 0.001 on both. `fit` takes a fifth of it after 70 % and again after 85 % of its passes.
        batch_size: rows of a mini-batch; None is a hundredth of the rows, from 10 to 100.
        n_iter: passes of `fit` over the rows.
        cd_steps: of Gibbs sampling between two updates.
        n_particles: persistent chains that go on from update to update; with 0 the chains start at the rows of the
            batch (contrastive divergence). None is 20 where all units are binary, else 0.
        momentum: of gradient descent, from 0 on and below 1.
        weight_decay: pulls every weight w with the force `weight_decay * w`.
        sparsity_target: the wished mean of binary hidden units over a batch; None wishes nothing.
        sparsity_cost: weight of the divergence from that target.
        device: "auto", "cpu", "cuda:1", "mps".
        precision: "auto", "float32" or "bf16".
        random_state: seed of everything random; an int gives the same weights every time on the same machine.
        verbose: 1 shows progress on standard error.

    Attributes:
        model_: the trained `RestrictedBoltzmannMachine`, a torch module.
        visible_: the kind of the visible units, "bernoulli" or "gaussian".
        mean_, scale_: what gaussian columns are standardized by; 0 and 1 for binary units.
        components_: weights, shape (n_components, n_features), in standardized units.
        intercept_hidden_, intercept_visible_: biases.
        h_samples_: hidden units of the persistent chains, shape (n_particles, n_components).
        history_: what happened in training.
        n_features_in_, feature_names_in_: as in scikit-learn.

    Sources: Hinton 2002; Tieleman 2008; Hinton 2010, "A practical guide to training restricted Boltzmann machines".

    >>> from sklearn.datasets import load_digits
    >>> x = load_digits().data / 16
    >>> machine = RBM(20, n_iter=5, random_state=0).fit(x)
    >>> machine.transform(x).shape, machine.sample(3).shape
    ((1797, 20), (3, 64))
    """

    def __init__(
        self,
        n_components: int = 256,
        *,
        visible: Literal["auto", "bernoulli", "gaussian"] = "auto",
        hidden: Literal["bernoulli", "gaussian", "rectified"] = "bernoulli",
        learning_rate: float | None = None,
        batch_size: int | None = None,
        n_iter: int = 10,
        cd_steps: int = 1,
        n_particles: int | None = None,
        momentum: float = 0.0,
        weight_decay: float = 0.0,
        sparsity_target: float | None = None,
        sparsity_cost: float = 0.1,
        device: str = "auto",
        precision: Precision = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.n_components = n_components
        self.visible = visible
        self.hidden = hidden
        self.learning_rate = learning_rate
        self.batch_size = batch_size
        self.n_iter = n_iter
        self.cd_steps = cd_steps
        self.n_particles = n_particles
        self.momentum = momentum
        self.weight_decay = weight_decay
        self.sparsity_target = sparsity_target
        self.sparsity_cost = sparsity_cost
        self.device = device
        self.precision = precision
        self.random_state = random_state
        self.verbose = verbose

    def fit(self, X: Any, y: Any = None) -> "RBM":
        """Learn from rows.

        Arguments:
            X: array or frame of numbers, shape (rows, columns).
            y: ignored.

        Raises:
            InputError: for arguments out of their range, a cell without a number, or numbers outside [0, 1] where
                the visible units are binary.
            TrainingDiverged: when the weights stop being finite.
        """
        self._check()
        self._train(self._begin(self._numbers(X, reset=True)), self.n_iter, StepDecay((0.7, 0.85), 0.2))
        return self

    def partial_fit(self, X: Any, y: Any = None) -> "RBM":
        """Go through these rows once; the first call decides the kind of the visible units and their scales.

        Arguments:
            X: as in `fit`.
            y: ignored.

        Raises:
            InputError: as in `fit`, and for other columns than in the first call.
        """
        self._check()
        first = "model_" not in vars(self)
        numbers = self._numbers(X, reset=first)
        if not first and self.visible_ == "bernoulli":
            self._refuse_outside(numbers)
        self._train(self._begin(numbers) if first else self._scaled(numbers), 1, Constant())
        return self

    def transform(self, X: Any) -> NDArray[np.float32]:
        """The means of the hidden units, shape (rows, n_components).

        Raises:
            InputError: for a cell without a number, or other columns than in `fit`; so do all methods that take rows.
        """
        return self._each(X, RestrictedBoltzmannMachine.encode)

    def inverse_transform(self, X: Any) -> NDArray[np.float32]:
        """The means of the visible units given values of the hidden ones, in the units of `fit`.

        Arguments:
            X: shape (rows, n_components).

        Raises:
            InputError: for another width, or values that are not finite.
        """
        model = self._machine()
        codes = np.array(X, dtype=np.float32)
        if codes.ndim != 2 or codes.shape[1] != len(model.hidden_bias) or not np.isfinite(codes).all():
            raise InputError(f"codes must be finite numbers of shape (rows, {len(model.hidden_bias)}); got {X!r:.200}.")
        with torch.no_grad():
            return self._unscaled(model.decode(torch.from_numpy(codes).to(model.weight.device)))

    def gibbs(self, v: Any) -> NDArray[Any]:
        """One step of Gibbs sampling: the visible units after a draw of the hidden ones and one of themselves.

        Arguments:
            v: shape (rows, columns).

        Returns:
            True and False where the visible units are binary, as in scikit-learn, else numbers.
        """
        check_is_fitted(self)
        noise = self._noise("cpu")
        return self._drawn(self._each(v, lambda machine, rows: machine.gibbs(machine.up(rows), 1, noise=noise)))

    def sample(self, n: int = 1, *, steps: int = 1000) -> NDArray[Any]:
        """Rows that the machine dreams, shape (n, columns), of the same kind as those of `gibbs`.

        Arguments:
            n: number of rows.
            steps: of Gibbs sampling, from the persistent chains where there are some, else from independent units.

        Raises:
            InputError: for fewer than 1 row or step.
        """
        model = self._machine()
        noise = self._noise(model.weight.device)
        if not is_whole(n) or not is_whole(steps):
            raise InputError(f"n and steps must be whole numbers from 1 on; got {n!r} and {steps!r}.")
        with torch.no_grad():
            particles = model.get_buffer("particles")
            if len(particles):
                start = model.down(particles[torch.arange(n, device=particles.device) % len(particles)])
            else:
                start = model.visible_bias.expand(n, -1)
            linear = model.up(model.visible.sample(start, noise))
            return self._drawn(model.gibbs(linear, steps, noise=noise).cpu().numpy())

    def free_energy(self, X: Any) -> NDArray[np.float32]:
        """F of each row, in standardized units: minus its log-probability (or density), but for log Z."""
        return self._each(X, RestrictedBoltzmannMachine.free_energy)

    def score_samples(self, X: Any) -> NDArray[np.float64]:
        """The log pseudo-likelihood of each row in nats; higher is better.

        From one unit of each row, counted for all, as in scikit-learn; the row's own numbers choose it, so that a row
        always has the same score. For gaussian units, of which no one can be flipped, minus the free energy.
        """
        model = self._machine()
        if self.visible_ == "gaussian":
            return -self.free_energy(X).astype(np.float64)
        odd = 2 * torch.randint(2**62, (model.weight.shape[1],), generator=generator(self._seed, 5)) + 1

        def score(machine: RestrictedBoltzmannMachine, rows: Tensor) -> Tensor:
            mixed = (rows.float().view(torch.int32) * odd).sum(1)
            # The low bits of such a sum are not mixed.
            return pseudo_likelihood(machine, rows, units=(mixed >> 31) % rows.shape[1])

        return self._each(X, score).astype(np.float64)

    def score(self, X: Any, y: Any = None) -> float:
        """The mean of `score_samples`; higher is better."""
        return float(self.score_samples(X).mean())

    def log_partition(self, *, chains: int = 100, temperatures: int = 10_000) -> LogPartition:
        """An estimate of log Z by annealing; the log-probability of a row is minus its free energy, less that value.

        Arguments:
            chains: independent runs.
            temperatures: steps of each; more are better.

        Raises:
            InputError: for hidden units that are not binary.
        """
        return annealed_log_partition(
            self._machine(), self._base, chains=chains, temperatures=temperatures, seed=self._seed
        )

    @property
    def components_(self) -> NDArray[np.float32]:
        """The weights, shape (n_components, n_features)."""
        return self._copied(self._machine().weight)

    @property
    def intercept_hidden_(self) -> NDArray[np.float32]:
        """The biases of the hidden units."""
        return self._copied(self._machine().hidden_bias)

    @property
    def intercept_visible_(self) -> NDArray[np.float32]:
        """The biases of the visible units."""
        return self._copied(self._machine().visible_bias)

    @property
    def h_samples_(self) -> NDArray[np.float32]:
        """The hidden units of the persistent chains, shape (n_particles, n_components)."""
        return self._copied(self._machine().get_buffer("particles"))

    def __sklearn_tags__(self) -> Tags:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = True
        tags.transformer_tags.preserves_dtype = ["float32"]
        return tags

    @property
    def _n_features_out(self) -> int:
        return len(self._machine().hidden_bias)

    def _machine(self) -> RestrictedBoltzmannMachine:
        check_is_fitted(self, "model_")
        return self.model_

    def _check(self) -> None:
        """Refuse the first argument that is not what it must be."""
        for name, value in self.get_params(deep=False).items():
            if name in _RULES and not _RULES[name][0](value):
                raise InputError(f"{name} must be {_RULES[name][1]}; got {value!r}.")
        if self.sparsity_target is not None and self.hidden != "bernoulli":
            raise InputError(f"sparsity_target is the mean of binary hidden units; got hidden={self.hidden!r}.")

    def _numbers(self, X: Any, *, reset: bool) -> "_Numbers":
        X = unmasked(X)
        try:
            kinds = (np.float64, np.float32)
            x = validate_data(self, X, reset=reset, dtype=kinds, ensure_all_finite=False, accept_sparse="csr")
        except (ValueError, TypeError):
            explain(X)
            raise
        x = x.toarray() if isinstance(x, csr_array | csr_matrix) else x
        # torch warns of arrays that it could not write to.
        rows = torch.from_numpy(np.require(x, requirements=["C", "W"])).float()
        low, high = (float(value) for value in rows.aminmax())
        numbers = _Numbers(x, rows, low, high)
        if not (np.isfinite(low) and np.isfinite(high)):
            found = self._place(x, ~rows.isfinite())
            raise InputError(f"every cell must hold a finite number; found {found}. Fill it, or leave out the row.")
        return numbers

    def _refuse_outside(self, numbers: "_Numbers") -> None:
        if numbers.low < 0 or numbers.high > 1:
            found = self._place(numbers.given, (numbers.rows < 0) | (numbers.rows > 1))
            raise InputError(
                f"binary visible units need numbers in [0, 1]; found {found}. Scale the data "
                "(sklearn.preprocessing.MinMaxScaler), or use visible='gaussian'."
            )

    def _place(self, x: NDArray[Any], bad: Tensor) -> str:
        row, column = bad.nonzero()[0].tolist()
        name = vars(self)["feature_names_in_"][column] if "feature_names_in_" in vars(self) else f"x{column}"
        number = "NaN" if np.isnan(x[row, column]) else f"{x[row, column]:g}"
        return f"{number} in column {name!r} of row {row}"

    def _begin(self, numbers: "_Numbers") -> Tensor:
        """Decide the kind of the visible units, their scales, and the machine; gives the rows as it sees them."""
        x, features = numbers.given, numbers.given.shape[1]
        binary = self.visible == "bernoulli" or (self.visible == "auto" and numbers.low >= 0 and numbers.high <= 1)
        if binary:
            self._refuse_outside(numbers)
        self.visible_ = "bernoulli" if binary else "gaussian"
        self.mean_, self.scale_ = np.zeros(features), np.ones(features)
        if not binary:
            self.mean_, self.scale_ = x.mean(0, dtype=np.float64), x.std(0, dtype=np.float64)
            # A column without spread stays at 0.
            self.scale_[self.scale_ <= 1e-12 * np.abs(self.mean_)] = 1.0
        rows = self._scaled(numbers)
        particles = self.n_particles
        if particles is None:
            particles = PARTICLES if binary and self.hidden == "bernoulli" else 0
        self._seed, self._calls, self.history_ = self._drawn_seed(), 0, History()
        self.model_ = RestrictedBoltzmannMachine(
            features,
            self.n_components,
            visible=UNITS[self.visible_],
            hidden=UNITS[self.hidden],
            chain=Chain(self.cd_steps, particles),
            seed=self._seed,
        )
        # Hinton 2010, section 8.1: the units begin with the frequencies of the data.
        self._base = ((rows.sum(0) + 1) / (len(rows) + 2)).logit() if binary else torch.zeros(features)
        with torch.no_grad():
            self.model_.visible_bias.copy_(self._base)
        return rows

    def _train(self, rows: Tensor, epochs: int, schedule: Schedule) -> None:
        linear = (self.visible_ == "gaussian") + (self.hidden != "bernoulli")
        rate = RATES[linear] if self.learning_rate is None else self.learning_rate
        penalties: dict[str, tuple[float, Penalty]] = {"weight_decay": (self.weight_decay, WeightDecay())}
        if self.sparsity_target is not None:
            penalties["sparsity"] = (self.sparsity_cost, KLSparsity(self.sparsity_target))
        phase = Phase(
            "machine",
            Objective(contrastive_divergence, penalties),
            FirstOrder(torch.optim.SGD, lr=rate, momentum=self.momentum, options={"fused": True}),
            max(1, epochs),
            batch_size=min(100, max(10, len(rows) // 100)) if self.batch_size is None else self.batch_size,
            schedule=schedule,
            stop=Stop(keep="last"),
        )
        self._calls += 1
        with ExitStack() as stack:
            self.history_.watch = (stack.enter_context(ProgressBar()),) if self.verbose else ()
            fit(
                self.model_,
                TensorRows(rows),
                [phase] if epochs else [],
                seed=self._seed + self._calls,
                runtime=Runtime(self.device, self.precision),
                history=self.history_,
            )
        self.history_.watch = ()

    def _scaled(self, numbers: "_Numbers") -> Tensor:
        """The rows as the machine sees them."""
        if self.visible_ == "bernoulli":
            return numbers.rows
        return torch.from_numpy(((numbers.given - self.mean_) / self.scale_).astype(np.float32))

    def _unscaled(self, rows: Tensor) -> NDArray[np.float32]:
        return (rows.cpu().numpy() * self.scale_ + self.mean_).astype(np.float32)

    def _each(self, X: Any, function: Callable[[RestrictedBoltzmannMachine, Tensor], Tensor]) -> NDArray[np.float32]:
        """What a function of the machine makes of the rows, a portion after the other.

        On the processor and in float64, so that no row's last bit depends on the rows beside it.
        """
        rows = self._scaled(self._numbers(X, reset=False))
        machine = copy.deepcopy(self._machine()).to("cpu", torch.float64)
        with torch.no_grad():
            return torch.cat([function(machine, part.double()).float() for part in rows.split(CHUNK)]).numpy()

    def _drawn(self, rows: NDArray[np.float32]) -> NDArray[Any]:
        return rows > 0 if self.visible_ == "bernoulli" else self._unscaled(torch.from_numpy(rows))

    def _noise(self, device: torch.device | str) -> torch.Generator:
        """A generator that no call before had."""
        self._calls += 1
        return generator(self._seed, self._calls, device=device)

    def _drawn_seed(self) -> int:
        if self.random_state is None:
            # Not NumPy's global generator: nobody else's numbers change because a machine was fitted.
            return int(np.random.SeedSequence().entropy) % 2**31  # type: ignore[arg-type]
        return int(check_random_state(self.random_state).randint(2**31 - 1))

    def _copied(self, parameter: Tensor) -> NDArray[np.float32]:
        return parameter.detach().cpu().numpy().copy()


@final
class _Numbers(NamedTuple):
    """Rows as they were given, in float32, and the range of these."""

    given: NDArray[Any]
    rows: Tensor
    low: float
    high: float


def _from_zero(value: object) -> bool:
    return is_number(value) and float(value) >= 0  # type: ignore[arg-type]


_RULES: dict[str, tuple[Callable[[Any], bool], str]] = {
    "n_components": (is_whole, "a whole number from 1 on"),
    "visible": (lambda value: isinstance(value, str) and value in KINDS, "'auto', 'bernoulli' or 'gaussian'"),
    "hidden": (lambda value: isinstance(value, str) and value in UNITS, "'bernoulli', 'gaussian' or 'rectified'"),
    "learning_rate": (lambda value: value is None or (is_number(value) and value > 0), "None or a number above 0"),
    "batch_size": (lambda value: value is None or is_whole(value), "None or a whole number from 1 on"),
    "n_iter": (lambda value: is_whole(value) or value == 0, "a whole number from 0 on"),
    "cd_steps": (is_whole, "a whole number from 1 on"),
    "n_particles": (lambda value: value is None or is_whole(value) or value == 0, "None or a whole number from 0 on"),
    "momentum": (lambda value: _from_zero(value) and value < 1, "a number from 0 on and below 1"),
    "weight_decay": (_from_zero, "a number from 0 on"),
    "sparsity_target": (
        lambda value: value is None or (is_number(value) and 0 < value < 1),
        "None or a number between 0 and 1",
    ),
    "sparsity_cost": (_from_zero, "a number from 0 on"),
    "device": (lambda value: isinstance(value, str), "a text like 'auto', 'cpu' or 'cuda:1'"),
}
