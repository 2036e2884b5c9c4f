"""The known ways to train: functions which return a list of phases."""

from layerwise.recipes.architecture import RECIPES, Architecture, architecture
from layerwise.recipes.arguments import is_number, is_whole, recipe_arguments
from layerwise.recipes.authors import bengio2007, hinton2006, kramer1991, makhzani2013, rifai2011, vincent2010
from layerwise.recipes.default import default, denoising_stack
from layerwise.recipes.detection import detection
from layerwise.recipes.file import RecipeFile, read_recipe, write_recipe
from layerwise.recipes.imputation import imputation
from layerwise.recipes.restoration import restoration
from layerwise.recipes.setting import Setting
from layerwise.recipes.stacked import end_to_end, fine_tuning, intermediate_fine_tuning, layerwise
from layerwise.recipes.strategies import (
    alternate_sparsity,
    alternate_sparsity_combined,
    bottleneck,
    free_bottleneck,
    sparse_bottleneck,
)
from layerwise.recipes.trainers import LayerTrainer, Machine, Shallow
from layerwise.recipes.translation import translation
from layerwise.recipes.variational import variational

__all__ = [
    "RECIPES",
    "Architecture",
    "LayerTrainer",
    "Machine",
    "RecipeFile",
    "Setting",
    "Shallow",
    "alternate_sparsity",
    "alternate_sparsity_combined",
    "architecture",
    "bengio2007",
    "bottleneck",
    "default",
    "denoising_stack",
    "detection",
    "end_to_end",
    "fine_tuning",
    "free_bottleneck",
    "hinton2006",
    "imputation",
    "intermediate_fine_tuning",
    "is_number",
    "is_whole",
    "kramer1991",
    "layerwise",
    "makhzani2013",
    "read_recipe",
    "recipe_arguments",
    "restoration",
    "rifai2011",
    "sparse_bottleneck",
    "translation",
    "variational",
    "vincent2010",
    "write_recipe",
]
