"""What is done to the input."""

from layerwise.corruptions.noise import Compose, Corruption, GaussianNoise, Masking, SaltAndPepper, SwapNoise, Varied

__all__ = ["Compose", "Corruption", "GaussianNoise", "Masking", "SaltAndPepper", "SwapNoise", "Varied"]
