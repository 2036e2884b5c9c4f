"""Sentences that were read, what was written, and what is right."""

from typing import Any

from layerwise.report.blocks import Block, Cell, Section, Table, Text, Tile, Tiles
from layerwise.report.data import ReportData
from layerwise.report.words import clean, count, number, percent, shorten

__all__ = ["sentences"]

LONGEST = 160


def sentences(data: ReportData) -> Section | None:
    """How good the sentences are that a model writes, and some of them.

    >>> sentences(ReportData("Translator", "pairs.tsv")) is None
    True
    """
    metrics = data.sentences
    if not metrics:
        return None
    translates = metrics["task"] == "translate"
    lead = (
        f"Measured on {count(metrics['judged'])} {metrics['held_out']}, after {count(metrics['pairs'])} "
        f"{'pairs' if translates else 'sentences'} were learned from."
    )
    heads = ("Sentence", "Translation", "What is right") if translates else ("Sentence", "From its code")
    rows = tuple(_row(example)[: len(heads)] for example in metrics["examples"])
    blocks: list[Block] = [Text(lead, "lead"), _tiles(metrics), Table(heads, rows, caption="Some of them")]
    return Section("sentences", "Translations" if translates else "Sentences from codes", tuple(blocks))


def _tiles(metrics: Any) -> Tiles:
    told = [(number(metrics["bleu"]), "BLEU")]
    if metrics["task"] == "translate":
        told = [
            (number(metrics["bleu"]), f"BLEU, with a beam of {metrics['beam']}"),
            (number(metrics["greedy_bleu"]), "BLEU of the likeliest sub-word each time"),
        ]
    if "memory_bleu" in metrics:
        told.append((number(metrics["memory_bleu"]), "BLEU of the most similar training sentence's translation"))
    if "exact" in metrics:
        told.append((percent(metrics["exact"]), "come back to the letter"))
    return Tiles(tuple(Tile(value, words) for value, words in told))


def _row(example: Any) -> tuple[Cell, ...]:
    texts = (example["source"], example["found"], " / ".join(example["truth"]))
    return tuple(Cell(shorten(text, LONGEST), whole=clean(text)) for text in texts)
