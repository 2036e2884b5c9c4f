"""What a recipe may depend on, beside its own arguments."""

from dataclasses import dataclass
from typing import final

from layerwise.corruptions import Corruption
from layerwise.errors import InputError
from layerwise.training import Objective

__all__ = ["Setting"]


@final
@dataclass(frozen=True)
class Setting:
    """What an estimator knows when it asks for a recipe.

    Arguments:
        rows: of the training data.
        objective: what is wanted of an autoencoder, whole or shallow: fidelity and penalties.
        pictures: whether the features are the pixels of a picture.
        widths: from the input to the code; empty where they are not known.
        labelled: rows of the training data that have a target; None where nothing is to be predicted.
        goal: what the whole net is for in the end, where that is not the objective: to predict classes or numbers.
        corruption: what must be done to the input, where the whole net is for taking it away.

    >>> Setting(500, widths=(784, 500, 30)).depth
    2
    """

    rows: int
    objective: Objective = Objective()
    pictures: bool = False
    widths: tuple[int, ...] = ()
    labelled: int | None = None
    goal: Objective | None = None
    corruption: Corruption | None = None

    @property
    def depth(self) -> int:
        """Encoder layers of the model, the code among them.

        Raises:
            InputError: when the widths are not known.
        """
        if len(self.widths) < 2:
            raise InputError("a recipe by layers needs the widths of the encoder; give Setting(..., widths=...).")
        return len(self.widths) - 1

    @property
    def end(self) -> Objective:
        """The objective of the whole net's last phase."""
        return self.objective if self.goal is None else self.goal
