"""What is done to the input."""

from layerwise.corruptions.noise import Compose, Corruption, GaussianNoise, Masking, SaltAndPepper, SwapNoise

__all__ = ["Compose", "Corruption", "GaussianNoise", "Masking", "SaltAndPepper", "SwapNoise"]
