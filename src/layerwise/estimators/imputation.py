"""From rows with gaps to an imputer: the factor model, and the network that adds to it."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple, final

import torch
from torch import Tensor

from layerwise.data import Batch
from layerwise.estimators.cross_validation import Run
from layerwise.models import FactorModel, Imputer, Predictor, PrincipalComponents, start_from_rows
from layerwise.models.imputer import regressed
from layerwise.randomness import generator
from layerwise.training import Recipe, TensorRows, fit

__all__ = ["Found", "Hiding", "Masked", "copies_of", "fit_factors", "found_cells", "make_imputer"]

CHUNK = 1024
NARROW = 128
FACTORS = 64
EM_ROWS, EM_DRAWS = 10_000, 2_000
ROUNDS, TOLERANCE, RESIDUAL = 40, 1e-2, 1e-2
NOISE, LEAST_VARIANCE = 1e-3, 0.05
COPIES, MASKED_ROWS = 10, 100_000
LEAST_SHARE, MOST_SHARE = 0.05, 0.6
LEAST_ROWS, LEAST_CELLS, FOUND_ROWS = 50, 30, 2_500
WIDE_ROUNDS, HAIR = 5, 1e-6
COVERAGE, POINT = 0.9, 1.6449  # Of a standard normal, 90 % lie within so many deviations.


@final
@dataclass(frozen=True)
class Hiding:
    """Which known cells are hidden for the network to fill: half of the rows miss what another row misses, the others a
    random share of up to 60 % of their columns.

    Arguments:
        widths: of the columns, whose features are missing together.
        seed: of the choice.
    """

    widths: tuple[int, ...]
    seed: int

    def __call__(self, observed: Tensor, number: int) -> Tensor:
        """The cells to hide of some rows; another number gives others."""
        stream, rows = generator(self.seed, -5, number), len(observed)
        share = LEAST_SHARE + (MOST_SHARE - LEAST_SHARE) * torch.rand(rows, 1, generator=stream)
        columns = torch.rand(rows, len(self.widths), generator=stream) < share
        at_random = columns.repeat_interleave(torch.tensor(self.widths), 1)
        as_another = ~observed[torch.randint(rows, (rows,), generator=stream)]
        chosen = (torch.rand(rows, 1, generator=stream) < 0.5) & as_another.any(1, keepdim=True)
        return torch.where(chosen, as_another, at_random) & observed


@final
class Masked:
    """Rows of which some known cells are hidden, again and again in other places.

    A batch has the rows as the factor model fills them, beside which cells were known, and as targets what is to be
    added in the hidden ones; NaN elsewhere.

    Arguments:
        x, observed: the rows and what is known of them.
        linear: fills them.
        hide: chooses the hidden cells.
        copies: how often each row comes.
    """

    def __init__(self, x: Tensor, observed: Tensor, linear: FactorModel, *, hide: Hiding, copies: int) -> None:
        self.x, self.observed = x, observed
        self.hidden = torch.cat([hide(observed, number) for number in range(copies)])
        pieces = torch.arange(len(self.hidden)).split(CHUNK)
        self.filled = torch.cat([linear.nearly(self.x[index % len(x)], self.seen(index)) for index in pieces])

    def __len__(self) -> int:
        return len(self.hidden)

    def seen(self, index: Tensor) -> Tensor:
        """Which cells of some rows are shown."""
        return self.observed[index % len(self.x)] & ~self.hidden[index]

    def batch(self, index: Tensor) -> Batch:
        """Some of the rows."""
        filled = self.filled[index]
        wanted = torch.where(self.hidden[index], self.x[index % len(self.x)] - filled, torch.nan)
        return Batch(torch.cat([filled, self.seen(index).float()], 1), None, wanted)


class Found(NamedTuple):
    """How well hidden cells were found, by feature.

    Attributes:
        cells: how many were hidden.
        errors: name -> mean squared error, of the "mean", of the factor model ("linear") and of the whole ("network").
        spread: how many times wider the factor model's deviations must be to hold 90 % of the cells.
    """

    cells: Tensor
    errors: dict[str, Tensor]
    spread: Tensor


@torch.no_grad()
def found_cells(imputer: Imputer, rows: Masked) -> Found:
    """How well an imputer finds hidden cells; it is on the processor and in evaluation afterwards."""
    imputer.cpu().eval()
    left: dict[str, list[Tensor]] = {"mean": [], "linear": [], "network": []}
    ratios = []
    for index in torch.arange(len(rows))[:FOUND_ROWS].split(CHUNK):
        batch, seen = rows.batch(index), rows.seen(index)
        assert batch.y is not None
        filled = rows.filled[index]
        away = batch.y + filled - imputer.expected(filled, seen)
        ratios.append(away.abs() / imputer.linear.deviation(rows.x[index % len(rows.x)], seen).clamp(min=1e-6))
        left["mean"].append(batch.y + filled - imputer.linear.mean)
        left["linear"].append(batch.y)
        left["network"].append(away)
    found = torch.cat(ratios)
    cells = (~found.isnan()).sum(0)
    known = found[~found.isnan()]
    usual = known[: 2**24].quantile(COVERAGE) if len(known) else torch.tensor(POINT)
    spread = torch.where(cells >= LEAST_CELLS, found.nanquantile(COVERAGE, dim=0), usual).clamp(min=1e-3) / POINT
    return Found(cells, {name: torch.cat(parts).square().nanmean(0) for name, parts in left.items()}, spread)


def fit_factors(x: Tensor, observed: Tensor) -> FactorModel:
    """The factor model of rows with missing cells.

    Up to 128 features: the normal distribution that makes the known cells most likely, by expectation and maximization
    (Little & Rubin 2019, section 11.2.1), with correlations shrunk as if half a row for each feature had none. What the
    missing cells leave open is expected over draws (Wei & Tanner 1990), the same ones in each round. Beyond, 64
    principal components of rows that are filled by them, again and again.

    Arguments:
        x: rows; at most 10,000 of them are used.
        observed: which cells are known.
    """
    step = math.ceil(len(x) / EM_ROWS)
    x, observed = x[::step].double(), observed[::step]
    features = x.shape[1]
    model = FactorModel(features, features if features <= NARROW else FACTORS).double()
    if features <= NARROW:
        mean, covariance = _maximized(x, observed)
        values, vectors = torch.linalg.eigh(covariance)
        model.mean.copy_(mean)
        model.loadings.copy_(vectors * (values - NOISE).clamp(min=0).sqrt())
        model.noise.fill_(NOISE)
        return model.float()
    known = observed.double()
    model.mean.copy_((x * known).sum(0) / known.sum(0).clamp(min=1))
    filled = torch.where(observed, x, model.mean)
    for _ in range(WIDE_ROUNDS):
        components = PrincipalComponents.fit(TensorRows(filled.float()), FACTORS)
        loadings = (components.components.T * components.variances.sqrt()).double()
        away = filled - model.mean
        rest = (away.square().sum(0) / len(x) - loadings.square().sum(1)).clamp(min=NOISE)
        model.loadings.copy_(loadings)
        model.noise.copy_(rest)
        filled = torch.cat([model(*part) for part in zip(x.split(CHUNK), observed.split(CHUNK), strict=True)])
        model.mean.copy_(filled.mean(0))
    return model.float()


class _Moments(NamedTuple):
    mean: Tensor
    covariance: Tensor


def _maximized(x: Tensor, observed: Tensor) -> _Moments:
    """Mean and covariance by expectation and maximization."""
    known = observed.double()
    count = known.sum(0).clamp(min=1)
    mean = (x * known).sum(0) / count
    rows, features = x.shape
    now = _Moments(mean, _pairwise((x - mean) * known, known))
    kept = rows / (rows + features / 2)
    draws = math.ceil(EM_DRAWS / rows)
    normal = torch.randn(draws, rows, features, generator=generator(0, -8), dtype=x.dtype)
    for _ in range(ROUNDS):
        first, second = torch.zeros_like(mean), torch.zeros_like(now.covariance)
        for index in torch.arange(rows).split(CHUNK):
            away, left = _expected(x[index], observed[index], now, normal=normal[:, index])
            first += away.sum(0)
            second += away.T @ away + left.T @ left / draws
        moved = first / rows
        found = second / rows - torch.outer(moved, moved)
        diagonal = torch.diag(found.diagonal())
        covariance = diagonal + kept * (found - diagonal) + NOISE * torch.eye(features, dtype=x.dtype)
        change = float((covariance - now.covariance).abs().max())
        now = _Moments(now.mean + moved, covariance)
        if change < TOLERANCE:
            break
    return now


def _pairwise(away: Tensor, known: Tensor) -> Tensor:
    """The covariances over the rows that know both columns, made positive definite: where to start."""
    covariance = away.T @ away / (known.T @ known).clamp(min=1)
    values, vectors = torch.linalg.eigh(covariance)
    return (vectors * values.clamp(min=LEAST_VARIANCE)) @ vectors.T


def _expected(x: Tensor, observed: Tensor, now: _Moments, *, normal: Tensor) -> tuple[Tensor, Tensor]:
    """How far the rows with their missing cells as expected are from the mean, and draws of what these leave open.

    Of a row drawn whole, what its known cells do not tell is a draw of what is left open by them, whatever they are
    (Matheron's rule; Journel & Huijbregts 1978, section VII.A).
    """
    drawn = (normal @ torch.linalg.cholesky(now.covariance).T).flatten(0, 1)
    both = torch.cat([x - now.mean, drawn])
    known = observed.repeat(1 + len(normal), 1)
    rest = torch.where(known, 0.0, both - regressed(both, known, covariance=now.covariance, residual=RESIDUAL))
    away = torch.where(observed, both[: len(x)], both[: len(x)] - rest[: len(x)])
    return away, rest[len(x) :]


def copies_of(rows: int) -> int:
    """How often each of so many rows comes, with other cells hidden."""
    return max(1, min(COPIES, MASKED_ROWS // rows))


def make_imputer(
    x: Tensor,
    observed: Tensor,
    *,
    widths: tuple[int, ...],
    make: Callable[[int, int], Predictor],
    recipe: Callable[[int], Recipe],
    run: Run,
) -> tuple[Imputer, Found]:
    """Fit the factor model, then the network that adds to it where that helps on rows that neither has seen.

    Arguments:
        x, observed: rows and what is known of them.
        widths: of the columns, whose features are missing together.
        make: a silent network from numbers of inputs and outputs.
        recipe: makes the phases for a number of rows.
        run: seed, device, history and checkpoint.

    Returns:
        The imputer, and how well it found hidden cells of the rows that it has not seen (with fewer than 50 rows: of
        those which it has).
    """
    order = torch.randperm(len(x), generator=generator(run.seed, -1))
    held = order[: len(x) // 5] if len(x) >= LEAST_ROWS else order[:0]
    trained = order[len(held) :]
    linear = fit_factors(x[trained], observed[trained])
    features = x.shape[1]
    imputer = Imputer(linear.loadings.shape[1], make(2 * features, features))
    imputer.linear.load_state_dict(linear.state_dict())
    low, high = torch.where(observed, x, torch.inf).amin(0), torch.where(observed, x, -torch.inf).amax(0)
    # A hair further, so that the schema's bounds are met and not nearly met: many cells may lie on one.
    imputer.low.copy_(low - HAIR * (1 + low.abs()))
    imputer.high.copy_(high + HAIR * (1 + high.abs()))
    copies = copies_of(len(x))
    hide = Hiding(widths, run.seed)
    training = Masked(x[trained], observed[trained], linear, hide=hide, copies=copies)
    start_from_rows(imputer.net, training)
    validation = Masked(x[held], observed[held], linear, hide=hide, copies=copies) if len(held) else None
    fit(
        imputer.net,
        training,
        recipe(len(training)),
        validation=validation,
        seed=run.seed,
        runtime=run.runtime,
        history=run.history,
        checkpoint=run.part("train"),
    )
    found = found_cells(imputer, training if validation is None else validation)
    imputer.spread.copy_(found.spread)
    return imputer, found
