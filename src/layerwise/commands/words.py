"""Figures as words and tables, for a terminal."""

from typing import Any

from rich.table import Table as RichTable

from layerwise.terminal import visible

__all__ = ["as_table", "summary"]


def summary(metrics: dict[str, Any]) -> str:
    """The figures in two or three lines.

    Raises:
        KeyError: for figures that are not those of `metrics_`.
    """
    tasks = {"detect": _anomalies, "impute": _gaps, "classify": _forecast, "regress": _forecast}
    tasks |= dict.fromkeys(("denoise", "colorize", "segment"), _pictures)
    tasks |= {"translate": _translations, "encode": _sentences}
    return tasks[metrics["task"]](metrics) if "task" in metrics else _comparison(metrics) + _evidence(metrics)


def _evidence(metrics: dict[str, Any]) -> str:
    if "evidence" not in metrics:
        return ""
    found = metrics["evidence"]
    return (
        f"\n  log-likelihood of a row at least {found['bound']:.2f} nats ({found['samples']} samples; lower bound with "
        f"one {found['elbo']:.2f}); {found['active_units']} of {metrics['n_components']} units are active"
    )


def _gaps(metrics: dict[str, Any]) -> str:
    hidden = {name: metrics[name] for name in ("mean", "linear", "network")}
    left = f"{hidden['network'] / hidden['mean']:.1%} of it" if hidden["mean"] else "none"
    return (
        f"{metrics['missing']:.2%} of the cells of {metrics['rows']} rows are missing; squared error in hidden cells "
        f"(sum over {metrics['features']} features, scaled units):\n"
        f"  column means {hidden['mean']:.4g}   linear {hidden['linear']:.4g}   "
        f"imputer {hidden['network']:.4g} ({left})"
    )


def _pictures(metrics: dict[str, Any]) -> str:
    judged = f"on {metrics['judged']} {metrics['held_out']}" if "judged" in metrics else "on these pictures"
    if metrics["task"] == "denoise":
        told = {name: f"{metrics[name]:.2f} dB" for name in ("noisy_psnr", "smoothed_psnr", "psnr")}
        return (
            f"{judged}, peak signal-to-noise ratio:\n"
            f"  noisy {told['noisy_psnr']}   best Gaussian filter {told['smoothed_psnr']}   model {told['psnr']}"
        )
    if metrics["task"] == "colorize":
        usual, found = metrics["mean_chrominance_error"], metrics["chrominance_error"]
        return (
            f"{judged}, squared error of a pixel's chrominances:\n"
            f"  mean colour {usual:.4g}   model {found:.4g} ({found / usual - 1:+.1%})"
        )
    otsu = f"threshold (Otsu) {metrics['otsu_mean_iou']:.4f}   " if "otsu_mean_iou" in metrics else ""
    right = f"{metrics['right_pixels']:.2%} of the pixels are right"
    return f"{judged}, mean intersection over union:\n  {otsu}model {metrics['mean_iou']:.4f}; {right}"


def _judged(metrics: dict[str, Any]) -> str:
    return f"on {metrics['judged']} {metrics.get('held_out', 'given sentences')}"


def _translations(metrics: dict[str, Any]) -> str:
    memory = f"most similar training sentence {metrics['memory_bleu']:.2f}   " if "memory_bleu" in metrics else ""
    return (
        f"{_judged(metrics)}, BLEU of their translations:\n"
        f"  {memory}beam of 1 {metrics['greedy_bleu']:.2f}   beam of {metrics['beam']} {metrics['bleu']:.2f}"
    )


def _sentences(metrics: dict[str, Any]) -> str:
    exact = f"{metrics['exact']:.2%} of them to the letter"
    return f"{_judged(metrics)}: BLEU of what comes back from their codes {metrics['bleu']:.2f}; {exact}"


def _anomalies(metrics: dict[str, Any]) -> str:
    rows, flagged = metrics["rows"], metrics["flagged"]
    threshold = f"their scores are above {metrics['threshold']:.4g}"
    told = f"{flagged} of {rows} rows are flagged ({flagged / rows:.2%}): {threshold}"
    if "auroc" not in metrics:
        return told
    return (
        f"{told}\n  {metrics['anomalies']} of {metrics['labelled']} labelled rows are anomalies, "
        f"{metrics['anomalies_flagged']} of them flagged; "
        f"area under the ROC curve {metrics['auroc']:.4f}, average precision {metrics['average_precision']:.4f}"
    )


def _forecast(metrics: dict[str, Any]) -> str:
    rows = f"{metrics['rows']} {metrics['held_out'].removeprefix('rows ')}"
    fitted = f" (fitted to {metrics['linear_rows']} rows)"
    if metrics["task"] == "regress":
        linear = "" if metrics["linear_r2"] is None else f"   ridge regression {metrics['linear_r2']:.4g}{fitted}"
        r2 = "none for one row" if metrics["r2"] is None else f"{metrics['r2']:.4g}"
        return f"on {rows}: root mean squared error {metrics['rmse']:.4g}\n  R2 of the net {r2}{linear}"
    low, high = metrics["error_interval"]
    linear = "" if metrics["linear_error"] is None else f"   logistic regression {metrics['linear_error']:.2%}{fitted}"
    # Folders of the first versions do not say which class was the most frequent one.
    usual = "unknown" if metrics["majority_error"] is None else f"{metrics['majority_error']:.2%}"
    return (
        f"error on {rows}, {len(metrics['classes'])} classes:\n"
        f"  most frequent class {usual}{linear}\n"
        f"  net {metrics['error']:.2%} (95 % interval {low:.2%} to {high:.2%})"
    )


def _comparison(metrics: dict[str, Any]) -> str:
    size, ratio, interval = metrics["n_components"], metrics["ratio_to_pca"], metrics["ratio_interval"]
    rows = metrics["held_out"].removeprefix("rows ")
    words = {
        "autoencoder": "the autoencoder is better",
        "pca": "PCA is better: use PCA, or train longer or wider",
        "tie": "no difference can be told" if interval else "too few rows to tell",
    }
    between = f" (95 % interval {interval[0]:.3f} to {interval[1]:.3f})" if interval else ""
    told = "PCA is exact here" if ratio is None else f"{ratio:.3f}{between}: {words[metrics['verdict']]}"
    trust = metrics["trustworthiness"]
    trusted = f"; trustworthiness {trust['autoencoder']:.3f}, PCA's {trust['pca']:.3f}" if "pca" in trust else ""
    return "\n".join(
        [
            f"squared error on {metrics['rows']} {rows} (sum over {metrics['features']} features, scaled units):",
            f"  column means {metrics['mean_squared_error']:.4g}   PCA-{size} {metrics['pca_squared_error']:.4g}"
            f"   autoencoder-{size} {metrics['squared_error']:.4g}",
            f"  autoencoder / PCA = {told}{trusted}",
        ]
    )


def as_table(value: Any) -> RichTable:
    """A list of rows, or named values, as a table for a terminal."""
    table = RichTable(show_header=isinstance(value, list))
    if isinstance(value, list):
        for name in value[0] if value else []:
            table.add_column(_cell(name), overflow="fold")
        for row in value:
            table.add_row(*(_cell(cell) for cell in row.values()))
        return table
    for name, cell in value.items():
        table.add_row(_cell(name), _cell(cell))
    return table


def _cell(value: Any) -> str:
    if isinstance(value, dict):
        return "\n".join(f"{_cell(name)}: {_cell(item)}" for name, item in value.items())
    if isinstance(value, list | tuple) and any(isinstance(item, dict) for item in value):
        return "\n\n".join(_cell(item) for item in value)
    if isinstance(value, list | tuple):
        return ", ".join(_cell(item) for item in value)
    return f"{value:.6g}" if isinstance(value, float) else visible(str(value))
