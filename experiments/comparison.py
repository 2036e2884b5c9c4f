"""Ways to train, compared seed by seed: in words, in ranks and as bars."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from matplotlib.ticker import LogLocator, NullFormatter

from experiments import study
from experiments.study import Row


class Difference(NamedTuple):
    """What a column is more in one way than in another, seed by seed: mean and standard deviation."""

    mean: float
    spread: float
    seeds: int

    @property
    def clear(self) -> bool:
        """Whether the mean is more than two standard deviations from 0."""
        return self.seeds > 1 and abs(self.mean) > 2 * self.spread

    def than(self, other: str) -> str:
        """In words."""
        words = f"{abs(self.mean):.3g} ± {self.spread:.2g} {'lower' if self.mean < 0 else 'higher'} than {other}"
        return words if self.clear else f"{words}, which is not clear"


def difference(rows: Sequence[Row], column: str, one: Row, other: Row) -> Difference:
    """A column of the rows that have the values `one`, less that of those which have `other`; both by seed."""
    seeds = sorted({row["seed"] for row in rows})
    values = [
        study.mean_of(rows, column, seed=seed, **one) - study.mean_of(rows, column, seed=seed, **other)
        for seed in seeds
    ]
    return Difference(float(np.mean(values)), float(np.std(values, ddof=1)) if len(values) > 1 else 0.0, len(values))


class Lead(NamedTuple):
    """The best way on a data set, the next, and the difference."""

    first: str
    second: str
    gap: Difference


class Ranking(NamedTuple):
    """Ways by their mean rank over the data sets, and who leads on each."""

    ranks: dict[str, float]
    leads: dict[str, Lead]

    @property
    def first(self) -> str:
        """The way with the least mean rank."""
        return next(iter(self.ranks))

    def __str__(self) -> str:
        means = ", ".join(f"{way} {rank:.1f}" for way, rank in self.ranks.items())
        each = [f"{lead.first} on {data} ({lead.gap.than(lead.second)})" for data, lead in self.leads.items()]
        return f"{self.first} (mean ranks: {means}); on each: {', '.join(each)}"


def ranking(rows: Sequence[Row], column: str, *, by: str, ways: Sequence[str]) -> Ranking:
    """Which of some ways, the values of the column `by`, has the least figures?"""
    places: dict[str, list[int]] = {way: [] for way in ways}
    leads = {}
    for data in dict.fromkeys(row["data"] for row in rows):
        order = [way for _, way in sorted((study.mean_of(rows, column, data=data, **{by: way}), way) for way in ways)]
        for place, way in enumerate(order, 1):
            places[way].append(place)
        first, second = order[:2]
        gap = difference(rows, column, {"data": data, by: first}, {"data": data, by: second})
        leads[data] = Lead(first, second, gap)
    means = {way: float(np.mean(places[way])) for way in ways}
    return Ranking({way: means[way] for way in sorted(ways, key=lambda way: means[way])}, leads)


def won(rows: Sequence[Row], column: str, *, by: str, one: str, other: str) -> tuple[int, int]:
    """On how many data sets one way is clearly lower than another, and on how many clearly higher."""
    found = [
        difference(rows, column, {"data": data, by: one}, {"data": data, by: other})
        for data in dict.fromkeys(row["data"] for row in rows)
    ]
    return sum(gap.clear and gap.mean < 0 for gap in found), sum(gap.clear and gap.mean > 0 for gap in found)


def bars(
    axis: Any,
    rows: Sequence[Row],
    column: str,
    *,
    by: str,
    colours: Mapping[str, str],
    relative: str | None = None,
) -> None:
    """Bars side by side for each data set, with the standard deviation over the seeds.

    Arguments:
        axis: where they are drawn.
        rows: of all runs.
        column: the height.
        by: the column of the ways.
        colours: way -> colour.
        relative: the way whose height is 1, seed by seed; None for the figures themselves.
    """
    names = list(dict.fromkeys(row["data"] for row in rows))
    width = 0.8 / len(colours)
    for number, (way, colour) in enumerate(colours.items()):
        places = np.arange(len(names)) + (number - (len(colours) - 1) / 2) * width
        found = [_heights(rows, column, data=name, by=by, ways=(way, relative)) for name in names]
        spread = [float(np.std(values, ddof=1)) if len(values) > 1 else 0.0 for values in found]
        means = [np.mean(values) for values in found]
        axis.bar(places, means, width, yerr=spread, capsize=1.5, color=colour, label=way)
    if relative is not None:
        axis.axhline(1, color=study.BLACK, linewidth=0.6)
    axis.set_xticks(range(len(names)), names, rotation=20, ha="right")


def _heights(rows: Sequence[Row], column: str, *, data: str, by: str, ways: tuple[str, str | None]) -> list[float]:
    """The figures of a way by seed, divided by those of another where there is one."""
    seeds = dict.fromkeys(row["seed"] for row in rows)
    one, other = (
        [study.mean_of(rows, column, data=data, seed=seed, **{by: way}) if way else 1.0 for seed in seeds]
        for way in ways
    )
    return [value / unit for value, unit in zip(one, other, strict=True)]


def legend(axes: Sequence[Any]) -> None:
    """Below each of some axes what the colours are."""
    for axis in axes:
        axis.legend(loc="upper center", bbox_to_anchor=(0.5, -0.26), ncols=3, frameon=False, fontsize=8)


def logarithmic(axis: Any) -> None:
    """A logarithmic height with plain numbers: 1, 2, 5, 10, ..."""
    axis.set_yscale("log")
    axis.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    axis.yaxis.set_major_formatter("{x:g}")
    axis.yaxis.set_minor_formatter(NullFormatter())
