"""Which arguments of the default recipe suit some rows: a search with Optuna, which is imported where it is used."""

from layerwise.tuning.search import Found, search
from layerwise.tuning.study import Budget
from layerwise.tuning.trial import Wanted

__all__ = ["Budget", "Found", "Wanted", "search"]
