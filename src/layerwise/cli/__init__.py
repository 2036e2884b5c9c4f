"""The command line. Nothing heavy is imported before a verb runs."""

from layerwise.cli import generation, pictures, search, train, use, view
from layerwise.cli.app import app
from layerwise.cli.run import execute, main

__all__ = ["app", "execute", "generation", "main", "pictures", "search", "train", "use", "view"]
