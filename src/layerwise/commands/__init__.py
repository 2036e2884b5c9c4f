"""What each verb of the command line does; all of it through the estimators."""

from layerwise.commands.export import export
from layerwise.commands.generation import interpolate, sample
from layerwise.commands.pictures import apply
from layerwise.commands.search import search, verdicts
from layerwise.commands.text import translate
from layerwise.commands.train import FitResult, dry_run, fit, phases
from layerwise.commands.use import impute, predict, reconstruct, score, transform
from layerwise.commands.view import compare, diagnose, evaluate, info, list_datasets, report
from layerwise.commands.words import as_table, summary

__all__ = [
    "FitResult",
    "apply",
    "as_table",
    "compare",
    "diagnose",
    "dry_run",
    "evaluate",
    "export",
    "fit",
    "impute",
    "info",
    "interpolate",
    "list_datasets",
    "phases",
    "predict",
    "reconstruct",
    "report",
    "sample",
    "score",
    "search",
    "summary",
    "transform",
    "translate",
    "verdicts",
]
