"""What is done to the input."""

from layerwise.corruptions.noise import (
    NOISES,
    Compose,
    Corruption,
    GaussianNoise,
    Masking,
    SaltAndPepper,
    SwapNoise,
    Varied,
)

__all__ = [
    "NOISES",
    "Compose",
    "Corruption",
    "GaussianNoise",
    "Masking",
    "SaltAndPepper",
    "SwapNoise",
    "Varied",
]
