"""A short code for each sentence, and the sentence that a code stands for."""

import os
from collections.abc import Callable, Sequence
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from sklearn.base import TransformerMixin
from sklearn.utils.validation import check_is_fitted

from layerwise.diagnostics import bleu
from layerwise.errors import InputError
from layerwise.estimators.arguments import check_arguments
from layerwise.estimators.sentences import name_of, origin_of, sentences_of
from layerwise.estimators.text import EXAMPLES, TOGETHER, Pairs, TextEstimator
from layerwise.models import Recurrent, SequenceNetwork, beam_search
from layerwise.recipes import Setting
from layerwise.runtime import Precision
from layerwise.training import Checkpoint, History, Phase

__all__ = ["TextAutoencoder"]


@final
class TextAutoencoder(TransformerMixin, TextEstimator):
    """A code of a few numbers for each sentence, from which the sentence is written again.

    A network reads the sub-words of a sentence, and makes one vector of them; another writes the sentence from this
    vector alone.

    Arguments:
        n_components: numbers of a code.
        network, vocabulary, max_tokens, recipe, validation_fraction, test_fraction, device, precision, random_state,
            verbose: as in `Translator`.

    Attributes:
        model_, tokens_, history_, recipe_, environment_: as in `Translator`.
        metrics_: of held-out sentences: `bleu`, of the written ones beside the read ones, and `exact`, the share that
            came back to the letter, but for white space; and examples.

    Sources: Sutskever, Vinyals & Le 2014; Dai & Le 2015, "Semi-supervised sequence learning".

    >>> from functools import partial
    >>> from layerwise.recipes import translation
    >>> small, short = partial(Recurrent, width=8, layers=1), partial(translation, epochs=1)
    >>> encoder = TextAutoencoder(3, network=small, vocabulary=270, recipe=short, random_state=0)
    >>> encoder.fit(["a cat", "a dog", "the cat"] * 4).transform(["the dog"]).shape
    (1, 3)
    """

    def __init__(
        self,
        n_components: int = 64,
        *,
        network: Callable[..., SequenceNetwork] = Recurrent,
        vocabulary: int = 6000,
        max_tokens: int = 128,
        recipe: str | Sequence[Phase] | Callable[[Setting], Sequence[Phase]] | None = None,
        validation_fraction: float = 0.05,
        test_fraction: float = 0.05,
        device: str = "auto",
        precision: Precision = "auto",
        random_state: int | np.random.RandomState | None = None,
        verbose: int = 0,
    ) -> None:
        self.n_components = n_components
        self.network = network
        self.vocabulary = vocabulary
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
    ) -> "TextAutoencoder":
        """Learn from sentences.

        Arguments:
            X: a list, an array, or a column of texts; a frame or `Table` with one column.
            y: ignored.
            history: takes the events of training as they come.
            checkpoint: as in `DeepAutoencoder.fit`.

        Raises:
            InputError: for anything but texts, and arguments that do not fit.
            CheckpointError: when the folder belongs to another run or is in use.
            TrainingDiverged: when the loss stops being finite.
        """
        check_arguments(self.get_params(deep=False))
        sentences = sentences_of(X)
        self._learn(
            Pairs(sentences, sentences), name_of(X, "text"), origin=origin_of(X), history=history, checkpoint=checkpoint
        )
        return self

    def transform(self, X: Any) -> NDArray[np.float32]:
        """The code of each sentence, shape (sentences, n_components).

        Raises:
            InputError: for anything but texts, one that is empty, or one with more sub-words than `max_tokens`.
        """
        check_is_fitted(self)
        origin = origin_of(X)
        tokens = self._read(sentences_of(X), origin)
        if empty := [number for number, found in enumerate(tokens) if not found]:
            raise origin.error(f"a sentence must have a code; {origin.row(empty[0])} is empty. Leave it out.")
        codes = np.zeros((len(tokens), self.model_.code), np.float32)
        for numbers, code in self._codes(tokens):
            codes[numbers] = code.cpu().numpy()
        return codes

    @torch.no_grad()
    def inverse_transform(self, X: Any) -> list[str]:
        """The sentence that each code stands for: the likeliest sub-word each time.

        Raises:
            InputError: for codes of another size.
        """
        check_is_fitted(self)
        codes = np.asarray(X, np.float32)
        if codes.ndim != 2 or codes.shape[1] != self.model_.code:
            raise InputError(f"codes must have the shape (sentences, {self.model_.code}); got {codes.shape}.")
        device = next(self.model_.parameters()).device
        found = [
            one.tokens
            for part in torch.from_numpy(codes).to(device).split(TOGETHER)
            for one in beam_search(self.model_, part, longest=[self.max_tokens] * len(part), beam=1)
        ]
        return self.tokens_.decode(found)

    def evaluate(self, X: Any) -> dict[str, Any]:
        """The figures of `metrics_` for these sentences.

        Raises:
            InputError: for anything but texts, and empty or too long ones.
        """
        sentences = sentences_of(X)
        return self._scored(sentences)

    def score(self, X: Any, y: Any = None) -> float:
        """The BLEU of the sentences that come back, in percent."""
        return float(self.evaluate(X)["bleu"])

    @classmethod
    def load(cls, folder: str | os.PathLike[str], *, device: str = "auto") -> "TextAutoencoder":
        """A fitted autoencoder from a model folder, without unpickling.

        Raises:
            ModelFileError: when the folder is missing, damaged, changed or newer.
        """
        estimator = cls(device=device)
        estimator._load(folder)
        estimator.n_components = estimator.model_.code
        return estimator

    def _made(self, vocabulary: int, *, seed: int) -> SequenceNetwork:
        return self.network(vocabulary, code=self.n_components, seed=seed)

    def _judged(self, pairs: Pairs, known: Pairs) -> dict[str, Any]:
        return self._scored(pairs.sources)

    def _scored(self, sentences: list[str]) -> dict[str, Any]:
        found = self.inverse_transform(self.transform(sentences))
        plain = [" ".join(text.split()) for text in sentences]
        shown = zip(plain[:EXAMPLES], found, strict=False)
        return {
            "task": "encode",
            "judged": len(sentences),
            "bleu": bleu(found, [[text] for text in plain]),
            "exact": float(np.mean([one == other for one, other in zip(found, plain, strict=True)])),
            "examples": [{"source": one, "found": other, "truth": [one]} for one, other in shown],
        }

    def _settings(self) -> dict[str, Any]:
        return {}
