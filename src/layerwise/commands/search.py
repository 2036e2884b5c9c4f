"""Search: the recipe that suits some rows, as a file."""

from pathlib import Path
from typing import Any

from layerwise.files import check_file
from layerwise.options import DataOptions
from layerwise.recipes import write_recipe
from layerwise.tuning import Budget, Wanted
from layerwise.tuning import search as search_rows
from layerwise.tuning.search import Tell

__all__ = ["search", "verdicts"]

OPPONENTS = {"default": "the default recipe", "pca": "PCA"}


def search(
    source: DataOptions, wanted: Wanted, *, budget: Budget, output: Path, tell: Tell | None = None
) -> dict[str, Any]:
    """Search, write the best recipe, and give the figures.

    Raises:
        InputError: for unusable data, a storage that cannot be used, or a study that is another search.
        ResourceError: when the recipe cannot be written; found before the search starts.
    """
    check_file(output)
    found = search_rows(source.read(), wanted, budget=budget, tell=tell)
    write_recipe(output, found.recipe)
    return found.figures


def verdicts(figures: dict[str, Any], code: int) -> str:
    """What a search came to, in three lines.

    >>> found = {"validation": {"found": 0.9, "default": 1.0}, "trials": 20, "pruned": 9, "rate": 0.002}
    >>> found["held_out"] = {"rows": 40, "found": 1.0, "default": 1.0, "pca": 2.0}
    >>> print(verdicts(found, 5))
    20 trials, 9 of them abandoned early: validation error 0.9, that of the default recipe 1 (-10.0%)
    on 40 held-out rows that no trial has seen: PCA-5 2   default recipe 1   found recipe 1
      the found recipe is as good as the default recipe and better than PCA by 50.0%
    """
    validation, held_out = figures["validation"], figures["held_out"]
    change = validation["found"] / validation["default"] - 1 if validation["default"] else 0.0
    beside = [_beside(held_out["found"], held_out[name], word) for name, word in OPPONENTS.items()]
    return "\n".join(
        [
            f"{_trials(figures['trials'])}, {figures['pruned']} of them abandoned early: validation error "
            f"{validation['found']:.4g}, that of the default recipe {validation['default']:.4g} ({change:+.1%})",
            f"on {held_out['rows']} held-out rows that no trial has seen: PCA-{code} {held_out['pca']:.4g}   "
            f"default recipe {held_out['default']:.4g}   found recipe {held_out['found']:.4g}",
            f"  the found recipe is {' and '.join(beside)}",
        ]
    )


def _trials(number: int) -> str:
    return "1 trial" if number == 1 else f"{number} trials"


def _beside(ours: float, theirs: float, word: str) -> str:
    """How one error compares with another.

    >>> _beside(1.0, 2.0, "PCA"), _beside(3.0, 2.0, "PCA")
    ('better than PCA by 50.0%', 'worse than PCA by 50.0%')
    >>> _beside(1.0001, 1.0, "PCA")
    'as good as PCA'
    """
    # What is told to a tenth of a percent is no difference below half of that.
    if abs(ours - theirs) < 0.0005 * theirs or ours == theirs:
        return f"as good as {word}"
    if not theirs:
        return f"worse than {word}, which is exact here"
    return f"{'better' if ours < theirs else 'worse'} than {word} by {abs(ours / theirs - 1):.1%}"
