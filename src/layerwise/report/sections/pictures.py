"""Pictures before and after."""

from typing import Any

import numpy as np

from layerwise.report.blocks import Block, Example, Picture, Pictures, Section, Text, Tile, Tiles
from layerwise.report.data import ReportData
from layerwise.report.drawing import png
from layerwise.report.words import number, percent

__all__ = ["pictures"]

WORDS = {
    "denoise": ("Noise", ("noisy", "denoised", "clean")),
    "colorize": ("Colours", ("grey", "coloured", "original")),
    "segment": ("Segments", ("original", "segments", "truth")),
}


def pictures(data: ReportData) -> Section | None:
    """How near pictures come to what they should be, and some of them.

    >>> pictures(ReportData("Photos", "photos")) is None
    True
    """
    metrics = data.pictures
    if not metrics:
        return None
    title, names = WORDS[metrics["task"]]
    judged = f"{metrics['judged']} {metrics['held_out']}" if "judged" in metrics else "the given pictures"
    blocks: list[Block] = [Text(f"Measured on {judged}.", "lead"), _tiles(metrics)]
    shown = data.examples.get("pictures.shown")
    if shown is not None and len(shown):
        examples = []
        for row, (height, width) in zip(np.asarray(shown), np.asarray(data.examples["pictures.size"]), strict=True):
            cut = [np.ascontiguousarray(picture[:height, :width]) for picture in row]
            examples.append(
                Example("", tuple(Picture(png(picture), name) for picture, name in zip(cut, names, strict=True)))
            )
        blocks.append(Pictures("Some of them, or their middles", tuple(examples)))
    return Section("pictures", title, tuple(blocks))


def _tiles(metrics: Any) -> Tiles:
    if metrics["task"] == "denoise":
        told = [
            (f"{metrics['noisy_psnr']:.2f} dB", "of the noisy pictures: the peak signal-to-noise ratio"),
            (f"{metrics['smoothed_psnr']:.2f} dB", "by the best Gaussian filter"),
            (f"{metrics['psnr']:.2f} dB", "by this model"),
        ]
    elif metrics["task"] == "colorize":
        told = [
            (number(metrics["mean_chrominance_error"]), "squared error of a pixel's chrominances by their means"),
            (number(metrics["chrominance_error"]), "by this model"),
        ]
    else:
        told = [
            (number(metrics["mean_iou"]), "mean intersection over union"),
            (percent(metrics["right_pixels"]), "of the pixels are right"),
        ]
        if "otsu_mean_iou" in metrics:
            told.insert(0, (number(metrics["otsu_mean_iou"]), "mean intersection over union by a threshold (Otsu)"))
    return Tiles(tuple(Tile(value, words) for value, words in told))
