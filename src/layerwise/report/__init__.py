"""One page that shows how good a model is, beside PCA: a self-contained HTML file."""

from layerwise.report.data import ReportData
from layerwise.report.page import write_report

__all__ = ["ReportData", "write_report"]
