"""`python -m layerwise` is the command line."""

from layerwise.cli import main

main()
