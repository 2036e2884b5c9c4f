"""The known ways to train: functions which return a list of phases."""

from layerwise.recipes.arguments import default_arguments, is_number, is_whole
from layerwise.recipes.default import default
from layerwise.recipes.setting import Setting

__all__ = ["Setting", "default", "default_arguments", "is_number", "is_whole"]
