"""The seam between user code and what it reads: the same function is probed and executed."""

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass
from typing import Protocol

from pyspark.sql import DataFrame
from pyspark.sql.types import StructType

from dlt_stub.declare.registry import user_origin
from dlt_stub.errors import DefinitionError, Origin


@dataclass(frozen=True, slots=True, kw_only=True)
class CloudFilesRequest:
    """A ``spark.readStream.format("cloudFiles")`` as the user wrote it; the path is local."""

    options: Mapping[str, str]
    path: str
    schema: StructType | str | None
    origin: Origin


class Reads(Protocol):
    """Answers every read of a query function while that function runs."""

    temp_views: dict[str, DataFrame]  # made by that function, by lower-case name

    @property
    def has_read_datasets(self) -> bool:
        """Whether it has read what is empty while the function is probed."""

    def table(self, name: str, *, streaming: bool, options: Mapping[str, str]) -> DataFrame:
        """Return the dataset or outside table called ``name``."""

    def names_of(self, name: str) -> tuple[tuple[str, ...], ...]:
        """Return the names of several levels that columns of table ``name`` may be written with."""

    def cloud_files(self, request: CloudFilesRequest) -> DataFrame:
        """Return the files ``request`` asks for."""

    def files(self, request: CloudFilesRequest) -> DataFrame:
        """Return what ``request`` finds now, as a batch."""

    def local(self, path: str) -> str:
        """Return where ``path`` lies on this machine."""

    def check_stream(self, name: str) -> None:
        """Take note that the query streams from ``name``, which no method here has answered."""


_current: ContextVar[Reads | None] = ContextVar("dlt_stub_reads", default=None)


@contextmanager
def reading(reads: Reads) -> Iterator[None]:
    """Answer the reads made inside the block with ``reads``."""
    token = _current.set(reads)
    try:
        yield
    finally:
        _current.reset(token)


def current_reads() -> Reads:
    """Return what answers reads now.

    Raises:
        DefinitionError: no query function is being run.
    """
    reads = _current.get()
    if reads is None:
        raise DefinitionError(
            "a dataset was read outside a query function",
            origin=user_origin(),
            hint="read inside the function that @dlt.table or @dlt.view decorates",
        )
    return reads


def reads_or_none() -> Reads | None:
    """Return what answers reads now, if a query function is being run."""
    return _current.get()
