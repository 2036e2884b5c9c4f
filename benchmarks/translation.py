"""Are new sentences translated, and does the search help?

    python -m benchmarks.translation --data-dir DATA [--quick] [--network transformer] [--seed 0]

DATA holds `eng-fra/fra.txt.gz`. All pairs whose English sentence has at most 10 words; 5,000 of the different English
sentences are held out with all their translations, so that none of them is in a training pair. The default translator
learns from the others; it sets some of them aside itself, to choose the best weights and to judge. BLEU by sacrebleu,
in percent, of the held-out sentences: by the search, with a beam of 1, and with the translation of the most similar
training sentence; all the translations that the file has for a sentence are right. `one reference` takes only the first
of them. Seconds of `fit`, of the search, and of the beam of 1.
"""

import argparse
import time
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.results import keep
from layerwise import Translator, read
from layerwise.diagnostics import bleu, remembered
from layerwise.models import Recurrent, Transformer
from layerwise.recipes import translation

MOST_WORDS, HELD_OUT, QUICK = 10, 5000, 20
NETWORKS = {
    "recurrent": (Recurrent, translation),
    "transformer": (Transformer, partial(translation, lr=1e-3)),
}


def pairs_of(folder: Path) -> list[tuple[str, str]]:
    """English and French sentences."""
    table = read("eng-fra", data_dir=folder)
    english, french = (table.column(place).texts().tolist() for place in range(2))
    return [pair for pair in zip(english, french, strict=True) if len(pair[0].split()) <= MOST_WORDS]


def divided(
    pairs: Sequence[tuple[str, str]], held_out: int, *, seed: int
) -> tuple[list[tuple[str, str]], dict[str, list[str]]]:
    """The training pairs, and the held-out English sentences, each with its translations."""
    english = sorted({one for one, _ in pairs})
    chosen = np.random.default_rng(seed).permutation(len(english))[:held_out]
    held: dict[str, list[str]] = {english[number]: [] for number in chosen.tolist()}
    train = []
    for one, other in pairs:
        if one in held:
            held[one].append(other)
        else:
            train.append((one, other))
    return train, held


def measure(translator: Translator, train: Sequence[tuple[str, str]], held: dict[str, list[str]]) -> dict[str, Any]:
    """Fit, and translate what was held out."""
    english, french = (list(texts) for texts in zip(*train, strict=True))
    sources, references = list(held), list(held.values())
    assert not held.keys() & set(english)
    figures: dict[str, Any] = {"training pairs": len(train), "held-out sentences": len(held)}
    started = time.perf_counter()
    translator.fit(english, french)
    figures["seconds of fit"] = time.perf_counter() - started
    figures["epochs"] = translator.history_.phases()[0]["epochs"]
    found = {}
    for name, beam in (("search", translator.beam), ("beam of 1", 1)):
        started = time.perf_counter()
        found[name] = translator.predict(sources, beam=beam)
        figures[f"seconds of the {name}"] = time.perf_counter() - started
    found["most similar sentence"] = remembered(sources, english, targets=french)
    figures["BLEU"] = {name: bleu(texts, references) for name, texts in found.items()}
    first = [texts[:1] for texts in references]
    figures["BLEU, one reference"] = {name: bleu(texts, first) for name, texts in found.items()}
    for one, text, right in zip(sources[:10], found["search"], references, strict=False):
        print(f"{one} | {text} | {' / '.join(right)}")
    return figures


def main(words: Sequence[str] | None = None) -> None:
    """Measure, print and keep."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--data-dir", type=Path, required=True)
    parser.add_argument("--network", choices=list(NETWORKS), default="recurrent")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--quick", action="store_true", help="500 pairs, a small network, one epoch; nothing kept")
    arguments = parser.parse_args(words)
    network, recipe = NETWORKS[arguments.network]
    pairs = pairs_of(arguments.data_dir)
    if arguments.quick:
        train, held = divided(pairs[:500], QUICK, seed=arguments.seed)
        small, short = partial(network, width=16, layers=1), partial(recipe, epochs=1)
        translator = Translator(small, vocabulary=300, recipe=short, random_state=arguments.seed)
    else:
        train, held = divided(pairs, HELD_OUT, seed=arguments.seed)
        translator = Translator(network, recipe=recipe, random_state=arguments.seed, verbose=1)
    figures = measure(translator, train, held)
    for name, value in figures.items():
        print(f"{name}: {value}", flush=True)
    if not arguments.quick:
        keep("translation" if arguments.network == "recurrent" else "translation-transformer", figures)


if __name__ == "__main__":
    main()
