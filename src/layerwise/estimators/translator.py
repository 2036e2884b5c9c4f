"""Sentences of one language in another."""

import logging
import os
from collections.abc import Callable, Sequence
from typing import Any, final

import numpy as np
from sklearn.utils.validation import check_is_fitted

from layerwise.data import Schema, Table
from layerwise.diagnostics import bleu, remembered
from layerwise.errors import InputError
from layerwise.estimators.arguments import check_arguments
from layerwise.estimators.sentences import name_of, origin_of, sentences_of
from layerwise.estimators.text import EXAMPLES, Pairs, TextEstimator, chosen, gathered
from layerwise.models import Recurrent, SequenceNetwork
from layerwise.recipes import Setting
from layerwise.runtime import Precision
from layerwise.training import Checkpoint, History, Phase, Recipe

__all__ = ["Translator"]

logger = logging.getLogger(__name__)


@final
class Translator(TextEstimator):
    """Translates sentences; learns from pairs of them.

    A network reads the sub-words of a sentence, and writes those of its translation one after the other; a search keeps
    the best beginnings. Both languages share their sub-words, which are found in the training sentences.

    Arguments:
        network: makes the model for a number of tokens: `models.Recurrent`, `models.Transformer`, or
            `functools.partial` of them.
        vocabulary: how many sub-words there are at the most.
        beam: how many beginnings the search keeps; 1 takes the likeliest sub-word each time.
        max_tokens: sub-words of a sentence: `fit` leaves longer pairs out, `predict` refuses longer sentences.
        recipe: phases, a function of a `Setting` that makes them, or the name of one; None is `recipes.translation`.
        validation_fraction: of the sentences, on which the best weights are chosen; at most 1000.
        test_fraction: of the sentences that are held out to judge; at most 1000.
        device: "auto", "cpu", "cuda:1", "mps".
        precision: "auto", "float32" or "bf16"; of training.
        random_state: seed of everything random.
        verbose: 1 shows progress on standard error.

    Attributes:
        model_: the network.
        tokens_: the sub-words.
        metrics_: the BLEU of held-out sentences, which no training pair has as its source: `bleu`, `greedy_bleu` with a
            beam of 1, `memory_bleu` with the translation of the most similar training sentence; and examples.
        history_, recipe_, environment_: as in `DeepAutoencoder`.

    Sources: Sutskever, Vinyals & Le 2014; Bahdanau, Cho & Bengio 2015; Wu et al. 2016 (search).

    >>> from functools import partial
    >>> from layerwise.recipes import translation
    >>> small, short = partial(Recurrent, width=8, layers=1), partial(translation, epochs=1)
    >>> english, french = ["a cat", "a dog", "the cat"] * 4, ["un chat", "un chien", "le chat"] * 4
    >>> translator = Translator(small, vocabulary=270, recipe=short, random_state=0).fit(english, french)
    >>> len(translator.predict(["the dog", "a cat"]))
    2
    """

    def __init__(
        self,
        network: Callable[..., SequenceNetwork] = Recurrent,
        *,
        vocabulary: int = 6000,
        beam: int = 5,
        max_tokens: int = 128,
        recipe: str | Sequence[Phase] | Callable[[Setting], Sequence[Phase]] | None = None,
        validation_fraction: float = 0.05,
        test_fraction: float = 0.05,
        device: str = "auto",
        precision: Precision = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.network = network
        self.vocabulary = vocabulary
        self.beam = beam
        self.max_tokens = max_tokens
        self.recipe = recipe
        self.validation_fraction = validation_fraction
        self.test_fraction = test_fraction
        self.device = device
        self.precision = precision
        self.random_state = random_state
        self.verbose = verbose

    def fit(
        self,
        X: Any,
        y: Any = None,
        *,
        history: History | None = None,
        checkpoint: str | os.PathLike[str] | Checkpoint | None = None,
    ) -> "Translator":
        """Learn from sentences and their translations.

        Arguments:
            X: a list, an array, or a column of texts; a frame or `Table` with one column.
            y: the same, a translation for each; None takes the labels of a `Table`. The same sentence may come with
                several translations.
            history: takes the events of training as they come.
            checkpoint: as in `DeepAutoencoder.fit`.

        Raises:
            InputError: for anything but texts, another number of translations, and arguments that do not fit.
            CheckpointError: when the folder belongs to another run or is in use.
            TrainingDiverged: when the loss stops being finite.
        """
        check_arguments(self.get_params(deep=False))
        self._learn(_pairs(X, y), name_of(X, "source"), origin=origin_of(X), history=history, checkpoint=checkpoint)
        return self

    def plan(self, X: Any, y: Any = None) -> tuple[Schema, SequenceNetwork, Recipe]:
        """What `fit` would make of these pairs: the schema, the untrained network and its phases."""
        check_arguments(self.get_params(deep=False))
        seed = self._seed()
        return self._plan(self._parts(_pairs(X, y), seed, origin=origin_of(X))["train"], name_of(X, "source"), seed)

    def predict(self, X: Any, *, beam: int | None = None) -> list[str]:
        """The translation of each sentence; an empty one has an empty translation, which is told.

        Arguments:
            X: as in `fit`.
            beam: instead of the estimator's.

        Raises:
            InputError: for anything but texts, or one with more sub-words than `max_tokens`.
        """
        check_is_fitted(self)
        width = self.beam if beam is None else beam
        check_arguments({"beam": width})
        sentences, origin = sentences_of(X), origin_of(X)
        empty = [number for number, text in enumerate(sentences) if not text.split()]
        if empty:
            first = origin.row(empty[0])
            logger.warning("empty, and so translated: %d sentences, the first in %s.", len(empty), first)
        return self._written(sentences, beam=width, origin=origin)

    def evaluate(self, X: Any, y: Any = None) -> dict[str, Any]:
        """The figures of `metrics_` for these pairs; a sentence that comes more than once has several references.

        Pairs with an empty side, and sentences with more sub-words than `max_tokens`, are left out, and told.

        Raises:
            InputError: for anything but texts, another number of translations, or where no pair is left.
        """
        check_is_fitted(self)
        return self._scored(self._readable(_pairs(X, y), origin_of(X)))

    def score(self, X: Any, y: Any) -> float:
        """The BLEU of the translations, in percent."""
        return float(self.evaluate(X, y)["bleu"])

    @classmethod
    def load(cls, folder: str | os.PathLike[str], *, device: str = "auto") -> "Translator":
        """A fitted translator from a model folder, without unpickling.

        Raises:
            ModelFileError: when the folder is missing, damaged, changed or newer.
        """
        estimator = cls(device=device)
        estimator.beam = estimator._load(folder).settings["beam"]
        return estimator

    def _made(self, vocabulary: int, *, seed: int) -> SequenceNetwork:
        return self.network(vocabulary, seed=seed)

    def _judged(self, pairs: Pairs, known: Pairs) -> dict[str, Any]:
        groups = gathered(pairs.sources)
        memory = remembered(list(groups), known.sources, targets=known.targets)
        figures = self._scored(pairs)
        return figures | {"memory_bleu": bleu(memory, [chosen(pairs.targets, places) for places in groups.values()])}

    def _scored(self, pairs: Pairs) -> dict[str, Any]:
        groups = gathered(pairs.sources)
        sources, truth = list(groups), [chosen(pairs.targets, places) for places in groups.values()]
        found = self._written(sources, beam=self.beam)
        shown = zip(sources[:EXAMPLES], found, truth, strict=False)
        return {
            "task": "translate",
            "judged": len(sources),
            "beam": self.beam,
            "bleu": bleu(found, truth),
            "greedy_bleu": bleu(self._written(sources, beam=1), truth),
            "examples": [{"source": one, "found": other, "truth": right} for one, other, right in shown],
        }

    def _settings(self) -> dict[str, Any]:
        return {"beam": self.beam}


def _pairs(X: Any, y: Any) -> Pairs:
    targets = X.labels if y is None and isinstance(X, Table) else y
    if targets is None:
        raise InputError("a translator needs a translation for each sentence; got none. Give them as y.")
    pairs = Pairs(sentences_of(X), sentences_of(targets))
    if len(pairs.sources) != len(pairs.targets):
        raise InputError(
            f"there must be as many translations as sentences; got {len(pairs.targets)} for {len(pairs.sources)}."
        )
    return pairs
