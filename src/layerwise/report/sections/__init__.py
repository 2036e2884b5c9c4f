"""The sections of the page: each a pure function of the data, and None where it has nothing to show."""

from layerwise.report.sections.activity import activity
from layerwise.report.sections.anomalies import anomalies
from layerwise.report.sections.code_map import code_map
from layerwise.report.sections.comparison import comparison
from layerwise.report.sections.diagnosis import diagnosis
from layerwise.report.sections.environment import environment
from layerwise.report.sections.examples import examples
from layerwise.report.sections.gaps import gaps
from layerwise.report.sections.generation import generation
from layerwise.report.sections.hardest import hardest
from layerwise.report.sections.mechanics import critical, curvature, dynamics, landscape, signals, units
from layerwise.report.sections.pictures import pictures
from layerwise.report.sections.prediction import prediction
from layerwise.report.sections.recipe import recipe
from layerwise.report.sections.sentences import sentences
from layerwise.report.sections.summary import summary
from layerwise.report.sections.training import training

__all__ = [
    "activity",
    "anomalies",
    "code_map",
    "comparison",
    "critical",
    "curvature",
    "diagnosis",
    "dynamics",
    "environment",
    "examples",
    "gaps",
    "generation",
    "hardest",
    "landscape",
    "pictures",
    "prediction",
    "recipe",
    "sentences",
    "signals",
    "summary",
    "training",
    "units",
]
