"""What a model with an energy is trained by."""

from dataclasses import dataclass
from typing import final

from jaxtyping import Float
from torch import Tensor, nn

from layerwise.data import Batch
from layerwise.errors import InputError
from layerwise.models.base import Pass
from layerwise.models.variational import Variational
from layerwise.penalties.base import Selective
from layerwise.penalties.fidelity import Fidelity

__all__ = ["ContrastiveDivergence", "GaussianDivergence", "contrastive_divergence"]


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

    def sampled(self, run: Pass, target: Batch, noise: int) -> Float[Tensor, ""]:
        """Nothing: it is straight in the energies."""
        return (0 * run.energies[0]).sum()


@final
@dataclass(frozen=True)
class GaussianDivergence(Selective):
    r"""How far the distributions of codes are from the standard normal one: sum over units, mean over rows, in nats.

    .. math:: \sum_j \max\Big(\lambda, \frac1n \sum_i
        \tfrac12 (\mu_{ij}^2 + \sigma_{ij}^2 - \ln \sigma_{ij}^2 - 1)\Big)

    Its weight is the beta of a beta-VAE.

    Arguments:
        free_nats: what a unit costs at the least, so that none is given up to save it.

    Raises:
        InputError: for a number below 0.

    Sources: Kingma & Welling 2014, appendix B; free bits: Kingma et al. 2016, appendix C.8; beta: Higgins et al. 2017.

    >>> import torch
    >>> run = Variational(3, code=2).eval()(torch.zeros(4, 3))
    >>> float(GaussianDivergence()(run, Variational(3, code=2)).detach())
    0.0
    """

    free_nats: float = 0.0

    def __post_init__(self) -> None:
        if not self.free_nats >= 0:
            raise InputError(f"free_nats must be at least 0; got {self.free_nats}.")

    def check(self, model: nn.Module) -> None:
        """Refuse a model whose codes have no distribution.

        Raises:
            InputError: says what is needed.
        """
        if not isinstance(model, Variational):
            raise InputError("GaussianDivergence needs a model whose codes have a distribution: Variational.")

    def __call__(self, run: Pass, model: nn.Module) -> Float[Tensor, ""]:
        """The divergence of one batch.

        Raises:
            InputError: for a model whose codes have no distribution.
        """
        self.check(model)
        mean, log_variance = (part.float() if part.dtype.itemsize < 4 else part for part in run.posterior)
        units = 0.5 * (mean.square() + log_variance.exp() - log_variance - 1).mean(0)
        return units.clamp(min=self.free_nats).sum()


contrastive_divergence = ContrastiveDivergence()
