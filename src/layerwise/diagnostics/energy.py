"""How well a shallow autoencoder knows a row: the potential whose slope its reconstruction follows."""

from jaxtyping import Float
from torch import Tensor, nn

from layerwise.errors import InputError
from layerwise.models import Autoencoder, DenseLayer, Feedforward, identity, units_of

__all__ = ["energy"]


def energy(model: Autoencoder, x: Float[Tensor, "batch features"]) -> Float[Tensor, " batch"]:
    r"""The potential of a shallow autoencoder with tied weights and a linear output, up to a constant of the model.

    .. math:: E(x) = \sum_k S(w_k^T x + b_k) - \frac12 \lVert x - c \rVert^2, \quad S' = f

    with f the activation of the code: sigmoid, linear or ReLU. Its gradient is what the model would change in x, the
    reconstruction less x. It is larger for rows that are like those which the model was trained on: minus the free
    energy of the Boltzmann machine with the same weights.

    Arguments:
        model: `Dense` without hidden layers and with tied weights, or the block of such a layer of a deep one; in
            evaluation or training, which are the same for it.
        x: rows, in the units of the scaled features.

    Raises:
        InputError: for any other model, and for an activation that has no potential here.

    Source: Kamyshanska & Memisevic 2013, "On autoencoder scoring".

    >>> import torch
    >>> from layerwise.models import Dense, Layer, sigmoid
    >>> model = Dense(3, code=2, layer=Layer(tied=True), code_activation=sigmoid)
    >>> x = torch.randn(4, 3, generator=torch.Generator().manual_seed(0))
    >>> slope = torch.func.grad(lambda x: energy(model, x).sum())(x)
    >>> bool(torch.allclose(slope, model(x).reconstruction - x, atol=1e-6))
    True
    """
    layer, output = _layers(model)
    center = 0.0 if output.bias is None else output.bias
    return units_of(layer.activation).log_partition(layer.linear(x)).sum(1) - (x - center).square().sum(1) / 2


def _layers(model: Autoencoder) -> tuple[DenseLayer, DenseLayer]:
    if isinstance(model, Feedforward) and model.depth == 1 and not (model.front or model.linear_path):
        layer, output = model.encoder[0], model.decoder[0]
        assert isinstance(layer, DenseLayer)
        assert isinstance(output, DenseLayer)
        plain = all(isinstance(one.normalize, nn.Identity) and one.dropout.probability == 0 for one in (layer, output))
        open_ended = model.bounds is None or not model.bounds.limited
        if output.mirrored is layer and output.activation is identity and plain and open_ended:
            return layer, output
    raise InputError(
        "only an autoencoder of one plain layer with tied weights and a linear output has an energy; "
        "make it with hidden=() and Layer(tied=True)."
    )
