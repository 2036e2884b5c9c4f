"""The known ways to train: functions which return a list of phases."""

from layerwise.recipes.default import default

__all__ = ["default"]
