"""What a recipe may depend on, beside its own arguments."""

from dataclasses import dataclass
from typing import final

from layerwise.training import Objective

__all__ = ["Setting"]


@final
@dataclass(frozen=True)
class Setting:
    """What an estimator knows when it asks for a recipe.

    Arguments:
        rows: of the training data.
        objective: the estimator's fidelity and penalties.
        pictures: whether the features are the pixels of a picture.
        depth: encoder layers of the model, the code among them; 0 where it is not known.

    >>> Setting(500).pictures
    False
    """

    rows: int
    objective: Objective = Objective()
    pictures: bool = False
    depth: int = 0
