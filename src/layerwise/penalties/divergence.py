"""What a model with an energy is trained by."""

from dataclasses import dataclass
from typing import final

from jaxtyping import Float
from torch import Tensor

from layerwise.data import Batch
from layerwise.errors import InputError
from layerwise.models.base import Pass
from layerwise.penalties.fidelity import Fidelity

__all__ = ["ContrastiveDivergence", "contrastive_divergence"]


@final
@dataclass(frozen=True)
class ContrastiveDivergence(Fidelity):
    r"""How much lower the energy of the data is than that of the model's own samples: mean over rows, in nats.

    .. math:: \frac1n \sum_i F(x_i) - \frac1m \sum_j F(\tilde x_j)

    with the samples held constant: its gradient is that of CD-k, of persistent CD where the samples come from
    persistent chains, and of the likelihood where they come from the model's distribution. Its value is near 0
    whenever samples resemble the data, also for a bad model: no measure of quality. It does not use the mask; missing
    cells count with the value that the schema gave them.

    Source: Hinton 2002, eq. 9, without its third term; Tieleman 2008.

    >>> import torch
    >>> row = torch.zeros(1, 1)
    >>> run = Pass(row, row, row, (), row, (torch.tensor([3.0]), torch.tensor([1.0, 2.0])))
    >>> contrastive_divergence(run, Batch(row, None))
    tensor(1.5000)
    """

    name = "contrastive_divergence"

    def rows(self, run: Pass, target: Batch) -> Float[Tensor, " batch"]:
        """The energy of each row above the mean energy of the samples.

        Raises:
            InputError: for a model without an energy.
        """
        if len(run.energies) != 2:
            raise InputError("contrastive divergence needs a model with an energy; use the view Boltzmann().")
        data, sample = run.energies
        return data - sample.mean()


contrastive_divergence = ContrastiveDivergence()
