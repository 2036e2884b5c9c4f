"""What one reads off a model in the laws: all that a pass leaves, its dropouts, a copy of its weights."""

import torch
from torch import Tensor, nn

from layerwise.models import Dropout, Pass


def fields(run: Pass) -> list[Tensor]:
    """All tensors of a pass."""
    return [run.input, run.code, run.reconstruction, *run.hidden, run.natural]


def same(a: Pass, b: Pass) -> bool:
    """Whether two passes are equal to the bit."""
    return all(torch.equal(x, y) for x, y in zip(fields(a), fields(b), strict=True))


def noisy(model: nn.Module) -> list[Dropout]:
    """The dropouts that do something."""
    return [module for module in model.modules() if isinstance(module, Dropout) and module.probability > 0]


def weights(model: nn.Module) -> dict[str, Tensor]:
    """A copy of the state."""
    return {name: value.clone() for name, value in model.state_dict().items()}
