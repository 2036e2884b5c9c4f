"""Sub-words: every text goes there and back, and the same texts give the same ones."""

import random
import subprocess
import sys

import pytest
import torch

from layerwise.data import SentencePairs, Tokens, batches
from layerwise.data.tokens import BEGIN, END, PAD, vocabulary_size
from layerwise.errors import InputError
from layerwise.training import TensorRows
from tests.architecture import ROOT

TEXTS = ["the lower house is lower than the other house", "la maison est plus basse que l'autre maison"] * 3


def test_every_text_goes_there_and_back():
    tokens = Tokens.fit(TEXTS, size=300)
    assert len(tokens) == vocabulary_size(tokens.merges) <= 300
    strange = [
        "the house",
        "",
        "  a\tb\u202fc\xa0 d ",
        "\U0001f600 ¿",
        "<pad> <begin>",
        "e\u0301",
        "0" * 50,
        "\x00\x7f",
    ]
    expected = ["the house", "", "a b c d", "\U0001f600 ¿", "<pad> <begin>", "\xe9", "0" * 50, "\x00\x7f"]
    found = tokens.encode(strange)
    assert tokens.decode(found) == expected
    assert not {PAD, BEGIN, END} & {token for one in found for token in one}
    assert max(token for one in found for token in one) < len(tokens)
    assert found[1] == []


def test_the_merges_are_all_there_is():
    tokens = Tokens.fit(TEXTS, size=290)
    again = Tokens(tokens.merges)
    assert again.encode(TEXTS) == tokens.encode(TEXTS) == Tokens.fit(TEXTS, size=290).encode(TEXTS)
    assert max(map(len, tokens.encode(TEXTS))) < max(map(len, Tokens().encode(TEXTS)))


@pytest.mark.parametrize("merges", [[("ab", "c")], [("a", "b"), ("abc", "d")], [("", "a")]])
def test_a_merge_of_what_is_not_there_is_refused(merges):
    with pytest.raises(InputError, match="two tokens of the vocabulary"):
        Tokens(merges)


def test_a_vocabulary_without_the_bytes_is_refused():
    with pytest.raises(InputError, match="at least 259 tokens"):
        Tokens.fit(TEXTS, size=258)


def test_bytes_that_are_no_text_do_no_harm():
    tokens = Tokens()
    (ids,) = tokens.encode(["\U0001f600"])
    assert tokens.decode([ids[:2]])[0].replace("\ufffd", "") == ""


def test_without_the_library_it_is_told_in_a_line():
    blocked = "import sys\nsys.modules['tokenizers'] = None\nfrom layerwise.data import Tokens\nTokens()"
    done = subprocess.run([sys.executable, "-c", blocked], cwd=ROOT, capture_output=True, text=True, check=False)
    assert "InputError: text needs the package tokenizers" in done.stderr.splitlines()[-1]


def pairs_of(count):
    draw = random.Random(0)
    sizes = [(draw.randint(1, 9), draw.randint(1, 9)) for _ in range(count)]
    return SentencePairs([[5] * a for a, _ in sizes], [[6] * b for _, b in sizes])


def test_batches_hold_all_rows_once_and_little_padding():
    rows = pairs_of(500)
    one, same, other = (batches(rows, 40, generator=torch.Generator().manual_seed(seed)) for seed in (0, 0, 1))
    assert all(torch.equal(a, b) for a, b in zip(one, same, strict=True))
    assert not all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    assert sorted(torch.cat(list(one)).tolist()) == list(range(500))
    assert {len(index) for index in one} == {12, 13}

    def padding(found):
        return sum(int((rows.batch(index).x == PAD).sum()) for index in found)

    plain = batches(TensorRows(torch.zeros(500, 1)), 40, generator=torch.Generator().manual_seed(0))
    assert padding(one) < 0.3 * padding(plain)


def test_there_must_be_as_many_of_both():
    with pytest.raises(InputError, match="as many targets as sources; got 1 for 2"):
        SentencePairs([[5], [6]], [[5]])
