"""What happened and why: pure functions of a model and rows."""

from layerwise.diagnostics.energy import energy
from layerwise.diagnostics.reconstruction import Comparison, compare, passes
from layerwise.diagnostics.units import unit_activity

__all__ = ["Comparison", "compare", "energy", "passes", "unit_activity"]
