"""The search beside plain ways to find the same sentences."""

import itertools

import numpy as np
import pytest
import torch

from layerwise.data.sentences import padded
from layerwise.data.tokens import BEGIN, END
from layerwise.errors import InputError
from layerwise.models import Recurrent, Transformer, beam_search

KINDS = {"recurrent": Recurrent, "transformer": Transformer}
SOURCES = [[3, 4, 4], [4], [3, 3, 4, 3, 4], [4, 4]]
kinds = pytest.mark.parametrize("kind", KINDS)


def model_of(kind, vocabulary=5, seed=0):
    """A network whose first weights are so large that its sentences differ, and which likes to end them."""
    model = KINDS[kind](vocabulary, width=8, layers=1, heads=2, dropout=0.0, seed=seed).double().eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter *= 2.5
        model.vocabulary.bias[END] += 2.0
    return model


def source_of(*sentences):
    return padded([np.array([*one, END]) for one in sentences])


@torch.no_grad()
def total(model, source, tokens):
    """The log-probability of a sentence and its end, where marks cannot be written."""
    x = torch.tensor([[*source, END, BEGIN, *tokens]])
    logits = model(x).natural[0].T
    logits[:, :END] = -torch.inf
    return float(logits.log_softmax(1)[range(len(tokens) + 1), [*tokens, END]].sum())


def exhausted(model, source, longest, exponent):
    """Of all sentences up to a length the one with the best score."""
    words = range(END + 1, len(model.vocabulary.weight))
    everything = [one for size in range(longest + 1) for one in itertools.product(words, repeat=size)]
    scores = {one: total(model, source, one) / ((5 + len(one) + 1) / 6) ** exponent for one in everything}
    return max(scores.items(), key=lambda item: item[1])


@kinds
@pytest.mark.parametrize("exponent", [0.0, 0.6, 1.0])
def test_a_beam_that_holds_everything_finds_the_best_sentence(kind, exponent):
    for seed in range(2):
        model = model_of(kind, seed=seed)
        found = beam_search(model, model.encode(source_of(*SOURCES)), longest=[3] * 4, beam=2**4, exponent=exponent)
        for source, one in zip(SOURCES, found, strict=True):
            tokens, score = exhausted(model, source, 3, exponent)
            assert one.tokens == tokens
            assert one.score == pytest.approx(score, abs=1e-5)


@kinds
def test_a_beam_of_one_takes_the_likeliest_token_each_time(kind):
    longest = [6, 3, 9, 0]
    ends = set()
    for seed in range(4):
        model = model_of(kind, vocabulary=8, seed=seed)
        found = beam_search(model, model.encode(source_of(*SOURCES)), longest=longest, beam=1)
        for source, most, one in zip(SOURCES, longest, found, strict=True):
            tokens: list[int] = []
            while len(tokens) < most:
                logits = model(torch.tensor([[*source, END, BEGIN, *tokens]])).natural[0, :, -1]
                best = int(logits[END:].argmax()) + END
                if best == END:
                    break
                tokens.append(best)
            assert one.tokens == tuple(tokens)
            ends.add(len(tokens) < most)
    assert ends == {True, False}


@kinds
@pytest.mark.parametrize("beam", [1, 2, 5])
def test_each_sentence_is_searched_for_by_itself(kind, beam):
    model, longest = model_of(kind, vocabulary=9), [7, 2, 5, 4]
    together = beam_search(model, model.encode(source_of(*SOURCES)), longest=longest, beam=beam)
    for source, most, one in zip(SOURCES, longest, together, strict=True):
        (alone,) = beam_search(model, model.encode(source_of(source)), longest=[most], beam=beam)
        assert alone.tokens == one.tokens
        assert alone.score == pytest.approx(one.score)
        assert len(one.tokens) <= most


@kinds
def test_the_score_is_that_of_the_whole_sentence(kind):
    model = model_of(kind, vocabulary=9)
    for source, one in zip(
        SOURCES, beam_search(model, model.encode(source_of(*SOURCES)), longest=[20] * 4, beam=4), strict=True
    ):
        size = len(one.tokens) + 1
        if size <= 20:
            assert one.score == pytest.approx(total(model, source, one.tokens) / ((5 + size) / 6) ** 0.6, abs=1e-5)


def test_a_beam_without_a_place_is_refused():
    model = model_of("recurrent")
    with pytest.raises(InputError, match="a beam must be a whole number from 1 on; got 0"):
        beam_search(model, model.encode(source_of([3])), longest=[3], beam=0)
