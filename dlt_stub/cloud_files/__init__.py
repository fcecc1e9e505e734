"""Auto Loader here: our own discovery of files, Spark's own reading of them."""

from dlt_stub.cloud_files.cleaning import Cleaning, cleaning_of
from dlt_stub.cloud_files.options import EvolutionMode, KnownOptions, known_options
from dlt_stub.cloud_files.records import FileBatch, FileEntry, FilePlan, IngestedFile, Refused
from dlt_stub.cloud_files.segments import FEW_SEGMENTS
from dlt_stub.cloud_files.source import CloudFilesSource
from dlt_stub.cloud_files.state import CloudFilesState, is_ledger_long

__all__ = [
    "FEW_SEGMENTS",
    "Cleaning",
    "CloudFilesSource",
    "CloudFilesState",
    "EvolutionMode",
    "FileBatch",
    "FileEntry",
    "FilePlan",
    "IngestedFile",
    "KnownOptions",
    "Refused",
    "cleaning_of",
    "is_ledger_long",
    "known_options",
]
