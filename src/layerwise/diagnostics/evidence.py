"""How likely a variational autoencoder finds rows, from below."""

import math

import torch
from jaxtyping import Bool, Float
from torch import Tensor

from layerwise.data import Batch
from layerwise.errors import InputError
from layerwise.models import Pass, Variational
from layerwise.penalties import Fidelity, cross_entropy, squared_error
from layerwise.randomness import generator

__all__ = ["importance_weighted_bound"]

LOG_TWO_PI = math.log(2 * math.pi)
CHUNK = 2**22


@torch.no_grad()
def importance_weighted_bound(
    model: Variational,
    x: Float[Tensor, "rows features"],
    *,
    observed: Bool[Tensor, "rows features"] | None = None,
    samples: int = 100,
    fidelity: Fidelity = cross_entropy,
    noise_variance: float = 1.0,
    seed: int = 0,
) -> Float[Tensor, " rows"]:
    r"""A lower bound of the log-likelihood of each row, in nats; the more samples, the nearer.

    .. math:: \log \frac1K \sum_{k=1}^K \frac{p(x | z_k) p(z_k)}{q(z_k | x)}, \qquad z_k \sim q(z | x)

    With one sample its mean is the evidence lower bound.

    Arguments:
        model: in evaluation or not; it is left as it is.
        x: rows, as the model sees them.
        observed: which cells are known; the likelihood is that of these.
        samples: codes that are drawn for each row.
        fidelity: `cross_entropy` for binary rows, `squared_error` for normal noise.
        noise_variance: of the normal noise.
        seed: of the draws.

    Raises:
        InputError: for no sample, another fidelity, or a variance that is not above 0.

    Source: Burda, Grosse & Salakhutdinov 2016, "Importance weighted autoencoders", equation 8.

    >>> model = Variational(4, code=2)
    >>> importance_weighted_bound(model, torch.zeros(3, 4), samples=10).shape
    torch.Size([3])
    """
    if samples < 1:
        raise InputError(f"at least one sample is needed; got {samples}.")
    if fidelity not in (cross_entropy, squared_error):
        raise InputError(f"a likelihood needs cross_entropy or squared_error; got {fidelity!r}.")
    if not noise_variance > 0:
        raise InputError(f"noise_variance must be above 0; got {noise_variance}.")
    training = model.training
    model.eval()
    noise, bounds = generator(seed, -7, device=x.device), []
    rows = max(1, CHUNK // (samples * max(model.widths)))
    for index in torch.arange(len(x), device=x.device).split(rows):
        part, seen = x[index], None if observed is None else observed[index]
        mean, log_variance = model.posterior(part)
        drawn = torch.randn((samples, *mean.shape), generator=noise, device=x.device, dtype=x.dtype)
        code = mean + (log_variance / 2).exp() * drawn
        flat = code.flatten(0, 1)
        natural = model.natural(flat)
        target = Batch(part.repeat(samples, 1), None if seen is None else seen.repeat(samples, 1))
        error = fidelity.rows(Pass(target.x, flat, model.output(natural), (), natural), target)
        error = error.reshape(samples, len(part))
        # The constants of p(z) and q(z|x) are the same.
        cells = x.shape[1] if seen is None else seen.sum(1)
        normal = -(error / noise_variance + cells * (LOG_TWO_PI + math.log(noise_variance))) / 2
        likelihood = -error if fidelity is cross_entropy else normal
        ratio = (drawn.square() + log_variance - code.square()).sum(2) / 2
        bounds.append((likelihood + ratio).logsumexp(0) - math.log(samples))
    model.train(training)
    return torch.cat(bounds) if bounds else x.new_zeros(0)
