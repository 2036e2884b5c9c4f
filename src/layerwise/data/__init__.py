"""Where rows come from, and the schema that makes them numbers."""

from layerwise.data.arrow import from_arrow, to_arrow
from layerwise.data.columns import Binary, Categorical, Column, Constant, Numeric, Pixels
from layerwise.data.datasets import DataSet, datasets
from layerwise.data.frames import from_frame
from layerwise.data.patches import Patches
from layerwise.data.read import READABLE, read
from layerwise.data.rows import Batch, Rows
from layerwise.data.schema import Block, Scaling, Schema
from layerwise.data.source import Source
from layerwise.data.table import Raw, Table
from layerwise.data.windows import Windows
from layerwise.data.write import WRITABLE, check_writable, write

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
    "Numeric",
    "Patches",
    "Pixels",
    "Raw",
    "Rows",
    "Scaling",
    "Schema",
    "Source",
    "Table",
    "Windows",
    "check_writable",
    "datasets",
    "from_arrow",
    "from_frame",
    "read",
    "to_arrow",
    "write",
]
