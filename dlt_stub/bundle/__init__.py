"""Reads a Databricks Asset Bundle and says what is wrong with it."""

from dlt_stub.bundle.diagnostics import BundleFaultsError, Diagnostic, Severity
from dlt_stub.bundle.load import load_bundle, read_bundle
from dlt_stub.bundle.local_paths import pipeline_source_files
from dlt_stub.bundle.model import Bundle, BundleDashboard, BundleReading

__all__ = [
    "Bundle",
    "BundleDashboard",
    "BundleFaultsError",
    "BundleReading",
    "Diagnostic",
    "Severity",
    "load_bundle",
    "pipeline_source_files",
    "read_bundle",
]
