"""What every autoencoder is: two maps, and the record of one pass through them."""

from abc import ABC, abstractmethod
from typing import NamedTuple

from jaxtyping import Float
from torch import Tensor, nn

__all__ = ["Autoencoder", "Pass", "Stacked", "Stochastic"]


class Pass(NamedTuple):
    """What one forward pass leaves behind; a tuple of tensors, hence a pytree.

    Attributes:
        input: what went in, after corruption; shape (batch, *features).
        code: the output of the encoder; shape (batch, code).
        reconstruction: the output of the decoder, in the units of the input; shape (batch, *features).
        hidden: the outputs of the encoder's hidden layers, from the input up, without the code.
        natural: the decoder's output before its last activation (for a sigmoid: the logits), in which
            cross-entropies are computed without loss of precision; the reconstruction itself for a linear output.
        posterior: of a model whose codes have a distribution: its mean and the logarithm of its variance, each of shape
            (batch, code); empty for others.
        energies: of a model that has an energy: that of each row, and that of each of its own samples, which are held
            constant; empty for others.
    """

    input: Tensor
    code: Tensor
    reconstruction: Tensor
    hidden: tuple[Tensor, ...]
    natural: Tensor
    energies: tuple[Tensor, ...] = ()
    posterior: tuple[Tensor, ...] = ()


class Stochastic(nn.Module, ABC):
    """A module that draws noise, from a key that is set for it and not from a stream.

    So every evaluation of one problem sees the same noise, and a resumed run the same as an undisturbed one. The key is
    0 where no problem is being evaluated.
    """

    noise_key: int = 0


class Autoencoder(Stochastic, ABC):
    """A map from input to code and one from code to reconstruction; it never computes a loss.

    It has a key for noise, since a penalty may need some (random probes), and a model may sample.
    """

    @abstractmethod
    def encode(self, x: Float[Tensor, "batch *features"]) -> Float[Tensor, "batch code"]:
        """The code of each row."""

    @abstractmethod
    def decode(self, code: Float[Tensor, "batch code"]) -> Float[Tensor, "batch *features"]:
        """The reconstruction from each code."""

    @abstractmethod
    def forward(self, x: Float[Tensor, "batch *features"]) -> Pass:
        """Both maps, with all that a penalty may want to see."""


class Stacked(ABC):
    """A model that is trained layer by layer: its parts share their parameters with the whole."""

    @property
    @abstractmethod
    def depth(self) -> int:
        """The number of encoder layers, the code among them."""

    @abstractmethod
    def block(self, index: int) -> Autoencoder:
        """The shallow autoencoder of encoder layer `index` (from 0) and the decoder layer that mirrors it."""

    @abstractmethod
    def upto(self, index: int) -> Autoencoder:
        """The autoencoder of encoder layers 0 to `index` and the decoder layers that mirror them."""
