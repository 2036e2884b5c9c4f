"""Boltzmann machines as graphs."""

import copy
from collections.abc import Iterator
from typing import final

import numpy as np
import torch
from torch import Tensor, nn

from layerwise.estimators import RBM, DeepBeliefNetwork
from layerwise.exporting.cells import ROWS, batched, relative
from layerwise.exporting.ports import NUMBERS, Arrays, Expected, Graph, Port, Trial

__all__ = ["Rising"]

FAR = 1e4


@final
class Rising(Graph):
    """The means of the hidden units, from the rows up through all machines; rows have no gaps."""

    def __init__(self, estimator: RBM | DeepBeliefNetwork) -> None:
        super().__init__()
        self.estimator = estimator
        self.machines = [estimator] if isinstance(estimator, RBM) else estimator.machines_
        self.layers = nn.ModuleList(map(_Layer, self.machines))
        self.inputs = (Port(NUMBERS, ("batch", estimator.n_features_in_)),)
        self.outputs = (Port("code", ("batch", len(self.machines[-1].model_.hidden_bias))),)

    def forward(self, *cells: Tensor) -> tuple[Tensor, ...]:
        """The code."""
        (x,) = cells
        for layer in self.layers:
            x = layer(x)
        return (x,)

    def trials(self) -> Iterator[Trial]:
        """Beside `transform`."""
        first, draw = self.machines[0], np.random.default_rng(0)
        shape = (ROWS, self.estimator.n_features_in_)
        rows = draw.random(shape)
        if first.visible_ == "gaussian":
            rows = first.mean_ + first.scale_ * draw.normal(size=shape)
            rows[-1, ::2] = first.mean_[::2] + FAR * first.scale_[::2]
        feeds: Arrays = {NUMBERS: rows.astype(np.float32)}
        expected: Arrays = {"code": self.estimator.transform(feeds[NUMBERS])}
        return batched(feeds, Expected(expected, relative(expected)))

    def about(self) -> dict[str, object]:
        """The kinds of the units, and the columns where they have names."""
        names = vars(self.estimator).get("feature_names_in_", [f"x{i}" for i in range(self.estimator.n_features_in_)])
        columns = {NUMBERS: [{"name": str(name), "kind": "numeric"} for name in names]}
        return {"task": "features", "columns": columns, "visible": self.machines[0].visible_}


@final
class _Layer(nn.Module):
    """One machine, in float64 as `RBM.transform`, so that no row's last digit goes by the rows beside it."""

    mean: Tensor
    scale: Tensor

    def __init__(self, machine: RBM) -> None:
        super().__init__()
        self.machine = copy.deepcopy(machine.model_).to("cpu", torch.float64).eval()
        self.register_buffer("mean", torch.from_numpy(machine.mean_))
        self.register_buffer("scale", torch.from_numpy(machine.scale_))

    def forward(self, x: Tensor) -> Tensor:
        standardized = ((x.double() - self.mean) / self.scale).float()
        return self.machine.encode(standardized.double()).float()
