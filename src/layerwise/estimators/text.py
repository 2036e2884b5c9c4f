"""What the estimators over sentences share: texts in and out, sub-words, a split by sentences, and the search."""

import logging
import os
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeVar

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.utils.validation import check_is_fitted
from torch import Tensor

from layerwise.data import Schema, SentencePairs, Text, Tokens
from layerwise.data.sentences import padded
from layerwise.data.table import Origin
from layerwise.data.tokens import END
from layerwise.errors import InputError, ModelFileError
from layerwise.estimators.arguments import named
from layerwise.estimators.base import SavedEstimator
from layerwise.estimators.page import report_data
from layerwise.estimators.split import split_rows
from layerwise.models import Recurrent, SequenceNetwork, Transformer, beam_search
from layerwise.penalties import SoftmaxCrossEntropy
from layerwise.recipes import Setting, translation
from layerwise.report import write_report
from layerwise.runtime import Runtime
from layerwise.storage import SavedModel, environment, load_model
from layerwise.training import Checkpoint, History, Objective, Phase, Recipe, describe, fit

__all__ = ["Pairs", "TextEstimator", "chosen", "gathered", "whole_pairs"]

logger = logging.getLogger(__name__)

SMOOTHING = 0.1
# Sentences that are searched for at once; of the same length, if possible.
TOGETHER = 64
# So many sentences tell enough.
MOST_JUDGED = 1000
EXAMPLES = 12
Item = TypeVar("Item")


class Pairs(NamedTuple):
    """Sentences to be read, and to each the one that is to be written."""

    sources: list[str]
    targets: list[str]

    def take(self, index: Sequence[int] | NDArray[np.int64]) -> "Pairs":
        """Some of the pairs."""
        return Pairs(chosen(self.sources, index), chosen(self.targets, index))


class TextEstimator(SavedEstimator, ABC):
    """An estimator whose network reads sentences and writes sentences."""

    network: Callable[..., SequenceNetwork]
    vocabulary: int
    max_tokens: int
    recipe: str | Sequence[Phase] | Callable[[Setting], Sequence[Phase]] | None
    validation_fraction: float
    test_fraction: float
    model_: SequenceNetwork
    tokens_: Tokens

    @abstractmethod
    def _made(self, vocabulary: int, *, seed: int) -> SequenceNetwork:
        """An untrained network for so many tokens."""

    @abstractmethod
    def _judged(self, pairs: Pairs, known: Pairs) -> dict[str, Any]:
        """How good it is on these pairs, beside what the training pairs alone would give; and some of them."""

    @abstractmethod
    def _settings(self) -> dict[str, Any]:
        """What it needs beside the model to be itself again."""

    def _plan(self, pairs: Pairs, name: str, seed: int) -> tuple[Schema, SequenceNetwork, Recipe]:
        tokens = Tokens.fit((text for texts in pairs for text in texts), size=self.vocabulary)
        model = self._made(len(tokens), seed=seed)
        setting = Setting(len(pairs.sources), Objective(SoftmaxCrossEntropy(SMOOTHING)))
        recipe = named(self.recipe) or translation
        phases = list(recipe(setting) if callable(recipe) else recipe)
        return Schema((Text(name, tokens.merges),)), model, phases

    def _learn(
        self,
        pairs: Pairs,
        name: str,
        *,
        origin: Origin,
        history: History | None,
        checkpoint: str | os.PathLike[str] | Checkpoint | None,
    ) -> None:
        """Train on all sentences but some of which no training pair has the source, and judge by these."""
        seed = self._seed()
        parts = self._parts(pairs, seed, origin=origin)
        self.schema_, model, recipe = self._plan(parts["train"], name, seed)
        self.tokens_ = tokens_of(self.schema_)
        rows = {part: self._rows(parts[part], told=part == "train") for part in ("train", "validation")}
        if not len(rows["train"]):
            raise InputError(f"training needs a pair of sentences of at most {self.max_tokens} sub-words; found none.")
        with self._run(seed, self.schema_, history=history, checkpoint=checkpoint) as run:
            fit(
                model,
                rows["train"],
                recipe,
                validation=rows["validation"] if len(rows["validation"]) else None,
                seed=seed,
                runtime=run.runtime,
                history=run.history,
                checkpoint=run.part("sentences"),
            )
        self.model_, self.recipe_, self.history_ = model, describe(recipe), run.history
        self.environment_, self.ignored_, self._backend = environment(), (), "numpy"
        self._told, self.n_features_in_ = set(), 1
        held_out = self._short(parts["held_out"])
        held = bool(held_out.sources)
        judged = held_out if held else self._short(parts["train"])
        self.metrics_ = self._judged(judged, parts["train"]) | {
            "pairs": len(rows["train"]),
            "vocabulary": len(self.tokens_),
            "held_out": "held-out sentences" if held else "training sentences",
        }

    def _parts(self, pairs: Pairs, seed: int, *, origin: Origin) -> dict[str, Pairs]:
        """The pairs of three parts that have no source in common; those that are no pairs are left out, and told."""
        pairs = pairs.take(whole_pairs(pairs, origin))
        groups = gathered([" ".join(text.split()) for text in pairs.sources])
        most = MOST_JUDGED / max(1, len(groups))
        fractions = (min(self.validation_fraction, most), min(self.test_fraction, most))
        split = split_rows(len(groups), fractions[0], test_fraction=fractions[1], seed=seed)
        rows = list(groups.values())
        return {
            name: pairs.take([number for group in index.tolist() for number in rows[group]])
            for name, index in vars(split).items()
        }

    def _rows(self, pairs: Pairs, *, told: bool) -> SentencePairs:
        """The pairs as rows, without those that are too long, which are told."""
        sources, targets = (self.tokens_.encode(texts) for texts in pairs)
        kept = [max(len(a), len(b)) <= self.max_tokens for a, b in zip(sources, targets, strict=True)]
        if told and not all(kept):
            left, longest = kept.count(False), max(map(len, (*sources, *targets)))
            words = "left out what has more than %d sub-words (max_tokens): %d pairs, the longest of %d."
            logger.warning(words, self.max_tokens, left, longest)
        index = sorted(np.flatnonzero(kept).tolist(), key=lambda number: (len(targets[number]), len(sources[number])))
        return SentencePairs(chosen(sources, index), chosen(targets, index))

    def _short(self, pairs: Pairs) -> Pairs:
        """Those of the pairs that can be read, of at most so many sources as tell enough."""
        fits = [len(tokens) <= self.max_tokens for tokens in self.tokens_.encode(pairs.sources)]
        kept = pairs.take(np.flatnonzero(fits))
        groups = list(gathered(kept.sources).values())[:MOST_JUDGED]
        return kept.take([number for group in groups for number in group])

    def _readable(self, pairs: Pairs, origin: Origin) -> Pairs:
        """The pairs that can be judged: with both sides, the first of them short enough; what is left out is told."""
        kept = whole_pairs(pairs, origin)
        tokens = self.tokens_.encode(pairs.sources)
        long = [number for number in kept if len(tokens[number]) > self.max_tokens]
        if long:
            words = "left out what has more than %d sub-words (max_tokens): %d sentences, the first in %s."
            logger.warning(words, self.max_tokens, len(long), origin.row(long[0]))
        kept = [number for number in kept if len(tokens[number]) <= self.max_tokens]
        if not kept:
            raise origin.error("judging needs sentences that can be read, and what is to be written; found none.")
        return pairs.take(kept)

    def _read(self, sentences: Sequence[str], origin: Origin) -> list[list[int]]:
        """The tokens of sentences, refused where there are too many."""
        check_is_fitted(self)
        tokens = self.tokens_.encode(sentences)
        long = [number for number, found in enumerate(tokens) if len(found) > self.max_tokens]
        if long:
            also = f" ({len(long):,} such sentences)" if len(long) > 1 else ""
            raise origin.error(
                f"a sentence must have at most {self.max_tokens} sub-words; {origin.row(long[0])} has "
                f"{len(tokens[long[0]]):,}{also}. Cut it into sentences."
            )
        return tokens

    @torch.no_grad()
    def _codes(self, tokens: Sequence[Sequence[int]]) -> Iterator[tuple[list[int], Tensor]]:
        """Numbers of sentences that are about as long as each other, and their codes; empty ones are left out."""
        self.model_.eval()
        device = next(self.model_.parameters()).device
        order = sorted((number for number, one in enumerate(tokens) if len(one)), key=lambda one: len(tokens[one]))
        for start in range(0, len(order), TOGETHER):
            numbers = order[start : start + TOGETHER]
            source = padded([np.array([*tokens[number], END], np.int64) for number in numbers])
            yield numbers, self.model_.encode(source.to(device))

    def _written(self, sentences: Sequence[str], *, beam: int, origin: Origin | None = None) -> list[str]:
        """What the network writes after each sentence; nothing after an empty one."""
        tokens = self._read(sentences, origin or Origin())
        found: list[Sequence[int]] = [()] * len(tokens)
        for numbers, code in self._codes(tokens):
            longest = [2 * len(tokens[number]) + 10 for number in numbers]
            for number, one in zip(numbers, beam_search(self.model_, code, longest=longest, beam=beam), strict=True):
                found[number] = one.tokens
        return self.tokens_.decode(found)

    def saved(self) -> SavedModel:
        """All that a model folder holds."""
        return self._as_saved({"max_tokens": self.max_tokens, **self._settings()})

    def report(self, path: str | os.PathLike[str], *, title: str = "Sentences") -> None:
        """Write one self-contained HTML page with the figures of `metrics_` and some of the sentences.

        Raises:
            ResourceError: when the place cannot be written.
        """
        check_is_fitted(self)
        write_report(report_data(self.saved(), title=title, source=f"the {self.metrics_['held_out']} of fit"), path)

    def _load(self, folder: str | os.PathLike[str]) -> SavedModel:
        """Be the estimator of a model folder."""
        saved = load_model(folder)
        model = saved.model
        if saved.settings.get("class") != type(self).__name__ or not isinstance(model, Recurrent | Transformer):
            raise ModelFileError(f"{folder}: must hold what {type(self).__name__} saves; found another model.")
        self._restore(saved)
        try:
            self.tokens_ = tokens_of(saved.schema)
        except InputError as error:
            raise ModelFileError(f"{folder}: {error}") from error
        self.vocabulary, self.max_tokens = len(self.tokens_), saved.settings["max_tokens"]
        self.network = partial(type(model), **model.config().model_dump(exclude={"network", "vocabulary", "code"}))
        model.to(Runtime(self.device, "float32").torch_device)
        return saved


def tokens_of(schema: Schema) -> Tokens:
    """The sub-words of a schema of sentences.

    >>> len(tokens_of(Schema((Text("source"),))))
    259
    """
    assert schema.text is not None
    return Tokens(schema.text.merges)


def whole_pairs(pairs: Pairs, origin: Origin) -> list[int]:
    """The numbers of the pairs of which no side is empty; how many others there are, and the first, is told.

    >>> whole_pairs(Pairs(["a", " ", "b"], ["c", "d", "e"]), Origin())
    [0, 2]
    """
    sides = zip(*pairs, strict=True)
    whole = [all(map(str.split, pair)) for pair in sides]
    if not all(whole):
        first = origin.row(whole.index(False))
        logger.warning("left out what has an empty side: %d pairs, the first in %s.", whole.count(False), first)
    return np.flatnonzero(whole).tolist()


def gathered(items: Sequence[Item]) -> dict[Item, list[int]]:
    """The places of each item, in the order in which they come first.

    >>> gathered(["a", "b", "a"])
    {'a': [0, 2], 'b': [1]}
    """
    places: dict[Item, list[int]] = {}
    for place, item in enumerate(items):
        places.setdefault(item, []).append(place)
    return places


def chosen(items: Sequence[Item], index: Sequence[int] | NDArray[np.int64]) -> list[Item]:
    """Some of the items.

    >>> chosen(["a", "b", "c"], [2, 0])
    ['c', 'a']
    """
    return [items[place] for place in index]
