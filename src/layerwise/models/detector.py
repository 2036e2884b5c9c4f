"""How strange a row is to an autoencoder: by what does not come back, by where its code lies, by who lives near it."""

from collections.abc import Sequence
from itertools import accumulate, pairwise
from typing import NamedTuple, final

import torch
from jaxtyping import Bool, Float
from torch import Tensor, nn

from layerwise.errors import InputError
from layerwise.models.config import DetectorConfig
from layerwise.models.dense import Dense

__all__ = ["Detector", "Judge", "Strangeness"]

LEAST = 0.01


class Strangeness(NamedTuple):
    """What makes rows strange to one autoencoder.

    Attributes:
        errors: the squared error of each column over that of a usual row; 1 for a missing cell, which tells nothing.
        distance: the squared Mahalanobis distance of the code from the middle of the usual codes.
        nearness: the mean distance from the nearest of the codes that are kept, in the units of the input.
    """

    errors: Float[Tensor, "batch columns"]
    distance: Float[Tensor, " batch"]
    nearness: Float[Tensor, " batch"]


@final
class Judge(nn.Module):
    r"""An autoencoder and what is usual for it.

    Of a row with the column errors $e_c$, whose usual values are $\sigma_c^2$, and the code $h$:

    $$u = \sum_c e_c / \sigma_c^2 + (h - \mu)^\top \Sigma^{-1} (h - \mu), \qquad
      v = \frac{1}{k} \sum_{i \in N_k(h)} \sqrt{\lVert w \odot (h - h_i) \rVert^2 + \sum_c e_c}.$$

    The first is the deviance of a Gaussian of code and residual, the second the distance from the nearest kept rows as
    they come back from their codes. Both are taken as logarithms, standardized by the median and the interquartile
    range of the training rows, and averaged.

    Arguments:
        autoencoder: any of dense layers.
        columns: how many features each source column has; empty is one each.
        references: how many codes are kept.
        neighbours: how many of them are near.

    Raises:
        InputError: for columns that do not add up, or more neighbours than references.
    """

    def __init__(
        self, autoencoder: Dense, columns: Sequence[int] = (), *, references: int = 1000, neighbours: int = 30
    ) -> None:
        super().__init__()
        features, code = autoencoder.inputs.width, autoencoder.code
        if columns and sum(columns) != features:
            raise InputError(f"columns must have {features} features together; got {sum(columns)}.")
        if not 1 <= neighbours <= references:
            raise InputError(f"neighbours must be from 1 to {references}, the codes that are kept; got {neighbours}.")
        self.autoencoder, self.columns, self.neighbours = autoencoder, tuple(columns), neighbours
        count = len(self.columns) or features
        for name, value in {
            "usual_errors": torch.ones(count),
            "location": torch.zeros(code),
            "precision": torch.eye(code),
            "references": torch.zeros(references, code),
            "metric": torch.ones(code),
            "typical": torch.ones(2),
            "center": torch.zeros(2),
            "spread": torch.ones(2),
        }.items():
            self.register_buffer(name, value)

    def forward(
        self, x: Float[Tensor, "batch features"], observed: Bool[Tensor, "batch features"] | None = None
    ) -> Float[Tensor, " batch"]:
        """How strange each row is: 0 is the middle of the training rows, 1 is an interquartile range beyond it."""
        values = self.values(self.strangeness(x, observed))
        logs = (values / self.get_buffer("typical") + LEAST).log()
        return ((logs - self.get_buffer("center")) / self.get_buffer("spread")).mean(1)

    def values(self, parts: Strangeness) -> Float[Tensor, "batch 2"]:
        """The two numbers u and v of each row."""
        return torch.stack([parts.errors.sum(1) + parts.distance, parts.nearness], 1)

    def strangeness(
        self, x: Float[Tensor, "batch features"], observed: Bool[Tensor, "batch features"] | None, *, own: bool = False
    ) -> Strangeness:
        """The parts of it.

        Arguments:
            x: rows, scaled.
            observed: which cells are known; None is all.
            own: whether rows may be among those whose codes are kept, and are then not their own neighbours.
        """
        run = self.autoencoder(x)
        usual = self.get_buffer("usual_errors")
        errors = self.by_column((run.reconstruction - x).square()) / usual
        if observed is not None:
            errors = torch.where(self._first(observed), errors, torch.ones_like(errors))
        away = run.code - self.get_buffer("location")
        distance = (away @ self.get_buffer("precision") * away).sum(1)
        metric = self.get_buffer("metric")
        # Differences and not products: a row must be at distance 0 from itself.
        squares = torch.cdist(
            run.code * metric, self.get_buffer("references") * metric, compute_mode="donot_use_mm_for_euclid_dist"
        ).square()
        near = self._nearest(squares, own=own)
        return Strangeness(errors, distance, (near + (errors * usual).sum(1, keepdim=True)).sqrt().mean(1))

    def by_column(self, values: Float[Tensor, "batch features"]) -> Float[Tensor, "batch columns"]:
        """The sums over the features of each column."""
        if not self.columns:
            return values
        return torch.stack([part.sum(1) for part in values.split(self.columns, dim=1)], 1)

    def _first(self, observed: Tensor) -> Tensor:
        """Whether each column is known: all of its features are, or none."""
        if not self.columns:
            return observed
        return observed[:, list(accumulate(self.columns[:-1], initial=0))]

    def _nearest(self, squares: Tensor, *, own: bool) -> Tensor:
        count = self.neighbours
        if not own:
            return squares.topk(count, largest=False).values
        found = squares.topk(min(count + 1, squares.shape[1]), largest=False).values
        itself = found[:, :1] == 0
        return torch.where(itself, found[:, -count:], found[:, :count])


@final
class Detector(nn.Module):
    """Some autoencoders which together say how strange a row is: the mean of what each of them says.

    >>> detector = Detector([Judge(Dense(4, (8,), code=2), references=10, neighbours=3)])
    >>> detector(torch.rand(5, 4)).shape
    torch.Size([5])
    """

    def __init__(self, judges: Sequence[Judge]) -> None:
        super().__init__()
        self.judges = nn.ModuleList(judges)

    def forward(
        self, x: Float[Tensor, "batch features"], observed: Bool[Tensor, "batch features"] | None = None
    ) -> Float[Tensor, " batch"]:
        """How strange each row is."""
        return torch.stack([judge(x, observed) for judge in self.judges]).mean(0)

    def expected(
        self, x: Float[Tensor, "batch features"], hidden: Bool[Tensor, "batch features"], *, rounds: int = 3
    ) -> Float[Tensor, "batch features"]:
        """The rows with their hidden cells as the others let one expect them.

        Arguments:
            x: rows with some value, best the mean, in the hidden cells.
            hidden: which cells are to be found.
            rounds: how often the autoencoders reconstruct the rows, to fill the hidden cells.
        """
        for _ in range(rounds):
            found = torch.stack([judge.autoencoder(x).reconstruction for judge in self.members]).mean(0)
            x = torch.where(hidden, found, x)
        return x

    @property
    def members(self) -> list[Judge]:
        """The judges, with their type."""
        return [judge for judge in self.judges if isinstance(judge, Judge)]

    @property
    def code(self) -> int:
        """The size of the first code."""
        return self.members[0].autoencoder.code

    @property
    def widths(self) -> tuple[int, ...]:
        """Of the first autoencoder, from the input to the code."""
        return self.members[0].autoencoder.widths

    @property
    def blocks(self) -> list[tuple[int, int]]:
        """Where the features of each column start and stop."""
        columns = self.members[0].columns or (1,) * self.widths[0]
        return list(pairwise(accumulate(columns, initial=0)))

    def config(self) -> DetectorConfig:
        """The description from which `from_config` makes one of the same shape.

        Raises:
            InputError: for an activation without a name.
        """
        first = self.members[0]
        return DetectorConfig(
            autoencoders=tuple(judge.autoencoder.config() for judge in self.members),
            columns=first.columns,
            references=len(first.get_buffer("references")),
            neighbours=first.neighbours,
        )

    @classmethod
    def from_config(cls, config: DetectorConfig) -> "Detector":
        """One of the described shape, with arbitrary weights.

        Raises:
            InputError: for an unknown activation or impossible widths.
        """
        return cls(
            [
                Judge(
                    Dense.from_config(one),
                    config.columns,
                    references=config.references,
                    neighbours=config.neighbours,
                )
                for one in config.autoencoders
            ]
        )
