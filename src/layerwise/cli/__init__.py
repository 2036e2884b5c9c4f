"""The command line. Nothing heavy is imported before a verb runs."""

from layerwise.cli import train, use, view
from layerwise.cli.app import app
from layerwise.cli.run import execute, main

__all__ = ["app", "execute", "main", "train", "use", "view"]
