"""The estimators over sentences: what they learn, what they keep apart, what they refuse."""

import itertools
import logging
from dataclasses import replace
from functools import partial

import numpy as np
import pandas as pd
import polars as pl
import pytest
import torch
from sklearn.base import clone
from sklearn.exceptions import NotFittedError

from layerwise import InputError, ModelFileError, TextAutoencoder, Translator
from layerwise.data import Schema, Table, Text, from_frame
from layerwise.data.table import Origin
from layerwise.diagnostics import bleu
from layerwise.estimators import load
from layerwise.estimators.sentences import sentences_of
from layerwise.models import Recurrent, Transformer
from layerwise.recipes import translation
from layerwise.storage import save_model

NOUNS = {"cat": "chat", "dog": "chien", "bird": "oiseau", "horse": "cheval", "lion": "lion"}
WORDS = {"black": "noir", "white": "blanc", "old": "vieux", "small": "petit"}
VERBS = {"sees": "voit", "follows": "suit", "wants": "veut"}
SMALL = partial(Recurrent, width=32, layers=1, heads=2, dropout=0.0)
TINY = partial(Recurrent, width=8, layers=1, heads=2)
SHORT = partial(translation, epochs=1)
FAST = {"vocabulary": 280, "recipe": SHORT, "random_state": 0}


def grammar():
    """Sentences whose French word order is another, all different."""
    parts = itertools.product(NOUNS.items(), WORDS.items(), VERBS.items(), NOUNS.items())
    english, french = [], []
    for (who, qui), (which, quel), (does, fait), (whom, que) in parts:
        english.append(f"The {which} {who} {does} a {whom}.")
        french.append(f"Le {qui} {quel} {fait} un {que}.")
    return english, french


ENGLISH, FRENCH = grammar()


@pytest.fixture(scope="module")
def translator():
    recipe = partial(translation, epochs=15, batch_size=16, lr=0.01)
    return Translator(SMALL, vocabulary=400, recipe=recipe, random_state=0).fit(ENGLISH, FRENCH)


@pytest.fixture(scope="module")
def tiny():
    return Translator(TINY, **FAST).fit(ENGLISH, FRENCH)


def test_it_translates_new_sentences_better_than_a_memory(translator):
    metrics = translator.metrics_
    assert metrics["held_out"] == "held-out sentences"
    assert metrics["judged"] == 15
    assert metrics["pairs"] == 270
    assert metrics["bleu"] > 90 > metrics["memory_bleu"] + 30
    (example, *_) = metrics["examples"]
    assert example["source"] in ENGLISH
    assert example["truth"] == [FRENCH[ENGLISH.index(example["source"])]]
    validated = [row["validation"] for row in translator.history_.rows if row.get("validation")]
    assert len(validated) == 16


def test_what_is_given_decides_nothing_but_the_words(translator, caplog):
    sentences = [*ENGLISH[:3], "", "  The  black cat\tsees a cat. ", "the zebra", None]
    found = translator.predict(sentences)
    assert [record.getMessage() for record in caplog.records] == [
        "empty, and so translated: 2 sentences, the first in row 3."
    ]
    assert (found[3], found[6]) == ("", "")
    assert found[4] == found[0] == translator.predict(["The black cat sees a cat."])[0]
    for given in (np.array(ENGLISH[:3]), pd.Series(ENGLISH[:3]), pd.DataFrame({"e": ENGLISH[:3]})):
        assert translator.predict(given) == found[:3]
    for given in (pl.Series(ENGLISH[:3]), from_frame(pl.DataFrame({"e": ENGLISH[:3]})), np.array([ENGLISH[:3]]).T):
        assert translator.predict(given) == found[:3]
    assert translator.predict(ENGLISH[:9], beam=1) == Translator.predict(translator, ENGLISH[:9], beam=1)
    with pytest.raises(InputError, match="beam must be a whole number"):
        translator.predict(ENGLISH, beam=0)


def test_several_translations_of_a_sentence_are_all_right(translator):
    english = [*ENGLISH[:20], *ENGLISH[:20]]
    wrong = ["Non."] * 20
    both = translator.evaluate(english, [*FRENCH[:20], *wrong])
    assert both["judged"] == 20
    assert both["bleu"] == pytest.approx(translator.score(ENGLISH[:20], FRENCH[:20]))
    assert both["bleu"] > translator.score(ENGLISH[:20], wrong)
    assert both["bleu"] == pytest.approx(
        bleu(translator.predict(ENGLISH[:20]), [[right, "Non."] for right in FRENCH[:20]])
    )


def test_no_held_out_sentence_is_the_source_of_a_training_pair():
    sources = [f"a {number % 30}" if number % 2 else f" a  {number % 30}" for number in range(120)]
    estimator = Translator(TINY, validation_fraction=0.2, test_fraction=0.2, **FAST)
    parts = estimator._parts(estimator_pairs(sources), 0, origin=Origin())
    known = [{" ".join(text.split()) for text in part.sources} for part in parts.values()]
    assert [len(one) for one in known] == [18, 6, 6]
    assert not set.intersection(*known[:2]) | set.intersection(*known[1:]) | (known[0] & known[2])
    assert sum(len(part.sources) for part in parts.values()) == 120


def estimator_pairs(sources):
    from layerwise.estimators.text import Pairs

    return Pairs(sources, [text + "!" for text in sources])


@pytest.mark.parametrize("network", [TINY, partial(Transformer, width=8, layers=1, heads=2)])
def test_a_folder_gives_the_same_back_and_the_page_shows_it(network, tmp_path):
    found = Translator(network, beam=3, max_tokens=60, **FAST).fit(pd.DataFrame({"English": ENGLISH}), FRENCH)
    found.save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert type(again) is Translator
    assert (again.beam, again.max_tokens, again.metrics_) == (3, 60, found.metrics_)
    assert again.predict(ENGLISH[:20]) == found.predict(ENGLISH[:20])
    assert again.schema_.names == ("English",)
    again.report(tmp_path / "page.html", title="Translator")
    page = (tmp_path / "page.html").read_text("utf-8")
    assert "Translations" in page
    assert found.metrics_["examples"][0]["source"] in page
    assert "layerwise translate" in (tmp_path / "model" / "README.md").read_text("utf-8")
    with pytest.raises(ModelFileError, match="found another model"):
        TextAutoencoder.load(tmp_path / "model")
    refit = again.set_params(recipe=SHORT, random_state=0, vocabulary=280).fit(ENGLISH, FRENCH)
    assert {k: v.shape for k, v in refit.model_.state_dict().items()} == {
        k: v.shape for k, v in found.model_.state_dict().items()
    }
    clone(found)


def test_the_same_seed_gives_the_same_weights_and_a_checkpoint_goes_on(tiny, tmp_path):
    again = Translator(TINY, **FAST).fit(ENGLISH, FRENCH, checkpoint=tmp_path / "kept")
    resumed = Translator(TINY, **FAST).fit(ENGLISH, FRENCH, checkpoint=tmp_path / "kept")
    for other in (again, resumed):
        pairs = zip(tiny.model_.state_dict().values(), other.model_.state_dict().values(), strict=True)
        assert all(torch.equal(a, b) for a, b in pairs)
        assert other.tokens_.merges == tiny.tokens_.merges


def test_what_is_empty_or_too_long_is_left_out_of_fit_and_told(caplog):
    english, french = [*ENGLISH[:40], "", "Yes.", "word " * 10_000], [*FRENCH[:40], "Vide.", " ", "mot"]
    estimator = Translator(TINY, validation_fraction=0.0, test_fraction=0.0, max_tokens=100, **FAST)
    with caplog.at_level(logging.WARNING):
        estimator.fit(english, french)
    assert [record.getMessage() for record in caplog.records] == [
        "left out what has an empty side: 2 pairs, the first in row 40.",
        "left out what has more than 100 sub-words (max_tokens): 1 pairs, the longest of 10000.",
    ]
    assert estimator.metrics_["pairs"] == 40
    assert estimator.metrics_["held_out"] == "training sentences"
    with pytest.raises(InputError, match=r"at most 100 sub-words; row 1 has 10,000\. Cut it into sentences\."):
        estimator.predict(["Yes.", "word " * 10_000])
    caplog.clear()
    assert estimator.evaluate(english, french) == estimator.evaluate(english[:40], french[:40])
    assert caplog.messages == [
        "left out what has an empty side: 2 pairs, the first in row 40.",
        "left out what has more than 100 sub-words (max_tokens): 1 sentences, the first in row 42.",
    ]
    with pytest.raises(InputError, match="judging needs sentences that can be read"):
        estimator.evaluate([""], ["Vide."])


def test_an_autoencoder_makes_codes_and_sentences_of_them(tmp_path):
    recipe = partial(translation, epochs=12, batch_size=16, lr=0.02)
    found = TextAutoencoder(16, network=SMALL, vocabulary=400, recipe=recipe, random_state=0).fit(ENGLISH)
    assert found.metrics_["exact"] > 0.4
    codes = found.transform(ENGLISH[:30])
    assert (codes.shape, codes.dtype) == ((30, 16), np.float32)
    np.testing.assert_allclose(found.transform(ENGLISH[7:8]), codes[7:8], atol=1e-5)
    back = found.inverse_transform(codes)
    assert np.mean([one == other for one, other in zip(back, ENGLISH, strict=False)]) > 0.4
    assert found.evaluate(ENGLISH[:30])["bleu"] == found.score(ENGLISH[:30])
    found.save(tmp_path / "model")
    again = load(tmp_path / "model")
    assert type(again) is TextAutoencoder
    assert again.n_components == 16
    np.testing.assert_array_equal(again.transform(ENGLISH[:30]), codes)
    again.report(tmp_path / "page.html")
    assert "Sentences from codes" in (tmp_path / "page.html").read_text("utf-8")
    with pytest.raises(InputError, match=r"codes must have the shape \(sentences, 16\)"):
        again.inverse_transform(codes[:, 1:])
    with pytest.raises(InputError, match="row 1 is empty"):
        again.transform(["A cat.", " "])


@pytest.mark.parametrize(
    ("run", "words"),
    [
        (lambda one: one.fit(ENGLISH), "needs a translation for each sentence"),
        (lambda one: one.fit(ENGLISH, FRENCH[1:]), "as many translations as sentences; got 299 for 300"),
        (lambda one: one.fit("Go.", "Va."), "must come as a list of texts; got 'Go.'"),
        (lambda one: one.fit(5, 6), "must come as a list of texts; got 5"),
        (lambda one: one.fit(["Go.", 5], ["Va.", "5"]), "number 1 is 5"),
        (lambda one: one.fit(["Go.", "\ud800"], ["Va.", "x"]), "sentence 1 holds half of a character"),
        (lambda one: one.fit([b"Go."], ["Va."]), "number 0 is b'Go.'"),
        (lambda one: one.fit(np.zeros((3, 2)), ["a"] * 3), "number 0 is array"),
        (lambda one: one.fit(Table.from_array(np.zeros((3, 1))), ["a"] * 3), "column 'x0' must hold sentences"),
        (lambda one: one.fit(pd.DataFrame({"a": ["x"], "b": ["y"]}), ["z"]), "one column; found 2: 'a', 'b'"),
        (lambda one: one.fit(["", "a"], ["b", " "]), "of at most 128 sub-words; found none"),
        (lambda one: one.set_params(vocabulary=100).fit(ENGLISH, FRENCH), "vocabulary must be a whole number from 259"),
        (lambda one: one.set_params(network=3).fit(ENGLISH, FRENCH), "network must be a network"),
        (lambda one: one.set_params(max_tokens=0).fit(ENGLISH, FRENCH), "max_tokens must be"),
    ],
)
def test_bad_input_is_refused_in_one_line(run, words):
    with pytest.raises(InputError, match=words) as caught:
        run(Translator(TINY, **FAST))
    assert "\n" not in str(caught.value)


def test_what_is_not_fitted_says_so():
    with pytest.raises(NotFittedError):
        Translator().predict(["Go."])
    with pytest.raises(NotFittedError):
        TextAutoencoder().transform(["Go."])


def test_missing_sentences_are_empty():
    assert sentences_of([None, float("nan"), "a"]) == ["", "", "a"]
    assert sentences_of(pd.DataFrame({"a": ["x", None]})) == ["x", ""]


def test_a_folder_whose_parts_do_not_fit_is_refused(tiny, tmp_path):
    for number, merges in enumerate([(), (*tiny.tokens_.merges[:-1], ("unknown", "parts"))]):
        forged = replace(tiny.saved(), schema=Schema((Text("source", merges),)))
        save_model(tmp_path / str(number), forged)
        with pytest.raises(ModelFileError, match=r"does not read the columns|two tokens of the vocabulary"):
            load(tmp_path / str(number))
