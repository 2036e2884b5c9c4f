"""What layers do to small changes: the singular values of their Jacobians, one layer at a time and from end to end."""

import math
from collections.abc import Callable
from typing import NamedTuple, final

import torch
from jaxtyping import Float
from torch import Tensor
from torch.func import jacrev, vmap

from layerwise.diagnostics.findings import Finding, Verdict, finite
from layerwise.diagnostics.layers import has_path_beside, layers_at
from layerwise.errors import InputError
from layerwise.models import Autoencoder

__all__ = ["JacobianSpectrum", "isometry", "jacobian_spectra"]

ROWS = 16
# How much a layer may shrink or stretch on average before ten of them make a factor of ten.
NARROW, WIDE = 10**-0.1, 10**0.1


@final
class JacobianSpectrum(NamedTuple):
    """The singular values of a Jacobian at some rows, the largest first; as many as its smaller side has."""

    name: str
    values: Float[Tensor, "rows count"]

    @property
    def mean_square(self) -> float:
        """Of the singular values: what a random change of the smaller side is multiplied with, squared."""
        return float(self.values.square().mean())


def jacobian_spectra(model: Autoencoder, x: Float[Tensor, "rows *features"]) -> list[JacobianSpectrum]:
    """The singular values of the Jacobian of each layer, and of the whole ("end to end"), at each row.

    The whole is no wider than its code: of its singular values there are as many as the code has units.

    Arguments:
        model: in evaluation during the call, and as it was after it.
        x: rows; each takes a Jacobian of every layer, so give few.

    Raises:
        InputError: for no rows, or a Jacobian that is not finite.

    Source: Saxe, McClelland & Ganguli 2013, "Exact solutions to the nonlinear dynamics of learning in deep linear
    neural networks", section 4.

    >>> from layerwise.models import Dense, Layer, Orthogonal, identity
    >>> model = Dense(4, (4,), code=4, layer=Layer(identity, initializer=Orthogonal()))
    >>> whole = jacobian_spectra(model, torch.zeros(1, 4))[-1]
    >>> whole.name, torch.allclose(whole.values, torch.ones(1, 4), atol=1e-5)
    ('end to end', True)
    """
    if not len(x):
        raise InputError("a Jacobian needs at least 1 row; got none.")
    training = model.training
    model.eval()
    spectra = []
    code = 0
    for layer in layers_at(model, x):
        spectra.append(JacobianSpectrum(layer.name, _singular(layer.apply, layer.inputs)))
        code = layer.outputs[0].numel() if layer.name.startswith("encoder") else code
    whole = _singular(lambda rows: model(rows).reconstruction, x)
    model.train(training)
    return [*spectra, JacobianSpectrum("end to end", whole[:, :code])]


def _singular(apply: Callable[[Tensor], Tensor], x: Tensor) -> Tensor:
    rows = vmap(jacrev(lambda row: apply(row[None])[0].flatten()))(x.detach())
    return torch.linalg.svdvals(finite("the Jacobian", rows.detach().flatten(2)))


def isometry(model: Autoencoder, x: Float[Tensor, "rows *features"]) -> Finding:
    """Whether layers keep the length of small changes: the root mean square of each layer's singular values.

    Where all singular values of all layers are about 1 (dynamical isometry), signals and gradients keep their size
    through any number of layers. With a linear path beside the layers, what counts is from end to end.

    Arguments:
        model: in evaluation during the call, and as it was after it.
        x: rows, of which the first 16 are looked at.

    Raises:
        InputError: as `jacobian_spectra`.

    >>> from layerwise.models import Dense, Layer, Orthogonal, identity
    >>> layer = Layer(identity, initializer=Orthogonal())
    >>> isometry(Dense(4, (4, 4), code=4, layer=layer), torch.zeros(2, 4)).verdict
    'fine'
    """
    *layers, whole = jacobian_spectra(model, x[:ROWS])
    sizes = [layer.mean_square**0.5 for layer in layers]
    mean = math.exp(sum(map(math.log, sizes)) / len(sizes)) if all(sizes) else 0.0
    figures = {
        "mean of a layer": mean,
        "largest end to end": float(whole.values[:, 0].mean()),
        "median end to end": float(whole.values.median()),
        "least end to end": float(whole.values[:, -1].mean()),
    }
    curves = {
        "layers": [layer.name for layer in layers],
        "sizes": sizes,
        "largest": [float(layer.values[:, 0].mean()) for layer in layers],
        "least": [float(layer.values[:, -1].mean()) for layer in layers],
        "end to end": whole.values.mean(0).tolist(),
    }
    if not whole.values.any():
        verdict, advice = _silent(next((layer.name for layer, size in zip(layers, sizes, strict=True) if not size), ""))
    elif has_path_beside(model):
        verdict, advice = _beside(whole.mean_square**0.5)
    else:
        verdict, advice = _told(mean, len(layers))
    return Finding("isometry", figures, verdict, advice, curves)


def _silent(name: str) -> tuple[Verdict, str]:
    where = f"through {name}" if name else "from end to end"
    return "look", (
        f"No small change gets {where}, so that the output does not follow the input: see the units and the weights."
    )


def _beside(size: float) -> tuple[Verdict, str]:
    return "fine", (
        f"The linear path beside the layers lets small changes through, {size:.2g} times as large from end to end, so "
        "depth is no obstacle."
    )


def _told(mean: float, layers: int) -> tuple[Verdict, str]:
    if mean < NARROW:
        return "look", (
            f"A layer shrinks small changes to {mean:.2g} on average, {layers} layers to {mean**layers:.1g}: give the "
            "weights the gain of their activation, start orthogonal, or normalize."
        )
    if mean > WIDE:
        return "look", (
            f"A layer stretches small changes {mean:.2g} times on average, {layers} layers {mean**layers:.2g} times: "
            "lower the gain of the weights, or normalize."
        )
    return "fine", "Layers keep the size of small changes, so depth alone is no obstacle."
