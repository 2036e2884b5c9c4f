"""How good translations are, and what a memory of translations would give."""

import re
from collections.abc import Sequence
from typing import Any

import numpy as np
from sklearn.feature_extraction.text import TfidfVectorizer

from layerwise.errors import InputError

__all__ = ["bleu", "remembered"]

QUERIES = 100


def bleu(found: Sequence[str], references: Sequence[Sequence[str]]) -> float:
    """The BLEU of translations, in percent; higher is better.

    The share of their words, and of their stretches of two, three and four words, that are in one of the references of
    the same sentence; their geometric mean over all sentences together, lessened where they are too short.

    Arguments:
        found: a translation for each sentence.
        references: for each sentence the right ones, at least one.

    Raises:
        InputError: without the package `sacrebleu`, or for another number of references.

    Sources: Papineni et al. 2002; Post 2018, "A call for clarity in reporting BLEU scores" (its words, `13a`).

    >>> round(bleu(["the cat sat on the mat"], [["a cat sat on the mat", "the cat lay there"]]), 1)
    80.3
    """
    try:
        import sacrebleu
    except ImportError as error:
        raise InputError(
            'BLEU needs the package sacrebleu, which is not installed. Run: pip install "layerwise[text]"'
        ) from error
    if len(found) != len(references) or not all(references):
        raise InputError(f"each of the {len(found)} translations needs a reference; got {len(references)} lists.")
    most = max(map(len, references), default=0)
    # A sentence with fewer references than others has None in their place.
    streams: list[list[Any]] = [[*one, *[None] * (most - len(one))] for one in references]
    return float(sacrebleu.corpus_bleu(list(found), list(zip(*streams, strict=True))).score)


def remembered(queries: Sequence[str], sources: Sequence[str], *, targets: Sequence[str]) -> list[str]:
    """For each sentence the translation of the most similar one of those that are known: a translation memory.

    Similar are sentences with the same rare words: the cosine of their words, weighted by inverse frequency.

    >>> remembered(["a red cat"], ["a dog", "the red cat"], targets=["un chien", "le chat rouge"])
    ['le chat rouge']
    """
    words = TfidfVectorizer(analyzer=_words, sublinear_tf=True)
    try:
        known = words.fit_transform(sources).T.tocsc()
    except ValueError:
        # Not one word.
        return [targets[0]] * len(queries)
    found: list[int] = []
    for start in range(0, len(queries), QUERIES):
        similar = words.transform(queries[start : start + QUERIES]) @ known
        found.extend(np.asarray(similar.argmax(axis=1)).reshape(-1).tolist())
    return [targets[place] for place in found]


def _words(text: str) -> list[str]:
    """Words, those of one letter too, and the marks between them."""
    return re.findall(r"\w+|[^\w\s]", text.lower())
