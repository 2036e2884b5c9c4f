"""The page of Markdown in a model folder."""

from collections.abc import Mapping
from typing import Any

from layerwise.models import Detector, Imputer, Model, PictureMap, Predictor, SequenceModel

__all__ = ["model_card"]

Metrics = Mapping[str, Any]


def model_card(model: Model, metrics: Metrics, settings: Metrics) -> str:
    """A page of Markdown that tells what the model is and how good it is.

    Arguments:
        model: the trained model.
        metrics: how good it was, as in `metrics.json`.
        settings: of its estimator; "class" is its name.
    """
    if isinstance(model, Detector):
        told = _detector(metrics)
    elif isinstance(model, Imputer):
        told = _imputer(metrics)
    elif isinstance(model, PictureMap):
        told = _pictures(metrics)
    elif isinstance(model, SequenceModel):
        told = _sentences(metrics, str(settings["class"]))
    else:
        told = _predictor(metrics, str(settings["class"])) if isinstance(model, Predictor) else _autoencoder(metrics)
    return "\n".join([*told, ""])


def _autoencoder(metrics: Metrics) -> list[str]:
    figures: list[str] = []
    if metrics:
        figures = [
            f"{metrics['features']} features in, a code of {metrics['n_components']}.",
            "",
            f"| on {metrics['rows']} {metrics.get('held_out', 'rows')} | squared error |",
            "|---|---|",
            f"| column means | {metrics['mean_squared_error']:.6g} |",
            f"| PCA, same code size | {metrics['pca_squared_error']:.6g} |",
            f"| this model | {metrics['squared_error']:.6g} |",
            "",
            f"Unit: {metrics['unit']}.",
            "",
        ]
    if "evidence" in metrics:
        found = metrics["evidence"]
        figures += [
            f"Log-likelihood of a row: at least {found['bound']:.6g} nats, by {found['samples']} samples; "
            f"{found['active_units']} active units.",
            "",
            "New rows: `layerwise sample FOLDER -n 100 -o ROWS.csv`.",
            "",
        ]
    return [
        "# A Layerwise autoencoder",
        "",
        *figures,
        "Use: `layerwise transform FOLDER DATA -o CODES.csv`, or in Python `layerwise.estimators.load(FOLDER)`.",
        "",
        "The folder holds a few rows of the data it was made from (examples.safetensors), for the report.",
    ]


def _predictor(metrics: Metrics, name: str) -> list[str]:
    labels = {
        "error": "error",
        "majority_error": "error of the most frequent class",
        "linear_error": "error of logistic regression",
        "r2": "R2",
        "linear_r2": "R2 of ridge regression",
        "rmse": "root mean squared error",
    }
    figures = [f"| {label} | {metrics[key]:.6g} |" for key, label in labels.items() if metrics.get(key) is not None]
    return [
        f"# A Layerwise {'classifier' if name == 'StackedClassifier' else 'regressor'}",
        "",
        f"| on {metrics['rows']} {metrics['held_out']} | |",
        "|---|---|",
        *figures,
        "",
        f"Use: `layerwise predict FOLDER DATA -o PREDICTIONS.csv`, or in Python `{name}.load(FOLDER)`.",
    ]


def _detector(metrics: Metrics) -> list[str]:
    figures: list[str] = []
    if metrics:
        figures = [
            f"Fitted to {metrics['rows']} rows of {metrics['features']} features; it flags {metrics['flagged']}.",
            "",
        ]
    return [
        "# A Layerwise anomaly detector",
        "",
        *figures,
        "Use: `layerwise score FOLDER DATA -o SCORES.csv`, or in Python `AutoencoderDetector.load(FOLDER)`.",
        "",
        "The folder holds the codes of some of the rows that it was made from.",
    ]


def _imputer(metrics: Metrics) -> list[str]:
    figures = [f"Fitted to {metrics['rows']} rows of {metrics['features']} features.", ""] if metrics else []
    return [
        "# A Layerwise imputer",
        "",
        *figures,
        "Use: `layerwise impute FOLDER DATA -o COMPLETE.csv`, or in Python `AutoencoderImputer.load(FOLDER)`.",
    ]


def _pictures(metrics: Metrics) -> list[str]:
    verb = metrics["task"]
    figures = [f"| {name} | {value:.6g} |" for name, value in metrics.items() if isinstance(value, float)]
    return [
        f"# A Layerwise model that can {verb} pictures",
        "",
        f"| on {metrics['judged']} {metrics['held_out']} | |",
        "|---|---|",
        *figures,
        "",
        f"Use: `layerwise {verb} FOLDER PICTURES -o OUTPUT`, or in Python `layerwise.estimators.load(FOLDER)`.",
        "",
        "The folder holds parts of a few pictures that it was judged by (examples.safetensors), for the report.",
    ]


def _sentences(metrics: Metrics, name: str) -> list[str]:
    translates = name == "Translator"
    labels = {
        "memory_bleu": "BLEU of the most similar training sentence's translation",
        "greedy_bleu": "BLEU of this model, with a beam of 1",
        "bleu": f"BLEU of this model{', with a beam of ' + str(metrics['beam']) if translates else ''}",
        "exact": "share that comes back to the letter",
    }
    figures = [f"| {label} | {metrics[key]:.6g} |" for key, label in labels.items() if key in metrics]
    verb = "`layerwise translate FOLDER SENTENCES.txt -o TRANSLATIONS.txt`, or " if translates else ""
    what = "pairs of sentences" if translates else "sentences"
    return [
        f"# A Layerwise {'translator' if translates else 'autoencoder of sentences'}",
        "",
        f"Fitted to {metrics['pairs']} {what} with {metrics['vocabulary']} sub-words.",
        "",
        f"| on {metrics['judged']} {metrics['held_out']} | |",
        "|---|---|",
        *figures,
        "",
        f"Use: {verb}in Python `{name}.load(FOLDER)`.",
        "",
        "The folder holds a few of the sentences that it was judged by (metrics.json), for the report.",
    ]
