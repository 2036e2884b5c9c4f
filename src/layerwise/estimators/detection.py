"""From encoded rows to a detector: the usual rows, autoencoders of them, and what is usual for each."""

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import NamedTuple, final

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.stats import chi2, norm
from sklearn.cluster import KMeans
from sklearn.covariance import LedoitWolf
from torch import Tensor

from layerwise.data import Batch, Rows, Schema
from layerwise.estimators.cross_validation import Run
from layerwise.models import Dense, Detector, Judge, PrincipalComponents, Strangeness
from layerwise.randomness import generator
from layerwise.runtime import doubled
from layerwise.training import Recipe, fit

__all__ = [
    "LEAST_ROWS",
    "Causes",
    "Division",
    "Null",
    "causes",
    "divisions",
    "error_maps",
    "make_detector",
    "strangeness",
    "usual_rows",
]

CHUNK = 2048
COMPONENTS = 128
COVARIANCE_ROWS = 20_000
CONCENTRATIONS = 5
REWEIGHTED = 0.975
APART, LOOSER = 4.5, 1.15
REFERENCES, NEIGHBOURS = 1000, 30
FLOOR = 0.05  # Of a column's usual error, in scaled units: what is below is exact.
LEAST_SPREAD = 0.1
LEAST_ROWS = 10
PARTS = 3
# How often hidden cells are filled in: of a series many are hidden at once.
ROUNDS, WINDOW_ROUNDS = 3, 20
QUANTILES = 1001
UPPER = 0.8


def usual_rows(rows: Rows, schema: Schema, trim: float) -> Tensor:
    """The rows that lie about the middle, by a covariance that the others have no part in.

    Concentration steps of the minimum covariance determinant with its reweighting (Rousseeuw & Van Driessen 1999,
    sections 3 and 5), from all rows on, with the shrinkage of Ledoit & Wolf (2004), in the space of at most 128
    principal components: the covariance is that of the nearest rows, all but a share; then all rows are taken in which
    are no farther than 975 in 1000 of a normal distribution. Of numbers and pixels alone: a category that one row in
    ten has is far from the middle, and yet usual.

    Where the rows fall into two clusters that are set apart, and the larger one is the tighter, the usual rows are
    those of it: up to half of the rows may then be strange, which no covariance of most rows survives.

    Arguments:
        rows: all.
        schema: of the rows.
        trim: the share that has no part in the covariance.

    Returns:
        Their numbers, in order; all of them for fewer than 10 rows, or where no column has numbers.
    """
    everything = torch.arange(len(rows))
    blocks = [block for block in schema.layout if block.kind in ("numeric", "pixels")]
    if trim == 0 or len(rows) < LEAST_ROWS or not blocks:
        return everything
    numbers = _Some(rows, torch.cat([torch.arange(block.start, block.stop) for block in blocks]))
    components = PrincipalComponents.fit(numbers, min(COMPONENTS, len(numbers.features)))
    pieces = (components.transform(components.fill(numbers.batch(index))) for index in everything.split(CHUNK))
    scores = torch.cat(list(pieces)).double().numpy()
    cluster = kept = _cluster(scores)
    for _ in range(CONCENTRATIONS):
        covariance = LedoitWolf().fit(scores[kept[:: math.ceil(len(kept) / COVARIANCE_ROWS)]])
        nearest = np.argsort(covariance.mahalanobis(scores[cluster]), kind="stable")
        kept = np.sort(cluster[nearest[: math.ceil(len(cluster) * (1 - trim))]])
    distances = LedoitWolf().fit(scores[kept]).mahalanobis(scores)
    scale = np.median(distances[cluster]) / chi2.ppf(0.5, scores.shape[1])
    near = distances <= scale * chi2.ppf(REWEIGHTED, scores.shape[1])
    near[kept] = True
    return torch.from_numpy(np.flatnonzero(near))


def _cluster(scores: NDArray[np.float64]) -> NDArray[np.int64]:
    """The rows of the larger of two clusters, where they are set apart and it is the tighter one; else all rows.

    Set apart by the measure of Ashman, Bird & Zepf 1994, equation 5, along the line through the middles: the halves of
    a normal distribution have 2.6, those of a uniform one 3.5.
    """
    everything = np.arange(len(scores))
    found = KMeans(2, n_init=5, random_state=0).fit(scores[:: math.ceil(len(scores) / COVARIANCE_ROWS)])
    members = found.predict(scores)
    if len(np.unique(members)) < 2:
        return everything
    large = int(np.bincount(members).argmax())
    line = scores @ (found.cluster_centers_[1 - large] - found.cluster_centers_[large])
    one, other = members == large, members != large
    apart = np.abs(line[one].mean() - line[other].mean()) > APART * np.sqrt((line[one].var() + line[other].var()) / 2)
    tighter = scores[other].var(0).sum() > LOOSER * scores[one].var(0).sum()
    return everything[one] if apart and tighter else everything


@final
class _Some:
    """Rows with some of their features."""

    def __init__(self, rows: Rows, features: Tensor) -> None:
        self.rows, self.features = rows, features

    def __len__(self) -> int:
        return len(self.rows)

    def batch(self, index: Tensor) -> Batch:
        """Some rows, expanded."""
        x, observed, _ = self.rows.batch(index)
        return Batch(x[:, self.features], None if observed is None else observed[:, self.features])


class Division(NamedTuple):
    """Which rows are for what; numbers of rows, in order.

    Attributes:
        core: usual rows, which train.
        known: rows among which nearest neighbours are looked for.
        measure: usual rows, whose errors are the usual ones.
        judged: rows by whose scores others are standardized, strange ones among them.
    """

    core: Tensor
    known: Tensor
    measure: Tensor
    judged: Tensor


def divisions(rows: int, usual: Tensor, members: int, *, window: int | None) -> list[Division]:
    """For each member what it learns from, and what it is judged by.

    Windows that follow each other are nearly the same, and what comes a day later is not: were they judged by what
    they were trained on, all that comes later would be strange. So each member leaves another stretch of the series
    out, at least a third in all, and is judged by that.

    Arguments:
        rows: how many there are.
        usual: the numbers of the usual ones.
        members: how many autoencoders.
        window: the points of each row, which is a window of a series; None for a table.

    >>> divisions(100, torch.arange(100), 3, window=4)[1].judged[[0, -1]]
    tensor([34, 66])
    >>> len(divisions(100, torch.arange(100), 3, window=4)[1].core)
    61
    """
    everything = torch.arange(rows)
    parts, whole = max(PARTS, members), Division(usual, usual, usual, everything)
    if window is None or rows < LEAST_ROWS * parts:
        return [whole] * members
    found = []
    for part in list(everything.tensor_split(parts))[:members]:
        first, last = int(part[0]), int(part[-1])
        near = (usual > first - window) & (usual < last + window)
        inside = usual[(usual >= first) & (usual <= last)]
        core = usual[~near]
        enough = min(len(inside), len(core)) >= LEAST_ROWS
        found.append(Division(core, core, inside, part) if enough else whole)
    return found


def make_detector(
    makers: Sequence[Callable[[Rows], Dense]],
    recipe: Callable[[int], Recipe],
    *,
    schema: Schema,
    rows: Rows,
    parts: Sequence[Division],
    run: Run,
) -> tuple[Detector, NDArray[np.float64]]:
    """Train an autoencoder for each maker on the usual rows, and learn from all rows what is strange to it.

    Arguments:
        makers: each gives a model that is ready for training on the given rows.
        recipe: makes the phases for a number of rows.
        schema: of the rows.
        rows: all.
        parts: for each maker, which rows are for what.
        run: seed, device, history and checkpoint.

    Returns:
        The detector, and the scores of the rows by those of its members that were judged by them.
    """
    columns = () if schema.pixels is not None else tuple(block.stop - block.start for block in schema.layout)
    references, judges = min(REFERENCES, *(len(part.known) for part in parts)), []
    for number, (make, part) in enumerate(zip(makers, parts, strict=True)):
        core = rows.take(part.core)
        model = make(core)
        phases = recipe(len(core))
        if len(makers) > 1:
            phases = [replace(phase, name=f"{phase.name}, member {number + 1}") for phase in phases]
        fit(
            model,
            core,
            phases,
            seed=run.seed + number,
            runtime=run.runtime,
            history=run.history,
            checkpoint=run.part(f"member-{number + 1}"),
        )
        judges.append(
            _judge(
                *(model, columns),
                rows=rows,
                part=part,
                references=references,
                together=schema.one_scale,
                seed=run.seed + number,
            )
        )
    if len(parts[0].judged) == len(rows):
        return Detector(judges), strangeness(Detector(judges), rows)
    alone = [strangeness(Detector([judge]), rows.take(part.judged)) for judge, part in zip(judges, parts, strict=True)]
    return Detector(judges), np.concatenate(alone)


def _judge(
    model: Dense,
    columns: Sequence[int],
    *,
    rows: Rows,
    part: Division,
    references: int,
    together: bool,
    seed: int,
) -> Judge:
    """What is usual for a trained autoencoder."""
    device = next(model.parameters()).device
    kept = part.known[torch.randperm(len(part.known), generator=generator(seed, -3))[:references].sort().values]
    neighbours = max(1, min(NEIGHBOURS, len(kept) - 2))
    judge = Judge(model, columns, references=len(kept), neighbours=neighbours).to(device).eval()
    codes = _codes(model, rows.take(part.core))
    location, precision = _gaussian(codes.double().numpy())
    values = {
        "usual_errors": _usual_errors(judge, rows.take(part.measure), together=together),
        "location": location,
        "precision": precision,
        "references": _codes(model, rows.take(kept)),
        "metric": _metric(model, location, codes.std(0, correction=0)),
    }
    for name, value in values.items():
        judge.get_buffer(name).copy_(value)
    found = torch.cat([judge.values(found) for found in _parts(judge, rows.take(part.judged))]).cpu()
    typical = found.median(0).values
    typical = torch.where(typical > 0, typical, 1.0)
    logs = (found / typical + 0.01).log()
    low, middle, high = logs.quantile(torch.tensor([0.25, 0.5, 0.75]), dim=0)
    for name, value in {"typical": typical, "center": middle, "spread": (high - low).clamp(min=LEAST_SPREAD)}.items():
        judge.get_buffer(name).copy_(value)
    return judge


@torch.no_grad()
def _codes(model: Dense, rows: Rows) -> Tensor:
    device = next(model.parameters()).device
    return torch.cat([model.encode(batch.x).cpu() for batch in _batches(rows, device)])


def _batches(rows: Rows, device: torch.device) -> Iterator[Batch]:
    """All rows in pieces, on a device."""
    for index in torch.arange(len(rows)).split(CHUNK):
        yield rows.batch(index).to(device)


@torch.no_grad()
def _parts(judge: Judge, rows: Rows) -> list[Strangeness]:
    device = judge.get_buffer("location").device
    return [judge.strangeness(batch.x, batch.observed, own=True) for batch in _batches(rows, device)]


def _gaussian(codes: NDArray[np.float64]) -> tuple[Tensor, Tensor]:
    """The middle of the codes, and the inverse of their shrunk covariance."""
    scale = codes.std(0)
    scale[scale == 0] = 1.0
    covariance = LedoitWolf().fit(codes / scale)
    precision = covariance.precision_ / np.outer(scale, scale)
    return torch.from_numpy(covariance.location_ * scale).float(), torch.from_numpy(precision).float()


@torch.no_grad()
def _usual_errors(judge: Judge, rows: Rows, *, together: bool) -> Tensor:
    """The mean squared error of each column over its observed cells, not less than a floor; that of all, `together`."""
    device = judge.get_buffer("location").device
    total, count = (torch.zeros_like(judge.get_buffer("usual_errors")) for _ in range(2))
    for batch in _batches(rows, device):
        squares = (judge.autoencoder(batch.x).reconstruction - batch.x).square()
        seen = torch.ones_like(squares) if batch.observed is None else batch.observed.float()
        total += judge.by_column(squares * seen).sum(0)
        count += judge.by_column(seen).sum(0) / judge.by_column(torch.ones_like(seen[:1]))[0]
    usual = ((total / count.clamp(min=1)).sqrt() + FLOOR).square()
    return usual.mean().expand_as(usual) if together else usual


@torch.no_grad()
def _metric(model: Dense, location: Tensor, scale: Tensor) -> Tensor:
    """How far the reconstruction moves where a unit of the code moves by 1, about: over a standard deviation."""
    device = next(model.parameters()).device
    steps = torch.where(scale > 0, scale, 1.0)
    moved = model.decode((location + torch.diag(steps)).to(device)) - model.decode(location.to(device).unsqueeze(0))
    return moved.norm(dim=1).cpu() / steps


@torch.no_grad()
def strangeness(detector: Detector, rows: Rows) -> NDArray[np.float64]:
    """The score of each row; higher is stranger.

    In float64, where the device has it: in float32 the last digit of a score goes by the rows beside it.
    """
    exact = doubled(detector)
    first = next(exact.parameters())
    found = [exact(batch.x.to(first.dtype), batch.observed).cpu() for batch in _batches(rows, first.device)]
    return torch.cat(found).double().numpy() if found else np.zeros(0)


class Causes(NamedTuple):
    """Why rows are strange.

    Attributes:
        contributions: by how much each row would be less strange without each column's cell, shape (rows, blocks).
        expected: of each cell what the others let one expect, shape (rows, features).
    """

    contributions: Tensor
    expected: Tensor


@torch.no_grad()
def causes(detector: Detector, rows: Rows, means: Tensor, *, points: int = 1, together: bool = False) -> Causes:
    """Hide the cells of each column in turn, fill in what the autoencoders expect there, and judge the others alone.

    Arguments:
        detector: what judges.
        rows: to be explained.
        means: of the features: where the search for the expected value begins.
        points: of a series that each row has, one after the other.
        together: hide a column in all points at once, and not in each of them by itself.
    """
    blocks = _hidden(detector, points if together else 1)
    rounds = WINDOW_ROUNDS if together and points > 1 else ROUNDS
    device = next(detector.parameters()).device
    found, means = [], means.to(device)
    for x, observed, _ in _batches(rows, device):
        known = torch.ones_like(x, dtype=torch.bool) if observed is None else observed
        whole, less, filled = detector(x, known), [], x.clone()
        for block in blocks.to(device):
            hidden = block.expand_as(known)
            without = detector.expected(torch.where(hidden, means, x), hidden, rounds=rounds)
            filled = torch.where(hidden, without, filled)
            seen = (known & hidden).any(1)
            less.append(torch.where(seen, whole - detector(without, known & ~hidden), 0.0))
        found.append(Causes(torch.stack(less, 1).cpu(), filled.cpu()))
    return Causes(*(torch.cat(parts) for parts in zip(*found, strict=True)))


def _hidden(detector: Detector, points: int) -> Tensor:
    """For each column, of each point or of so many points at once, which features it has."""
    blocks = torch.zeros(len(detector.blocks), detector.widths[0], dtype=torch.bool)
    for block, (start, stop) in zip(blocks, detector.blocks, strict=True):
        block[start:stop] = True
    return blocks.reshape(points, len(blocks) // points, -1).any(0)


@torch.no_grad()
def error_maps(detector: Detector, rows: Rows) -> Causes:
    """Of each feature its squared error over what is usual for it, and its reconstruction: the mean of the members."""
    device, found = next(detector.parameters()).device, []
    for batch in _batches(rows, device):
        errors = [judge.strangeness(batch.x, batch.observed).errors for judge in detector.members]
        returned = [judge.autoencoder(batch.x).reconstruction for judge in detector.members]
        found.append(Causes(*(torch.stack(parts).mean(0).cpu() for parts in (errors, returned))))
    return Causes(*(torch.cat(parts) for parts in zip(*found, strict=True)))


@final
class Null:
    """Where the scores of rows with nothing strange about them lie, for probabilities and a threshold.

    They are taken for normal from their median on, with the larger of two deviations: that of the scores below, and
    that of the next three tenths above, which strange rows seldom reach. Of the rows that are at least as strange as a
    given one, a share is more than this distribution has there; that share is the probability. Of n rows one in n + 1
    is granted to the distribution's end, and no probability is above n / (n + 1): not even a row beyond all others is
    certain. Source: Efron 2004, "Large-scale simultaneous hypothesis testing" (tail-area false discovery rate with an
    empirical null).

    Arguments:
        scores: of the training rows, sorted; or their quantiles.
        rows: how many there were.

    >>> null = Null(np.sort(np.random.default_rng(0).normal(size=1000)), 1000)
    >>> [round(float(p), 1) for p in null.probability(np.array([0.0, 6.0]))]
    [0.0, 1.0]
    """

    def __init__(self, scores: NDArray[np.float64], rows: int) -> None:
        self.scores, self.rows = np.asarray(scores, np.float64), rows
        low, self.middle, high = np.quantile(self.scores, [norm.cdf(-1), 0.5, UPPER])
        self.deviation = max(float(self.middle - low), float(high - self.middle) / norm.ppf(UPPER), 1e-6)
        grid = np.unique(self.scores)
        self._grid = grid
        # The rows from each score on are at least as strange together as the least strange of them.
        self._probability = np.maximum.accumulate(self._tail(grid)) if len(grid) else grid

    @classmethod
    def of(cls, scores: NDArray[np.float64]) -> "Null":
        """From all training scores, of which 1001 quantiles are kept."""
        if len(scores) <= QUANTILES:
            return cls(np.sort(scores), len(scores))
        return cls(np.quantile(scores, np.linspace(0, 1, QUANTILES)), len(scores))

    def probability(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        """That a row is strange, for each score; it never falls with the score."""
        place = np.searchsorted(self._grid, scores, side="right") - 1
        floor = np.where(place >= 0, self._probability[np.maximum(place, 0)], 0.0)
        found: NDArray[np.float64] = np.maximum(floor, self._tail(np.asarray(scores, np.float64)))
        return found

    def threshold(self, level: float = 0.5) -> float:
        """The least score whose probability is at least `level`."""
        low, high = self.middle, self.middle + 40 * self.deviation
        for _ in range(100):
            middle = (low + high) / 2
            reached = self.probability(np.array([middle]))[0] >= level
            low, high = (low, middle) if reached else (middle, high)
        return float(high)

    def _tail(self, scores: NDArray[np.float64]) -> NDArray[np.float64]:
        usual = norm.sf((scores - self.middle) / self.deviation)
        beyond = 1 - np.searchsorted(self.scores, scores, side="left") / len(self.scores)
        seen = np.maximum(beyond, 1 / (self.rows + 1))
        share = np.clip(usual / seen, 1 / (self.rows + 1), 1.0)
        found: NDArray[np.float64] = np.where(scores > self.middle, 1 - share, 0.0)
        return found
