"""Where rows come from, and the schema that makes them numbers."""

from layerwise.data.arrow import from_arrow, to_arrow
from layerwise.data.columns import Binary, Categorical, Column, Constant, Numeric, Pixels, Text
from layerwise.data.datasets import DataSet, datasets
from layerwise.data.frames import from_frame
from layerwise.data.patches import Patches
from layerwise.data.read import READABLE, read, read_lines
from layerwise.data.rows import Batch, Rows
from layerwise.data.schema import Block, Scaling, Schema
from layerwise.data.sentences import SentencePairs
from layerwise.data.source import Grouped, Source, batches
from layerwise.data.table import Raw, Table
from layerwise.data.tokens import Tokens
from layerwise.data.windows import Windows
from layerwise.data.write import WRITABLE, check_output, write

__all__ = [
    "READABLE",
    "WRITABLE",
    "Batch",
    "Binary",
    "Block",
    "Categorical",
    "Column",
    "Constant",
    "DataSet",
    "Grouped",
    "Numeric",
    "Patches",
    "Pixels",
    "Raw",
    "Rows",
    "Scaling",
    "Schema",
    "SentencePairs",
    "Source",
    "Table",
    "Text",
    "Tokens",
    "Windows",
    "batches",
    "check_output",
    "datasets",
    "from_arrow",
    "from_frame",
    "read",
    "read_lines",
    "to_arrow",
    "write",
]
