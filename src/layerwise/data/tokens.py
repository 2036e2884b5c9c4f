"""Sub-words: how sentences become numbers, and numbers sentences."""

import json
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, final

from layerwise.errors import InputError

if TYPE_CHECKING:
    from tokenizers import Tokenizer

__all__ = ["BEGIN", "END", "PAD", "Tokens", "vocabulary_size"]

# The first tokens of every vocabulary: what fills a row, and what goes before and after a sentence.
PAD, BEGIN, END = 0, 1, 2
MARKS = ("<pad>", "<begin>", "<end>")
BYTES = 256
LEAST_FREQUENCY = 2
Merges = tuple[tuple[str, str], ...]


@final
class Tokens:
    """The sub-words of one language or of several together, by byte-pair encoding; all texts can be written in them.

    The vocabulary is three marks, the 256 bytes, and one token for each merge of two others, in this order. Texts are
    brought to Unicode's normal form C, and white space of any kind is one blank.

    Arguments:
        merges: pairs of tokens that become one, the most important first.

    Raises:
        InputError: without the package `tokenizers`, or for a merge of tokens that are not there.

    Sources: Sennrich, Haddow & Birch 2016, "Neural machine translation of rare words with subword units", section 3.2;
    Radford et al. 2019, section 2.2 (bytes instead of characters).

    >>> tokens = Tokens.fit(["low lower lowest", "new newer newest"] * 2, size=270)
    >>> len(tokens), tokens.decode(tokens.encode(["lower  than new", "Δx"]))
    (270, ['lower than new', 'Δx'])
    """

    def __init__(self, merges: Iterable[tuple[str, str]] = ()) -> None:
        self.merges: Merges = tuple((first, second) for first, second in merges)
        self._tokenizer = _tokenizer(self.merges)

    def __len__(self) -> int:
        return vocabulary_size(self.merges)

    @staticmethod
    def fit(sentences: Iterable[str], *, size: int) -> "Tokens":
        """The sub-words that shorten these sentences most.

        Arguments:
            sentences: of all languages that are to share them.
            size: of the vocabulary at the most; where there is little text it is smaller.

        Raises:
            InputError: without the package `tokenizers`, or for a vocabulary that does not hold the bytes.
        """
        tokenizer, least = _tokenizer(()), vocabulary_size(())
        if size < least:
            raise InputError(f"a vocabulary must have at least {least} tokens, the bytes and three marks; got {size}.")
        from tokenizers import trainers

        trainer = trainers.BpeTrainer(
            vocab_size=size,
            min_frequency=LEAST_FREQUENCY,
            special_tokens=list(MARKS),
            initial_alphabet=_alphabet(),
            show_progress=False,
        )
        tokenizer.train_from_iterator(sentences, trainer)
        model = json.loads(tokenizer.to_str())["model"]
        return Tokens((first, second) for first, second in model["merges"])

    def encode(self, sentences: Sequence[str]) -> list[list[int]]:
        """The tokens of each sentence, without marks; the marks' names in a text are plain text."""
        return [found.ids for found in self._tokenizer.encode_batch(list(sentences), add_special_tokens=False)]

    def decode(self, tokens: Sequence[Sequence[int]]) -> list[str]:
        """The sentences that the tokens are; bytes that are no text become the replacement character."""
        return [" ".join(text.split()) for text in self._tokenizer.decode_batch([list(one) for one in tokens])]


def vocabulary_size(merges: Merges) -> int:
    """How many tokens there are with these merges.

    >>> vocabulary_size((("a", "b"), ("ab", "c")))
    261
    """
    return len(MARKS) + BYTES + len({first + second for first, second in merges})


def _alphabet() -> list[str]:
    from tokenizers import pre_tokenizers

    return sorted(pre_tokenizers.ByteLevel.alphabet())


def _tokenizer(merges: Merges) -> "Tokenizer":
    try:
        from tokenizers import Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
    except ImportError as error:
        raise InputError(
            'text needs the package tokenizers, which is not installed. Run: pip install "layerwise[text]"'
        ) from error
    vocabulary: dict[str, int] = {}
    for token in (*MARKS, *_alphabet(), *(first + second for first, second in merges)):
        vocabulary.setdefault(token, len(vocabulary))
    if unknown := [one for pair in merges for one in pair if one not in vocabulary]:
        raise InputError(f"a merge must be of two tokens of the vocabulary; found {unknown[0]!r}.")
    tokenizer = Tokenizer(models.BPE(vocabulary, list(merges)))
    blanks = [normalizers.NFC(), normalizers.Replace(Regex(r"\s+"), " "), normalizers.Strip()]
    tokenizer.normalizer = normalizers.Sequence(blanks)
    # The first word is the same token as in the middle of a sentence.
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=True)
    tokenizer.decoder = decoders.ByteLevel()
    return tokenizer
