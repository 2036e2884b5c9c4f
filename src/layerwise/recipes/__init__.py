"""The known ways to train: functions which return a list of phases."""

from layerwise.recipes.arguments import default_arguments, is_number, is_whole
from layerwise.recipes.authors import bengio2007, hinton2006
from layerwise.recipes.default import default
from layerwise.recipes.setting import Setting
from layerwise.recipes.stacked import intermediate_fine_tuning, layerwise
from layerwise.recipes.trainers import LayerTrainer, Machine, Shallow

__all__ = [
    "LayerTrainer",
    "Machine",
    "Setting",
    "Shallow",
    "bengio2007",
    "default",
    "default_arguments",
    "hinton2006",
    "intermediate_fine_tuning",
    "is_number",
    "is_whole",
    "layerwise",
]
