"""The command line. Nothing heavy is imported before a verb runs."""

from layerwise.cli import pictures, train, use, view
from layerwise.cli.app import app
from layerwise.cli.run import execute, main

__all__ = ["app", "execute", "main", "pictures", "train", "use", "view"]
